//! What a model says of labeled examples: its loss and, row by row, its most probable labels.

use tagsmith_encoder::batch::{Batch, by_tokens};
use tagsmith_kernel::op::crf;
use tagsmith_ranks::World;
use tagsmith_text::align::IGNORE;
use tagsmith_text::decode::chain::Chain;
use tagsmith_text::decode::{Decoder, most_probable};

use crate::batch::collate;
use crate::error::Error;
use crate::examples::Examples;
use crate::learn::numbers;

/// What changes the numbers, apart from the data.
#[derive(Clone, Copy, Debug)]
pub struct EvalOptions {
    /// Examples a batch of the Trainer's (`per_device_eval_batch_size`): its loss is a mean of means over them.
    pub batch_size: usize,
    /// Rows that the model reads at once, at most (a longer example is read alone). It bounds memory and changes no
    /// number.
    pub batch_tokens: usize,
    /// ε of label smoothing, from 0 to 1.
    pub label_smoothing: f64,
}

/// The way from scores to labels.
#[derive(Clone, Debug)]
pub struct Reading {
    /// What gives words their labels.
    pub decoder: Decoder,
    /// What scores are divided by where a decoder adds biases to them.
    pub temperature: f32,
    /// For each label, that of its word's further pieces.
    pub continuations: Vec<u32>,
    /// What the model has learned of neighbors, which its loss depends on.
    pub chain: Option<Chain>,
}

impl Reading {
    /// Returns the way by which each piece has its most probable label.
    pub fn plain() -> Reading {
        Reading { decoder: Decoder::Argmax, temperature: 1.0, continuations: Vec::new(), chain: None }
    }

    /// Returns a label for each row of an example, words whose label is not their most probable one, and whether no path
    /// was legal. Rows outside of words keep their most probable labels.
    fn read(&self, rows: &[&[f32]], words: &[Option<u32>]) -> (Vec<u32>, usize, bool) {
        let mut labels: Vec<u32> = rows.iter().map(|row| most_probable(row).0 as u32).collect();
        if let Decoder::Argmax = self.decoder {
            return (labels, 0, false);
        }
        let is_first = |&at: &usize| words[at].is_some() && (at == 0 || words[at] != words[at - 1]);
        let firsts: Vec<usize> = (0..rows.len()).filter(is_first).collect();
        let of_words: Vec<&[f32]> = firsts.iter().map(|&at| rows[at]).collect();
        let decoded = self.decoder.decode_scores(&of_words, self.temperature);
        if !decoded.has_no_path {
            for (&first, &label) in firsts.iter().zip(&decoded.labels) {
                labels[first] = label;
                let further = (first + 1..rows.len()).take_while(|&at| words[at] == words[first]);
                further.for_each(|at| labels[at] = self.continuations[label as usize]);
            }
        }
        (labels, decoded.changed, decoded.has_no_path)
    }
}

/// The outcome of an evaluation.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// The Trainer's: Σ n·ℓ / Σ n over batches of n examples with a mean of ℓ a counted label. Batches that count no
    /// label have no mean and are left out. NaN if nothing is counted.
    pub loss: f64,
    /// The mean over all counted labels, whatever the batches. NaN if nothing is counted.
    pub token_loss: f64,
    /// Labels counted.
    pub counted: usize,
    /// Examples in batches that count no label.
    pub examples_left_out: usize,
    /// Rows whose scores are infinite or not numbers. The model says nothing of them.
    pub not_finite: usize,
    /// Words whose label is not their most probable one.
    pub changed: usize,
    /// Examples without a legal path of labels, whose words have their most probable ones.
    pub without_path: usize,
    /// For each example the label of each row: the most probable one, the lowest id of equals, or what a decoder says.
    pub predictions: Vec<Vec<u32>>,
    /// For each example the probability of that label.
    pub probabilities: Vec<Vec<f32>>,
}

/// Runs `infer` (rows × `labels` scores of a batch) over the examples, those of like length together.
///
/// Ranks share the work, and each of them gets the outcome. It is that of one rank, to the bit. An example's rows are a
/// function of the example alone, and sums are made of all examples in their order.
///
/// # Errors
/// What `infer` cannot compute; a file of examples that cannot be read.
pub fn evaluate(
    examples: &Examples,
    labels: usize,
    options: EvalOptions,
    world: &World,
    infer: impl Fn(&Batch) -> Result<Vec<f32>, tagsmith_kernel::Error>,
) -> Result<Evaluation, Error> {
    evaluate_by(&Reading::plain(), examples, labels, options, world, infer)
}

/// Does what [`evaluate`] does, and reads labels off scores in another way.
///
/// # Errors
/// What `infer` cannot compute; a file of examples that cannot be read.
pub fn evaluate_by(
    reading: &Reading,
    examples: &Examples,
    labels: usize,
    options: EvalOptions,
    world: &World,
    infer: impl Fn(&Batch) -> Result<Vec<f32>, tagsmith_kernel::Error>,
) -> Result<Evaluation, Error> {
    assert!(options.batch_size > 0, "evaluate: a batch holds at least one example");
    let lengths: Vec<usize> = examples.lengths().iter().map(|&length| length as usize).collect();
    let groups = by_tokens(&lengths, options.batch_tokens);
    // Groups are sorted by length, so that every so-many-th is as much work for each rank.
    let share = |rank: usize| groups.iter().skip(rank).step_by(world.size());
    let mut found = Vec::new();
    for group in share(world.rank()) {
        let examples = examples.get_all(group)?;
        let batch = collate(&examples);
        let scores = infer(&batch)?;
        assert_eq!(scores.len(), batch.rows() * labels, "evaluate: {} rows of {labels} labels", batch.rows());
        for (example, &start) in examples.iter().zip(&batch.starts) {
            let rows = &scores[start as usize * labels..][..example.ids.len() * labels];
            let loss = match &reading.chain {
                Some(chain) => chain_loss(rows, &example.labels, labels, chain),
                None => loss_sum(rows, &example.labels, labels, options.label_smoothing),
            };
            found.extend(loss.to_le_bytes());
            let is_bad = |row: &&[f32]| row.iter().any(|score| !score.is_finite());
            found.extend((rows.chunks_exact(labels).filter(is_bad).count() as u32).to_le_bytes());
            found.extend((counted(&example.labels) as u32).to_le_bytes());
            let rows: Vec<&[f32]> = rows.chunks_exact(labels).collect();
            let (predicted, changed, has_no_path) = reading.read(&rows, &example.words);
            found.extend((changed as u32).to_le_bytes());
            found.extend(u32::from(has_no_path).to_le_bytes());
            found.extend(predicted.iter().copied().flat_map(u32::to_le_bytes));
            let probable = rows.iter().zip(&predicted).map(|(row, &label)| probability(row, label));
            found.extend(probable.flat_map(f32::to_le_bytes));
        }
    }
    let mut predictions = vec![Vec::new(); examples.len()];
    let mut probabilities = vec![Vec::new(); examples.len()];
    let mut losses = vec![(0.0, 0); examples.len()];
    let (mut not_finite, mut words_changed, mut without_path) = (0, 0, 0);
    for (rank, found) in world.gather(&found).iter().enumerate() {
        let mut rest = &found[..];
        for &at in share(rank).flatten() {
            let (loss, bad, counted, changed, pathless, predicted, probable);
            (loss, rest) = rest.split_first_chunk().expect("a loss for each example of a rank");
            (bad, rest) = rest.split_first_chunk().expect("a count for each example of a rank");
            not_finite += u32::from_le_bytes(*bad) as usize;
            (counted, rest) = rest.split_first_chunk().expect("a count for each example of a rank");
            (changed, rest) = rest.split_first_chunk().expect("a count for each example of a rank");
            words_changed += u32::from_le_bytes(*changed) as usize;
            (pathless, rest) = rest.split_first_chunk().expect("a count for each example of a rank");
            without_path += u32::from_le_bytes(*pathless) as usize;
            (predicted, rest) = rest.split_at(4 * lengths[at]);
            (probable, rest) = rest.split_at(4 * lengths[at]);
            losses[at] = (f64::from_le_bytes(*loss), u32::from_le_bytes(*counted) as usize);
            let label = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("four bytes"));
            predictions[at] = predicted.chunks_exact(4).map(label).collect();
            let probability = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().expect("four bytes"));
            probabilities[at] = probable.chunks_exact(4).map(probability).collect();
        }
    }
    let mut sums = Sums::default();
    let mut examples_left_out = 0;
    for batch in losses.chunks(options.batch_size) {
        let counted = batch.iter().map(|&(_, counted)| counted).sum();
        match counted {
            0 => examples_left_out += batch.len(),
            _ => sums.add(batch.iter().map(|&(loss, _)| loss).sum(), counted, batch.len()),
        }
    }
    Ok(Evaluation {
        loss: sums.batch_means / sums.examples as f64,
        token_loss: sums.losses / sums.counted as f64,
        counted: sums.counted,
        examples_left_out,
        not_finite,
        changed: words_changed,
        without_path,
        predictions,
        probabilities,
    })
}

/// Returns the softmax of a row at a label.
fn probability(row: &[f32], label: u32) -> f32 {
    let highest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = row.iter().map(|&score| f64::from(score - highest).exp()).sum();
    (f64::from(row[label as usize] - highest).exp() / sum) as f32
}

/// Sums over the batches that count a label.
#[derive(Default)]
struct Sums {
    batch_means: f64,
    examples: usize,
    losses: f64,
    counted: usize,
}

impl Sums {
    fn add(&mut self, loss: f64, counted: usize, examples: usize) {
        self.batch_means += examples as f64 * loss / counted as f64;
        self.examples += examples;
        self.losses += loss;
        self.counted += counted;
    }
}

/// How many labels are counted.
fn counted(labels: &[i32]) -> usize {
    labels.iter().filter(|&&label| label != IGNORE).count()
}

/// −log of the likelihood that a chain gives the counted labels.
fn chain_loss(scores: &[f32], row_labels: &[i32], labels: usize, chain: &Chain) -> f64 {
    let counted = scores.chunks_exact(labels).zip(row_labels).filter(|(_, label)| **label != IGNORE);
    let (rows, tags): (Vec<&[f32]>, Vec<usize>) = counted.map(|(row, &label)| (row, label as usize)).unzip();
    -crf::log_likelihood(&rows, &tags, numbers(chain))
}

/// Σ over counted rows of (1 − ε)·(−log p of the label) + ε·(mean over labels of −log p).
fn loss_sum(scores: &[f32], row_labels: &[i32], labels: usize, smoothing: f64) -> f64 {
    let mut sum = 0.0;
    for (row, &label) in scores.chunks_exact(labels).zip(row_labels) {
        if label == IGNORE {
            continue;
        }
        let highest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max) as f64;
        let log_sum = row.iter().map(|&score| (score as f64 - highest).exp()).sum::<f64>().ln() + highest;
        let mean = row.iter().map(|&score| score as f64).sum::<f64>() / labels as f64;
        sum += (1.0 - smoothing) * (log_sum - row[label as usize] as f64) + smoothing * (log_sum - mean);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use tagsmith_text::align::Example;

    /// A model that scores a row by its token id: id i gives the row `SCORES[i]`.
    const SCORES: [[f32; 3]; 4] = [[0.0, 0.0, 0.0], [2.0, 0.0, -1.0], [-3.0, 5.0, 5.0], [1.0, 90.0, -90.0]];

    fn infer(batch: &Batch) -> Result<Vec<f32>, tagsmith_kernel::Error> {
        Ok(batch.ids.iter().flat_map(|&id| SCORES[id as usize]).collect())
    }

    fn example(rows: &[(u32, i32)]) -> Example {
        Example {
            ids: rows.iter().map(|row| row.0).collect(),
            types: vec![0; rows.len()],
            labels: rows.iter().map(|row| row.1).collect(),
            words: vec![None; rows.len()],
            sentence: 0,
        }
    }

    fn examples() -> Examples {
        Examples::in_memory(&[
            example(&[(0, IGNORE), (1, 0), (2, 1), (2, 2)]),
            example(&[(1, 2)]),
            example(&[(3, 1), (0, 0), (3, IGNORE)]),
            nothing(),
        ])
    }

    /// An example that counts no label.
    fn nothing() -> Example {
        example(&[(0, IGNORE)])
    }

    fn close(got: f64, want: f64) {
        assert!((got - want).abs() <= 1e-12 * want.abs().max(1.0), "{got} is not {want}");
    }

    // −log softmax by hand: row 1 has log(e² + 1 + e⁻¹) = L1, row 2 has log(e⁻³ + 2e⁵) = L2, row 0 has log 3.
    fn l1() -> f64 {
        (2f64.exp() + 1.0 + (-1f64).exp()).ln()
    }

    fn l2() -> f64 {
        ((-3f64).exp() + 2.0 * 5f64.exp()).ln()
    }

    #[test]
    fn the_loss_is_a_mean_of_batch_means_weighted_by_examples() {
        let got = evaluate(
            &examples(),
            3,
            EvalOptions { batch_size: 2, batch_tokens: 5, label_smoothing: 0.0 },
            &World::alone(),
            infer,
        )
        .unwrap();
        let first = (l1() - 2.0 + 2.0 * (l2() - 5.0) + l1() + 1.0) / 4.0;
        let second = (0.0 + 3f64.ln()) / 2.0;
        close(got.loss, (2.0 * first + 2.0 * second) / 4.0);
        close(got.token_loss, (4.0 * first + 2.0 * second) / 6.0);
        assert_eq!(got.counted, 6);
        // Neither is the other, nor the mean that a batch size of one gives.
        assert!((got.loss - got.token_loss).abs() > 0.01);
        let single = evaluate(
            &examples(),
            3,
            EvalOptions { batch_size: 1, batch_tokens: 5, label_smoothing: 0.0 },
            &World::alone(),
            infer,
        )
        .unwrap();
        assert!((got.loss - single.loss).abs() > 0.01);
        close(got.token_loss, single.token_loss);
    }

    #[test]
    fn how_many_rows_are_read_at_once_changes_nothing() {
        let read = |batch_tokens| {
            let got = evaluate(
                &examples(),
                3,
                EvalOptions { batch_size: 2, batch_tokens, label_smoothing: 0.1 },
                &World::alone(),
                infer,
            )
            .unwrap();
            (got.loss.to_bits(), got.token_loss.to_bits(), got.counted, got.predictions)
        };
        for batch_tokens in [1, 2, 4, 7, 1000] {
            assert_eq!(read(batch_tokens), read(3), "{batch_tokens} rows at once");
        }
    }

    #[test]
    fn a_batch_that_counts_nothing_is_left_out() {
        let got = evaluate(
            &examples(),
            3,
            EvalOptions { batch_size: 1, batch_tokens: 5, label_smoothing: 0.0 },
            &World::alone(),
            infer,
        )
        .unwrap();
        let means = [(l1() - 2.0 + 2.0 * (l2() - 5.0)) / 3.0, l1() + 1.0, 3f64.ln() / 2.0];
        close(got.loss, means.iter().sum::<f64>() / 3.0);
        assert_eq!(got.examples_left_out, 1);
        let nothing = evaluate(
            &Examples::in_memory(&[nothing()]),
            3,
            EvalOptions { batch_size: 8, batch_tokens: 5, label_smoothing: 0.0 },
            &World::alone(),
            infer,
        )
        .unwrap();
        assert!(nothing.loss.is_nan() && nothing.token_loss.is_nan());
    }

    #[test]
    fn smoothing_mixes_in_the_mean_over_labels() {
        let one = Examples::in_memory(&[example(&[(1, 2)])]);
        let got = evaluate(
            &one,
            3,
            EvalOptions { batch_size: 8, batch_tokens: 5, label_smoothing: 0.1 },
            &World::alone(),
            infer,
        )
        .unwrap();
        close(got.loss, 0.9 * (l1() + 1.0) + 0.1 * (l1() - 1.0 / 3.0));
    }

    #[test]
    fn predictions_are_the_most_probable_labels_of_every_row() {
        let got = evaluate(
            &examples(),
            3,
            EvalOptions { batch_size: 3, batch_tokens: 5, label_smoothing: 0.0 },
            &World::alone(),
            infer,
        )
        .unwrap();
        assert_eq!(got.predictions, [vec![0, 0, 1, 1], vec![0], vec![1, 0, 1], vec![0]]);
    }

    #[test]
    fn scores_that_are_no_numbers_are_counted() {
        // Ids 0 and 1 have an infinity and a NaN among their scores.
        let infer = |batch: &Batch| -> Result<Vec<f32>, tagsmith_kernel::Error> {
            let bad = [[f32::INFINITY, 0.0, 1.0], [0.0, f32::NAN, 1.0]];
            Ok(batch.ids.iter().flat_map(|&id| bad.get(id as usize).copied().unwrap_or([0.5; 3])).collect())
        };
        let options = EvalOptions { batch_size: 2, batch_tokens: 3, label_smoothing: 0.0 };
        let got = evaluate(&examples(), 3, options, &World::alone(), infer).unwrap();
        // Rows of ids 0 and 1 in `examples`: 2, 1, 1 and 1.
        assert_eq!(got.not_finite, 5);
        let good = evaluate(&examples(), 3, options, &World::alone(), super::tests::infer).unwrap();
        assert_eq!(good.not_finite, 0);
    }
}
