//! How far the evaluation of a span tagger is.

use crate::events::Progress;

/// Returns how far an evaluation is, in pieces.
pub fn evaluation(done: usize, all: usize) -> Progress<'static> {
    Progress { work: "evaluation", done: done as u64, of: Some(all as u64), unit: "sub-tokens" }
}
