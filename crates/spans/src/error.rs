//! Errors of span taggers: configurations, data, models and runs.

use std::path::{Path, PathBuf};
use tagsmith_message::{Remedy, counted};

/// What can be wrong with a configuration, data, a model or a run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read or written.
    #[error("{}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Something at a place: a file, with the line where there is one.
    #[error("{place}: {problem}")]
    Content {
        /// Where.
        place: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// A run that holds more than it may.
    #[error("training takes {planned}, but {allowed}")]
    Memory {
        /// What the run takes.
        planned: String,
        /// What the process may use, of its machine's memory or the GPU's.
        allowed: String,
        /// What makes it fit.
        remedy: Remedy,
    },
    /// Something that stands in no file.
    #[error("{0}")]
    Setting(String),
    /// A cross-encoder's labels fill its sequence.
    #[error(
        "{} in the prompt {} no room for text in {pieces} pieces: look for fewer labels at once, or use a bi-encoder, \
         which has no such limit",
        counted(*.labels, "label"),
        if *.labels == 1 { "leaves" } else { "leave" }
    )]
    PromptTooLong {
        /// C.
        labels: usize,
        /// The longest sequence.
        pieces: usize,
    },
    /// A longest sequence that the model does not take.
    #[error("a sequence of {asked} pieces is asked for, but the model has {positions} positions")]
    TooLong {
        /// What was asked for.
        asked: usize,
        /// What the position table allows.
        positions: usize,
    },
    /// An input that cannot be read.
    #[error("{place}: cannot be tagged")]
    Input {
        /// Where the input is.
        place: String,
        /// Why.
        source: Box<Error>,
    },
    /// Scores that are infinite or not numbers: no entity follows from them.
    #[error("the model's scores are not numbers: its weights were spoiled in training, or by whoever wrote them")]
    NotNumbers,
    /// A model's files.
    #[error(transparent)]
    Model(#[from] tagsmith_weights::Error),
    /// Rows of a word table that cannot be read.
    #[error(transparent)]
    Rows(#[from] tagsmith_kernel::params::table::UnreadableRows),
    /// The device that the model runs on has failed, or has too little memory.
    #[error(transparent)]
    Device(#[from] tagsmith_kernel::device::Error),
    /// A tokenizer's files, or an input that it refuses.
    #[error(transparent)]
    Tokenizer(#[from] tagsmith_text::tokenizer::Error),
    /// JSON files.
    #[error(transparent)]
    Files(#[from] tagsmith_files::Error),
    /// Data files.
    #[error(transparent)]
    Data(#[from] tagsmith_data::error::Error),
    /// Models and tokenizers of the hub.
    #[error(transparent)]
    Hub(#[from] tagsmith_hub::Error),
    /// A run's checkpoints and schedules.
    #[error(transparent)]
    Run(#[from] tagsmith_train::error::Error),
}

impl From<tagsmith_kernel::Error> for Error {
    fn from(error: tagsmith_kernel::Error) -> Error {
        match error {
            tagsmith_kernel::Error::Rows(error) => Error::Rows(error),
            tagsmith_kernel::Error::Device(error) => Error::Device(error),
        }
    }
}

impl Error {
    /// Returns what the caller can do about it, beside what the message says.
    pub fn remedy(&self) -> Option<Remedy> {
        match self {
            Error::Files(error) => error.remedy(),
            Error::Data(error) => error.remedy(),
            Error::Hub(error) => error.remedy(),
            Error::Run(error) => error.remedy(),
            Error::Memory { remedy, .. } => Some(remedy.clone()),
            _ => None,
        }
    }

    /// Something is wrong with a file.
    pub(crate) fn at(path: &Path, problem: impl Into<String>) -> Error {
        Error::Content { place: path.display().to_string(), problem: problem.into() }
    }
}
