//! The inputs of a product: matrices as they lie in memory, how their elements are rounded, where sums start.

use crate::memory::tensor::Area;
use std::ops::Range;

/// Rounding of a product's factors. Sums are always f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// No rounding.
    #[default]
    F32,
    /// Rounding to bfloat16: eight bits of precision, f32's range.
    Bf16,
}

impl Precision {
    /// Returns how many elements of k a lane holds.
    pub(crate) fn per_lane(self) -> usize {
        match self {
            Precision::F32 => 1,
            Precision::Bf16 => 2,
        }
    }
}

/// A matrix as it lies in memory; `stride` is the distance between its rows (or columns).
#[derive(Clone, Copy, Debug)]
pub enum Operand<'a> {
    /// Element (i, j) lies at i · stride + j.
    Rows(&'a [f32], usize),
    /// Element (i, j) lies at j · stride + i: the matrix is the transpose of what is stored.
    Columns(&'a [f32], usize),
}

impl Operand<'_> {
    pub(crate) fn pointer(&self) -> *const f32 {
        match self {
            Operand::Rows(data, _) | Operand::Columns(data, _) => data.as_ptr(),
        }
    }

    /// Returns the distances between rows and between columns.
    pub(crate) fn strides(&self) -> (usize, usize) {
        match *self {
            Operand::Rows(_, stride) => (stride, 1),
            Operand::Columns(_, stride) => (1, stride),
        }
    }

    /// Returns where rows `k` and columns `columns` lie; the area is only read.
    pub(crate) fn area(&self, k: Range<usize>, columns: Range<usize>) -> Area {
        let (stride, outer, inner) = match *self {
            Operand::Rows(_, stride) => (stride, k, columns),
            Operand::Columns(_, stride) => (stride, columns, k),
        };
        let at = self.pointer().wrapping_add(outer.start * stride + inner.start);
        // SAFETY: the product asserted that the operand holds these rows and columns.
        unsafe { Area::new(at.cast_mut(), stride, outer.len(), inner.len()) }
    }

    pub(crate) fn assert_holds(&self, rows: usize, columns: usize) {
        let (len, stride, outer, inner) = match *self {
            Operand::Rows(data, stride) => (data.len(), stride, rows, columns),
            Operand::Columns(data, stride) => (data.len(), stride, columns, rows),
        };
        let needed = if outer == 0 { 0 } else { (outer - 1) * stride + inner };
        assert!(
            inner <= stride.max(inner * usize::from(outer <= 1)) && needed <= len,
            "product: {rows} × {columns} with stride {stride} does not fit {len} floats"
        );
    }
}

/// The value that the sums of C start from.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a> {
    /// Zero: C = A·B.
    Zero,
    /// Zero, where nobody reads C soon. C goes to memory past the caches, which then neither fetch what is overwritten
    /// nor lose what they hold.
    Unread,
    /// A bias, one number a column: C = A·B + bias.
    Bias(&'a [f32]),
    /// What C holds: C += A·B.
    Accumulate,
}
