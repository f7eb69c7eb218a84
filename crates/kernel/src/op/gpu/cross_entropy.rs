//! Cross-entropy on a GPU.

use super::{gpu, integers};
use crate::memory::scalar::Scalar;
use crate::memory::tensor::Tensor;
use tagsmith_device::kernels::learning::{CrossEntropy, Sum};

/// Returns the gradient of factor · loss, and the summed loss.
pub fn forward(scores: &Tensor, labels: &[i32], smoothing: f64, factor: f64) -> (Tensor, Scalar) {
    let (gpu, rows, classes) = (gpu(scores), scores.rows(), scores.columns());
    let mut dscores = scores.unfilled_beside(rows, classes);
    let labels = integers(gpu, labels);
    let double = size_of::<f64>() as u64;
    let (losses, sum) = (gpu.room(rows as u64 * double), gpu.room(double));
    let cross_entropy = CrossEntropy {
        element: scores.element(),
        scores: scores.address(),
        labels: labels.address(),
        dscores: dscores.address_mut(),
        losses: losses.address(),
        rows,
        classes,
        smoothing,
        factor,
    };
    gpu.launch(&cross_entropy.launch());
    gpu.launch(&Sum { x: losses.address(), out: sum.address(), n: rows }.launch());
    (dscores, Scalar::device(sum))
}
