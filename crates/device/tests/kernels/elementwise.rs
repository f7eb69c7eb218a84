//! Sums, multiples, dropout with what goes along, rotary positions, casts.

use crate::harness::{
    BOTH, assert_close, assert_same_bits, assert_within, child, in_each_order, kept, mix, random, random_bits, rounded,
    wide,
};
use tagsmith_device::gpu::Room;
use tagsmith_device::kernels::Mask;
use tagsmith_device::kernels::activation::{self, Activation};
use tagsmith_device::kernels::elementwise::{Add, Cast, Join, Narrow, Rotary, Scale};
use tagsmith_device::multiply::Element;

/// Lengths around the elements of an access, and around the 2048 of a block.
const LENGTHS: [usize; 7] = [1, 7, 255, 2047, 2048, 2049, 4100];

#[test]
fn sums_and_multiples() {
    in_each_order(&["add_", "scale_"], |machine| {
        for element in BOTH {
            for n in LENGTHS {
                let (x, y) = (random(element, 1, n, 1.0), random(element, 2, n, 1.0));
                let (px, py) = (machine.elements(element, &x), machine.elements(element, &y));
                machine.run([Add { element, x: px.address(), y: py.address(), n }.launch()]);
                let want: Vec<f32> = x.iter().zip(&y).map(|(x, y)| rounded(element, y + x)).collect();
                assert_same_bits("a sum", &machine.values(element, &py), &want);

                let (x, log) = (random(Element::F32, 3, n, 1.0), machine.f32s(&[0.7]));
                let (px, pz) = (machine.f32s(&x), machine.empty(element, n));
                let scale = Scale { element, x: px.address(), y: pz.address(), n, log: log.address() };
                machine.run([scale.launch()]);
                let times: Vec<f64> = x.iter().map(|&x| f64::from(0.7f32).exp() * f64::from(x)).collect();
                assert_close("a multiple", element, &machine.values(element, &pz), &times, 4.0, 1);
                if element == Element::F32 {
                    machine.run([Scale { y: px.address(), ..scale }.launch()]);
                    assert_same_bits("in place", &machine.values(element, &px), &machine.values(element, &pz));
                }
            }
        }
    });
}

#[test]
fn the_random_bits_are_those_of_the_processor() {
    // `Stream::new(3).child(9)` of the crate `kernel`: its key, and its bits at (5, 7) and (2³³, 2³¹ + 1).
    let key = child(mix(3 + 0x9E37_79B9_7F4A_7C15), 9);
    assert_eq!(key, KEY);
    assert_eq!([random_bits(key, 5, 7), random_bits(key, 1 << 33, (1 << 31) + 1)], BITS);
}

const KEY: u64 = 0xfe27_6766_b3f8_5d3c;
const BITS: [u32; 2] = [0x4948_458e, 0xc354_2179];

#[test]
fn dropout_with_bias_and_residual() {
    in_each_order(&["join_"], |machine| {
        for element in BOTH {
            for (rows, columns) in [(1, 1), (3, 24), (7, 770), (19, 129)] {
                let n = rows * columns;
                let [x, residual] = [1, 2].map(|seed| random(element, seed, n, 1.0));
                let bias = random(Element::F32, 3, columns, 1.0);
                let (px, presidual) = (machine.elements(element, &x), machine.elements(element, &residual));
                let (pbias, py) = (machine.f32s(&bias), machine.empty(element, n));
                let mask = Mask { rate: 0.3, key: 0x0123_4567_89AB_CDEF, first_row: (1 << 32) + 5 };
                let join = Join {
                    element,
                    x: px.address(),
                    bias: pbias.address(),
                    residual: presidual.address(),
                    y: py.address(),
                    rows,
                    columns,
                    mask,
                };
                let factor =
                    |i: usize| kept(mask.rate, mask.key, mask.first_row + (i / columns) as u64, (i % columns) as u32);
                let each = |f: &dyn Fn(usize) -> f32| (0..n).map(|i| rounded(element, f(i))).collect::<Vec<_>>();
                machine.run([join.launch()]);
                let all = each(&|i| (x[i] + bias[i % columns]) * factor(i) + residual[i]);
                assert_same_bits("all of it", &machine.values(element, &py), &all);
                machine.run([Join { bias: 0, residual: 0, ..join }.launch()]);
                let alone = machine.values(element, &py);
                assert_same_bits("dropout alone", &alone, &each(&|i| x[i] * factor(i)));
                assert!(
                    n < 500 || (0.65..0.75).contains(&(alone.iter().filter(|&&y| y != 0.0).count() as f64 / n as f64))
                );
                machine.run([Join { mask: Mask::NONE, y: presidual.address(), ..join }.launch()]);
                let kept = each(&|i| (x[i] + bias[i % columns]) + residual[i]);
                assert_same_bits("no dropout, in place", &machine.values(element, &presidual), &kept);
            }
        }
    });
}

#[test]
fn pairs_are_turned_by_their_positions() {
    in_each_order(&["rotary"], |machine| {
        for element in BOTH {
            for (heads, width) in [(1, 2), (3, 8), (2, 64), (12, 16)] {
                let (h, positions) = (heads * width, [0, 1, 2, 0, 4, 3]);
                let rows = positions.len();
                let qkv = random(element, 1, rows * 3 * h, 1.0);
                let half = width / 2;
                let angle = |position: usize, i: usize| position as f64 * 100f64.powf(-2.0 * i as f64 / width as f64);
                let table: Vec<f32> = (0..5)
                    .flat_map(|position| {
                        let angles = (0..width).map(move |i| angle(position, i % half));
                        angles.enumerate().map(|(i, a)| if i < half { a.cos() as f32 } else { a.sin() as f32 })
                    })
                    .collect();
                let (pqkv, pangles) = (machine.elements(element, &qkv), machine.f32s(&table));
                let ppositions = machine.i32s(&positions);
                let rotary = Rotary {
                    element,
                    qkv: pqkv.address(),
                    positions: ppositions.address(),
                    angles: pangles.address(),
                    rows,
                    heads,
                    width,
                    back: false,
                };
                machine.run_reading_less([rotary.launch()]);
                let mut want = wide(&qkv);
                for (row, &position) in positions.iter().enumerate() {
                    for head in 0..2 * heads {
                        for i in 0..half {
                            let first = row * 3 * h + head * width + i;
                            let (s, c) = angle(position as usize, i).sin_cos();
                            let (a, b) = (f64::from(qkv[first]), f64::from(qkv[first + half]));
                            (want[first], want[first + half]) = (a * c - b * s, b * c + a * s);
                        }
                    }
                }
                let turned = machine.values(element, &pqkv);
                assert_close("turned", element, &turned, &want, 4.0, 1);
                machine.run_reading_less([Rotary { back: true, ..rotary }.launch()]);
                // Two roundings in bf16: of what was turned, and of what is turned back.
                let back = machine.values(element, &pqkv);
                let allowed: Vec<f64> =
                    qkv.iter().map(|_| if element == Element::F32 { 1e-6 } else { 3.0 / 256.0 }).collect();
                assert_within("turned back", &back, &wide(&qkv), &allowed);
            }
        }
    });
}

#[test]
fn one_number_is_narrowed() {
    in_each_order(&["narrow"], |machine| {
        // f64 beside a tie of f32: the nearest one is above.
        let x = 1.0 + 1.5 / 8_388_608.0 + 1e-12;
        let (px, py) = (machine.f64s(&[x]), machine.empty(Element::F32, 1));
        machine.run([Narrow { x: px.address(), y: py.address(), onto: false }.launch()]);
        let nearest = 1.0 + 2.0 / 8_388_608.0;
        assert_same_bits("a number", &machine.values(Element::F32, &py), &[nearest]);
        machine.run([Narrow { x: px.address(), y: py.address(), onto: true }.launch()]);
        assert_same_bits("a sum", &machine.values(Element::F32, &py), &[2.0 * nearest]);
    });
}

#[test]
fn casts_round_to_nearest_even() {
    in_each_order(&["to_"], |machine| {
        // Ties between two bf16: 1 + 2⁻⁸ and 1 + 3 · 2⁻⁸.
        let ties = [1.0 + 1.0 / 256.0, 1.0 + 3.0 / 256.0];
        for n in LENGTHS {
            let mut x = random(Element::F32, 1, n, 3.0);
            // Ties, the largest f32, subnormal numbers, infinity.
            let special = [ties[0], ties[1], f32::MAX, 1e-40, -0.0, f32::INFINITY];
            x.iter_mut().zip(special).for_each(|(x, special)| *x = special);
            let want: Vec<f32> = x.iter().map(|&x| rounded(Element::Bf16, x)).collect();
            let px = machine.f32s(&x);
            let (py, pz) = (machine.empty(Element::Bf16, n), machine.empty(Element::F32, n));
            machine.run([
                Cast { x: px.address(), y: py.address(), n, to: Element::Bf16 }.launch(),
                Cast { x: py.address(), y: pz.address(), n, to: Element::F32 }.launch(),
            ]);
            assert_same_bits("to bf16", &machine.values(Element::Bf16, &py), &want);
            assert_same_bits("and back", &machine.values(Element::F32, &pz), &want);
        }
        // Even are 1 and 1 + 2⁻⁶.
        assert_eq!(ties.map(|tie| rounded(Element::Bf16, tie)), [1.0, 1.015_625]);
    });
}

/// Kernels that read and write 16 bytes at once, where operands begin so many elements behind a multiple of that.
#[test]
fn operands_begin_anywhere() {
    in_each_order(&["add_", "scale_", "to_", "activation"], |machine| {
        for element in BOTH {
            for ahead in [1, 2, 4, 8] {
                let (n, size) = (37, element.bytes());
                // What lies around the results is never written.
                let around = |values: &[f32]| [&[7.0; 8], values, &[7.0; 3]].concat();
                let (x, y) = (random(element, 1, n, 1.0), random(element, 2, n, 1.0));
                let place = |element: Element, values: &[f32]| {
                    let room = machine.elements(element, &around(values)[8 - ahead..]);
                    let at = room.address() + ahead as u64 * element.bytes();
                    (room, at)
                };
                let check = |what: &str, room: &Room, element: Element, want: &[f32]| {
                    assert_same_bits(what, &machine.values(element, room), &around(want)[8 - ahead..]);
                };
                let ((_x, x_at), (sum, sum_at), aligned) =
                    (place(element, &x), place(element, &y), machine.elements(element, &x));
                let want =
                    |sum: &[f32]| -> Vec<f32> { x.iter().zip(sum).map(|(x, y)| rounded(element, y + x)).collect() };
                machine.run([Add { element, x: x_at, y: sum_at, n }.launch()]);
                check("a sum", &sum, element, &want(&y));
                // One operand is aligned, and the other is not.
                machine.run([Add { element, x: aligned.address(), y: sum_at, n }.launch()]);
                check("another sum", &sum, element, &want(&want(&y)));

                let (to, to_at) = place(element, &y);
                let ((_wide, wide_at), one) = (place(Element::F32, &x), machine.f32s(&[0.0]));
                machine.run([Scale { element, x: wide_at, y: to_at, n, log: one.address() }.launch()]);
                check("once", &to, element, &x);
                let other = if element == Element::F32 { Element::Bf16 } else { Element::F32 };
                let halves: Vec<f32> = x.iter().map(|&x| rounded(Element::Bf16, x)).collect();
                let ((_from, from_at), (cast, cast_at)) = (place(other, &halves), place(element, &y));
                machine.run([Cast { x: from_at, y: cast_at, n, to: element }.launch()]);
                check("of another type", &cast, element, &halves);

                let ((u, u_at), (f, f_at)) = (place(element, &y), place(element, &y));
                let (bias, activation) = (machine.f32s(&[0.5]), Activation::Relu);
                let (rows, columns, bias) = (n, 1, bias.address());
                machine.run([activation::Forward {
                    element,
                    x: x_at,
                    bias,
                    u: u_at,
                    y: f_at,
                    rows,
                    columns,
                    activation,
                }
                .launch()]);
                let biased: Vec<f32> = x.iter().map(|x| rounded(element, x + 0.5)).collect();
                let positive: Vec<f32> = biased.iter().map(|u| u.max(0.0)).collect();
                check("u", &u, element, &biased);
                check("f(u)", &f, element, &positive);
                let ((d, d_at), (again, again_at)) = (place(element, &y), place(element, &y));
                machine.run([activation::Backward {
                    element,
                    u: u_at,
                    dy: d_at,
                    dx: d_at,
                    y: again_at,
                    n,
                    activation,
                }
                .launch()]);
                let slopes: Vec<f32> =
                    biased.iter().zip(&y).map(|(&u, &dy)| if u > 0.0 { dy } else { 0.0 * dy }).collect();
                check("the gradient", &d, element, &slopes);
                check("f(u) again", &again, element, &positive);
                assert!(u_at % 16 == (ahead as u64 * size) % 16);
            }
        }
    });
}
