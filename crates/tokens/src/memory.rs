//! The memory that a token classifier's run will hold, counted before its first step: K labels, R rows in a micro-batch.
//!
//! Weights, gradients and optimizer are counted by `tagsmith_train::memory`, the encoder's activations by
//! `tagsmith_encoder::memory`. The head keeps R × 2K numbers for backward, and an evaluation holds R × K scores.
//! `tests/memory.rs` holds a step's true peak against the plan.

use crate::examples::Examples;
use crate::model::Model;
use tagsmith_encoder::memory::{Held, evaluation, training};
use tagsmith_kernel::Precision;
use tagsmith_train::memory::{FLOAT, Footprint, ROUNDED, Ranks, TableRows, dense, parameters, parameters_on_device};

/// The part of a run's options and data that decides what it holds.
#[derive(Clone, Copy, Debug)]
pub struct Work<'a> {
    /// The examples it learns from.
    pub examples: &'a Examples,
    /// The examples it is evaluated on meanwhile.
    pub evaluated: &'a Examples,
    /// Bytes of data that wait until training is over.
    pub waiting: u64,
    /// Bytes of data at most while they were read.
    pub reading: u64,
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
        read: work.examples.different_pieces(work.evaluated),
        learned: work.examples.different_pieces(work.examples),
        update: (work.accumulation * work.examples.longest(work.batch_size)) as u64,
    };
    let [weights, gradients, optimizer] = parameters(&model.params.slots, ranks(model, work), |_| rows);
    let (activations, rows) = activations(model, work);
    Footprint {
        weights,
        gradients,
        optimizer,
        activations: FLOAT * activations,
        rows,
        data: work.examples.bytes_in_memory()
            + ORDER * work.examples.len() as u64
            + work.evaluated.bytes_in_memory()
            + evaluation_bytes(work.evaluated)
            + work.waiting,
        reading: work.reading,
    }
}

/// Returns the ranks, and what a layer's backward completes.
fn ranks(model: &Model, work: &Work) -> Ranks {
    let stage = dense(&model.params.slots) / model.config.shape.layers.max(1) as u64;
    Ranks { count: work.ranks as u64, stage }
}

/// Counts what a device holds for a model that is to learn there in its precision. The data stay with the processor.
pub fn on_device(model: &Model, work: &Work) -> Footprint {
    let rounded = model.precision == Precision::Bf16;
    let [weights, gradients, optimizer] = parameters_on_device(&model.params.slots, ranks(model, work), rounded);
    let (activations, rows) = activations(model, work);
    let activations = activations * if rounded { ROUNDED } else { FLOAT };
    Footprint { weights, gradients, optimizer, activations, rows, data: 0, reading: 0 }
}

/// Counts the numbers of activations that training or an evaluation has in use, and the rows of a micro-batch.
fn activations(model: &Model, work: &Work) -> (u64, usize) {
    let rows = rows_at_once(work.examples, work.batch_size, work.batch_tokens);
    let evaluated = rows_at_once(work.evaluated, usize::MAX, Some(work.rows_evaluated)) as u64;
    let longest = work.examples.longest(1);
    let labels = model.config.labels.len() as u64;
    let Held { kept, at_work } = training(&model.config, rows as u64, longest, work.gradient_checkpointing);
    let learning = kept + rows as u64 * 2 * labels + at_work;
    let evaluating = (evaluation(&model.config, evaluated) + evaluated * labels) * u64::from(evaluated > 0);
    (learning.max(evaluating), rows)
}

/// Returns the bytes of a model's parameters, its word table whole.
pub fn parameter_bytes(model: &Model) -> u64 {
    FLOAT * model.params.len() as u64
}

/// Bytes of an example's number in an epoch's order.
const ORDER: u64 = 8;

/// Counts the bytes that an evaluation holds beside its examples. Each has its length, its place, its loss, and its
/// predictions and their probabilities in vectors of their own. All but the place are there twice more, on their way between ranks.
pub fn evaluation_bytes(examples: &Examples) -> u64 {
    const EXAMPLE: u64 = 4 * 8 + 16 + (24 + 16) + 2 * 12 + 24;
    const PIECE: u64 = 6 * 4;
    EXAMPLE * examples.len() as u64 + PIECE * examples.pieces()
}

/// Rows of the largest micro-batch, as if the longest examples met.
pub(crate) fn rows_at_once(examples: &Examples, batch_size: usize, batch_tokens: Option<usize>) -> usize {
    let batch = examples.longest(batch_size);
    batch_tokens.map_or(batch, |tokens_max| batch.min(tokens_max.max(examples.longest(1))))
}
