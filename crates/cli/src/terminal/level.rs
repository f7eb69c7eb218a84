//! How much is said beside results and errors.

use serde::Serialize;
use tagsmith_message::Note;

/// What is said on standard error. A level says what the levels before it say, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Errors alone.
    Error,
    /// What is lost, cut or left out, and what gives figures another meaning.
    Warning,
    /// Everything there is to say.
    #[default]
    Info,
}

impl Level {
    /// Returns the word before a note, and the level from which on the note is said.
    pub fn of(note: &Note) -> (&'static str, Level) {
        if note.important { ("warning", Level::Warning) } else { ("note", Level::Info) }
    }

    /// Returns the level of one of transformers' names.
    pub fn named(name: &str) -> Level {
        match name {
            "error" | "critical" => Level::Error,
            "warning" => Level::Warning,
            _ => Level::Info,
        }
    }
}
