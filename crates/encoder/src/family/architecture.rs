//! The contract between a family of encoders and the driver, and what every family computes with.

use crate::batch::Batch;
use crate::family::shape::Shape;
use crate::family::slots::Affine;
use tagsmith_kernel::Precision;
use tagsmith_kernel::memory::tensor::Tensor;
use tagsmith_kernel::memory::values::View;
use tagsmith_kernel::op::dropout::Dropout;
use tagsmith_kernel::op::{layer_norm, linear};
use tagsmith_kernel::params::{Grads, Params, SlotId};
use tagsmith_kernel::random::stream::Stream;

/// Settings of one forward pass.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    /// The stream that decides dropout. Without it nothing is dropped.
    pub dropout: Option<Stream>,
    /// The number of the batch's first row in the whole step.
    pub first_row: usize,
    /// Whether to keep only each layer's input, and compute the rest again in backward.
    pub checkpoint_layers: bool,
}

/// The dropout stream of the embeddings. The streams of layers are numbered from 0.
pub const EMBEDDINGS: u64 = u64::MAX;

/// The dropout stream of a head.
pub const HEAD: u64 = u64::MAX - 1;

impl Pass {
    /// Returns the dropout at one place of one layer, if the pass has any.
    pub fn dropout(self, layer: u64, place: u64, rate: f32) -> Option<Dropout> {
        let Pass { dropout, first_row, .. } = self;
        let stream = dropout.filter(|_| rate > 0.0)?;
        Some(Dropout { rate, stream: stream.child(layer).child(place), first_row })
    }
}

/// A family of encoders: embeddings, a layer, and the backward of both. `encoder.rs` runs the layers.
pub trait Architecture {
    /// Values that all layers read, and what the backward of the embeddings needs.
    type Shared: 'static;
    /// Values that the backward of one layer needs.
    type LayerActivations: 'static;

    /// Computes the input of the first layer, (R, H).
    fn embed(&self, batch: &Batch, pass: Pass) -> (Tensor, Self::Shared);

    /// Computes one layer: (R, H) → (R, H).
    fn layer(&self, number: usize, x: Tensor, shared: &Self::Shared, pass: Pass) -> (Tensor, Self::LayerActivations);

    /// Writes the gradients of the layer's parameters to `grads`. Returns the gradient of the layer's input.
    fn layer_backward(
        &self,
        number: usize,
        kept: Self::LayerActivations,
        shared: &mut Self::Shared,
        dy: Tensor,
        grads: &mut Grads,
    ) -> Tensor;

    /// Writes the gradients of all parameters outside the layers to `grads`.
    fn embed_backward(&self, shared: Self::Shared, batch: &Batch, dy: Tensor, grads: &mut Grads);
}

/// Sizes, parameter values and precision: what every layer computes with.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The encoder's sizes and rates.
    pub shape: &'a Shape,
    /// The parameters of the whole model.
    pub params: &'a Params,
    /// How the factors of products are rounded.
    pub precision: Precision,
}

impl<'a> Context<'a> {
    /// Returns the values of a weight and of its bias, which is empty if there is none.
    pub fn values(&self, affine: Affine) -> (View<'a>, View<'a>) {
        (self.params.get(affine.weight), affine.bias().map_or(View::EMPTY, |bias| self.params.get(bias)))
    }

    /// Applies a linear layer. Returns what its backward needs too.
    pub fn linear(&self, x: Tensor, affine: Affine) -> (Tensor, linear::Saved) {
        let (weight, bias) = self.values(affine);
        linear::forward(x, weight, bias, self.precision)
    }

    /// Runs the backward of [`Context::linear`]. Returns the gradient of `x`, added to `onto` if that is given.
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

    /// Returns a weight's values, and the place of its gradient and of its bias's gradient.
    pub fn gradients_of<'g>(&self, affine: Affine, grads: &'g mut Grads) -> (View<'a>, linear::ParamGrads<'g>) {
        let into = match affine.bias() {
            Some(bias) => into_spans(grads, (affine.weight, 1), (bias, 1)),
            None => linear::ParamGrads { weight: grads.span(affine.weight, 1), bias: None },
        };
        (self.params.get(affine.weight), into)
    }

    /// Applies a layer norm. Returns what its backward needs too.
    pub fn norm(&self, x: Tensor, affine: Affine) -> (Tensor, layer_norm::Saved) {
        let (gain, bias) = self.values(affine);
        layer_norm::forward(x, gain, bias, self.shape.layer_norm_eps)
    }

    /// Applies a layer norm where there is one. Returns `x` otherwise.
    pub fn norm_if(&self, x: Tensor, affine: Option<Affine>) -> (Tensor, Option<layer_norm::Saved>) {
        let Some(affine) = affine else { return (x, None) };
        let (y, saved) = self.norm(x, affine);
        (y, Some(saved))
    }

    /// Runs the backward of [`Context::norm`]. Returns the gradient of `x`, added to `onto` if that is given.
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

/// Returns the places of the gradients of weights side by side, and of their biases side by side.
pub fn into_spans<'g>(
    grads: &'g mut Grads,
    weights: (SlotId, usize),
    biases: (SlotId, usize),
) -> linear::ParamGrads<'g> {
    let [weight, bias] = grads.two_spans(weights, biases);
    linear::ParamGrads { weight, bias }
}
