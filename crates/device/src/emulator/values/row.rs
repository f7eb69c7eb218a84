//! One register of a warp, and functions of such registers.

/// The lanes of a warp.
pub const LANES: usize = 32;

/// A register's values, one a lane.
pub type Row = [u64; LANES];

/// A function of one operand.
pub type Unary = fn(&Row, &mut Row);

/// A function of two operands.
pub type Binary = fn(&Row, &Row, &mut Row);

/// A function of three operands.
pub type Ternary = fn(&Row, &Row, &Row, &mut Row);

/// A function of four operands.
pub type Quaternary = fn(&Row, &Row, &Row, &Row, &mut Row);

/// A comparison: a bit for each lane.
pub type Test = fn(&Row, &Row) -> u32;

/// Makes a function of rows from a function of one lane's values.
macro_rules! map {
    (|$x:ident| $value:expr) => {{
        fn rows(a: &crate::emulator::values::row::Row, out: &mut crate::emulator::values::row::Row) {
            for (&$x, out) in a.iter().zip(out) {
                *out = $value;
            }
        }
        rows as crate::emulator::values::row::Unary
    }};
    (|$x:ident, $y:ident| $value:expr) => {{
        use crate::emulator::values::row::Row;
        fn rows(a: &Row, b: &Row, out: &mut Row) {
            for ((&$x, &$y), out) in a.iter().zip(b).zip(out) {
                *out = $value;
            }
        }
        rows as crate::emulator::values::row::Binary
    }};
    (|$x:ident, $y:ident, $z:ident| $value:expr) => {{
        use crate::emulator::values::row::Row;
        fn rows(a: &Row, b: &Row, c: &Row, out: &mut Row) {
            for (((&$x, &$y), &$z), out) in a.iter().zip(b).zip(c).zip(out) {
                *out = $value;
            }
        }
        rows as crate::emulator::values::row::Ternary
    }};
    (|$x:ident, $y:ident, $z:ident, $w:ident| $value:expr) => {{
        use crate::emulator::values::row::Row;
        fn rows(a: &Row, b: &Row, c: &Row, d: &Row, out: &mut Row) {
            for ((((&$x, &$y), &$z), &$w), out) in a.iter().zip(b).zip(c).zip(d).zip(out) {
                *out = $value;
            }
        }
        rows as crate::emulator::values::row::Quaternary
    }};
}

pub(crate) use map;
