//! How much is said beside results and errors.

use serde::Serialize;

/// What is said on standard error. A level says what the levels before it say, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Errors alone.
    Error,
    /// What is lost, cut or left out.
    Warning,
    /// Everything there is to say.
    #[default]
    Info,
}

impl Level {
    /// Returns the level of one of transformers' names.
    pub fn named(name: &str) -> Level {
        match name {
            "error" | "critical" => Level::Error,
            "warning" => Level::Warning,
            _ => Level::Info,
        }
    }
}
