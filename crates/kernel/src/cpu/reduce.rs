//! Sums with an order that the shapes fix.

use crate::cpu::simd::multiversion;
use crate::memory::tensor::{Area, Tensor};
use crate::threads::{Shared, for_each};
use std::ops::Range;

/// Columns that one task sums.
const BLOCK: usize = 64;

/// Sums the rows of x, row after row, into `sum`; `accumulate` keeps what `sum` holds.
///
/// # Panics
/// If `sum` does not have one element a column.
pub fn add_columns(x: &Tensor, accumulate: bool, sum: &mut [f32]) {
    let columns = x.columns();
    assert_eq!(sum.len(), columns, "reduce: {columns} columns, {} sums", sum.len());
    let shared = Shared::new(sum);
    for_each_column_block(columns, |part| {
        // SAFETY: blocks of columns are disjoint.
        let sum = unsafe { shared.slice(part.start, part.len()) };
        column_sums(x.area().part(0..x.rows(), part), accumulate, sum);
    });
}

/// Calls `work` on blocks of columns, on all threads.
pub(crate) fn for_each_column_block(columns: usize, work: impl Fn(Range<usize>) + Sync) {
    for_each(columns.div_ceil(BLOCK), |block| work(block * BLOCK..columns.min((block + 1) * BLOCK)));
}

multiversion! {
    fn column_sums<L>(x: Area, accumulate: bool, sum: &mut [f32]) {
        assert_eq!(sum.len(), x.columns);
        for c in (0..x.columns).step_by(L::N) {
            let count = L::N.min(x.columns - c);
            let to = sum.as_mut_ptr().add(c);
            // SAFETY: `count` floats from `c` are inside each row and `sum`.
            let mut total = if accumulate { L::load_first(to, count) } else { L::zero() };
            for row in 0..x.rows {
                let from = x.row(row).add(c);
                total = L::add(total, if count == L::N { L::load(from) } else { L::load_first(from, count) });
            }
            L::store_first(to, total, count);
        }
    }
}

multiversion! {
    /// Adds x to y.
    pub(crate) fn add_area<L>(x: Area, y: Area) {
        x.assert_like(&y);
        for row in 0..y.rows {
            for c in (0..y.columns).step_by(L::N) {
                let count = L::N.min(y.columns - c);
                // SAFETY: `count` floats from `c` are inside both rows.
                let (from, to) = (x.row(row).add(c), y.row(row).add(c));
                L::store_first(to, L::add(L::load_first(to, count), L::load_first(from, count)), count);
            }
        }
    }
}

/// Elements whose squares are summed before the sums are added in order.
const SQUARES_BLOCK: usize = 32 * 1024;

/// Returns Σ x² over all parts.
///
/// # Precision
/// Blocks of a part are summed in f32 lanes, the blocks' sums in f64, part by part.
pub fn sum_of_squares(parts: &[&[f32]]) -> f64 {
    let mut blocks = Vec::new();
    for (part, x) in parts.iter().enumerate() {
        blocks.extend(x.chunks(SQUARES_BLOCK).map(|block| (part, block)));
    }
    let mut squared = vec![0f64; blocks.len()];
    let shared = Shared::new(&mut squared);
    for_each(blocks.len(), |b| {
        // SAFETY: each block has its own element.
        unsafe { shared.slice(b, 1)[0] = f64::from(squares(blocks[b].1)) };
    });
    let mut sums = vec![0f64; parts.len()];
    for ((part, _), squared) in blocks.iter().zip(&squared) {
        sums[*part] += squared;
    }
    sums.iter().sum()
}

multiversion! {
    fn squares<L>(x: &[f32]) -> f32 {
        // Four sums side by side keep the adders busy.
        let mut sums = [L::zero(); 4];
        let mut i = 0;
        while i + 4 * L::N <= x.len() {
            for (j, sum) in sums.iter_mut().enumerate() {
                // SAFETY: the loop's bound.
                let v = L::load(x.as_ptr().add(i + j * L::N));
                *sum = L::fma(v, v, *sum);
            }
            i += 4 * L::N;
        }
        while i < x.len() {
            let count = L::N.min(x.len() - i);
            // SAFETY: `count` floats from `i` are inside `x`.
            let v = L::load_first(x.as_ptr().add(i), count);
            sums[0] = L::fma(v, v, sums[0]);
            i += count;
        }
        L::sum(L::add(L::add(sums[0], sums[1]), L::add(sums[2], sums[3])))
    }
}
