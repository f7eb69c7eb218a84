//! The optimizer's moments of all dense parameters.

use crate::memory::floats::Floats;
use crate::params::{Params, Slot};

/// AdamW's two moments of every dense parameter that learns.
#[derive(Clone, Debug)]
pub struct Moments {
    /// First moments (`exp_avg`), in the order of the slots. Frozen and sparse slots take no room.
    pub first: Floats,
    /// Second moments (`exp_avg_sq`).
    pub second: Floats,
}

impl Moments {
    /// Makes moments of zeros.
    pub fn new(params: &Params) -> Moments {
        let len = params.slots.iter().filter(|slot| !slot.frozen).map(Slot::room).sum();
        Moments { first: Floats::zeros(len), second: Floats::zeros(len) }
    }
}
