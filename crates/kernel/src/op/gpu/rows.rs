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
        return sum_rows(gpu, &segments(index, None, dx.rows(), &[]), dy, dx.address_mut(), true);
    }
    let sums = summed(index, dy, dx.rows());
    gpu.launch(&Add { element, x: sums.address(), y: dx.address_mut(), n }.launch());
}

/// Returns the sums of dy's rows by their numbers, (`rows`, H), of its type.
pub fn summed(index: &[u32], dy: &Tensor, rows: usize) -> Tensor {
    let (gpu, columns) = (gpu(dy), dy.columns());
    let mut sums = Tensor::unfilled_on(gpu, Element::F32, rows, columns);
    let all: Vec<u32> = (0..rows as u32).collect();
    sum_rows(gpu, &segments(index, None, rows, &all), dy, sums.address_mut(), false);
    if dy.element() == Element::F32 {
        return sums;
    }
    let mut rounded = dy.unfilled_beside(rows, columns);
    let (x, y) = (sums.address(), rounded.address_mut());
    gpu.launch(&Cast { x, y, n: rows * columns, to: Element::Bf16 }.launch());
    rounded
}

/// Sorts the places of `index` by the numbers of rows there, as [`Segments::new`] does.
///
/// # Panics
/// If a number is not below `rows`.
pub fn segments(index: &[u32], fixed: Option<u32>, rows: usize, others: &[u32]) -> Segments {
    assert!(index.iter().all(|&row| (row as usize) < rows), "rows: a number is not below {rows}");
    Segments::new(index, fixed, others)
}

/// Writes the sums of dy's rows to those of a table of f32 that lies at an address, or adds them. Rows without a segment
/// stay.
pub fn sum_rows(gpu: &Gpu, segments: &Segments, dy: &Tensor, table: u64, onto: bool) {
    let Segments { order, starts, rows } = segments;
    let added = order.len();
    let [order, starts, at] = [order, starts, rows].map(|numbers| integers(gpu, numbers));
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
        onto,
    };
    gpu.launch(&sums.launch());
}
