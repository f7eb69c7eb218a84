//! The global norm of gradients, and the factor that clips them.

use super::gpu;
use crate::cpu::reduce::sum_of_squares;
use crate::memory::scalar::Scalar;
use crate::memory::tensor::Tensor;
use crate::memory::values::View;

/// A norm, and the factor that makes it no larger than allowed. The factor stays where the gradients lie.
#[derive(Debug)]
pub struct Clip {
    /// The global L2 norm √Σ g².
    pub norm: Scalar,
    /// min(1, most / (norm + 10⁻⁶)), and 1 if `most` is 0 or less; one number, f32.
    pub factor: Tensor,
}

/// Returns the global norm of gradients, and the factor that clips it to `most`. All of them lie in one place.
///
/// # Precision
/// On the processor, squares are summed as [`sum_of_squares`] says, on a device in f64.
/// # Source
/// PyTorch `clip_grad_norm_`.
pub fn clip(gradients: &[View], most: f64) -> Clip {
    if let Some(gpu) = gradients.iter().find_map(|gradient| gradient.gpu()) {
        let (norm, factor) = gpu::clip::clip(gpu, gradients, most);
        return Clip { norm, factor };
    }
    let parts: Vec<&[f32]> = gradients.iter().map(|gradient| gradient.host()).collect();
    let norm = sum_of_squares(&parts).sqrt();
    let factor = if most > 0.0 { (most / (norm + 1e-6)).min(1.0) } else { 1.0 };
    Clip { norm: Scalar::host(norm), factor: Tensor::from_slice(1, 1, &[factor as f32]) }
}
