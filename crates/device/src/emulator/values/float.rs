//! Floating-point arithmetic: IEEE 754 with the ISA's rules for NaN, and its approximations as exact as f64 gives them.

use super::row::{Binary, Row, Ternary, Unary, map};
use crate::emulator::types::Type;

/// How a result that lies between two floats is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// `.rn`: to the nearest, ties to even.
    Nearest,
    /// `.rz`: toward zero.
    Zero,
    /// `.rm`: toward negative infinity.
    Down,
    /// `.rp`: toward positive infinity.
    Up,
}

/// The NaN that every f32 operation gives.
const NAN: u32 = 0x7fff_ffff;

/// Reads a register's f32.
pub fn f32_of(register: u64) -> f32 {
    f32::from_bits(register as u32)
}

/// Returns a register with a f32; a NaN becomes the one that the hardware gives.
pub fn register_of(value: f32) -> u64 {
    if value.is_nan() { NAN.into() } else { value.to_bits().into() }
}

fn f64_of(register: u64) -> f64 {
    f64::from_bits(register)
}

/// Rounds `sum + error` to f32, where `error` is what `sum` lacks to be exact: at most half of its last bit.
pub fn round_to_f32(sum: f64, error: f64, rounding: Rounding) -> f32 {
    let near = sum as f32;
    if !sum.is_finite() {
        return near;
    }
    if near.is_infinite() {
        let stays = match rounding {
            Rounding::Nearest => true,
            Rounding::Zero => false,
            Rounding::Down => near < 0.0,
            Rounding::Up => near > 0.0,
        };
        return if stays { near } else { f32::MAX.copysign(near) };
    }
    let (too_high, exact) = (f64::from(near) - sum, error);
    match rounding {
        Rounding::Nearest => nearest(near, sum, error),
        _ if too_high == exact => near,
        Rounding::Down if too_high > exact => near.next_down(),
        Rounding::Up if too_high < exact => near.next_up(),
        Rounding::Zero if sum > 0.0 && too_high > exact => near.next_down(),
        Rounding::Zero if sum < 0.0 && too_high < exact => near.next_up(),
        _ => near,
    }
}

/// Rounds to nearest where `sum` itself was rounded: a tie of `sum` is none if there is an error.
fn nearest(near: f32, sum: f64, error: f64) -> f32 {
    let off = sum - f64::from(near);
    let other = if off > 0.0 { near.next_up() } else { near.next_down() };
    let is_tie = off != 0.0 && (f64::from(other) - sum) == off;
    let leans_to_other = (off > 0.0 && error > 0.0) || (off < 0.0 && error < 0.0);
    if is_tie && leans_to_other { other } else { near }
}

/// Rounds an f64 to bfloat16's 16 bits, once, to nearest or toward zero.
pub fn round_to_bf16(value: f64, rounding: Rounding) -> u64 {
    if value.is_nan() {
        return 0x7fff;
    }
    // An odd last bit stands for what was cut off, so that the second rounding is as if it were the only one.
    let cut = round_to_f32(value, 0.0, Rounding::Zero);
    let odd = if f64::from(cut) == value || value.is_infinite() { cut.to_bits() } else { cut.to_bits() | 1 };
    let bits = match rounding {
        Rounding::Nearest => odd + 0x7fff + (odd >> 16 & 1),
        _ => odd,
    };
    u64::from(bits >> 16)
}

/// Returns the f32 that a bfloat16's bits are.
pub fn bf16_to_f32(bits: u64) -> f32 {
    f32::from_bits((bits as u32) << 16)
}

/// The sum of two numbers in f64, and what it lacks.
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let rest = sum - a;
    (sum, (a - (sum - rest)) + (b - rest))
}

/// a · b + c, rounded once to f32.
fn fused(a: f32, b: f32, c: f64, rounding: Rounding) -> f32 {
    let product = f64::from(a) * f64::from(b);
    let (sum, error) = two_sum(product, c);
    if sum == 0.0 && error == 0.0 {
        let both_negative = product.is_sign_negative() && c.is_sign_negative();
        let cancels = product != 0.0 || product.is_sign_negative() != c.is_sign_negative();
        let negative = both_negative || (cancels && rounding == Rounding::Down);
        return if negative { -0.0 } else { 0.0 };
    }
    round_to_f32(sum, error, rounding)
}

fn add(x: u64, y: u64, rounding: Rounding) -> u64 {
    register_of(fused(f32_of(x), 1.0, f32_of(y).into(), rounding))
}

fn subtract(x: u64, y: u64, rounding: Rounding) -> u64 {
    register_of(fused(f32_of(x), 1.0, (-f32_of(y)).into(), rounding))
}

fn multiply(x: u64, y: u64, rounding: Rounding) -> u64 {
    register_of(round_to_f32(f64::from(f32_of(x)) * f64::from(f32_of(y)), 0.0, rounding))
}

fn multiply_add(x: u64, y: u64, z: u64, rounding: Rounding) -> u64 {
    register_of(fused(f32_of(x), f32_of(y), f32_of(z).into(), rounding))
}

/// The smaller number. A NaN counts for nothing beside a number, and −0 is below 0.
fn minimum(x: f64, y: f64) -> f64 {
    if x.is_nan() || y < x || (x == y && y.is_sign_negative()) { y } else { x }
}

/// The larger number. A NaN counts for nothing beside a number, and −0 is below 0.
fn maximum(x: f64, y: f64) -> f64 {
    if x.is_nan() || y > x || (x == y && x.is_sign_negative()) { y } else { x }
}

/// `.NaN`: a NaN beside a number is the result.
fn nan_wins(x: u64, y: u64, choose: fn(f64, f64) -> f64) -> u64 {
    let (x, y) = (f32_of(x), f32_of(y));
    register_of(if x.is_nan() || y.is_nan() { f32::NAN } else { choose(x.into(), y.into()) as f32 })
}

/// Computes one f32 operand's function in f64, and rounds once.
fn through(x: u64, function: fn(f64) -> f64) -> u64 {
    register_of(function(f32_of(x).into()) as f32)
}

fn sign(bits: u32) -> u64 {
    1 << (bits - 1)
}

/// Replaces subnormal f32 by zeros of their sign: `.ftz`.
pub fn flush(row: &mut Row) {
    for x in row {
        if *x & 0x7f80_0000 == 0 {
            *x &= 0x8000_0000;
        }
    }
}

/// Clamps f32 to 0 to 1; a NaN becomes 0: `.sat`.
pub fn saturate(row: &mut Row) {
    for x in row {
        let value = f32_of(*x);
        *x = if value > 0.0 { value.min(1.0).to_bits().into() } else { 0 };
    }
}

/// Chooses a function that rounds by its rounding.
macro_rules! rounded {
    ($rounding:expr, |$($x:ident),+| $f:ident) => {
        match $rounding {
            Rounding::Zero => map!(|$($x),+| $f($($x),+, Rounding::Zero)),
            Rounding::Down => map!(|$($x),+| $f($($x),+, Rounding::Down)),
            Rounding::Up => map!(|$($x),+| $f($($x),+, Rounding::Up)),
            Rounding::Nearest => map!(|$($x),+| $f($($x),+, Rounding::Nearest)),
        }
    };
}

/// Returns the function of an instruction with one operand, by its name and mode.
pub fn unary(name: &str, ty: Type) -> Option<Unary> {
    let function = match (name, ty) {
        ("neg", Type::F32) => map!(|x| x ^ sign(32)),
        ("abs", Type::F32) => map!(|x| x & !sign(32)),
        ("neg", Type::F64) => map!(|x| x ^ sign(64)),
        ("abs", Type::F64) => map!(|x| x & !sign(64)),
        ("rcp.rn" | "rcp.approx", Type::F32) => map!(|x| register_of(1.0 / f32_of(x))),
        ("sqrt.rn" | "sqrt.approx", Type::F32) => map!(|x| register_of(f32_of(x).sqrt())),
        ("rsqrt.approx", Type::F32) => map!(|x| through(x, |x| 1.0 / x.sqrt())),
        ("ex2.approx", Type::F32) => map!(|x| through(x, f64::exp2)),
        ("lg2.approx", Type::F32) => map!(|x| through(x, f64::log2)),
        ("sin.approx", Type::F32) => map!(|x| through(x, f64::sin)),
        ("cos.approx", Type::F32) => map!(|x| through(x, f64::cos)),
        ("tanh.approx", Type::F32) => map!(|x| through(x, f64::tanh)),
        ("rcp.rn", Type::F64) => map!(|x| (1.0 / f64_of(x)).to_bits()),
        ("sqrt.rn", Type::F64) => map!(|x| f64_of(x).sqrt().to_bits()),
        _ => return None,
    };
    Some(function)
}

/// Returns the function of an instruction with two operands, by its name and mode.
pub fn binary(name: &str, ty: Type, rounding: Rounding) -> Option<Binary> {
    let is_nearest = rounding == Rounding::Nearest;
    let function = match (name, ty) {
        ("add", Type::F32) if is_nearest => map!(|x, y| register_of(f32_of(x) + f32_of(y))),
        ("sub", Type::F32) if is_nearest => map!(|x, y| register_of(f32_of(x) - f32_of(y))),
        ("mul", Type::F32) if is_nearest => map!(|x, y| register_of(f32_of(x) * f32_of(y))),
        ("add", Type::F32) => rounded!(rounding, |x, y| add),
        ("sub", Type::F32) => rounded!(rounding, |x, y| subtract),
        ("mul", Type::F32) => rounded!(rounding, |x, y| multiply),
        _ if !is_nearest => return None,
        ("div", Type::F32) => map!(|x, y| register_of(f32_of(x) / f32_of(y))),
        ("min", Type::F32) => map!(|x, y| register_of(minimum(f32_of(x).into(), f32_of(y).into()) as f32)),
        ("max", Type::F32) => map!(|x, y| register_of(maximum(f32_of(x).into(), f32_of(y).into()) as f32)),
        ("min.NaN", Type::F32) => map!(|x, y| nan_wins(x, y, minimum)),
        ("max.NaN", Type::F32) => map!(|x, y| nan_wins(x, y, maximum)),
        ("copysign", Type::F32) => map!(|x, y| y & !sign(32) | x & sign(32)),
        ("add", Type::F64) => map!(|x, y| (f64_of(x) + f64_of(y)).to_bits()),
        ("sub", Type::F64) => map!(|x, y| (f64_of(x) - f64_of(y)).to_bits()),
        ("mul", Type::F64) => map!(|x, y| (f64_of(x) * f64_of(y)).to_bits()),
        ("div", Type::F64) => map!(|x, y| (f64_of(x) / f64_of(y)).to_bits()),
        ("min", Type::F64) => map!(|x, y| minimum(f64_of(x), f64_of(y)).to_bits()),
        ("max", Type::F64) => map!(|x, y| maximum(f64_of(x), f64_of(y)).to_bits()),
        ("copysign", Type::F64) => map!(|x, y| y & !sign(64) | x & sign(64)),
        _ => return None,
    };
    Some(function)
}

/// Returns the function of an instruction with three operands, by its name.
pub fn ternary(name: &str, ty: Type, rounding: Rounding) -> Option<Ternary> {
    let function = match (name, ty, rounding) {
        ("fma", Type::F32, Rounding::Nearest) => {
            map!(|x, y, z| register_of(f32_of(x).mul_add(f32_of(y), f32_of(z))))
        }
        ("fma", Type::F32, _) => rounded!(rounding, |x, y, z| multiply_add),
        ("fma", Type::F64, Rounding::Nearest) => map!(|x, y, z| f64_of(x).mul_add(f64_of(y), f64_of(z)).to_bits()),
        _ => return None,
    };
    Some(function)
}
