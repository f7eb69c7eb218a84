//! Errors of weights and checkpoint folders.

use std::path::PathBuf;

/// What can be wrong with a checkpoint folder.
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
    /// A JSON file does not parse.
    #[error("{}: not valid JSON", path.display())]
    Json {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// A setting in config.json that is missing, impossible or not implemented.
    #[error("{}: `{key}` {problem}", path.display())]
    Setting {
        /// Which file.
        path: PathBuf,
        /// The setting.
        key: String,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// A weights file that is damaged or not what it should be.
    #[error("{}: {problem}", path.display())]
    Weights {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// The head in the checkpoint has another size than the labels need.
    #[error(
        "{}: `{tensor}` has shape {found:?}, {labels} labels need {needed:?}: pass --ignore_mismatched_sizes to draw a new head",
        path.display()
    )]
    HeadSize {
        /// Which file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Its shape in the file.
        found: Vec<usize>,
        /// The shape it needs.
        needed: Vec<usize>,
        /// How many labels there are.
        labels: usize,
    },
    /// An encoder without a head, where a fine-tuned model is needed.
    #[error(
        "{}: has no `classifier.weight`: it is an encoder that was not fine-tuned for labels, `tagsmith train` does that",
        path.display()
    )]
    NoHead {
        /// Which file.
        path: PathBuf,
    },
}
