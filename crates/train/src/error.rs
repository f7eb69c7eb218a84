//! Errors of a training run.

use std::path::{Path, PathBuf};
use tagsmith_kernel::params::table::UnreadableRows;
use tagsmith_message::{Remedy, Setting};

/// An error of a training run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Options that contradict each other or the data.
    #[error("{problem}")]
    Setting {
        /// What is wrong.
        problem: String,
        /// What the caller can do about it.
        remedy: Option<Remedy>,
    },

    /// Weights that are of no use: a loss, a gradient or a weight is not a number.
    #[error("step {step}: {problem} at learning rate {learning_rate:e}: the weights are lost{}", last_good(checkpoint))]
    Diverged {
        /// The update, from 1.
        step: u64,
        /// What is not a number.
        problem: String,
        /// The rate of the update.
        learning_rate: f64,
        /// The last checkpoint of this run.
        checkpoint: Option<PathBuf>,
    },

    /// Ranks that do not have the same weights or inputs.
    #[error(
        "step {step}: rank {rank} has other {} than rank 0",
        if *inputs { "data or options" } else { "weights" }
    )]
    Apart {
        /// Updates made.
        step: u64,
        /// The first rank that differs.
        rank: usize,
        /// Whether its data or options differ, and not its weights.
        inputs: bool,
    },

    /// `metric_for_best_model` names nothing that evaluation returns.
    #[error("evaluation has no `{wanted}` to choose the best model by; it has {}", available.join(", "))]
    Metric {
        /// The key looked for.
        wanted: String,
        /// The keys there are.
        available: Vec<String>,
    },

    /// A checkpoint that is incomplete or altered.
    #[error("`{}` cannot be resumed: {problem}{}", folder.display(), other_checkpoint(intact))]
    Checkpoint {
        /// The folder of the checkpoint.
        folder: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// The newest checkpoint beside it that is whole.
        intact: Option<PathBuf>,
    },

    /// A file that cannot be read or written.
    #[error(transparent)]
    Files(#[from] tagsmith_files::Error),

    /// A file of weights or moments that cannot be read or written.
    #[error(transparent)]
    Weights(#[from] tagsmith_weights::Error),

    /// Rows of a table that cannot be read, or a device that failed.
    #[error(transparent)]
    Kernel(#[from] tagsmith_kernel::Error),

    /// A freezing pattern that matches no parameter.
    #[error("`{pattern}` matches no parameter to freeze; names look like `{example}`")]
    Freeze {
        /// The pattern.
        pattern: String,
        /// One of the names there are.
        example: String,
    },
}

impl From<UnreadableRows> for Error {
    fn from(error: UnreadableRows) -> Error {
        Error::Kernel(error.into())
    }
}

impl From<tagsmith_kernel::device::Error> for Error {
    fn from(error: tagsmith_kernel::device::Error) -> Error {
        Error::Kernel(error.into())
    }
}

impl Error {
    /// For `map_err` after an operation on `path`.
    pub(crate) fn at(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.to_owned();
        move |source| Error::Files(tagsmith_files::Error::Io { path, source })
    }

    /// Options that contradict each other or the data.
    pub(crate) fn setting(problem: impl Into<String>) -> Error {
        Error::Setting { problem: problem.into(), remedy: None }
    }

    /// Options that contradict each other or the data, and what helps.
    pub(crate) fn with_remedy(problem: impl Into<String>, remedy: Remedy) -> Error {
        Error::Setting { problem: problem.into(), remedy: Some(remedy) }
    }

    /// What the caller can do about the error.
    pub fn remedy(&self) -> Option<Remedy> {
        match self {
            Error::Setting { remedy, .. } => remedy.clone(),
            Error::Files(error) => error.remedy(),
            Error::Diverged { .. } => Some(Remedy::AnyOf(vec![
                Remedy::set(Setting::LearningRate).so_as("with a smaller number"),
                Remedy::set(Setting::WarmupSteps).so_as("with a larger number"),
            ])),
            Error::Apart { inputs: true, .. } => Some(Remedy::to_do("give all ranks the same files")),
            Error::Apart { inputs: false, .. } => Some(Remedy::to_do(
                "go on from the last checkpoint without that machine: it computes wrongly, or its processor has other \
                 instructions",
            )),
            _ => None,
        }
    }
}

fn last_good(checkpoint: &Option<PathBuf>) -> String {
    match checkpoint {
        Some(path) => format!("; the last checkpoint is `{}`", path.display()),
        None => "; there is no checkpoint yet".to_owned(),
    }
}

fn other_checkpoint(intact: &Option<PathBuf>) -> String {
    match intact {
        Some(path) => format!("; the newest whole checkpoint is `{}`", path.display()),
        None => "; there is no whole checkpoint beside it".to_owned(),
    }
}
