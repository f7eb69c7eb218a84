//! What is learned when: an epoch's texts, and a batch's labels.

use crate::error::Error;
use crate::run_config::RunConfig;
use tagsmith_kernel::random::stream::Stream;
use tagsmith_text::example::Example;
use tagsmith_train::trainer::order::torch_permutation;

/// A function of the seed, the number of texts and that of ranks.
pub(crate) struct Order {
    seed: u64,
    texts: usize,
    /// Of each text, for drawing; none for each once an epoch.
    weights: Vec<f64>,
    /// Texts of all ranks' batches together; 1 where one rank's last batch may be short.
    round: usize,
}

impl Order {
    /// # Errors
    /// Language weights, and a text whose language is unknown, or a language of no text.
    pub(crate) fn new(config: &RunConfig, examples: &[Example], ranks: usize) -> Result<Order, Error> {
        let weights = language_weights(config, examples)?;
        let round = if ranks > 1 { config.batch_size * ranks } else { 1 };
        Ok(Order { seed: config.seed, texts: examples.len(), weights, round })
    }

    /// An epoch's texts: each once in PyTorch's order, or as many draws with replacement by weight. Several ranks have
    /// as many full batches each: what is missing is taken from the beginning.
    pub(crate) fn texts(&self, epoch: u64) -> Vec<usize> {
        let order = match self.weights.is_empty() {
            true => torch_permutation(self.seed.wrapping_add(epoch), self.texts),
            false => drawn(&self.weights, Stream::new(self.seed).child(DRAWS).child(epoch)),
        };
        let whole = order.len().next_multiple_of(self.round);
        order.iter().copied().cycle().take(whole).collect()
    }

    /// The order of a batch's labels, the batch counted from its epoch's beginning: PyTorch's generator's.
    pub(crate) fn labels(&self, epoch: u64, batch: usize, labels: usize) -> Vec<usize> {
        const PRIME: u64 = 1_000_003;
        let seed = self.seed.wrapping_mul(PRIME).wrapping_add(epoch).wrapping_mul(PRIME).wrapping_add(batch as u64);
        torch_permutation(seed, labels)
    }
}

/// The stream of what is drawn in training, beside a step's dropout.
const DRAWS: u64 = u64::MAX;

/// Of each example; none where all are 1.
fn language_weights(config: &RunConfig, examples: &[Example]) -> Result<Vec<f64>, Error> {
    let weights = &config.language_weights;
    if weights.is_empty() {
        return Ok(Vec::new());
    }
    let language = |example: (usize, &'_ Example)| -> Result<String, Error> {
        let id = example.1.id.as_deref().ok_or_else(|| {
            let (files, number) = (config.files[0].join(", "), example.0 + 1);
            let problem = "`language_weights` needs one in every record, such as `deu_12-s0`";
            Error::Setting(format!("{files}: text {number} has no `id`, and {problem}"))
        })?;
        Ok(id.split('_').next().unwrap_or(id).to_owned())
    };
    let languages = examples.iter().enumerate().map(language).collect::<Result<Vec<_>, _>>()?;
    if let Some(unknown) = weights.keys().find(|known| !languages.contains(known)) {
        return Err(Error::Setting(format!(
            "`language_weights` names `{unknown}`, and no record's `id` begins with it"
        )));
    }
    Ok(languages.iter().map(|language| weights.get(language).copied().unwrap_or(1.0)).collect())
}

/// As many draws with replacement as there are weights: each of number i with a share of w_i / Σ w.
fn drawn(weights: &[f64], stream: Stream) -> Vec<usize> {
    let n = weights.len();
    let mut sums = Vec::with_capacity(n);
    let mut sum = 0.0;
    for weight in weights {
        sum += weight;
        sums.push(sum);
    }
    (0..n).map(|i| sums.partition_point(|&s| s <= f64::from(stream.uniform(0, i)) * sum).min(n - 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FiNERweb's share of Thai, 1.7 %, becomes 10 · 0.017 / (10 · 0.017 + 0.983) = 14.7 % by a weight of 10.
    #[test]
    fn a_languages_share_is_its_weights() {
        let n = 20_000;
        let thai = |number: usize| number % 1000 < 17;
        let weights: Vec<f64> = (0..n).map(|number| if thai(number) { 10.0 } else { 1.0 }).collect();
        let order = drawn(&weights, Stream::new(3));
        assert_eq!(order.len(), n);
        let share = order.iter().filter(|&&number| thai(number)).count() as f64 / n as f64;
        let want = 0.17 / (0.17 + 0.983);
        // Four standard deviations of so many draws.
        let deviation = (want * (1.0 - want) / n as f64).sqrt();
        assert!((share - want).abs() < 4.0 * deviation, "{share}, not {want}");
        assert_ne!(order, drawn(&weights, Stream::new(4)));
        // With replacement: some come twice.
        let different: std::collections::BTreeSet<_> = order.iter().collect();
        assert!(different.len() < n * 7 / 10);
    }
}
