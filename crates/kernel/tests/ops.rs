//! Every operation against a reference in f64 written from its formula, its gradients against finite differences of
//! that reference, at every instruction level, at edge shapes, with the wrong twins each test must refuse.

use std::sync::Arc;
use tagsmith_kernel::Precision;
use tagsmith_kernel::check::{
    assert_close, assert_far, assert_slopes, at_every_level, finite_differences, random, wide,
};
use tagsmith_kernel::cpu::reduce;
use tagsmith_kernel::memory::tensor::Tensor;
use tagsmith_kernel::op::activation::{self, Activation};
use tagsmith_kernel::op::adamw::{self, AdamW, Part};
use tagsmith_kernel::op::embedding::{self, Rows};
use tagsmith_kernel::op::{attention, cross_entropy, dropout, layer_norm, linear};
use tagsmith_kernel::params::GradSlot;
use tagsmith_kernel::params::row_gradients::RowGradients;
use tagsmith_kernel::params::table::{Origin, Table, UnreadableRows};
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
    at_every_level(|level| {
        for which in [Activation::Gelu, Activation::GeluTanh, Activation::Relu, Activation::Silu, Activation::Tanh] {
            for columns in EDGES {
                let what = format!("{level:?} {which:?} {columns}");
                let (x, dy) = (random(columns as u64, 3 * columns, 4.0), random(7, 3 * columns, 1.0));
                let x_tensor = Tensor::from_slice(3, columns, &x);
                let y = activation::forward(&x_tensor, which);
                let reference = |x: &[f64]| x.iter().map(|&x| activation_reference(which, x)).collect::<Vec<_>>();
                assert_close(&what, y.data(), &reference(&wide(&x)), 3.0, 1);
                let dx = activation::backward(&x_tensor, which, Tensor::from_slice(3, columns, &dy));
                let want = finite_differences(&wide(&x), &wide(&dy), reference);
                assert_close(&what, dx.data(), &want, 8.0, 1);
            }
        }
        let x = random(5, 500, 4.0);
        let x_tensor = Tensor::from_slice(1, 500, &x);
        let y = activation::forward(&x_tensor, Activation::Gelu);
        let tanh: Vec<f64> = wide(&x).iter().map(|&x| activation_reference(Activation::GeluTanh, x)).collect();
        assert_far("tanh for erf", y.data(), &tanh, 3.0, 1);
        let dx = activation::backward(&x_tensor, Activation::Gelu, Tensor::from_slice(1, 500, &[1.0; 500]));
        // dfdx's slip: the density without 1/√2.
        let slip: Vec<f64> = wide(&x)
            .iter()
            .map(|&x| 0.5 * (1.0 + erf(x / 2f64.sqrt())) + x * (-x * x / 2.0).exp() / std::f64::consts::PI.sqrt())
            .collect();
        assert_far("slope without 1/√2", dx.data(), &slip, 8.0, 1);
    });
}

#[test]
fn activations_bear_large_inputs() {
    at_every_level(|level| {
        for which in [Activation::Gelu, Activation::GeluTanh, Activation::Relu, Activation::Silu] {
            let x = [1e4f32, -1e4, 100.0, -100.0, 0.0, 88.0, -88.0, 1e-20];
            let x_tensor = Tensor::from_slice(1, 8, &x);
            let y = activation::forward(&x_tensor, which);
            let want: Vec<f64> = wide(&x).iter().map(|&x| if x > 0.0 { x } else { 0.0 }).collect();
            assert_close(&format!("{level:?} {which:?}"), y.data(), &want, 1.0, 1);
            let dx = activation::backward(&x_tensor, which, Tensor::from_slice(1, 8, &[1.0; 8]));
            assert!(dx.data().iter().all(|d| d.is_finite()), "{level:?} {which:?}: {:?}", dx.data());
        }
        // Where eˣ overflows tanh is ±1, and its slope 0.
        let x = Tensor::from_slice(1, 4, &[1e4, -1e4, 89.0, -89.0]);
        assert_eq!(activation::forward(&x, Activation::Tanh).data(), [1.0, -1.0, 1.0, -1.0], "{level:?}");
        let slope = activation::backward(&x, Activation::Tanh, Tensor::from_slice(1, 4, &[1.0; 4]));
        assert!(slope.data().iter().all(|slope| (0.0..1e-30).contains(slope)), "{level:?}: {:?}", slope.data());
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
    at_every_level(|level| {
        for h in [2, 7, 15, 16, 17, 33, 100] {
            for r in [1, 5, 67] {
                let what = format!("{level:?} layer norm ({r}, {h})");
                let (x, dy) = (random(h as u64, r * h, 4.0), random(r as u64, r * h, 1.0));
                let (gain, bias, epsilon) = (random(3, h, 2.0), random(4, h, 2.0), 0.01);
                let (y, saved) = layer_norm::forward(Tensor::from_slice(r, h, &x), &gain, &bias, epsilon);
                let (xs, gains, biases, eps) = (wide(&x), wide(&gain), wide(&bias), f64::from(epsilon));
                assert_close(&what, y.data(), &layer_norm_reference(&xs, h, &gains, &biases, eps), 4.0, h);
                let (mut dgain, mut dbias) = (vec![f32::NAN; h], vec![f32::NAN; h]);
                let into = layer_norm::ParamGrads {
                    gain: GradSlot::Overwrite(&mut dgain),
                    bias: Some(GradSlot::Overwrite(&mut dbias)),
                };
                let dx = saved.backward(&gain, Some(into), &Tensor::from_slice(r, h, &dy), None);
                let dys = wide(&dy);
                let want = finite_differences(&xs, &dys, |x| layer_norm_reference(x, h, &gains, &biases, eps));
                assert_close(&what, dx.data(), &want, 8.0, h);
                let want = finite_differences(&gains, &dys, |gain| layer_norm_reference(&xs, h, gain, &biases, eps));
                assert_close(&what, &dgain, &want, 4.0, h.max(r));
                let want = finite_differences(&biases, &dys, |bias| layer_norm_reference(&xs, h, &gains, bias, eps));
                assert_close(&what, &dbias, &want, 4.0, r);
            }
        }
    });
}

#[test]
fn layer_norm_refuses_its_twins() {
    let h = 7;
    let (x, gain, bias) = (random(1, 3 * h, 0.3), random(2, h, 2.0), random(3, h, 2.0));
    let (xs, gains, biases) = (wide(&x), wide(&gain), wide(&bias));
    let (y, _) = layer_norm::forward(Tensor::from_slice(3, h, &x), &gain, &bias, 0.01);
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
    at_every_level(|level| {
        for (lengths, heads, d) in
            [(vec![1], 1, 1), (vec![1, 9, 2], 2, 3), (vec![3, 0, 1, 17], 3, 8), (vec![65, 1], 1, 5), (vec![130], 1, 2)]
        {
            let what = format!("{level:?} attention {lengths:?}, {heads} heads of {d}");
            let mut starts = vec![0u32];
            lengths.iter().for_each(|length| starts.push(starts[starts.len() - 1] + length));
            let (r, h) = (starts[starts.len() - 1] as usize, heads * d);
            let (qkv, dy) = (random(1, r * 3 * h, 2.0), random(2, r * h, 1.0));
            let scale = 1.0 / (d as f64).sqrt();
            let (y, saved) = attention::forward(Tensor::from_slice(r, 3 * h, &qkv), &starts, heads, None, None);
            let want = attention_reference(&wide(&qkv), h, &starts, heads, scale);
            assert_close(&what, y.data(), &want, 4.0, r);
            let dqkv = saved.backward(&starts, &Tensor::from_slice(r, h, &dy));
            let reference = |x: &[f64]| attention_reference(x, h, &starts, heads, scale);
            if r <= 40 {
                let want = finite_differences(&wide(&qkv), &wide(&dy), reference);
                assert_close(&what, dqkv.data(), &want, 8.0, r);
            } else {
                assert_slopes(&what, &wide(&qkv), &wide(&dy), dqkv.data(), reference);
            }
            if r > 1 {
                let unscaled = attention_reference(&wide(&qkv), h, &starts, heads, 1.0);
                if d > 1 {
                    assert_far("missing 1/√D", y.data(), &unscaled, 4.0, r);
                }
                if lengths.len() > 1 {
                    let leaking = attention_reference(&wide(&qkv), h, &[0, r as u32], heads, scale);
                    assert_far("leaking over a boundary", y.data(), &leaking, 4.0, r);
                }
            }
        }
    });
}

#[test]
fn attention_bears_large_scores_and_drops_the_same_in_backward() {
    at_every_level(|level| {
        let (r, h, heads) = (13, 8, 2);
        let qkv = random(1, r * 3 * h, 100.0);
        let (y, _) = attention::forward(Tensor::from_slice(r, 3 * h, &qkv), &[0, 13], heads, None, None);
        let want = attention_reference(&wide(&qkv), h, &[0, 13], heads, 0.5);
        assert_close(&format!("{level:?}"), y.data(), &want, 64.0, r);

        // With dropout the output is still linear in V: its gradient times V is the output itself.
        let dropout = Some(dropout::Dropout { rate: 0.4, stream: Stream::new(8), first_row: 3 });
        let qkv = random(2, r * 3 * h, 1.0);
        let (y, saved) = attention::forward(Tensor::from_slice(r, 3 * h, &qkv), &[0, 13], heads, None, dropout);
        let dy = random(3, r * h, 1.0);
        let dqkv = saved.backward(&[0, 13], &Tensor::from_slice(r, h, &dy));
        let from_values: f64 = (0..r * h)
            .map(|i| (i / h) * 3 * h + 2 * h + i % h)
            .map(|at| f64::from(dqkv.data()[at]) * f64::from(qkv[at]))
            .sum();
        let from_output: f64 = y.data().iter().zip(&dy).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
        assert!((from_values - from_output).abs() <= 1e-5, "{level:?}: {from_values} for {from_output}");
        // And the slope in Q and K follows finite differences of the very same masked function.
        let sum = |x: &[f32]| -> f64 {
            let (y, _) = attention::forward(Tensor::from_slice(r, 3 * h, x), &[0, 13], heads, None, dropout);
            y.data().iter().zip(&dy).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
        };
        for at in [0, 3, h + 1, 5 * 3 * h + 2, 7 * 3 * h + h + 5] {
            let (mut above, mut below) = (qkv.clone(), qkv.clone());
            above[at] += 0.01;
            below[at] -= 0.01;
            let slope = (sum(&above) - sum(&below)) / (f64::from(above[at]) - f64::from(below[at]));
            let got = f64::from(dqkv.data()[at]);
            assert!((got - slope).abs() <= 2e-3 * (0.05 + slope.abs()), "{level:?} {at}: {got} for {slope}");
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
    at_every_level(|level| {
        for (r, k, n) in [(1, 1, 1), (5, 7, 13), (33, 12, 3)] {
            let what = format!("{level:?} linear ({r}, {k}) → {n}");
            let (x, w, b, dy) =
                (random(1, r * k, 1.0), random(2, n * k, 1.0), random(3, n, 1.0), random(4, r * n, 1.0));
            let reference = |x: &[f64], w: &[f64], b: &[f64]| linear_reference(x, w, b, k);
            let (xs, ws, bs, dys) = (wide(&x), wide(&w), wide(&b), wide(&dy));
            let (y, saved) = linear::forward(Tensor::from_slice(r, k, &x), &w, &b, Precision::F32);
            assert_close(&what, y.data(), &reference(&xs, &ws, &bs), 2.0, k);
            let (mut dw, mut db) = (vec![0.5; n * k], vec![0.5; n]);
            let into = linear::ParamGrads { weight: Some(GradSlot::Add(&mut dw)), bias: Some(GradSlot::Add(&mut db)) };
            let dx = saved.backward(&w, into, &Tensor::from_slice(r, n, &dy), None);
            assert_close(&what, dx.data(), &finite_differences(&xs, &dys, |x| reference(x, &ws, &bs)), 2.0, n);
            let half_more = |v: Vec<f64>| v.into_iter().map(|x| x + 0.5).collect::<Vec<_>>();
            let want = half_more(finite_differences(&ws, &dys, |w| reference(&xs, w, &bs)));
            assert_close(&what, &dw, &want, 2.0, r);
            assert_close(&what, &db, &half_more(finite_differences(&bs, &dys, |b| reference(&xs, &ws, b))), 2.0, r);
        }
    });
}

#[test]
fn linears_with_what_follows_them() {
    at_every_level(|level| {
        for (r, k, n) in [(1, 1, 1), (5, 7, 13), (33, 12, 3), (13, 5, 33), (150, 20, 40)] {
            let what = format!("{level:?} linear ({r}, {k}) → {n}");
            let (x, w, b) = (random(1, r * k, 1.0), random(2, n * k, 1.0), random(3, n, 1.0));
            let (xs, ws, bs) = (wide(&x), wide(&w), wide(&b));
            let x_tensor = Tensor::from_slice(r, k, &x);
            let us = linear_reference(&xs, &ws, &bs, k);

            let (y, u, _) = linear::forward_activated(x_tensor.clone(), &w, &b, Precision::F32, Activation::Silu);
            let silu = |u: &[f64]| u.iter().map(|&u| activation_reference(Activation::Silu, u)).collect::<Vec<_>>();
            assert_close(&what, u.data(), &us, 2.0, k);
            assert_close(&what, y.data(), &silu(&us), 4.0, k);

            let residual = random(4, r * n, 1.0);
            let residual_tensor = Tensor::from_slice(r, n, &residual);
            let join =
                |dropout| linear::forward_joined(x_tensor.clone(), &w, &b, Precision::F32, dropout, &residual_tensor).0;
            let stream = Stream::new(5);
            let (rate, first_row) = (0.4f32, 7);
            // The scalar twin of the mask.
            let kept = |at: usize| f64::from(stream.uniform(first_row + at / n, at % n)) >= f64::from(rate);
            let sum = |at: usize, u: f64| u + f64::from(residual[at]);
            let want: Vec<f64> = us.iter().enumerate().map(|(at, &u)| sum(at, u)).collect();
            assert_close(&what, join(None).data(), &want, 3.0, k);
            let masked = |at: usize, u: f64| if kept(at) { u / (1.0 - f64::from(rate)) } else { 0.0 };
            let want: Vec<f64> = us.iter().enumerate().map(|(at, &u)| sum(at, masked(at, u))).collect();
            let y = join(Some(dropout::Dropout { rate, stream, first_row }));
            assert_close(&what, y.data(), &want, 4.0, k);
            if r * n > 30 {
                let dropped_sum: Vec<f64> = us.iter().enumerate().map(|(at, &u)| masked(at, sum(at, u))).collect();
                assert_far("the residual is not dropped", y.data(), &dropped_sum, 4.0, k);
                let y = join(Some(dropout::Dropout { rate, stream, first_row: 0 }));
                assert_far("the mask belongs to the row", y.data(), &want, 4.0, k);
            }

            // Backward: into f(u), and onto a gradient that is there.
            let dy = random(6, r * n, 1.0);
            let dys = wide(&dy);
            let before = random(7, r * k, 2.0);
            let into = || linear::ParamGrads { weight: None, bias: None };
            let before_tensor = Tensor::from_slice(r, k, &before);
            let dy_tensor = Tensor::from_slice(r, n, &dy);
            let (mut dw, mut db) = (vec![f32::NAN; n * k], vec![f32::NAN; n]);
            let parameters = linear::ParamGrads {
                weight: Some(GradSlot::Overwrite(&mut dw)),
                bias: Some(GradSlot::Overwrite(&mut db)),
            };
            let (precision, activation) = (Precision::F32, Activation::Silu);
            let du = linear::backward_activated(&w, parameters, &dy_tensor, precision, activation, &before_tensor);
            // The input is not kept: it is f(u) again, not u.
            let activated = silu(&wide(&before));
            let gradient = |x: &[f64]| -> Vec<f64> {
                (0..n * k).map(|at| (0..r).map(|row| dys[row * n + at / k] * x[row * k + at % k]).sum()).collect()
            };
            assert_close(&what, &dw, &gradient(&activated), 8.0, r);
            assert_far("x is not u", &dw, &gradient(&wide(&before)), 8.0, r);
            let sums: Vec<f64> = (0..n).map(|at| (0..r).map(|row| dys[row * n + at]).sum()).collect();
            assert_close(&what, &db, &sums, 2.0, r);
            let want = finite_differences(&wide(&before), &dys, |u| linear_reference(&silu(u), &ws, &bs, k));
            assert_close(&what, du.data(), &want, 8.0, n);
            let saved = linear::forward(x_tensor.clone(), &w, &b, Precision::F32).1;
            let dx = saved.backward(&w, into(), &dy_tensor, Some(Tensor::from_slice(r, k, &x)));
            let want = finite_differences(&xs, &dys, |x| linear_reference(x, &ws, &bs, k));
            let want: Vec<f64> = want.iter().zip(&xs).map(|(d, x)| d + x).collect();
            assert_close(&what, dx.data(), &want, 4.0, n);
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
                    if accumulates { GradSlot::Add(sum) } else { GradSlot::Overwrite(sum) }
                }
                let x = Tensor::from_slice(end - start, k, &x[start * k..end * k]);
                let dy = Tensor::from_slice(end - start, n, &dy[start * n..end * n]);
                let (y, norm) = layer_norm::forward(x, &gain, &bias, 1e-5);
                let into = linear::ParamGrads {
                    weight: Some(slot(&mut dw, accumulates)),
                    bias: Some(slot(&mut db, accumulates)),
                };
                let dx = linear::forward(y, &w, &b, Precision::F32).1.backward(&w, into, &dy, None);
                let into = layer_norm::ParamGrads {
                    gain: slot(&mut dgain, accumulates),
                    bias: Some(slot(&mut dbias, accumulates)),
                };
                norm.backward(&gain, Some(into), &dx, None);
            }
            (dw, db, dgain, dbias)
        };
        assert!(run(&[(0, r)]) == run(&[(0, cut), (cut, r)]));
    });
}

#[test]
fn cross_entropies() {
    let (k, labels) = (5, [2, -100, 0, 4, -100]);
    let scores = random(1, 5 * k, 4.0);
    for smoothing in [0.0, 0.1, 0.7] {
        let reference = |x: &[f64]| -> Vec<f64> {
            let row = |(row, &label): (&[f64], &i32)| {
                let total: f64 = row.iter().map(|s| s.exp()).sum();
                let log_p: Vec<f64> = row.iter().map(|s| s - total.ln()).collect();
                let mean = log_p.iter().sum::<f64>() / k as f64;
                if label < 0 { 0.0 } else { -(1.0 - smoothing) * log_p[label as usize] - smoothing * mean }
            };
            vec![x.chunks_exact(k).zip(&labels).map(row).sum()]
        };
        let loss = cross_entropy::forward(&Tensor::from_slice(5, k, &scores), &labels, smoothing);
        assert_eq!(loss.counted, 3);
        assert!((loss.sum - reference(&wide(&scores))[0]).abs() <= 1e-6, "{smoothing}");
        let want = finite_differences(&wide(&scores), &[0.25], reference);
        let got = loss.backward(0.25);
        assert_close("dscores", got.data(), &want, 2.0, k);
        let counted_all: Vec<f64> = want.iter().map(|d| d * 3.0 / 5.0).collect();
        assert_far("divided by all rows", got.data(), &counted_all, 2.0, k);
    }
    let huge = Tensor::from_slice(1, 3, &[1e4, -1e4, 0.0]);
    let loss = cross_entropy::forward(&huge, &[1], 0.0);
    assert!((loss.sum - 2e4).abs() < 1e-3, "{}", loss.sum);
}

/// A table's origin: all its numbers.
#[derive(Debug)]
struct Given(Vec<f32>);

impl Origin for Given {
    fn read(&self, first: usize, out: &mut [f32]) -> Result<(), UnreadableRows> {
        out.copy_from_slice(&self.0[first * 5..][..out.len()]);
        Ok(())
    }
}

#[test]
fn embeddings() {
    let (v, h) = (6, 5);
    let (words, positions) = (random(1, v * h, 1.0), random(2, 3 * h, 1.0));
    let (ids, at) = ([4u32, 0, 4, 1], [0u32, 1, 2, 0]);
    let table = Table::new(v, h, Arc::new(Given(words.clone())));
    table.fetch(&ids).expect("its rows can be read");
    let y = embedding::forward(h, &[(Rows::Table(&table), &ids), (Rows::Dense(&positions), &at)]);
    let dense = embedding::forward(h, &[(Rows::Dense(&words), &ids), (Rows::Dense(&positions), &at)]);
    assert_eq!(y.data(), dense.data());
    let want: Vec<f64> = (0..4 * h)
        .map(|i| {
            f64::from(words[ids[i / h] as usize * h + i % h]) + f64::from(positions[at[i / h] as usize * h + i % h])
        })
        .collect();
    assert_close("sum of tables", y.data(), &want, 1.0, 2);

    let dy = random(3, 4 * h, 1.0);
    let gradient = |fixed: Option<u32>| -> Vec<f64> {
        let mut table = vec![0.0; v * h];
        for (r, &id) in ids.iter().enumerate().filter(|&(_, &id)| Some(id) != fixed) {
            (0..h).for_each(|c| table[id as usize * h + c] += f64::from(dy[r * h + c]));
        }
        table
    };
    let upstream = Tensor::from_slice(4, h, &dy);
    for fixed in [None, Some(4), Some(0)] {
        let mut dense = vec![f32::NAN; v * h];
        embedding::backward(&ids, &upstream, fixed, GradSlot::Overwrite(&mut dense));
        assert_close("dense", &dense, &gradient(fixed), 1.0, 2);
        let mut rows = RowGradients::default();
        rows.accumulate(&ids, &upstream, fixed);
        rows.accumulate(&[5, 4, 4, 4], &upstream, fixed);
        let mut table = vec![0f32; v * h];
        for (&row, values) in rows.rows.iter().zip(rows.values.chunks_exact(h)) {
            table[row as usize * h..][..h].copy_from_slice(values);
        }
        let mut want = gradient(fixed);
        for (r, id) in [5usize, 4, 4, 4].into_iter().enumerate().filter(|&(_, id)| Some(id as u32) != fixed) {
            (0..h).for_each(|c| want[id * h + c] += f64::from(dy[r * h + c]));
        }
        assert_close("two micro-batches", &table, &want, 1.0, 5);
        assert_eq!(rows.rows.contains(&4), fixed != Some(4));
    }
}

/// Loshchilov and Hutter's algorithm with PyTorch's place of ε, in f64.
struct AdamReference {
    p: Vec<f64>,
    m: Vec<f64>,
    v: Vec<f64>,
}

impl AdamReference {
    fn update(&mut self, a: &AdamW, g: &[f32]) {
        for (i, &g) in g.iter().enumerate() {
            let g = f64::from(g) * a.gradient_scale;
            self.p[i] *= 1.0 - a.rate * a.decay;
            self.m[i] = a.beta1 * self.m[i] + (1.0 - a.beta1) * g;
            self.v[i] = a.beta2 * self.v[i] + (1.0 - a.beta2) * g * g;
            let m = self.m[i] / (1.0 - a.beta1.powf(a.update as f64));
            let v = self.v[i] / (1.0 - a.beta2.powf(a.update as f64));
            self.p[i] -= a.rate * m / (v.sqrt() + a.epsilon);
        }
    }
}

#[test]
fn adamw_follows_its_formula_in_parts_and_in_one() {
    at_every_level(|level| {
        // One part fills a task and more, another ends within a vector, one is empty.
        let (n, cut) = (16_500, 16_431);
        let p = random(1, n, 1.0);
        let mut reference = AdamReference { p: wide(&p), m: vec![0.0; n], v: vec![0.0; n] };
        let mut l2 = AdamReference { p: wide(&p), m: vec![0.0; n], v: vec![0.0; n] };
        let (mut dense, mut m, mut v) = (p.clone(), vec![0f32; n], vec![0f32; n]);
        let (mut parted, mut pm, mut pv) = (p.clone(), vec![0f32; n], vec![0f32; n]);
        for update in 1..=40u64 {
            let g = random(update, n, 0.01);
            let rate = 1e-3 * (update.min(10) as f64) / 10.0;
            let adamw =
                AdamW { rate, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.1, update, gradient_scale: 0.5 };
            reference.update(&adamw, &g);
            let coupled: Vec<f32> = g.iter().zip(&l2.p).map(|(g, p)| g + (0.1 * p / 0.5) as f32).collect();
            l2.update(&AdamW { decay: 0.0, ..adamw }, &coupled);
            adamw::update(&mut [Part { adamw, p: &mut dense, g: &g, m: &mut m, v: &mut v }]);
            let ((p1, p2), (g1, g2)) = (parted.split_at_mut(cut), g.split_at(cut));
            let ((m1, m2), (v1, v2)) = (pm.split_at_mut(cut), pv.split_at_mut(cut));
            adamw::update(&mut [
                Part { adamw, p: p1, g: g1, m: m1, v: v1 },
                Part { adamw, p: &mut [], g: &[], m: &mut [], v: &mut [] },
                Part { adamw, p: p2, g: g2, m: m2, v: v2 },
            ]);
        }
        assert_close(&format!("{level:?} adamw"), &dense, &reference.p, 4.0, 40);
        assert_far("L2 for decoupled decay", &dense, &l2.p, 4.0, 40);
        assert_eq!((dense, m, v), (parted, pm, pv), "{level:?}: parts");
    });
}

#[test]
fn sums_have_one_order() {
    at_every_level(|level| {
        for n in [0, 1, 15, 16, 17, 63, 65, 40_000] {
            let x = random(n as u64, n, 2.0);
            let want: f64 = wide(&x).iter().map(|x| x * x).sum();
            let got = reduce::sum_of_squares(&[&x]);
            assert!((got - want).abs() <= 1e-5 * want, "{level:?} {n}: {got} for {want}");
            assert_eq!(reduce::sum_of_squares(&[&x, &[], &x]), got + got, "{level:?} {n}: parts");
        }
        let x = random(9, 67 * 300, 1.0);
        let mut sum = vec![1f32; 300];
        reduce::add_columns(&Tensor::from_slice(67, 300, &x), true, &mut sum);
        let want: Vec<f64> = (0..300).map(|c| 1.0 + (0..67).map(|r| f64::from(x[r * 300 + c])).sum::<f64>()).collect();
        assert_close("columns", &sum, &want, 2.0, 67);
    });
}

#[test]
fn rows_of_several_tables_of_gradients_add_up() {
    // Whole numbers: their sums have one value in any order.
    let of = |index: &[u32], first: usize| {
        let values: Vec<f32> = (0..3 * index.len()).map(|i| (first + i) as f32).collect();
        let mut rows = RowGradients::default();
        rows.accumulate(index, &Tensor::from_slice(index.len(), 3, &values), None);
        (rows.rows, rows.values)
    };
    let parts = [of(&[3, 1, 3], 0), of(&[], 0), of(&[1, 7], 9)];
    let mut sum = RowGradients { rows: vec![2], values: vec![9.0; 3] };
    sum.set_sum(3, &parts);
    let all = of(&[3, 1, 3, 1, 7], 0);
    assert_eq!((sum.rows.clone(), sum.values.clone()), all);
    // The wrong twin: one part left out.
    sum.set_sum(3, &parts[..2]);
    assert_ne!((sum.rows, sum.values), all);
}
