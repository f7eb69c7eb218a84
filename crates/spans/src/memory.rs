//! What a span tagger's run will hold, counted before its first step. A batch has R pieces of text, K of labels, N
//! spans and C labels; H and E are the widths of encoder and head. `tagsmith_train::memory` and
//! `tagsmith_encoder::memory` count weights and encoders. Beside those, in numbers of 4 bytes:
//!
//! | what | numbers |
//! |---|---|
//! | kept by the head for backward | (2R + K + N) × 2E: of each layer its masked sums and the result; a cross-encoder also R × H for the positions it took from all rows |
//! | at work in backward | (R + N) × 3E: gradients on their way through a layer, and what went into its second product, computed again |
//! | scores and their gradients | N × 6C, those of the loss being f64 |
//! | at work in evaluation | N × C, and 4E for each span of a block: no layer keeps anything |
//! | exchange, with more than one rank | what one stage of backward completes: the head, or a layer |
//!
//! `tests/memory.rs` holds a step's true peak against it.

use crate::batch::encode::Encoded;
use crate::config::Architecture;
use crate::error::Error;
use crate::find::BATCH_PIECES;
use crate::model::layout::{TOKEN_ENCODER, TYPE_ENCODER};
use crate::model::{BLOCK, Model};
use std::collections::{BTreeSet, HashSet};
use tagsmith_encoder::config::Config as EncoderConfig;
use tagsmith_encoder::memory::{evaluation, training};
use tagsmith_kernel::Precision;
use tagsmith_message::{Remedy, Setting};
use tagsmith_text::example::{Example, labels_of};
use tagsmith_train::memory::{
    FLOAT, Footprint, Memory, ROUNDED, Ranks, TableRows, dense, parameters, parameters_on_device,
};

/// The part of a run that decides what it holds.
#[derive(Clone, Copy, Debug)]
pub struct Work<'a> {
    /// The texts it learns from.
    pub examples: &'a [Example],
    /// The texts it learns from, as they are read, without labels.
    pub encoded: &'a [Encoded],
    /// The texts it is evaluated on, as they are read.
    pub evaluated: &'a [Encoded],
    /// Labels that are looked for in an evaluation.
    pub labels_evaluated: usize,
    /// Ids of each label of the training texts, special ones included.
    pub labels: &'a [Vec<u32>],
    /// Texts a batch.
    pub batch_size: usize,
    /// Pieces of a micro-batch at most.
    pub batch_tokens: Option<usize>,
    /// Batches an update.
    pub accumulation: usize,
    /// Pieces in a sequence at most.
    pub max_length: usize,
    /// Whether layers keep their inputs alone.
    pub gradient_checkpointing: bool,
    /// Ranks that learn together.
    pub ranks: usize,
}

/// Says what a run will hold of a memory.
///
/// # Errors
/// A run that holds more bytes than it may; more labels than a prompt holds; whatever the tokenizers refuse.
pub fn plan(model: &Model, work: &Work<'_>, memory: Memory) -> Result<String, Error> {
    let count = |work: &Work<'_>| memory.count(|| footprint(model, work), || on_device(model, work));
    let planned = count(work);
    let fits = |planned: &Footprint| memory.allowed().is_none_or(|allowed| planned.total() <= allowed);
    if fits(&planned) {
        return Ok(memory.tell(&planned));
    }
    let one = Work { batch_size: 1, batch_tokens: None, ..*work };
    let smaller = |setting| Remedy::set(setting).so_as("with a smaller number");
    let remedy = if fits(&count(&one)) {
        smaller(Setting::BatchSize)
    } else if fits(&count(&Work { gradient_checkpointing: true, ..one })) {
        Remedy::AllOf(vec![Remedy::set(Setting::GradientCheckpointing), smaller(Setting::BatchSize)])
    } else {
        Remedy::AnyOf(vec![smaller(Setting::MaxSeqLength), Remedy::to_do("take a smaller encoder")])
    };
    Err(Error::Memory { planned: planned.to_string(), allowed: memory.to_string(), remedy })
}

/// Counts what a device holds for a model that is to learn there in its precision. The data stay with the processor.
fn on_device(model: &Model, work: &Work<'_>) -> Footprint {
    let planned = footprint(model, work);
    let rounded = model.precision == Precision::Bf16;
    let [weights, gradients, optimizer] = parameters_on_device(&model.params.slots, ranks(model, work), rounded);
    let activations = planned.activations / FLOAT * if rounded { ROUNDED } else { FLOAT };
    Footprint { weights, gradients, optimizer, activations, data: 0, reading: 0, ..planned }
}

/// Returns the ranks, and what a layer's backward completes.
fn ranks(model: &Model, work: &Work<'_>) -> Ranks {
    Ranks { count: work.ranks as u64, stage: largest_stage(model) }
}

/// Counts for a batch in which the longest texts and the texts with the most labels meet.
pub fn footprint(model: &Model, work: &Work<'_>) -> Footprint {
    let config = &model.config;
    let cross = config.architecture == Architecture::CrossEncoder;
    let of_example =
        |example: &Example| example.entities.iter().map(|entity| &entity.label).collect::<BTreeSet<_>>().len();
    let c = largest(work.examples.iter().map(of_example), work.batch_size).min(labels_of(work.examples).len());
    let of_labels = largest(work.labels.iter().map(Vec::len), c);
    // Markers, the separator and a threshold; the special pieces of labels are not there.
    let prompt = if cross { of_labels + 2 } else { 0 };
    let length = |encoded: &Encoded| (encoded.ids.len() + prompt).min(work.max_length);
    let rows_of_batch = largest(work.encoded.iter().map(length), work.batch_size);
    let longest = largest(work.encoded.iter().map(length), 1);
    let rows = work.batch_tokens.map_or(rows_of_batch, |most| rows_of_batch.min(most.max(longest)));
    let spans_in = |encoded: &Encoded| encoded.spans(config.longest_enumerated()).len() + 1;
    let spans_of_batch = largest(work.encoded.iter().map(spans_in), work.batch_size);
    // Spans of a text for each of its pieces.
    let density = |encoded: &Encoded| spans_in(encoded) as f64 / encoded.ids.len().max(1) as f64;
    let spans_among =
        |encoded: &[Encoded], pieces: usize| (encoded.iter().map(density).fold(0.0, f64::max) * pieces as f64) as usize;
    let spans_of_rows = || spans_among(work.encoded, rows);
    let spans = if rows < rows_of_batch { spans_of_batch.min(spans_of_rows()) } else { spans_of_batch };
    let spans_evaluated = spans_among(work.evaluated, BATCH_PIECES) as u64;

    let label_rows = if cross { 0 } else { of_labels };
    let different = |ids: &mut dyn Iterator<Item = &u32>| ids.collect::<HashSet<_>>().len() as u64;
    let ids = |encoded: &'_ [Encoded]| encoded.iter().flat_map(|it| it.ids.clone()).collect::<HashSet<u32>>();
    let of_labels_all = different(&mut work.labels.iter().flatten());
    let ranks = ranks(model, work);
    let [parameters_weights, gradients, optimizer] = parameters(&model.params.slots, ranks, |slot| {
        if slot.name.starts_with(TYPE_ENCODER) {
            let update = (work.accumulation * label_rows) as u64;
            return TableRows { read: of_labels_all, learned: of_labels_all, update };
        }
        let learned = ids(work.encoded).len() as u64 + if cross { of_labels_all } else { 0 };
        let read = ids(work.encoded).union(&ids(work.evaluated)).count() as u64 + if cross { of_labels_all } else { 0 };
        TableRows { read, learned, update: (work.accumulation * rows_of_batch) as u64 }
    });

    let [r, k, n, c] = [rows, label_rows, spans, c].map(|number| number as u64);
    let (h, e) = (model.token_encoder.shape.hidden_size as u64, config.hidden as u64);
    let longest_label = largest(work.labels.iter().map(Vec::len), 1);
    let text = training(&model.token_encoder, r, longest, work.gradient_checkpointing);
    let of_kinds =
        model.type_encoder.as_ref().map(|kinds| training(kinds, k, longest_label, work.gradient_checkpointing));
    let encoders = [Some(text), of_kinds].into_iter().flatten();
    let kept = encoders.clone().map(|held| held.kept).sum::<u64>();
    // The head is done, and what it held is free, when an encoder's backward begins.
    let head = (2 * r + k + n) * 2 * e + u64::from(cross) * r * h + (r + n) * 3 * e + n * 6 * c;
    let at_work = encoders.map(|held| held.at_work).fold(head, u64::max);
    let pieces = BATCH_PIECES as u64;
    let at_evaluation = match work.evaluated {
        [] => 0,
        _ => {
            evaluation(&model.token_encoder, pieces)
                + pieces * 4 * e
                + spans_evaluated * work.labels_evaluated as u64
                + spans_evaluated.min(BLOCK as u64) * 4 * e
        }
    };
    let texts = work.encoded.iter().chain(work.evaluated);
    Footprint {
        weights: parameters_weights,
        gradients,
        optimizer,
        activations: FLOAT * (kept + at_work).max(at_evaluation),
        rows,
        data: texts.map(bytes).sum(),
        reading: 0,
    }
}

/// Numbers that one stage of backward completes at most: the head's, or those of an encoder by its layers.
fn largest_stage(model: &Model) -> u64 {
    let of = |prefix: &str| dense(model.params.slots.iter().filter(|slot| slot.name.starts_with(prefix)));
    let layers = |encoder: &EncoderConfig| encoder.shape.layers.max(1) as u64;
    let [text, labels] = [TOKEN_ENCODER, TYPE_ENCODER].map(of);
    let head = dense(&model.params.slots) - text - labels;
    let of_a_label_layer = model.type_encoder.as_ref().map_or(0, |kinds| labels / layers(kinds));
    head.max(text / layers(&model.token_encoder)).max(of_a_label_layer)
}

/// The sum of the `count` largest.
fn largest(numbers: impl Iterator<Item = usize>, count: usize) -> usize {
    let mut numbers: Vec<usize> = numbers.collect();
    numbers.sort_unstable_by(|a, b| b.cmp(a));
    numbers.iter().take(count).sum()
}

/// A text's numbers, its vectors and what the allocator adds to each.
fn bytes(encoded: &Encoded) -> u64 {
    const ALLOCATOR: usize = 16;
    let Encoded { ids, types, begins, ends, covers, .. } = encoded;
    let vectors =
        size_of_val(&ids[..]) + size_of_val(&types[..]) + begins.len() + ends.len() + size_of_val(&covers[..]);
    (size_of::<Encoded>() + vectors + 5 * ALLOCATOR) as u64
}
