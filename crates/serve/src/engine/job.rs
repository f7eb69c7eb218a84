//! What is asked of an engine, and what it answers.

use crate::metrics::Metrics;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tagsmith_app::predict::tagger::{Choices, Encoder};
use tagsmith_text::tagged::{Content, Input, Tagged};

/// Something to tag.
pub struct Job {
    /// The inputs.
    pub inputs: Vec<Input>,
    /// What they choose.
    pub choices: Choices,
    /// The time after which nobody waits for the answer.
    pub deadline: Instant,
    /// Whether answers that are kept may be given, and kept.
    pub may_cache: bool,
}

/// An answer.
pub struct Answer {
    /// The documents, in the order of the inputs.
    pub documents: Vec<Arc<Document>>,
    /// What encoded the inputs. It knows the labels of words.
    pub encoder: Encoder,
    /// What there is to say about the labels that were looked for, a line each.
    pub notes: Vec<String>,
    /// How long it took.
    pub spent: Spent,
}

/// A tagged input.
pub struct Document {
    /// What was found.
    pub tagged: Tagged,
    /// Code points of the input.
    pub characters: usize,
    /// Pieces that the model read.
    pub pieces: usize,
    /// Windows that the model read.
    pub windows: usize,
    /// What there is to say about this input, a line each.
    pub notes: Vec<String>,
    /// The code point where the first word begins whose end was not read, if there is one.
    pub unread_from: Option<u32>,
}

/// Where the time of a request went.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    /// Cutting texts into pieces and windows.
    pub tokenizing: Duration,
    /// Waiting for the first turn.
    pub waiting: Duration,
    /// Turns, from the first to the last.
    pub computing: Duration,
    /// Windows that were computed; those of kept answers are not among them.
    pub windows: usize,
}

impl Document {
    /// Counts the document.
    pub fn count(&self, metrics: &Metrics) {
        let types = self.tagged.entities.iter().map(|it| it.label.as_str());
        metrics.document([self.characters, self.pieces], self.unread_from.is_some(), types);
    }
}

/// Counts the bytes of an input.
pub fn bytes_of(input: &Input) -> usize {
    match &input.content {
        Content::Text(text) => text.len(),
        Content::Words(words) => words.iter().map(|word| word.len() + 1).sum(),
    }
}
