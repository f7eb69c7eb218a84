//! A linear-chain conditional random field over the counted rows of each sequence.
//!
//! A path's score is the sum of its labels' scores and of a chain's numbers. The chain has one for each pair of neighbors,
//! one for the first label and one for the last. The loss is −log of the path's share in the sum of exp(score) over all
//! paths.

use crate::memory::scalar::Scalar;
use crate::memory::tensor::Tensor;
use crate::params::grads::GradSlot;

/// Numbers that a chain adds to the scores of words: of first labels (K), of pairs (K, K) and of last labels (K). In pairs the
/// label before is the row.
#[derive(Clone, Copy, Debug)]
pub struct Chain<'a> {
    /// The numbers of first labels.
    pub start: &'a [f64],
    /// The numbers of pairs, row by row.
    pub transitions: &'a [f64],
    /// The numbers of last labels.
    pub end: &'a [f64],
}

/// Loss and gradient of a batch.
#[derive(Debug)]
pub struct Loss {
    /// Sum over sequences of the negative log-likelihoods.
    pub sum: Scalar,
    /// Gradient of factor · sum with respect to the scores (R, K); rows that do not count have zeros.
    pub dscores: Tensor,
}

/// The gradients of a chain's numbers, sequence by sequence.
///
/// Each sequence is added by itself, so that a batch's gradient is the same bits however the batch is cut.
#[derive(Debug)]
#[must_use]
pub struct Saved {
    start: Vec<f32>,
    transitions: Vec<f32>,
    end: Vec<f32>,
}

/// One of a chain's parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The numbers of first labels (K).
    Start,
    /// The numbers of pairs (K, K).
    Transitions,
    /// The numbers of last labels (K).
    End,
}

impl Saved {
    /// Writes the gradient of one of the chain's parameters; a frozen one has no place for it.
    pub fn backward(&self, part: Part, slot: Option<GradSlot<'_>>) {
        let of_sequences = match part {
            Part::Start => &self.start,
            Part::Transitions => &self.transitions,
            Part::End => &self.end,
        };
        let Some(slot) = slot else { return };
        let (sum, holds_sum) = slot.into_host();
        if !holds_sum {
            sum.fill(0.0);
        }
        for of_sequence in of_sequences.chunks_exact(sum.len()) {
            sum.iter_mut().zip(of_sequence).for_each(|(sum, part)| *sum += part);
        }
    }
}

/// Returns the summed loss of a batch and the gradient of the sum times `factor` with respect to the scores. What is saved
/// holds the gradients of the chain.
///
/// # Shapes
/// scores (R, K), labels (R), starts (sequences + 1). A row with a negative label is not part of its sequence's chain:
/// the counted rows before and after it are neighbors.
/// # Precision
/// All in f64; a sequence's gradients are rounded to f32 once. Sums go over sequences in their order.
/// # Panics
/// If a label is K or more, or the scores lie on a device: chains are computed on the processor.
/// # Source
/// Lafferty, McCallum and Pereira, 2001; the layout is that of pytorch-crf.
pub fn forward(scores: &Tensor, labels: &[i32], starts: &[u32], chain: Chain<'_>, factor: f64) -> (Loss, Saved) {
    let k = scores.columns();
    assert_eq!(labels.len(), scores.rows(), "crf: {} rows", scores.rows());
    assert_eq!(starts.last().map_or(0, |&end| end as usize), scores.rows(), "crf: sequences hold all rows");
    chain.assert_labels(k);
    let mut dscores = Tensor::zeros(scores.rows(), k);
    let mut saved = Saved { start: Vec::new(), transitions: Vec::new(), end: Vec::new() };
    let mut sum = 0.0;
    for ends in starts.windows(2) {
        let counted = |at: &usize| labels[*at] >= 0;
        let rows: Vec<usize> = (ends[0] as usize..ends[1] as usize).filter(counted).collect();
        if rows.is_empty() {
            continue;
        }
        let tags: Vec<usize> = rows.iter().map(|&at| labels[at] as usize).collect();
        assert!(tags.iter().all(|&tag| tag < k), "crf: a label of {k}");
        let words: Vec<&[f32]> = rows.iter().map(|&at| scores.row(at)).collect();
        let Sums { before, after, log_sum } = Sums::of(&words, chain);
        sum += log_sum - chain.score(&words, &tags);
        let (mut dstart, mut dend) = (vec![0.0; k], vec![0.0; k]);
        let mut dtransitions = vec![0.0; k * k];
        for (at, (&row, &tag)) in rows.iter().zip(&tags).enumerate() {
            let d = &mut dscores.data_mut()[row * k..(row + 1) * k];
            for (label, d) in d.iter_mut().enumerate() {
                let share = (before[at * k + label] + after[at * k + label] - log_sum).exp();
                let gradient = factor * (share - f64::from(u8::from(label == tag)));
                *d = gradient as f32;
                if at == 0 {
                    dstart[label] += gradient;
                }
                if at + 1 == rows.len() {
                    dend[label] += gradient;
                }
            }
            if at == 0 {
                continue;
            }
            for from in 0..k {
                for to in 0..k {
                    let pair = before[(at - 1) * k + from] + chain.transitions[from * k + to];
                    let share = (pair + f64::from(words[at][to]) + after[at * k + to] - log_sum).exp();
                    let is_own = from == tags[at - 1] && to == tag;
                    dtransitions[from * k + to] += factor * (share - f64::from(u8::from(is_own)));
                }
            }
        }
        let rounded = |values: Vec<f64>| values.into_iter().map(|value| value as f32);
        saved.start.extend(rounded(dstart));
        saved.transitions.extend(rounded(dtransitions));
        saved.end.extend(rounded(dend));
    }
    (Loss { sum: Scalar::host(sum), dscores }, saved)
}

/// Returns the log-likelihood of a sequence's labels; 0 for no word.
///
/// # Shapes
/// rows (words) of K scores; tags (words).
/// # Panics
/// If a label is K or more.
pub fn log_likelihood(rows: &[&[f32]], tags: &[usize], chain: Chain<'_>) -> f64 {
    assert_eq!(rows.len(), tags.len(), "crf: a label for each word");
    match rows {
        [] => 0.0,
        [first, ..] => {
            chain.assert_labels(first.len());
            chain.score(rows, tags) - Sums::of(rows, chain).log_sum
        }
    }
}

impl Chain<'_> {
    fn assert_labels(&self, k: usize) {
        let lengths = [self.start.len(), self.transitions.len(), self.end.len()];
        assert_eq!(lengths, [k, k * k, k], "crf: a chain of {k} labels");
    }

    fn score(&self, rows: &[&[f32]], tags: &[usize]) -> f64 {
        let k = self.start.len();
        let words: f64 = rows.iter().zip(tags).map(|(row, &tag)| f64::from(row[tag])).sum();
        let pairs: f64 = tags.windows(2).map(|pair| self.transitions[pair[0] * k + pair[1]]).sum();
        self.start[tags[0]] + words + pairs + self.end[tags[tags.len() - 1]]
    }
}

/// Logarithms of sums over all paths (words × K).
struct Sums {
    /// Over the paths up to a label, its score included.
    before: Vec<f64>,
    /// Over the paths from a label on, its score left out.
    after: Vec<f64>,
    /// Over all paths.
    log_sum: f64,
}

impl Sums {
    fn of(rows: &[&[f32]], chain: Chain<'_>) -> Sums {
        let (words, k) = (rows.len(), chain.start.len());
        let mut before = vec![0.0; words * k];
        let mut after = vec![0.0; words * k];
        let mut terms = vec![0.0; k];
        for label in 0..k {
            before[label] = chain.start[label] + f64::from(rows[0][label]);
            after[(words - 1) * k + label] = chain.end[label];
        }
        for at in 1..words {
            for to in 0..k {
                for (from, term) in terms.iter_mut().enumerate() {
                    *term = before[(at - 1) * k + from] + chain.transitions[from * k + to];
                }
                before[at * k + to] = f64::from(rows[at][to]) + log_sum_exp(&terms);
            }
        }
        for at in (1..words).rev() {
            for from in 0..k {
                for (to, term) in terms.iter_mut().enumerate() {
                    *term = chain.transitions[from * k + to] + f64::from(rows[at][to]) + after[at * k + to];
                }
                after[(at - 1) * k + from] = log_sum_exp(&terms);
            }
        }
        for (label, term) in terms.iter_mut().enumerate() {
            *term = before[(words - 1) * k + label] + chain.end[label];
        }
        Sums { before, after, log_sum: log_sum_exp(&terms) }
    }
}

fn log_sum_exp(terms: &[f64]) -> f64 {
    let highest = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    highest + terms.iter().map(|term| (term - highest).exp()).sum::<f64>().ln()
}
