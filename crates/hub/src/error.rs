//! Errors of the hub, of its cache and of folders that stand in its place.

use std::fmt::Display;
use std::io;
use std::path::Path;
use tagsmith_message::Remedy;

/// Why a name does not lead to data or to a model.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A path or a name does not lead to what it must.
    #[error("{path}: {problem}")]
    Path {
        /// The path or the name, as it was given or found.
        path: String,
        /// What is wrong with it.
        problem: String,
        /// What the user can do about it.
        remedy: Option<Box<Remedy>>,
    },
    /// The system refuses to open or list a path.
    #[error("{path}: cannot be opened")]
    Open {
        /// The path.
        path: String,
        /// The system's error.
        source: io::Error,
    },
    /// The system refuses to write a file.
    #[error("{path}: cannot be written")]
    Write {
        /// The path.
        path: String,
        /// The system's error.
        source: io::Error,
    },
}

impl Error {
    /// Returns what the user can do about it.
    pub fn remedy(&self) -> Option<Remedy> {
        match self {
            Error::Path { remedy, .. } => remedy.as_deref().cloned(),
            Error::Open { .. } | Error::Write { .. } => None,
        }
    }

    pub(crate) fn path(path: impl Display, problem: impl Into<String>) -> Error {
        Error::Path { path: path.to_string(), problem: problem.into(), remedy: None }
    }

    /// Returns the error of a path or a name, with a remedy.
    pub(crate) fn refused(path: impl Display, problem: impl Into<String>, remedy: Remedy) -> Error {
        Error::Path { path: path.to_string(), problem: problem.into(), remedy: Some(Box::new(remedy)) }
    }

    pub(crate) fn open(path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.display().to_string();
        move |source| Error::Open { path, source }
    }

    pub(crate) fn write(path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.display().to_string();
        move |source| Error::Write { path, source }
    }

    /// Returns the error with its cause, where it becomes a part of a line.
    pub(crate) fn with_cause(&self) -> String {
        std::error::Error::source(self).map_or_else(|| self.to_string(), |cause| format!("{self}: {cause}"))
    }
}

/// Returns the error for a path that does not exist.
pub(crate) fn no_path(name: &str) -> Error {
    Error::refused(name, "there is no such file or folder", Remedy::to_do("correct the path"))
}
