//! `cvt`: conversions between types.

use super::float::{Rounding, bf16_to_f32, f32_of, register_of, round_to_bf16, round_to_f32};
use super::row::{Binary, Row, map};
use crate::emulator::types::{Type, lowest, signed};

/// A conversion of one type into another.
#[derive(Clone, Copy, Debug)]
pub struct Conversion {
    /// The type of the result.
    pub to: Type,
    /// The type of the operand.
    pub from: Type,
    /// How a result that the type does not hold is rounded.
    pub rounding: Rounding,
    /// Whether a float is rounded to a whole number (`.rni` and its like).
    pub to_whole: bool,
    /// Whether an integer is clamped to the result's range.
    pub clamps: bool,
    /// The bits of the register that takes the result. A negative number's sign is copied into all of them.
    pub register_bits: u32,
}

impl Conversion {
    /// Returns whether the emulator knows this pair of types.
    pub fn is_known(self) -> bool {
        match (self.from, self.to) {
            (from, to) if from.is_integer() && to.is_integer() => true,
            (from, Type::F32 | Type::F64) if from.is_integer() => true,
            (Type::F32 | Type::F64, to) if to.is_integer() => self.to_whole,
            (Type::F32, Type::F32 | Type::F64) | (Type::F64, Type::F32 | Type::F64) => true,
            (Type::F32, Type::Bf16) => matches!(self.rounding, Rounding::Nearest | Rounding::Zero),
            (Type::Bf16, Type::F32) => true,
            _ => false,
        }
    }

    /// Converts the lanes of a register.
    pub fn convert(self, a: &Row, out: &mut Row) {
        let values = a.iter().zip(&mut *out);
        let (from, to) = (self.from, self.to);
        if from.is_integer() && to.is_integer() && !self.clamps {
            if from.is_signed() {
                values.for_each(|(&x, out)| *out = lowest(signed(x, from.bits()) as u64, to.bits()));
            } else {
                let bits = from.bits().min(to.bits());
                values.for_each(|(&x, out)| *out = lowest(x, bits));
            }
        } else if from.is_integer() && to.is_integer() {
            values.for_each(|(&x, out)| *out = self.clamped(wide(x, from)));
        } else if from.is_integer() {
            values.for_each(|(&x, out)| *out = self.rounded(wide(x, from)));
        } else if to.is_integer() {
            values.for_each(|(&x, out)| *out = self.integer(self.float(x)));
        } else {
            values.for_each(|(&x, out)| *out = self.rounded_float(self.float(x)));
        }
        if to.is_signed() && self.register_bits > to.bits() {
            out.iter_mut().for_each(|x| *x = lowest(signed(*x, to.bits()) as u64, self.register_bits));
        }
    }

    fn float(self, x: u64) -> f64 {
        match self.from {
            Type::F32 => f32_of(x).into(),
            Type::Bf16 => bf16_to_f32(x).into(),
            _ => f64::from_bits(x),
        }
    }

    fn clamped(self, number: i128) -> u64 {
        let bits = self.to.bits();
        let (low, high) = match self.to {
            Type::Signed(_) => (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1),
            _ => (0, (1i128 << bits) - 1),
        };
        lowest(number.clamp(low, high) as u64, bits)
    }

    fn rounded(self, number: i128) -> u64 {
        let near = number as f64;
        let lacks = number - near as i128;
        if self.to == Type::F32 {
            return register_of(round_to_f32(near, lacks as f64, self.rounding));
        }
        let rounded = match self.rounding {
            Rounding::Down if lacks < 0 => near.next_down(),
            Rounding::Up if lacks > 0 => near.next_up(),
            Rounding::Zero if near > 0.0 && lacks < 0 => near.next_down(),
            Rounding::Zero if near < 0.0 && lacks > 0 => near.next_up(),
            _ => near,
        };
        rounded.to_bits()
    }

    /// A float that the integer type does not hold becomes the nearest that it does. A NaN becomes 0, or the topmost
    /// bit where one of the types has 64 bits.
    fn integer(self, value: f64) -> u64 {
        if value.is_nan() {
            let is_long = self.from == Type::F64 || self.to.bits() == 64;
            return if is_long { 1 << (self.to.bits() - 1) } else { 0 };
        }
        self.clamped(whole(value, self.rounding) as i128)
    }

    fn rounded_float(self, value: f64) -> u64 {
        let value = if self.to_whole { whole(value, self.rounding) } else { value };
        match self.to {
            Type::F32 => register_of(round_to_f32(value, 0.0, self.rounding)),
            Type::Bf16 => round_to_bf16(value, self.rounding),
            _ => value.to_bits(),
        }
    }
}

fn whole(value: f64, rounding: Rounding) -> f64 {
    match rounding {
        Rounding::Nearest => value.round_ties_even(),
        Rounding::Zero => value.trunc(),
        Rounding::Down => value.floor(),
        Rounding::Up => value.ceil(),
    }
}

fn wide(x: u64, ty: Type) -> i128 {
    if ty.is_signed() { signed(x, ty.bits()).into() } else { lowest(x, ty.bits()).into() }
}

/// Returns the function of `cvt.bf16x2.f32`: the first value rounded into the upper half, the second into the lower.
pub fn two_bf16(rounding: Rounding) -> Option<Binary> {
    fn rounded(x: u64, rounding: Rounding) -> u64 {
        round_to_bf16(f32_of(x).into(), rounding)
    }
    match rounding {
        Rounding::Nearest => Some(map!(|x, y| rounded(x, Rounding::Nearest) << 16 | rounded(y, Rounding::Nearest))),
        Rounding::Zero => Some(map!(|x, y| rounded(x, Rounding::Zero) << 16 | rounded(y, Rounding::Zero))),
        _ => None,
    }
}
