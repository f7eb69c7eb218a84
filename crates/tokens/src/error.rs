//! Errors of a token classifier: its folder and its training.

use std::path::PathBuf;
use tagsmith_kernel::params::table::UnreadableRows;
use tagsmith_message::{Remedy, Setting};

/// Why a token classifier cannot be read, written or trained.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// config.json cannot be read or written, or asks for what is not implemented.
    #[error(transparent)]
    Files(#[from] tagsmith_files::Error),
    /// The weights cannot be read or written.
    #[error(transparent)]
    Weights(#[from] tagsmith_weights::Error),
    /// Rows of the word table cannot be read.
    #[error(transparent)]
    Rows(#[from] UnreadableRows),
    /// The device that the model runs on has failed, or has too little memory.
    #[error(transparent)]
    Device(#[from] tagsmith_kernel::device::Error),
    /// The run's options or checkpoints are not right.
    #[error(transparent)]
    Run(#[from] tagsmith_train::error::Error),
    /// The head in the checkpoint has another size than the labels need.
    #[error(
        "{}: `{tensor}` has shape {found:?}, {labels} {} {needed:?}",
        path.display(),
        if *labels == 1 { "label needs" } else { "labels need" }
    )]
    HeadSize {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The tensor's shape in the file.
        found: Vec<usize>,
        /// The shape that the labels need.
        needed: Vec<usize>,
        /// The number of labels.
        labels: usize,
    },
    /// An encoder without a head, where a fine-tuned model is needed.
    #[error("{}: has no `{tensor}`: it is an encoder that was not fine-tuned for labels", path.display())]
    NoHead {
        /// The file.
        path: PathBuf,
        /// The first tensor that is missing.
        tensor: String,
    },
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
    /// Returns what the user can do about the error.
    pub fn remedy(&self) -> Option<Remedy> {
        match self {
            Error::Files(error) => error.remedy(),
            Error::Weights(_) | Error::Rows(_) => None,
            Error::Device(error) => of_device(error),
            Error::Run(error) => error.remedy(),
            Error::HeadSize { .. } => Some(Remedy::set(Setting::IgnoreMismatchedSizes).so_as("to draw a new head")),
            Error::NoHead { .. } => Some(Remedy::to_do("train it on labeled text first")),
        }
    }
}

/// Returns what the user can do about a device's error.
pub(crate) fn of_device(error: &tagsmith_kernel::device::Error) -> Option<Remedy> {
    match error {
        tagsmith_kernel::device::Error::OutOfMemory { .. } => {
            Some(Remedy::set(Setting::BatchTokens).so_as("to a smaller number"))
        }
        _ => None,
    }
}
