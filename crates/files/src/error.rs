//! Errors of files that are not data.

use std::io;
use std::path::{Path, PathBuf};
use tagsmith_message::{Remedy, Setting};

/// An error of reading or writing a file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused.
    #[error("{}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system refused a file of what memory has no room for.
    #[error("what memory has no room for cannot be {} a file in `{}`", if *is_read { "read from" } else { "written to" }, folder.display())]
    Beyond {
        /// The folder of the file, which has no name.
        folder: PathBuf,
        /// Whether the file was read, not written.
        is_read: bool,
        /// What the system said.
        source: io::Error,
    },
    /// The content is not what it must be.
    #[error("{}: {problem}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the value, and what to do.
        problem: String,
    },
    /// A key of a JSON object is not known, or its value is not what it must be.
    #[error("{}: `{key}` {problem}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// What is wrong, with the value, and what to do.
        problem: String,
    },
}

impl Error {
    /// Makes an error of what the system said about a path.
    pub fn io(path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_owned();
        move |source| Error::Io { path, source }
    }

    /// Returns what the caller can do about the error.
    pub fn remedy(&self) -> Option<Remedy> {
        match self {
            Error::Beyond { .. } => Some(Remedy::AnyOf(vec![
                Remedy::set(Setting::DataMemory).so_as("with more to keep it in memory"),
                Remedy::set(Setting::OutputDir).so_as("with a folder on a disk that has room"),
            ])),
            Error::Io { .. } | Error::Content { .. } | Error::Key { .. } => None,
        }
    }

    /// Makes an error about the content of a file.
    pub fn content(path: &Path, problem: impl Into<String>) -> Error {
        Error::Content { path: path.to_owned(), problem: problem.into() }
    }
}
