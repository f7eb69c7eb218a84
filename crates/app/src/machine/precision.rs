//! How numbers are rounded, and by which instructions.

use crate::events::Events;
use tagsmith_kernel::{Device, Level, Precision};
use tagsmith_message::Note;

/// Returns the precision of factors that are rounded to bf16, and says how a device computes them.
pub fn bf16(device: &Device, events: &mut dyn Events) -> Precision {
    events.note(&bf16_note(device));
    Precision::Bf16
}

/// Returns a note that says how a device computes in bf16.
pub fn bf16_note(device: &Device) -> Note {
    Note::once(match device {
        Device::Processor => format!("products in bf16, {}", Level::in_use().bf16_path()),
        Device::Gpu(_) => "activations and products in bf16; sums, statistics and weights in f32".to_owned(),
    })
}
