//! Repeated decay of a row: one factor after the other, several vectors side by side.

use crate::cpu::simd::{Lanes, multiversion};

/// Vectors that are computed side by side, so that one's latency hides behind the others'.
pub(crate) const GROUP: usize = 8;

/// Multiplies p by each factor in turn: the missed updates of a row without moments.
pub(crate) fn decay(factors: &[f32], p: &mut [f32]) {
    if factors.iter().any(|&factor| factor != 1.0) {
        decay_row(factors, p);
    }
}

multiversion! {
    fn decay_row<L>(factors: &[f32], p: &mut [f32]) {
        let mut start = 0;
        while start < p.len() {
            // SAFETY: `start` is inside the slice.
            let (to, count) = (p.as_mut_ptr().add(start), p.len() - start);
            let mut x = load_group::<L>(to, count);
            decay_group::<L>(factors.iter().copied(), &mut x);
            store_group::<L>(&x, to, count);
            start += GROUP * L::N;
        }
    }
}

/// Multiplies a group by each factor in turn.
///
/// # Safety
/// As [`Lanes`] has it, here and below.
#[inline(always)]
pub(crate) unsafe fn decay_group<L: Lanes>(factors: impl Iterator<Item = f32>, x: &mut [L::V; GROUP]) {
    for factor in factors {
        for x in x.iter_mut() {
            // SAFETY: the caller's promise.
            *x = unsafe { L::mul(*x, L::splat(factor)) };
        }
    }
}

/// Loads the first `count` floats from here, or as many as a group has, then zeros.
#[inline(always)]
pub(crate) unsafe fn load_group<L: Lanes>(from: *const f32, count: usize) -> [L::V; GROUP] {
    std::array::from_fn(|j| {
        // SAFETY: the caller's promise; a vector beyond `count` is not touched.
        unsafe {
            match count.saturating_sub(j * L::N) {
                0 => L::zero(),
                left if left < L::N => L::load_first(from.add(j * L::N), left),
                _ => L::load(from.add(j * L::N)),
            }
        }
    })
}

/// Stores the first `count` floats of a group, or all of them.
#[inline(always)]
pub(crate) unsafe fn store_group<L: Lanes>(x: &[L::V; GROUP], to: *mut f32, count: usize) {
    for (j, &x) in x.iter().enumerate() {
        // SAFETY: as in `load_group`.
        unsafe {
            match count.saturating_sub(j * L::N) {
                0 => {}
                left if left < L::N => L::store_first(to.add(j * L::N), x, left),
                _ => L::store(to.add(j * L::N), x),
            }
        }
    }
}
