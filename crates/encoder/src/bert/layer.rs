//! The layers of BERT and its relatives: embeddings, then attention and feed-forward, each with a norm after the sum.

use crate::batch::Batch;
use crate::bert::convolution::{self, ConvolutionSaved};
use crate::bert::deberta::ConvolutionSettings;
use crate::bert::distances::{DistanceAttentionSaved, Distances};
use crate::bert::layout::{BertLayer, BertLayout, ConvolutionSlots};
use crate::bert::settings::{Positions, Settings};
use crate::family::architecture::{Architecture, Context, EMBEDDINGS, Pass, into_spans};
use tagsmith_kernel::memory::tensor::Tensor;
use tagsmith_kernel::op::dropout::{self, Dropout};
use tagsmith_kernel::op::sequences::Sequences;
use tagsmith_kernel::op::{attention, embedding, layer_norm, linear};
use tagsmith_kernel::params::{Grads, SlotId};

/// A BERT or one of its relatives.
#[derive(Clone, Copy)]
pub struct Bert<'a> {
    /// Sizes, parameter values and precision.
    pub context: Context<'a>,
    /// The word embeddings.
    pub words: SlotId,
    /// What the family computes with.
    pub settings: &'a Settings,
    /// Where its parameters are.
    pub layout: &'a BertLayout,
}

/// Values that all layers read, and what the backward of the embeddings needs.
#[must_use]
pub struct Shared {
    sequences: Sequences,
    positions: Vec<u32>,
    norm: layer_norm::Saved,
    dropout: Option<Dropout>,
    projection: Option<linear::Saved>,
    distances: Option<Distances>,
}

enum AttentionSaved {
    Content(attention::Saved),
    ContentAndDistances(DistanceAttentionSaved),
}

/// Values that a layer's backward needs.
#[must_use]
pub struct LayerActivations {
    qkv: linear::Saved,
    attention: AttentionSaved,
    output: linear::Saved,
    output_dropout: Option<Dropout>,
    attention_norm: layer_norm::Saved,
    up: linear::Saved,
    before_activation: Tensor,
    down_dropout: Option<Dropout>,
    feed_forward_norm: layer_norm::Saved,
    convolution: Option<ConvolutionSaved>,
}

/// Places of dropout in a layer.
const ATTENTION: u64 = 0;
const OUTPUT: u64 = 1;
const DOWN: u64 = 2;
const DISTANCES: u64 = 3;
const CONVOLUTION: u64 = 4;

impl Bert<'_> {
    /// Returns the convolution beside this layer. Only the first layer may have one.
    fn convolution(&self, number: usize) -> Option<(ConvolutionSettings, ConvolutionSlots)> {
        self.settings.deberta.as_ref()?.convolution.zip(self.layout.convolution).filter(|_| number == 0)
    }

    /// Projects embeddings to the width of the encoder. Returns `x` where they have that width.
    fn project(&self, x: Tensor) -> (Tensor, Option<linear::Saved>) {
        let Some(projection) = self.layout.projection else { return (x, None) };
        let (x, saved) = self.context.linear(x, projection);
        (x, Some(saved))
    }

    fn project_backward(&self, saved: Option<linear::Saved>, dy: Tensor, grads: &mut Grads) -> Tensor {
        match (saved, self.layout.projection) {
            (Some(saved), Some(projection)) => self.context.linear_backward(saved, projection, &dy, None, grads),
            _ => dy,
        }
    }

    /// Returns the rows of the position table. RoBERTa counts from the padding id plus one, skips padding ids and gives
    /// them the padding id's own row. The other families count from 0.
    fn positions(&self, batch: &Batch) -> Vec<u32> {
        let shape = self.context.shape;
        let mut positions = Vec::with_capacity(batch.rows());
        for bounds in batch.starts.windows(2) {
            let sequence = &batch.ids[bounds[0] as usize..bounds[1] as usize];
            assert!(
                sequence.len() <= shape.positions_max,
                "encoder: a sequence of {} pieces, the position table allows {}",
                sequence.len(),
                shape.positions_max
            );
            let mut next = self.settings.first_position as u32;
            for &id in sequence {
                if self.settings.positions == Positions::AfterPadding && Some(id) == shape.pad_id {
                    positions.push(id);
                } else {
                    positions.push(next);
                    next += 1;
                }
            }
        }
        positions
    }
}

impl Architecture for Bert<'_> {
    type Shared = Shared;
    type LayerActivations = LayerActivations;

    /// Adds words, positions and types, and normalizes the sum. DeBERTa projects narrower embeddings before the norm,
    /// ELECTRA at the end.
    fn embed(&self, batch: &Batch, pass: Pass) -> (Tensor, Shared) {
        let Context { shape, params, .. } = self.context;
        let (sequences, positions) = (Sequences::new(&batch.starts), self.positions(batch));
        let mut tables = vec![(params.rows(self.words), &batch.ids[..])];
        let others = [(self.layout.positions, &positions), (self.layout.types, &batch.types)];
        for (table, rows) in others.into_iter().filter_map(|(table, rows)| Some((table?, rows))) {
            tables.push((params.rows(table), &rows[..]));
        }
        let x = embedding::forward(shape.embedding_size, &tables);
        let deberta = self.settings.deberta.as_ref();
        let (x, before) = if deberta.is_some() { self.project(x) } else { (x, None) };
        let (x, norm) = self.context.norm(x, self.layout.embedding_norm);
        let dropout = pass.dropout(EMBEDDINGS, 0, shape.hidden_dropout);
        let x = dropout::apply(&x, dropout);
        let (x, after) = if deberta.is_none() { self.project(x) } else { (x, None) };
        let distances = deberta
            .zip(self.layout.distances)
            .map(|(deberta, slots)| Distances::new(&self.context, deberta, slots, sequences.longest()));
        (x, Shared { sequences, positions, norm, dropout, projection: before.or(after), distances })
    }

    fn layer(&self, number: usize, x: Tensor, shared: &Shared, pass: Pass) -> (Tensor, LayerActivations) {
        let Context { shape, params, precision } = self.context;
        let sequences = &shared.sequences;
        let layer: BertLayer = self.layout.layers[number];
        let dropout = |place, rate| pass.dropout(number as u64, place, rate);
        let convolved = self.convolution(number).map(|convolution| (convolution, x.clone()));

        let (weight, bias) = (params.span(layer.qkv_weight, 3), params.span(layer.qkv_bias, 3));
        let (qkv, qkv_saved) = linear::forward(x.clone(), weight, bias, precision);
        let attention_dropout = dropout(ATTENTION, shape.attention_dropout);
        let (context, attention) = match (&shared.distances, layer.distances, &self.settings.deberta) {
            (Some(distances), Some(projections), Some(deberta)) => {
                let dropouts = [attention_dropout, dropout(DISTANCES, shape.hidden_dropout)];
                let (context, saved) = distances.attend(&self.context, deberta, projections, qkv, dropouts, sequences);
                (context, AttentionSaved::ContentAndDistances(saved))
            }
            _ => {
                let (context, saved) = attention::forward(qkv, sequences, shape.heads, None, attention_dropout);
                (context, AttentionSaved::Content(saved))
            }
        };
        let output_rate = if self.settings.drops_attention_output { shape.hidden_dropout } else { 0.0 };
        let output_dropout = dropout(OUTPUT, output_rate);
        let (weight, bias) = self.context.values(layer.output);
        let (sum, output) = linear::forward_joined(context, weight, bias, precision, output_dropout, &x);
        let (x, attention_norm) = self.context.norm(sum, layer.attention_norm);

        let (weight, bias) = self.context.values(layer.up);
        let (activated, before_activation, up) =
            linear::forward_activated(x.clone(), weight, bias, precision, shape.activation);
        let down_dropout = dropout(DOWN, shape.hidden_dropout);
        let (weight, bias) = self.context.values(layer.down);
        let (sum, _) = linear::forward_joined(activated, weight, bias, precision, down_dropout, &x);
        let (y, feed_forward_norm) = self.context.norm(sum, layer.feed_forward_norm);
        let (y, convolution) = match convolved {
            Some(((settings, slots), input)) => {
                let dropout = dropout(CONVOLUTION, shape.hidden_dropout);
                let (y, saved) = convolution::join(&self.context, settings, slots, (&input, &y), sequences, dropout);
                (y, Some(saved))
            }
            None => (y, None),
        };
        let kept = LayerActivations {
            qkv: qkv_saved,
            attention,
            output,
            output_dropout,
            attention_norm,
            up,
            before_activation,
            down_dropout,
            feed_forward_norm,
            convolution,
        };
        (y, kept)
    }

    fn layer_backward(
        &self,
        number: usize,
        kept: LayerActivations,
        shared: &mut Shared,
        dy: Tensor,
        grads: &mut Grads,
    ) -> Tensor {
        let Context { shape, params, precision } = self.context;
        let Shared { sequences, distances, .. } = shared;
        let layer: BertLayer = self.layout.layers[number];

        let (dy, neighbors) = match (kept.convolution, self.convolution(number)) {
            (Some(saved), Some((settings, slots))) => {
                let (dy, dneighbors) = saved.backward(&self.context, settings, slots, &dy, grads);
                (dy, Some((settings, dneighbors)))
            }
            _ => (dy, None),
        };
        let dy = self.context.norm_backward(kept.feed_forward_norm, layer.feed_forward_norm, &dy, None, grads);
        let (weight, into) = self.context.gradients_of(layer.down, grads);
        let dropped = dropout::apply(&dy, kept.down_dropout);
        let (activation, u) = (shape.activation, &kept.before_activation);
        let dx = linear::backward_activated(weight, into, &dropped, precision, activation, u);
        // Without dropout, `dropped` shares the memory of dy, which the next product writes to.
        drop(dropped);
        let dy = self.context.linear_backward(kept.up, layer.up, &dx, Some(dy), grads);

        let mut dy = self.context.norm_backward(kept.attention_norm, layer.attention_norm, &dy, None, grads);
        let dropped = dropout::apply(&dy, kept.output_dropout);
        let dx = self.context.linear_backward(kept.output, layer.output, &dropped, None, grads);
        drop(dropped);
        if let Some((settings, dneighbors)) = neighbors {
            convolution::add_neighbors(settings, &dneighbors, sequences, &mut dy);
        }
        let content = |dqkv: &Tensor, grads: &mut Grads| {
            let into = into_spans(grads, (layer.qkv_weight, 3), (layer.qkv_bias, 3));
            kept.qkv.backward(params.span(layer.qkv_weight, 3), into, dqkv, Some(dy))
        };
        match (kept.attention, distances, layer.distances) {
            (AttentionSaved::ContentAndDistances(saved), Some(distances), Some(projections)) => {
                let (dqkv, dtable, projected) = saved.backward(sequences, &dx);
                let dx = content(&dqkv, grads);
                distances.project_backward(projected, &self.context, projections, &dtable, grads);
                dx
            }
            (AttentionSaved::Content(saved), ..) => content(&saved.backward(sequences, &dx), grads),
            _ => unreachable!("encoder: either all layers compare distances, or none does"),
        }
    }

    fn embed_backward(&self, shared: Shared, batch: &Batch, dy: Tensor, grads: &mut Grads) {
        let shape = self.context.shape;
        let Shared { positions, norm, dropout, projection, distances, .. } = shared;
        if let (Some(distances), Some(slots)) = (distances, self.layout.distances) {
            distances.backward(&self.context, slots, grads);
        }
        let (before, after) = if self.settings.deberta.is_some() { (projection, None) } else { (None, projection) };
        let dy = self.project_backward(after, dy, grads);
        let dy = dropout::apply(&dy, dropout);
        let dx = self.context.norm_backward(norm, self.layout.embedding_norm, &dy, None, grads);
        let dx = self.project_backward(before, dx, grads);
        if let Some(table) = grads.table(self.words) {
            embedding::backward(&batch.ids, &dx, shape.pad_id, table);
        }
        if let Some(slot) = self.layout.positions
            && let Some(table) = grads.table(slot)
        {
            let fixed = shape.pad_id.filter(|_| self.settings.positions == Positions::AfterPadding);
            embedding::backward(&positions, &dx, fixed, table);
        }
        if let Some(slot) = self.layout.types
            && let Some(table) = grads.table(slot)
        {
            embedding::backward(&batch.types, &dx, None, table);
        }
    }
}
