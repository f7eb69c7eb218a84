//! Activations, their slopes, and gated units.

use crate::harness::{
    BOTH, assert_close, assert_same_bits, differences_by_row, finite_differences, in_each_order, random, rounded, wide,
};
use tagsmith_device::kernels::activation::{Activation, Backward, Forward, Gated, GatedBackward};
use tagsmith_device::multiply::Element;

const ALL: [Activation; 5] =
    [Activation::Gelu, Activation::GeluTanh, Activation::Relu, Activation::Silu, Activation::Tanh];

/// erf by its Maclaurin series.
fn erf(x: f64) -> f64 {
    if x.abs() > 5.0 {
        return x.signum();
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}

fn reference(which: Activation, x: f64) -> f64 {
    let root = (2.0 / std::f64::consts::PI).sqrt();
    match which {
        Activation::Gelu => 0.5 * x * (1.0 + erf(x / std::f64::consts::SQRT_2)),
        Activation::GeluTanh => 0.5 * x * (1.0 + (root * (x + 0.044715 * x * x * x)).tanh()),
        Activation::Relu => x.max(0.0),
        Activation::Silu => x / (1.0 + (-x).exp()),
        Activation::Tanh => x.tanh(),
    }
}

#[test]
fn activations_and_their_slopes() {
    // Φ(1) = 0.841344746069: a table of the normal distribution.
    assert!((reference(Activation::Gelu, 1.0) - 0.841_344_746_069).abs() < 1e-12);
    in_each_order(&["activation"], |machine| {
        for element in BOTH {
            for (activation, (rows, columns)) in ALL.into_iter().zip([(1, 1), (3, 7), (43, 24), (2, 512), (5, 411)]) {
                let (what, n) = (format!("{activation:?} of {rows} × {columns} {element:?}"), rows * columns);
                let (x, dy) = (random(element, 1, n, 6.0), random(element, 2, n, 1.0));
                let (px, pdy) = (machine.elements(element, &x), machine.elements(element, &dy));
                let [py, pdx, pagain] = [(); 3].map(|()| machine.empty(element, n));
                let [x_at, y_at] = [&px, &py].map(|room| room.address());
                machine.run([
                    Forward { element, x: x_at, bias: 0, u: 0, y: y_at, rows, columns, activation }.launch(),
                    Backward {
                        element,
                        u: x_at,
                        dy: pdy.address(),
                        dx: pdx.address(),
                        y: pagain.address(),
                        n,
                        activation,
                    }
                    .launch(),
                ]);
                let f = |x: &[f64]| x.iter().map(|&x| reference(activation, x)).collect::<Vec<_>>();
                let y = machine.values(element, &py);
                assert_close(&what, element, &y, &f(&wide(&x)), 3.0, 1);
                assert_same_bits(&what, &machine.values(element, &pagain), &y);
                let want = differences_by_row(&wide(&x), &wide(&dy), 1, f);
                assert_close(&what, element, &machine.values(element, &pdx), &want, 8.0, 1);

                // In place, and without y.
                let both = Backward { element, u: x_at, dy: pdy.address(), dx: pdy.address(), y: 0, n, activation };
                machine.run([both.launch()]);
                assert_same_bits(&what, &machine.values(element, &pdy), &machine.values(element, &pdx));
            }
        }
    });
}

#[test]
fn activations_take_a_bias_and_keep_their_input() {
    in_each_order(&["activation"], |machine| {
        for element in BOTH {
            let (rows, columns) = (23, 50);
            let (x, bias) = (random(element, 3, rows * columns, 3.0), random(Element::F32, 4, columns, 1.0));
            let (px, pbias) = (machine.elements(element, &x), machine.f32s(&bias));
            let py = machine.empty(element, rows * columns);
            let (at, y) = (px.address(), py.address());
            let activation = Activation::Silu;
            machine
                .run([Forward { element, x: at, bias: pbias.address(), u: at, y, rows, columns, activation }.launch()]);
            let u: Vec<f32> = x.iter().enumerate().map(|(i, x)| rounded(element, x + bias[i % columns])).collect();
            assert_same_bits("u", &machine.values(element, &px), &u);
            let want: Vec<f64> = u.iter().map(|&u| reference(activation, f64::from(u))).collect();
            assert_close("f(u)", element, &machine.values(element, &py), &want, 3.0, 1);
        }
    });
}

#[test]
fn activations_bear_large_inputs_and_keep_nan() {
    let x = [0.0, -0.0, 1e-30, 90.0, -90.0, 200.0, -200.0, 1e18, -1e18, 1e25, -1e25, f32::NAN];
    let n = x.len();
    in_each_order(&["activation"], |machine| {
        for activation in ALL {
            let element = Element::F32;
            let (px, pone) = (machine.f32s(&x), machine.f32s(&vec![1.0; n]));
            let (py, pdx) = (machine.empty(element, n), machine.empty(element, n));
            let (u, y, dx, dy) = (px.address(), py.address(), pdx.address(), pone.address());
            machine.run([
                Forward { element, x: u, bias: 0, u: 0, y, rows: 1, columns: n, activation }.launch(),
                Backward { element, u, dy, dx, y: 0, n, activation }.launch(),
            ]);
            let (y, dx) = (machine.values(element, &py), machine.values(element, &pdx));
            let bounded = activation == Activation::Tanh;
            for i in 0..n - 1 {
                let limit = reference(activation, f64::from(x[i]));
                let allowed = 1e-6 * limit.abs().max(1e-6);
                assert!((f64::from(y[i]) - limit).abs() <= allowed, "{activation:?} of {} is {}", x[i], y[i]);
                let slope = match (x[i].abs() > 1.0, bounded, x[i] > 0.0) {
                    (true, false, true) => 1.0,
                    (true, ..) => 0.0,
                    // ReLU's slope at 0 is 0, as PyTorch has it.
                    _ if activation == Activation::Relu => f32::from(x[i] > 0.0),
                    _ => {
                        if bounded {
                            1.0
                        } else {
                            0.5
                        }
                    }
                };
                assert!((dx[i] - slope).abs() <= 1e-6, "the slope of {activation:?} at {} is {}", x[i], dx[i]);
            }
            assert!(
                y[n - 1].is_nan() && (dx[n - 1].is_nan() || activation == Activation::Relu),
                "{activation:?} hides NaN"
            );
        }
    });
}

#[test]
fn gated_units() {
    in_each_order(&["gated"], |machine| {
        for element in BOTH {
            for (activation, (rows, half)) in ALL.into_iter().zip([(1, 1), (3, 5), (17, 48), (2, 128), (4, 385)]) {
                let what = format!("{activation:?} of {rows} × 2 · {half} {element:?}");
                let (x, dz) = (random(element, 5, rows * 2 * half, 4.0), random(element, 6, rows * half, 1.0));
                let (px, pdz) = (machine.elements(element, &x), machine.elements(element, &dz));
                let pz = machine.empty(element, rows * half);
                let (at, dz_at) = (px.address(), pdz.address());
                machine.run([
                    Gated { element, x: at, z: pz.address(), rows, half, activation }.launch(),
                    GatedBackward { element, x: at, dz: dz_at, dx: at, rows, half, activation }.launch(),
                ]);
                let f = |x: &[f64]| -> Vec<f64> {
                    let halves = x.chunks_exact(2 * half);
                    halves.flat_map(|x| (0..half).map(|c| reference(activation, x[c]) * x[half + c])).collect()
                };
                assert_close(&what, element, &machine.values(element, &pz), &f(&wide(&x)), 3.0, 1);
                let want = differences_by_row(&wide(&x), &wide(&dz), 2 * half, |x| f(x));
                assert_close(&what, element, &machine.values(element, &px), &want, 8.0, 1);
            }
        }
    });
    // What the differences are worth: those of x² are 2x.
    assert!((finite_differences(&[3.0], &[1.0], |x| vec![x[0] * x[0]])[0] - 6.0).abs() < 1e-9);
}
