//! y = x · Wᵀ + b.

use super::reduce::add_columns;
use crate::product::{Operand, Precision, Start, product};
use crate::tensor::Tensor;

/// The input, for backward.
#[must_use]
#[derive(Debug)]
pub struct Saved {
    x: Tensor,
    precision: Precision,
}

/// Where the gradients of W and b go.
#[derive(Debug)]
pub struct Into<'a> {
    /// Gradient of W (N × K), or `None` where W is frozen.
    pub weight: Option<&'a mut [f32]>,
    /// Whether `weight` holds a sum to add to, or anything at all.
    pub weight_accumulates: bool,
    /// Gradient of b (N).
    pub bias: Option<&'a mut [f32]>,
    /// As for the weight.
    pub bias_accumulates: bool,
}

/// y = x · Wᵀ + b.
///
/// # Shapes
/// x (R, K), weight (N, K), bias (N) → y (R, N).
/// # Precision
/// Factors as `precision` says, in backward too; sums over K in f32, in order of K.
/// # Panics
/// If a shape does not fit.
/// # Source
/// PyTorch `Linear`.
pub fn forward(x: Tensor, weight: &[f32], bias: &[f32], precision: Precision) -> (Tensor, Saved) {
    let (r, k, n) = (x.rows(), x.columns(), bias.len());
    assert_eq!(weight.len(), n * k, "linear: x is ({r}, {k}), bias ({n}), weight has {} elements", weight.len());
    let mut y = Tensor::unfilled(r, n);
    let (left, right) = (Operand::Rows(x.data(), k), Operand::Columns(weight, k));
    product(precision, (r, k, n), left, right, Start::Bias(bias), y.data_mut(), &|_, _| ());
    (y, Saved { x, precision })
}

impl Saved {
    /// dx = dy · W; dW (+)= dyᵀ · x; db (+)= Σ over rows of dy.
    pub fn backward(self, weight: &[f32], into: Into, dy: &Tensor) -> Tensor {
        let dx = input_gradient(weight, self.x.columns(), dy, self.precision);
        self.backward_parameters(into, dy);
        dx
    }

    /// The parameters' gradients alone, where nothing before this layer learns.
    pub fn backward_parameters(self, into: Into, dy: &Tensor) {
        let (r, k, n) = (self.x.rows(), self.x.columns(), dy.columns());
        dy.assert_shape("linear", "dy", r, n);
        if let Some(dw) = into.weight {
            let start = if into.weight_accumulates { Start::Accumulate } else { Start::Zero };
            let (left, right) = (Operand::Columns(dy.data(), n), Operand::Rows(self.x.data(), k));
            product(self.precision, (n, r, k), left, right, start, dw, &|_, _| ());
        }
        if let Some(db) = into.bias {
            add_columns(dy, into.bias_accumulates, db);
        }
    }
}

fn input_gradient(weight: &[f32], k: usize, dy: &Tensor, precision: Precision) -> Tensor {
    let (r, n) = (dy.rows(), dy.columns());
    assert_eq!(weight.len(), n * k, "linear: dy is ({r}, {n}), weight has {} elements", weight.len());
    let mut dx = Tensor::unfilled(r, k);
    let (left, right) = (Operand::Rows(dy.data(), n), Operand::Rows(weight, k));
    product(precision, (r, n, k), left, right, Start::Zero, dx.data_mut(), &|_, _| ());
    dx
}
