//! Errors of tokenizers.

use std::io;
use std::path::PathBuf;
use tagsmith_message::Remedy;

/// The reason why a tokenizer cannot be read, or cannot cut something into pieces.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of the tokenizer cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A file of the tokenizer cannot be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// There is no tokenizer.json, and no file that one can be put together from.
    #[error(
        "`{}` holds no `tokenizer.json` and no vocabulary to make one from ({})",
        folder.display(), vocabulary_files.join(", ")
    )]
    Missing {
        /// The folder that was searched.
        folder: PathBuf,
        /// Names of the files that a tokenizer can be put together from.
        vocabulary_files: &'static [&'static str],
    },
    /// A tokenizer cannot be put together from the files there are.
    #[error("{}: {problem}", path.display())]
    Parts {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// A file of the tokenizer does not hold what it should.
    #[error("`{file}` is not a tokenizer's: {message}")]
    Invalid {
        /// `tokenizer.json` or `tokenizer_config.json`.
        file: &'static str,
        /// The parser's message.
        message: String,
    },
    /// The tokenizer refuses an input, for example because it lacks the unknown piece.
    #[error("the tokenizer cannot cut this into pieces: {message}")]
    Encode {
        /// The tokenizer's message.
        message: String,
    },
    /// The special pieces alone fill the sequence.
    #[error("a sequence of {max_length} pieces has no room for words beside {special} special pieces")]
    NoRoom {
        /// The limit asked for.
        max_length: usize,
        /// Special pieces in every sequence.
        special: usize,
    },
    /// Windows would not move on.
    #[error("windows of {room} pieces cannot overlap by {stride}: the stride must be smaller")]
    Stride {
        /// The overlap asked for.
        stride: usize,
        /// Pieces of text in a window.
        room: usize,
    },
}

impl Error {
    /// Returns what the caller can do about the error.
    pub fn remedy(&self) -> Option<Remedy> {
        matches!(self, Error::Missing { .. }).then(|| Remedy::to_do("download the model again, whole"))
    }
}
