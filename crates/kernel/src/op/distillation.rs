//! Distillation: how far a row's probabilities are from a teacher's, both at a temperature.

use super::label_loss::Loss;
use crate::device::Error;
use crate::memory::scalar::Scalar;
use crate::memory::tensor::Tensor;
use crate::memory::values::View;

/// Returns T² · Σ over counted rows of KL(softmax(teacher / T) ‖ softmax(scores / T)), and the gradient of the sum times
/// `factor`. The processor computes it: a device hands over its scores, and is waited for.
///
/// # Shapes
/// scores (R, K), labels (R); a negative label is not counted. teacher (C, K): scores of the C counted rows, in their order.
/// # Precision
/// All of it is f64. The gradient is rounded to f32.
/// # Errors
/// The first error of the device that the scores lie on.
/// # Panics
/// If there are not K teacher's scores for each counted row.
/// # Source
/// Hinton et al. 2015; PyTorch `kl_div` of `log_softmax` and `softmax`, times T².
pub fn forward(scores: &Tensor, labels: &[i32], teacher: &[f32], temperature: f64, factor: f64) -> Result<Loss, Error> {
    let k = scores.columns();
    let counted = labels.iter().filter(|&&label| label >= 0).count();
    assert_eq!(labels.len(), scores.rows(), "distillation: {} rows", scores.rows());
    assert_eq!(teacher.len(), counted * k, "distillation: {counted} counted rows of {k} labels");
    let values = scores.view().read()?;
    let mut gradient = vec![0.0; values.len()];
    let mut sum = 0f64;
    let (mut log_p, mut log_q) = (vec![0f64; k], vec![0f64; k]);
    let rows = values.chunks_exact(k).zip(gradient.chunks_exact_mut(k)).zip(labels).filter(|(_, label)| **label >= 0);
    for (((scores, d), _), teacher) in rows.zip(teacher.chunks_exact(k)) {
        log_softmax(scores, temperature, &mut log_p);
        log_softmax(teacher, temperature, &mut log_q);
        for c in 0..k {
            let q = log_q[c].exp();
            sum += if q == 0.0 { 0.0 } else { temperature * temperature * q * (log_q[c] - log_p[c]) };
            d[c] = (factor * temperature * (log_p[c].exp() - q)) as f32;
        }
    }
    let mut dscores = scores.unfilled_beside(scores.rows(), k);
    dscores.view_mut().copy_from(View::Host(&gradient));
    Ok(Loss { sum: Scalar::host(sum), dscores })
}

fn log_softmax(row: &[f32], temperature: f64, log_p: &mut [f64]) {
    let highest = row.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b));
    let scaled = |s: f32| f64::from(s - highest) / temperature;
    let total: f64 = row.iter().map(|&s| scaled(s).exp()).sum();
    for (log_p, &s) in log_p.iter_mut().zip(row) {
        *log_p = scaled(s) - total.ln();
    }
}
