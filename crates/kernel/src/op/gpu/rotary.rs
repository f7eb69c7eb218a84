//! Rotary positions on a GPU.

use super::{gpu, integers};
use crate::memory::tensor::Tensor;
use tagsmith_device::kernels::elementwise::Rotary;

/// Turns queries and keys in place, or back.
pub fn turn(qkv: &mut Tensor, starts: &[u32], heads: usize, angles: &Tensor, back: bool) {
    let positions: Vec<i32> =
        starts.windows(2).flat_map(|bounds| (0..bounds[1] - bounds[0]).map(u32::cast_signed)).collect();
    let longest = positions.iter().max().map_or(0, |&last| last as usize + 1);
    assert!(longest <= angles.rows(), "rotary: {longest} positions, {} angles", angles.rows());
    let positions = integers(gpu(qkv), &positions);
    let at = qkv.address_mut();
    let rotary = Rotary {
        element: qkv.element(),
        qkv: at,
        positions: positions.address(),
        angles: angles.address(),
        rows: qkv.rows(),
        heads,
        width: angles.columns(),
        back,
    };
    gpu(qkv).launch(&rotary.launch());
}
