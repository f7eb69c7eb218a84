//! AdamW: Adam with decoupled weight decay.

use super::embedding::RowGradients;
use crate::simd::multiversion;
use crate::threads::{Shared, for_each};

/// Elements one task updates.
const BLOCK: usize = 16 * 1024;

/// One update's numbers.
#[derive(Clone, Copy, Debug)]
pub struct AdamW {
    /// Learning rate η.
    pub rate: f64,
    /// β₁.
    pub beta1: f64,
    /// β₂.
    pub beta2: f64,
    /// ε, outside the root.
    pub epsilon: f64,
    /// Decay λ; 0 for parameters that do not decay.
    pub decay: f64,
    /// Which update this is, from 1.
    pub update: u64,
    /// Gradients are multiplied by this first (clipping).
    pub gradient_scale: f64,
}

/// The formula's constants in f32.
#[derive(Clone, Copy)]
struct Constants {
    keep: f32,
    beta1: f32,
    beta2: f32,
    rest1: f32,
    rest2: f32,
    step: f32,
    root_correction: f32,
    epsilon: f32,
    scale: f32,
}

impl AdamW {
    fn constants(&self) -> Constants {
        assert!(self.update > 0, "adamw: updates count from 1");
        let correction = |beta: f64| 1.0 - beta.powf(self.update as f64);
        Constants {
            keep: (1.0 - self.rate * self.decay) as f32,
            beta1: self.beta1 as f32,
            beta2: self.beta2 as f32,
            rest1: (1.0 - self.beta1) as f32,
            rest2: (1.0 - self.beta2) as f32,
            step: (self.rate / correction(self.beta1)) as f32,
            root_correction: (1.0 / correction(self.beta2).sqrt()) as f32,
            epsilon: self.epsilon as f32,
            scale: self.gradient_scale as f32,
        }
    }

    /// p ← p·(1 − ηλ); m ← β₁m + (1 − β₁)g; v ← β₂v + (1 − β₂)g²; p ← p − η·m̂ / (√v̂ + ε), in place.
    ///
    /// # Shapes
    /// All slices have one length.
    /// # Precision
    /// f32; constants from f64.
    /// # Source
    /// Loshchilov and Hutter, 2019; ε as in PyTorch.
    pub fn update(&self, p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]) {
        let n = p.len();
        assert!(g.len() == n && m.len() == n && v.len() == n, "adamw: {n} parameters, {} gradients", g.len());
        let constants = self.constants();
        let (p, m, v) = (Shared::new(p), Shared::new(m), Shared::new(v));
        for_each(n.div_ceil(BLOCK), |b| {
            let (start, count) = (b * BLOCK, BLOCK.min(n - b * BLOCK));
            // SAFETY: blocks are disjoint and inside the slices.
            let (p, m, v) = unsafe { (p.slice(start, count), m.slice(start, count), v.slice(start, count)) };
            update_block(constants, p, &g[start..start + count], m, v);
        });
    }

    /// The same update of a whole table whose rows without a gradient have gradient 0.
    pub fn update_rows(&self, width: usize, p: &mut [f32], g: &RowGradients, m: &mut [f32], v: &mut [f32]) {
        let n = p.len();
        assert!(n.is_multiple_of(width) && m.len() == n && v.len() == n, "adamw: a table of {n} in rows of {width}");
        let constants = self.constants();
        let block = (BLOCK / width).max(1);
        let (p, m, v) = (Shared::new(p), Shared::new(m), Shared::new(v));
        for_each((n / width).div_ceil(block), |b| {
            let zeros = vec![0f32; width];
            let (first, end) = (b * block, (n / width).min((b + 1) * block));
            let mut next = g.rows.partition_point(|&row| (row as usize) < first);
            for row in first..end {
                let here = g.rows.get(next).is_some_and(|&with| with as usize == row);
                let gradient = if here { &g.values[next * width..][..width] } else { &zeros };
                next += usize::from(here);
                // SAFETY: blocks of rows are disjoint and inside the slices.
                let (p, m, v) =
                    unsafe { (p.slice(row * width, width), m.slice(row * width, width), v.slice(row * width, width)) };
                update_block(constants, p, gradient, m, v);
            }
        });
    }
}

multiversion! {
    fn update_block<L>(constants: Constants, p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]) {
        let n = p.len();
        assert!(g.len() == n && m.len() == n && v.len() == n);
        let mut i = 0;
        while i < n {
            let count = L::N.min(n - i);
            // SAFETY: `count` floats from `i` are inside slices of n floats.
            let (pi, gi, mi, vi) = (p.as_mut_ptr().add(i), g.as_ptr().add(i), m.as_mut_ptr().add(i), v.as_mut_ptr().add(i));
            let whole = count == L::N;
            let (pv, gv, mv, vv) = if whole {
                (L::load(pi), L::load(gi), L::load(mi), L::load(vi))
            } else {
                (L::load_first(pi, count), L::load_first(gi, count), L::load_first(mi, count), L::load_first(vi, count))
            };
            let gv = L::mul(gv, L::splat(constants.scale));
            let mv = L::fma(L::splat(constants.rest1), gv, L::mul(L::splat(constants.beta1), mv));
            let vv = L::fma(L::mul(L::splat(constants.rest2), gv), gv, L::mul(L::splat(constants.beta2), vv));
            let root = L::fma(L::sqrt(vv), L::splat(constants.root_correction), L::splat(constants.epsilon));
            let pv = L::sub(L::mul(pv, L::splat(constants.keep)), L::div(L::mul(L::splat(constants.step), mv), root));
            if whole {
                L::store(pi, pv);
                L::store(mi, mv);
                L::store(vi, vv);
            } else {
                L::store_first(pi, pv, count);
                L::store_first(mi, mv, count);
                L::store_first(vi, vv, count);
            }
            i += count;
        }
    }
}
