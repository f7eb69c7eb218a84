//! Where a tensor's numbers are in a file.

use safetensors::Dtype;

/// The place of a tensor's numbers in a file.
#[derive(Debug)]
pub(crate) struct Place {
    /// The type of the numbers.
    pub dtype: Dtype,
    /// The tensor's shape, outermost dimension first.
    pub shape: Vec<usize>,
    /// The first byte in the file.
    pub start: u64,
    /// The order of the numbers.
    pub order: Order,
}

/// The order of a tensor's numbers in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Row-major.
    Rows,
    /// Without gaps, by these strides. PyTorch keeps a transposed matrix so.
    Strides(Vec<usize>),
    /// With gaps, or with the same number at several places.
    Scattered,
}

impl Order {
    /// Returns the order of a tensor with this shape and these strides.
    pub(crate) fn of(shape: &[usize], strides: &[usize]) -> Order {
        // A dimension of size 1 may have any stride.
        let mut steps: Vec<(usize, usize)> =
            strides.iter().copied().zip(shape.iter().copied()).filter(|&(_, n)| n != 1).collect();
        let dense = |steps: &[(usize, usize)]| {
            steps
                .iter()
                .rev()
                .try_fold(1, |expected, &(stride, n)| (stride == expected).then_some(expected * n))
                .is_some()
        };
        if shape.contains(&0) || dense(&steps) {
            return Order::Rows;
        }
        steps.sort_by(|a, b| b.cmp(a));
        if dense(&steps) { Order::Strides(strides.to_vec()) } else { Order::Scattered }
    }
}
