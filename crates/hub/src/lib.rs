//! Names become local files: models and data sets.
//!
//! # What this crate does not do
//! It opens no connection: a name on the Hugging Face hub that is no local folder is an error that says so. It prints
//! nothing and reads no environment.

pub mod dataset;
mod files;
mod format;
mod merge;
pub mod model;

pub use format::open;

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
    /// A file's content is refused.
    #[error(transparent)]
    Content(#[from] tagsmith_text::reader::Error),
}

impl Error {
    fn path(path: impl std::fmt::Display, problem: impl Into<String>) -> Error {
        Error::Path { path: path.to_string(), problem: problem.into() }
    }

    fn open(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.display().to_string();
        move |source| Error::Open { path, source }
    }
}

/// What is asked for when a name is no path.
#[derive(Clone, Copy)]
enum Wanted {
    Dataset,
    Model,
}

/// The error for a path that does not exist.
fn not_found(name: &str, wanted: Wanted) -> Error {
    if !is_hub_name(name) {
        return Error::path(name, "there is no such file or folder: correct the path");
    }
    let (what, kind) = match wanted {
        Wanted::Dataset => ("data set", " --repo-type dataset"),
        Wanted::Model => ("model", ""),
    };
    let folder = name.rsplit('/').next().unwrap_or(name);
    Error::path(
        name,
        format!(
            "there is no such folder, and names on the Hugging Face hub are not resolved yet: download the {what} \
             (`hf download {name}{kind} --local-dir {folder}`) and pass its folder"
        ),
    )
}

/// `conll2003` or `org/name`, as the hub spells them, and not a file's name.
fn is_hub_name(name: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty()
            && !part.starts_with(['.', '-'])
            && part.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | '.'))
    };
    let path = std::path::Path::new(name);
    let in_local_folder = path.parent().is_some_and(|parent| !parent.as_os_str().is_empty() && parent.exists());
    name.split('/').count() <= 2 && name.split('/').all(is_part) && !in_local_folder && !format::is_data_file(path)
}
