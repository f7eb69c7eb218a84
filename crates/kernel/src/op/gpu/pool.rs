//! Pooling on a GPU.

use super::gpu;
use super::sequences::Sequences;
use crate::memory::tensor::Tensor;
use tagsmith_device::kernels::sums::Pool;

/// Returns one row a sequence: the first, or the mean.
pub fn forward(x: &Tensor, sequences: &Sequences, mean: bool) -> Tensor {
    let mut y = x.unfilled_beside(sequences.count, x.columns());
    let pool = pool(x, sequences, x.rows(), y.address_mut(), mean);
    gpu(x).launch(&pool.forward());
    y
}

/// Returns the gradient of the rows.
pub fn backward(sequences: &Sequences, rows: usize, mean: bool, dy: &Tensor) -> Tensor {
    let mut dx = dy.unfilled_beside(rows, dy.columns());
    let pool = pool(dy, sequences, rows, dx.address_mut(), mean);
    gpu(dy).launch(&pool.backward());
    dx
}

fn pool(from: &Tensor, sequences: &Sequences, rows: usize, to: u64, mean: bool) -> Pool {
    let (element, from, columns) = (from.element(), from.address(), from.columns());
    Pool { element, from, starts: sequences.starts(), to, sequences: sequences.count, rows, columns, mean }
}
