//! Embeddings, then layers: what is common to all encoders. What a layer computes stands in a file a kind.

mod bert;
mod convolution;
mod distances;
mod modernbert;

use crate::batch::Batch;
use crate::config::Config;
use crate::encoder::bert::Bert;
use crate::encoder::modernbert::ModernBert;
use crate::layout::{Affine, EncoderLayout, Parts};
use tagsmith_kernel::Precision;
use tagsmith_kernel::memory::tensor::Tensor;
use tagsmith_kernel::op::dropout::Dropout;
use tagsmith_kernel::op::{layer_norm, linear};
use tagsmith_kernel::params::{Grads, Params, SlotId, Stages};
use tagsmith_kernel::random::stream::Stream;

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

/// Without dropout, for whoever keeps nothing.
const PLAIN: Pass = Pass { dropout: None, first_row: 0, checkpoint_layers: false };

/// The streams of dropout outside the layers, whose streams are numbered from 0.
const EMBEDDINGS: u64 = u64::MAX;
/// The stream of dropout before a head.
pub const HEAD: u64 = u64::MAX - 1;

impl Pass {
    /// Dropout at one place of one layer.
    pub fn dropout(self, layer: u64, place: u64, rate: f32) -> Option<Dropout> {
        let Pass { dropout, first_row, .. } = self;
        let stream = dropout.filter(|_| rate > 0.0)?;
        Some(Dropout { rate, stream: stream.child(layer).child(place), first_row })
    }
}

/// What one kind of encoder computes.
trait Kind {
    /// What all layers work with, and what the embeddings' backward needs.
    type Shared;
    /// What a layer's backward needs.
    type Kept;

    /// What enters the first layer: (R, H).
    fn embed(&self, batch: &Batch, pass: Pass) -> (Tensor, Self::Shared);

    /// One layer: (R, H) → (R, H).
    fn layer(&self, number: usize, x: Tensor, shared: &Self::Shared, batch: &Batch, pass: Pass)
    -> (Tensor, Self::Kept);

    /// The layer's parameter gradients go to `grads`; returns the gradient of its input.
    fn layer_backward(
        &self,
        number: usize,
        kept: Self::Kept,
        shared: &mut Self::Shared,
        batch: &Batch,
        dy: Tensor,
        grads: &mut Grads,
    ) -> Tensor;

    /// The gradients of everything before and beside the layers go to `grads`.
    fn embed_backward(&self, shared: Self::Shared, batch: &Batch, dy: Tensor, grads: &mut Grads);
}

/// What a layer's backward needs, or the input to make it from.
enum LayerSaved<K> {
    Kept(Box<K>),
    Input(Tensor),
}

/// What the backward of one kind of encoder needs.
struct Trail<S, K> {
    shared: S,
    layers: Vec<LayerSaved<K>>,
}

enum TrailOf {
    Bert(Trail<bert::Shared, bert::Kept>),
    ModernBert(Trail<modernbert::Shared, modernbert::Kept>),
}

/// What an encoder's backward needs.
#[must_use]
pub struct Saved {
    pass: Pass,
    trail: TrailOf,
    final_norm: Option<layer_norm::Saved>,
}

fn forward<K: Kind>(kind: &K, layers: usize, batch: &Batch, pass: Pass) -> (Tensor, Trail<K::Shared, K::Kept>) {
    let (mut x, shared) = kind.embed(batch, pass);
    let mut trail = Trail { shared, layers: Vec::with_capacity(layers) };
    for number in 0..layers {
        let input = pass.checkpoint_layers.then(|| x.clone());
        let (y, kept) = kind.layer(number, x, &trail.shared, batch, pass);
        trail.layers.push(input.map_or_else(|| LayerSaved::Kept(Box::new(kept)), LayerSaved::Input));
        x = y;
    }
    (x, trail)
}

/// Hands what leaves the embeddings and each layer to `see`.
fn infer<K: Kind>(kind: &K, layers: usize, batch: &Batch, mut see: impl FnMut(&Tensor)) -> Tensor {
    let (mut x, shared) = kind.embed(batch, PLAIN);
    see(&x);
    for number in 0..layers {
        x = kind.layer(number, x, &shared, batch, PLAIN).0;
        see(&x);
    }
    x
}

fn backward<K: Kind>(
    kind: &K,
    trail: Trail<K::Shared, K::Kept>,
    batch: &Batch,
    pass: Pass,
    mut dx: Tensor,
    first: usize,
    grads: &mut dyn Stages,
) {
    let Trail { mut shared, layers } = trail;
    for (number, layer) in layers.into_iter().enumerate().rev() {
        if number + 1 < first {
            return;
        }
        let kept = match layer {
            LayerSaved::Kept(kept) => *kept,
            LayerSaved::Input(x) => kind.layer(number, x, &shared, batch, pass).1,
        };
        dx = grads.stage(|grads| kind.layer_backward(number, kept, &mut shared, batch, dx, grads));
    }
    if first == 0 {
        grads.stage(|grads| kind.embed_backward(shared, batch, dx, grads));
    }
}

impl Encoder<'_> {
    /// Hidden states (R, H), and what backward needs.
    ///
    /// # Panics
    /// If a sequence is longer than `positions_max`, or an id lies outside its table.
    pub fn forward(&self, batch: &Batch, pass: Pass) -> (Tensor, Saved) {
        let layers = self.config.layers;
        let (x, trail) = match &self.layout.parts {
            Parts::Bert(layout) => {
                let (x, trail) = forward(&Bert { encoder: *self, layout }, layers, batch, pass);
                (x, TrailOf::Bert(trail))
            }
            Parts::ModernBert(layout) => {
                let (x, trail) = forward(&ModernBert::new(*self, layout), layers, batch, pass);
                (x, TrailOf::ModernBert(trail))
            }
        };
        let (x, final_norm) = self.norm_if(x, self.layout.final_norm);
        (x, Saved { pass, trail, final_norm })
    }

    /// Hidden states (R, H) without dropout.
    pub fn infer(&self, batch: &Batch) -> Tensor {
        self.infer_seen(batch, |_| ())
    }

    /// The hidden states (R, H) after the embeddings and after each layer; the last as it leaves the encoder.
    pub fn hidden_states(&self, batch: &Batch) -> Vec<Tensor> {
        let mut states = Vec::new();
        let last = self.infer_seen(batch, |x| states.push(x.clone()));
        states[self.config.layers] = last;
        states
    }

    fn infer_seen(&self, batch: &Batch, see: impl FnMut(&Tensor)) -> Tensor {
        let layers = self.config.layers;
        let x = match &self.layout.parts {
            Parts::Bert(layout) => infer(&Bert { encoder: *self, layout }, layers, batch, see),
            Parts::ModernBert(layout) => infer(&ModernBert::new(*self, layout), layers, batch, see),
        };
        self.norm_if(x, self.layout.final_norm).0
    }

    /// The gradients of what learns go to `grads`. Stages below `first` have nothing that does: 0 is the embeddings,
    /// i + 1 layer i.
    pub fn backward(&self, saved: Saved, batch: &Batch, dx: Tensor, first: usize, grads: &mut dyn Stages) {
        let Saved { pass, trail, final_norm } = saved;
        let dx = match (final_norm, self.layout.final_norm) {
            (Some(saved), Some(norm)) => grads.stage(|grads| self.norm_backward(saved, norm, &dx, None, grads)),
            _ => dx,
        };
        match (trail, &self.layout.parts) {
            (TrailOf::Bert(trail), Parts::Bert(layout)) => {
                backward(&Bert { encoder: *self, layout }, trail, batch, pass, dx, first, grads);
            }
            (TrailOf::ModernBert(trail), Parts::ModernBert(layout)) => {
                backward(&ModernBert::new(*self, layout), trail, batch, pass, dx, first, grads);
            }
            _ => unreachable!("what one kind of encoder saved comes back to it"),
        }
    }

    /// The weight's and the bias's values.
    fn values(&self, affine: Affine) -> (&[f32], &[f32]) {
        (self.params.get(affine.weight), affine.bias().map_or(&[], |bias| self.params.get(bias)))
    }

    /// Applies a linear layer; returns what its backward needs too.
    pub fn linear(&self, x: Tensor, affine: Affine) -> (Tensor, linear::Saved) {
        let (weight, bias) = self.values(affine);
        linear::forward(x, weight, bias, self.precision)
    }

    /// Runs the backward of [`Encoder::linear`]: adds the gradient of `x` to `onto`, or returns it.
    pub fn linear_backward(
        &self,
        saved: linear::Saved,
        affine: Affine,
        dy: &Tensor,
        onto: Option<Tensor>,
        grads: &mut Grads,
    ) -> Tensor {
        let (weight, into) = self.gradients_of(affine, grads);
        saved.backward(weight, into, dy, onto)
    }

    /// A weight, and where its gradient and its bias's go.
    fn gradients_of<'g>(&self, affine: Affine, grads: &'g mut Grads) -> (&[f32], linear::ParamGrads<'g>) {
        let into = match affine.bias() {
            Some(bias) => into_spans(grads, (affine.weight, 1), (bias, 1)),
            None => linear::ParamGrads { weight: grads.span(affine.weight, 1), bias: None },
        };
        (self.params.get(affine.weight), into)
    }

    /// Applies a layer norm; returns what its backward needs too.
    pub fn norm(&self, x: Tensor, affine: Affine) -> (Tensor, layer_norm::Saved) {
        let (gain, bias) = self.values(affine);
        layer_norm::forward(x, gain, bias, self.config.layer_norm_eps)
    }

    /// x itself where there is no norm.
    fn norm_if(&self, x: Tensor, affine: Option<Affine>) -> (Tensor, Option<layer_norm::Saved>) {
        let Some(affine) = affine else { return (x, None) };
        let (y, saved) = self.norm(x, affine);
        (y, Some(saved))
    }

    /// Runs the backward of [`Encoder::norm`]: adds the gradient of `x` to `onto`, or returns it.
    pub fn norm_backward(
        &self,
        saved: layer_norm::Saved,
        affine: Affine,
        dy: &Tensor,
        onto: Option<Tensor>,
        grads: &mut Grads,
    ) -> Tensor {
        let gain = self.params.get(affine.weight);
        let into = grads.span(affine.weight, if affine.biased { 2 } else { 1 }).map(|slot| {
            let (gain, bias) = slot.split_at(gain.len());
            layer_norm::ParamGrads { gain, bias: affine.biased.then_some(bias) }
        });
        saved.backward(gain, into, dy, onto)
    }
}

/// Where the gradients of weights side by side, and of their biases side by side, go.
fn into_spans<'g>(grads: &'g mut Grads, weights: (SlotId, usize), biases: (SlotId, usize)) -> linear::ParamGrads<'g> {
    let [weight, bias] = grads.two_spans(weights, biases);
    linear::ParamGrads { weight, bias }
}
