//! Trials of operations on rows: embeddings, layer norm, and their gradients.

use super::case::{Outcome, Run, Size, Trial};
use super::place::Place;
use crate::error::Error;
use crate::memory::values::View;
use crate::op::{embedding, layer_norm};
use crate::params::GradSlot;
use crate::params::table::Rows;

pub(super) const TRIALS: &[Trial] = &[
    Trial { name: "embedding", prepare: embed },
    Trial { name: "rows of one table", prepare: take },
    Trial { name: "embedding's gradient", prepare: embed_backward },
    Trial { name: "layer norm", prepare: norm },
    Trial { name: "layer norm and its gradients", prepare: norm_backward },
    Trial { name: "layer norm without bias and its gradient", prepare: plain_norm },
];

/// The epsilon of layer norms.
const EPSILON: f32 = 1e-5;

/// Returns a table's row for each row of a batch; some rows of the table come often.
fn indexes(rows: usize, of: usize) -> Vec<u32> {
    (0..rows).map(|row| (row * 7 % of) as u32).collect()
}

fn embed(place: Place<'_>, size: &Size) -> Result<Run, Error> {
    let (rows, h) = (size.rows(), size.hidden());
    let tables = place.parameters(1, &[rows * h, 5 * h, 2 * h], 1.0)?;
    let indexes = [indexes(rows, rows), indexes(rows, 5), indexes(rows, 2)];
    Ok(Box::new(move || {
        let table = |number: usize| (Rows::Dense(tables.get(number)), &indexes[number][..]);
        let y = embedding::forward(h, &[table(0), table(1), table(2)]);
        vec![Outcome::new("y", y, (2.0, 3), 1)]
    }))
}

fn take(place: Place<'_>, size: &Size) -> Result<Run, Error> {
    let (rows, h) = (size.rows(), size.hidden());
    let (table, indexes) = (place.parameters(1, &[rows * h], 1.0)?, indexes(rows, rows));
    Ok(Box::new(move || {
        let y = embedding::forward(h, &[(Rows::Dense(table.get(0)), &indexes)]);
        vec![Outcome::new("y", y, (1.0, 1), 1)]
    }))
}

fn embed_backward(place: Place<'_>, size: &Size) -> Result<Run, Error> {
    let (rows, h) = (size.rows(), size.hidden());
    let (indexes, dy, before) = (indexes(rows, 5), place.tensor(1, rows, h, 1.0), place.gradient(2, 5 * h));
    Ok(Box::new(move || {
        let mut dtable = before.copy();
        embedding::backward(&indexes, &dy, Some(2), GradSlot::Add(dtable.view_mut()));
        vec![Outcome::new("the table's gradient", dtable, (2.0, indexes.len()), 0)]
    }))
}

fn norm(place: Place<'_>, size: &Size) -> Result<Run, Error> {
    let h = size.hidden();
    let (x, parameters) = (place.tensor(1, size.rows(), h, 1.0), place.parameters(2, &[h, h], 1.0)?);
    Ok(Box::new(move || {
        let (y, _) = layer_norm::forward(x.clone(), parameters.get(0), parameters.get(1), EPSILON);
        vec![Outcome::new("y", y, (4.0, h), 1)]
    }))
}

fn norm_backward(place: Place<'_>, size: &Size) -> Result<Run, Error> {
    let (rows, h) = (size.rows(), size.hidden());
    let (x, parameters) = (place.tensor(1, rows, h, 1.0), place.parameters(2, &[h, h], 1.0)?);
    let (dy, onto, before) = (place.tensor(4, rows, h, 1.0), place.tensor(5, rows, h, 1.0), place.gradient(6, h));
    Ok(Box::new(move || {
        let (gain, bias) = (parameters.get(0), parameters.get(1));
        let (_, saved) = layer_norm::forward(x.clone(), gain, bias, EPSILON);
        let [mut dgain, mut dbias] = [before.copy(), before.copy()];
        let into = layer_norm::ParamGrads {
            gain: GradSlot::Add(dgain.view_mut()),
            bias: Some(GradSlot::Overwrite(dbias.view_mut())),
        };
        let dx = saved.backward(gain, Some(into), &dy, Some(onto.copy()));
        vec![
            Outcome::new("dx", dx, (16.0, h), 1),
            Outcome::new("the gain's gradient", dgain, (8.0, rows), 0),
            Outcome::new("the bias's gradient", dbias, (2.0, rows), 0),
        ]
    }))
}

fn plain_norm(place: Place<'_>, size: &Size) -> Result<Run, Error> {
    let (rows, h) = (size.rows(), size.hidden());
    let (x, parameters) = (place.tensor(1, rows, h, 1.0), place.parameters(2, &[h], 1.0)?);
    let dy = place.tensor(4, rows, h, 1.0);
    Ok(Box::new(move || {
        let (y, saved) = layer_norm::forward(x.clone(), parameters.get(0), View::EMPTY, EPSILON);
        let dx = saved.backward(parameters.get(0), None, &dy, None);
        vec![Outcome::new("y", y, (4.0, h), 1), Outcome::new("dx", dx, (16.0, h), 1)]
    }))
}
