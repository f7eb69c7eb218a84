//! Linear layers: y = x · Wᵀ + b.

use super::activation::{self, Activation};
use super::dropout::Dropout;
use super::gpu;
use crate::cpu::product::operand::{Operand, Precision, Start};
use crate::cpu::product::{Product, product, product_then};
use crate::cpu::reduce::{add_area, add_columns};
use crate::memory::tensor::{Area, Tensor};
use crate::memory::values::View;
use crate::params::GradSlot;
use std::ops::Range;

/// The input of a linear layer, for backward.
#[must_use]
#[derive(Debug)]
pub struct Saved {
    x: Tensor,
    precision: Precision,
}

/// Destination of the gradients of a linear layer's parameters. `None` means that the parameter is frozen or absent.
#[derive(Debug)]
pub struct ParamGrads<'a> {
    /// Gradient of the weight, shape (N, K).
    pub weight: Option<GradSlot<'a>>,
    /// Gradient of the bias, shape (N).
    pub bias: Option<GradSlot<'a>>,
}

/// Returns y = x · Wᵀ + b.
///
/// # Shapes
/// x (R, K), weight (N, K), bias (N, or empty) → y (R, N).
/// # Precision
/// Factors as `precision` says, in backward too; sums over K in f32, in order of K.
/// # Panics
/// If a shape does not fit.
/// # Source
/// PyTorch `Linear`.
pub fn forward(x: Tensor, weight: View, bias: View, precision: Precision) -> (Tensor, Saved) {
    if x.gpu().is_some() {
        assert_fits(&x, weight, bias);
        return (gpu::linear::forward(&x, weight, bias), Saved { x, precision });
    }
    forward_then(x, weight, bias, precision, None, |_, _, _| ())
}

/// Returns f(u) for u = x · Wᵀ + b, and u itself, which backward of f needs.
pub fn forward_activated(
    x: Tensor,
    weight: View,
    bias: View,
    precision: Precision,
    activation: Activation,
) -> (Tensor, Tensor, Saved) {
    if x.gpu().is_some() {
        assert_fits(&x, weight, bias);
        let (y, u) = gpu::linear::forward_activated(&x, weight, bias, activation.on_gpu());
        return (y, u, Saved { x, precision });
    }
    let mut y = Tensor::unfilled(x.rows(), outputs(&x, weight));
    let out = y.area_mut();
    let (u, saved) = forward_then(x, weight, bias, precision, Some(out), |rows, columns, u| {
        activation::apply(activation, u, out.part(rows, columns));
    });
    (y, u, saved)
}

/// Returns dropout(x · Wᵀ + b) + residual.
pub fn forward_joined(
    x: Tensor,
    weight: View,
    bias: View,
    precision: Precision,
    dropout: Option<Dropout>,
    residual: &Tensor,
) -> (Tensor, Saved) {
    residual.assert_shape("linear", "residual", x.rows(), outputs(&x, weight));
    if x.gpu().is_some() {
        assert_fits(&x, weight, bias);
        let mask = Dropout::on_gpu(dropout);
        return (gpu::linear::forward_joined(&x, weight, bias, mask, residual), Saved { x, precision });
    }
    forward_then(x, weight, bias, precision, Some(residual.area()), |rows, columns, y| {
        let residual = residual.area().part(rows.clone(), columns.clone());
        match dropout {
            Some(dropout) => dropout.mask(rows, columns, y, Some(residual), y),
            None => add_area(residual, y),
        }
    })
}

fn forward_then(
    x: Tensor,
    weight: View,
    bias: View,
    precision: Precision,
    beside: Option<Area>,
    finish: impl Fn(Range<usize>, Range<usize>, Area) + Sync,
) -> (Tensor, Saved) {
    let (r, k, n) = (x.rows(), x.columns(), outputs(&x, weight));
    assert_fits(&x, weight, bias);
    let start = if bias.is_empty() { Start::Zero } else { Start::Bias(bias.host()) };
    let mut y = Tensor::unfilled(r, n);
    let (left, right) = (Operand::Rows(x.data(), k), Operand::Columns(weight.host(), k));
    let product = Product { precision, shape: (r, k, n), a: left, b: right, start };
    product_then(product, y.data_mut(), beside, finish);
    (y, Saved { x, precision })
}

fn assert_fits(x: &Tensor, weight: View, bias: View) {
    let (r, k, n) = (x.rows(), x.columns(), outputs(x, weight));
    let fits = weight.len() == n * k && (bias.is_empty() || bias.len() == n);
    assert!(fits, "linear: x is ({r}, {k}), bias ({}), weight has {} elements", bias.len(), weight.len());
}

/// Returns N, the rows of a weight.
fn outputs(x: &Tensor, weight: View) -> usize {
    weight.len() / x.columns()
}

impl Saved {
    /// Returns dx = dy · W, added to `onto` if that is given. dW = dyᵀ · x and db = Σ over rows of dy go to `grads`.
    pub fn backward(self, weight: View, grads: ParamGrads, dy: &Tensor, onto: Option<Tensor>) -> Tensor {
        if self.x.gpu().is_some() {
            assert_gradient_fits(&self.x, weight, dy);
            let dx = gpu::linear::input_gradient(&self.x, weight, dy, onto);
            self.backward_parameters(grads, dy);
            return dx;
        }
        let start = if onto.is_some() { Start::Accumulate } else { Start::Zero };
        let mut dx = onto.unwrap_or_else(|| Tensor::unfilled(self.x.rows(), self.x.columns()));
        dx.assert_shape("linear", "dx", self.x.rows(), self.x.columns());
        input_gradient(weight, dy, self.precision, start, &mut dx, None, |_, _, _| ());
        self.backward_parameters(grads, dy);
        dx
    }

    /// Computes the parameters' gradients alone, where nothing before this layer learns.
    pub fn backward_parameters(self, grads: ParamGrads, dy: &Tensor) {
        let (r, k, n) = (self.x.rows(), self.x.columns(), dy.columns());
        dy.assert_shape("linear", "dy", r, n);
        if self.x.gpu().is_some() {
            return gpu::linear::backward_parameters(&self.x, grads.weight, grads.bias, dy);
        }
        if let Some(slot) = grads.weight {
            let (dw, holds_sum) = slot.into_host();
            let start = if holds_sum { Start::Accumulate } else { Start::Unread };
            let (left, right) = (Operand::Columns(dy.data(), n), Operand::Rows(self.x.data(), k));
            product(self.precision, (n, r, k), left, right, start, dw);
        }
        if let Some(slot) = grads.bias {
            let (db, holds_sum) = slot.into_host();
            add_columns(dy, holds_sum, db);
        }
    }
}

/// Returns du = f′(u) · (dy · W) for a layer whose input was x = f(u). Since u is kept for f, x need not be kept, and is
/// computed again.
pub fn backward_activated(
    weight: View,
    grads: ParamGrads,
    dy: &Tensor,
    precision: Precision,
    activation: Activation,
    u: &Tensor,
) -> Tensor {
    if u.gpu().is_some() {
        assert_gradient_fits(u, weight, dy);
        let (du, x) = gpu::linear::backward_activated(weight, dy, activation.on_gpu(), u);
        Saved { x, precision }.backward_parameters(grads, dy);
        return du;
    }
    let (mut x, mut du) = (Tensor::unfilled(u.rows(), u.columns()), Tensor::unfilled(u.rows(), u.columns()));
    let again = x.area_mut();
    input_gradient(weight, dy, precision, Start::Zero, &mut du, Some(u.area()), |rows, columns, dx| {
        let [u, x] = [u.area(), again].map(|whole| whole.part(rows.clone(), columns.clone()));
        activation::apply_slope(activation, u, Some(x), dx);
    });
    Saved { x, precision }.backward_parameters(grads, dy);
    du
}

fn assert_gradient_fits(x: &Tensor, weight: View, dy: &Tensor) {
    let (r, k, n) = (x.rows(), x.columns(), dy.columns());
    assert_eq!(weight.len(), n * k, "linear: dy is ({r}, {n}), weight has {} elements", weight.len());
    dy.assert_shape("linear", "dy", r, n);
}

/// Computes dx = dy · W.
fn input_gradient(
    weight: View,
    dy: &Tensor,
    precision: Precision,
    start: Start,
    dx: &mut Tensor,
    beside: Option<Area>,
    finish: impl Fn(Range<usize>, Range<usize>, Area) + Sync,
) {
    let (r, k, n) = (dx.rows(), dx.columns(), dy.columns());
    assert_gradient_fits(dx, weight, dy);
    let (left, right) = (Operand::Rows(dy.data(), n), Operand::Rows(weight.host(), k));
    let product = Product { precision, shape: (r, n, k), a: left, b: right, start };
    product_then(product, dx.data_mut(), beside, finish);
}
