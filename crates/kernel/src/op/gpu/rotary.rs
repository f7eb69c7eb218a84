//! Rotary positions on a GPU.

use super::gpu;
use super::sequences::Sequences;
use crate::memory::tensor::Tensor;
use tagsmith_device::kernels::elementwise::Rotary;

/// Turns queries and keys in place, or back. There are angles for all positions.
pub fn turn(qkv: &mut Tensor, sequences: &Sequences, heads: usize, angles: &Tensor, back: bool) {
    let at = qkv.address_mut();
    let rotary = Rotary {
        element: qkv.element(),
        qkv: at,
        positions: sequences.positions(),
        angles: angles.address(),
        rows: qkv.rows(),
        heads,
        width: angles.columns(),
        back,
    };
    gpu(qkv).launch(&rotary.launch());
}
