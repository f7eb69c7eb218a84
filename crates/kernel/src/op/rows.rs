//! Rows that are taken from a matrix by their numbers.

use super::embedding;
use super::gpu;
use crate::cpu::add::add;
use crate::memory::tensor::Tensor;
use crate::params::table::Rows;

/// Returns `y[n] = x[index[n]]`.
///
/// # Panics
/// If an index is not below the rows of x.
pub fn take(x: &Tensor, index: &[u32]) -> Tensor {
    match x.gpu() {
        Some(_) => gpu::rows::take(x, index),
        None => embedding::forward(x.columns(), &[(Rows::Dense(x.view()), index)]),
    }
}

/// Adds the gradient of x, given dy: `dx[index[n]] += dy[n]`, in order of n.
///
/// # Panics
/// If a shape does not fit, an index is not below the rows of dx, or dx is shared.
pub fn add_taken(index: &[u32], dy: &Tensor, dx: &mut Tensor) {
    let width = dx.columns();
    dy.assert_shape("rows", "dy", index.len(), width);
    if dy.gpu().is_some() {
        return gpu::rows::add_taken(index, dy, dx);
    }
    let dx = dx.data_mut();
    for (n, &row) in index.iter().enumerate() {
        add(dy.row(n), &mut dx[row as usize * width..][..width]);
    }
}
