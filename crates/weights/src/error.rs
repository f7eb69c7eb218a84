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
    /// A weights file that is damaged or not what it should be.
    #[error("{}: {problem}", path.display())]
    Weights {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// A freezing pattern that matches no parameter.
    #[error("--freeze `{pattern}` matches no parameter; names look like `{example}`")]
    Freeze {
        /// The pattern.
        pattern: String,
        /// One of the names there are.
        example: String,
    },
}
