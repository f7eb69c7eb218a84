//! The optimizer's moments of all dense parameters.

use crate::memory::floats::Floats;
use crate::params::{Params, Slot};

/// AdamW's two moments of every parameter that learns, but for sparse ones.
#[derive(Clone, Debug)]
pub struct Moments {
    /// First moments (`exp_avg`), in the order of the slots; frozen and sparse ones take no room.
    pub first: Floats,
    /// Second moments (`exp_avg_sq`).
    pub second: Floats,
}

impl Moments {
    /// Zeros.
    pub fn new(params: &Params) -> Moments {
        let len = params.slots.iter().filter(|slot| !slot.frozen).map(Slot::room).sum();
        Moments { first: Floats::zeros(len), second: Floats::zeros(len) }
    }
}
