//! The memory that a token classifier's run will hold, counted before its first step: K labels, R rows in a micro-batch.
//!
//! Weights, gradients and optimizer are counted by `tagsmith_train::memory`, the encoder's activations by
//! `tagsmith_encoder::memory`. The head keeps R × 2K numbers for backward, and an evaluation holds R × K scores.
//! `tests/memory.rs` holds a step's true peak against the plan.

use crate::model::Model;
use std::collections::HashSet;
use tagsmith_encoder::memory::{Held, evaluation, training};
use tagsmith_text::align::Example;
use tagsmith_train::memory::{FLOAT, Footprint, Ranks, TableRows, dense, parameters};

/// The part of a run's options and data that decides what it holds.
#[derive(Clone, Copy, Debug)]
pub struct Work<'a> {
    /// The examples it learns from.
    pub examples: &'a [Example],
    /// The examples it is evaluated on meanwhile.
    pub evaluated: &'a [Example],
    /// Examples a batch.
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

/// Counts for a model whose frozen parameters are marked.
pub fn footprint(model: &Model, work: &Work) -> Footprint {
    let rows = TableRows {
        read: different_ids(work.examples.iter().chain(work.evaluated)),
        learned: different_ids(work.examples.iter()),
        update: (work.accumulation * longest(work.examples, work.batch_size)) as u64,
    };
    let stage = dense(&model.params.slots) / model.config.shape.layers.max(1) as u64;
    let ranks = Ranks { count: work.ranks as u64, stage };
    let [weights, gradients, optimizer] = parameters(&model.params.slots, ranks, |_| rows);
    let rows = rows_at_once(work.examples, work.batch_size, work.batch_tokens);
    let evaluated = rows_at_once(work.evaluated, usize::MAX, Some(work.rows_evaluated)) as u64;
    let longest = longest(work.examples, 1);
    let labels = model.config.labels.len() as u64;
    let Held { kept, at_work } = training(&model.config, rows as u64, longest, work.gradient_checkpointing);
    let learning = kept + rows as u64 * 2 * labels + at_work;
    let evaluating = (evaluation(&model.config, evaluated) + evaluated * labels) * u64::from(evaluated > 0);
    Footprint {
        weights,
        gradients,
        optimizer,
        activations: FLOAT * learning.max(evaluating),
        rows,
        data: work.examples.iter().chain(work.evaluated).map(example_bytes).sum(),
    }
}

/// Counts the pieces of the vocabulary that occur.
fn different_ids<'e>(examples: impl Iterator<Item = &'e Example>) -> u64 {
    examples.flat_map(|example| &example.ids).collect::<HashSet<_>>().len() as u64
}

/// Counts the pieces of the `count` longest examples.
fn longest(examples: &[Example], count: usize) -> usize {
    let mut lengths: Vec<usize> = examples.iter().map(|example| example.ids.len()).collect();
    lengths.sort_unstable_by(|a, b| b.cmp(a));
    lengths.iter().take(count).sum()
}

/// Rows of the largest micro-batch, as if the longest examples met.
pub(crate) fn rows_at_once(examples: &[Example], batch_size: usize, batch_tokens: Option<usize>) -> usize {
    let batch = longest(examples, batch_size);
    batch_tokens.map_or(batch, |tokens_max| batch.min(tokens_max.max(longest(examples, 1))))
}

/// Counts the bytes of the example's numbers, of its four vectors and of what the allocator adds to each.
fn example_bytes(example: &Example) -> u64 {
    const ALLOCATOR: usize = 16;
    let Example { ids, types, labels, words, sentence: _ } = example;
    let vectors = [size_of_val(&ids[..]), size_of_val(&types[..]), size_of_val(&labels[..]), size_of_val(&words[..])];
    (size_of::<Example>() + vectors.map(|bytes| bytes + ALLOCATOR).iter().sum::<usize>()) as u64
}
