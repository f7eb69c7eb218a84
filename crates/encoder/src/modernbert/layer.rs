//! ModernBERT's layers: a norm, attention with rotary positions, a norm, a gated feed-forward part. The output of each part
//! is added to the input of its norm.

use crate::batch::Batch;
use crate::family::architecture::{Architecture, Context, EMBEDDINGS, Pass};
use crate::modernbert::layout::{ModernBertLayer, ModernBertLayout};
use crate::modernbert::settings::Settings;
use tagsmith_kernel::memory::tensor::Tensor;
use tagsmith_kernel::op::dropout::{self, Dropout};
use tagsmith_kernel::op::rotary::{self, Angles};
use tagsmith_kernel::op::sequences::Sequences;
use tagsmith_kernel::op::{attention, embedding, gated, layer_norm, linear};
use tagsmith_kernel::params::{Grads, SlotId};

/// A ModernBERT.
#[derive(Clone, Copy)]
pub struct ModernBert<'a> {
    /// Sizes, parameter values and precision.
    pub context: Context<'a>,
    /// The word embeddings.
    pub words: SlotId,
    /// What the family computes with.
    pub settings: &'a Settings,
    /// Where its parameters are.
    pub layout: &'a ModernBertLayout,
}

/// Values that all layers read, and what the backward of the embeddings needs.
#[must_use]
pub struct Shared {
    sequences: Sequences,
    norm: layer_norm::Saved,
    dropout: Option<Dropout>,
    /// The rotation angles of layers that see the whole sequence, if there are such layers.
    global: Option<Angles>,
    /// The rotation angles of layers that see a window, if there are such layers.
    local: Option<Angles>,
}

/// Values that a layer's backward needs.
#[must_use]
pub struct LayerActivations {
    attention_norm: Option<layer_norm::Saved>,
    qkv: linear::Saved,
    attention: attention::Saved,
    output: linear::Saved,
    output_dropout: Option<Dropout>,
    feed_forward_norm: layer_norm::Saved,
    up: linear::Saved,
    /// The two halves that the gate multiplies, (R, 2F).
    halves: Tensor,
    gated_dropout: Option<Dropout>,
    down: linear::Saved,
}

/// Places of dropout in a layer.
const ATTENTION: u64 = 0;
const OUTPUT: u64 = 1;
const GATED: u64 = 2;

impl ModernBert<'_> {
    /// Returns the rotation angles of one layer.
    fn angles<'s>(&self, number: usize, shared: &'s Shared) -> &'s Angles {
        let angles = if self.settings.windows[number].is_some() { &shared.local } else { &shared.global };
        angles.as_ref().expect("`embed` makes the angles that some layer needs")
    }
}

impl Architecture for ModernBert<'_> {
    type Shared = Shared;
    type LayerActivations = LayerActivations;

    fn embed(&self, batch: &Batch, pass: Pass) -> (Tensor, Shared) {
        let Context { shape, params, .. } = self.context;
        let sequences = Sequences::new(&batch.starts);
        let longest = sequences.longest();
        assert!(
            longest <= shape.positions_max,
            "encoder: a sequence of {longest} pieces, config.json allows {}",
            shape.positions_max
        );
        let width = shape.hidden_size / shape.heads;
        let angles = |local: bool, theta| {
            let needed = self.settings.windows.iter().any(|window| window.is_some() == local);
            needed.then(|| Angles::new(longest, width, theta))
        };
        let (global, local) = (angles(false, self.settings.global_theta), angles(true, self.settings.local_theta));
        let x = embedding::forward(shape.hidden_size, &[(params.rows(self.words), &batch.ids[..])]);
        let (x, norm) = self.context.norm(x, self.layout.embedding_norm);
        let dropout = pass.dropout(EMBEDDINGS, 0, shape.hidden_dropout);
        (dropout::apply(&x, dropout), Shared { sequences, norm, dropout, global, local })
    }

    fn layer(&self, number: usize, x: Tensor, shared: &Shared, pass: Pass) -> (Tensor, LayerActivations) {
        let ModernBert { context, settings, layout, .. } = *self;
        let Context { shape, precision, .. } = context;
        let layer: ModernBertLayer = layout.layers[number];
        let dropout = |place, rate| pass.dropout(number as u64, place, rate);

        let (normal, attention_norm) = context.norm_if(x.clone(), layer.attention_norm);
        let (qkv, qkv_saved) = context.linear(normal, layer.qkv);
        let qkv = rotary::forward(qkv, &shared.sequences, shape.heads, self.angles(number, shared));
        let attention_dropout = dropout(ATTENTION, shape.attention_dropout);
        let (attended, attention) =
            attention::forward(qkv, &shared.sequences, shape.heads, settings.windows[number], attention_dropout);
        let output_dropout = dropout(OUTPUT, shape.attention_dropout);
        let (weight, bias) = context.values(layer.output);
        let (x, output) = linear::forward_joined(attended, weight, bias, precision, output_dropout, &x);

        let (normal, feed_forward_norm) = context.norm(x.clone(), layer.feed_forward_norm);
        let (halves, up) = context.linear(normal, layer.up);
        let gated_dropout = dropout(GATED, settings.mlp_dropout);
        let gated = dropout::apply(&gated::forward(&halves, shape.activation), gated_dropout);
        let (weight, bias) = context.values(layer.down);
        let (y, down) = linear::forward_joined(gated, weight, bias, precision, None, &x);
        let kept = LayerActivations {
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
        kept: LayerActivations,
        shared: &mut Shared,
        dy: Tensor,
        grads: &mut Grads,
    ) -> Tensor {
        let ModernBert { context, layout, .. } = *self;
        let shape = context.shape;
        let layer: ModernBertLayer = layout.layers[number];

        let dgated =
            dropout::apply(&context.linear_backward(kept.down, layer.down, &dy, None, grads), kept.gated_dropout);
        let dhalves = gated::backward(kept.halves, shape.activation, &dgated);
        drop(dgated);
        let dnormal = context.linear_backward(kept.up, layer.up, &dhalves, None, grads);
        drop(dhalves);
        let dy = context.norm_backward(kept.feed_forward_norm, layer.feed_forward_norm, &dnormal, Some(dy), grads);
        drop(dnormal);

        let dropped = dropout::apply(&dy, kept.output_dropout);
        let dcontext = context.linear_backward(kept.output, layer.output, &dropped, None, grads);
        // Without dropout, `dropped` shares the memory of dy, which is written to below.
        drop(dropped);
        let dqkv = kept.attention.backward(&shared.sequences, &dcontext);
        let dqkv = rotary::backward(dqkv, &shared.sequences, shape.heads, self.angles(number, shared));
        match (kept.attention_norm, layer.attention_norm) {
            (Some(saved), Some(norm)) => {
                let dnormal = context.linear_backward(kept.qkv, layer.qkv, &dqkv, None, grads);
                context.norm_backward(saved, norm, &dnormal, Some(dy), grads)
            }
            _ => context.linear_backward(kept.qkv, layer.qkv, &dqkv, Some(dy), grads),
        }
    }

    fn embed_backward(&self, shared: Shared, batch: &Batch, dy: Tensor, grads: &mut Grads) {
        let dy = dropout::apply(&dy, shared.dropout);
        let dx = self.context.norm_backward(shared.norm, self.layout.embedding_norm, &dy, None, grads);
        if let Some(table) = grads.table(self.words) {
            embedding::backward(&batch.ids, &dx, self.context.shape.pad_id, table);
        }
    }
}
