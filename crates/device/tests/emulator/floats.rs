//! Floating-point instructions against exact arithmetic on integers, and the ISA's rules for what is special.

use crate::harness::{check, compute};
use std::cmp::Ordering;

/// The four roundings: their suffixes in opcodes.
pub const ROUNDINGS: [&str; 4] = ["rn", "rz", "rm", "rp"];

/// Rounds `number` · 2^`scale` to a float of some bits, in integers, and returns it as an f64 that holds it exactly.
pub fn rounded(number: i128, scale: i32, bits: u32, rounding: &str) -> f64 {
    let size = number.unsigned_abs();
    let excess = (128 - size.leading_zeros()).saturating_sub(bits);
    let (kept, cut) = (size >> excess, size & ((1 << excess) - 1));
    let half = if excess > 0 { 1 << (excess - 1) } else { 0 };
    let away = match rounding {
        "rn" => cut > half || (cut == half && cut > 0 && kept & 1 == 1),
        "rz" => false,
        "rm" => number < 0 && cut > 0,
        _ => number > 0 && cut > 0,
    };
    let value = (kept + u128::from(away)) as f64 * 2f64.powi(excess as i32 + scale);
    if number < 0 { -value } else { value }
}

/// Numbers of 24 bits, signs and powers of two: `mantissa` · 2^`power`.
pub fn numbers() -> Vec<(i128, i32)> {
    let mut numbers = Vec::new();
    for mantissa in [1, 3, 0x80_0001, 0xff_ffff, 0xaa_aaab, 0x12_3457] {
        for power in [-30, -23, -9, 0, 9] {
            numbers.extend([(mantissa, power), (-mantissa, power)]);
        }
    }
    numbers
}

/// A number's f32, which holds it exactly, as a register.
pub fn f32_bits((mantissa, power): (i128, i32)) -> u64 {
    u64::from((mantissa as f32 * 2f32.powi(power)).to_bits())
}

fn f(x: f32) -> u64 {
    x.to_bits().into()
}

const KEEP: &str = "mov.b32 %r0, %f0; cvt.u64.u32 %d0, %r0;";

#[test]
fn sums_and_products_are_rounded_once() {
    // Each as an integer at 2^−60.
    let at = |(mantissa, power): (i128, i32)| mantissa << (power + 60);
    let product = |x: (i128, i32), y: (i128, i32)| (x.0 * y.0) << (x.1 + y.1 + 60);
    let numbers = numbers();
    let (mut rows, mut cases) = (Vec::new(), Vec::new());
    for (i, &x) in numbers.iter().enumerate() {
        for (j, &y) in numbers.iter().enumerate() {
            let z = numbers[(i * 7 + j * 11) % numbers.len()];
            rows.push([f32_bits(x), f32_bits(y), f32_bits(z), 0]);
            cases.push((x, y, z));
        }
    }
    for rounding in ROUNDINGS {
        let run = |line: &str, exact: &dyn Fn(usize) -> i128| {
            for (i, got) in compute(&format!("{line} {KEEP}"), &rows).into_iter().enumerate() {
                let want = rounded(exact(i), -60, 24, rounding);
                let (x, y, z) = cases[i];
                // An exact 0 is negative only when rounded down.
                let want = if want == 0.0 && rounding == "rm" { -0.0 } else { want };
                assert_eq!(got, f(want as f32), "{line} {x:?} {y:?} {z:?}: {}", f32::from_bits(got as u32));
            }
        };
        run(&format!("add.{rounding}.f32 %f0, %f10, %f11;"), &|i| at(cases[i].0) + at(cases[i].1));
        run(&format!("sub.{rounding}.f32 %f0, %f10, %f11;"), &|i| at(cases[i].0) - at(cases[i].1));
        run(&format!("mul.{rounding}.f32 %f0, %f10, %f11;"), &|i| product(cases[i].0, cases[i].1));
        run(&format!("fma.{rounding}.f32 %f0, %f10, %f11, %f12;"), &|i| {
            product(cases[i].0, cases[i].1) + at(cases[i].2)
        });
    }
}

#[test]
fn quotients_and_roots_are_the_nearest() {
    // 2⁶⁰ · x over y, and whether something is left, decide the rounding; the root's remainder likewise.
    let mut rows = Vec::new();
    for x in [1i128, 3, 7, 10, 0xff_ffff, 0xaa_aaab] {
        for y in [1i128, 3, 7, 9, 0xff_fffd, 0x12_3457] {
            rows.push([f(x as f32), f(y as f32), x as u64, y as u64]);
        }
    }
    check(&format!("div.rn.f32 %f0, %f10, %f11; {KEEP}"), &rows, |[_, _, x, y]| {
        let (all, left) = ((i128::from(x) << 60) / i128::from(y), (i128::from(x) << 60) % i128::from(y));
        f(rounded(all << 1 | i128::from(left != 0), -61, 24, "rn") as f32)
    });
    check(&format!("rcp.rn.f32 %f0, %f11; {KEEP}"), &rows, |[_, _, _, y]| {
        let (all, left) = ((1i128 << 80) / i128::from(y), (1i128 << 80) % i128::from(y));
        f(rounded(all << 1 | i128::from(left != 0), -81, 24, "rn") as f32)
    });
    check(&format!("sqrt.rn.f32 %f0, %f10; {KEEP}"), &rows, |[_, _, x, _]| {
        let all = u128::from(x) << 80;
        let root = all.isqrt();
        f(rounded((root << 1 | u128::from(root * root != all)) as i128, -41, 24, "rn") as f32)
    });
}

#[test]
fn special_values() {
    let (nan, infinity) = (0x7fff_ffff, f(f32::INFINITY));
    for (line, a, b, want) in [
        // The NaN that arithmetic gives is one, whatever went in.
        ("add.f32", f(f32::INFINITY), f(f32::NEG_INFINITY), nan),
        ("add.f32", 0xffc1_2345, f(1.0), nan),
        ("mul.f32", 0, infinity, nan),
        ("div.rn.f32", 0, 0, nan),
        ("div.rn.f32", f(1.0), f(-0.0), f(f32::NEG_INFINITY)),
        // Too large for the type.
        ("add.rn.f32", f(f32::MAX), f(f32::MAX), infinity),
        ("add.rz.f32", f(f32::MAX), f(f32::MAX), f(f32::MAX)),
        ("add.rm.f32", f(f32::MAX), f(f32::MAX), f(f32::MAX)),
        ("add.rp.f32", f(f32::MAX), f(f32::MAX), infinity),
        ("mul.rp.f32", f(f32::MIN), f(f32::MAX), f(f32::MIN)),
        ("mul.rm.f32", f(f32::MIN), f(f32::MAX), f(f32::NEG_INFINITY)),
        // Zeros have signs.
        ("add.rn.f32", f(-0.0), f(-0.0), f(-0.0)),
        ("add.rm.f32", f(0.0), f(0.0), f(0.0)),
        ("add.rm.f32", f(0.0), f(-0.0), f(-0.0)),
        ("add.rz.f32", f(-0.0), f(-0.0), f(-0.0)),
        // Subnormal numbers stay, but with `.ftz`.
        ("mul.f32", 1, f(1.0), 1),
        ("mul.ftz.f32", 1, f(1.0), 0),
        ("mul.ftz.f32", 0x8000_0001, f(1.0), f(-0.0)),
        ("mul.f32", f(f32::MIN_POSITIVE), f(0.5), 0x40_0000),
        ("mul.ftz.f32", f(f32::MIN_POSITIVE), f(0.5), 0),
        ("add.ftz.f32", f(f32::MIN_POSITIVE), 1, f(f32::MIN_POSITIVE)),
        ("mul.rp.f32", 1, f(0.5), 1),
        ("mul.rz.f32", 1, f(0.5), 0),
        // Clamped to 0 to 1.
        ("add.sat.f32", f(0.75), f(0.5), f(1.0)),
        ("add.sat.f32", f(0.25), f(-0.5), 0),
        ("add.sat.f32", f(0.25), f(0.5), f(0.75)),
        ("add.sat.f32", nan, f(0.5), 0),
        // A number wins against a NaN, and −0 is below 0.
        ("min.f32", nan, f(3.0), f(3.0)),
        ("max.f32", f(3.0), nan, f(3.0)),
        ("min.f32", nan, 0xffc0_0001, nan),
        ("min.f32", f(0.0), f(-0.0), f(-0.0)),
        ("min.f32", f(-0.0), f(0.0), f(-0.0)),
        ("max.f32", f(0.0), f(-0.0), f(0.0)),
        ("max.f32", f(-0.0), f(0.0), f(0.0)),
        ("max.f32", f(-2.0), f(-3.0), f(-2.0)),
        ("max.NaN.f32", nan, f(3.0), nan),
        ("min.NaN.f32", f(3.0), nan, nan),
        ("max.NaN.f32", f(2.0), f(3.0), f(3.0)),
        // The sign of the first, the rest of the second.
        ("copysign.f32", f(-1.0), f(3.0), f(-3.0)),
    ] {
        let got = compute(&format!("{line} %f0, %f10, %f11; {KEEP}"), &[[a, b, 0, 0]])[0];
        assert_eq!(got, want, "{line} {a:#x} {b:#x}: {got:#x}");
    }
    for (line, a, want) in [
        ("neg.f32", f(0.0), f(-0.0)),
        ("abs.f32", f(-2.5), f(2.5)),
        ("rcp.approx.ftz.f32", 1, infinity),
        ("rsqrt.approx.f32", 0, infinity),
        ("ex2.approx.ftz.f32", f(-150.0), 0),
        ("ex2.approx.f32", f(-149.0), 1),
        ("lg2.approx.f32", 0, f(f32::NEG_INFINITY)),
        ("sqrt.rn.f32", f(-1.0), nan),
    ] {
        let got = compute(&format!("{line} %f0, %f10; {KEEP}"), &[[a, 0, 0, 0]])[0];
        assert_eq!(got, want, "{line} {a:#x}: {got:#x}");
    }
}

#[test]
fn approximations_are_close() {
    let functions = [
        ("ex2", f64::exp2 as fn(f64) -> f64),
        ("lg2", f64::log2),
        ("sin", f64::sin),
        ("cos", f64::cos),
        ("rsqrt", |x| 1.0 / x.sqrt()),
        ("tanh", f64::tanh),
    ];
    let values = [0.125f32, 0.3, 1.0, 1.5, 2.0, 3.1, 7.75];
    let rows = values.map(|x| [f(x), 0, 0, 0]);
    for (name, exact) in functions {
        let got = compute(&format!("{name}.approx.f32 %f0, %f10; {KEEP}"), &rows);
        for (x, got) in values.into_iter().zip(got) {
            let (got, want) = (f64::from(f32::from_bits(got as u32)), exact(x.into()));
            assert!((got - want).abs() <= want.abs() * 1e-7, "{name} {x}: {got} instead of {want}");
        }
    }
}

#[test]
fn comparisons_with_nan() {
    // Without `u` nothing holds beside a NaN, with it everything does.
    let values = [f(1.0), f(2.0), f(-0.0), 0, 0x7fc0_0000];
    let rows: Vec<[u64; 4]> = values.iter().flat_map(|&a| values.iter().map(move |&b| [a, b, 0, 0])).collect();
    let float = |x: u64| f32::from_bits(x as u32);
    let tests = [
        ("eq", (|a, b| a == b) as fn(f32, f32) -> bool),
        ("ne", |a, b| a.partial_cmp(&b).is_some_and(Ordering::is_ne)),
        ("lt", |a, b| a < b),
        ("le", |a, b| a <= b),
        ("gt", |a, b| a > b),
        ("ge", |a, b| a >= b),
    ];
    for (name, holds) in tests {
        let line = |suffix: &str| format!("setp.{name}{suffix}.f32 %p1, %f10, %f11; selp.u64 %d0, 1, 0, %p1;");
        check(&line(""), &rows, |[a, b, ..]| holds(float(a), float(b)).into());
        check(&line("u"), &rows, |[a, b, ..]| {
            let has_nan = float(a).is_nan() || float(b).is_nan();
            (has_nan || holds(float(a), float(b))).into()
        });
    }
    let line = |name: &str| format!("setp.{name}.f32 %p1, %f10, %f11; selp.u64 %d0, 1, 0, %p1;");
    check(&line("nan"), &rows, |[a, b, ..]| (float(a).is_nan() || float(b).is_nan()).into());
    check(&line("num"), &rows, |[a, b, ..]| (!float(a).is_nan() && !float(b).is_nan()).into());
    check("slct.b64.f32 %d0, %d12, %d13, %f10;", &[[f(-0.0), 0, 5, 6], [f(-1.0), 0, 5, 6]], |[a, _, c, d]| {
        if float(a) >= 0.0 { c } else { d }
    });
}

#[test]
fn doubles() {
    // Numbers of 53 bits: exact in 128.
    let values: Vec<(i128, i32)> =
        [1, 3, (1 << 53) - 1, (1 << 52) + 1, 0xa_aaaa_aaaa_aaab].into_iter().flat_map(|m| [(m, -3), (-m, 2)]).collect();
    let bits = |(mantissa, power): (i128, i32)| (mantissa as f64 * 2f64.powi(power)).to_bits();
    for &x in &values {
        for &y in &values {
            let row = [[bits(x), bits(y), 0, 0]];
            let at = |(mantissa, power): (i128, i32)| mantissa << (power + 3);
            let sum = rounded(at(x) + at(y), -3, 53, "rn");
            assert_eq!(compute("add.f64 %g0, %g10, %g11; mov.b64 %d0, %g0;", &row), [sum.to_bits()], "{x:?} + {y:?}");
            let product = rounded(x.0 * y.0, x.1 + y.1, 53, "rn");
            assert_eq!(compute("mul.rn.f64 %g0, %g10, %g11; mov.b64 %d0, %g0;", &row), [product.to_bits()]);
            // What a rounded product lacks is exact in a fused sum.
            let lacks = rounded((x.0 * y.0) - ((product * 2f64.powi(-x.1 - y.1)) as i128), x.1 + y.1, 53, "rn");
            let line =
                "mul.rn.f64 %g1, %g10, %g11; neg.f64 %g1, %g1; fma.rn.f64 %g0, %g10, %g11, %g1; mov.b64 %d0, %g0;";
            assert_eq!(compute(line, &row), [lacks.to_bits()], "{x:?} · {y:?}");
        }
    }
    let line = "div.rn.f64 %g0, %g10, %g11; sqrt.rn.f64 %g0, %g0; max.f64 %g0, %g0, %g11; mov.b64 %d0, %g0;";
    assert_eq!(compute(line, &[[16f64.to_bits(), 4f64.to_bits(), 0, 0]]), [4f64.to_bits()]);
}
