//! What a prediction did.

use std::fmt;
use tagsmith_message::counted;

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
        for (count, noun) in [(documents, "document"), (words, "word"), (windows, "window"), (entities, "entity")] {
            write!(f, "{}, ", counted(*count as usize, noun))?;
        }
        write!(f, "{seconds:.1} s")
    }
}
