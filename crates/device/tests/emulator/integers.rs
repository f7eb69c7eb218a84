//! Integer instructions against two's complement in 128 bits.

use crate::harness::{check, rows};

/// Values at the borders of types, and some in between.
const VALUES: &[u64] = &[
    0,
    1,
    2,
    3,
    7,
    31,
    32,
    33,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0x8000,
    0xffff,
    0x1_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fffe,
    0xffff_ffff,
    0x1_0000_0000,
    0x1234_5678_9abc_def0,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_ffff_fff9,
    0xffff_ffff_ffff_ffff,
];

/// A type: its name, bits, whether it has a sign, and the letter of its registers.
type Kind = (&'static str, u32, bool, char);

const KINDS: &[Kind] = &[
    ("u16", 16, false, 'h'),
    ("s16", 16, true, 'h'),
    ("u32", 32, false, 'r'),
    ("s32", 32, true, 'r'),
    ("u64", 64, false, 'd'),
    ("s64", 64, true, 'd'),
];

/// The number that a register's lowest bits are.
fn number(register: u64, (_, bits, is_signed, _): Kind) -> i128 {
    let all = i128::from(register) & ((1 << bits) - 1);
    if is_signed && all >> (bits - 1) & 1 == 1 { all - (1 << bits) } else { all }
}

fn bits(number: i128, bits: u32) -> u64 {
    (number & ((1 << bits) - 1)) as u64
}

/// The line that brings a result of some bits into `%d0`.
fn keep(bits: u32) -> &'static str {
    match bits {
        16 => "cvt.u64.u16 %d0, %h0;",
        32 => "cvt.u64.u32 %d0, %r0;",
        _ => "",
    }
}

/// Checks an instruction with two operands for all types that it has.
fn check_two(name: &str, kinds: impl Fn(Kind) -> bool, wanted: impl Fn(i128, i128, u32) -> i128) {
    for &kind in KINDS.iter().filter(|kind| kinds(**kind)) {
        let (ty, width, _, letter) = kind;
        let line = format!("{name}.{ty} %{letter}0, %{letter}10, %{letter}11; {}", keep(width));
        check(&line, &rows(VALUES), |[a, b, ..]| bits(wanted(number(a, kind), number(b, kind), width), width));
    }
}

#[test]
fn sums_products_and_extremes() {
    check_two("add", |_| true, |a, b, _| a + b);
    check_two("sub", |_| true, |a, b, _| a - b);
    check_two("mul.lo", |_| true, |a, b, _| a.wrapping_mul(b));
    check_two("min", |_| true, |a, b, _| a.min(b));
    check_two("max", |_| true, |a, b, _| a.max(b));
    // 2⁶⁴ − 1 squared lies below 2¹²⁸ and is negative as an i128; its bits are right.
    check_two("mul.hi", |_| true, |a, b, width| a.wrapping_mul(b) >> width);
}

#[test]
fn wide_products_and_sums_of_products() {
    for &kind in KINDS {
        let (ty, width, _, letter) = kind;
        let value = |x| number(x, kind);
        let three = format!("%{letter}10, %{letter}11, %{letter}12");
        let line = format!("mad.lo.{ty} %{letter}0, {three}; {}", keep(width));
        check(&line, &rows(VALUES), |[a, b, c, _]| bits(value(a).wrapping_mul(value(b)).wrapping_add(value(c)), width));
        let line = format!("mad.hi.{ty} %{letter}0, {three}; {}", keep(width));
        check(&line, &rows(VALUES), |[a, b, c, _]| bits((value(a).wrapping_mul(value(b)) >> width) + value(c), width));
        if width < 64 {
            let wide = if width == 16 { 'r' } else { 'd' };
            let line = format!("mul.wide.{ty} %{wide}0, %{letter}10, %{letter}11; {}", keep(2 * width));
            check(&line, &rows(VALUES), |[a, b, ..]| bits(value(a) * value(b), 2 * width));
            let line = format!("mad.wide.{ty} %{wide}0, %{letter}10, %{letter}11, %{wide}12; {}", keep(2 * width));
            check(&line, &rows(VALUES), |[a, b, c, _]| bits(value(a) * value(b) + i128::from(c), 2 * width));
        }
    }
}

#[test]
fn divisions_round_toward_zero() {
    for &kind in KINDS {
        let (ty, width, _, letter) = kind;
        let divisible: Vec<_> = rows(VALUES).into_iter().filter(|row| number(row[1], kind) != 0).collect();
        for (name, wanted) in [("div", (|a, b| a / b) as fn(i128, i128) -> i128), ("rem", |a, b| a % b)] {
            let line = format!("{name}.{ty} %{letter}0, %{letter}10, %{letter}11; {}", keep(width));
            check(&line, &divisible, |[a, b, ..]| bits(wanted(number(a, kind), number(b, kind)), width));
        }
    }
}

#[test]
fn signs_and_bits() {
    let signed = KINDS.iter().filter(|kind| kind.2);
    for &kind in signed {
        let (ty, width, _, letter) = kind;
        for (name, wanted) in [("neg", (|a| -a) as fn(i128) -> i128), ("abs", |a: i128| a.abs())] {
            let line = format!("{name}.{ty} %{letter}0, %{letter}10; {}", keep(width));
            check(&line, &rows(VALUES), |[a, ..]| bits(wanted(number(a, kind)), width));
        }
    }
    for (width, letter) in [(16, 'h'), (32, 'r'), (64, 'd')] {
        let line = |name: &str| format!("{name}.b{width} %{letter}0, %{letter}10, %{letter}11; {}", keep(width));
        check(&line("and"), &rows(VALUES), |[a, b, ..]| bits((a & b).into(), width));
        check(&line("or"), &rows(VALUES), |[a, b, ..]| bits((a | b).into(), width));
        check(&line("xor"), &rows(VALUES), |[a, b, ..]| bits((a ^ b).into(), width));
        let not = format!("not.b{width} %{letter}0, %{letter}10; {}", keep(width));
        check(&not, &rows(VALUES), |[a, ..]| bits((!a).into(), width));
    }
}

#[test]
fn shifts_by_more_than_there_are_bits_leave_nothing_or_the_sign() {
    for &kind in KINDS {
        let (ty, width, _, letter) = kind;
        let by = |b: u64| (b & 0xffff_ffff).min(100) as u32;
        let right = format!("shr.{ty} %{letter}0, %{letter}10, %r11; {}", keep(width));
        check(&right, &rows(VALUES), |[a, b, ..]| bits(number(a, kind) >> by(b).min(width), width));
        let left = format!("shl.b{width} %{letter}0, %{letter}10, %r11; {}", keep(width));
        check(&left, &rows(VALUES), |[a, b, ..]| if by(b) >= width { 0 } else { bits(i128::from(a) << by(b), width) });
    }
}

#[test]
fn counts_of_bits() {
    check("popc.b32 %r0, %r10; cvt.u64.u32 %d0, %r0;", &rows(VALUES), |[a, ..]| (a as u32).count_ones().into());
    check("popc.b64 %r0, %d10; cvt.u64.u32 %d0, %r0;", &rows(VALUES), |[a, ..]| a.count_ones().into());
    check("clz.b32 %r0, %r10; cvt.u64.u32 %d0, %r0;", &rows(VALUES), |[a, ..]| (a as u32).leading_zeros().into());
    check("clz.b64 %r0, %d10; cvt.u64.u32 %d0, %r0;", &rows(VALUES), |[a, ..]| a.leading_zeros().into());
    check("brev.b32 %r0, %r10; cvt.u64.u32 %d0, %r0;", &rows(VALUES), |[a, ..]| (a as u32).reverse_bits().into());
    check("brev.b64 %d0, %d10;", &rows(VALUES), |[a, ..]| a.reverse_bits());
}

/// Bit i of a number, in the words of the ISA's pseudocode.
fn bit(value: u64, i: u32) -> u64 {
    value >> i & 1
}

#[test]
fn fields_of_bits() {
    // Positions and lengths below, at and beyond the borders.
    let mut fields = Vec::new();
    for value in [0x1234_5678_9abc_def0, 0x8000_0001_8000_0001, u64::MAX, 0] {
        for from in [0, 1, 5, 30, 31, 32, 63, 64, 255, 256 + 3] {
            for length in [0, 1, 8, 31, 32, 33, 64, 255, 256 + 4] {
                fields.push([value, from, length, !value]);
            }
        }
    }
    for (ty, top, letter, signed) in
        [("u32", 31, 'r', false), ("s32", 31, 'r', true), ("u64", 63, 'd', false), ("s64", 63, 'd', true)]
    {
        let line = format!("bfe.{ty} %{letter}0, %{letter}10, %r11, %r12; {}", keep(top + 1));
        check(&line, &fields, |[a, b, c, _]| {
            let (from, length) = (b as u32 & 0xff, c as u32 & 0xff);
            let sign = if !signed || length == 0 { 0 } else { bit(a, (from + length - 1).min(top)) };
            (0..=top).map(|i| if i < length && from + i <= top { bit(a, from + i) << i } else { sign << i }).sum()
        });
    }
    for (ty, top, letter) in [("b32", 31, 'r'), ("b64", 63, 'd')] {
        // bfi takes the field, what it is put into, position and length.
        let line = format!("bfi.{ty} %{letter}0, %{letter}10, %{letter}13, %r11, %r12; {}", keep(top + 1));
        check(&line, &fields, |[a, b, c, into]| {
            let (from, length) = (b as u32 & 0xff, c as u32 & 0xff);
            let in_field = |i: u32| i >= from && i - from < length;
            (0..=top).map(|i| if in_field(i) { bit(a, i - from) << i } else { bit(into, i) << i }).sum()
        });
    }
}

#[test]
fn bytes_permuted_and_words_funneled() {
    let line = "prmt.b32 %r0, %r10, %r11, %r12; cvt.u64.u32 %d0, %r0;";
    let selectors = [0x3210, 0x7654, 0x0123, 0x5410, 0x7632, 0xba98, 0xfedc, 0x8421, 0xffff_0000];
    let rows: Vec<[u64; 4]> = selectors.into_iter().map(|c| [0x8091_a2b3, 0x04f5_7687, c, 0]).collect();
    check(line, &rows, |[a, b, c, _]| {
        let byte = |n: u64| if n < 4 { a >> (8 * n) & 0xff } else { b >> (8 * (n - 4)) & 0xff };
        let one = |i: u64| {
            let pick = c >> (4 * i) & 0xf;
            let chosen = byte(pick & 7);
            if pick & 8 == 0 {
                chosen
            } else if chosen >> 7 == 1 {
                0xff
            } else {
                0
            }
        };
        (0..4).map(|i| one(i) << (8 * i)).sum()
    });
    let rows: Vec<[u64; 4]> =
        [0, 1, 8, 31, 32, 33, 40].into_iter().map(|by| [0x8091_a2b3, 0x04f5_7687, by, 0]).collect();
    let both = |a: u64, b: u64| u128::from(b) << 32 | u128::from(a);
    let word = |value: u128| value as u64 & 0xffff_ffff;
    let modes = [("wrap", (|by| by & 31) as fn(u64) -> u64), ("clamp", |by| by.min(32))];
    for (mode, amount) in modes {
        let line = |side: &str| format!("shf.{side}.{mode}.b32 %r0, %r10, %r11, %r12; cvt.u64.u32 %d0, %r0;");
        check(&line("l"), &rows, |[a, b, by, _]| word(both(a, b) << amount(by) >> 32));
        check(&line("r"), &rows, |[a, b, by, _]| word(both(a, b) >> amount(by)));
    }
    // A table is the function's value at a = 0xF0, b = 0xCC, c = 0xAA.
    let sample = [[0x1234_5678, 0x9abc_def0, 0x0f0f_3c3c, 0]];
    let line = |table: u8| format!("lop3.b32 %r0, %r10, %r11, %r12, {table}; cvt.u64.u32 %d0, %r0;");
    check(&line(0xf0 & (0xcc | !0xaa)), &sample, |[a, b, c, _]| a & (b | !c) & 0xffff_ffff);
    check(&line(0xf0 ^ 0xcc ^ 0xaa), &sample, |[a, b, c, _]| a ^ b ^ c);
}

#[test]
fn comparisons_and_choices() {
    for &kind in KINDS {
        let (ty, width, _, letter) = kind;
        let names = [
            ("eq", (|a, b| a == b) as fn(i128, i128) -> bool),
            ("ne", |a, b| a != b),
            ("lt", |a, b| a < b),
            ("le", |a, b| a <= b),
            ("gt", |a, b| a > b),
            ("ge", |a, b| a >= b),
        ];
        for (name, holds) in names {
            // Both results, and a combination with a third comparison.
            let line = format!(
                "setp.ne.b32 %p5, %r12, 0; setp.{name}.{ty} %p1|%p2, %{letter}10, %{letter}11;\n\
                 setp.{name}.and.{ty} %p3|%p4, %{letter}10, %{letter}11, !%p5;\n\
                 selp.b64 %d0, 1, 0, %p1; selp.b64 %d5, 2, 0, %p2; or.b64 %d0, %d0, %d5;\n\
                 selp.b64 %d5, 4, 0, %p3; or.b64 %d0, %d0, %d5; selp.b64 %d5, 8, 0, %p4; or.b64 %d0, %d0, %d5;"
            );
            check(&line, &rows(VALUES), |[a, b, c, _]| {
                let holds = holds(number(a, kind), number(b, kind));
                let other = c & 0xffff_ffff == 0;
                let flags = [holds, !holds, holds && other, !holds && other];
                flags.iter().enumerate().map(|(i, &flag)| u64::from(flag) << i).sum()
            });
        }
        let line = format!("selp.b{width} %{letter}0, %{letter}10, %{letter}11, %p1; {}", keep(width));
        check(&format!("setp.ne.s64 %p1, %d12, 0; {line}"), &rows(VALUES), |[a, b, c, _]| {
            bits(if c != 0 { a } else { b }.into(), width)
        });
    }
    for (name, holds) in [
        ("lo", (|a, b| a < b) as fn(u64, u64) -> bool),
        ("ls", |a, b| a <= b),
        ("hi", |a, b| a > b),
        ("hs", |a, b| a >= b),
    ] {
        let line = format!("setp.{name}.u64 %p1, %d10, %d11; selp.u64 %d0, 1, 0, %p1;");
        check(&line, &rows(VALUES), |[a, b, ..]| holds(a, b).into());
    }
    let line = "slct.b64.s32 %d0, %d10, %d11, %r12;";
    check(line, &rows(VALUES), |[a, b, c, _]| if c as u32 as i32 >= 0 { a } else { b });
}

#[test]
fn truth_values_combine() {
    let line = "setp.ne.s64 %p1, %d10, 0; setp.ne.s64 %p2, %d11, 0;\n\
                and.pred %p3, %p1, %p2; or.pred %p4, %p1, !%p2; xor.pred %p5, %p1, %p2; not.pred %p6, %p1; mov.pred %p7, %p2;\n\
                selp.b64 %d0, 1, 0, %p3; @%p4 add.s64 %d0, %d0, 2; @%p5 add.s64 %d0, %d0, 4;\n\
                @%p6 add.s64 %d0, %d0, 8; @!%p7 add.s64 %d0, %d0, 16;";
    check(line, &rows(&[0, 1]), |[a, b, ..]| {
        let (a, b) = (a != 0, b != 0);
        let flags = [a && b, a || !b, a != b, !a, !b];
        flags.iter().enumerate().map(|(i, &flag)| u64::from(flag) << i).sum()
    });
}

#[test]
fn values_packed_and_unpacked() {
    let line = "mov.b32 %r0, {%h10, %h11}; mov.b32 {%h1, %h2}, %r12; mov.b32 %r5, {%h2, %h1};\n\
                mov.b64 %d0, {%r0, %r5};";
    check(line, &rows(VALUES), |[a, b, c, _]| {
        let half = |x: u64| x & 0xffff;
        half(a) | half(b) << 16 | half(c >> 16) << 32 | half(c) << 48
    });
    check("mov.b64 {%r0, _}, %d10; mov.b64 {_, %r5}, %d11; mov.b64 %d0, {%r5, %r0};", &rows(VALUES), |[a, b, ..]| {
        b >> 32 | (a & 0xffff_ffff) << 32
    });
}
