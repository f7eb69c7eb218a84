//! BERT and its kin, DeBERTa among them: embeddings, then layers of attention and feed-forward, each with a norm after
//! the sum.

use crate::batch::Batch;
use crate::config::{Config, Convolution, Deberta, Family};
use crate::encoder::distances::{self, Distances};
use crate::encoder::{EMBEDDINGS, Encoder, Kind, Pass, convolution, into_spans};
use crate::layout::{self, BertLayer, BertLayout};
use tagsmith_kernel::memory::tensor::Tensor;
use tagsmith_kernel::op::dropout::{self, Dropout};
use tagsmith_kernel::op::embedding::{self, Rows};
use tagsmith_kernel::op::{attention, layer_norm, linear};
use tagsmith_kernel::params::Grads;

#[derive(Clone, Copy)]
pub(super) struct Bert<'a> {
    pub encoder: Encoder<'a>,
    pub layout: &'a BertLayout,
}

#[must_use]
pub(super) struct Shared {
    positions: Vec<u32>,
    norm: layer_norm::Saved,
    dropout: Option<Dropout>,
    projection: Option<linear::Saved>,
    distances: Option<Distances>,
}

enum AttentionSaved {
    OfContent(attention::Saved),
    OfDistancesToo(distances::Saved),
}

#[must_use]
pub(super) struct Kept {
    qkv: linear::Saved,
    attention: AttentionSaved,
    output: linear::Saved,
    output_dropout: Option<Dropout>,
    attention_norm: layer_norm::Saved,
    up: linear::Saved,
    before_activation: Tensor,
    down_dropout: Option<Dropout>,
    feed_forward_norm: layer_norm::Saved,
    convolution: Option<convolution::Saved>,
}

/// The places of dropout in a layer.
const ATTENTION: u64 = 0;
const OUTPUT: u64 = 1;
const DOWN: u64 = 2;
const DISTANCES: u64 = 3;
const CONVOLUTION: u64 = 4;

impl Bert<'_> {
    fn deberta(&self) -> Option<&Deberta> {
        match &self.encoder.config.family {
            Family::Deberta(settings) => Some(settings),
            _ => None,
        }
    }

    /// The convolution beside this layer: the first may have one.
    fn convolution(&self, number: usize) -> Option<(Convolution, layout::Convolution)> {
        self.deberta()?.convolution.zip(self.layout.convolution).filter(|_| number == 0)
    }

    /// x itself where embeddings are as wide as the encoder.
    fn project(&self, x: Tensor) -> (Tensor, Option<linear::Saved>) {
        let Some(projection) = self.layout.projection else { return (x, None) };
        let (x, saved) = self.encoder.linear(x, projection);
        (x, Some(saved))
    }

    fn project_backward(&self, saved: Option<linear::Saved>, dy: Tensor, grads: &mut Grads) -> Tensor {
        match (saved, self.layout.projection) {
            (Some(saved), Some(projection)) => self.encoder.linear_backward(saved, projection, &dy, None, grads),
            _ => dy,
        }
    }
}

impl Kind for Bert<'_> {
    type Shared = Shared;
    type Kept = Kept;

    /// Words, positions and types, normalised. DeBERTa projects narrower embeddings before the norm, ELECTRA at the end.
    fn embed(&self, batch: &Batch, pass: Pass) -> (Tensor, Shared) {
        let Encoder { config, layout, params, .. } = self.encoder;
        let positions = positions(config, batch);
        let mut tables = vec![(Rows::Table(params.table(layout.words)), &batch.ids[..])];
        let others = [(self.layout.positions, &positions), (self.layout.types, &batch.types)];
        for (table, rows) in others.into_iter().filter_map(|(table, rows)| Some((table?, rows))) {
            tables.push((Rows::Dense(params.get(table)), &rows[..]));
        }
        let x = embedding::forward(config.embedding_size, &tables);
        let (x, before) = if self.deberta().is_some() { self.project(x) } else { (x, None) };
        let (x, norm) = self.encoder.norm(x, layout.embedding_norm);
        let dropout = pass.dropout(EMBEDDINGS, 0, config.hidden_dropout);
        let x = dropout::apply(&x, dropout);
        let (x, after) = if self.deberta().is_none() { self.project(x) } else { (x, None) };
        let distances = self
            .deberta()
            .zip(self.layout.distances)
            .map(|(settings, layout)| Distances::new(&self.encoder, settings, layout, batch));
        (x, Shared { positions, norm, dropout, projection: before.or(after), distances })
    }

    fn layer(&self, number: usize, x: Tensor, shared: &Shared, batch: &Batch, pass: Pass) -> (Tensor, Kept) {
        let Encoder { config, params, precision, .. } = self.encoder;
        let layer: BertLayer = self.layout.layers[number];
        let dropout = |place, rate| pass.dropout(number as u64, place, rate);
        let convolved = self.convolution(number).map(|convolution| (convolution, x.clone()));

        let (weight, bias) = (params.span(layer.qkv_weight, 3), params.span(layer.qkv_bias, 3));
        let (qkv, qkv_saved) = linear::forward(x.clone(), weight, bias, precision);
        let attention_dropout = dropout(ATTENTION, config.attention_dropout);
        let (context, attention) = match (&shared.distances, layer.distances, self.deberta()) {
            (Some(distances), Some(layout), Some(settings)) => {
                let dropouts = [attention_dropout, dropout(DISTANCES, config.hidden_dropout)];
                let (context, saved) = distances.attend(&self.encoder, settings, layout, qkv, dropouts, batch);
                (context, AttentionSaved::OfDistancesToo(saved))
            }
            _ => {
                let (context, saved) = attention::forward(qkv, &batch.starts, config.heads, None, attention_dropout);
                (context, AttentionSaved::OfContent(saved))
            }
        };
        let output_rate = if config.family == Family::DistilBert { 0.0 } else { config.hidden_dropout };
        let output_dropout = dropout(OUTPUT, output_rate);
        let (weight, bias) = self.encoder.values(layer.output);
        let (sum, output) = linear::forward_joined(context, weight, bias, precision, output_dropout, &x);
        let (x, attention_norm) = self.encoder.norm(sum, layer.attention_norm);

        let (weight, bias) = self.encoder.values(layer.up);
        let (activated, before_activation, up) =
            linear::forward_activated(x.clone(), weight, bias, precision, config.activation);
        let down_dropout = dropout(DOWN, config.hidden_dropout);
        let (weight, bias) = self.encoder.values(layer.down);
        let (sum, _) = linear::forward_joined(activated, weight, bias, precision, down_dropout, &x);
        let (y, feed_forward_norm) = self.encoder.norm(sum, layer.feed_forward_norm);
        let (y, convolution) = match convolved {
            Some(((settings, layout), input)) => {
                let dropout = dropout(CONVOLUTION, config.hidden_dropout);
                let (y, saved) = convolution::join(&self.encoder, settings, layout, (&input, &y), batch, dropout);
                (y, Some(saved))
            }
            None => (y, None),
        };
        let kept = Kept {
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
        kept: Kept,
        shared: &mut Shared,
        batch: &Batch,
        dy: Tensor,
        grads: &mut Grads,
    ) -> Tensor {
        let Encoder { config, params, precision, .. } = self.encoder;
        let layer: BertLayer = self.layout.layers[number];

        let (dy, neighbours) = match (kept.convolution, self.convolution(number)) {
            (Some(saved), Some((settings, layout))) => {
                let (dy, dneighbours) = saved.backward(&self.encoder, settings, layout, &dy, grads);
                (dy, Some((settings, dneighbours)))
            }
            _ => (dy, None),
        };
        let dy = self.encoder.norm_backward(kept.feed_forward_norm, layer.feed_forward_norm, &dy, None, grads);
        let (weight, into) = self.encoder.gradients_of(layer.down, grads);
        let dropped = dropout::apply(&dy, kept.down_dropout);
        let (activation, u) = (config.activation, &kept.before_activation);
        let dx = linear::backward_activated(weight, into, &dropped, precision, activation, u);
        // Without dropout it shares dy, which the next product writes to.
        drop(dropped);
        let dy = self.encoder.linear_backward(kept.up, layer.up, &dx, Some(dy), grads);

        let mut dy = self.encoder.norm_backward(kept.attention_norm, layer.attention_norm, &dy, None, grads);
        let dropped = dropout::apply(&dy, kept.output_dropout);
        let dx = self.encoder.linear_backward(kept.output, layer.output, &dropped, None, grads);
        drop(dropped);
        if let Some((settings, dneighbours)) = neighbours {
            convolution::add_neighbours(settings, &dneighbours, batch, &mut dy);
        }
        let content = |dqkv: &Tensor, grads: &mut Grads| {
            let into = into_spans(grads, (layer.qkv_weight, 3), (layer.qkv_bias, 3));
            kept.qkv.backward(params.span(layer.qkv_weight, 3), into, dqkv, Some(dy))
        };
        match (kept.attention, &mut shared.distances, layer.distances) {
            (AttentionSaved::OfDistancesToo(saved), Some(distances), Some(layout)) => {
                let (dqkv, dtable, projected) = saved.backward(batch, &dx);
                let dx = content(&dqkv, grads);
                distances.project_backward(projected, &self.encoder, layout, &dtable, grads);
                dx
            }
            (AttentionSaved::OfContent(saved), ..) => content(&saved.backward(&batch.starts, &dx), grads),
            _ => unreachable!("distances are there for all layers or for none"),
        }
    }

    fn embed_backward(&self, shared: Shared, batch: &Batch, dy: Tensor, grads: &mut Grads) {
        let Encoder { config, layout, .. } = self.encoder;
        let Shared { positions, norm, dropout, projection, distances } = shared;
        if let (Some(distances), Some(layout)) = (distances, self.layout.distances) {
            distances.backward(&self.encoder, layout, grads);
        }
        let (before, after) = if self.deberta().is_some() { (projection, None) } else { (None, projection) };
        let dy = self.project_backward(after, dy, grads);
        let dy = dropout::apply(&dy, dropout);
        let dx = self.encoder.norm_backward(norm, layout.embedding_norm, &dy, None, grads);
        let dx = self.project_backward(before, dx, grads);
        if let Some(rows) = grads.rows(layout.words) {
            rows.accumulate(&batch.ids, &dx, config.pad_id);
        }
        if let Some(slot) = self.layout.positions
            && let Some(table) = grads.span(slot, 1)
        {
            let fixed = config.pad_id.filter(|_| config.family == Family::Roberta);
            embedding::backward(&positions, &dx, fixed, table);
        }
        if let Some(slot) = self.layout.types
            && let Some(table) = grads.span(slot, 1)
        {
            embedding::backward(&batch.types, &dx, None, table);
        }
    }
}

/// Row numbers in the position table. RoBERTa counts from the padding id plus one, skips padding ids and gives them
/// the padding id's own row; the others count from 0.
fn positions(config: &Config, batch: &Batch) -> Vec<u32> {
    let mut positions = Vec::with_capacity(batch.rows());
    for bounds in batch.starts.windows(2) {
        let sequence = &batch.ids[bounds[0] as usize..bounds[1] as usize];
        assert!(
            sequence.len() <= config.positions_max,
            "encoder: a sequence of {} pieces, the position table allows {}",
            sequence.len(),
            config.positions_max
        );
        let mut next = config.first_position as u32;
        for &id in sequence {
            if config.family == Family::Roberta && Some(id) == config.pad_id {
                positions.push(id);
            } else {
                positions.push(next);
                next += 1;
            }
        }
    }
    positions
}
