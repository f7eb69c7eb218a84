//! `cvt` against integers and exact halves.

use crate::floats::{ROUNDINGS, f32_bits, numbers, rounded};
use crate::harness::{check, compute};

const TYPES: [(&str, u32, bool, char); 6] = [
    ("u16", 16, false, 'h'),
    ("s16", 16, true, 'h'),
    ("u32", 32, false, 'r'),
    ("s32", 32, true, 'r'),
    ("u64", 64, false, 'd'),
    ("s64", 64, true, 'd'),
];

fn keep(bits: u32) -> &'static str {
    match bits {
        16 => "cvt.u64.u16 %d0, %h0;",
        32 => "cvt.u64.u32 %d0, %r0;",
        _ => "",
    }
}

fn range(bits: u32, is_signed: bool) -> (i128, i128) {
    if is_signed { (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) } else { (0, (1 << bits) - 1) }
}

fn number(register: u64, bits: u32, is_signed: bool) -> i128 {
    let all = i128::from(register) & ((1 << bits) - 1);
    if is_signed && all >> (bits - 1) & 1 == 1 { all - (1 << bits) } else { all }
}

fn bits_of(number: i128, bits: u32) -> u64 {
    (number & ((1 << bits) - 1)) as u64
}

const INTEGERS: [u64; 14] = [
    0,
    1,
    0x7f,
    0x80,
    0x7fff,
    0x8000,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0001,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0001,
    0xffff_ffff_ffff_ff80,
];

#[test]
fn integers_are_extended_cut_and_clamped() {
    let rows = INTEGERS.map(|x| [x, 0, 0, 0]);
    for (from, from_bits, from_signed, source) in TYPES {
        for (to, to_bits, to_signed, target) in TYPES {
            let line = |sat: &str| format!("cvt{sat}.{to}.{from} %{target}0, %{source}10; {}", keep(to_bits));
            check(&line(""), &rows, |[a, ..]| bits_of(number(a, from_bits, from_signed), to_bits));
            let (low, high) = range(to_bits, to_signed);
            check(&line(".sat"), &rows, |[a, ..]| bits_of(number(a, from_bits, from_signed).clamp(low, high), to_bits));
        }
    }
    // Bytes, in registers that are wider than they are.
    check("cvt.s8.s32 %r0, %r10; cvt.u64.u32 %d0, %r0;", &rows, |[a, ..]| (a as i8) as u32 as u64);
    check("cvt.u8.u32 %r0, %r10; cvt.u64.u32 %d0, %r0;", &rows, |[a, ..]| a & 0xff);
    check("cvt.s32.s8 %r0, %h10; cvt.u64.u32 %d0, %r0;", &rows, |[a, ..]| (a as i8) as u32 as u64);
}

#[test]
fn integers_become_floats() {
    let rows = INTEGERS.map(|x| [x, 0, 0, 0]);
    for (from, bits, is_signed, source) in TYPES {
        for rounding in ROUNDINGS {
            let line = format!("cvt.{rounding}.f32.{from} %f0, %{source}10; mov.b32 %r0, %f0; cvt.u64.u32 %d0, %r0;");
            let want = |a: u64, size: u32| rounded(number(a, bits, is_signed), 0, size, rounding);
            check(&line, &rows, |[a, ..]| (want(a, 24) as f32).to_bits().into());
            let line = format!("cvt.{rounding}.f64.{from} %g0, %{source}10; mov.b64 %d0, %g0;");
            check(&line, &rows, |[a, ..]| want(a, 53).to_bits());
        }
    }
}

#[test]
fn floats_become_integers() {
    // Halves, so that their floor is a division of integers; and powers of two at the types' borders.
    let mut halves: Vec<i128> = (-9..=9).collect();
    for power in [7, 8, 15, 16, 31, 32, 63, 64, 70] {
        halves.extend([1 << (power + 1), -(1i128 << (power + 1)), (1 << (power + 1)) - (1 << (power.max(24) - 23))]);
    }
    let rows: Vec<[u64; 4]> =
        halves.iter().map(|&n| [(n as f32 / 2.0).to_bits().into(), (n as f64 / 2.0).to_bits(), 0, 0]).collect();
    for (to, bits, is_signed, target) in TYPES {
        let (low, high) = range(bits, is_signed);
        for rounding in ["rni", "rzi", "rmi", "rpi"] {
            for (from, source) in [("f32", "f10"), ("f64", "g11")] {
                let line = format!("cvt.{rounding}.{to}.{from} %{target}0, %{source}; {}", keep(bits));
                for (&n, got) in halves.iter().zip(compute(&line, &rows)) {
                    let (floor, is_half) = (n.div_euclid(2), n.rem_euclid(2) == 1);
                    let whole = match rounding {
                        "rni" => floor + i128::from(is_half && floor % 2 != 0),
                        "rzi" => n / 2,
                        "rmi" => floor,
                        _ => floor + i128::from(is_half),
                    };
                    assert_eq!(got, bits_of(whole.clamp(low, high), bits), "{line} {n} / 2");
                }
            }
        }
    }
    // NaN: 0, or the topmost bit where a type has 64.
    let nan = [[0x7fc0_0000, 0x7ff8 << 48, 0, 0]];
    assert_eq!(compute("cvt.rzi.s32.f32 %r0, %f10; cvt.u64.u32 %d0, %r0;", &nan), [0]);
    assert_eq!(compute("cvt.rzi.s64.f32 %d0, %f10;", &nan), [1 << 63]);
    assert_eq!(compute("cvt.rzi.u32.f64 %r0, %g11; cvt.u64.u32 %d0, %r0;", &nan), [1 << 31]);
}

#[test]
fn floats_become_whole_wider_and_narrower() {
    let keep = "mov.b32 %r0, %f0; cvt.u64.u32 %d0, %r0;";
    let f = |x: f32| u64::from(x.to_bits());
    for (mode, want) in
        [("rni", [-2.0, 2.0, 4.0]), ("rzi", [-2.0, 2.0, 3.0]), ("rmi", [-3.0, 2.0, 3.0]), ("rpi", [-2.0, 3.0, 4.0])]
    {
        let rows = [-2.5, 2.5, 3.5].map(|x| [f(x), 0, 0, 0]);
        assert_eq!(compute(&format!("cvt.{mode}.f32.f32 %f0, %f10; {keep}"), &rows), want.map(f));
    }
    let rows = [0.5, 1.5, -1.0, f32::NAN, f32::INFINITY].map(|x| [f(x), 0, 0, 0]);
    assert_eq!(compute(&format!("cvt.sat.f32.f32 %f0, %f10; {keep}"), &rows), [0.5, 1.0, 0.0, 0.0, 1.0].map(f));
    // Numbers of 53 bits to 24.
    for rounding in ROUNDINGS {
        for mantissa in [(1i128 << 53) - 1, (1 << 52) + 1, (1 << 52) + (1 << 28), (3 << 51) + (1 << 28), -(1 << 52) - 5]
        {
            let row = [[(mantissa as f64).to_bits(), 0, 0, 0]];
            let want = f(rounded(mantissa, 0, 24, rounding) as f32);
            assert_eq!(
                compute(&format!("cvt.{rounding}.f32.f64 %f0, %g10; {keep}"), &row),
                [want],
                "{rounding} {mantissa}"
            );
        }
    }
    let row = [[f(-1.1), 0, 0, 0]];
    assert_eq!(compute("cvt.f64.f32 %g0, %f10; mov.b64 %d0, %g0;", &row), [f64::from(-1.1f32).to_bits()]);
}

#[test]
fn floats_become_bfloat16() {
    let half = |x: f64| u64::from((x as f32).to_bits() >> 16);
    let numbers = numbers();
    let mut rows: Vec<[u64; 4]> = Vec::new();
    for (i, &x) in numbers.iter().enumerate() {
        rows.push([f32_bits(x), f32_bits(numbers[(i + 17) % numbers.len()]), 0, 0]);
    }
    // Ties: 8 bits and a half.
    let ties = [(0x181, -3), (0x183, 4), (-0x1ff, 0), (0x101, 2)];
    rows.extend(ties.map(|x| [f32_bits(x), f32_bits(x), 0, 0]));
    let of = |i: usize| if i < numbers.len() { numbers[i] } else { ties[i - numbers.len()] };
    let second = |i: usize| if i < numbers.len() { numbers[(i + 17) % numbers.len()] } else { of(i) };
    for rounding in ["rn", "rz"] {
        let want = |(mantissa, power): (i128, i32)| half(rounded(mantissa, power, 8, rounding));
        let one = compute(&format!("cvt.{rounding}.bf16.f32 %h0, %f10; cvt.u64.u16 %d0, %h0;"), &rows);
        let two = compute(&format!("cvt.{rounding}.bf16x2.f32 %r0, %f10, %f11; cvt.u64.u32 %d0, %r0;"), &rows);
        for (i, (one, two)) in one.into_iter().zip(two).enumerate() {
            assert_eq!(one, want(of(i)), "{rounding} {:?}", of(i));
            assert_eq!(two, want(of(i)) << 16 | want(second(i)), "{rounding} {:?}", of(i));
        }
    }
    let special = [f32::INFINITY, f32::MAX, f32::NAN, -0.0].map(|x| [u64::from(x.to_bits()), 0, 0, 0]);
    let line = "cvt.rn.bf16.f32 %h0, %f10; cvt.u64.u16 %d0, %h0;";
    assert_eq!(compute(line, &special), [0x7f80, 0x7f80, 0x7fff, 0x8000]);
    let back = "cvt.u16.u64 %h1, %d10; cvt.f32.bf16 %f0, %h1; mov.b32 %r0, %f0; cvt.u64.u32 %d0, %r0;";
    assert_eq!(compute(back, &[[0x3fc0, 0, 0, 0], [0x8001, 0, 0, 0]]), [0x3fc0_0000, 0x8001_0000]);
}
