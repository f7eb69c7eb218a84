//! Weights of labels: computed from how often each label is counted, or given.

use crate::examples::Examples;
use tagsmith_files::Error;
use tagsmith_text::align::IGNORE;

/// The rule by which labels get their weights from how often each is counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// N / (K · n), which is scikit-learn's `balanced`.
    Inverse,
    /// The square root of that.
    SqrtInverse,
    /// (1 − β) / (1 − βⁿ), scaled to a mean of 1 over the labels that occur: Cui et al. 2019.
    Effective {
        /// β, from 0 to below 1.
        beta: f64,
    },
}

impl Rule {
    /// Returns the weights of labels that are counted so often. N is the sum, and K the number of labels that occur. A
    /// label that does not occur has the weight 1.
    pub fn weights(self, counts: &[u64]) -> Vec<f64> {
        let occurring = counts.iter().filter(|&&count| count > 0).count() as f64;
        let all: u64 = counts.iter().sum();
        let of = |count: u64| match self {
            Rule::Inverse => all as f64 / (occurring * count as f64),
            Rule::SqrtInverse => (all as f64 / (occurring * count as f64)).sqrt(),
            // βⁿ − 1 by `expm1`: with β near 1 the difference would lose its digits.
            Rule::Effective { beta: 0.0 } => 1.0,
            Rule::Effective { beta } => (1.0 - beta) / -(count as f64 * beta.ln()).exp_m1(),
        };
        let raw: Vec<Option<f64>> = counts.iter().map(|&count| (count > 0).then(|| of(count))).collect();
        let scale = match self {
            Rule::Inverse | Rule::SqrtInverse => 1.0,
            Rule::Effective { .. } => occurring / raw.iter().flatten().sum::<f64>(),
        };
        raw.into_iter().map(|weight| weight.map_or(1.0, |weight| weight * scale)).collect()
    }
}

/// Counts how often each of `labels` labels is counted in the examples.
///
/// # Errors
/// The file of the examples cannot be read.
pub fn counts(examples: &Examples, labels: usize) -> Result<Vec<u64>, Error> {
    let mut counts = vec![0; labels];
    for example in examples.iter() {
        example?.labels.iter().filter(|&&label| label != IGNORE).for_each(|&label| counts[label as usize] += 1);
    }
    Ok(counts)
}

/// Returns the sum of the weights of the labels that are counted: their number where there are no weights.
pub fn weight_of(labels: &[i32], weights: &[f64]) -> f64 {
    let weight = |&label: &i32| match usize::try_from(label) {
        Err(_) => 0.0,
        Ok(label) => weights.get(label).copied().unwrap_or(1.0),
    };
    labels.iter().map(weight).sum()
}
