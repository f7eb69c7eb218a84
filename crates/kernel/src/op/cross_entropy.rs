//! Cross-entropy: loss = Σ over counted rows of `−log softmax(scores)[label]`.

use crate::memory::tensor::Tensor;

/// Loss and gradient of a batch.
#[derive(Debug)]
pub struct Loss {
    /// Sum of the losses of counted rows.
    pub sum: f64,
    /// Number of rows that counted.
    pub counted: usize,
    /// Gradient of the sum with respect to the scores (R, K); rows that do not count have zeros.
    pub dscores: Tensor,
}

/// Returns the summed loss, with label smoothing ε: (1 − ε) · `−log p[label]` + ε · mean over classes of −log p.
///
/// # Shapes
/// scores (R, K), labels (R); a negative label is not counted.
/// # Precision
/// Softmax in f64; the sum over rows in f64, in their order.
/// # Panics
/// If a label is K or more.
/// # Source
/// PyTorch `CrossEntropyLoss` with `reduction="sum"`; the smoothing is transformers' `LabelSmoother`.
pub fn forward(scores: &Tensor, labels: &[i32], smoothing: f64) -> Loss {
    let k = scores.columns();
    assert_eq!(labels.len(), scores.rows(), "cross_entropy: {} rows", scores.rows());
    let mut dscores = Tensor::unfilled(scores.rows(), k);
    let (mut sum, mut counted) = (0f64, 0);
    let mut log_p = vec![0f64; k];
    for ((row, &label), d) in scores.data().chunks_exact(k).zip(labels).zip(dscores.data_mut().chunks_exact_mut(k)) {
        let Ok(label) = usize::try_from(label) else {
            d.fill(0.0);
            continue;
        };
        assert!(label < k, "cross_entropy: label {label} of {k}");
        log_softmax(row, &mut log_p);
        sum -= (1.0 - smoothing) * log_p[label] + smoothing * log_p.iter().sum::<f64>() / k as f64;
        counted += 1;
        for (c, (d, log_p)) in d.iter_mut().zip(&log_p).enumerate() {
            let target = f64::from(u8::from(c == label)) * (1.0 - smoothing) + smoothing / k as f64;
            *d = (log_p.exp() - target) as f32;
        }
    }
    Loss { sum, counted, dscores }
}

fn log_softmax(row: &[f32], log_p: &mut [f64]) {
    let highest = row.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b));
    let total: f64 = row.iter().map(|&s| f64::from(s - highest).exp()).sum();
    for (log_p, &s) in log_p.iter_mut().zip(row) {
        *log_p = f64::from(s - highest) - total.ln();
    }
}

impl Loss {
    /// Returns the gradient of `factor` · sum.
    pub fn backward(mut self, factor: f64) -> Tensor {
        self.dscores.data_mut().iter_mut().for_each(|d| *d = (f64::from(*d) * factor) as f32);
        self.dscores
    }
}
