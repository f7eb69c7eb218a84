//! Layer norm on a GPU.

use super::gpu;
use crate::memory::tensor::Tensor;
use crate::memory::values::View;
use crate::params::GradSlot;
use tagsmith_device::kernels::layer_norm::{Backward, Forward, ParameterSums};
use tagsmith_device::multiply::Element;

/// Returns y, and the statistics (R, 2).
pub fn forward(x: &Tensor, gain: View, bias: View, epsilon: f32) -> (Tensor, Tensor) {
    let (rows, columns) = (x.rows(), x.columns());
    let mut y = x.unfilled_beside(rows, columns);
    let mut statistics = Tensor::unfilled_on(gpu(x), Element::F32, rows, 2);
    let norm = Forward {
        element: x.element(),
        x: x.address(),
        gain: gain.address(),
        bias: bias.address(),
        y: y.address_mut(),
        statistics: statistics.address_mut(),
        rows,
        columns,
        epsilon,
    };
    gpu(x).launch(&norm.launch());
    (y, statistics)
}

/// Computes dx, and adds it to what is there if `accumulates`. `grads` are the gradients of the gain and of the bias.
///
/// # Panics
/// If a gradient of the gain or of the bias has not H elements.
pub fn backward(
    x: &Tensor,
    statistics: &Tensor,
    gain: View,
    grads: Option<(GradSlot, Option<GradSlot>)>,
    dy: &Tensor,
    (dx, accumulates): (&mut Tensor, bool),
) {
    let (rows, columns, element) = (x.rows(), x.columns(), x.element());
    let (x_at, statistics) = (x.address(), statistics.address());
    let norm = Backward {
        element,
        x: x_at,
        gain: gain.address(),
        statistics,
        dy: dy.address(),
        dx: dx.address_mut(),
        rows,
        columns,
        onto: accumulates,
    };
    gpu(x).launch(&norm.launch());
    if let Some((gain, bias)) = grads {
        let partial = ParameterSums::partial(rows, columns);
        let mut partials = Tensor::unfilled_on(gpu(x), Element::F32, 2, partial);
        let (dgain, gain_holds_sum) = gain.into_parts();
        let bias = bias.map(GradSlot::into_parts);
        let fits = dgain.len() == columns && bias.as_ref().is_none_or(|(dbias, _)| dbias.len() == columns);
        assert!(fits, "layer_norm: x is ({rows}, {columns})");
        let (dbias, bias_holds_sum) = bias.map_or((0, false), |(dbias, holds_sum)| (dbias.address(), holds_sum));
        let sums = ParameterSums {
            element,
            x: x_at,
            statistics,
            dy: dy.address(),
            partials: partials.address_mut(),
            dgain: dgain.address(),
            dbias,
            rows,
            columns,
            onto: [gain_holds_sum, bias_holds_sum],
        };
        gpu(x).launch(&sums.launch());
    }
}
