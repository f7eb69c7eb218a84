//! Errors and notes as Python gets them.

use pyo3::create_exception;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use tagsmith_cli::keywords::Keywords;
use tagsmith_message::Note;

create_exception!(
    tagsmith,
    TagsmithError,
    PyValueError,
    "What cannot be done as it was asked for, with what can be done about it."
);

/// Returns the error of a command as a Python exception.
pub fn raised(command: &str, error: &anyhow::Error) -> PyErr {
    TagsmithError::new_err(Keywords::of(command).error(error))
}

/// A note: whether something is lost or left out, and what it says.
pub type Told = (bool, String);

/// Returns notes of a command, the important ones first.
pub fn told(command: &str, notes: &[Note]) -> Vec<Told> {
    let mut notes: Vec<&Note> = notes.iter().collect();
    Note::important_first(&mut notes);
    notes.into_iter().map(|note| (note.important, Keywords::of(command).note(note))).collect()
}
