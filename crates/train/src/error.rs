//! What can go wrong while time passes.

use std::path::{Path, PathBuf};

/// What can go wrong while time passes.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Settings that contradict each other or the data.
    #[error("{0}")]
    Setting(String),

    /// A loss or gradient that is no number.
    #[error(
        "step {step}: the loss is {loss} and the gradient's norm {grad_norm} at learning rate {learning_rate:e}: \
         the weights are lost{}; lower the learning rate or lengthen the warm-up",
        last_good(checkpoint)
    )]
    Diverged {
        /// The update, from 1.
        step: u64,
        /// The loss as computed.
        loss: f64,
        /// The norm as computed.
        grad_norm: f64,
        /// The rate of the update.
        learning_rate: f64,
        /// The last checkpoint of this run.
        checkpoint: Option<PathBuf>,
    },

    /// Ranks that are to have the same weights and have not.
    #[error(
        "step {step}: rank {rank} has other {} than rank 0: {}",
        if *inputs { "data or options" } else { "weights" },
        if *inputs {
            "all ranks must read the same files"
        } else {
            "a machine computes wrongly, or its processor has other instructions; go on from the last checkpoint without it"
        }
    )]
    Apart {
        /// Updates made.
        step: u64,
        /// The first rank that differs.
        rank: usize,
        /// Whether what it reads differs.
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

    /// `load_best_model_at_end` with nothing to load.
    #[error(
        "there is no best model to load: no checkpoint was saved where `{metric}` was best{}",
        newest.as_ref().map(|path| format!("; the newest checkpoint is `{}`", path.display())).unwrap_or_default()
    )]
    NoBest {
        /// The metric that was to decide.
        metric: String,
        /// The newest checkpoint of the run.
        newest: Option<PathBuf>,
    },

    /// A checkpoint that is incomplete or altered.
    #[error("`{}` cannot be resumed: {problem}{}", folder.display(), other_checkpoint(intact))]
    Checkpoint {
        /// Its folder.
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

    /// A freezing pattern that matches no parameter.
    #[error("`{pattern}` matches no parameter to freeze; names look like `{example}`")]
    Freeze {
        /// The pattern.
        pattern: String,
        /// One of the names there are.
        example: String,
    },
}

impl Error {
    /// For `map_err` after an operation on `path`.
    pub(crate) fn at(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.to_owned();
        move |source| Error::Files(tagsmith_files::Error::Io { path, source })
    }

    pub(crate) fn setting(message: impl Into<String>) -> Error {
        Error::Setting(message.into())
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
