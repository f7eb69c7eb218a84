//! Sums on a GPU.

use super::gpu;
use crate::memory::tensor::Tensor;
use tagsmith_device::kernels::elementwise::Add;

/// Adds x to y.
///
/// # Panics
/// If their types differ.
pub fn onto(x: &Tensor, y: &mut Tensor) {
    assert_eq!(x.element(), y.element(), "add: numbers of two types");
    let add = Add { element: x.element(), x: x.address(), y: y.address_mut(), n: x.rows() * x.columns() };
    gpu(x).launch(&add.launch());
}
