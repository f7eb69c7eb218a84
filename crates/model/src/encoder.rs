//! BERT and its kin: embeddings, then layers of attention and feed-forward, each with a norm after the sum.

use crate::batch::Batch;
use crate::config::{Config, Family};
use crate::layout::{EncoderLayout, LayerLayout, next};
use tagsmith_kernel::Precision;
use tagsmith_kernel::op::dropout::{self, Dropout};
use tagsmith_kernel::op::embedding::Rows;
use tagsmith_kernel::op::{attention, embedding, layer_norm, linear};
use tagsmith_kernel::params::{Grads, Params, SlotId};
use tagsmith_kernel::rng::Stream;
use tagsmith_kernel::tensor::Tensor;

/// An encoder's parameters and how to compute with them.
#[derive(Clone, Copy)]
pub struct Encoder<'a> {
    /// What to compute.
    pub config: &'a Config,
    /// Where its parameters are.
    pub layout: &'a EncoderLayout,
    /// Their values, and others'.
    pub params: &'a Params,
    /// How the factors of its products are rounded.
    pub precision: Precision,
}

/// What an encoder's backward needs.
#[must_use]
pub struct Saved {
    pass: Pass,
    embedding: EmbeddingSaved,
    layers: Vec<LayerSaved>,
}

/// How a forward pass is made.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    /// Decides dropout; without it nothing is dropped.
    pub dropout: Option<Stream>,
    /// The number of the batch's first row in the whole step.
    pub first_row: usize,
    /// Keep a layer's input alone and compute the rest again in backward.
    pub checkpoint_layers: bool,
}

/// What the embeddings' backward needs.
#[must_use]
pub(crate) struct EmbeddingSaved {
    positions: Vec<u32>,
    norm: layer_norm::Saved,
    dropout: Option<Dropout>,
    projection: Option<linear::Saved>,
}

/// What a layer's backward needs, or the input to make it from.
#[must_use]
pub(crate) enum LayerSaved {
    All(Box<Kept>),
    Input(Tensor),
}

#[must_use]
pub(crate) struct Kept {
    qkv: linear::Saved,
    attention: attention::Saved,
    output: linear::Saved,
    output_dropout: Option<Dropout>,
    attention_norm: layer_norm::Saved,
    up: linear::Saved,
    before_activation: Tensor,
    down_dropout: Option<Dropout>,
    feed_forward_norm: layer_norm::Saved,
}

/// The streams of dropout outside the layers, whose streams are numbered from 0.
const EMBEDDINGS: u64 = u64::MAX;
pub(crate) const HEAD: u64 = u64::MAX - 1;

/// The places of dropout in a layer.
const ATTENTION: u64 = 0;
const OUTPUT: u64 = 1;
const DOWN: u64 = 2;

impl Pass {
    /// Dropout at one place of one layer.
    pub(crate) fn dropout(self, layer: u64, place: u64, rate: f32) -> Option<Dropout> {
        let Pass { dropout, first_row, .. } = self;
        let stream = dropout.filter(|_| rate > 0.0)?;
        Some(Dropout { rate, stream: stream.child(layer).child(place), first_row })
    }
}

impl Encoder<'_> {
    /// Hidden states (R, H), and what backward needs.
    ///
    /// # Panics
    /// If a sequence is longer than `positions_max`, or an id lies outside its table.
    pub fn forward(&self, batch: &Batch, pass: Pass) -> (Tensor, Saved) {
        let (mut x, embedding) = self.embed(batch, pass);
        let mut layers = Vec::with_capacity(self.config.layers);
        for number in 0..self.config.layers {
            let (y, saved) = self.layer(number, x, batch, pass);
            layers.push(saved);
            x = y;
        }
        (x, Saved { pass, embedding, layers })
    }

    /// Hidden states (R, H) without dropout.
    pub fn infer(&self, batch: &Batch) -> Tensor {
        let pass = Pass { dropout: None, first_row: 0, checkpoint_layers: false };
        let mut x = self.embed(batch, pass).0;
        for number in 0..self.config.layers {
            x = self.layer(number, x, batch, pass).0;
        }
        x
    }

    /// The gradients of what learns go to `grads`. Stages below `first` have nothing that does: 0 is the embeddings,
    /// i + 1 layer i.
    pub fn backward(&self, saved: Saved, batch: &Batch, mut dx: Tensor, first: usize, grads: &mut Grads) {
        for (number, layer) in saved.layers.into_iter().enumerate().rev() {
            if number + 1 < first {
                return;
            }
            dx = self.layer_backward(number, layer, batch, saved.pass, &dx, grads);
        }
        if first == 0 {
            self.embed_backward(saved.embedding, batch, dx, grads);
        }
    }

    /// Words, positions and types, normalised: (R, H).
    pub(crate) fn embed(&self, batch: &Batch, pass: Pass) -> (Tensor, EmbeddingSaved) {
        let Encoder { config, layout, params, .. } = *self;
        let positions = positions(config, batch);
        let mut tables = vec![
            (Rows::Table(params.table(layout.words)), &batch.ids[..]),
            (Rows::Dense(params.get(layout.positions)), &positions[..]),
        ];
        if let Some(types) = layout.types {
            tables.push((Rows::Dense(params.get(types)), &batch.types[..]));
        }
        let x = embedding::forward(config.embedding_size, &tables);
        let (x, norm) = self.norm(x, layout.embedding_norm);
        let dropout = pass.dropout(EMBEDDINGS, 0, config.hidden_dropout);
        let x = dropout::apply(&x, dropout);
        let (x, projection) = match layout.projection {
            Some(projection) => {
                let (x, saved) = self.linear(x, projection);
                (x, Some(saved))
            }
            None => (x, None),
        };
        (x, EmbeddingSaved { positions, norm, dropout, projection })
    }

    /// One layer: (R, H) → (R, H).
    pub(crate) fn layer(&self, number: usize, x: Tensor, batch: &Batch, pass: Pass) -> (Tensor, LayerSaved) {
        let input = pass.checkpoint_layers.then(|| x.clone());
        let (y, kept) = self.layer_kept(number, x, batch, pass);
        (y, input.map_or_else(|| LayerSaved::All(Box::new(kept)), LayerSaved::Input))
    }

    fn layer_kept(&self, number: usize, x: Tensor, batch: &Batch, pass: Pass) -> (Tensor, Kept) {
        let Encoder { config, layout, params, precision } = *self;
        let layer = layout.layers[number];
        let dropout = |place, rate| pass.dropout(number as u64, place, rate);
        let of = |weight: SlotId| (params.get(weight), params.get(next(weight)));

        let (weight, bias) = (params.span(layer.qkv_weight, 3), params.span(layer.qkv_bias, 3));
        let (qkv, qkv_saved) = linear::forward(x.clone(), weight, bias, precision);
        let attention_dropout = dropout(ATTENTION, config.attention_dropout);
        let (context, attention) = attention::forward(qkv, &batch.starts, config.heads, attention_dropout);
        let output_rate = if config.family == Family::DistilBert { 0.0 } else { config.hidden_dropout };
        let output_dropout = dropout(OUTPUT, output_rate);
        let (weight, bias) = of(layer.output);
        let (sum, output) = linear::forward_joined(context, weight, bias, precision, output_dropout, &x);
        let (x, attention_norm) = self.norm(sum, layer.attention_norm);

        let (weight, bias) = of(layer.up);
        let (activated, before_activation, up) =
            linear::forward_activated(x.clone(), weight, bias, precision, config.activation);
        let down_dropout = dropout(DOWN, config.hidden_dropout);
        let (weight, bias) = of(layer.down);
        let (sum, _) = linear::forward_joined(activated, weight, bias, precision, down_dropout, &x);
        let (y, feed_forward_norm) = self.norm(sum, layer.feed_forward_norm);
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
        };
        (y, kept)
    }

    /// The layer's parameter gradients go to `grads`; returns the gradient of its input.
    pub(crate) fn layer_backward(
        &self,
        number: usize,
        saved: LayerSaved,
        batch: &Batch,
        pass: Pass,
        dy: &Tensor,
        grads: &mut Grads,
    ) -> Tensor {
        let kept = match saved {
            LayerSaved::All(kept) => *kept,
            LayerSaved::Input(x) => self.layer_kept(number, x, batch, pass).1,
        };
        let layer: LayerLayout = self.layout.layers[number];

        let dy = self.norm_backward(kept.feed_forward_norm, layer.feed_forward_norm, dy, grads);
        let (weight, into) = self.gradients_of(layer.down, grads);
        let dropped = dropout::apply(&dy, kept.down_dropout);
        let (activation, u) = (self.config.activation, &kept.before_activation);
        let dx = linear::backward_activated(weight, into, &dropped, self.precision, activation, u);
        // Without dropout it shares dy, which the next product writes to.
        drop(dropped);
        let (weight, into) = self.gradients_of(layer.up, grads);
        let dy = kept.up.backward(weight, into, &dx, Some(dy));

        let dy = self.norm_backward(kept.attention_norm, layer.attention_norm, &dy, grads);
        let (weight, into) = self.gradients_of(layer.output, grads);
        let dropped = dropout::apply(&dy, kept.output_dropout);
        let dx = kept.output.backward(weight, into, &dropped, None);
        drop(dropped);
        let dx = kept.attention.backward(&batch.starts, &dx);
        let ((weight, weight_accumulates), (bias, bias_accumulates)) =
            grads.two_spans((layer.qkv_weight, 3), (layer.qkv_bias, 3));
        let into = linear::Into { weight, weight_accumulates, bias, bias_accumulates };
        kept.qkv.backward(self.params.span(layer.qkv_weight, 3), into, &dx, Some(dy))
    }

    /// The embeddings' gradients go to `grads`.
    pub(crate) fn embed_backward(&self, saved: EmbeddingSaved, batch: &Batch, dy: Tensor, grads: &mut Grads) {
        let EmbeddingSaved { positions, norm, dropout, projection } = saved;
        let dy = match (projection, self.layout.projection) {
            (Some(saved), Some(slot)) => self.linear_backward(saved, slot, &dy, grads),
            _ => dy,
        };
        let dy = dropout::apply(&dy, dropout);
        let dx = self.norm_backward(norm, self.layout.embedding_norm, &dy, grads);
        if let Some(rows) = grads.rows(self.layout.words) {
            rows.accumulate(&batch.ids, &dx, self.config.pad_id);
        }
        if let (Some(table), accumulates) = grads.span(self.layout.positions, 1) {
            let fixed = self.config.pad_id.filter(|_| self.config.family == Family::Roberta);
            embedding::backward(&positions, &dx, fixed, accumulates, table);
        }
        if let Some(slot) = self.layout.types
            && let (Some(table), accumulates) = grads.span(slot, 1)
        {
            embedding::backward(&batch.types, &dx, None, accumulates, table);
        }
    }

    pub(crate) fn linear(&self, x: Tensor, weight: SlotId) -> (Tensor, linear::Saved) {
        linear::forward(x, self.params.get(weight), self.params.get(next(weight)), self.precision)
    }

    pub(crate) fn linear_backward(
        &self,
        saved: linear::Saved,
        weight: SlotId,
        dy: &Tensor,
        grads: &mut Grads,
    ) -> Tensor {
        let (weight, into) = self.gradients_of(weight, grads);
        saved.backward(weight, into, dy, None)
    }

    /// A weight, and where its gradient and its bias's go.
    fn gradients_of<'g>(&self, weight: SlotId, grads: &'g mut Grads) -> (&[f32], linear::Into<'g>) {
        let ((dw, weight_accumulates), (db, bias_accumulates)) = grads.two_spans((weight, 1), (next(weight), 1));
        let into = linear::Into { weight: dw, weight_accumulates, bias: db, bias_accumulates };
        (self.params.get(weight), into)
    }

    fn norm(&self, x: Tensor, gain: SlotId) -> (Tensor, layer_norm::Saved) {
        layer_norm::forward(x, self.params.get(gain), self.params.get(next(gain)), self.config.layer_norm_eps)
    }

    fn norm_backward(&self, saved: layer_norm::Saved, gain: SlotId, dy: &Tensor, grads: &mut Grads) -> Tensor {
        let (span, accumulates) = grads.span(gain, 2);
        let into = span.map(|span| {
            let (gain, bias) = span.split_at_mut(span.len() / 2);
            layer_norm::Into { gain, bias, accumulates }
        });
        saved.backward(self.params.get(gain), into, dy)
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
