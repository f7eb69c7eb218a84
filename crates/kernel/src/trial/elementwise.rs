//! Trials of operations on single elements: activations, gates, dropout.

use super::case::{Outcome, Run, Size, Trial};
use super::place::Place;
use crate::error::Error;
use crate::op::activation::{self, Activation};
use crate::op::dropout::{self, Dropout};
use crate::op::gated;
use crate::random::stream::Stream;

pub(super) const TRIALS: &[Trial] = &[
    Trial { name: "activations", prepare: activations },
    Trial { name: "gradients of activations", prepare: activations_backward },
    Trial { name: "gates", prepare: gate },
    Trial { name: "gradients of gates", prepare: gate_backward },
    Trial { name: "dropout", prepare: drop },
];

const ALL: [(Activation, &str); 5] = [
    (Activation::Gelu, "GELU"),
    (Activation::GeluTanh, "GELU by tanh"),
    (Activation::Relu, "ReLU"),
    (Activation::Silu, "SiLU"),
    (Activation::Tanh, "tanh"),
];

fn activations(place: Place<'_>, size: &Size) -> Result<Run, Error> {
    let x = place.tensor(1, size.rows(), size.inner, 4.0);
    Ok(Box::new(move || {
        ALL.map(|(function, name)| Outcome::new(name, activation::forward(&x, function), (4.0, 1), 1)).into()
    }))
}

fn activations_backward(place: Place<'_>, size: &Size) -> Result<Run, Error> {
    let (x, dy) = (place.tensor(1, size.rows(), size.inner, 4.0), place.tensor(2, size.rows(), size.inner, 1.0));
    Ok(Box::new(move || {
        ALL.map(|(function, name)| Outcome::new(name, activation::backward(&x, function, dy.copy()), (8.0, 1), 1))
            .into()
    }))
}

fn gate(place: Place<'_>, size: &Size) -> Result<Run, Error> {
    let x = place.tensor(1, size.rows(), 2 * size.inner, 2.0);
    Ok(Box::new(move || {
        ALL.map(|(function, name)| Outcome::new(name, gated::forward(&x, function), (4.0, 1), 1)).into()
    }))
}

fn gate_backward(place: Place<'_>, size: &Size) -> Result<Run, Error> {
    let (x, dz) = (place.tensor(1, size.rows(), 2 * size.inner, 2.0), place.tensor(2, size.rows(), size.inner, 1.0));
    Ok(Box::new(move || {
        ALL.map(|(function, name)| Outcome::new(name, gated::backward(x.copy(), function, &dz), (8.0, 1), 1)).into()
    }))
}

fn drop(place: Place<'_>, size: &Size) -> Result<Run, Error> {
    let x = place.tensor(1, size.rows(), size.hidden(), 1.0);
    Ok(Box::new(move || {
        let dropout = Dropout { rate: 0.3, stream: Stream::new(4), first_row: 5 };
        vec![Outcome::new("y", dropout::apply(&x, Some(dropout)), (2.0, 1), 1)]
    }))
}
