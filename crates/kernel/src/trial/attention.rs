//! Trials of attention and rotary positions.

use super::case::{Outcome, Run, Size, Trial};
use super::place::Place;
use crate::error::Error;
use crate::op::attention;
use crate::op::disentangled::{self, Places, Relative};
use crate::op::dropout::Dropout;
use crate::op::rotary::{self, Angles};
use crate::random::stream::Stream;
use std::sync::Arc;

/// The rows to either side that a row sees in a window.
const WINDOW: usize = 6;

pub(super) const TRIALS: &[Trial] = &[
    Trial { name: "attention", prepare: |p, s| forward(p, s, None, false) },
    Trial { name: "attention and its gradient", prepare: |p, s| backward(p, s, None, false) },
    Trial { name: "attention in windows, dropout", prepare: |p, s| forward(p, s, Some(WINDOW), true) },
    Trial {
        name: "attention in windows, dropout, and its gradient",
        prepare: |p, s| backward(p, s, Some(WINDOW), true),
    },
    Trial { name: "attention with distances, and its gradients", prepare: distances },
    Trial { name: "rotary positions, and back", prepare: rotary },
];

fn dropout(drops: bool) -> Option<Dropout> {
    drops.then_some(Dropout { rate: 0.4, stream: Stream::new(5), first_row: 3 })
}

fn forward(place: Place<'_>, size: &Size, window: Option<usize>, drops: bool) -> Result<Run, Error> {
    let (rows, h, heads, sequences) = (size.rows(), size.hidden(), size.heads, size.sequences());
    let qkv = place.tensor(1, rows, 3 * h, 1.5);
    Ok(Box::new(move || {
        let (context, _) = attention::forward(qkv.clone(), &sequences, heads, window, dropout(drops));
        // Weights are rounded for tensor cores, and the context is.
        vec![Outcome::new("the context", context, (8.0, rows), 4)]
    }))
}

fn backward(place: Place<'_>, size: &Size, window: Option<usize>, drops: bool) -> Result<Run, Error> {
    let (rows, h, heads, sequences) = (size.rows(), size.hidden(), size.heads, size.sequences());
    let (qkv, dcontext) = (place.tensor(1, rows, 3 * h, 1.5), place.tensor(2, rows, h, 1.0));
    Ok(Box::new(move || {
        let (_, saved) = attention::forward(qkv.clone(), &sequences, heads, window, dropout(drops));
        // Context, weights, slopes of scores and results are rounded.
        vec![Outcome::new("the gradient", saved.backward(&sequences, &dcontext), (16.0, rows), 8)]
    }))
}

/// Returns the number of distances in the longest sequence.
fn distances_of(size: &Size) -> usize {
    2 * size.lengths.iter().copied().max().unwrap_or(1) - 1
}

fn distances(place: Place<'_>, size: &Size) -> Result<Run, Error> {
    let (rows, h, heads, sequences) = (size.rows(), size.hidden(), size.heads, size.sequences());
    let (qkv, dcontext) = (place.tensor(1, rows, 3 * h, 1.0), place.tensor(2, rows, h, 1.0));
    let count = distances_of(size);
    let table = place.tensor(3, count, 2 * h, 1.0);
    let places = Arc::new(Places::new((0..count as u32).collect(), count));
    Ok(Box::new(move || {
        let relative = Relative { table: table.clone(), keys: Some(h), queries: Some(0), places: places.clone() };
        let (context, saved) = disentangled::forward(qkv.clone(), relative, &sequences, heads, dropout(true));
        let (dqkv, dtable) = saved.backward(&sequences, &dcontext);
        vec![
            Outcome::new("the context", context, (8.0, rows), 1),
            Outcome::new("the gradient", dqkv, (16.0, rows), 4),
            Outcome::new("the table's gradient", dtable, (16.0, rows), 4),
        ]
    }))
}

fn rotary(place: Place<'_>, size: &Size) -> Result<Run, Error> {
    // Halves of heads are turned.
    let (rows, heads, width, sequences) = (size.rows(), size.heads, size.width.next_multiple_of(2), size.sequences());
    let longest = size.lengths.iter().copied().max().unwrap_or(0);
    let (qkv, angles) = (place.tensor(1, rows, 3 * heads * width, 1.0), Angles::new(longest, width, 10_000.0));
    Ok(Box::new(move || {
        let turned = rotary::forward(qkv.copy(), &sequences, heads, &angles);
        let back = rotary::backward(turned.copy(), &sequences, heads, &angles);
        vec![
            Outcome::new("the turned ones", turned, (4.0, 2), 1),
            Outcome::new("the ones turned back", back, (8.0, 2), 3),
        ]
    }))
}
