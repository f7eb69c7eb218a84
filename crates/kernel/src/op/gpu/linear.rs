//! Linear layers on a GPU.

use super::{gpu, product};
use crate::memory::tensor::Tensor;
use crate::memory::values::View;
use crate::params::GradSlot;
use tagsmith_device::kernels::Mask;
use tagsmith_device::kernels::activation::{Activation, Backward, Forward};
use tagsmith_device::kernels::elementwise::Join;
use tagsmith_device::kernels::sums::{ColumnSums, sum_blocks};
use tagsmith_device::multiply::Element;
use tagsmith_device::multiply::plans::{self, RowMajor, Start};

/// Returns y = x · Wᵀ + b.
pub fn forward(x: &Tensor, weight: View, bias: View) -> Tensor {
    match x.element() {
        _ if bias.is_empty() => multiplied(x, weight, Start::Zero),
        Element::F32 => multiplied(x, weight, Start::Bias(bias.address())),
        // A product's bias has the type of its result, and biases are f32.
        Element::Bf16 => join(multiplied(x, weight, Start::Zero), bias, Mask::NONE, 0),
    }
}

/// Returns f(u) and u = x · Wᵀ + b.
pub fn forward_activated(x: &Tensor, weight: View, bias: View, activation: Activation) -> (Tensor, Tensor) {
    let mut u = multiplied(x, weight, Start::Zero);
    let mut y = u.unfilled_beside(u.rows(), u.columns());
    let at = u.address_mut();
    let forward = Forward {
        element: u.element(),
        x: at,
        bias: bias.address(),
        u: at,
        y: y.address_mut(),
        rows: u.rows(),
        columns: u.columns(),
        activation,
    };
    gpu(x).launch(&forward.launch());
    (y, u)
}

/// Returns dropout(x · Wᵀ + b) + residual.
pub fn forward_joined(x: &Tensor, weight: View, bias: View, mask: Mask, residual: &Tensor) -> Tensor {
    join(multiplied(x, weight, Start::Zero), bias, mask, residual.address())
}

/// Returns mask · (y + bias) / (1 − rate) + residual, in the memory of y. A residual of 0 is none.
fn join(mut y: Tensor, bias: View, mask: Mask, residual: u64) -> Tensor {
    let at = y.address_mut();
    let join = Join {
        element: y.element(),
        x: at,
        bias: bias.address(),
        residual,
        y: at,
        rows: y.rows(),
        columns: y.columns(),
        mask,
    };
    gpu(&y).launch(&join.launch());
    y
}

/// Returns dx = dy · W, added to `onto` if that is given.
pub fn input_gradient(x: &Tensor, weight: View, dy: &Tensor, onto: Option<Tensor>) -> Tensor {
    let start = if onto.is_some() { Start::Accumulate } else { Start::Zero };
    let mut dx = onto.unwrap_or_else(|| x.unfilled_beside(x.rows(), x.columns()));
    let weight = product::of_parameter(weight, x.element(), dy.columns(), x.columns());
    let plan = plans::input_gradient(product::of(dy), weight, start, product::to(&mut dx));
    product::run(gpu(x), plan, dx.view_mut());
    dx
}

/// Returns du = f′(u) · (dy · W), and x = f(u) once more.
pub fn backward_activated(weight: View, dy: &Tensor, activation: Activation, u: &Tensor) -> (Tensor, Tensor) {
    let mut du = input_gradient(u, weight, dy, None);
    let mut x = u.unfilled_beside(u.rows(), u.columns());
    let at = du.address_mut();
    let backward = Backward {
        element: u.element(),
        u: u.address(),
        dy: at,
        dx: at,
        y: x.address_mut(),
        n: u.rows() * u.columns(),
        activation,
    };
    gpu(u).launch(&backward.launch());
    (du, x)
}

/// Computes dW = dyᵀ · x and db = Σ over rows of dy.
pub fn backward_parameters(x: &Tensor, weight: Option<GradSlot>, bias: Option<GradSlot>, dy: &Tensor) {
    let (gpu, rows, k, n) = (gpu(x), x.rows(), x.columns(), dy.columns());
    if let Some(slot) = weight {
        let (dw, holds_sum) = slot.into_parts();
        assert_eq!(dw.len(), n * k, "linear: x is ({rows}, {k}), the weight's gradient has {} elements", dw.len());
        let start = if holds_sum { Start::Accumulate } else { Start::Zero };
        let out = RowMajor::dense(dw.address(), Element::F32, n as u64, k as u64);
        product::run(gpu, plans::weight_gradient(product::of(dy), product::of(x), start, out), dw);
    }
    if let Some(slot) = bias {
        bias_gradient(slot, dy);
    }
}

/// Computes db = Σ over rows of dy.
pub fn bias_gradient(slot: GradSlot, dy: &Tensor) {
    let (gpu, rows, columns) = (gpu(dy), dy.rows(), dy.columns());
    let (db, holds_sum) = slot.into_parts();
    assert_eq!(db.len(), columns, "linear: {columns} columns, the bias's gradient has {} elements", db.len());
    let mut partials = Tensor::unfilled_on(gpu, Element::F32, sum_blocks(rows), columns);
    let sums = ColumnSums {
        element: dy.element(),
        x: dy.address(),
        partials: partials.address_mut(),
        out: db.address(),
        rows,
        columns,
        onto: holds_sum,
    };
    gpu.launch(&sums.launch());
}

fn multiplied(x: &Tensor, weight: View, start: Start) -> Tensor {
    let (k, n) = (x.columns(), weight.len() / x.columns());
    let mut y = x.unfilled_beside(x.rows(), n);
    let plan =
        plans::forward(product::of(x), product::of_parameter(weight, x.element(), n, k), start, product::to(&mut y));
    product::run(gpu(x), plan, y.view_mut());
    y
}
