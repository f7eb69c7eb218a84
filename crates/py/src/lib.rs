//! The native half of the Python package `tagsmith`. `python/tagsmith` is the other half, which users import.
//!
//! Everything here computes without Python's lock. Options are spelled as keywords by [`tagsmith_cli::keywords`].

mod callback;
mod error;
mod fork;
mod json;
mod options;
mod score;
mod tagger;
mod train;

use pyo3::prelude::*;

/// The module `tagsmith._tagsmith`.
#[pymodule]
mod _tagsmith {
    use super::*;
    use std::ffi::OsString;

    #[pymodule_export]
    use crate::error::TagsmithError;
    #[pymodule_export]
    use crate::fork::{after_fork_in_child, after_fork_in_parent, before_fork};
    #[pymodule_export]
    use crate::score::{entities, evaluate, read, score, score_files};
    #[pymodule_export]
    use crate::tagger::Tagger;
    #[pymodule_export]
    use crate::train::train;

    /// Returns the version of the program.
    #[pyfunction]
    fn version() -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    /// Runs a command line, whose first word is the program's name. Returns the exit status.
    #[pyfunction]
    fn run_command_line(py: Python<'_>, words: Vec<OsString>) -> u8 {
        py.detach(|| tagsmith_cli::run(words))
    }
}
