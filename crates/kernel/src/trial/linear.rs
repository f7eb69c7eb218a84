//! Trials of linear layers: products of all plans, and what follows them.

use super::case::{Outcome, Run, Size, Trial};
use super::place::Place;
use crate::Precision;
use crate::error::Error;
use crate::memory::tensor::Tensor;
use crate::op::activation::Activation;
use crate::op::dropout::Dropout;
use crate::op::linear;
use crate::params::GradSlot;
use crate::random::stream::Stream;

/// Layers by their inputs and outputs: to queries, keys and values; of attention; in and out of a feed-forward network; to
/// the labels.
pub(super) const TRIALS: &[Trial] = &[
    Trial { name: "linear H → 3H", prepare: |p, s| layer(p, s, to_qkv(s)) },
    Trial { name: "linear H → 3H and gradients", prepare: |p, s| backward(p, s, to_qkv(s)) },
    Trial { name: "linear H → H, dropout, residual", prepare: |p, s| joined(p, s, square(s)) },
    Trial { name: "linear H → H and gradients", prepare: |p, s| backward(p, s, square(s)) },
    Trial { name: "linear H → F, GELU", prepare: |p, s| activated(p, s, inward(s)) },
    Trial { name: "linear H → F and gradients", prepare: |p, s| backward(p, s, inward(s)) },
    Trial { name: "linear F → H, dropout, residual", prepare: |p, s| joined(p, s, outward(s)) },
    Trial {
        name: "gradients of GELU, F → H", prepare: |p, s| activated_backward(p, s, outward(s), Activation::Gelu)
    },
    Trial {
        name: "gradients of tanh, H → labels",
        prepare: |p, s| activated_backward(p, s, to_labels(s), Activation::Tanh),
    },
    Trial { name: "linear H → labels", prepare: |p, s| layer(p, s, to_labels(s)) },
    Trial { name: "linear H → labels and gradients", prepare: |p, s| backward(p, s, to_labels(s)) },
];

/// Inputs and outputs of a layer.
type Shape = (usize, usize);

fn to_qkv(size: &Size) -> Shape {
    (size.hidden(), 3 * size.hidden())
}

fn square(size: &Size) -> Shape {
    (size.hidden(), size.hidden())
}

fn inward(size: &Size) -> Shape {
    (size.hidden(), size.inner)
}

fn outward(size: &Size) -> Shape {
    (size.inner, size.hidden())
}

fn to_labels(size: &Size) -> Shape {
    (size.hidden(), size.labels)
}

fn dropout() -> Option<Dropout> {
    Some(Dropout { rate: 0.1, stream: Stream::new(3), first_row: 7 })
}

fn layer(place: Place<'_>, size: &Size, (k, n): Shape) -> Result<Run, Error> {
    let (x, parameters) = (place.tensor(1, size.rows(), k, 1.0), place.parameters(2, &[n * k, n], 1.0)?);
    Ok(Box::new(move || {
        let y = linear::forward(x.clone(), parameters.get(0), parameters.get(1), Precision::F32).0;
        // In bf16 the bias is added to a rounded product.
        vec![Outcome::new("y", y, (2.0, k), 3)]
    }))
}

fn activated(place: Place<'_>, size: &Size, (k, n): Shape) -> Result<Run, Error> {
    let (x, parameters) = (place.tensor(1, size.rows(), k, 1.0), place.parameters(2, &[n * k, n], 1.0)?);
    Ok(Box::new(move || {
        let (weight, bias) = (parameters.get(0), parameters.get(1));
        let (y, u, _) = linear::forward_activated(x.clone(), weight, bias, Precision::F32, Activation::Gelu);
        vec![Outcome::new("u", u, (2.0, k), 3), Outcome::new("y", y, (4.0, k), 4)]
    }))
}

fn joined(place: Place<'_>, size: &Size, (k, n): Shape) -> Result<Run, Error> {
    let (x, parameters) = (place.tensor(1, size.rows(), k, 1.0), place.parameters(2, &[n * k, n], 1.0)?);
    let residual = place.tensor(4, size.rows(), n, 1.0);
    Ok(Box::new(move || {
        let (weight, bias) = (parameters.get(0), parameters.get(1));
        let y = linear::forward_joined(x.clone(), weight, bias, Precision::F32, dropout(), &residual).0;
        vec![Outcome::new("y", y, (4.0, k), 3)]
    }))
}

fn backward(place: Place<'_>, size: &Size, (k, n): Shape) -> Result<Run, Error> {
    let rows = size.rows();
    let (x, parameters) = (place.tensor(1, rows, k, 1.0), place.parameters(2, &[n * k, n], 1.0)?);
    let (dy, onto) = (place.tensor(4, rows, n, 1.0), place.tensor(5, rows, k, 1.0));
    let (dweight, dbias) = (place.gradient(6, n * k), place.gradient(7, n));
    Ok(Box::new(move || {
        let (weight, bias) = (parameters.get(0), parameters.get(1));
        let saved = linear::forward(x.clone(), weight, bias, Precision::F32).1;
        let (mut dw, mut db) = (dweight.copy(), dbias.copy());
        let into =
            linear::ParamGrads { weight: Some(GradSlot::Add(dw.view_mut())), bias: Some(GradSlot::Add(db.view_mut())) };
        let dx = saved.backward(weight, into, &dy, Some(onto.copy()));
        outcomes([dx, dw, db], rows, n)
    }))
}

fn activated_backward(place: Place<'_>, size: &Size, (k, n): Shape, function: Activation) -> Result<Run, Error> {
    let rows = size.rows();
    let (u, parameters) = (place.tensor(1, rows, k, 2.0), place.parameters(2, &[n * k, n], 1.0)?);
    let (dy, dweight, dbias) = (place.tensor(4, rows, n, 1.0), place.gradient(6, n * k), place.gradient(7, n));
    Ok(Box::new(move || {
        let (mut dw, mut db) = (dweight.copy(), dbias.copy());
        let into = linear::ParamGrads {
            weight: Some(GradSlot::Overwrite(dw.view_mut())),
            bias: Some(GradSlot::Overwrite(db.view_mut())),
        };
        let weight = parameters.get(0);
        let du = linear::backward_activated(weight, into, &dy, Precision::F32, function, &u);
        outcomes([du, dw, db], rows, n)
    }))
}

/// Returns the gradients of a layer's input, weight and bias. In bf16 an activated input is rounded again.
fn outcomes([dx, dw, db]: [Tensor; 3], rows: usize, n: usize) -> Vec<Outcome> {
    vec![
        Outcome::new("dx", dx, (8.0, n), 3),
        Outcome::new("the weight's gradient", dw, (8.0, rows), 2),
        Outcome::new("the bias's gradient", db, (2.0, rows), 0),
    ]
}
