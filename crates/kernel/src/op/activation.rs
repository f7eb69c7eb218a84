//! y = f(x), element by element, for the activations that encoders name in `hidden_act`.

use crate::simd::{Lanes, multiversion};
use crate::tensor::Tensor;
use crate::threads::{Shared, for_each};

/// Elements one task works on.
const BLOCK: usize = 16 * 1024;

/// An activation function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// x · Φ(x) with the normal distribution Φ, by erf (Hendrycks and Gimpel, 2016).
    Gelu,
    /// The same paper's approximation by tanh.
    GeluTanh,
    /// max(x, 0).
    Relu,
    /// x / (1 + e⁻ˣ).
    Silu,
}

/// The input, for backward.
#[must_use]
#[derive(Debug)]
pub struct Saved {
    x: Tensor,
    activation: Activation,
}

/// y = f(x).
///
/// # Shapes
/// Any; y has x's.
/// # Precision
/// GELU's Φ by formula 7.1.26 of Abramowitz and Stegun, absolute error below 1.5e-7.
pub fn forward(x: Tensor, activation: Activation) -> (Tensor, Saved) {
    let mut y = Tensor::unfilled(x.rows(), x.columns());
    each_block(y.data_mut(), |at, y| apply(activation, &x.data()[at..][..y.len()], y));
    (y, Saved { x, activation })
}

impl Saved {
    /// dx = f′(x) · dy, in dy's place.
    pub fn backward(self, mut dy: Tensor) -> Tensor {
        dy.assert_shape("activation", "dy", self.x.rows(), self.x.columns());
        each_block(dy.data_mut(), |at, dy| apply_slope(self.activation, &self.x.data()[at..][..dy.len()], dy));
        dy
    }
}

fn each_block(data: &mut [f32], work: impl Fn(usize, &mut [f32]) + Sync + Send) {
    let len = data.len();
    let shared = Shared::new(data);
    // SAFETY: blocks are disjoint and inside `data`.
    for_each(len.div_ceil(BLOCK), |b| work(b * BLOCK, unsafe { shared.slice(b * BLOCK, BLOCK.min(len - b * BLOCK)) }));
}

/// (Φ(x), φ(x)): the normal distribution and its density.
#[inline(always)]
unsafe fn normal<L: Lanes>(x: L::V) -> (L::V, L::V) {
    // SAFETY: called from multiversion bodies only.
    unsafe {
        let magnitude = L::max(x, L::sub(L::zero(), x));
        let bell = L::exp(L::mul(L::mul(x, x), L::splat(-0.5)));
        let t = L::div(
            L::splat(1.0),
            L::fma(magnitude, L::splat(0.327_591_1 * std::f32::consts::FRAC_1_SQRT_2), L::splat(1.0)),
        );
        let mut p = L::splat(1.061_405_4);
        for c in [-1.453_152, 1.421_413_8, -0.284_496_72, 0.254_829_6] {
            p = L::fma(p, t, L::splat(c));
        }
        // ½ erfc(|x| / √2): the upper tail.
        let tail = L::mul(L::mul(L::mul(p, t), bell), L::splat(0.5));
        let below = L::select_less(x, L::zero(), tail, L::sub(L::splat(1.0), tail));
        (below, L::mul(bell, L::splat(0.398_942_3)))
    }
}

/// (tanh u, 1 − tanh² u) from q = 1 / (e²ᵘ + 1): 1 − 2q and 4q(1 − q), without cancellation where tanh is near 1.
#[inline(always)]
unsafe fn tanh<L: Lanes>(u: L::V) -> (L::V, L::V) {
    // SAFETY: called from multiversion bodies only.
    unsafe {
        let e = L::exp(L::add(u, u));
        let q = L::div(L::splat(1.0), L::add(e, L::splat(1.0)));
        (L::sub(L::splat(1.0), L::add(q, q)), L::mul(L::mul(L::splat(4.0), q), L::mul(e, q)))
    }
}

const ROOT_2_OVER_PI: f32 = 0.797_884_6;

#[inline(always)]
unsafe fn value<L: Lanes>(activation: Activation, x: L::V) -> L::V {
    // SAFETY: called from multiversion bodies only.
    unsafe {
        match activation {
            Activation::Gelu => L::mul(x, normal::<L>(x).0),
            Activation::GeluTanh => {
                let cubic = L::mul(L::mul(x, x), x);
                let u = L::mul(L::splat(ROOT_2_OVER_PI), L::fma(L::splat(0.044715), cubic, x));
                L::mul(L::mul(L::splat(0.5), x), L::add(L::splat(1.0), tanh::<L>(u).0))
            }
            Activation::Relu => L::max(x, L::zero()),
            Activation::Silu => L::div(x, L::add(L::splat(1.0), L::exp(L::sub(L::zero(), x)))),
        }
    }
}

#[inline(always)]
unsafe fn slope<L: Lanes>(activation: Activation, x: L::V) -> L::V {
    // SAFETY: called from multiversion bodies only.
    unsafe {
        let one = L::splat(1.0);
        match activation {
            Activation::Gelu => {
                let (below, density) = normal::<L>(x);
                L::fma(x, density, below)
            }
            Activation::GeluTanh => {
                let square = L::mul(x, x);
                let u = L::mul(L::splat(ROOT_2_OVER_PI), L::fma(L::mul(L::splat(0.044715), square), x, x));
                let du = L::mul(L::splat(ROOT_2_OVER_PI), L::fma(L::splat(3.0 * 0.044715), square, one));
                let (t, rest) = tanh::<L>(u);
                let half = L::splat(0.5);
                let rise = L::mul(L::mul(half, x), L::mul(rest, du));
                L::fma(half, L::add(one, t), rise)
            }
            Activation::Relu => L::select_less(L::zero(), x, one, L::zero()),
            Activation::Silu => {
                let s = L::div(one, L::add(one, L::exp(L::sub(L::zero(), x))));
                L::mul(s, L::fma(x, L::sub(one, s), one))
            }
        }
    }
}

multiversion! {
    fn apply<L>(activation: Activation, x: &[f32], y: &mut [f32]) {
        assert_eq!(x.len(), y.len());
        let mut i = 0;
        while i < y.len() {
            let count = L::N.min(y.len() - i);
            // SAFETY: `count` floats from `i` are inside both slices.
            let (from, to) = (x.as_ptr().add(i), y.as_mut_ptr().add(i));
            if count == L::N {
                L::store(to, value::<L>(activation, L::load(from)));
            } else {
                L::store_first(to, value::<L>(activation, L::load_first(from, count)), count);
            }
            i += count;
        }
    }
}

multiversion! {
    fn apply_slope<L>(activation: Activation, x: &[f32], dy: &mut [f32]) {
        assert_eq!(x.len(), dy.len());
        let mut i = 0;
        while i < dy.len() {
            let count = L::N.min(dy.len() - i);
            // SAFETY: `count` floats from `i` are inside both slices.
            let (from, to) = (x.as_ptr().add(i), dy.as_mut_ptr().add(i));
            if count == L::N {
                L::store(to, L::mul(slope::<L>(activation, L::load(from)), L::load(to)));
            } else {
                let dx = L::mul(slope::<L>(activation, L::load_first(from, count)), L::load_first(to, count));
                L::store_first(to, dx, count);
            }
            i += count;
        }
    }
}
