//! What a prediction did.

use std::fmt;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Predicted {
    /// Documents that were tagged.
    pub documents: u64,
    /// Words in them.
    pub words: u64,
    /// Entities that were found in them.
    pub entities: u64,
    /// Windows that the model read.
    pub windows: u64,
    /// Time it took.
    pub seconds: f64,
}

impl fmt::Display for Predicted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Predicted { documents, words, entities, windows, seconds } = self;
        write!(f, "{documents} documents, {words} words, {windows} windows, {entities} entities, {seconds:.1} s")
    }
}
