//! The global norm of gradients on a GPU.

use crate::memory::scalar::Scalar;
use crate::memory::tensor::Tensor;
use crate::memory::values::View;
use tagsmith_device::gpu::Gpu;
use tagsmith_device::kernels::learning::{Clip, Dot, Sum};
use tagsmith_device::multiply::Element;

/// Returns the norm, and the factor that clips it to `most`.
pub fn clip(gpu: &Gpu, gradients: &[View], most: f64) -> (Scalar, Tensor) {
    let double = size_of::<f64>() as u64;
    let runs = runs(gradients);
    let partials: usize = runs.iter().map(|&(_, n)| Dot::partial(n)).sum();
    let (sums, squares, norm) = (gpu.room(partials as u64 * double), gpu.room(double), gpu.room(double));
    let mut at = sums.address();
    for (x, n) in runs {
        let dot = Dot { element: Element::F32, x, y: x, partials: at, out: squares.address(), n };
        gpu.launch(&dot.of_blocks());
        at += Dot::partial(n) as u64 * double;
    }
    gpu.launch(&Sum { x: sums.address(), out: squares.address(), n: partials }.launch());
    let mut factor = Tensor::unfilled_on(gpu, Element::F32, 1, 1);
    let clip = Clip { squares: squares.address(), norm: norm.address(), scale: factor.address_mut(), most };
    gpu.launch(&clip.launch());
    (Scalar::device(norm), factor)
}

/// Returns where gradients begin and how many numbers follow, with neighbors as one.
fn runs(gradients: &[View]) -> Vec<(u64, usize)> {
    let mut runs: Vec<(u64, usize)> = Vec::new();
    for gradient in gradients.iter().filter(|gradient| !gradient.is_empty()) {
        let (at, n) = (gradient.address(), gradient.len());
        match runs.last_mut() {
            Some((first, count)) if *first + (*count as u64) * Element::F32.bytes() == at => *count += n,
            _ => runs.push((at, n)),
        }
    }
    runs
}
