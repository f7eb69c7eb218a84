//! Gated linear units: z = f(u) · g, element by element, where u and g are the two halves of each row.

use super::activation::{Activation, slope, value};
use super::gpu;
use crate::cpu::simd::multiversion;
use crate::memory::tensor::{Area, Tensor};

/// Rows that one task works on.
const BLOCK: usize = 16;

/// Returns f of the first half of each row, times the second half.
///
/// # Shapes
/// x (R, 2F) → z (R, F).
/// # Precision
/// That of the activation.
/// # Panics
/// If x has an odd number of columns.
/// # Source
/// Shazeer, 2020; halves in the order of transformers' ModernBERT.
pub fn forward(x: &Tensor, activation: Activation) -> Tensor {
    assert!(x.columns().is_multiple_of(2), "gated: {} columns", x.columns());
    if x.gpu().is_some() {
        return gpu::gated::forward(x, activation.on_gpu());
    }
    let mut z = Tensor::unfilled(x.rows(), x.columns() / 2);
    z.area_mut().for_each_block(BLOCK, |rows, z| gate(activation, x.area().part(rows, 0..x.columns()), z));
    z
}

/// Returns dx (R, 2F), given dz (R, F), in the memory of x: du = f′(u) · g · dz, dg = f(u) · dz.
pub fn backward(mut x: Tensor, activation: Activation, dz: &Tensor) -> Tensor {
    dz.assert_shape("gated", "dz", x.rows(), x.columns() / 2);
    if x.gpu().is_some() {
        gpu::gated::backward(&mut x, activation.on_gpu(), dz);
        return x;
    }
    x.area_mut().for_each_block(BLOCK, |rows, x| {
        gate_backward(activation, dz.area().part(rows, 0..x.columns / 2), x);
    });
    x
}

multiversion! {
    fn gate<L>(activation: Activation, x: Area, z: Area) {
        let f = z.columns;
        assert!(x.rows == z.rows && x.columns == 2 * f);
        for row in 0..z.rows {
            let (x, z) = (x.row(row), z.row(row));
            for c in (0..f).step_by(L::N) {
                let count = L::N.min(f - c);
                // SAFETY: `count` floats from `c` are inside each half of x's row, and inside z's.
                let (u, g) = (L::load_first(x.add(c), count), L::load_first(x.add(f + c), count));
                L::store_first(z.add(c), L::mul(value::<L>(activation, u), g), count);
            }
        }
    }
}

multiversion! {
    /// Replaces (u, g) by (f′(u) · g · dz, f(u) · dz).
    fn gate_backward<L>(activation: Activation, dz: Area, x: Area) {
        let f = dz.columns;
        assert!(x.rows == dz.rows && x.columns == 2 * f);
        for row in 0..dz.rows {
            let (dz, x) = (dz.row(row), x.row(row));
            for c in (0..f).step_by(L::N) {
                let count = L::N.min(f - c);
                // SAFETY: `count` floats from `c` are inside each half of x's row, and inside dz's.
                let (u, g) = (L::load_first(x.add(c), count), L::load_first(x.add(f + c), count));
                let dz = L::load_first(dz.add(c), count);
                L::store_first(x.add(c), L::mul(L::mul(slope::<L>(activation, u), g), dz), count);
                L::store_first(x.add(f + c), L::mul(value::<L>(activation, u), dz), count);
            }
        }
    }
}
