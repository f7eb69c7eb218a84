//! Products on a GPU: tensors and parameters as plans take them.

use crate::memory::tensor::Tensor;
use crate::memory::values::{View, ViewMut};
use tagsmith_device::gpu::Gpu;
use tagsmith_device::multiply::Element;
use tagsmith_device::multiply::plans::{Plan, RowMajor};

/// Returns a tensor as a factor.
pub fn of(x: &Tensor) -> RowMajor {
    RowMajor::dense(x.address(), x.element(), x.rows() as u64, x.columns() as u64)
}

/// Returns a tensor as a result.
pub fn to(x: &mut Tensor) -> RowMajor {
    RowMajor::dense(x.address_mut(), x.element(), x.rows() as u64, x.columns() as u64)
}

/// Returns a parameter as a factor of this type.
pub fn of_parameter(values: View, element: Element, rows: usize, columns: usize) -> RowMajor {
    RowMajor::dense(values.address_in(element), element, rows as u64, columns as u64)
}

/// Does what a plan says. `out` begins where its result begins.
pub fn run(gpu: &Gpu, plan: Plan, mut out: ViewMut) {
    match plan {
        Plan::Multiply(multiply) => gpu.multiply(&multiply),
        Plan::Zeros(zeros) => {
            let (stride, columns) = (zeros.stride as usize, zeros.columns as usize);
            (0..zeros.rows as usize).for_each(|row| out.part(row * stride..row * stride + columns).clear());
        }
        Plan::Nothing => (),
    }
}
