//! Gated linear units on a GPU.

use super::gpu;
use crate::memory::tensor::Tensor;
use tagsmith_device::kernels::activation::{Activation, Gated, GatedBackward};

/// Returns z = f(u) · g.
pub fn forward(x: &Tensor, activation: Activation) -> Tensor {
    let half = x.columns() / 2;
    let mut z = x.unfilled_beside(x.rows(), half);
    let gated = Gated { element: x.element(), x: x.address(), z: z.address_mut(), rows: x.rows(), half, activation };
    gpu(x).launch(&gated.launch());
    z
}

/// Replaces x by dx.
pub fn backward(x: &mut Tensor, activation: Activation, dz: &Tensor) {
    let at = x.address_mut();
    let gated = GatedBackward {
        element: x.element(),
        x: at,
        dz: dz.address(),
        dx: at,
        rows: x.rows(),
        half: dz.columns(),
        activation,
    };
    gpu(x).launch(&gated.launch());
}
