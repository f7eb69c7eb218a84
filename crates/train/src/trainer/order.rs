//! The order in which examples are learned from: a function of the seed and the epoch.

use tagsmith_kernel::random::numpy::Pcg64;
use tagsmith_kernel::random::stream::Stream;
use tagsmith_kernel::random::torch::MersenneTwister;

/// How an epoch's order is drawn (`train_sampling_strategy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampling {
    /// PyTorch's permutation of seed + epoch.
    Random,
    /// The data's own order in every epoch.
    Sequential,
    /// Examples of like length together, the longest of all first. The permutation beneath comes from seed + epoch, as
    /// in transformers' sampler for several processes. The sampler for one process draws from PyTorch's global
    /// generator, whose state nothing outside that process can know.
    GroupByLength,
}

/// The order of a training run, epoch by epoch.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// How it is drawn.
    pub sampling: Sampling,
    /// Seed of the order.
    pub seed: u64,
    /// Pieces of each example, in the data's order.
    pub lengths: &'a [u32],
    /// Weights of the examples for drawing with replacement; empty where each example comes once an epoch.
    pub weights: &'a [f64],
    /// Examples a batch.
    pub batch_size: usize,
    /// Batches an update.
    pub accumulation: usize,
    /// Whether an epoch's last, smaller batch is left out.
    pub drop_last: bool,
    /// Ranks that share an update: batch i of it is rank i modulo `ranks`'s.
    pub ranks: usize,
}

impl Order<'_> {
    /// Returns the epoch's updates, made one by one: each a list of batches. The last update may have fewer batches.
    pub fn updates(&self, epoch: u64) -> impl Iterator<Item = Vec<Vec<usize>>> + use<> {
        let (examples, batch_size) = (self.dealt(epoch), self.batch_size);
        let of_update = batch_size * self.accumulation * self.ranks;
        (0..examples.len()).step_by(of_update).map(move |first| {
            let update = &examples[first..examples.len().min(first + of_update)];
            update.chunks(batch_size).map(<[_]>::to_vec).collect()
        })
    }

    /// Returns the epoch's batches: each a list of example numbers.
    pub fn batches(&self, epoch: u64) -> Vec<Vec<usize>> {
        self.dealt(epoch).chunks(self.batch_size).map(<[_]>::to_vec).collect()
    }

    /// Returns the examples of the epoch's batches, one batch after another.
    ///
    /// One rank's last batch may have fewer examples. Several ranks have as many batches each, all of them full. What
    /// is missing at the end is taken from the epoch's beginning, or with `drop_last` what is too much is left out.
    ///
    /// # Source
    /// accelerate 1.15 `BatchSamplerShard` with `even_batches`.
    fn dealt(&self, epoch: u64) -> Vec<usize> {
        let mut examples = self.examples(epoch);
        let round = self.batch_size * self.ranks;
        let beyond = examples.len() % round;
        if self.ranks > 1 && beyond > 0 && !self.drop_last {
            let again: Vec<usize> = examples.iter().copied().cycle().take(round - beyond).collect();
            examples.extend(again);
        } else if self.drop_last {
            examples.truncate(examples.len() - beyond);
        }
        examples
    }

    fn examples(&self, epoch: u64) -> Vec<usize> {
        let seed = self.seed.wrapping_add(epoch);
        if !self.weights.is_empty() {
            return drawn(self.weights, Stream::new(self.seed).child(DRAWS).child(epoch));
        }
        match self.sampling {
            Sampling::Random => torch_permutation(seed, self.lengths.len()),
            Sampling::Sequential => (0..self.lengths.len()).collect(),
            Sampling::GroupByLength => {
                let permutation = torch_permutation(seed, self.lengths.len());
                grouped_by_length(permutation, self.lengths, self.batch_size * self.accumulation)
            }
        }
    }
}

/// `torch.randperm(n, generator=torch.Generator().manual_seed(seed))`, bit for bit.
pub fn torch_permutation(seed: u64, n: usize) -> Vec<usize> {
    assert!(n < (u32::MAX / 20) as usize, "permutation: PyTorch draws {n} numbers another way");
    let mut generator = MersenneTwister::new(seed);
    let mut order: Vec<usize> = (0..n).collect();
    for i in 0..n.saturating_sub(1) {
        let ahead = generator.next_u32() as usize % (n - i);
        order.swap(i, i + ahead);
    }
    order
}

/// `numpy.random.default_rng(seed).permutation(n)`, bit for bit: what `datasets` shuffles and splits with.
pub fn numpy_permutation(seed: u64, n: usize) -> Vec<usize> {
    let mut generator = Pcg64::new(seed);
    let mut order: Vec<usize> = (0..n).collect();
    for i in (1..n).rev() {
        let most = u32::try_from(i).expect("permutation: more than 2³² rows");
        order.swap(i, generator.up_to(most) as usize);
    }
    order
}

/// The stream of what is drawn in training, beside a step's dropout.
const DRAWS: u64 = u64::MAX;

/// Makes as many draws with replacement as there are weights. Each draw is of number i with a share of w_i / Σ w.
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

/// Sorts each run of some fifty batches by falling length, then swaps the longest sentence to the front. What does not
/// fit in memory therefore fails at once.
fn grouped_by_length(permutation: Vec<usize>, lengths: &[u32], batch: usize) -> Vec<usize> {
    let batches = (permutation.len() / (batch * 4)).clamp(1, 50);
    let mut order = permutation;
    let mut longest = 0;
    for start in (0..order.len()).step_by(batches * batch) {
        let end = order.len().min(start + batches * batch);
        order[start..end].sort_by_key(|&sentence| std::cmp::Reverse(lengths[sentence]));
        if lengths[order[start]] > lengths[order[longest]] {
            longest = start;
        }
    }
    if !order.is_empty() {
        order.swap(0, longest);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use tagsmith_testkit::golden::trainer as golden;

    fn numbers(value: &Value) -> Vec<usize> {
        serde_json::from_value(value.clone()).unwrap()
    }

    fn lengths_of(row: &Value) -> Vec<u32> {
        serde_json::from_value(row["lengths"].clone()).unwrap()
    }

    /// The permutation with one thing wrong: the swap's range is one short.
    fn permutation_of_a_short_range(seed: u64, n: usize) -> Vec<usize> {
        let mut generator = MersenneTwister::new(seed);
        let mut order: Vec<usize> = (0..n).collect();
        for i in 0..n.saturating_sub(2) {
            let ahead = generator.next_u32() as usize % (n - i - 1);
            order.swap(i, i + ahead);
        }
        order
    }

    #[test]
    fn permutations_are_those_of_torch_and_numpy() {
        for row in golden::rows("permutations") {
            let (seed, want) = (row["seed"].as_u64().unwrap(), numbers(&row["torch"]));
            assert_eq!(torch_permutation(seed, want.len()), want, "torch, seed {seed}");
            assert_eq!(numpy_permutation(seed, want.len()), numbers(&row["numpy"]), "numpy, seed {seed}");
            if want.len() > 2 {
                assert_ne!(permutation_of_a_short_range(seed, want.len()), want, "the twin passes, seed {seed}");
                assert_ne!(torch_permutation(seed + 1, want.len()), want, "the seed is ignored");
            }
        }
    }

    #[test]
    fn permutations_of_the_published_vectors() {
        // Printed by torch and numpy in many tutorials.
        assert_eq!(torch_permutation(0, 10), [4, 1, 7, 5, 3, 9, 0, 8, 6, 2]);
        assert_eq!(torch_permutation(42, 10), [2, 6, 1, 8, 4, 5, 0, 9, 3, 7]);
        assert_eq!(numpy_permutation(42, 10), [5, 6, 0, 7, 3, 2, 4, 9, 1, 8]);
    }

    #[test]
    fn grouping_by_length_is_that_of_transformers() {
        for row in golden::rows("grouped") {
            let lengths = lengths_of(&row);
            let order = Order {
                sampling: Sampling::GroupByLength,
                seed: row["seed"].as_u64().unwrap() - 2,
                lengths: &lengths,
                weights: &[],
                batch_size: row["batch"].as_u64().unwrap() as usize,
                accumulation: 1,
                drop_last: false,
                ranks: 1,
            };
            assert_eq!(order.updates(2).flatten().flatten().collect::<Vec<_>>(), numbers(&row["order"]));
        }
    }

    #[test]
    fn updates_are_the_trainers_batches() {
        for run in golden::runs() {
            let settings = &run["settings"];
            let lengths = lengths_of(&run);
            let order = Order {
                sampling: Sampling::Random,
                seed: 42,
                lengths: &lengths,
                weights: &[],
                batch_size: 2,
                accumulation: settings["gradient_accumulation_steps"].as_u64().unwrap() as usize,
                drop_last: settings["dataloader_drop_last"] == true,
                ranks: 1,
            };
            let want: Vec<Vec<usize>> = serde_json::from_value(run["order"].clone()).unwrap();
            let epochs = want.len() as u64 / 5 + 1;
            let got: Vec<Vec<usize>> = (0..epochs).flat_map(|epoch| order.updates(epoch).flatten()).collect();
            assert_eq!(got[..want.len()], want, "{settings}");
        }
    }

    #[test]
    fn sequential_keeps_the_data_and_drop_last_drops() {
        let order = Order {
            sampling: Sampling::Sequential,
            seed: 1,
            lengths: &[1; 7],
            weights: &[],
            batch_size: 2,
            accumulation: 3,
            drop_last: false,
            ranks: 1,
        };
        assert_eq!(order.updates(9).collect::<Vec<_>>(), [vec![vec![0, 1], vec![2, 3], vec![4, 5]], vec![vec![6]]]);
        assert_eq!(Order { drop_last: true, ..order }.updates(9).collect::<Vec<_>>(), [[[0, 1], [2, 3], [4, 5]]]);
    }

    #[test]
    fn batches_are_dealt_as_accelerate_deals_them() {
        let mut twins = [0; 2];
        for row in golden::dealt() {
            let number = |key: &str| row[key].as_u64().unwrap() as usize;
            let (ranks, drop_last) = (number("ranks"), row["drop_last"] == true);
            let lengths = vec![1; number("sentences")];
            let order = Order {
                sampling: Sampling::Sequential,
                seed: 0,
                lengths: &lengths,
                weights: &[],
                batch_size: number("batch"),
                accumulation: 1,
                drop_last,
                ranks,
            };
            let updates: Vec<_> = order.updates(0).collect();
            let of_rank =
                |rank: usize| -> Vec<Vec<usize>> { updates.iter().map(|update| update[rank].clone()).collect() };
            let want: Vec<Vec<Vec<usize>>> = serde_json::from_value(row["dealt"].clone()).unwrap();
            let got: Vec<_> = (0..ranks).map(of_rank).collect();
            assert_eq!(got, want, "{row}");
            // Wrong twins: contiguous shares, and what is missing taken from the end.
            let (share, last) = (updates.len(), lengths.len().saturating_sub(1));
            let contiguous = updates.concat().chunks(share.max(1)).map(<[_]>::to_vec).collect::<Vec<_>>();
            twins[0] += usize::from(contiguous != want);
            let repeated = |batch: &Vec<usize>| batch.contains(&0) && batch.contains(&last);
            twins[1] += usize::from(want.concat().iter().any(repeated));
        }
        assert!(twins.iter().all(|&refused| refused > 5), "the twins pass: {twins:?}");
    }
}
