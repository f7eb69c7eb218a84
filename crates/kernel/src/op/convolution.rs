//! Convolution over a sentence as a product: the neighbors of each row are laid side by side.

use super::gpu;
use super::sequences::Sequences;
use crate::memory::tensor::Tensor;
use crate::threads::for_each;
use std::ops::Range;

/// Lays the k neighbors of each row side by side.
///
/// y[t, i·k + j] = x[t + j − (k − 1) / 2, i], and 0 beyond the sentence's ends. With PyTorch's weight (outputs, H, k) of a `Conv1d`, read as (outputs, H · k), `linear` of y is the convolution.
///
/// # Shapes
/// x (R, H) → y (R, H · k).
/// # Panics
/// If k, the number of neighbors, is even: rows would have no middle. If the sentences have not R rows.
pub fn unfold(x: &Tensor, sequences: &Sequences, k: usize) -> Tensor {
    assert!(k % 2 == 1, "convolution: {k} neighbors have no middle");
    let h = x.columns();
    sequences.assert_rows("convolution", x.rows());
    if let Some(gpu) = x.gpu() {
        return gpu::convolution::unfold(x, sequences.on_gpu(gpu), k);
    }
    let sentences: Vec<_> = sequences.each().collect();
    let mut y = Tensor::unfilled(x.rows(), h * k);
    let area = y.area_mut();
    for_each(sentences.len(), |sentence| {
        let Range { start, end } = sentences[sentence];
        for t in start..end {
            // SAFETY: a row of y, which belongs to this sentence alone.
            let y = unsafe { std::slice::from_raw_parts_mut(area.row(t), h * k) };
            for j in 0..k {
                match (t + j).checked_sub(k / 2).filter(|from| (start..end).contains(from)) {
                    Some(from) => {
                        for (y, x) in y[j..].iter_mut().step_by(k).zip(x.row(from)) {
                            *y = *x;
                        }
                    }
                    None => y[j..].iter_mut().step_by(k).for_each(|y| *y = 0.0),
                }
            }
        }
    });
    y
}

/// Adds the gradient of x to dx (R, H), given dy (R, H · k); the neighbors of a row are added in their order.
pub fn fold_onto(dy: &Tensor, sequences: &Sequences, k: usize, dx: &mut Tensor) {
    let h = dx.columns();
    dy.assert_shape("convolution", "dy", dx.rows(), h * k);
    sequences.assert_rows("convolution", dx.rows());
    if let Some(gpu) = dy.gpu() {
        return gpu::convolution::fold_onto(dy, sequences.on_gpu(gpu), k, dx);
    }
    let sentences: Vec<_> = sequences.each().collect();
    let area = dx.area_mut();
    for_each(sentences.len(), |sentence| {
        let Range { start, end } = sentences[sentence];
        for from in start..end {
            // SAFETY: a row of dx, which belongs to this sentence alone.
            let dx = unsafe { std::slice::from_raw_parts_mut(area.row(from), h) };
            for j in (0..k).rev() {
                let Some(t) = (from + k / 2).checked_sub(j).filter(|t| (start..end).contains(t)) else { continue };
                for (dx, dy) in dx.iter_mut().zip(dy.row(t)[j..].iter().step_by(k)) {
                    *dx += *dy;
                }
            }
        }
    });
}
