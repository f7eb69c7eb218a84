//! What helps where a folder cannot be read as a data set.

use tagsmith_message::{Remedy, Setting};

/// Returns the remedy of naming the files of the splits.
pub(super) fn as_files() -> Remedy {
    Remedy::Set(vec![Setting::TrainFile, Setting::ValidationFile, Setting::TestFile])
}
