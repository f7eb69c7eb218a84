//! Activations on a GPU.

use super::gpu;
use crate::memory::tensor::Tensor;
use tagsmith_device::kernels::activation::{Activation, Backward, Forward};

/// Returns y = f(x).
pub fn forward(x: &Tensor, activation: Activation) -> Tensor {
    let mut y = x.unfilled_beside(x.rows(), x.columns());
    let forward = Forward {
        element: x.element(),
        x: x.address(),
        bias: 0,
        u: x.address(),
        y: y.address_mut(),
        rows: x.rows(),
        columns: x.columns(),
        activation,
    };
    gpu(x).launch(&forward.launch());
    y
}

/// Replaces dy by dx = f′(x) · dy.
pub fn backward(x: &Tensor, activation: Activation, dy: &mut Tensor) {
    let at = dy.address_mut();
    let backward =
        Backward { element: x.element(), u: x.address(), dy: at, dx: at, y: 0, n: x.rows() * x.columns(), activation };
    gpu(x).launch(&backward.launch());
}
