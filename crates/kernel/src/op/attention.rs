//! context = softmax(Q · Kᵀ / √D) · V, per sequence and head, over rows without padding.
//!
//! Nothing of size T × T is kept: backward computes the weights again.

use super::dropout::Dropout;
use crate::product::{Operand, product_here};
use crate::simd::multiversion;
use crate::tensor::Tensor;
use crate::threads::{Shared, for_each};

/// Query rows whose weights are computed at a time: 64 × 512 of them fit the second-level cache.
const BLOCK: usize = 64;

/// The projections, for backward.
#[must_use]
#[derive(Debug)]
pub struct Saved {
    qkv: Tensor,
    heads: usize,
    dropout: Option<Dropout>,
}

/// One (sequence, head): the rows it has and where its columns begin.
#[derive(Clone, Copy)]
struct Part {
    start: usize,
    length: usize,
    head: usize,
}

/// Multi-head self-attention inside each sequence.
///
/// # Shapes
/// qkv (R, 3H): queries, keys and values side by side, each N heads of D; `starts` are the sequences' boundaries,
/// from 0 to R → context (R, H).
/// # Precision
/// Sums in f32; each row's maximum is subtracted before the exponential.
/// # Panics
/// If H is not a multiple of N, or the boundaries are not those of R rows.
/// # Source
/// Vaswani et al., 2017; dropout on the weights as in BERT.
pub fn forward(qkv: Tensor, starts: &[u32], heads: usize, dropout: Option<Dropout>) -> (Tensor, Saved) {
    let (r, h) = (qkv.rows(), qkv.columns() / 3);
    let dropout = dropout.filter(|dropout| dropout.rate > 0.0);
    let mut context = Tensor::unfilled(r, h);
    let parts = parts(starts, heads, r, h);
    let out = Shared::new(context.data_mut());
    for_each(parts.len(), |i| SCRATCH.with_borrow_mut(|s| forward_part(&qkv, heads, parts[i], dropout, out, s)));
    (context, Saved { qkv, heads, dropout })
}

impl Saved {
    /// The gradient of qkv (R, 3H).
    pub fn backward(self, starts: &[u32], dcontext: &Tensor) -> Tensor {
        let (r, h) = (self.qkv.rows(), self.qkv.columns() / 3);
        dcontext.assert_shape("attention", "dcontext", r, h);
        let mut dqkv = Tensor::unfilled(r, 3 * h);
        let parts = parts(starts, self.heads, r, h);
        let out = Shared::new(dqkv.data_mut());
        for_each(parts.len(), |i| SCRATCH.with_borrow_mut(|s| self.backward_part(parts[i], dcontext, out, s)));
        dqkv
    }

    fn backward_part(&self, part: Part, dcontext: &Tensor, out: Shared<f32>, s: &mut Scratch) {
        let Part { start, length, head } = part;
        let h = self.qkv.columns() / 3;
        let d = h / self.heads;
        let scale = 1.0 / (d as f32).sqrt();
        let at = |third: usize| &self.qkv.data()[start * 3 * h + third * h + head * d..];
        s.dkeys.clear();
        s.dkeys.resize(length * d, 0.0);
        s.dvalues.clear();
        s.dvalues.resize(length * d, 0.0);
        for first in (0..length).step_by(BLOCK) {
            let rows = BLOCK.min(length - first);
            let queries = &at(0)[first * 3 * h..];
            let upstream = &dcontext.data()[(start + first) * h + head * d..];
            s.weights.resize(rows * length, 0.0);
            s.dweights.resize(rows * length, 0.0);
            product_here((rows, d, length), Operand::Rows(queries, 3 * h), Operand::Columns(at(1), 3 * h), false, &mut s.weights, length);
            product_here((rows, d, length), Operand::Rows(upstream, h), Operand::Columns(at(2), 3 * h), false, &mut s.dweights, length);
            s.dropped.clear();
            for (i, (weights, dweights)) in
                s.weights.chunks_exact_mut(length).zip(s.dweights.chunks_exact_mut(length)).enumerate()
            {
                softmax(scale, weights);
                s.dropped.extend_from_slice(weights);
                if let Some(dropout) = self.dropout {
                    let row = mask_row(part, self.heads, first + i, dropout);
                    dropout.stream.drop_row(row, dropout.rate, &mut s.dropped[i * length..]);
                    dropout.stream.drop_row(row, dropout.rate, dweights);
                }
                // From here on `dweights` holds the gradient of the scores before scaling.
                softmax_backward(scale, weights, dweights);
            }
            product_here((length, rows, d), Operand::Columns(&s.dropped, length), Operand::Rows(upstream, h), true, &mut s.dvalues, d);
            product_here((length, rows, d), Operand::Columns(&s.dweights, length), Operand::Rows(queries, 3 * h), true, &mut s.dkeys, d);
            s.dqueries.resize(rows * d, 0.0);
            product_here((rows, length, d), Operand::Rows(&s.dweights, length), Operand::Rows(at(1), 3 * h), false, &mut s.dqueries, d);
            for (i, row) in s.dqueries.chunks_exact(d).take(rows).enumerate() {
                // SAFETY: this part alone writes its rows and its head's columns.
                unsafe { out.slice((start + first + i) * 3 * h + head * d, d) }.copy_from_slice(row);
            }
        }
        for (third, gradient) in [(1, &s.dkeys), (2, &s.dvalues)] {
            for (i, row) in gradient.chunks_exact(d).enumerate() {
                // SAFETY: as above.
                unsafe { out.slice((start + i) * 3 * h + third * h + head * d, d) }.copy_from_slice(row);
            }
        }
    }
}

/// Every thread's working memory.
#[derive(Default)]
struct Scratch {
    weights: Vec<f32>,
    dropped: Vec<f32>,
    dweights: Vec<f32>,
    dqueries: Vec<f32>,
    dkeys: Vec<f32>,
    dvalues: Vec<f32>,
}

thread_local! {
    static SCRATCH: std::cell::RefCell<Scratch> = std::cell::RefCell::default();
}

fn parts(starts: &[u32], heads: usize, r: usize, h: usize) -> Vec<Part> {
    assert!(heads > 0 && h.is_multiple_of(heads), "attention: {h} columns for {heads} heads");
    assert!(
        starts.first() == Some(&0) && starts.last() == Some(&(r as u32)) && starts.is_sorted(),
        "attention: the boundaries {starts:?} are not those of {r} rows"
    );
    let sequence = |pair: &[u32]| (pair[0] as usize, (pair[1] - pair[0]) as usize);
    starts
        .windows(2)
        .map(sequence)
        .filter(|&(_, length)| length > 0)
        .flat_map(|(start, length)| (0..heads).map(move |head| Part { start, length, head }))
        .collect()
}

/// The dropout stream's row for one query of one head.
fn mask_row(part: Part, heads: usize, query: usize, dropout: Dropout) -> usize {
    (dropout.first_row + part.start + query) * heads + part.head
}

fn forward_part(qkv: &Tensor, heads: usize, part: Part, dropout: Option<Dropout>, out: Shared<f32>, s: &mut Scratch) {
    let Part { start, length, head } = part;
    let h = qkv.columns() / 3;
    let d = h / heads;
    let scale = 1.0 / (d as f32).sqrt();
    let at = |third: usize| &qkv.data()[start * 3 * h + third * h + head * d..];
    for first in (0..length).step_by(BLOCK) {
        let rows = BLOCK.min(length - first);
        let queries = Operand::Rows(&at(0)[first * 3 * h..], 3 * h);
        s.weights.resize(rows * length, 0.0);
        product_here((rows, d, length), queries, Operand::Columns(at(1), 3 * h), false, &mut s.weights, length);
        for (i, weights) in s.weights.chunks_exact_mut(length).enumerate() {
            softmax(scale, weights);
            if let Some(dropout) = dropout {
                let row = mask_row(part, heads, first + i, dropout);
                dropout.stream.drop_row(row, dropout.rate, weights);
            }
        }
        s.dqueries.resize(rows * d, 0.0);
        product_here((rows, length, d), Operand::Rows(&s.weights, length), Operand::Rows(at(2), 3 * h), false, &mut s.dqueries, d);
        for (i, row) in s.dqueries.chunks_exact(d).take(rows).enumerate() {
            // SAFETY: this part alone writes its rows and its head's columns.
            unsafe { out.slice((start + first + i) * h + head * d, d) }.copy_from_slice(row);
        }
    }
}

multiversion! {
    /// x ← softmax(scale · x).
    pub(crate) fn softmax<L>(scale: f32, x: &mut [f32]) {
        let n = x.len();
        let full = n / L::N * L::N;
        let mut top = L::splat(f32::NEG_INFINITY);
        // SAFETY (for all loads and stores): `count` floats from `i` are inside `x`.
        for i in (0..full).step_by(L::N) {
            top = L::max(top, L::load(x.as_ptr().add(i)));
        }
        let highest = x[full..].iter().fold(L::maximum(top), |a, &b| a.max(b));
        let mut sum = L::zero();
        for i in (0..full).step_by(L::N) {
            let at = x.as_mut_ptr().add(i);
            let e = L::exp(L::mul(L::sub(L::load(at), L::splat(highest)), L::splat(scale)));
            sum = L::add(sum, e);
            L::store(at, e);
        }
        let mut total = L::sum(sum);
        if full < n {
            let at = x.as_mut_ptr().add(full);
            let e = L::exp(L::mul(L::sub(L::load_first(at, n - full), L::splat(highest)), L::splat(scale)));
            L::store_first(at, e, n - full);
            total += x[full..].iter().sum::<f32>();
        }
        let share = L::splat(1.0 / total);
        for i in (0..full).step_by(L::N) {
            let at = x.as_mut_ptr().add(i);
            L::store(at, L::mul(L::load(at), share));
        }
        x[full..].iter_mut().for_each(|x| *x *= 1.0 / total);
    }
}

multiversion! {
    /// dx ← scale · p · (dp − Σ p · dp), where dx comes in as dp.
    fn softmax_backward<L>(scale: f32, p: &[f32], dx: &mut [f32]) {
        let n = p.len();
        assert_eq!(dx.len(), n);
        let mut sum = L::zero();
        let mut i = 0;
        // SAFETY (for all loads and stores): `count` floats from `i` are inside both slices.
        while i < n {
            let count = L::N.min(n - i);
            sum = L::fma(L::load_first(p.as_ptr().add(i), count), L::load_first(dx.as_ptr().add(i), count), sum);
            i += count;
        }
        let sum = L::splat(L::sum(sum));
        i = 0;
        while i < n {
            let count = L::N.min(n - i);
            let at = dx.as_mut_ptr().add(i);
            let p = L::mul(L::load_first(p.as_ptr().add(i), count), L::splat(scale));
            L::store_first(at, L::mul(p, L::sub(L::load_first(at, count), sum)), count);
            i += count;
        }
    }
}
