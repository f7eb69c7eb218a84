//! Convolution on a GPU.

use super::gpu;
use super::sequences::Sequences;
use crate::memory::tensor::Tensor;
use tagsmith_device::kernels::rows::Neighbors;

/// Returns the k neighbors of each row side by side.
pub fn unfold(x: &Tensor, sequences: &Sequences, k: usize) -> Tensor {
    let mut y = x.unfilled_beside(x.rows(), x.columns() * k);
    let neighbors = neighbors(x, sequences, k, y.address_mut(), x.columns());
    gpu(x).launch(&neighbors.unfold());
    y
}

/// Adds the gradient of x to dx.
pub fn fold_onto(dy: &Tensor, sequences: &Sequences, k: usize, dx: &mut Tensor) {
    let neighbors = neighbors(dy, sequences, k, dx.address_mut(), dx.columns());
    gpu(dy).launch(&neighbors.fold_onto());
}

fn neighbors(from: &Tensor, sequences: &Sequences, k: usize, to: u64, columns: usize) -> Neighbors {
    let (starts, sequences) = (sequences.starts(), sequences.count);
    let (element, rows, from) = (from.element(), from.rows(), from.address());
    Neighbors { element, from, starts, to, sequences, rows, columns, neighbors: k }
}
