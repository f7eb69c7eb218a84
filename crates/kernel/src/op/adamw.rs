//! AdamW: Adam with decoupled weight decay.

use super::gpu;
use crate::cpu::simd::{Lanes, multiversion};
use crate::memory::values::{View, ViewMut};
use crate::threads::{Shared, for_each};
use tagsmith_device::kernels::learning::Rates;

/// Elements that one task updates.
const BLOCK: usize = 16 * 1024;

/// The numbers of one update.
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
    /// Number of this update, counted from 1.
    pub update: u64,
}

/// The formula's constants in f32.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Constants {
    /// 1 − ηλ.
    pub keep: f32,
    pub beta1: f32,
    pub beta2: f32,
    rest1: f32,
    rest2: f32,
    /// η / (1 − β₁ᵗ).
    pub step: f32,
    /// 1 / √(1 − β₂ᵗ), at least 1.
    root_correction: f32,
    pub epsilon: f32,
    scale: f32,
}

/// A parameter and everything that updates it: as many numbers each, in one place.
#[derive(Debug)]
pub struct Part<'a> {
    /// Numbers of this update; parts may differ in their rate and decay.
    pub adamw: AdamW,
    /// Values of the parameter.
    pub p: ViewMut<'a>,
    /// Gradient of the parameter.
    pub g: View<'a>,
    /// First moments of the parameter.
    pub m: ViewMut<'a>,
    /// Second moments of the parameter.
    pub v: ViewMut<'a>,
}

impl AdamW {
    /// Returns the constants of an update whose gradients are multiplied by `scale` first.
    pub(crate) fn constants(&self, scale: f32) -> Constants {
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
            scale,
        }
    }
}

/// What a device keeps from update to update: where the parts lie. The processor keeps nothing.
#[derive(Debug, Default)]
pub struct Kept(Option<gpu::adamw::Chunks>);

/// Updates all parts in place. `factor` is the number by which gradients are clipped: see [`Clip`](super::clip::Clip).
/// A caller that updates the same parts again hands over the same `kept`; other parts may follow, for one copy to the device.
///
/// g ← factor · g; p ← p·(1 − ηλ); m ← β₁m + (1 − β₁)g; v ← β₂v + (1 − β₂)g²; p ← p − η·m̂ / (√v̂ + ε).
///
/// # Precision
/// Computed in f32, with constants from f64; on a device, the same operations. Parameters that a device holds in bf16, too,
/// are rounded anew.
/// # Panics
/// If a part's views differ in length. On a device, if gradients or moments do not lie as far from each other as their
/// parameters.
/// # Source
/// Loshchilov and Hutter, 2019; ε as in PyTorch.
pub fn update(parts: Vec<Part<'_>>, factor: View, kept: &mut Kept) {
    for Part { p, g, m, v, .. } in &parts {
        let n = p.len();
        assert!(g.len() == n && m.len() == n && v.len() == n, "adamw: {n} parameters, {} gradients", g.len());
    }
    match parts.first().and_then(|part| part.g.gpu()) {
        Some(gpu) => {
            let rates = |AdamW { rate, beta1, beta2, epsilon, decay: _, update }: AdamW| Rates {
                rate,
                beta1,
                beta2,
                epsilon,
                update,
            };
            let parts = parts.iter().filter(|part| !part.p.is_empty()).map(|part| gpu::adamw::Part {
                rates: rates(part.adamw),
                decay: part.adamw.decay,
                parameters: &part.p,
                gradients: part.g,
                first_moments: &part.m,
                second_moments: &part.v,
            });
            gpu::adamw::update(gpu, &parts.collect::<Vec<_>>(), factor, &mut kept.0);
        }
        None => update_on_processor(parts, factor.host()[0]),
    }
}

fn update_on_processor(parts: Vec<Part<'_>>, scale: f32) {
    let mut ends = Vec::with_capacity(parts.len());
    let mut blocks = 0;
    let mut slices: Vec<_> = parts
        .into_iter()
        .map(|Part { adamw, p, g, m, v }| {
            blocks += p.len().div_ceil(BLOCK);
            ends.push(blocks);
            (adamw.constants(scale), p.into_host(), g.host(), m.into_host(), v.into_host())
        })
        .collect();
    let shared: Vec<_> = slices
        .iter_mut()
        .map(|(constants, p, g, m, v)| (*constants, Shared::new(p), *g, Shared::new(m), Shared::new(v)))
        .collect();
    for_each(blocks, |block| {
        let part = ends.partition_point(|&end| end <= block);
        let (constants, p, g, m, v) = &shared[part];
        let first = part.checked_sub(1).map_or(0, |before| ends[before]);
        let start = (block - first) * BLOCK;
        let count = BLOCK.min(g.len() - start);
        // SAFETY: blocks are disjoint and inside the slices.
        let (p, m, v) = unsafe { (p.slice(start, count), m.slice(start, count), v.slice(start, count)) };
        update_block(*constants, p, &g[start..start + count], m, v);
    });
}

/// Returns p, m and v after an update with gradient `g`.
///
/// # Safety
/// As [`Lanes`] has it.
#[inline(always)]
pub(crate) unsafe fn updated<L: Lanes>(c: &Constants, g: L::V, [p, m, v]: [L::V; 3]) -> [L::V; 3] {
    // SAFETY: the caller's promise.
    unsafe {
        let g = L::mul(g, L::splat(c.scale));
        let m = L::fma(L::splat(c.rest1), g, L::mul(L::splat(c.beta1), m));
        let v = L::fma(L::mul(L::splat(c.rest2), g), g, L::mul(L::splat(c.beta2), v));
        let root = L::fma(L::sqrt(v), L::splat(c.root_correction), L::splat(c.epsilon));
        let p = L::sub(L::mul(p, L::splat(c.keep)), L::div(L::mul(L::splat(c.step), m), root));
        [p, m, v]
    }
}

multiversion! {
    /// Updates a block of one part.
    pub(crate) fn update_block<L>(constants: Constants, p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]) {
        let n = p.len();
        assert!(g.len() == n && m.len() == n && v.len() == n);
        let mut i = 0;
        while i < n {
            let count = L::N.min(n - i);
            // SAFETY: `count` floats from `i` are inside slices of n floats.
            let (g, state) = (g.as_ptr().add(i), [p.as_mut_ptr().add(i), m.as_mut_ptr().add(i), v.as_mut_ptr().add(i)]);
            if count == L::N {
                let after = updated::<L>(&constants, L::load(g), state.map(|from| L::load(from)));
                state.iter().zip(after).for_each(|(&to, x)| L::store(to, x));
            } else {
                let after =
                    updated::<L>(&constants, L::load_first(g, count), state.map(|from| L::load_first(from, count)));
                state.iter().zip(after).for_each(|(&to, x)| L::store_first(to, x, count));
            }
            i += count;
        }
    }
}
