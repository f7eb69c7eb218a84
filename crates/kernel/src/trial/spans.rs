//! Trials of what span taggers and convolutions compute beside an encoder's layers.

use super::case::{Outcome, Run, Size, Trial};
use super::place::Place;
use crate::error::Error;
use crate::memory::tensor::Tensor;
use crate::op::pair_scores::{self, Group};
use crate::op::pool::{self, Pooling};
use crate::op::sequences::Sequences;
use crate::op::span_sum::{self, Span};
use crate::op::{add, convolution, normalize, rows};
use crate::params::GradSlot;

pub(super) const TRIALS: &[Trial] = &[
    Trial { name: "sums", prepare: sum },
    Trial { name: "rows that are taken, and their gradient", prepare: take },
    Trial { name: "neighbors, and their gradient", prepare: neighbors },
    Trial { name: "means of sequences, and their gradient", prepare: mean },
    Trial { name: "unit rows, and their gradient", prepare: unit },
    Trial { name: "part of a weight, and its gradient", prepare: part },
    Trial { name: "sums of spans, and their gradient", prepare: spans },
    Trial { name: "scores of pairs, and their gradient", prepare: pairs },
];

/// Widths of spans.
const WIDTHS: usize = 3;
/// Neighbors of a row, the row included.
const NEIGHBORS: usize = 3;

fn sum(place: Place<'_>, size: &Size) -> Result<Run, Error> {
    let [x, y] = [1, 2].map(|seed| place.tensor(seed, size.rows(), size.hidden(), 1.0));
    Ok(Box::new(move || {
        let mut sum = y.copy();
        add::onto(&x, &mut sum);
        vec![Outcome::new("the sum", sum, (1.0, 1), 1)]
    }))
}

fn take(place: Place<'_>, size: &Size) -> Result<Run, Error> {
    let (count, h) = (size.rows(), size.hidden());
    let [x, dy, before] = [1, 2, 3].map(|seed| place.tensor(seed, count, h, 1.0));
    let index: Vec<u32> = (0..count).map(|row| (row * 7 % count / 2) as u32).collect();
    Ok(Box::new(move || {
        let mut dx = before.copy();
        rows::add_taken(&index, &dy, &mut dx);
        vec![
            Outcome::new("the rows", rows::take(&x, &index), (1.0, 1), 0),
            Outcome::new("the gradient", dx, (2.0, index.len()), 2),
        ]
    }))
}

fn neighbors(place: Place<'_>, size: &Size) -> Result<Run, Error> {
    let (count, h, sequences) = (size.rows(), size.hidden(), size.sequences());
    let [x, before] = [1, 2].map(|seed| place.tensor(seed, count, h, 1.0));
    let dy = place.tensor(3, count, h * NEIGHBORS, 1.0);
    Ok(Box::new(move || {
        let mut dx = before.copy();
        convolution::fold_onto(&dy, &sequences, NEIGHBORS, &mut dx);
        vec![
            Outcome::new("the neighbors", convolution::unfold(&x, &sequences, NEIGHBORS), (1.0, 1), 0),
            Outcome::new("the gradient", dx, (2.0, 1 + NEIGHBORS), 1),
        ]
    }))
}

fn mean(place: Place<'_>, size: &Size) -> Result<Run, Error> {
    // No sequence is empty.
    let mut starts: Vec<u32> = vec![0];
    size.lengths
        .iter()
        .filter(|&&length| length > 0)
        .for_each(|&length| starts.push(starts[starts.len() - 1] + length as u32));
    let (x, dy) =
        (place.tensor(1, size.rows(), size.hidden(), 1.0), place.tensor(2, starts.len() - 1, size.hidden(), 1.0));
    let sequences = Sequences::new(&starts);
    Ok(Box::new(move || {
        vec![
            Outcome::new("the means", pool::forward(&x, &sequences, Pooling::Mean), (4.0, sequences.longest()), 1),
            Outcome::new("the gradient", pool::backward(&sequences, Pooling::Mean, &dy), (2.0, 1), 1),
        ]
    }))
}

fn unit(place: Place<'_>, size: &Size) -> Result<Run, Error> {
    let (count, h) = (size.rows(), size.hidden());
    let [x, dy] = [1, 2].map(|seed| place.tensor(seed, count, h, 1.0));
    Ok(Box::new(move || {
        let (y, saved) = normalize::forward(&x);
        let dx = saved.backward(dy.copy());
        // The gradient has the rounding of y in each of the products that it sums.
        vec![Outcome::new("y", y, (4.0, h), 1), Outcome::new("the gradient", dx, (16.0, h), 4)]
    }))
}

fn part(place: Place<'_>, size: &Size) -> Result<Run, Error> {
    let (count, h, precision) = (size.rows(), size.hidden(), place.precision);
    let [x, dy] = [1, 2].map(|seed| place.tensor(seed, count, h, 1.0));
    let (weight, before) = (place.parameters(3, &[2 * h * h], 1.0)?, place.gradient(4, 2 * h * h));
    Ok(Box::new(move || {
        let y = span_sum::project(&x, weight.get(0), h, h, precision);
        let mut dweight = before.copy();
        let mut slot = GradSlot::Add(dweight.view_mut());
        let dx = span_sum::project_backward(&x, weight.get(0), h, precision, &dy, &mut slot);
        vec![
            Outcome::new("y", y, (4.0, h), 1),
            Outcome::new("dx", dx, (8.0, h), 1),
            Outcome::new("the weight's gradient", dweight, (8.0, count), 0),
        ]
    }))
}

fn spans(place: Place<'_>, size: &Size) -> Result<Run, Error> {
    let (count, h) = (size.rows(), size.hidden());
    let of_start = |start: usize| {
        (0..WIDTHS).map(move |width| Span {
            start: start as u32,
            end: (start + width).min(count - 1) as u32,
            width: width as u32,
        })
    };
    let spans: Vec<Span> = (0..count).flat_map(of_start).collect();
    let [starts, ends] = [1, 2].map(|seed| place.tensor(seed, count, h, 1.0));
    let (widths, dy) = (place.tensor(3, WIDTHS, h, 1.0), place.tensor(4, spans.len(), h, 1.0));
    let (bias, before) = (place.parameters(5, &[h], 1.0)?, place.gradient(6, h));
    Ok(Box::new(move || {
        let y = span_sum::forward(&starts, &ends, &widths, bias.get(0), &spans);
        let mut dbias = before.copy();
        let summands = span_sum::backward(count, WIDTHS, &spans, &dy, GradSlot::Add(dbias.view_mut()));
        vec![
            Outcome::new("the sums", y, (4.0, 4), 1),
            Outcome::new("the starts' gradient", summands.starts, (2.0, WIDTHS), 1),
            Outcome::new("the ends' gradient", summands.ends, (2.0, 2 * WIDTHS), 1),
            Outcome::new("the widths' gradient", summands.widths, (2.0, count), 1),
            Outcome::new("the bias's gradient", dbias, (2.0, spans.len()), 0),
        ]
    }))
}

fn pairs(place: Place<'_>, size: &Size) -> Result<Run, Error> {
    let (count, h, labels) = (size.rows(), size.hidden(), size.labels);
    let x = place.tensor(1, count, h, 1.0);
    let [vectors, before] = [2, 3].map(|seed| place.tensor(seed, 2 * labels, h, 1.0));
    let (scale, dscale_before) = (place.parameters(4, &[1], 1.0)?, place.gradient(5, 1));
    let values = place.gradient(6, count * labels).to_vec()?;
    let dscores = Tensor::on(place.device, count, labels, &values);
    let half = count / 2;
    let groups = vec![Group { rows: 0..half, first_vector: labels }, Group { rows: half..count, first_vector: 0 }];
    Ok(Box::new(move || {
        let (scores, saved) = pair_scores::forward(&x, &vectors, groups.clone(), labels, scale.get(0));
        let (mut dvectors, mut dscale) = (before.copy(), dscale_before.copy());
        let slot = Some(GradSlot::Overwrite(dscale.view_mut()));
        let dx = saved.backward(scale.get(0), slot, &dscores, &mut dvectors);
        vec![
            Outcome::new("the scores", scores, (8.0, h), 0),
            Outcome::new("dx", dx, (16.0, labels), 2),
            Outcome::new("the vectors' gradient", dvectors, (16.0, count), 3),
            Outcome::new("the scale's gradient", dscale, (32.0, count * labels), 0),
        ]
    }))
}
