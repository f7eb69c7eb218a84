//! Matrix products against their definition in f64, in f32 and bf16, at every instruction level and at edge shapes.

use tagsmith_kernel::check::{assert_close, assert_far, at_every_level, random};
use tagsmith_kernel::memory::floats::Floats;
use tagsmith_kernel::product;
use tagsmith_kernel::{Level, Operand, Precision, Start, set_threads};

/// 1, primes, one less and one more than a tile, a tile.
const EDGES: [usize; 9] = [1, 2, 7, 11, 12, 13, 31, 32, 33];

#[test]
fn products() {
    at_every_level(|level| {
        for precision in [Precision::F32, Precision::Bf16] {
            for (i, &m) in EDGES.iter().enumerate() {
                for (j, &n) in EDGES.iter().enumerate() {
                    let k = [1, 2, 3, 16, 17, 31, 33, 384, 385, 769][(i + j) % 10];
                    check_product(level, precision, m, k, n, (i * 10 + j) as u64);
                }
            }
            // Several tasks, several blocks of k, several blocks of rows.
            check_product(level, precision, 201, 1030, 130, 99);
            check_product(level, precision, 1600, 9, 40, 98);
            check_product(level, precision, 201, 70, 192, 97);
        }
    });
}

/// The nearest bf16, ties to even, from the format's definition: a sign, eight bits of exponent, seven of fraction.
fn to_bf16(x: f32) -> f32 {
    let step = 2f64.powi(f64::from(x).abs().log2().floor() as i32 - 7);
    if x == 0.0 { x } else { ((f64::from(x) / step).round_ties_even() * step) as f32 }
}

fn check_product(level: Level, precision: Precision, m: usize, k: usize, n: usize, seed: u64) {
    let (a, b, bias) = (random(seed, m * k, 1.0), random(seed + 1, k * n, 1.0), random(seed + 2, n, 1.0));
    let factor = |x: f32| match precision {
        Precision::F32 => f64::from(x),
        Precision::Bf16 => f64::from(to_bf16(x)),
    };
    let plain = |factor: &dyn Fn(f32) -> f64| -> Vec<f64> {
        (0..m * n)
            .map(|at| (0..k).map(|p| factor(a[at / n * k + p]) * factor(b[p * n + at % n])).sum::<f64>())
            .collect()
    };
    let want = plain(&factor);
    let transpose = |x: &[f32], rows: usize, columns: usize| -> Vec<f32> {
        (0..rows * columns).map(|at| x[(at % rows) * columns + at / rows]).collect()
    };
    let (at, bt) = (transpose(&a, m, k), transpose(&b, k, n));
    let what = format!("{level:?} {precision:?} product {m} × {k} × {n}");
    for left in [Operand::Rows(&a, k), Operand::Columns(&at, m)] {
        for right in [Operand::Rows(&b, n), Operand::Columns(&bt, k)] {
            let mut c = vec![f32::NAN; m * n];
            let run = |start, c: &mut [f32]| product(precision, (m, k, n), left, right, start, c);
            run(Start::Zero, &mut c);
            assert_close(&what, &c, &want, 1.0, k);
            if precision == Precision::Bf16 && m * n * k > 100 {
                assert_far("factors that were not rounded", &c, &plain(&|x| f64::from(x)), 1.0, k);
                let cut = |x: f32| f64::from(f32::from_bits(x.to_bits() & 0xffff_0000));
                assert_far("factors that were cut off", &c, &plain(&cut), 1.0, k);
            }
            // Past the caches, to memory that is aligned and to memory that is not.
            for shift in [0, 1] {
                let mut room = Floats::zeros(shift + m * n);
                room.fill(f32::NAN);
                run(Start::Unread, &mut room[shift..]);
                assert!(room[shift..] == c[..], "{what}: unread");
            }
            run(Start::Accumulate, &mut c);
            assert_close(&what, &c, &want.iter().map(|x| 2.0 * x).collect::<Vec<_>>(), 1.0, k + 1);
            run(Start::Bias(&bias), &mut c);
            let with_bias: Vec<f64> = want.iter().enumerate().map(|(i, x)| x + f64::from(bias[i % n])).collect();
            assert_close(&what, &c, &with_bias, 1.0, k + 1);
            if n > 1 {
                let shifted: Vec<f64> =
                    want.iter().enumerate().map(|(i, x)| x + f64::from(bias[(i + 1) % n])).collect();
                assert_far(&what, &c, &shifted, 1.0, k + 1);
            }
        }
    }
}

#[test]
fn a_product_keeps_what_is_not_a_number() {
    at_every_level(|level| {
        for precision in [Precision::F32, Precision::Bf16] {
            for bad in [f32::NAN, f32::from_bits(0x7fff_ffff), f32::from_bits(0xff80_0001), f32::INFINITY] {
                let (mut a, b) = (vec![1f32; 40], vec![1f32; 40]);
                a[23] = bad;
                let mut c = [0f32];
                let (left, right) = (Operand::Rows(&a, 40), Operand::Rows(&b, 1));
                product(precision, (1, 40, 1), left, right, Start::Zero, &mut c);
                assert_eq!(
                    (c[0].is_nan(), c[0] == f32::INFINITY),
                    (bad.is_nan(), bad == f32::INFINITY),
                    "{level:?} {bad:?}"
                );
            }
        }
    });
}

#[test]
fn products_do_not_depend_on_threads() {
    at_every_level(|level| {
        let (m, k, n) = (201, 700, 170);
        let (a, b) = (random(1, m * k, 1.0), random(2, k * n, 1.0));
        for precision in [Precision::F32, Precision::Bf16] {
            let run = |threads| {
                set_threads(threads).unwrap();
                let mut c = vec![0f32; m * n];
                let (left, right) = (Operand::Rows(&a, k), Operand::Rows(&b, n));
                product(precision, (m, k, n), left, right, Start::Zero, &mut c);
                c
            };
            let one = run(1);
            for threads in [2, 3, 7] {
                assert!(one == run(threads), "{level:?} {precision:?} on {threads} threads");
            }
        }
    });
}
