//! Errors of reading and writing data.

use std::fmt;
use std::io;
use std::path::Path;
use tagsmith_message::{Remedy, Setting};

/// The reason why texts and tags cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes stop coming.
    #[error("{place}: cannot be read")]
    Read {
        /// The source, with the line reached where it is known.
        place: String,
        /// The message of the system or the decompressor.
        source: io::Error,
    },
    /// The text is not UTF-8.
    #[error(
        "{place}: byte {byte} of the line (0x{value:02X}) is not UTF-8: convert the file, for example with `iconv -f LATIN1 -t UTF-8` (or `-f UTF-16`)"
    )]
    Encoding {
        /// The source and the line.
        place: String,
        /// The position in the line, from 1.
        byte: usize,
        /// The offending byte.
        value: u8,
    },
    /// The content is not what it must be.
    #[error("{place}: {problem}")]
    Content {
        /// The source, with line or row where there is one.
        place: String,
        /// The problem, with the value.
        problem: String,
        /// The setting or the act that helps, where `problem` does not say it.
        remedy: Option<Box<Remedy>>,
    },
    /// A path does not exist, or is not what it must be.
    #[error("{path}: {problem}")]
    Path {
        /// The path as it was given or found.
        path: String,
        /// The problem.
        problem: String,
        /// The setting or the act that helps, where `problem` does not say it.
        remedy: Option<Box<Remedy>>,
    },
    /// The system refuses to open or list a path.
    #[error("{path}: cannot be opened")]
    Open {
        /// The path.
        path: String,
        /// The message of the system.
        source: io::Error,
    },
    /// A document cannot be written in the format that was asked for.
    #[error("{problem}")]
    Unwritable {
        /// The problem, with the value.
        problem: String,
        /// The setting or the act that helps.
        remedy: Box<Remedy>,
    },
    /// A file cannot be written.
    #[error("{what} cannot be written")]
    Write {
        /// The file.
        what: String,
        /// The message of the system or the encoder.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file of sentences that memory has no room for cannot be read or written.
    #[error(transparent)]
    Sentences(#[from] tagsmith_files::Error),
    /// The hub does not give what was asked for.
    #[error(transparent)]
    Hub(#[from] tagsmith_hub::Error),
}

impl Error {
    pub(crate) fn content(place: impl Into<String>, problem: impl Into<String>) -> Error {
        Error::Content { place: place.into(), problem: problem.into(), remedy: None }
    }

    pub(crate) fn path(path: impl fmt::Display, problem: impl Into<String>) -> Error {
        Error::Path { path: path.to_string(), problem: problem.into(), remedy: None }
    }

    pub(crate) fn open(path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.display().to_string();
        move |source| Error::Open { path, source }
    }

    pub(crate) fn read(place: impl Into<String>) -> impl FnOnce(io::Error) -> Error {
        let place = place.into();
        move |source| Error::Read { place, source }
    }

    /// Returns the error for a path that does not exist.
    pub(crate) fn no_path(name: &str) -> Error {
        Error::path(name, "there is no such file or folder: correct the path")
    }

    /// Returns the error with `helps` as its remedy, if it is about content or a path.
    #[must_use]
    pub fn with_remedy(mut self, helps: Remedy) -> Error {
        if let Error::Content { remedy, .. } | Error::Path { remedy, .. } = &mut self {
            *remedy = Some(Box::new(helps));
        }
        self
    }

    /// Returns the error with a remedy that sets `to` in the place of `from`.
    #[must_use]
    pub(crate) fn with_setting(mut self, from: Setting, to: Setting) -> Error {
        if let Error::Content { remedy, .. } | Error::Path { remedy, .. } = &mut self {
            *remedy = remedy.take().map(|remedy| Box::new(remedy.with_setting(from, to)));
        }
        self
    }

    /// Returns what the caller can do about it, beside what the message says.
    pub fn remedy(&self) -> Option<Remedy> {
        match self {
            Error::Content { remedy, .. } | Error::Path { remedy, .. } => remedy.as_deref().cloned(),
            Error::Unwritable { remedy, .. } => Some((**remedy).clone()),
            Error::Hub(error) => error.remedy(),
            Error::Sentences(error) => error.remedy(),
            Error::Read { .. } | Error::Encoding { .. } | Error::Open { .. } | Error::Write { .. } => None,
        }
    }
}

/// Returns the place of a line: `train.conll:17`.
pub(crate) fn at_line(source: &str, line: u64) -> String {
    format!("{source}:{line}")
}

/// Returns the place of a row: `train.parquet: row 17`.
pub(crate) fn at_row(source: &str, row: u64) -> String {
    format!("{source}: row {row}")
}
