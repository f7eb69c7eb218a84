//! What a span tagger scores: texts, their positions and spans, and labels.

use std::ops::Range;
use tagsmith_encoder::batch::Batch;
use tagsmith_kernel::op::span_sum::Span;

/// Texts and the labels that are looked for in them. Nothing is padded; only spans that an entity can have are listed.
#[derive(Clone, Debug, Default)]
pub struct Scene {
    /// What the text encoder reads: R rows.
    pub text: Batch,
    /// Rows of `text` that are positions, in order; without it all are.
    pub rows: Option<Vec<u32>>,
    /// Each text's positions and spans.
    pub texts: Vec<Text>,
    /// Spans; `start` and `end` count positions of the whole batch.
    pub spans: Vec<Span>,
    /// C labels.
    pub kinds: Kinds,
}

/// One text's part of the positions and the spans.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// Its positions; of contrastive models the first is column 0, the threshold.
    pub positions: Range<usize>,
    /// Its spans; of contrastive models the first is the threshold's.
    pub spans: Range<usize>,
}

/// Labels as the encoders read them.
#[derive(Clone, Debug)]
pub enum Kinds {
    /// By an encoder of their own: one sequence a label.
    Alone(Batch),
    /// In the prompt: C rows of `text` for each text.
    InPrompt {
        /// C.
        count: usize,
        /// Their markers' rows, text after text.
        rows: Vec<u32>,
    },
}

impl Default for Kinds {
    fn default() -> Kinds {
        Kinds::InPrompt { count: 0, rows: Vec::new() }
    }
}

impl Kinds {
    /// C.
    pub fn count(&self) -> usize {
        match self {
            Kinds::Alone(batch) => batch.starts.len().saturating_sub(1),
            Kinds::InPrompt { count, .. } => *count,
        }
    }
}

impl Scene {
    /// P, the number of positions.
    pub fn positions(&self) -> usize {
        self.rows.as_ref().map_or(self.text.rows(), Vec::len)
    }

    /// Which positions are scored against which label vectors, and which spans: in a bi-encoder all against all.
    pub(crate) fn groups(&self) -> Vec<(Text, usize)> {
        match self.kinds {
            Kinds::Alone(_) => vec![(Text { positions: 0..self.positions(), spans: 0..self.spans.len() }, 0)],
            Kinds::InPrompt { count, .. } => {
                self.texts.iter().enumerate().map(|(i, text)| (text.clone(), i * count)).collect()
            }
        }
    }
}
