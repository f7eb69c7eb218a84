//! DeBERTa-v2's convolution beside the first layer: a convolution of the layer's input is added to its output.

use crate::bert::deberta::ConvolutionSettings;
use crate::bert::layout::ConvolutionSlots;
use crate::family::architecture::Context;
use tagsmith_kernel::memory::tensor::Tensor;
use tagsmith_kernel::op::dropout::{self, Dropout};
use tagsmith_kernel::op::sequences::Sequences;
use tagsmith_kernel::op::{activation, add, convolution, layer_norm, linear};
use tagsmith_kernel::params::Grads;

/// Values that the convolution's backward needs.
#[must_use]
pub(super) struct ConvolutionSaved {
    product: linear::Saved,
    dropout: Option<Dropout>,
    before_activation: Tensor,
    norm: layer_norm::Saved,
}

/// Returns norm(y + f(dropout(convolution of x))), sentence by sentence. `x` is the layer's input, `y` its output.
pub(super) fn join(
    context: &Context,
    settings: ConvolutionSettings,
    slots: ConvolutionSlots,
    (x, y): (&Tensor, &Tensor),
    sequences: &Sequences,
    dropout: Option<Dropout>,
) -> (Tensor, ConvolutionSaved) {
    let neighbors = convolution::unfold(x, sequences, settings.width);
    let (convolved, product) = context.linear(neighbors, slots.kernel);
    let before_activation = dropout::apply(&convolved, dropout);
    let mut sum = activation::forward(&before_activation, settings.activation);
    add::onto(y, &mut sum);
    let (joined, norm) = context.norm(sum, slots.norm);
    (joined, ConvolutionSaved { product, dropout, before_activation, norm })
}

impl ConvolutionSaved {
    /// Returns the gradient of `y`, and that of the neighbors of each row of `x`.
    pub(super) fn backward(
        self,
        context: &Context,
        settings: ConvolutionSettings,
        slots: ConvolutionSlots,
        dy: &Tensor,
        grads: &mut Grads,
    ) -> (Tensor, Tensor) {
        let dsum = context.norm_backward(self.norm, slots.norm, dy, None, grads);
        let dconvolved = activation::backward(&self.before_activation, settings.activation, dsum.copy());
        let dconvolved = dropout::apply(&dconvolved, self.dropout);
        let dneighbors = context.linear_backward(self.product, slots.kernel, &dconvolved, None, grads);
        (dsum, dneighbors)
    }
}

/// Adds to `dx` the gradients that its rows have as neighbors of other rows.
pub(super) fn add_neighbors(
    settings: ConvolutionSettings,
    dneighbors: &Tensor,
    sequences: &Sequences,
    dx: &mut Tensor,
) {
    convolution::fold_onto(dneighbors, sequences, settings.width, dx);
}
