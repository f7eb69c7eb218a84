//! Cross-entropy: loss = Σ over counted rows of `−log softmax(scores)[label]`.

use super::gpu;
use crate::memory::scalar::Scalar;
use crate::memory::tensor::Tensor;

/// Loss and gradient of a batch.
#[derive(Debug)]
pub struct Loss {
    /// Sum of the losses of counted rows.
    pub sum: Scalar,
    /// Gradient of factor · sum with respect to the scores (R, K); rows that do not count have zeros.
    pub dscores: Tensor,
}

/// Returns the summed loss, with label smoothing ε: (1 − ε) · `−log p[label]` + ε · mean over classes of −log p; and the
/// gradient of the sum times `factor`.
///
/// # Shapes
/// scores (R, K), labels (R); a negative label is not counted.
/// # Precision
/// Softmax in f64. The sum over rows is f64, on the processor in their order. The gradient is rounded to f32 before the
/// factor and after it.
/// # Panics
/// If a label is K or more.
/// # Source
/// PyTorch `CrossEntropyLoss` with `reduction="sum"`; the smoothing is transformers' `LabelSmoother`.
pub fn forward(scores: &Tensor, labels: &[i32], smoothing: f64, factor: f64) -> Loss {
    let k = scores.columns();
    assert_eq!(labels.len(), scores.rows(), "cross_entropy: {} rows", scores.rows());
    let highest = labels.iter().max().map_or(0, |&label| label);
    assert!(i64::from(highest) < k as i64, "cross_entropy: label {highest} of {k}");
    if scores.gpu().is_some() {
        let (dscores, sum) = gpu::cross_entropy::forward(scores, labels, smoothing, factor);
        return Loss { sum, dscores };
    }
    let mut dscores = Tensor::unfilled(scores.rows(), k);
    let mut sum = 0f64;
    let mut log_p = vec![0f64; k];
    for ((row, &label), d) in scores.data().chunks_exact(k).zip(labels).zip(dscores.data_mut().chunks_exact_mut(k)) {
        let Ok(label) = usize::try_from(label) else {
            d.fill(0.0);
            continue;
        };
        log_softmax(row, &mut log_p);
        sum -= (1.0 - smoothing) * log_p[label] + smoothing * log_p.iter().sum::<f64>() / k as f64;
        for (c, (d, log_p)) in d.iter_mut().zip(&log_p).enumerate() {
            let target = f64::from(u8::from(c == label)) * (1.0 - smoothing) + smoothing / k as f64;
            let gradient = (log_p.exp() - target) as f32;
            *d = (f64::from(gradient) * factor) as f32;
        }
    }
    Loss { sum: Scalar::host(sum), dscores }
}

fn log_softmax(row: &[f32], log_p: &mut [f64]) {
    let highest = row.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b));
    let total: f64 = row.iter().map(|&s| f64::from(s - highest).exp()).sum();
    for (log_p, &s) in log_p.iter_mut().zip(row) {
        *log_p = f64::from(s - highest) - total.ln();
    }
}
