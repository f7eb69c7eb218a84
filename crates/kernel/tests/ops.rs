//! Every operation against a reference in f64 written from its formula, its gradients against finite differences of
//! that reference, on every device, at edge shapes, with the wrong twins each test must refuse.

use tagsmith_kernel::Precision;
use tagsmith_kernel::check::{
    assert_close, assert_far, assert_slopes, at_every_level, finite_differences, on_every_device, parameter, random,
    read, wide,
};
use tagsmith_kernel::memory::tensor::Tensor;
use tagsmith_kernel::memory::values::{View, ViewMut};
use tagsmith_kernel::op::activation::{self, Activation};
use tagsmith_kernel::op::sequences::Sequences;
use tagsmith_kernel::op::{attention, dropout, layer_norm, linear};
use tagsmith_kernel::params::GradSlot;
use tagsmith_kernel::random::stream::Stream;

/// 1, primes, one less and one more than a tile, a tile.
const EDGES: [usize; 9] = [1, 2, 7, 11, 12, 13, 31, 32, 33];

/// erf by its Maclaurin series, with enough terms for |x| ≤ 6 in f64 where it matters here.
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

fn activation_reference(which: Activation, x: f64) -> f64 {
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
fn activations() {
    // Φ(1) = 0.841344746069, φ(1) = 0.241970724519: tables of the normal distribution.
    assert!((activation_reference(Activation::Gelu, 1.0) - 0.841_344_746_069).abs() < 1e-12);
    on_every_device(|device, place| {
        for which in [Activation::Gelu, Activation::GeluTanh, Activation::Relu, Activation::Silu, Activation::Tanh] {
            for columns in EDGES {
                let what = format!("{place} {which:?} {columns}");
                let (x, dy) = (random(columns as u64, 3 * columns, 4.0), random(7, 3 * columns, 1.0));
                let x_tensor = Tensor::on(device, 3, columns, &x);
                let y = activation::forward(&x_tensor, which);
                let reference = |x: &[f64]| x.iter().map(|&x| activation_reference(which, x)).collect::<Vec<_>>();
                assert_close(&what, &read(&y), &reference(&wide(&x)), 3.0, 1);
                let dx = activation::backward(&x_tensor, which, Tensor::on(device, 3, columns, &dy));
                let want = finite_differences(&wide(&x), &wide(&dy), reference);
                assert_close(&what, &read(&dx), &want, 8.0, 1);
            }
        }
        let x = random(5, 500, 4.0);
        let x_tensor = Tensor::on(device, 1, 500, &x);
        let y = activation::forward(&x_tensor, Activation::Gelu);
        let tanh: Vec<f64> = wide(&x).iter().map(|&x| activation_reference(Activation::GeluTanh, x)).collect();
        assert_far("tanh for erf", &read(&y), &tanh, 3.0, 1);
        let dx = activation::backward(&x_tensor, Activation::Gelu, Tensor::on(device, 1, 500, &[1.0; 500]));
        // dfdx's slip: the density without 1/√2.
        let slip: Vec<f64> = wide(&x)
            .iter()
            .map(|&x| 0.5 * (1.0 + erf(x / 2f64.sqrt())) + x * (-x * x / 2.0).exp() / std::f64::consts::PI.sqrt())
            .collect();
        assert_far("slope without 1/√2", &read(&dx), &slip, 8.0, 1);
    });
}

#[test]
fn activations_bear_large_inputs() {
    on_every_device(|device, place| {
        for which in [Activation::Gelu, Activation::GeluTanh, Activation::Relu, Activation::Silu] {
            let x = [1e4f32, -1e4, 100.0, -100.0, 0.0, 88.0, -88.0, 1e-20];
            let x_tensor = Tensor::on(device, 1, 8, &x);
            let y = activation::forward(&x_tensor, which);
            let want: Vec<f64> = wide(&x).iter().map(|&x| if x > 0.0 { x } else { 0.0 }).collect();
            assert_close(&format!("{place} {which:?}"), &read(&y), &want, 1.0, 1);
            let dx = activation::backward(&x_tensor, which, Tensor::on(device, 1, 8, &[1.0; 8]));
            assert!(read(&dx).iter().all(|d| d.is_finite()), "{place} {which:?}: {:?}", read(&dx));
        }
        // Where eˣ overflows tanh is ±1, and its slope 0.
        let x = Tensor::on(device, 1, 4, &[1e4, -1e4, 89.0, -89.0]);
        assert_eq!(read(&activation::forward(&x, Activation::Tanh)), [1.0, -1.0, 1.0, -1.0], "{place}");
        let slope = activation::backward(&x, Activation::Tanh, Tensor::on(device, 1, 4, &[1.0; 4]));
        assert!(read(&slope).iter().all(|slope| (0.0..1e-30).contains(slope)), "{place}: {:?}", read(&slope));
    });
}

fn layer_norm_reference(x: &[f64], h: usize, gain: &[f64], bias: &[f64], epsilon: f64) -> Vec<f64> {
    let row = |row: &[f64]| {
        let mean = row.iter().sum::<f64>() / h as f64;
        let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / h as f64;
        let scale = 1.0 / (variance + epsilon).sqrt();
        row.iter().zip(gain).zip(bias).map(|((x, g), b)| (x - mean) * scale * g + b).collect::<Vec<_>>()
    };
    x.chunks_exact(h).flat_map(row).collect()
}

#[test]
fn layer_norms() {
    on_every_device(|device, place| {
        for h in [2, 7, 15, 16, 17, 33, 100] {
            for r in [1, 5, 67] {
                let what = format!("{place} layer norm ({r}, {h})");
                let (x, dy) = (random(h as u64, r * h, 4.0), random(r as u64, r * h, 1.0));
                let (gain, bias, epsilon) = (random(3, h, 2.0), random(4, h, 2.0), 0.01);
                let (y, saved) = layer_norm::forward(
                    Tensor::on(device, r, h, &x),
                    parameter(device, &gain).view(),
                    parameter(device, &bias).view(),
                    epsilon,
                );
                let (xs, gains, biases, eps) = (wide(&x), wide(&gain), wide(&bias), f64::from(epsilon));
                assert_close(&what, &read(&y), &layer_norm_reference(&xs, h, &gains, &biases, eps), 4.0, h);
                let nothing = || parameter(device, &vec![f32::NAN; h]);
                let (mut dgain, mut dbias) = (nothing(), nothing());
                let into = layer_norm::ParamGrads {
                    gain: GradSlot::Overwrite(dgain.view_mut()),
                    bias: Some(GradSlot::Overwrite(dbias.view_mut())),
                };
                let dx =
                    saved.backward(parameter(device, &gain).view(), Some(into), &Tensor::on(device, r, h, &dy), None);
                let dys = wide(&dy);
                let want = finite_differences(&xs, &dys, |x| layer_norm_reference(x, h, &gains, &biases, eps));
                assert_close(&what, &read(&dx), &want, 8.0, h);
                let want = finite_differences(&gains, &dys, |gain| layer_norm_reference(&xs, h, gain, &biases, eps));
                assert_close(&what, &read(&dgain), &want, 4.0, h.max(r));
                let want = finite_differences(&biases, &dys, |bias| layer_norm_reference(&xs, h, &gains, bias, eps));
                assert_close(&what, &read(&dbias), &want, 4.0, r);
            }
        }
    });
}

#[test]
fn layer_norm_refuses_its_twins() {
    let h = 7;
    let (x, gain, bias) = (random(1, 3 * h, 0.3), random(2, h, 2.0), random(3, h, 2.0));
    let (xs, gains, biases) = (wide(&x), wide(&gain), wide(&bias));
    let (y, _) = layer_norm::forward(Tensor::from_slice(3, h, &x), View::Host(&gain), View::Host(&bias), 0.01);
    let twin = |variance: fn(f64, usize) -> f64, outside: f64| -> Vec<f64> {
        xs.chunks_exact(h)
            .flat_map(|row| {
                let mean = row.iter().sum::<f64>() / h as f64;
                let sum = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>();
                let scale = 1.0 / (variance(sum, h).sqrt() + outside);
                (0..h).map(|i| (row[i] - mean) * scale * gains[i] + biases[i]).collect::<Vec<_>>()
            })
            .collect()
    };
    assert_far("n − 1", y.data(), &twin(|sum, h| sum / (h - 1) as f64 + 0.01, 0.0), 4.0, h);
    assert_far("ε outside the root", y.data(), &twin(|sum, h| sum / h as f64, 0.01), 4.0, h);
}

/// One sequence after the other, head after head, straight from the paper.
fn attention_reference(qkv: &[f64], h: usize, starts: &[u32], heads: usize, scale: f64) -> Vec<f64> {
    let d = h / heads;
    let at = |r: usize, third: usize, head: usize, c: usize| qkv[r * 3 * h + third * h + head * d + c];
    let mut context = vec![0.0; qkv.len() / 3];
    for bounds in starts.windows(2) {
        let rows = bounds[0] as usize..bounds[1] as usize;
        for head in 0..heads {
            for i in rows.clone() {
                let score = |j: usize| (0..d).map(|c| at(i, 0, head, c) * at(j, 1, head, c)).sum::<f64>() * scale;
                let scores: Vec<f64> = rows.clone().map(score).collect();
                let top = scores.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b));
                let total: f64 = scores.iter().map(|s| (s - top).exp()).sum();
                for (s, j) in scores.iter().zip(rows.clone()) {
                    for c in 0..d {
                        context[i * h + head * d + c] += (s - top).exp() / total * at(j, 2, head, c);
                    }
                }
            }
        }
    }
    context
}

#[test]
fn attentions() {
    on_every_device(|device, place| {
        for (lengths, heads, d) in [
            (vec![1], 1, 1),
            (vec![1, 9, 2], 2, 3),
            (vec![3, 0, 1, 17], 3, 8),
            (vec![65, 1], 1, 5),
            (vec![130], 1, 2),
            (vec![1, 2], 2, 131),
        ] {
            let what = format!("{place} attention {lengths:?}, {heads} heads of {d}");
            let mut starts = vec![0u32];
            lengths.iter().for_each(|length| starts.push(starts[starts.len() - 1] + length));
            let sequences = Sequences::new(&starts);
            let (r, h) = (sequences.rows(), heads * d);
            let (qkv, dy) = (random(1, r * 3 * h, 2.0), random(2, r * h, 1.0));
            let scale = 1.0 / (d as f64).sqrt();
            let (y, saved) = attention::forward(Tensor::on(device, r, 3 * h, &qkv), &sequences, heads, None, None);
            let want = attention_reference(&wide(&qkv), h, &starts, heads, scale);
            assert_close(&what, &read(&y), &want, 4.0, r);
            let dqkv = saved.backward(&sequences, &Tensor::on(device, r, h, &dy));
            let reference = |x: &[f64]| attention_reference(x, h, &starts, heads, scale);
            if r <= 40 {
                let want = finite_differences(&wide(&qkv), &wide(&dy), reference);
                assert_close(&what, &read(&dqkv), &want, 8.0, r);
            } else {
                assert_slopes(&what, &wide(&qkv), &wide(&dy), &read(&dqkv), reference);
            }
            if r > 1 {
                let unscaled = attention_reference(&wide(&qkv), h, &starts, heads, 1.0);
                if d > 1 {
                    assert_far("missing 1/√D", &read(&y), &unscaled, 4.0, r);
                }
                if lengths.len() > 1 {
                    let leaking = attention_reference(&wide(&qkv), h, &[0, r as u32], heads, scale);
                    assert_far("leaking over a boundary", &read(&y), &leaking, 4.0, r);
                }
            }
        }
    });
}

#[test]
fn attention_bears_large_scores_and_drops_the_same_in_backward() {
    on_every_device(|device, place| {
        let (r, h, heads) = (13, 8, 2);
        let sequences = Sequences::new(&[0, 13]);
        let qkv = random(1, r * 3 * h, 100.0);
        let (y, _) = attention::forward(Tensor::on(device, r, 3 * h, &qkv), &sequences, heads, None, None);
        let want = attention_reference(&wide(&qkv), h, &[0, 13], heads, 0.5);
        assert_close(place, &read(&y), &want, 64.0, r);

        // With dropout the output is still linear in V: its gradient times V is the output itself.
        let dropout = Some(dropout::Dropout { rate: 0.4, stream: Stream::new(8), first_row: 3 });
        let qkv = random(2, r * 3 * h, 1.0);
        let (y, saved) = attention::forward(Tensor::on(device, r, 3 * h, &qkv), &sequences, heads, None, dropout);
        let dy = random(3, r * h, 1.0);
        let dqkv = read(&saved.backward(&sequences, &Tensor::on(device, r, h, &dy)));
        let from_values: f64 = (0..r * h)
            .map(|i| (i / h) * 3 * h + 2 * h + i % h)
            .map(|at| f64::from(dqkv[at]) * f64::from(qkv[at]))
            .sum();
        let from_output: f64 = read(&y).iter().zip(&dy).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
        assert!((from_values - from_output).abs() <= 1e-5, "{place}: {from_values} for {from_output}");
        // And the slope in Q and K follows finite differences of the very same masked function.
        let sum = |x: &[f32]| -> f64 {
            let (y, _) = attention::forward(Tensor::on(device, r, 3 * h, x), &sequences, heads, None, dropout);
            read(&y).iter().zip(&dy).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
        };
        for at in [0, 3, h + 1, 5 * 3 * h + 2, 7 * 3 * h + h + 5] {
            let (mut above, mut below) = (qkv.clone(), qkv.clone());
            above[at] += 0.01;
            below[at] -= 0.01;
            let slope = (sum(&above) - sum(&below)) / (f64::from(above[at]) - f64::from(below[at]));
            let got = f64::from(dqkv[at]);
            assert!((got - slope).abs() <= 2e-3 * (0.05 + slope.abs()), "{place} {at}: {got} for {slope}");
        }
    });
}

/// u = x · Wᵀ + b in f64.
fn linear_reference(x: &[f64], w: &[f64], b: &[f64], k: usize) -> Vec<f64> {
    let n = b.len();
    let element = |at: usize| (0..k).map(|p| x[at / n * k + p] * w[at % n * k + p]).sum::<f64>() + b[at % n];
    (0..x.len() / k * n).map(element).collect()
}

#[test]
fn linears() {
    on_every_device(|device, place| {
        for (r, k, n) in [(1, 1, 1), (5, 7, 13), (33, 12, 3)] {
            let what = format!("{place} linear ({r}, {k}) → {n}");
            let (x, w, b, dy) =
                (random(1, r * k, 1.0), random(2, n * k, 1.0), random(3, n, 1.0), random(4, r * n, 1.0));
            let reference = |x: &[f64], w: &[f64], b: &[f64]| linear_reference(x, w, b, k);
            let (xs, ws, bs, dys) = (wide(&x), wide(&w), wide(&b), wide(&dy));
            let (y, saved) = linear::forward(
                Tensor::on(device, r, k, &x),
                parameter(device, &w).view(),
                parameter(device, &b).view(),
                Precision::F32,
            );
            assert_close(&what, &read(&y), &reference(&xs, &ws, &bs), 2.0, k);
            let (mut dw, mut db) = (parameter(device, &vec![0.5; n * k]), parameter(device, &vec![0.5; n]));
            let into = linear::ParamGrads {
                weight: Some(GradSlot::Add(dw.view_mut())),
                bias: Some(GradSlot::Add(db.view_mut())),
            };
            let dx = saved.backward(parameter(device, &w).view(), into, &Tensor::on(device, r, n, &dy), None);
            assert_close(&what, &read(&dx), &finite_differences(&xs, &dys, |x| reference(x, &ws, &bs)), 2.0, n);
            let half_more = |v: Vec<f64>| v.into_iter().map(|x| x + 0.5).collect::<Vec<_>>();
            let want = half_more(finite_differences(&ws, &dys, |w| reference(&xs, w, &bs)));
            assert_close(&what, &read(&dw), &want, 2.0, r);
            assert_close(
                &what,
                &read(&db),
                &half_more(finite_differences(&bs, &dys, |b| reference(&xs, &ws, b))),
                2.0,
                r,
            );
        }
    });
}

#[test]
fn linears_with_what_follows_them() {
    on_every_device(|device, place| {
        for (r, k, n) in [(1, 1, 1), (5, 7, 13), (33, 12, 3), (13, 5, 33), (150, 20, 40)] {
            let what = format!("{place} linear ({r}, {k}) → {n}");
            let (x, w, b) = (random(1, r * k, 1.0), random(2, n * k, 1.0), random(3, n, 1.0));
            let (xs, ws, bs) = (wide(&x), wide(&w), wide(&b));
            let x_tensor = Tensor::on(device, r, k, &x);
            let us = linear_reference(&xs, &ws, &bs, k);

            let (y, u, _) = linear::forward_activated(
                x_tensor.clone(),
                parameter(device, &w).view(),
                parameter(device, &b).view(),
                Precision::F32,
                Activation::Silu,
            );
            let silu = |u: &[f64]| u.iter().map(|&u| activation_reference(Activation::Silu, u)).collect::<Vec<_>>();
            assert_close(&what, &read(&u), &us, 2.0, k);
            assert_close(&what, &read(&y), &silu(&us), 4.0, k);

            let residual = random(4, r * n, 1.0);
            let residual_tensor = Tensor::on(device, r, n, &residual);
            let join = |dropout| {
                linear::forward_joined(
                    x_tensor.clone(),
                    parameter(device, &w).view(),
                    parameter(device, &b).view(),
                    Precision::F32,
                    dropout,
                    &residual_tensor,
                )
                .0
            };
            let stream = Stream::new(5);
            let (rate, first_row) = (0.4f32, 7);
            // The scalar twin of the mask.
            let kept = |at: usize| f64::from(stream.uniform(first_row + at / n, at % n)) >= f64::from(rate);
            let sum = |at: usize, u: f64| u + f64::from(residual[at]);
            let want: Vec<f64> = us.iter().enumerate().map(|(at, &u)| sum(at, u)).collect();
            assert_close(&what, &read(&join(None)), &want, 3.0, k);
            let masked = |at: usize, u: f64| if kept(at) { u / (1.0 - f64::from(rate)) } else { 0.0 };
            let want: Vec<f64> = us.iter().enumerate().map(|(at, &u)| sum(at, masked(at, u))).collect();
            let y = join(Some(dropout::Dropout { rate, stream, first_row }));
            assert_close(&what, &read(&y), &want, 4.0, k);
            if r * n > 30 {
                let dropped_sum: Vec<f64> = us.iter().enumerate().map(|(at, &u)| masked(at, sum(at, u))).collect();
                assert_far("the residual is not dropped", &read(&y), &dropped_sum, 4.0, k);
                let y = join(Some(dropout::Dropout { rate, stream, first_row: 0 }));
                assert_far("the mask belongs to the row", &read(&y), &want, 4.0, k);
            }

            // Backward: into f(u), and onto a gradient that is there.
            let dy = random(6, r * n, 1.0);
            let dys = wide(&dy);
            let before = random(7, r * k, 2.0);
            let into = || linear::ParamGrads { weight: None, bias: None };
            let before_tensor = Tensor::on(device, r, k, &before);
            let dy_tensor = Tensor::on(device, r, n, &dy);
            let (mut dw, mut db) = (parameter(device, &vec![f32::NAN; n * k]), parameter(device, &vec![f32::NAN; n]));
            let parameters = linear::ParamGrads {
                weight: Some(GradSlot::Overwrite(dw.view_mut())),
                bias: Some(GradSlot::Overwrite(db.view_mut())),
            };
            let (precision, activation) = (Precision::F32, Activation::Silu);
            let du = linear::backward_activated(
                parameter(device, &w).view(),
                parameters,
                &dy_tensor,
                precision,
                activation,
                &before_tensor,
            );
            // The input is not kept: it is f(u) again, not u.
            let activated = silu(&wide(&before));
            let gradient = |x: &[f64]| -> Vec<f64> {
                (0..n * k).map(|at| (0..r).map(|row| dys[row * n + at / k] * x[row * k + at % k]).sum()).collect()
            };
            assert_close(&what, &read(&dw), &gradient(&activated), 8.0, r);
            assert_far("x is not u", &read(&dw), &gradient(&wide(&before)), 8.0, r);
            let sums: Vec<f64> = (0..n).map(|at| (0..r).map(|row| dys[row * n + at]).sum()).collect();
            assert_close(&what, &read(&db), &sums, 2.0, r);
            let want = finite_differences(&wide(&before), &dys, |u| linear_reference(&silu(u), &ws, &bs, k));
            assert_close(&what, &read(&du), &want, 8.0, n);
            let saved = linear::forward(
                x_tensor.clone(),
                parameter(device, &w).view(),
                parameter(device, &b).view(),
                Precision::F32,
            )
            .1;
            let dx =
                saved.backward(parameter(device, &w).view(), into(), &dy_tensor, Some(Tensor::on(device, r, k, &x)));
            let want = finite_differences(&xs, &dys, |x| linear_reference(x, &ws, &bs, k));
            let want: Vec<f64> = want.iter().zip(&xs).map(|(d, x)| d + x).collect();
            assert_close(&what, &read(&dx), &want, 4.0, n);
        }
    });
}

#[test]
fn sums_over_rows_do_not_depend_on_how_rows_are_cut() {
    at_every_level(|_| {
        let (r, k, n, cut) = (101, 33, 17, 38);
        let (x, w, b, dy) = (random(1, r * k, 1.0), random(2, n * k, 1.0), random(3, n, 1.0), random(4, r * n, 1.0));
        let (gain, bias) = (random(5, k, 1.0), random(6, k, 1.0));
        let run = |parts: &[(usize, usize)]| {
            let (mut dw, mut db) = (vec![0f32; n * k], vec![0f32; n]);
            let (mut dgain, mut dbias) = (vec![0f32; k], vec![0f32; k]);
            for (number, &(start, end)) in parts.iter().enumerate() {
                let accumulates = number > 0;
                fn slot(sum: &mut [f32], accumulates: bool) -> GradSlot<'_> {
                    if accumulates {
                        GradSlot::Add(ViewMut::Host(sum))
                    } else {
                        GradSlot::Overwrite(ViewMut::Host(sum))
                    }
                }
                let x = Tensor::from_slice(end - start, k, &x[start * k..end * k]);
                let dy = Tensor::from_slice(end - start, n, &dy[start * n..end * n]);
                let (y, norm) = layer_norm::forward(x, View::Host(&gain), View::Host(&bias), 1e-5);
                let into = linear::ParamGrads {
                    weight: Some(slot(&mut dw, accumulates)),
                    bias: Some(slot(&mut db, accumulates)),
                };
                let dx = linear::forward(y, View::Host(&w), View::Host(&b), Precision::F32).1.backward(
                    View::Host(&w),
                    into,
                    &dy,
                    None,
                );
                let into = layer_norm::ParamGrads {
                    gain: slot(&mut dgain, accumulates),
                    bias: Some(slot(&mut dbias, accumulates)),
                };
                norm.backward(View::Host(&gain), Some(into), &dx, None);
            }
            (dw, db, dgain, dbias)
        };
        assert!(run(&[(0, r)]) == run(&[(0, cut), (cut, r)]));
    });
}
