//! Layer norm: y = gain · (x − mean) / √(variance + ε) + bias, row by row.

use super::gpu;
use crate::cpu::reduce::for_each_column_block;
use crate::cpu::simd::multiversion;
use crate::memory::tensor::{Area, Tensor};
use crate::memory::values::View;
use crate::params::GradSlot;
use crate::threads::{Shared, for_each};

/// Rows that one task works on.
const BLOCK: usize = 16;

/// The input and its statistics, for backward.
#[must_use]
#[derive(Debug)]
pub struct Saved {
    x: Tensor,
    /// Mean and 1/√(variance + ε) of each row, shape (R, 2).
    statistics: Tensor,
}

/// Destination of the gradients of a norm's parameters.
#[derive(Debug)]
pub struct ParamGrads<'a> {
    /// Gradient of the gain, shape (H).
    pub gain: GradSlot<'a>,
    /// Gradient of the bias, shape (H). `None` if the norm has no bias.
    pub bias: Option<GradSlot<'a>>,
}

/// Normalizes each row.
///
/// # Shapes
/// x (R, H), gain (H), bias (H, or empty) → y (R, H).
/// # Precision
/// Mean first, then the sum of squared distances from it, both in f32.
/// # Panics
/// If a shape does not fit.
/// # Source
/// Ba, Kiros and Hinton, 2016; the biased variance (÷ H) and ε inside the root as in PyTorch.
pub fn forward(x: Tensor, gain: View, bias: View, epsilon: f32) -> (Tensor, Saved) {
    let (r, h) = (x.rows(), x.columns());
    assert!(gain.len() == h && (bias.is_empty() || bias.len() == h), "layer_norm: x is ({r}, {h})");
    if x.gpu().is_some() {
        let (y, statistics) = gpu::layer_norm::forward(&x, gain, bias, epsilon);
        return (y, Saved { x, statistics });
    }
    let (gain, bias) = (gain.host(), bias.host());
    let mut y = Tensor::unfilled(r, h);
    let mut statistics = Tensor::unfilled(r, 2);
    let (ys, stats) = (Shared::new(y.data_mut()), Shared::new(statistics.data_mut()));
    for_each(r.div_ceil(BLOCK), |block| {
        for row in block * BLOCK..r.min((block + 1) * BLOCK) {
            // SAFETY: each row belongs to one block.
            let (y, stats) = unsafe { (ys.slice(row * h, h), stats.slice(row * 2, 2)) };
            normalize(x.row(row), gain, bias, epsilon, y, stats);
        }
    });
    (y, Saved { x, statistics })
}

impl Saved {
    /// Returns dx, added to `onto` if that is given. The gradients of gain and bias go to `grads`, which is `None` where
    /// both are frozen.
    pub fn backward(self, gain: View, grads: Option<ParamGrads>, dy: &Tensor, onto: Option<Tensor>) -> Tensor {
        let (r, h) = (self.x.rows(), self.x.columns());
        dy.assert_shape("layer_norm", "dy", r, h);
        let accumulates = onto.is_some();
        let mut dx = onto.unwrap_or_else(|| self.x.unfilled_beside(r, h));
        dx.assert_shape("layer_norm", "dx", r, h);
        if self.x.gpu().is_some() {
            let grads = grads.map(|ParamGrads { gain, bias }| (gain, bias));
            gpu::layer_norm::backward(&self.x, &self.statistics, gain, grads, dy, (&mut dx, accumulates));
            return dx;
        }
        let gain = gain.host();
        dx.area_mut().for_each_block(BLOCK, |rows, dx| {
            for (i, row) in rows.enumerate() {
                let &[mean, scale] = self.statistics.row(row) else { unreachable!("statistics are (R, 2)") };
                // SAFETY: each row of dx belongs to one block.
                let dx = unsafe { std::slice::from_raw_parts_mut(dx.row(i), h) };
                normalize_backward(self.x.row(row), dy.row(row), gain, mean, scale, accumulates, dx);
            }
        });
        if let Some(ParamGrads { gain, bias }) = grads {
            let (dgain, gain_holds_sum) = gain.into_host();
            let (dbias, bias_holds_sum) = bias.map_or((&mut [][..], false), GradSlot::into_host);
            let biased = !dbias.is_empty();
            assert!(dgain.len() == h && (!biased || dbias.len() == h), "layer_norm: x is ({r}, {h})");
            let (gains, biases) = (Shared::new(dgain), Shared::new(dbias));
            for_each_column_block(h, |part| {
                let bias_part = if biased { part.clone() } else { 0..0 };
                // SAFETY: blocks of columns are disjoint.
                let (dgain, dbias) =
                    unsafe { (gains.slice(part.start, part.len()), biases.slice(bias_part.start, bias_part.len())) };
                let (x, dy) = (self.x.area().part(0..r, part.clone()), dy.area().part(0..r, part));
                parameter_sums(x, dy, self.statistics.data(), [gain_holds_sum, bias_holds_sum], dgain, dbias);
            });
        }
        dx
    }
}

multiversion! {
    /// Computes dgain (+)= Σ dy · x̂ and, if there is a bias, dbias (+)= Σ dy, row after row. `holds_sum` says which of
    /// the two holds a sum to add to.
    fn parameter_sums<L>(
        x: Area, dy: Area, statistics: &[f32], holds_sum: [bool; 2], dgain: &mut [f32], dbias: &mut [f32],
    ) {
        x.assert_like(&dy);
        assert!(dgain.len() == x.columns && statistics.len() == 2 * x.rows);
        let biased = !dbias.is_empty();
        assert!(!biased || dbias.len() == x.columns);
        for c in (0..x.columns).step_by(L::N) {
            let count = L::N.min(x.columns - c);
            // SAFETY (for all loads and stores): `count` floats from `c` are inside each row and both sums.
            let to_gain = dgain.as_mut_ptr().add(c);
            let to_bias = if biased { dbias.as_mut_ptr().add(c) } else { std::ptr::null_mut() };
            let (mut gain, mut bias) = (L::zero(), L::zero());
            if holds_sum[0] {
                gain = L::load_first(to_gain, count);
            }
            if holds_sum[1] && biased {
                bias = L::load_first(to_bias, count);
            }
            for (row, statistics) in statistics.chunks_exact(2).enumerate() {
                let (x, dy) = (L::load_first(x.row(row).add(c), count), L::load_first(dy.row(row).add(c), count));
                let unit = L::mul(L::sub(x, L::splat(statistics[0])), L::splat(statistics[1]));
                gain = L::fma(dy, unit, gain);
                bias = L::add(bias, dy);
            }
            L::store_first(to_gain, gain, count);
            if biased {
                L::store_first(to_bias, bias, count);
            }
        }
    }
}

multiversion! {
    fn normalize<L>(x: &[f32], gain: &[f32], bias: &[f32], epsilon: f32, y: &mut [f32], statistics: &mut [f32]) {
        let h = x.len();
        let biased = !bias.is_empty();
        assert!(gain.len() == h && (!biased || bias.len() == h) && y.len() == h);
        // SAFETY (for all loads and stores): `count` floats from `i` are inside slices of h floats.
        let full = h / L::N * L::N;
        let mut sum = L::zero();
        for i in (0..full).step_by(L::N) {
            sum = L::add(sum, L::load(x.as_ptr().add(i)));
        }
        let rest = h - full;
        if rest > 0 {
            sum = L::add(sum, L::load_first(x.as_ptr().add(full), rest));
        }
        let mean = L::sum(sum) / h as f32;
        let mut squares = L::zero();
        for i in (0..full).step_by(L::N) {
            let d = L::sub(L::load(x.as_ptr().add(i)), L::splat(mean));
            squares = L::fma(d, d, squares);
        }
        let mut variance = L::sum(squares);
        for &x in &x[full..] {
            variance += (x - mean) * (x - mean);
        }
        let scale = 1.0 / (variance / h as f32 + epsilon).sqrt();
        for i in (0..full).step_by(L::N) {
            let d = L::mul(L::sub(L::load(x.as_ptr().add(i)), L::splat(mean)), L::splat(scale));
            let bias = if biased { L::load(bias.as_ptr().add(i)) } else { L::zero() };
            L::store(y.as_mut_ptr().add(i), L::fma(d, L::load(gain.as_ptr().add(i)), bias));
        }
        for i in full..h {
            y[i] = (x[i] - mean) * scale * gain[i] + if biased { bias[i] } else { 0.0 };
        }
        statistics.copy_from_slice(&[mean, scale]);
    }
}

multiversion! {
    /// Computes dx (+)= scale · (g − mean(g) − x̂ · mean(g · x̂)), with x̂ = (x − mean) · scale and g = gain · dy.
    fn normalize_backward<L>(
        x: &[f32], dy: &[f32], gain: &[f32], mean: f32, scale: f32, accumulate: bool, dx: &mut [f32],
    ) {
        let h = x.len();
        assert!(dy.len() == h && gain.len() == h && dx.len() == h);
        let (mut sum, mut along) = (L::zero(), L::zero());
        let mut i = 0;
        // SAFETY (for all loads and stores): `count` floats from `i` are inside slices of h floats. Lanes past h hold
        // zeros of dy, so they add nothing.
        while i < h {
            let count = L::N.min(h - i);
            let (x, dy, gain) = (
                L::load_first(x.as_ptr().add(i), count),
                L::load_first(dy.as_ptr().add(i), count),
                L::load_first(gain.as_ptr().add(i), count),
            );
            let unit = L::mul(L::sub(x, L::splat(mean)), L::splat(scale));
            let g = L::mul(gain, dy);
            sum = L::add(sum, g);
            along = L::fma(g, unit, along);
            i += count;
        }
        let (sum, along) = (L::splat(L::sum(sum) / h as f32), L::splat(L::sum(along) / h as f32));
        i = 0;
        while i < h {
            let count = L::N.min(h - i);
            let (x, dy, gain) = (
                L::load_first(x.as_ptr().add(i), count),
                L::load_first(dy.as_ptr().add(i), count),
                L::load_first(gain.as_ptr().add(i), count),
            );
            let unit = L::mul(L::sub(x, L::splat(mean)), L::splat(scale));
            let d = L::sub(L::sub(L::mul(gain, dy), sum), L::mul(unit, along));
            let at = dx.as_mut_ptr().add(i);
            let before = if accumulate { L::load_first(at, count) } else { L::zero() };
            L::store_first(at, L::fma(d, L::splat(scale), before), count);
            i += count;
        }
    }
}
