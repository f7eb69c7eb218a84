//! In which order the sentences are learned from: a function of the seed and the epoch.

use crate::random::Pcg64;
use tagsmith_kernel::mersenne::MersenneTwister;

/// How an epoch's order is drawn (`--train_sampling_strategy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampling {
    /// PyTorch's permutation of seed + epoch.
    Random,
    /// The data's own order in every epoch.
    Sequential,
    /// Sentences of like length together, the longest of all first. The permutation beneath comes from
    /// seed + epoch, as in transformers' sampler for several processes; its sampler for one process draws from
    /// PyTorch's global generator, whose state nothing outside that process can know.
    GroupByLength,
}

/// The order of a training run, epoch by epoch.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// How it is drawn.
    pub sampling: Sampling,
    /// `--data_seed`, or the run's seed.
    pub seed: u64,
    /// Pieces of each sentence, in the data's order.
    pub lengths: &'a [usize],
    /// Sentences a batch.
    pub batch_size: usize,
    /// Batches an update.
    pub accumulation: usize,
    /// Whether an epoch's last, smaller batch is left out.
    pub drop_last: bool,
}

impl Order<'_> {
    /// The epoch's updates: each a list of batches, each a list of sentence numbers. The last update may have
    /// fewer batches, and the last batch fewer sentences.
    pub fn updates(&self, epoch: u64) -> Vec<Vec<Vec<usize>>> {
        let sentences = self.sentences(epoch);
        let full = |batch: &&[usize]| !self.drop_last || batch.len() == self.batch_size;
        let batches: Vec<Vec<usize>> = sentences.chunks(self.batch_size).filter(full).map(<[_]>::to_vec).collect();
        batches.chunks(self.accumulation).map(<[_]>::to_vec).collect()
    }

    fn sentences(&self, epoch: u64) -> Vec<usize> {
        let seed = self.seed.wrapping_add(epoch);
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

/// Sorts each run of some fifty batches by falling length, then swaps the longest sentence to the front, so that
/// what does not fit in memory fails at once.
fn grouped_by_length(permutation: Vec<usize>, lengths: &[usize], batch: usize) -> Vec<usize> {
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
    use crate::golden;
    use serde_json::Value;

    fn numbers(value: &Value) -> Vec<usize> {
        serde_json::from_value(value.clone()).unwrap()
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
            let lengths = numbers(&row["lengths"]);
            let order = Order {
                sampling: Sampling::GroupByLength,
                seed: row["seed"].as_u64().unwrap() - 2,
                lengths: &lengths,
                batch_size: row["batch"].as_u64().unwrap() as usize,
                accumulation: 1,
                drop_last: false,
            };
            assert_eq!(order.updates(2).concat().concat(), numbers(&row["order"]));
        }
    }

    #[test]
    fn updates_are_the_trainers_batches() {
        for run in golden::runs() {
            let settings = &run["settings"];
            let lengths = numbers(&run["lengths"]);
            let order = Order {
                sampling: Sampling::Random,
                seed: 42,
                lengths: &lengths,
                batch_size: 2,
                accumulation: settings["gradient_accumulation_steps"].as_u64().unwrap() as usize,
                drop_last: settings["dataloader_drop_last"] == true,
            };
            let want: Vec<Vec<usize>> = serde_json::from_value(run["order"].clone()).unwrap();
            let epochs = want.len() as u64 / 5 + 1;
            let got: Vec<Vec<usize>> = (0..epochs).flat_map(|epoch| order.updates(epoch).concat()).collect();
            assert_eq!(got[..want.len()], want, "{settings}");
        }
    }

    #[test]
    fn sequential_keeps_the_data_and_drop_last_drops() {
        let order = Order {
            sampling: Sampling::Sequential,
            seed: 1,
            lengths: &[1; 7],
            batch_size: 2,
            accumulation: 3,
            drop_last: false,
        };
        assert_eq!(order.updates(9), [vec![vec![0, 1], vec![2, 3], vec![4, 5]], vec![vec![6]]]);
        assert_eq!(Order { drop_last: true, ..order }.updates(9), [[[0, 1], [2, 3], [4, 5]]]);
    }
}
