//! Sums of table rows on a GPU. Its tables are dense.

use super::rows::{segments, sum_rows};
use super::{gpu, row_numbers};
use crate::memory::tensor::Tensor;
use crate::memory::values::View;
use crate::params::table::Rows;
use crate::params::{GradSlot, NonzeroRows};
use tagsmith_device::gpu::Gpu;
use tagsmith_device::kernels::rows::{Embedding, Rows as KernelRows};

/// Returns the sum of one row of each table.
///
/// # Panics
/// If there are more than three tables, tables differ in their number of indexes, or an index lies outside of its table.
pub fn forward(gpu: &Gpu, width: usize, tables: &[(Rows, &[u32])]) -> Tensor {
    assert!(tables.len() <= 3, "embedding: {} tables", tables.len());
    let tables: Vec<(View, &[u32])> = tables.iter().map(|&(table, index)| (dense(table), index)).collect();
    let rows = tables[0].1.len();
    assert!(tables.iter().all(|(_, index)| index.len() == rows), "embedding: a table has not {rows} indexes");
    let mut y = Tensor::unfilled_on(gpu, tables[0].0.element_of_activations(), rows, width);
    let index = |(table, index): &(View, &[u32])| row_numbers(gpu, "embedding", index, table.len() / width.max(1));
    let indexes: Vec<_> = tables.iter().map(index).collect();
    let part = |number: usize| match tables.get(number) {
        Some((table, _)) => KernelRows { table: table.address(), index: indexes[number].address() },
        None => KernelRows::NONE,
    };
    let embedding = Embedding {
        element: y.element(),
        words: part(0),
        positions: part(1),
        types: part(2),
        y: y.address_mut(),
        rows,
        columns: width,
    };
    gpu.launch(&embedding.launch());
    y
}

/// Returns all rows of a table.
fn dense(rows: Rows) -> View {
    match rows {
        Rows::Dense(values) => values,
        Rows::Table(_) => panic!("embedding: on a device, a table is dense"),
    }
}

/// Computes the gradient of a table, row after row. `nonzero` are the rows outside of which it holds zeros, if that is known.
pub fn backward(index: &[u32], dy: &Tensor, fixed: Option<u32>, slot: GradSlot, nonzero: &mut NonzeroRows) {
    let (mut dtable, holds_sum) = slot.into_parts();
    let before = match nonzero.take() {
        None if !holds_sum => {
            dtable.clear();
            Some(Vec::new())
        }
        before => before,
    };
    let rows = dtable.len() / dy.columns().max(1);
    // What steps before wrote stays, or becomes 0 where this step has nothing.
    let (stay, become_zero) = if holds_sum { (before, None) } else { (before.as_ref().map(|_| Vec::new()), before) };
    let segments = segments(index, fixed, rows, &become_zero.unwrap_or_default());
    sum_rows(gpu(dy), &segments, dy, dtable.address(), holds_sum);
    *nonzero = stay.map(|mut nonzero| {
        nonzero.extend(index.iter().filter(|&&row| Some(row) != fixed));
        nonzero.sort_unstable();
        nonzero.dedup();
        nonzero
    });
}
