//! BERT and its kin: embeddings, then layers of attention and feed-forward, each with a norm after the sum.

use crate::batch::Batch;
use crate::config::{Config, Family};
use crate::layout::{LayerLayout, Layout, next};
use tagsmith_kernel::op::dropout::{self, Dropout};
use tagsmith_kernel::op::embedding::Rows;
use tagsmith_kernel::op::{activation, attention, embedding, layer_norm, linear, reduce::sum_into};
use tagsmith_kernel::params::{Grads, Params, SlotId};
use tagsmith_kernel::rng::Stream;
use tagsmith_kernel::tensor::Tensor;

/// An encoder's parameters and how to compute with them.
#[derive(Clone, Copy)]
pub(crate) struct Encoder<'a> {
    pub config: &'a Config,
    pub layout: &'a Layout,
    pub params: &'a Params,
}

/// How a forward pass is made.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    /// Decides dropout; without it nothing is dropped.
    pub dropout: Option<Stream>,
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
    activation: activation::Saved,
    down: linear::Saved,
    down_dropout: Option<Dropout>,
    feed_forward_norm: layer_norm::Saved,
}

/// The places of dropout in a layer.
const ATTENTION: u64 = 0;
const OUTPUT: u64 = 1;
const DOWN: u64 = 2;

fn drop(stream: Option<Stream>, place: u64, rate: f32) -> Option<Dropout> {
    stream.filter(|_| rate > 0.0).map(|stream| Dropout { rate, stream: stream.child(place) })
}

impl Encoder<'_> {
    /// Words, positions and types, normalised: (R, H).
    pub fn embed(&self, batch: &Batch, pass: Pass) -> (Tensor, EmbeddingSaved) {
        let Encoder { config, layout, params } = *self;
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
        // Layers' streams are numbered from 0: the embeddings take the last number.
        let dropout = drop(pass.dropout, u64::MAX, config.hidden_dropout);
        let x = dropout::apply(x, dropout);
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
    pub fn layer(&self, number: usize, x: Tensor, batch: &Batch, pass: Pass) -> (Tensor, LayerSaved) {
        let input = pass.checkpoint_layers.then(|| x.clone());
        let (y, kept) = self.layer_kept(number, x, batch, pass);
        (y, input.map_or_else(|| LayerSaved::All(Box::new(kept)), LayerSaved::Input))
    }

    fn layer_kept(&self, number: usize, x: Tensor, batch: &Batch, pass: Pass) -> (Tensor, Kept) {
        let Encoder { config, layout, params } = *self;
        let layer = layout.layers[number];
        let stream = pass.dropout.map(|stream| stream.child(number as u64));

        let residual = x.clone();
        let (x, qkv) = linear::forward(x, params.span(layer.qkv_weight, 3), params.span(layer.qkv_bias, 3));
        let attention_dropout = drop(stream, ATTENTION, config.attention_dropout);
        let (x, attention) = attention::forward(x, &batch.starts, config.heads, attention_dropout);
        let (x, output) = self.linear(x, layer.output);
        let output_rate = if config.family == Family::DistilBert { 0.0 } else { config.hidden_dropout };
        let output_dropout = drop(stream, OUTPUT, output_rate);
        let x = sum_into(dropout::apply(x, output_dropout), &residual);
        let (x, attention_norm) = self.norm(x, layer.attention_norm);

        let residual = x.clone();
        let (x, up) = self.linear(x, layer.up);
        let (x, activation) = activation::forward(x, config.activation);
        let (x, down) = self.linear(x, layer.down);
        let down_dropout = drop(stream, DOWN, config.hidden_dropout);
        let x = sum_into(dropout::apply(x, down_dropout), &residual);
        let (x, feed_forward_norm) = self.norm(x, layer.feed_forward_norm);
        let kept = Kept {
            qkv,
            attention,
            output,
            output_dropout,
            attention_norm,
            up,
            activation,
            down,
            down_dropout,
            feed_forward_norm,
        };
        (x, kept)
    }

    /// The layer's parameter gradients go to `grads`; returns the gradient of its input.
    pub fn layer_backward(
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
        let Kept {
            qkv,
            attention,
            output,
            output_dropout,
            attention_norm,
            up,
            activation,
            down,
            down_dropout,
            feed_forward_norm,
        } = kept;
        let layer: LayerLayout = self.layout.layers[number];

        let dy = self.norm_backward(feed_forward_norm, layer.feed_forward_norm, dy, grads);
        let dx = dropout::apply(copy_if(&dy, down_dropout), down_dropout);
        let dx = self.linear_backward(down, layer.down, &dx, grads);
        let dx = activation.backward(dx);
        let dx = self.linear_backward(up, layer.up, &dx, grads);
        let dy = sum_into(dx, &dy);

        let dy = self.norm_backward(attention_norm, layer.attention_norm, &dy, grads);
        let dx = dropout::apply(copy_if(&dy, output_dropout), output_dropout);
        let dx = self.linear_backward(output, layer.output, &dx, grads);
        let dx = attention.backward(&batch.starts, &dx);
        let ((weight, weight_accumulates), (bias, bias_accumulates)) =
            grads.two_spans((layer.qkv_weight, 3), (layer.qkv_bias, 3));
        let into = linear::Into { weight, weight_accumulates, bias, bias_accumulates };
        let dx = qkv.backward(self.params.span(layer.qkv_weight, 3), into, &dx);
        sum_into(dx, &dy)
    }

    /// The embeddings' gradients go to `grads`.
    pub fn embed_backward(&self, saved: EmbeddingSaved, batch: &Batch, dy: Tensor, grads: &mut Grads) {
        let EmbeddingSaved { positions, norm, dropout, projection } = saved;
        let dy = match (projection, self.layout.projection) {
            (Some(saved), Some(slot)) => self.linear_backward(saved, slot, &dy, grads),
            _ => dy,
        };
        let dy = dropout::apply(copy_if(&dy, dropout), dropout);
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

    pub fn linear(&self, x: Tensor, weight: SlotId) -> (Tensor, linear::Saved) {
        linear::forward(x, self.params.get(weight), self.params.get(next(weight)))
    }

    pub fn linear_backward(&self, saved: linear::Saved, weight: SlotId, dy: &Tensor, grads: &mut Grads) -> Tensor {
        let ((dw, weight_accumulates), (db, bias_accumulates)) = grads.two_spans((weight, 1), (next(weight), 1));
        let into = linear::Into { weight: dw, weight_accumulates, bias: db, bias_accumulates };
        saved.backward(self.params.get(weight), into, dy)
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

/// A tensor that dropout may write: a copy if there is dropout, the same otherwise.
fn copy_if(x: &Tensor, dropout: Option<Dropout>) -> Tensor {
    match dropout {
        Some(_) => Tensor::from_slice(x.rows(), x.columns(), x.data()),
        None => x.clone(),
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
