//! Comparisons and choices.

use super::float::f32_of;
use super::row::{Row, Ternary, Test, map};
use crate::emulator::types::Type;
use std::cmp::Ordering;

/// Makes a comparison of rows from one of a lane's two values.
macro_rules! test {
    (|$x:ident, $y:ident| $holds:expr) => {{
        fn rows(a: &Row, b: &Row) -> u32 {
            let bits = a.iter().zip(b).enumerate().map(|(lane, (&$x, &$y))| u32::from($holds) << lane);
            bits.fold(0, |all, bit| all | bit)
        }
        rows as Test
    }};
}

/// Chooses a comparison by its name; `$read` reads a register as the type.
macro_rules! ordered {
    ($name:expr, $read:expr) => {
        match $name {
            "eq" => test!(|x, y| $read(x) == $read(y)),
            "ne" => test!(|x, y| $read(x) != $read(y)),
            "lt" => test!(|x, y| $read(x) < $read(y)),
            "le" => test!(|x, y| $read(x) <= $read(y)),
            "gt" => test!(|x, y| $read(x) > $read(y)),
            "ge" => test!(|x, y| $read(x) >= $read(y)),
            _ => return None,
        }
    };
}

/// Chooses a comparison of floats by its name. Those that end in `u` hold where a value is NaN, the others do not.
macro_rules! partly_ordered {
    ($name:expr, $read:expr) => {
        match $name {
            "ne" => test!(|x, y| $read(x).partial_cmp(&$read(y)).is_some_and(|order| order != Ordering::Equal)),
            "num" => test!(|x, y| $read(x).partial_cmp(&$read(y)).is_some()),
            "nan" => test!(|x, y| $read(x).partial_cmp(&$read(y)).is_none()),
            "equ" => test!(|x, y| $read(x).partial_cmp(&$read(y)).is_none_or(|order| order == Ordering::Equal)),
            "neu" => test!(|x, y| $read(x) != $read(y)),
            "ltu" => test!(|x, y| $read(x).partial_cmp(&$read(y)).is_none_or(Ordering::is_lt)),
            "leu" => test!(|x, y| $read(x).partial_cmp(&$read(y)).is_none_or(Ordering::is_le)),
            "gtu" => test!(|x, y| $read(x).partial_cmp(&$read(y)).is_none_or(Ordering::is_gt)),
            "geu" => test!(|x, y| $read(x).partial_cmp(&$read(y)).is_none_or(Ordering::is_ge)),
            name => ordered!(name, $read),
        }
    };
}

/// Returns the comparison of `setp` with this name.
pub fn test(name: &str, ty: Type) -> Option<Test> {
    let unsigned = |name| match name {
        "lo" => "lt",
        "ls" => "le",
        "hi" => "gt",
        "hs" => "ge",
        name => name,
    };
    Some(match ty {
        Type::Signed(16) => ordered!(name, |x: u64| x as i16),
        Type::Signed(32) => ordered!(name, |x: u64| x as i32),
        Type::Signed(64) => ordered!(name, |x: u64| x as i64),
        Type::Unsigned(16 | 32 | 64) => ordered!(unsigned(name), |x: u64| x),
        Type::Bits(16 | 32 | 64) if ["eq", "ne"].contains(&name) => ordered!(name, |x: u64| x),
        Type::F32 => partly_ordered!(name, f32_of),
        Type::F64 => partly_ordered!(name, f64::from_bits),
        _ => return None,
    })
}

/// Returns the function of `slct`: the first value where the third is at least 0, else the second.
pub fn by_sign(ty: Type) -> Option<Ternary> {
    match ty {
        Type::Signed(32) => Some(map!(|x, y, z| if z as i32 >= 0 { x } else { y })),
        Type::F32 => Some(map!(|x, y, z| if f32_of(z) >= 0.0 { x } else { y })),
        _ => None,
    }
}
