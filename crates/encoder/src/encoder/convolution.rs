//! DeBERTa-v2's convolution: what entered the first layer, convolved, is added to what leaves it.

use crate::batch::Batch;
use crate::config::Convolution;
use crate::encoder::Encoder;
use crate::layout;
use tagsmith_kernel::cpu::reduce;
use tagsmith_kernel::memory::tensor::Tensor;
use tagsmith_kernel::op::dropout::{self, Dropout};
use tagsmith_kernel::op::{activation, convolution, layer_norm, linear};
use tagsmith_kernel::params::Grads;

/// What its backward needs.
#[must_use]
pub(super) struct Saved {
    product: linear::Saved,
    dropout: Option<Dropout>,
    before_activation: Tensor,
    norm: layer_norm::Saved,
}

/// norm(y + f(dropout(convolution of x))), sentence by sentence; y is of the layer that x entered.
pub(super) fn join(
    encoder: &Encoder,
    settings: Convolution,
    layout: layout::Convolution,
    (x, y): (&Tensor, &Tensor),
    batch: &Batch,
    dropout: Option<Dropout>,
) -> (Tensor, Saved) {
    let neighbours = convolution::unfold(x, &batch.starts, settings.width);
    let (convolved, product) = encoder.linear(neighbours, layout.weight);
    let before_activation = dropout::apply(&convolved, dropout);
    let mut sum = activation::forward(&before_activation, settings.activation);
    reduce::add_tensor(y, &mut sum);
    let (joined, norm) = encoder.norm(sum, layout.norm);
    (joined, Saved { product, dropout, before_activation, norm })
}

impl Saved {
    /// The gradients of y and of the neighbours of each row of x.
    pub(super) fn backward(
        self,
        encoder: &Encoder,
        settings: Convolution,
        layout: layout::Convolution,
        dy: &Tensor,
        grads: &mut Grads,
    ) -> (Tensor, Tensor) {
        let dsum = encoder.norm_backward(self.norm, layout.norm, dy, None, grads);
        let copy = Tensor::from_slice(dsum.rows(), dsum.columns(), dsum.data());
        let dconvolved = activation::backward(&self.before_activation, settings.activation, copy);
        let dconvolved = dropout::apply(&dconvolved, self.dropout);
        let dneighbours = encoder.linear_backward(self.product, layout.weight, &dconvolved, None, grads);
        (dsum, dneighbours)
    }
}

/// Adds to dx what the gradients of its rows' neighbours say of it.
pub(super) fn add_neighbours(settings: Convolution, dneighbours: &Tensor, batch: &Batch, dx: &mut Tensor) {
    convolution::fold_onto(dneighbours, &batch.starts, settings.width, dx);
}
