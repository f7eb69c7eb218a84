//! Sums of two slices, element by element.

use crate::cpu::simd::multiversion;

multiversion! {
    /// Adds x to y.
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
