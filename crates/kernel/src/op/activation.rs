//! Activations, element by element: those that encoders name in `hidden_act`.

use super::gpu;
use crate::cpu::simd::{Lanes, multiversion};
use crate::memory::tensor::{Area, Tensor};
use tagsmith_device::kernels::activation as kernels;

/// Rows that one task works on.
const BLOCK: usize = 16;

/// An activation function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// x · Φ(x) with the normal distribution Φ, by erf (Hendrycks and Gimpel, 2016).
    Gelu,
    /// GELU's approximation by tanh (Hendrycks and Gimpel, 2016).
    GeluTanh,
    /// max(x, 0).
    Relu,
    /// x / (1 + e⁻ˣ).
    Silu,
    /// (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ).
    Tanh,
}

impl Activation {
    /// Returns the function as kernels of a GPU name it.
    pub(super) fn on_gpu(self) -> kernels::Activation {
        match self {
            Activation::Gelu => kernels::Activation::Gelu,
            Activation::GeluTanh => kernels::Activation::GeluTanh,
            Activation::Relu => kernels::Activation::Relu,
            Activation::Silu => kernels::Activation::Silu,
            Activation::Tanh => kernels::Activation::Tanh,
        }
    }
}

/// Returns y = f(x).
///
/// # Shapes
/// x of any shape → y of that shape.
/// # Precision
/// GELU's Φ by formula 7.1.26 of Abramowitz and Stegun, absolute error below 1.5e-7.
pub fn forward(x: &Tensor, activation: Activation) -> Tensor {
    if x.gpu().is_some() {
        return gpu::activation::forward(x, activation.on_gpu());
    }
    let mut y = Tensor::unfilled(x.rows(), x.columns());
    y.area_mut().for_each_block(BLOCK, |rows, y| apply(activation, x.area().part(rows, 0..y.columns), y));
    y
}

/// Returns dx = f′(x) · dy, in the memory of dy.
pub fn backward(x: &Tensor, activation: Activation, mut dy: Tensor) -> Tensor {
    dy.assert_shape("activation", "dy", x.rows(), x.columns());
    if x.gpu().is_some() {
        gpu::activation::backward(x, activation.on_gpu(), &mut dy);
        return dy;
    }
    dy.area_mut()
        .for_each_block(BLOCK, |rows, dy| apply_slope(activation, x.area().part(rows, 0..dy.columns), None, dy));
    dy
}

/// Returns (Φ(x), φ(x)): the normal distribution and its density.
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

/// Returns (tanh u, 1 − tanh² u).
///
/// With q = 1 / (e²ᵘ + 1) they are 1 − 2q and 4q(1 − q), which do not cancel where tanh is near 1.
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

/// Returns f(x).
#[inline(always)]
pub(super) unsafe fn value<L: Lanes>(activation: Activation, x: L::V) -> L::V {
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
            Activation::Tanh => tanh::<L>(x).0,
        }
    }
}

/// Returns f′(x).
#[inline(always)]
pub(super) unsafe fn slope<L: Lanes>(activation: Activation, x: L::V) -> L::V {
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
            Activation::Tanh => tanh::<L>(x).1,
        }
    }
}

multiversion! {
    /// Computes y = f(x).
    pub(crate) fn apply<L>(activation: Activation, x: Area, y: Area) {
        x.assert_like(&y);
        for row in 0..y.rows {
            for c in (0..y.columns).step_by(L::N) {
                let count = L::N.min(y.columns - c);
                // SAFETY: `count` floats from `c` are inside both rows.
                let (from, to) = (x.row(row).add(c), y.row(row).add(c));
                if count == L::N {
                    L::store(to, value::<L>(activation, L::load(from)));
                } else {
                    L::store_first(to, value::<L>(activation, L::load_first(from, count)), count);
                }
            }
        }
    }
}

multiversion! {
    /// Multiplies dy by f′(x), and computes y = f(x) once more if `y` is given.
    pub(crate) fn apply_slope<L>(activation: Activation, x: Area, y: Option<Area>, dy: Area) {
        x.assert_like(&dy);
        y.iter().for_each(|y| x.assert_like(y));
        for row in 0..dy.rows {
            for c in (0..dy.columns).step_by(L::N) {
                let count = L::N.min(dy.columns - c);
                // SAFETY: `count` floats from `c` are inside the rows.
                let (from, to) = (x.row(row).add(c), dy.row(row).add(c));
                let x = if count == L::N { L::load(from) } else { L::load_first(from, count) };
                if let Some(y) = y {
                    let (to, y) = (y.row(row).add(c), value::<L>(activation, x));
                    if count == L::N { L::store(to, y) } else { L::store_first(to, y, count) }
                }
                let dy = if count == L::N { L::load(to) } else { L::load_first(to, count) };
                let dx = L::mul(slope::<L>(activation, x), dy);
                if count == L::N { L::store(to, dx) } else { L::store_first(to, dx, count) }
            }
        }
    }
}
