//! Sums with an order that the shapes fix.

use crate::simd::multiversion;
use crate::tensor::Tensor;
use crate::threads::{Shared, for_each};

/// Columns one task sums.
const BLOCK: usize = 128;

/// sum (+)= Σ over rows of x, column by column.
///
/// # Panics
/// If `sum` has not one element a column.
pub fn add_columns(x: &Tensor, accumulate: bool, sum: &mut [f32]) {
    let columns = x.columns();
    assert_eq!(sum.len(), columns, "reduce: {columns} columns, {} sums", sum.len());
    let shared = Shared::new(sum);
    for_each(columns.div_ceil(BLOCK), |block| {
        let first = block * BLOCK;
        let count = BLOCK.min(columns - first);
        // SAFETY: blocks of columns are disjoint.
        let sum = unsafe { shared.slice(first, count) };
        if !accumulate {
            sum.fill(0.0);
        }
        for row in x.data().chunks_exact(columns) {
            add(&row[first..first + count], sum);
        }
    });
}

multiversion! {
    /// y += x.
    pub(crate) fn add<L>(x: &[f32], y: &mut [f32]) {
        assert_eq!(x.len(), y.len());
        let mut i = 0;
        while i < y.len() {
            let count = L::N.min(y.len() - i);
            // SAFETY: `count` floats from `i` are inside both slices.
            let (from, to) = (x.as_ptr().add(i), y.as_mut_ptr().add(i));
            if count == L::N {
                L::store(to, L::add(L::load(to), L::load(from)));
            } else {
                L::store_first(to, L::add(L::load_first(to, count), L::load_first(from, count)), count);
            }
            i += count;
        }
    }
}

/// a + b, in a's place.
pub fn sum_into(mut a: Tensor, b: &Tensor) -> Tensor {
    b.assert_shape("sum", "b", a.rows(), a.columns());
    let width = a.columns();
    crate::threads::for_each_block(a.data_mut(), width, 64, |first, rows| {
        add(&b.data()[first * width..][..rows.len()], rows);
    });
    a
}

/// Elements whose squares are summed before the sums are added in order.
const SQUARES_BLOCK: usize = 32 * 1024;

/// Σ x² over all parts: blocks in f32 lanes, their sums in f64, part by part.
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
