//! Dropout whose mask is a function of the element's place: backward makes it again instead of keeping it.

use super::gpu;
use crate::memory::tensor::{Area, Tensor};
use crate::random::stream::{Stream, mask_area};
use std::ops::Range;
use tagsmith_device::kernels::Mask;

/// Rows that one task works on.
const BLOCK: usize = 16;

/// The elements that are dropped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    /// Share of elements that are dropped, in 0 ≤ rate < 1.
    pub rate: f32,
    /// Random numbers that decide element (row, column).
    pub stream: Stream,
    /// Number of the first row. Rows count over all micro-batches of a step, so that masks do not depend on how a step
    /// is cut into micro-batches.
    pub first_row: usize,
}

impl Dropout {
    /// Returns the mask as kernels of a GPU take it.
    pub(super) fn on_gpu(dropout: Option<Dropout>) -> Mask {
        dropout.map_or(Mask::NONE, |Dropout { rate, stream, first_row }| Mask {
            rate,
            key: stream.key(),
            first_row: first_row as u64,
        })
    }

    /// Computes `to` = mask · `from` / (1 − rate), plus `residual` if there is one. `rows` and `columns` say where the
    /// areas lie in the whole.
    pub(crate) fn mask(self, rows: Range<usize>, columns: Range<usize>, from: Area, residual: Option<Area>, to: Area) {
        mask_area(self.stream, self.rate, self.first_row + rows.start, columns.start, from, residual, to);
    }
}

/// Divides the elements that `dropout` keeps by 1 − rate, and sets the others to 0. `None` changes nothing.
///
/// Backward is the same function of dy.
///
/// # Source
/// Srivastava et al., 2014, in the inverted form of PyTorch.
pub fn apply(x: &Tensor, dropout: Option<Dropout>) -> Tensor {
    let Some(dropout) = dropout else { return x.clone() };
    if x.gpu().is_some() {
        return gpu::dropout::apply(x, Dropout::on_gpu(Some(dropout)));
    }
    let mut y = Tensor::unfilled(x.rows(), x.columns());
    let all = 0..x.columns();
    y.area_mut().for_each_block(BLOCK, |rows, y| {
        dropout.mask(rows.clone(), all.clone(), x.area().part(rows, all.clone()), None, y);
    });
    y
}
