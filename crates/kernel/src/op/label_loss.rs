//! Losses of rows that have a label each: cross-entropy, focal loss, dice loss; labels may have weights.

use super::gpu;
use crate::device::Error;
use crate::memory::scalar::Scalar;
use crate::memory::tensor::Tensor;
use crate::memory::values::View;

/// Loss and gradient of a batch.
#[derive(Debug)]
pub struct Loss {
    /// Sum of the losses of counted rows.
    pub sum: Scalar,
    /// Gradient of factor · sum with respect to the scores (R, K); rows that do not count have zeros.
    pub dscores: Tensor,
}

/// The loss of one row, as a function of p = softmax(scores) and the row's label y.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Form {
    /// Cross-entropy: w_y · (1 − ε) · `−log p_y` + ε / K · Σ_c w_c · −log p_c.
    CrossEntropy {
        /// ε of label smoothing.
        smoothing: f64,
    },
    /// Focal loss: w_y · (1 − p_y)^γ · `−log p_y`.
    Focal {
        /// γ, 0 or more.
        gamma: f64,
    },
    /// Self-adjusting dice loss: w_y · Σ_c (1 − (2 u_c t_c + 1) / (u_c + t_c + 1)), where u_c = (1 − p_c)^α · p_c, and
    /// t_c is 1 for the label and 0 for the others.
    Dice {
        /// α, 0 or more.
        alpha: f64,
    },
}

/// A loss with the weights of labels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Objective<'a> {
    /// The loss of a row.
    pub form: Form,
    /// The weight of each label (K); empty where each has the weight 1.
    pub weights: &'a [f64],
}

impl Objective<'static> {
    /// Cross-entropy without weights.
    pub fn cross_entropy(smoothing: f64) -> Objective<'static> {
        Objective { form: Form::CrossEntropy { smoothing }, weights: &[] }
    }
}

/// Returns the summed loss, and the gradient of the sum times `factor`.
///
/// Cross-entropy without weights is computed where the scores lie. Everything else is computed by the processor: a
/// device hands over its scores, and is waited for.
///
/// # Shapes
/// scores (R, K), labels (R); a negative label is not counted.
/// # Precision
/// All of it is f64. The sum over rows is f64, on the processor in their order. The gradient is rounded to f32 before the
/// factor and after it.
/// # Errors
/// The first error of the device that the scores lie on.
/// # Panics
/// If a label is K or more, or there are weights and not K of them.
/// # Source
/// PyTorch `CrossEntropyLoss` with `reduction="sum"`, its `weight` and `label_smoothing`; Lin et al. 2017, equation 5,
/// with a softmax over labels; Li et al. 2020, equation 11 with γ = 1, a word and label an example, and the exponent α of
/// the authors' program.
pub fn forward(scores: &Tensor, labels: &[i32], loss: &Objective<'_>, factor: f64) -> Result<Loss, Error> {
    let k = scores.columns();
    assert_eq!(labels.len(), scores.rows(), "label_loss: {} rows", scores.rows());
    let highest = labels.iter().max().map_or(0, |&label| label);
    assert!(i64::from(highest) < k as i64, "label_loss: label {highest} of {k}");
    assert!([0, k].contains(&loss.weights.len()), "label_loss: {} weights of {k} labels", loss.weights.len());
    if let (Some(_), Form::CrossEntropy { smoothing }, []) = (scores.gpu(), loss.form, loss.weights) {
        let (dscores, sum) = gpu::cross_entropy::forward(scores, labels, smoothing, factor);
        return Ok(Loss { sum, dscores });
    }
    let values = scores.view().read()?;
    let mut gradient = vec![0.0; values.len()];
    let mut sum = 0f64;
    let (mut row, mut wanted) = (Softmax::of_width(k), vec![0f64; k]);
    for ((scores, &label), d) in values.chunks_exact(k).zip(labels).zip(gradient.chunks_exact_mut(k)) {
        let Ok(label) = usize::try_from(label) else { continue };
        row.take(scores);
        sum += loss.row(&row, label, &mut wanted);
        for (d, wanted) in d.iter_mut().zip(&wanted) {
            *d = (f64::from(*wanted as f32) * factor) as f32;
        }
    }
    let mut dscores = scores.unfilled_beside(scores.rows(), k);
    dscores.view_mut().copy_from(View::Host(&gradient));
    Ok(Loss { sum: Scalar::host(sum), dscores })
}

impl Objective<'_> {
    fn weight(&self, label: usize) -> f64 {
        self.weights.get(label).copied().unwrap_or(1.0)
    }

    /// Returns the loss of a row, and writes its gradient with respect to the scores.
    fn row(&self, row: &Softmax, label: usize, d: &mut [f64]) -> f64 {
        match self.form {
            Form::CrossEntropy { smoothing } => self.cross_entropy_row(smoothing, row, label, d),
            Form::Focal { gamma } => {
                let (log_p, p, rest) = (row.log_p[label], row.p[label], row.rest[label]);
                // Where nothing is left for other labels, log p is 0, and the product's limit is 0 too.
                let slope = if rest > 0.0 { gamma * p * rest.powf(gamma - 1.0) * log_p } else { 0.0 };
                let of_log_p = self.weight(label) * (slope - rest.powf(gamma));
                for (c, d) in d.iter_mut().enumerate() {
                    *d = of_log_p * (f64::from(u8::from(c == label)) - row.p[c]);
                }
                self.weight(label) * rest.powf(gamma) * -log_p
            }
            Form::Dice { alpha } => dice_row(alpha, self.weight(label), row, label, d),
        }
    }

    fn cross_entropy_row(&self, smoothing: f64, row: &Softmax, label: usize, d: &mut [f64]) -> f64 {
        let k = d.len() as f64;
        let (mut sum, mut targets) = (0.0, 0.0);
        for (c, d) in d.iter_mut().enumerate() {
            let of_label = f64::from(u8::from(c == label)) * (1.0 - smoothing);
            let target = self.weight(c) * (of_label + smoothing / k);
            // A score of −∞ has a loss only where it is wanted.
            sum -= if target == 0.0 { 0.0 } else { target * row.log_p[c] };
            targets += target;
            *d = -target;
        }
        for (d, p) in d.iter_mut().zip(&row.p) {
            *d += p * targets;
        }
        sum
    }
}

const DICE_SMOOTHING: f64 = 1.0;

/// Terms 1 − (2 u t + γ) / (u + t + γ) with u = p · (1 − p)^α. With a = dloss/du · u, a score's gradient is
/// Σ_c a_c · (d log p_c + α · d log (1 − p_c)). No power of 1 − p is divided by.
fn dice_row(alpha: f64, weight: f64, row: &Softmax, label: usize, d: &mut [f64]) -> f64 {
    let mut loss = 0.0;
    // `d` holds the a_c first.
    for (c, a) in d.iter_mut().enumerate() {
        let u = row.p[c] * row.rest[c].powf(alpha);
        let (value, slope) = if c == label {
            let below = u + 1.0 + DICE_SMOOTHING;
            (1.0 - (2.0 * u + DICE_SMOOTHING) / below, -(2.0 + DICE_SMOOTHING) / (below * below))
        } else {
            let below = u + DICE_SMOOTHING;
            (1.0 - DICE_SMOOTHING / below, DICE_SMOOTHING / (below * below))
        };
        loss += value;
        *a = weight * slope * u;
    }
    let total: f64 = d.iter().sum();
    // d log (1 − p_c) / d score_j is −p_c for j = c, and p_c · p_j / (1 − p_c) for every other j.
    let odds = |c: usize, a: f64| if row.rest[c] > 0.0 { a * row.p[c] / row.rest[c] } else { 0.0 };
    // Only the largest p can be near 1, where its odds would hide those of the others in a sum.
    let largest = row.largest();
    let of_largest = odds(largest, d[largest]);
    let others: f64 = d.iter().enumerate().filter(|&(c, _)| c != largest).map(|(c, &a)| odds(c, a)).sum();
    for (c, d) in d.iter_mut().enumerate() {
        let of_others = if c == largest { others } else { others - odds(c, *d) + of_largest };
        *d += -row.p[c] * total + alpha * row.p[c] * (of_others - *d);
    }
    weight * loss
}

/// A row's probabilities.
struct Softmax {
    log_p: Vec<f64>,
    p: Vec<f64>,
    /// 1 − p, which is a sum of the others' where p is near 1.
    rest: Vec<f64>,
}

impl Softmax {
    fn of_width(k: usize) -> Softmax {
        Softmax { log_p: vec![0.0; k], p: vec![0.0; k], rest: vec![0.0; k] }
    }

    fn take(&mut self, scores: &[f32]) {
        let highest = scores.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b));
        let total: f64 = scores.iter().map(|&s| f64::from(s - highest).exp()).sum();
        for (c, &s) in scores.iter().enumerate() {
            self.log_p[c] = f64::from(s - highest) - total.ln();
            self.p[c] = self.log_p[c].exp();
            self.rest[c] = 1.0 - self.p[c];
        }
        let largest = self.largest();
        self.rest[largest] = self.p.iter().enumerate().filter(|&(c, _)| c != largest).map(|(_, p)| p).sum();
    }

    /// Returns the label with the largest probability, the first of equals.
    fn largest(&self) -> usize {
        let larger = |best: usize, (c, p): (usize, &f64)| if *p > self.p[best] { c } else { best };
        self.p.iter().enumerate().fold(0, larger)
    }
}
