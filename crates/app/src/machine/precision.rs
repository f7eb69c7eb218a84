//! How products are rounded, and by which instructions.

use crate::events::Events;
use tagsmith_kernel::{Level, Precision};
use tagsmith_message::Note;

/// Returns the precision of factors that are rounded to bf16, and says how this processor computes them.
pub fn bf16(events: &mut dyn Events) -> Precision {
    events.note(&bf16_note());
    Precision::Bf16
}

/// Returns a note that says how this processor computes products of factors that are rounded to bf16.
pub fn bf16_note() -> Note {
    Note::once(format!("products in bf16, {}", Level::in_use().bf16_path()))
}
