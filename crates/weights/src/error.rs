//! Errors of files of weights.

use std::path::PathBuf;

/// Why weights cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read or written.
    #[error("{}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The reason that the system gives.
        source: std::io::Error,
    },
    /// A JSON file does not parse.
    #[error("{}: not valid JSON", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The place and the reason.
        source: serde_json::Error,
    },
    /// A file of weights is damaged, or not what it should be.
    #[error("{}: {problem}", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong with the file, and what to do.
        problem: String,
    },
    /// Numbers to write cannot be read: rows of a table, or what lies on a device.
    #[error(transparent)]
    Numbers(#[from] tagsmith_kernel::Error),
}
