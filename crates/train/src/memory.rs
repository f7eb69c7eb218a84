//! What a run will hold in memory, counted before its first step: P parameters, R rows in a micro-batch, H hidden,
//! F feed-forward, L layers, E embedding width, K labels; 4 bytes a number.
//!
//! | what | numbers |
//! |---|---|
//! | weights | P without the word table, and those rows of it that occur × E |
//! | gradients | P without the word table, and the rows of it that one update's sentences can touch × E |
//! | exchange, with more than one rank | what one stage of backward completes (at most P / L without the word table), and twice the rows that all ranks' sentences can touch × E |
//! | optimizer | twice the weights that learn and occur in training |
//! | word table | 24 bytes a row for the weights, 8 for the optimizer and 20 for those that learn |
//! | activations of the encoder | as `tagsmith_encoder::memory` counts them, in training and in evaluation |
//! | scores of the head | R × 2K in training, R × K in evaluation |
//!
//! `tests/memory.rs` holds a step's true peak against it.

use std::collections::HashSet;
use std::fmt;
use tagsmith_encoder::memory::{Held, evaluation, training};
use tagsmith_kernel::params::Slot;
use tagsmith_text::align::Example;
use tagsmith_tokens::model::Model;

/// Bytes of a number.
pub const FLOAT: u64 = 4;
/// Of a row of the word table, whether or not it is in memory.
const ROW: u64 = 24;
/// Of the same row in the optimizer: where its moments are, and which updates it has made.
const DEFERRED_ROW: u64 = 8;
/// Of a row's moments beside their numbers.
const MOMENTS: u64 = 20;

/// The part of a run's options and data that decides what it holds.
#[derive(Clone, Copy, Debug)]
pub struct Work<'a> {
    /// What it learns from.
    pub examples: &'a [Example],
    /// What it is evaluated on meanwhile.
    pub evaluated: &'a [Example],
    /// Sentences a batch.
    pub batch_size: usize,
    /// Batches an update.
    pub accumulation: usize,
    /// Rows of a micro-batch at most.
    pub batch_tokens: Option<usize>,
    /// Rows that an evaluation reads at once.
    pub rows_evaluated: usize,
    /// Whether layers keep their inputs alone.
    pub gradient_checkpointing: bool,
    /// Ranks that learn together.
    pub ranks: usize,
}

/// Bytes that a run holds at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footprint {
    /// The model's weights.
    pub weights: u64,
    /// Their gradients, and other ranks' on their way.
    pub gradients: u64,
    /// AdamW's moments.
    pub optimizer: u64,
    /// What the largest micro-batch, or an evaluation, has in use.
    pub activations: u64,
    /// The rows of that micro-batch, whatever the order: as if the longest sentences met.
    pub rows: usize,
    /// The tokenized sentences.
    pub data: u64,
}

impl Footprint {
    /// Counts for a model whose frozen parameters are marked.
    pub fn new(model: &Model, work: &Work) -> Footprint {
        let rows = TableRows {
            read: different_ids(work.examples.iter().chain(work.evaluated)),
            learned: different_ids(work.examples.iter()),
            update: (work.accumulation * longest(work.examples, work.batch_size)) as u64,
        };
        let stage = dense(&model.params.slots) / model.config.shape.layers.max(1) as u64;
        let ranks = Ranks { count: work.ranks as u64, stage };
        let [weights, gradients, optimizer] = parameters(&model.params.slots, ranks, |_| rows);
        let rows = rows_at_once(work.examples, work.batch_size, work.batch_tokens);
        let evaluated = rows_at_once(work.evaluated, usize::MAX, Some(work.rows_evaluated));
        let longest = longest(work.examples, 1);
        let Held { kept, at_work } = training(&model.config, rows as u64, longest, work.gradient_checkpointing);
        let labels = model.config.labels.len() as u64;
        let kept = kept + rows as u64 * 2 * labels;
        let in_evaluation = match evaluated as u64 {
            0 => 0,
            rows => evaluation(&model.config, rows) + rows * labels,
        };
        let activations = (kept + at_work).max(in_evaluation);
        Footprint {
            weights,
            gradients,
            optimizer,
            activations: FLOAT * activations,
            rows,
            data: work.examples.iter().chain(work.evaluated).map(example_bytes).sum(),
        }
    }

    /// All of it.
    pub fn total(&self) -> u64 {
        let Footprint { weights, gradients, optimizer, activations, rows: _, data } = *self;
        weights + gradients + optimizer + activations + data
    }
}

/// `1.3 GB: weights 90.9 MB, …`
impl fmt::Display for Footprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Footprint { weights, gradients, optimizer, activations, rows, data } = *self;
        let [weights, gradients, optimizer, activations, data] =
            [weights, gradients, optimizer, activations, data].map(size);
        write!(
            f,
            "{}: weights {weights}, gradients {gradients}, optimizer {optimizer}, activations {activations} \
             (at most {rows} pieces at once), data {data}",
            size(self.total())
        )
    }
}

/// Bytes as a person reads them, in powers of 1000.
pub fn size(bytes: u64) -> String {
    match bytes as f64 {
        bytes if bytes < 1e6 => format!("{:.1} kB", bytes / 1e3),
        bytes if bytes < 1e9 => format!("{:.1} MB", bytes / 1e6),
        bytes => format!("{:.1} GB", bytes / 1e9),
    }
}

/// Rows of a word table that a run has to do with.
#[derive(Clone, Copy, Debug)]
pub struct TableRows {
    /// Those that occur.
    pub read: u64,
    /// Those that occur in training.
    pub learned: u64,
    /// Those that one rank can touch in one update.
    pub update: u64,
}

/// Ranks that learn together, and what they exchange at once.
#[derive(Clone, Copy, Debug)]
pub struct Ranks {
    /// How many there are.
    pub count: u64,
    /// Numbers that one stage of backward completes at most.
    pub stage: u64,
}

/// Numbers in dense parameters.
pub fn dense<'s>(slots: impl IntoIterator<Item = &'s Slot>) -> u64 {
    slots.into_iter().filter(|slot| !slot.sparse).map(|slot| slot.len() as u64).sum()
}

/// Bytes of weights, gradients (with those on their way between ranks) and optimizer; `rows` says it of each word table.
pub fn parameters(slots: &[Slot], ranks: Ranks, rows: impl Fn(&Slot) -> TableRows) -> [u64; 3] {
    let exchanging = u64::from(ranks.count > 1);
    let mut bytes = [0, exchanging * FLOAT * ranks.stage, 0];
    for slot in slots {
        let numbers = slot.len() as u64;
        let of_slot = match slot.sparse {
            false => [FLOAT * numbers, FLOAT * numbers, FLOAT * 2 * numbers * u64::from(!slot.frozen)],
            true => {
                let (v, e) = (slot.shape[0] as u64, slot.shape[1] as u64);
                let TableRows { read, learned, update } = rows(slot);
                let moments = v * DEFERRED_ROW + learned.min(v) * (MOMENTS + FLOAT * 2 * e);
                let learning = u64::from(!slot.frozen);
                let touched = update.min(v) + exchanging * 2 * ranks.count * update;
                [v * ROW + read.min(v) * FLOAT * e, learning * touched * FLOAT * e, learning * moments]
            }
        };
        bytes.iter_mut().zip(of_slot).for_each(|(sum, bytes)| *sum += bytes);
    }
    bytes
}

/// How many pieces of the vocabulary occur.
fn different_ids<'e>(examples: impl Iterator<Item = &'e Example>) -> u64 {
    examples.flat_map(|example| &example.ids).collect::<HashSet<_>>().len() as u64
}

/// The pieces of the `count` longest examples.
fn longest(examples: &[Example], count: usize) -> usize {
    let mut lengths: Vec<usize> = examples.iter().map(|example| example.ids.len()).collect();
    lengths.sort_unstable_by(|a, b| b.cmp(a));
    lengths.iter().take(count).sum()
}

/// Rows of the largest micro-batch, as if the longest sentences met.
pub(crate) fn rows_at_once(examples: &[Example], batch_size: usize, batch_tokens: Option<usize>) -> usize {
    let batch = longest(examples, batch_size);
    batch_tokens.map_or(batch, |tokens_max| batch.min(tokens_max.max(longest(examples, 1))))
}

/// The example's numbers, its four vectors and what the allocator adds to each.
fn example_bytes(example: &Example) -> u64 {
    const ALLOCATOR: usize = 16;
    let Example { ids, types, labels, words, sentence: _ } = example;
    let vectors = [size_of_val(&ids[..]), size_of_val(&types[..]), size_of_val(&labels[..]), size_of_val(&words[..])];
    (size_of::<Example>() + vectors.map(|bytes| bytes + ALLOCATOR).iter().sum::<usize>()) as u64
}
