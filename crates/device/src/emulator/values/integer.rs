//! Integer arithmetic and bits, as the PTX ISA defines them.

use super::row::{Binary, Quaternary, Ternary, Unary, map};
use crate::emulator::types::{Type, lowest};

/// An integer type of one width and signedness.
trait Integer: Copy + Ord {
    const BITS: u32;
    /// Reads the lowest bits of a register.
    fn of(register: u64) -> Self;
    /// Returns a register that holds the lowest bits of a number.
    fn register(number: i128) -> u64 {
        lowest(number as u64, Self::BITS)
    }
    fn wide(self) -> i128;
}

macro_rules! integer {
    ($($t:ty),*) => {$(
        impl Integer for $t {
            const BITS: u32 = <$t>::BITS;
            fn of(register: u64) -> $t {
                register as $t
            }
            fn wide(self) -> i128 {
                self.into()
            }
        }
    )*};
}
integer!(u16, i16, u32, i32, u64, i64);

/// Chooses a function by an integer type: `$f` is called with the type.
macro_rules! typed {
    ($ty:expr, |$($x:ident),+| $f:ident) => {
        match $ty {
            Type::Bits(16) | Type::Unsigned(16) => Some(map!(|$($x),+| $f::<u16>($($x),+))),
            Type::Signed(16) => Some(map!(|$($x),+| $f::<i16>($($x),+))),
            Type::Bits(32) | Type::Unsigned(32) => Some(map!(|$($x),+| $f::<u32>($($x),+))),
            Type::Signed(32) => Some(map!(|$($x),+| $f::<i32>($($x),+))),
            Type::Bits(64) | Type::Unsigned(64) => Some(map!(|$($x),+| $f::<u64>($($x),+))),
            Type::Signed(64) => Some(map!(|$($x),+| $f::<i64>($($x),+))),
            _ => None,
        }
    };
}

fn negate<T: Integer>(x: u64) -> u64 {
    lowest(x.wrapping_neg(), T::BITS)
}

fn absolute<T: Integer>(x: u64) -> u64 {
    T::register(T::of(x).wide().abs())
}

fn not<T: Integer>(x: u64) -> u64 {
    lowest(!x, T::BITS)
}

fn count_ones<T: Integer>(x: u64) -> u64 {
    lowest(x, T::BITS).count_ones().into()
}

fn leading_zeros<T: Integer>(x: u64) -> u64 {
    (lowest(x, T::BITS).leading_zeros() + T::BITS - 64).into()
}

fn reverse<T: Integer>(x: u64) -> u64 {
    lowest(x, T::BITS).reverse_bits() >> (64 - T::BITS)
}

fn add<T: Integer>(x: u64, y: u64) -> u64 {
    lowest(x.wrapping_add(y), T::BITS)
}

fn subtract<T: Integer>(x: u64, y: u64) -> u64 {
    lowest(x.wrapping_sub(y), T::BITS)
}

fn multiply_low<T: Integer>(x: u64, y: u64) -> u64 {
    lowest(x.wrapping_mul(y), T::BITS)
}

/// The product of two numbers. It fits: 64 bits without sign squared are below 2¹²⁸, and their bits are kept.
fn whole_product<T: Integer>(x: u64, y: u64) -> i128 {
    T::of(x).wide().wrapping_mul(T::of(y).wide())
}

fn multiply_high<T: Integer>(x: u64, y: u64) -> u64 {
    T::register(whole_product::<T>(x, y) >> T::BITS)
}

/// The product in twice the bits, for types of up to 32.
fn multiply_wide<T: Integer>(x: u64, y: u64) -> u64 {
    lowest(whole_product::<T>(x, y) as u64, 2 * T::BITS)
}

fn minimum<T: Integer>(x: u64, y: u64) -> u64 {
    T::register(T::of(x).min(T::of(y)).wide())
}

fn maximum<T: Integer>(x: u64, y: u64) -> u64 {
    T::register(T::of(x).max(T::of(y)).wide())
}

fn divide<T: Integer>(x: u64, y: u64) -> u64 {
    let divisor = T::of(y).wide();
    if divisor == 0 { 0 } else { T::register(T::of(x).wide() / divisor) }
}

fn remainder<T: Integer>(x: u64, y: u64) -> u64 {
    let divisor = T::of(y).wide();
    if divisor == 0 { 0 } else { T::register(T::of(x).wide() % divisor) }
}

/// A shift by more than the bits there are gives 0.
fn shift_left<T: Integer>(x: u64, by: u64) -> u64 {
    let by = by as u32;
    if by >= T::BITS { 0 } else { lowest(x << by, T::BITS) }
}

/// A shift by more than the bits there are gives 0, or copies of the sign.
fn shift_right<T: Integer>(x: u64, by: u64) -> u64 {
    T::register(T::of(x).wide() >> (by as u32).min(T::BITS))
}

fn multiply_add_low<T: Integer>(x: u64, y: u64, z: u64) -> u64 {
    lowest(x.wrapping_mul(y).wrapping_add(z), T::BITS)
}

fn multiply_add_high<T: Integer>(x: u64, y: u64, z: u64) -> u64 {
    lowest(multiply_high::<T>(x, y).wrapping_add(z), T::BITS)
}

fn multiply_add_wide<T: Integer>(x: u64, y: u64, z: u64) -> u64 {
    lowest(multiply_wide::<T>(x, y).wrapping_add(z), 2 * T::BITS)
}

/// `bfe`: `length` bits from bit `from` on, continued with the topmost of them if the type has a sign.
fn extract<T: Integer>(x: u64, from: u64, length: u64) -> u64 {
    let (from, length, top) = (from as u32 & 0xff, length as u32 & 0xff, T::BITS - 1);
    let signed = T::of(u64::MAX).wide() < 0;
    let sign = signed && length > 0 && x >> (from + length - 1).min(top) & 1 == 1;
    let bit = |i: u32| if i < length && from + i <= top { x >> (from + i) & 1 } else { sign.into() };
    (0..T::BITS).map(|i| bit(i) << i).sum()
}

/// `bfi`: the lowest `length` bits of `x` take the place of those of `y` from bit `from` on.
fn insert<T: Integer>(x: u64, y: u64, from: u64, length: u64) -> u64 {
    let (from, length) = (from as u32 & 0xff, length as u32 & 0xff);
    let mut result = y;
    for i in (0..length).take_while(|i| from + i < T::BITS) {
        result = result & !(1 << (from + i)) | (x >> i & 1) << (from + i);
    }
    result
}

/// `prmt`: each of four bytes is one of the eight of `y` and `x`, or eight copies of its sign.
fn permute(x: u64, y: u64, selector: u64) -> u64 {
    let bytes = (x | y << 32).to_le_bytes();
    let byte = |i: u64| {
        let pick = selector >> (4 * i) & 0xf;
        let byte = bytes[(pick & 7) as usize];
        let byte = if pick & 8 == 0 { byte } else { 0u8.wrapping_sub(byte >> 7) };
        u64::from(byte) << (8 * i)
    };
    (0..4).map(byte).sum()
}

/// `lop3`: bit i of the result is the bit of `table` at a's, b's and c's bits i.
fn by_table(a: u64, b: u64, c: u64, table: u64) -> u64 {
    let rows = (0..8u64).filter(|row| table >> row & 1 == 1);
    let side = |value: u64, is_one: u64| if is_one == 1 { value } else { !value };
    let bits = rows.map(|row| side(a, row >> 2) & side(b, row >> 1 & 1) & side(c, row & 1));
    lowest(bits.fold(0, |all, bits| all | bits), 32)
}

/// `shf.l`: the upper half of (high, low) moved to the left.
fn funnel_left(low: u64, high: u64, by: u64) -> u64 {
    lowest((high << 32 | low) << by >> 32, 32)
}

/// `shf.r`: the lower half of (high, low) moved to the right.
fn funnel_right(low: u64, high: u64, by: u64) -> u64 {
    lowest((high << 32 | low) >> by, 32)
}

/// Returns the function of an instruction with one operand, by its name.
pub fn unary(name: &str, ty: Type) -> Option<Unary> {
    match name {
        "neg" if ty.is_signed() => typed!(ty, |x| negate),
        "abs" if ty.is_signed() => typed!(ty, |x| absolute),
        "not" => typed!(ty, |x| not),
        "popc" => typed!(ty, |x| count_ones),
        "clz" => typed!(ty, |x| leading_zeros),
        "brev" => typed!(ty, |x| reverse),
        _ => None,
    }
}

/// Returns the function of an instruction with two operands, by its name and mode.
pub fn binary(name: &str, ty: Type) -> Option<Binary> {
    match name {
        "add" => typed!(ty, |x, y| add),
        "sub" => typed!(ty, |x, y| subtract),
        "mul.lo" => typed!(ty, |x, y| multiply_low),
        "mul.hi" => typed!(ty, |x, y| multiply_high),
        "mul.wide" if ty.bits() <= 32 => typed!(ty, |x, y| multiply_wide),
        "min" => typed!(ty, |x, y| minimum),
        "max" => typed!(ty, |x, y| maximum),
        "div" => typed!(ty, |x, y| divide),
        "rem" => typed!(ty, |x, y| remainder),
        "shl" => typed!(ty, |x, y| shift_left),
        "shr" => typed!(ty, |x, y| shift_right),
        "and" => Some(map!(|x, y| x & y)),
        "or" => Some(map!(|x, y| x | y)),
        "xor" => Some(map!(|x, y| x ^ y)),
        _ => None,
    }
}

/// Returns the function of an instruction with three operands, by its name and mode.
pub fn ternary(name: &str, ty: Type) -> Option<Ternary> {
    match name {
        "mad.lo" => typed!(ty, |x, y, z| multiply_add_low),
        "mad.hi" => typed!(ty, |x, y, z| multiply_add_high),
        "mad.wide" if ty.bits() <= 32 => typed!(ty, |x, y, z| multiply_add_wide),
        "bfe" if ty.bits() >= 32 => typed!(ty, |x, y, z| extract),
        "prmt" => Some(map!(|x, y, z| permute(x, y, z))),
        "shf.l.wrap" => Some(map!(|x, y, z| funnel_left(x, y, z & 31))),
        "shf.l.clamp" => Some(map!(|x, y, z| funnel_left(x, y, z.min(32)))),
        "shf.r.wrap" => Some(map!(|x, y, z| funnel_right(x, y, z & 31))),
        "shf.r.clamp" => Some(map!(|x, y, z| funnel_right(x, y, z.min(32)))),
        _ => None,
    }
}

/// Returns the function of an instruction with four operands, by its name.
pub fn quaternary(name: &str, ty: Type) -> Option<Quaternary> {
    match name {
        "bfi" if ty.bits() >= 32 => typed!(ty, |x, y, z, w| insert),
        "lop3" => Some(map!(|x, y, z, w| by_table(x, y, z, w))),
        _ => None,
    }
}
