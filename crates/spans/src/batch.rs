//! A micro-batch of a span tagger: texts, their positions and spans, and labels.

pub mod collate;
pub mod encode;

use std::ops::Range;
use tagsmith_encoder::batch::Batch;
use tagsmith_kernel::op::span_sum::Span;

/// A micro-batch for a span tagger: texts, their candidate spans, and the C labels to look for. Nothing is padded; only
/// spans that an entity can have are listed.
#[derive(Clone, Debug, Default)]
pub struct SpanBatch {
    /// The R rows that the text encoder reads.
    pub text: Batch,
    /// Rows of `text` that are positions, in order; without it all are.
    pub rows: Option<Vec<u32>>,
    /// Positions and spans of each text.
    pub texts: Vec<Text>,
    /// N spans; `start` and `end` count positions of the whole batch.
    pub spans: Vec<Span>,
    /// The C labels.
    pub labels: LabelInput,
    /// What stands before this part, where the batch was cut.
    pub before: Before,
}

/// What the earlier parts of a cut batch hold. Dropout draws for a row by its number in the whole batch, so that it does
/// not change with the cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Before {
    /// Texts of the earlier parts.
    pub texts: usize,
    /// Rows that the text encoder reads of them.
    pub rows: usize,
    /// Positions in them.
    pub positions: usize,
    /// Spans in them.
    pub spans: usize,
}

/// One text's part of the positions and the spans.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// Positions of the text; of contrastive models the first is column 0, the threshold.
    pub positions: Range<usize>,
    /// Spans of the text; of contrastive models the first is the threshold's.
    pub spans: Range<usize>,
}

/// How the labels reach the model.
#[derive(Clone, Debug)]
pub enum LabelInput {
    /// A separate label encoder reads them, one sequence a label.
    OwnEncoder(Batch),
    /// They stand in the prompt before each text.
    InPrompt {
        /// C, the number of labels.
        count: usize,
        /// Rows of `text` that are the labels' markers, C for each text, text after text.
        marker_rows: Vec<u32>,
    },
}

impl Default for LabelInput {
    fn default() -> LabelInput {
        LabelInput::InPrompt { count: 0, marker_rows: Vec::new() }
    }
}

impl LabelInput {
    /// C, the number of labels.
    pub fn count(&self) -> usize {
        match self {
            LabelInput::OwnEncoder(batch) => batch.starts.len().saturating_sub(1),
            LabelInput::InPrompt { count, .. } => *count,
        }
    }
}

impl SpanBatch {
    /// P, the number of positions.
    pub fn positions(&self) -> usize {
        self.rows.as_ref().map_or(self.text.rows(), Vec::len)
    }

    /// Returns what stands before the next part of the batch: what stands before this one, and this one.
    pub(crate) fn before_next(&self) -> Before {
        Before {
            texts: self.before.texts + self.texts.len(),
            rows: self.before.rows + self.text.rows(),
            positions: self.before.positions + self.positions(),
            spans: self.before.spans + self.spans.len(),
        }
    }

    /// Which positions are scored against which label vectors, and which spans: in a bi-encoder all against all.
    pub(crate) fn groups(&self) -> Vec<(Text, usize)> {
        match self.labels {
            LabelInput::OwnEncoder(_) => vec![(Text { positions: 0..self.positions(), spans: 0..self.spans.len() }, 0)],
            LabelInput::InPrompt { count, .. } => {
                self.texts.iter().enumerate().map(|(i, text)| (text.clone(), i * count)).collect()
            }
        }
    }
}
