//! Errors of reading data.

use std::io;
use std::path::Path;
use tagsmith_message::Remedy;

/// Why texts and tags cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes stop coming.
    #[error("{place}: cannot be read")]
    Read {
        /// The source, with the line reached where it is known.
        place: String,
        /// What the system or the decompressor said.
        source: io::Error,
    },
    /// The text is not UTF-8.
    #[error(
        "{place}: byte {byte} of the line (0x{value:02X}) is not UTF-8: convert the file, for example with `iconv -f LATIN1 -t UTF-8` (or `-f UTF-16`)"
    )]
    Encoding {
        /// Source and line.
        place: String,
        /// Position in the line, from 1.
        byte: usize,
        /// The offending byte.
        value: u8,
    },
    /// The content is not what it must be.
    #[error("{place}: {problem}")]
    Content {
        /// Source, with line or row where there is one.
        place: String,
        /// What is wrong, with the value, and what to do.
        problem: String,
    },
    /// A path is not there, or is not what it must be.
    #[error("{path}: {problem}")]
    Path {
        /// The path as it was given or found.
        path: String,
        /// What is wrong with it and what to do.
        problem: String,
    },
    /// The system refuses to open or list a path.
    #[error("{path}: cannot be opened")]
    Open {
        /// The path.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The hub does not give what was asked for.
    #[error(transparent)]
    Hub(#[from] tagsmith_hub::Error),
}

impl Error {
    /// Returns what the user can do about it.
    pub fn remedy(&self) -> Option<Remedy> {
        match self {
            Error::Hub(error) => error.remedy(),
            _ => None,
        }
    }

    pub(crate) fn content(place: impl Into<String>, problem: impl Into<String>) -> Error {
        Error::Content { place: place.into(), problem: problem.into() }
    }

    pub(crate) fn path(path: impl std::fmt::Display, problem: impl Into<String>) -> Error {
        Error::Path { path: path.to_string(), problem: problem.into() }
    }

    pub(crate) fn open(path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.display().to_string();
        move |source| Error::Open { path, source }
    }

    /// The error for a path that does not exist.
    pub(crate) fn no_path(name: &str) -> Error {
        Error::path(name, "there is no such file or folder: correct the path")
    }
}

/// `train.conll:17`
pub(crate) fn at_line(source: &str, line: u64) -> String {
    format!("{source}:{line}")
}

/// `train.parquet: row 17`
pub(crate) fn at_row(source: &str, row: u64) -> String {
    format!("{source}: row {row}")
}
