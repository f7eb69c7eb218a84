//! Rows of length 1 on a GPU.

use super::gpu;
use crate::memory::tensor::Tensor;
use tagsmith_device::kernels::rows::{Normalize, NormalizeBackward};
use tagsmith_device::multiply::Element;

/// Returns y, and the lengths (R, 1).
pub fn forward(x: &Tensor) -> (Tensor, Tensor) {
    let (rows, columns) = (x.rows(), x.columns());
    let mut y = x.unfilled_beside(rows, columns);
    let mut lengths = Tensor::unfilled_on(gpu(x), Element::F32, rows, 1);
    let (element, lengths_at) = (x.element(), lengths.address_mut());
    let normalize = Normalize { element, x: x.address(), y: y.address_mut(), lengths: lengths_at, rows, columns };
    gpu(x).launch(&normalize.launch());
    (y, lengths)
}

/// Replaces dy by dx.
pub fn backward(y: &Tensor, lengths: &Tensor, dy: &mut Tensor) {
    let (rows, columns, at) = (y.rows(), y.columns(), dy.address_mut());
    let (element, y_at, lengths) = (y.element(), y.address(), lengths.address());
    let normalize = NormalizeBackward { element, y: y_at, lengths, dy: at, dx: at, rows, columns };
    gpu(y).launch(&normalize.launch());
}
