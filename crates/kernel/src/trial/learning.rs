//! Trials of what only learning does: the loss, the norm of gradients, the update.

use super::case::{Found, Outcome, Run, Size, Trial};
use super::place::Place;
use crate::error::Error;
use crate::memory::values::View;
use crate::op::adamw::{self, AdamW, Kept, Part};
use crate::op::clip::clip;
use crate::op::label_loss::{self, Objective};

pub(super) const TRIALS: &[Trial] = &[
    Trial { name: "cross-entropy", prepare: loss },
    Trial { name: "norm of gradients", prepare: norm },
    Trial { name: "AdamW", prepare: update },
];

/// Returns the number of weights of a feed-forward network's layer.
fn weights(size: &Size) -> usize {
    size.hidden() * size.inner
}

fn loss(place: Place<'_>, size: &Size) -> Result<Run, Error> {
    let (rows, classes) = (size.rows(), size.labels);
    let scores = place.tensor(1, rows, classes, 4.0);
    // Every fifth row is not counted.
    let labels: Vec<i32> = (0..rows).map(|row| if row % 5 == 4 { -100 } else { (row * 3 % classes) as i32 }).collect();
    Ok(Box::new(move || {
        let loss = label_loss::forward(&scores, &labels, &Objective::cross_entropy(0.1), 1.0 / rows as f64);
        let loss = loss.expect("a device is asked for nothing");
        vec![
            Outcome::new("the gradient", loss.dscores, (8.0, classes), 1),
            Outcome::new("the sum", Found::Scalar(loss.sum), (8.0, rows), 0),
        ]
    }))
}

fn norm(place: Place<'_>, size: &Size) -> Result<Run, Error> {
    let n = weights(size);
    let (one, two) = (place.gradient(1, n), place.gradient(2, 7));
    Ok(Box::new(move || {
        let clip = clip(&[one.view(), View::EMPTY, two.view()], 0.5);
        vec![
            Outcome::new("the norm", Found::Scalar(clip.norm), (4.0, 1), 0),
            Outcome::new("the factor", clip.factor, (4.0, 1), 0),
        ]
    }))
}

fn update(place: Place<'_>, size: &Size) -> Result<Run, Error> {
    let n = weights(size);
    let (p, g, m, v) = (place.gradient(1, n), place.gradient(2, n), place.gradient(3, n), place.squares(4, n));
    let factor = place.gradient(5, 1);
    let adamw = AdamW { rate: 1e-2, beta1: 0.9, beta2: 0.99, epsilon: 1e-6, decay: 0.1, update: 3 };
    Ok(Box::new(move || {
        let [mut p, mut m, mut v] = [p.copy(), m.copy(), v.copy()];
        let part = Part { adamw, p: p.view_mut(), g: g.view(), m: m.view_mut(), v: v.view_mut() };
        adamw::update(vec![part], factor.view(), &mut Kept::default());
        vec![
            Outcome::new("the parameters", p, (4.0, 1), 0),
            Outcome::new("first moments", m, (4.0, 1), 0),
            Outcome::new("second moments", v, (4.0, 1), 0),
        ]
    }))
}
