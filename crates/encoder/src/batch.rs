//! What an encoder reads: rows of integers and sentence boundaries, never padding.

/// The label of a row that is not counted: special pieces, continuations, windows' overlaps.
pub const IGNORE: i32 = -100;

/// R rows (one a piece) of one or more sequences.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Token ids (R).
    pub ids: Vec<u32>,
    /// Token type ids (R).
    pub types: Vec<u32>,
    /// Where each sequence begins, and R at the end: sequences + 1 numbers.
    pub starts: Vec<u32>,
    /// One label a row, or [`IGNORE`]; empty when there are none.
    pub labels: Vec<i32>,
}

impl Batch {
    /// Adds one sequence; `labels` is empty or as long as `ids`.
    pub fn push(&mut self, ids: &[u32], types: &[u32], labels: &[i32]) {
        assert_eq!(ids.len(), types.len(), "batch: {} ids, {} types", ids.len(), types.len());
        assert!(labels.is_empty() || labels.len() == ids.len(), "batch: {} ids, {} labels", ids.len(), labels.len());
        if self.starts.is_empty() {
            self.starts.push(0);
        }
        self.ids.extend_from_slice(ids);
        self.types.extend_from_slice(types);
        self.labels.extend_from_slice(labels);
        self.starts.push(self.ids.len() as u32);
    }

    /// R, the number of rows.
    pub fn rows(&self) -> usize {
        self.ids.len()
    }

    /// How many labels are counted.
    pub fn counted(&self) -> usize {
        self.labels.iter().filter(|&&label| label != IGNORE).count()
    }
}
