//! Sums of table rows: words, positions and token types.

use super::gpu;
use crate::cpu::add::add;
use crate::memory::tensor::Tensor;
use crate::params::TableGradient;
use crate::params::table::Rows;
use crate::threads::for_each_block;

/// Returns `y[r] = Σ over tables of table[index[r]]`.
///
/// # Shapes
/// Each table is (rows, H) with R indexes → y (R, H).
/// # Panics
/// If an index lies outside its table, or its row was not fetched.
pub fn forward(width: usize, tables: &[(Rows<'_>, &[u32])]) -> Tensor {
    if let Rows::Dense(first) = tables[0].0
        && let Some(gpu) = first.gpu()
    {
        return gpu::embedding::forward(gpu, width, tables);
    }
    let rows = tables[0].1.len();
    let mut y = Tensor::unfilled(rows, width);
    for_each_block(y.data_mut(), width, 32, |first, block| {
        for (i, row) in block.chunks_exact_mut(width).enumerate() {
            let (table, index) = &tables[0];
            row.copy_from_slice(table.row(index[first + i], width));
            for (table, index) in &tables[1..] {
                add(table.row(index[first + i], width), row);
            }
        }
    });
    y
}

/// Computes the gradient of a table: `dtable[index[r]] += dy[r]`, in order of r. Row `fixed` gets no gradient, like
/// PyTorch's `padding_idx`.
pub fn backward<'a>(index: &[u32], dy: &Tensor, fixed: Option<u32>, table: impl Into<TableGradient<'a>>) {
    let mut unknown = None;
    let (slot, nonzero) = match table.into() {
        TableGradient::Rows(rows) => return rows.accumulate(index, dy, fixed),
        TableGradient::Whole(slot) => (slot, &mut unknown),
        TableGradient::OnDevice(slot, nonzero) => (slot, nonzero),
    };
    if dy.gpu().is_some() {
        return gpu::embedding::backward(index, dy, fixed, slot, nonzero);
    }
    let width = dy.columns();
    let (dtable, holds_sum) = slot.into_host();
    if !holds_sum {
        dtable.fill(0.0);
    }
    for (r, &entry) in index.iter().enumerate().filter(|&(_, &entry)| Some(entry) != fixed) {
        add(dy.row(r), &mut dtable[entry as usize * width..][..width]);
    }
}
