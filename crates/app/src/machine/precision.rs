//! How products are rounded, and by which instructions.

use crate::events::Events;
use tagsmith_kernel::{Level, Precision};

/// Returns the precision of factors that are rounded to bf16, and says how this processor computes them.
pub fn bf16(events: &mut dyn Events) -> Precision {
    events.say(format!("products in bf16, {}", Level::in_use().bf16_path()));
    Precision::Bf16
}
