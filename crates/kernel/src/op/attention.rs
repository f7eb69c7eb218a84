//! Attention: context = softmax(Q · Kᵀ / √D) · V, per sequence and head, over rows without padding.
//!
//! Nothing of size T × T is kept: backward computes the weights again.

use super::dropout::Dropout;
use super::gpu;
use super::sequences::Sequences;
use crate::cpu::product::operand::Operand;
use crate::cpu::product::product_here;
use crate::cpu::simd::multiversion;
use crate::memory::floats::Floats;
use crate::memory::tensor::{Area, LINE, Tensor};
use crate::threads::for_each;
use std::cell::RefCell;
use std::ops::Range;

/// Query rows whose weights are computed at a time: 64 × 512 weights fit the second-level cache.
const BLOCK: usize = 64;

/// The projections and settings of attention, for backward.
#[must_use]
#[derive(Debug)]
pub struct Saved {
    qkv: Tensor,
    heads: usize,
    window: Option<usize>,
    dropout: Option<Dropout>,
    /// What a GPU needs for backward.
    on_gpu: Option<gpu::attention::Kept>,
}

/// One head in one sequence.
#[derive(Clone, Copy)]
pub(super) struct Part {
    pub start: usize,
    pub length: usize,
    pub head: usize,
}

/// Returns multi-head self-attention inside each sequence. With a window, a row sees that many rows to either side.
///
/// # Shapes
/// qkv (R, 3H) → context (R, H). Queries, keys and values lie side by side, each N heads of D.
/// # Precision
/// Sums in f32; each row's maximum is subtracted before the exponential.
/// # Panics
/// If H is not a multiple of N, or the sequences have not R rows.
/// # Source
/// Vaswani et al., 2017; dropout on the weights as in BERT; windows as in Beltagy et al., 2020.
pub fn forward(
    qkv: Tensor,
    sequences: &Sequences,
    heads: usize,
    window: Option<usize>,
    dropout: Option<Dropout>,
) -> (Tensor, Saved) {
    let (r, h) = (qkv.rows(), qkv.columns() / 3);
    let dropout = dropout.filter(|dropout| dropout.rate > 0.0);
    let parts = parts(sequences, heads, r, h);
    if let Some(gpu) = qkv.gpu() {
        let settings = gpu::attention::Settings { heads, window, mask: Dropout::on_gpu(dropout), distances: None };
        let (context, kept) = gpu::attention::forward(&qkv, sequences.on_gpu(gpu), settings);
        return (context, Saved { qkv, heads, window, dropout, on_gpu: Some(kept) });
    }
    let mut context = Tensor::unfilled(r, h);
    let out = context.area_mut();
    for_each(parts.len(), |i| {
        SCRATCH.with_borrow_mut(|s| forward_part(&qkv, heads, window, parts[i], dropout, out, s))
    });
    (context, Saved { qkv, heads, window, dropout, on_gpu: None })
}

impl Saved {
    /// Returns the gradient of qkv (R, 3H).
    pub fn backward(self, sequences: &Sequences, dcontext: &Tensor) -> Tensor {
        let (r, h) = (self.qkv.rows(), self.qkv.columns() / 3);
        dcontext.assert_shape("attention", "dcontext", r, h);
        if let (Some(gpu), Some(kept)) = (self.qkv.gpu(), &self.on_gpu) {
            let mask = Dropout::on_gpu(self.dropout);
            let settings = gpu::attention::Settings { heads: self.heads, window: self.window, mask, distances: None };
            let sequences = sequences.on_gpu(gpu);
            return gpu::attention::backward(&self.qkv, kept, sequences, settings, dcontext, None);
        }
        let mut dqkv = Tensor::unfilled(r, 3 * h);
        let parts = parts(sequences, self.heads, r, h);
        let out = dqkv.area_mut();
        for_each(parts.len(), |i| SCRATCH.with_borrow_mut(|s| self.backward_part(parts[i], dcontext, out, s)));
        dqkv
    }

    fn backward_part(&self, part: Part, dcontext: &Tensor, out: Area, s: &mut Scratch) {
        let Part { start, length, head } = part;
        let h = self.qkv.columns() / 3;
        let d = h / self.heads;
        let scale = 1.0 / (d as f32).sqrt();
        let at = |third: usize| &self.qkv.data()[start * 3 * h + third * h + head * d..];
        let gradient = |third: usize, rows: Range<usize>| {
            let first = third * h + head * d;
            out.part(start + rows.start..start + rows.end, first..first + d)
        };
        let dropout = part.dropout(self.dropout);
        if self.window.is_some() {
            // Each block of rows adds to the keys that it sees.
            gradient(1, 0..length).clear();
            gradient(2, 0..length).clear();
        }
        for first in (0..length).step_by(BLOCK) {
            let rows = first..length.min(first + BLOCK);
            let count = rows.len();
            let seen = seen(self.window, &rows, length);
            let stride = seen.len().next_multiple_of(LINE);
            let queries = &at(0)[first * 3 * h..];
            let [keys, values] = [1, 2].map(|third| &at(third)[seen.start * 3 * h..]);
            let upstream = &dcontext.data()[(start + first) * h + head * d..];
            let [weights, dropped, dweights] = s.areas(count, seen.len());
            product_here(d, Operand::Rows(queries, 3 * h), Operand::Columns(keys, 3 * h), false, weights);
            product_here(d, Operand::Rows(upstream, h), Operand::Columns(values, 3 * h), false, dweights);
            softmax_of_seen(scale, self.window, &rows, &seen, weights);
            let kept = match dropout {
                Some(dropout) => {
                    let numbers = start + first..start + first + count;
                    dropout.mask(numbers.clone(), seen.clone(), weights, None, dropped);
                    dropout.mask(numbers, seen.clone(), dweights, None, dweights);
                    dropped
                }
                None => weights,
            };
            // From here on `dweights` holds the gradient of the scores before scaling.
            softmax_backward(scale, weights, dweights);
            // SAFETY: both are this thread's, and nobody writes them while they are read.
            let (kept, dweights) = unsafe { (kept.data(), dweights.data()) };
            let again = first > 0 || self.window.is_some();
            product_here(
                count,
                Operand::Columns(kept, stride),
                Operand::Rows(upstream, h),
                again,
                gradient(2, seen.clone()),
            );
            product_here(
                count,
                Operand::Columns(dweights, stride),
                Operand::Rows(queries, 3 * h),
                again,
                gradient(1, seen.clone()),
            );
            product_here(
                seen.len(),
                Operand::Rows(dweights, stride),
                Operand::Rows(keys, 3 * h),
                false,
                gradient(0, rows),
            );
        }
    }
}

/// Working memory of a thread: three blocks of weights.
struct Scratch([Floats; 3]);

/// Length of the sequences for which room is taken at once; longer ones enlarge it.
const USUAL_LENGTH: usize = 512;

impl Scratch {
    /// Returns three areas whose rows begin at cache lines.
    fn areas(&mut self, rows: usize, columns: usize) -> [Area; 3] {
        let stride = columns.next_multiple_of(LINE);
        self.0.each_mut().map(|floats| {
            if floats.len() < rows * stride {
                *floats = Floats::zeros(BLOCK * stride.max(USUAL_LENGTH));
            }
            // SAFETY: as many floats are there.
            unsafe { Area::new(floats.as_mut_ptr(), stride, rows, columns) }
        })
    }
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch(std::array::from_fn(|_| Floats::zeros(0))));
}

pub(super) fn parts(sequences: &Sequences, heads: usize, r: usize, h: usize) -> Vec<Part> {
    assert!(heads > 0 && h.is_multiple_of(heads), "attention: {h} columns for {heads} heads");
    sequences.assert_rows("attention", r);
    sequences
        .each()
        .filter(|rows| !rows.is_empty())
        .flat_map(|rows| (0..heads).map(move |head| Part { start: rows.start, length: rows.len(), head }))
        .collect()
}

impl Part {
    /// Returns the dropout of this head's weights: each head has its own stream, and rows are those of the queries.
    pub fn dropout(self, dropout: Option<Dropout>) -> Option<Dropout> {
        dropout.map(|dropout| Dropout { stream: dropout.stream.child(self.head as u64), ..dropout })
    }
}

/// Returns the keys that some of these rows see, in a sequence of `length`.
fn seen(window: Option<usize>, rows: &Range<usize>, length: usize) -> Range<usize> {
    match window {
        Some(window) => rows.start.saturating_sub(window)..length.min(rows.end.saturating_add(window)),
        None => 0..length,
    }
}

/// Turns scores of the keys `seen` by some row into weights: each row's softmax over the keys that it sees itself.
fn softmax_of_seen(scale: f32, window: Option<usize>, rows: &Range<usize>, seen_by_some: &Range<usize>, scores: Area) {
    if window.is_none() {
        return softmax(scale, scores);
    }
    for (i, row) in rows.clone().enumerate() {
        let own = seen(window, &(row..row + 1), seen_by_some.end);
        let own = own.start - seen_by_some.start..own.end - seen_by_some.start;
        scores.part(i..i + 1, 0..own.start).clear();
        scores.part(i..i + 1, own.end..scores.columns).clear();
        softmax(scale, scores.part(i..i + 1, own));
    }
}

fn forward_part(
    qkv: &Tensor,
    heads: usize,
    window: Option<usize>,
    part: Part,
    dropout: Option<Dropout>,
    out: Area,
    s: &mut Scratch,
) {
    let Part { start, length, head } = part;
    let h = qkv.columns() / 3;
    let d = h / heads;
    let scale = 1.0 / (d as f32).sqrt();
    let at = |third: usize| &qkv.data()[start * 3 * h + third * h + head * d..];
    for first in (0..length).step_by(BLOCK) {
        let rows = first..length.min(first + BLOCK);
        let seen = seen(window, &rows, length);
        let [weights, ..] = s.areas(rows.len(), seen.len());
        let queries = Operand::Rows(&at(0)[first * 3 * h..], 3 * h);
        let [keys, values] = [1, 2].map(|third| &at(third)[seen.start * 3 * h..]);
        product_here(d, queries, Operand::Columns(keys, 3 * h), false, weights);
        softmax_of_seen(scale, window, &rows, &seen, weights);
        let rows = start + rows.start..start + rows.end;
        if let Some(dropout) = part.dropout(dropout) {
            dropout.mask(rows.clone(), seen.clone(), weights, None, weights);
        }
        // SAFETY: the weights are this thread's, and nobody writes them while they are read.
        let weights = Operand::Rows(unsafe { weights.data() }, weights.stride());
        let to = out.part(rows, head * d..head * d + d);
        product_here(seen.len(), weights, Operand::Rows(values, 3 * h), false, to);
    }
}

multiversion! {
    /// Replaces each row x by softmax(scale · x).
    pub(super) fn softmax<L>(scale: f32, x: Area) {
        let n = x.columns;
        let scale = L::splat(scale);
        for row in 0..x.rows {
            let row = x.row(row);
            // SAFETY (for all loads and stores): `count` floats from `i` are inside the row.
            let mut top = L::splat(f32::NEG_INFINITY);
            let full = n / L::N * L::N;
            for i in (0..full).step_by(L::N) {
                top = L::max(top, L::load(row.add(i)));
            }
            let mut highest = L::maximum(top);
            for i in full..n {
                highest = highest.max(*row.add(i));
            }
            let highest = L::splat(highest);
            let mut sum = L::zero();
            for i in (0..full).step_by(L::N) {
                let e = L::exp(L::mul(L::sub(L::load(row.add(i)), highest), scale));
                sum = L::add(sum, e);
                L::store(row.add(i), e);
            }
            let mut total = L::sum(sum);
            if full < n {
                let at = row.add(full);
                let e = L::exp(L::mul(L::sub(L::load_first(at, n - full), highest), scale));
                L::store_first(at, e, n - full);
                for i in full..n {
                    total += *row.add(i);
                }
            }
            let share = L::splat(1.0 / total);
            for i in (0..n).step_by(L::N) {
                let (at, count) = (row.add(i), L::N.min(n - i));
                L::store_first(at, L::mul(L::load_first(at, count), share), count);
            }
        }
    }
}

multiversion! {
    /// Replaces each row dp in `dx` by scale · p · (dp − Σ p · dp).
    pub(super) fn softmax_backward<L>(scale: f32, p: Area, dx: Area) {
        p.assert_like(&dx);
        let n = p.columns;
        for row in 0..p.rows {
            let (p, dx) = (p.row(row), dx.row(row));
            let mut sum = L::zero();
            // SAFETY (for all loads and stores): `count` floats from `i` are inside both rows.
            for i in (0..n).step_by(L::N) {
                let count = L::N.min(n - i);
                sum = L::fma(L::load_first(p.add(i), count), L::load_first(dx.add(i), count), sum);
            }
            let sum = L::splat(L::sum(sum));
            for i in (0..n).step_by(L::N) {
                let (at, count) = (dx.add(i), L::N.min(n - i));
                let p = L::mul(L::load_first(p.add(i), count), L::splat(scale));
                L::store_first(at, L::mul(p, L::sub(L::load_first(at, count), sum)), count);
            }
        }
    }
}
