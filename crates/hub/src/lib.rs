//! Names become local files: models and data sets, of folders or of the Hugging Face hub; and a finished folder becomes
//! a repository on the hub.
//!
//! The cache on disk is huggingface_hub's: what Python downloaded is read, and what is written Python reads.
//!
//! # What this crate does not do
//! It prints nothing, reads no environment ([`Settings`] come from above), and runs no program that a repository holds.

mod cache;
mod failure;
mod fetch;
mod http;
mod hub;
mod listing;
pub mod model;
mod repo;
mod settings;
mod upload;

pub use hub::{Hub, MAIN, Snapshot};
pub use listing::Listing;
pub use repo::{Kind, Repo, is_inside};
pub use settings::{Event, Settings, Token};

/// Why a name does not lead to data or to a model.
#[derive(Debug, thiserror::Error)]
pub enum Error {
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
        source: std::io::Error,
    },
    /// The system refuses to write a file.
    #[error("{path}: cannot be written")]
    Write {
        /// The path.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Error {
    fn path(path: impl std::fmt::Display, problem: impl Into<String>) -> Error {
        Error::Path { path: path.to_string(), problem: problem.into() }
    }

    fn open(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.display().to_string();
        move |source| Error::Open { path, source }
    }

    fn write(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.display().to_string();
        move |source| Error::Write { path, source }
    }

    /// With its cause, where it becomes a part of a line.
    fn with_cause(&self) -> String {
        std::error::Error::source(self).map_or_else(|| self.to_string(), |cause| format!("{self}: {cause}"))
    }
}

/// The error for a path that does not exist.
fn no_path(name: &str) -> Error {
    Error::path(name, "there is no such file or folder: correct the path")
}

/// `conll2003` or `org/name`, as the hub spells them.
fn is_hub_name(name: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty()
            && !part.starts_with(['.', '-'])
            && part.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | '.'))
    };
    let is_short = name.rsplit('/').next().is_some_and(|own| own.len() <= 96) && name.split('/').count() <= 2;
    is_short && name.split('/').all(is_part) && !name.contains("--") && !name.contains("..")
}
