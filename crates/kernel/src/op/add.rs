//! Sums of two tensors, element by element.

use super::gpu;
use crate::cpu::reduce::add_area;
use crate::memory::tensor::Tensor;

/// Rows that one task works on.
const BLOCK: usize = 64;

/// Adds x to y.
///
/// # Panics
/// If their shapes differ, or y is shared.
pub fn onto(x: &Tensor, y: &mut Tensor) {
    x.assert_shape("add", "x", y.rows(), y.columns());
    if x.gpu().is_some() {
        return gpu::add::onto(x, y);
    }
    y.area_mut().for_each_block(BLOCK, |rows, y| add_area(x.area().part(rows, 0..y.columns), y));
}
