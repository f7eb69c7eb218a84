//! Rows that are taken by their numbers, on a GPU.

use super::{gpu, integers, row_numbers};
use crate::memory::tensor::Tensor;
use tagsmith_device::gpu::Gpu;
use tagsmith_device::kernels::elementwise::{Add, Cast};
use tagsmith_device::kernels::rows::TakeRows;
use tagsmith_device::kernels::sums::{SegmentSums, Segments};
use tagsmith_device::multiply::Element;

/// Returns `y[n] = x[index[n]]`.
pub fn take(x: &Tensor, index: &[u32]) -> Tensor {
    let numbers = row_numbers(gpu(x), "rows", index, x.rows());
    let mut y = x.unfilled_beside(index.len(), x.columns());
    let (rows, columns) = (y.rows(), y.columns());
    let (element, index) = (x.element(), numbers.address());
    let take = TakeRows { element, x: x.address(), index, y: y.address_mut(), rows, columns };
    gpu(x).launch(&take.launch());
    y
}

/// Computes `dx[index[n]] += dy[n]`. Rows of bf16 are summed in f32 first.
pub fn add_taken(index: &[u32], dy: &Tensor, dx: &mut Tensor) {
    let (gpu, element, n) = (gpu(dy), dx.element(), dx.rows() * dx.columns());
    if element == Element::F32 {
        return add_rows(gpu, index, None, dy, dx.rows(), dx.address_mut());
    }
    let sums = summed(index, dy, dx.rows());
    gpu.launch(&Add { element, x: sums.address(), y: dx.address_mut(), n }.launch());
}

/// Returns the sums of dy's rows by their numbers, (`rows`, H), of its type.
pub fn summed(index: &[u32], dy: &Tensor, rows: usize) -> Tensor {
    let (gpu, columns) = (gpu(dy), dy.columns());
    let mut sums = Tensor::unfilled_on(gpu, Element::F32, rows, columns);
    sums.view_mut().clear();
    add_rows(gpu, index, None, dy, rows, sums.address_mut());
    if dy.element() == Element::F32 {
        return sums;
    }
    let mut rounded = dy.unfilled_beside(rows, columns);
    let (x, y) = (sums.address(), rounded.address_mut());
    gpu.launch(&Cast { x, y, n: rows * columns, to: Element::Bf16 }.launch());
    rounded
}

/// Adds dy's rows to those of a table of f32 that lies at an address. Row `fixed` gets nothing.
///
/// # Panics
/// If a number is not below `rows`.
pub fn add_rows(gpu: &Gpu, index: &[u32], fixed: Option<u32>, dy: &Tensor, rows: usize, table: u64) {
    assert!(index.iter().all(|&row| (row as usize) < rows), "rows: a number is not below {rows}");
    let Segments { order, starts, rows } = Segments::new(index, fixed);
    let added = order.len();
    let [order, starts, at] = [&order, &starts, &rows].map(|numbers| integers(gpu, numbers));
    let sums = SegmentSums {
        element: dy.element(),
        x: dy.address(),
        order: order.address(),
        starts: starts.address(),
        rows: at.address(),
        table,
        segments: rows.len(),
        added,
        columns: dy.columns(),
    };
    gpu.launch(&sums.launch());
}
