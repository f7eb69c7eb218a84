//! Dropout on a GPU.

use super::gpu;
use crate::memory::tensor::Tensor;
use tagsmith_device::kernels::Mask;
use tagsmith_device::kernels::elementwise::Join;

/// Returns mask · x / (1 − rate).
pub fn apply(x: &Tensor, mask: Mask) -> Tensor {
    let mut y = x.unfilled_beside(x.rows(), x.columns());
    let join = Join {
        element: x.element(),
        x: x.address(),
        bias: 0,
        residual: 0,
        y: y.address_mut(),
        rows: x.rows(),
        columns: x.columns(),
        mask,
    };
    gpu(x).launch(&join.launch());
    y
}
