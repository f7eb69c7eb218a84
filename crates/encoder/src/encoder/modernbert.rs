//! ModernBERT: rotary positions, attention that is local in most layers, a gated feed-forward part, each part added to
//! what enters its norm.

use crate::batch::Batch;
use crate::config::{self, Family};
use crate::encoder::{EMBEDDINGS, Encoder, Kind, Pass};
use crate::layout::{ModernBertLayer, ModernBertLayout};
use tagsmith_kernel::memory::tensor::Tensor;
use tagsmith_kernel::op::dropout::{self, Dropout};
use tagsmith_kernel::op::embedding::{self, Rows};
use tagsmith_kernel::op::rotary::{self, Angles};
use tagsmith_kernel::op::{attention, gated, layer_norm, linear};
use tagsmith_kernel::params::Grads;

#[derive(Clone, Copy)]
pub(super) struct ModernBert<'a> {
    encoder: Encoder<'a>,
    settings: &'a config::ModernBert,
    layout: &'a ModernBertLayout,
}

pub(super) struct Shared {
    norm: layer_norm::Saved,
    dropout: Option<Dropout>,
    /// Of layers that see everything, and of those that do not, where there are such.
    global: Option<Angles>,
    local: Option<Angles>,
}

#[must_use]
pub(super) struct Kept {
    attention_norm: Option<layer_norm::Saved>,
    qkv: linear::Saved,
    attention: attention::Saved,
    output: linear::Saved,
    output_dropout: Option<Dropout>,
    feed_forward_norm: layer_norm::Saved,
    up: linear::Saved,
    /// What the gate makes one of: (R, 2F).
    halves: Tensor,
    gated_dropout: Option<Dropout>,
    down: linear::Saved,
}

/// The places of dropout in a layer.
const ATTENTION: u64 = 0;
const OUTPUT: u64 = 1;
const GATED: u64 = 2;

impl<'a> ModernBert<'a> {
    pub(super) fn new(encoder: Encoder<'a>, layout: &'a ModernBertLayout) -> ModernBert<'a> {
        let Family::ModernBert(settings) = &encoder.config.family else {
            unreachable!("a layout is made from its configuration")
        };
        ModernBert { encoder, settings, layout }
    }

    fn angles<'s>(&self, number: usize, shared: &'s Shared) -> &'s Angles {
        let angles = if self.settings.windows[number].is_some() { &shared.local } else { &shared.global };
        angles.as_ref().expect("made for every kind of layer that there is")
    }
}

impl Kind for ModernBert<'_> {
    type Shared = Shared;
    type Kept = Kept;

    fn embed(&self, batch: &Batch, pass: Pass) -> (Tensor, Shared) {
        let Encoder { config, layout, params, .. } = self.encoder;
        let longest = batch.starts.windows(2).map(|bounds| (bounds[1] - bounds[0]) as usize).max().unwrap_or(0);
        assert!(
            longest <= config.positions_max,
            "encoder: a sequence of {longest} pieces, config.json allows {}",
            config.positions_max
        );
        let width = config.hidden_size / config.heads;
        let angles = |local: bool, theta| {
            let needed = self.settings.windows.iter().any(|window| window.is_some() == local);
            needed.then(|| Angles::new(longest, width, theta))
        };
        let (global, local) = (angles(false, self.settings.global_theta), angles(true, self.settings.local_theta));
        let x = embedding::forward(config.hidden_size, &[(Rows::Table(params.table(layout.words)), &batch.ids[..])]);
        let (x, norm) = self.encoder.norm(x, layout.embedding_norm);
        let dropout = pass.dropout(EMBEDDINGS, 0, config.hidden_dropout);
        (dropout::apply(&x, dropout), Shared { norm, dropout, global, local })
    }

    fn layer(&self, number: usize, x: Tensor, shared: &Shared, batch: &Batch, pass: Pass) -> (Tensor, Kept) {
        let ModernBert { encoder, settings, layout } = *self;
        let Encoder { config, precision, .. } = encoder;
        let layer: ModernBertLayer = layout.layers[number];
        let dropout = |place, rate| pass.dropout(number as u64, place, rate);

        let (normal, attention_norm) = encoder.norm_if(x.clone(), layer.attention_norm);
        let (qkv, qkv_saved) = encoder.linear(normal, layer.qkv);
        let qkv = rotary::forward(qkv, &batch.starts, config.heads, self.angles(number, shared));
        let attention_dropout = dropout(ATTENTION, config.attention_dropout);
        let (context, attention) =
            attention::forward(qkv, &batch.starts, config.heads, settings.windows[number], attention_dropout);
        let output_dropout = dropout(OUTPUT, config.attention_dropout);
        let (weight, bias) = encoder.values(layer.output);
        let (x, output) = linear::forward_joined(context, weight, bias, precision, output_dropout, &x);

        let (normal, feed_forward_norm) = encoder.norm(x.clone(), layer.feed_forward_norm);
        let (halves, up) = encoder.linear(normal, layer.up);
        let gated_dropout = dropout(GATED, settings.mlp_dropout);
        let gated = dropout::apply(&gated::forward(&halves, config.activation), gated_dropout);
        let (weight, bias) = encoder.values(layer.down);
        let (y, down) = linear::forward_joined(gated, weight, bias, precision, None, &x);
        let kept = Kept {
            attention_norm,
            qkv: qkv_saved,
            attention,
            output,
            output_dropout,
            feed_forward_norm,
            up,
            halves,
            gated_dropout,
            down,
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
        let ModernBert { encoder, layout, .. } = *self;
        let layer: ModernBertLayer = layout.layers[number];

        let dgated =
            dropout::apply(&encoder.linear_backward(kept.down, layer.down, &dy, None, grads), kept.gated_dropout);
        let dhalves = gated::backward(kept.halves, encoder.config.activation, &dgated);
        drop(dgated);
        let dnormal = encoder.linear_backward(kept.up, layer.up, &dhalves, None, grads);
        drop(dhalves);
        let dy = encoder.norm_backward(kept.feed_forward_norm, layer.feed_forward_norm, &dnormal, Some(dy), grads);
        drop(dnormal);

        let dropped = dropout::apply(&dy, kept.output_dropout);
        let dcontext = encoder.linear_backward(kept.output, layer.output, &dropped, None, grads);
        // Without dropout it shares dy, which is written to below.
        drop(dropped);
        let dqkv = kept.attention.backward(&batch.starts, &dcontext);
        let dqkv = rotary::backward(dqkv, &batch.starts, encoder.config.heads, self.angles(number, shared));
        match (kept.attention_norm, layer.attention_norm) {
            (Some(saved), Some(norm)) => {
                let dnormal = encoder.linear_backward(kept.qkv, layer.qkv, &dqkv, None, grads);
                encoder.norm_backward(saved, norm, &dnormal, Some(dy), grads)
            }
            _ => encoder.linear_backward(kept.qkv, layer.qkv, &dqkv, Some(dy), grads),
        }
    }

    fn embed_backward(&self, shared: Shared, batch: &Batch, dy: Tensor, grads: &mut Grads) {
        let Encoder { config, layout, .. } = self.encoder;
        let dy = dropout::apply(&dy, shared.dropout);
        let dx = self.encoder.norm_backward(shared.norm, layout.embedding_norm, &dy, None, grads);
        if let Some(rows) = grads.rows(layout.words) {
            rows.accumulate(&batch.ids, &dx, config.pad_id);
        }
    }
}
