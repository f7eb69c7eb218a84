//! What encoders with positions inside their attention need, against references in f64 written from the formulas.

use std::sync::Arc;
use tagsmith_kernel::Precision;
use tagsmith_kernel::check::{
    assert_close, assert_far, assert_slopes, finite_differences, on_every_device, parameter, random, read, wide,
};
use tagsmith_kernel::memory::tensor::Tensor;
use tagsmith_kernel::memory::values::View;
use tagsmith_kernel::op::activation::Activation;
use tagsmith_kernel::op::disentangled::{self, Buckets, Places, Relative};
use tagsmith_kernel::op::dropout::Dropout;
use tagsmith_kernel::op::rotary::{self, Angles};
use tagsmith_kernel::op::sequences::Sequences;
use tagsmith_kernel::op::{add, attention, convolution, gated, layer_norm, linear, rows};
use tagsmith_kernel::params::GradSlot;
use tagsmith_kernel::random::stream::Stream;

const EDGES: [usize; 7] = [1, 2, 7, 15, 16, 17, 33];

/// Pair (i, i + half) of each head of queries and keys, turned by position · θ^(−2i/D); `sign` −1 turns back.
fn rotary_reference(qkv: &[f64], starts: &[u32], heads: usize, d: usize, theta: f64, halves: bool) -> Vec<f64> {
    let (h, half) = (heads * d, d / 2);
    let mut y = qkv.to_vec();
    for bounds in starts.windows(2) {
        for row in bounds[0]..bounds[1] {
            let position = f64::from(row - bounds[0]);
            for head in 0..2 * heads {
                for i in 0..half {
                    let (s, c) = (position * theta.powf(-2.0 * i as f64 / d as f64)).sin_cos();
                    let at = row as usize * 3 * h + head * d;
                    let (a, b) = if halves { (at + i, at + half + i) } else { (at + 2 * i, at + 2 * i + 1) };
                    (y[a], y[b]) = (qkv[a] * c - qkv[b] * s, qkv[b] * c + qkv[a] * s);
                }
            }
        }
    }
    y
}

#[test]
fn rotary_positions() {
    on_every_device(|device, place| {
        for (starts, heads, d) in
            [(vec![0u32, 1], 1, 2), (vec![0, 9, 9, 11], 2, 6), (vec![0, 20], 3, 8), (vec![0, 3, 40], 1, 34)]
        {
            let what = format!("{place} rotary {starts:?}, {heads} heads of {d}");
            let sequences = Sequences::new(&starts);
            let (r, h) = (sequences.rows(), heads * d);
            let (qkv, dy) = (random(1, r * 3 * h, 1.0), random(2, r * 3 * h, 1.0));
            let angles = Angles::new(40, d, 50.0);
            let y = rotary::forward(Tensor::on(device, r, 3 * h, &qkv), &sequences, heads, &angles);
            let reference = |x: &[f64]| rotary_reference(x, &starts, heads, d, 50.0, true);
            // Angles up to 40 are rounded to f32: 40 units in the last place of 1.
            assert_close(&what, &read(&y), &reference(&wide(&qkv)), 16.0, 4);
            let dx = rotary::backward(Tensor::on(device, r, 3 * h, &dy), &sequences, heads, &angles);
            let want = finite_differences(&wide(&qkv)[..6 * h.min(r * h / 2)], &wide(&dy), |x| {
                let mut all = wide(&qkv);
                all[..x.len()].copy_from_slice(x);
                reference(&all)
            });
            assert_close(&what, &read(&dx)[..want.len()], &want, 16.0, 4);
            // Turning back undoes turning, and changes no length.
            let again = Tensor::on(device, r, 3 * h, &read(&y));
            let back = rotary::backward(again, &sequences, heads, &angles);
            assert_close(&what, &read(&back), &wide(&qkv), 4.0, 2);
            if r > 2 && d > 2 {
                let other = rotary_reference(&wide(&qkv), &starts, heads, d, 50.0, false);
                assert_far("neighbors for halves", &read(&y), &other, 16.0, 4);
                let other = rotary_reference(&wide(&qkv), &starts, heads, d, 60.0, true);
                assert_far("another θ", &read(&y), &other, 16.0, 4);
                let other = rotary_reference(&wide(&qkv), &[0, r as u32], heads, d, 50.0, true);
                if starts.len() > 2 {
                    assert_far("positions over a boundary", &read(&y), &other, 16.0, 4);
                }
            }
        }
    });
}

#[test]
#[should_panic(expected = "is outside")]
fn rotary_positions_end() {
    rotary::forward(Tensor::from_slice(3, 6, &[0.0; 18]), &Sequences::new(&[0, 3]), 1, &Angles::new(2, 2, 10.0));
}

/// softmax(Q · Kᵀ / √D) · V of what each row sees.
fn windowed_reference(qkv: &[f64], h: usize, starts: &[u32], heads: usize, window: usize) -> Vec<f64> {
    let d = h / heads;
    let at = |row: usize, third: usize, head: usize, c: usize| qkv[row * 3 * h + third * h + head * d + c];
    let mut context = vec![0.0; qkv.len() / 3];
    for bounds in starts.windows(2) {
        let rows = bounds[0] as usize..bounds[1] as usize;
        for head in 0..heads {
            for i in rows.clone() {
                let seen: Vec<usize> = rows.clone().filter(|j| i.abs_diff(*j) <= window).collect();
                let score = |j: usize| (0..d).map(|c| at(i, 0, head, c) * at(j, 1, head, c)).sum::<f64>();
                let scores: Vec<f64> = seen.iter().map(|&j| (score(j) / (d as f64).sqrt()).exp()).collect();
                let total: f64 = scores.iter().sum();
                for (score, &j) in scores.iter().zip(&seen) {
                    for c in 0..d {
                        context[i * h + head * d + c] += score / total * at(j, 2, head, c);
                    }
                }
            }
        }
    }
    context
}

#[test]
fn windows_of_attention() {
    on_every_device(|device, place| {
        for (starts, heads, d, window) in [
            (vec![0u32, 1], 1, 2, 0),
            (vec![0, 9, 9, 11], 2, 3, 2),
            (vec![0, 20], 2, 4, 0),
            (vec![0, 5, 25], 1, 4, 30),
            (vec![0, 150], 1, 3, 7),
            (vec![0, 70, 200], 2, 2, 64),
        ] {
            let what = format!("{place} window {window}, {starts:?}");
            let sequences = Sequences::new(&starts);
            let (r, h) = (sequences.rows(), heads * d);
            let (qkv, dy) = (random(1, r * 3 * h, 2.0), random(2, r * h, 1.0));
            let tensor = || Tensor::on(device, r, 3 * h, &qkv);
            let (y, saved) = attention::forward(tensor(), &sequences, heads, Some(window), None);
            let reference = |x: &[f64]| windowed_reference(x, h, &starts, heads, window);
            assert_close(&what, &read(&y), &reference(&wide(&qkv)), 4.0, 2 * window + 1);
            let dqkv = saved.backward(&sequences, &Tensor::on(device, r, h, &dy));
            if r <= 40 {
                let want = finite_differences(&wide(&qkv), &wide(&dy), reference);
                assert_close(&what, &read(&dqkv), &want, 8.0, r);
            } else {
                assert_slopes(&what, &wide(&qkv), &wide(&dy), &read(&dqkv), reference);
            }
            if window < 30 && r > 2 {
                for (what, other) in [("no window", r), ("one more", window + 1)] {
                    let other = windowed_reference(&wide(&qkv), h, &starts, heads, other);
                    assert_far(what, &read(&y), &other, 4.0, 2 * window + 1);
                }
            } else {
                // A window over everything changes no bit.
                let all = attention::forward(tensor(), &sequences, heads, None, None).0;
                assert!(r > 70 || read(&y) == read(&all), "{what}");
            }
            // What is dropped is a matter of the places, not of the window.
            let dropout = Some(Dropout { rate: 0.4, stream: Stream::new(8), first_row: 3 });
            let (y, saved) = attention::forward(tensor(), &sequences, heads, Some(window), dropout);
            let dqkv = read(&saved.backward(&sequences, &Tensor::on(device, r, h, &dy)));
            let values = (0..r * h).map(|i| (i / h) * 3 * h + 2 * h + i % h);
            let from_values: f64 = values.map(|at| f64::from(dqkv[at]) * f64::from(qkv[at])).sum();
            let from_output: f64 = read(&y).iter().zip(&dy).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            assert!((from_values - from_output).abs() <= 1e-4, "{what}: {from_values} for {from_output}");
        }
    });
}

#[test]
fn gated_units() {
    let silu = |x: f64| x / (1.0 + (-x).exp());
    on_every_device(|device, place| {
        for f in EDGES {
            let what = format!("{place} gated {f}");
            let (x, dz) = (random(f as u64, 3 * 2 * f, 3.0), random(7, 3 * f, 1.0));
            let reference = |x: &[f64]| -> Vec<f64> {
                x.chunks_exact(2 * f).flat_map(|row| (0..f).map(move |c| silu(row[c]) * row[f + c])).collect()
            };
            let tensor = Tensor::on(device, 3, 2 * f, &x);
            let z = gated::forward(&tensor, Activation::Silu);
            assert_close(&what, &read(&z), &reference(&wide(&x)), 3.0, 1);
            let dx = gated::backward(tensor, Activation::Silu, &Tensor::on(device, 3, f, &dz));
            assert_close(&what, &read(&dx), &finite_differences(&wide(&x), &wide(&dz), reference), 8.0, 1);
            let exchanged: Vec<f64> = wide(&x)
                .chunks_exact(2 * f)
                .flat_map(|row| (0..f).map(|c| row[c] * silu(row[f + c])).collect::<Vec<_>>())
                .collect();
            assert_far("halves exchanged", &read(&z), &exchanged, 8.0, 1);
        }
    });
}

#[test]
fn convolutions() {
    let starts = [0, 1, 6, 8];
    let sequences = Sequences::new;
    on_every_device(|device, place| {
        for (h, k) in [(1, 1), (2, 3), (5, 5), (3, 7)] {
            let what = format!("{place} convolution over {k} of {h}");
            let (x, w, dy) = (random(1, 8 * h, 1.0), random(2, 2 * h * k, 1.0), random(3, 8 * h * k, 1.0));
            let tensor = Tensor::on(device, 8, h, &x);
            let columns = read(&convolution::unfold(&tensor, &sequences(&starts), k));
            // PyTorch's definition of Conv1d: y[t, o] = Σ w[o, i, j] · x[t + j − p, i], a sentence at a time.
            let convolved = |taken: &dyn Fn(usize, usize, usize) -> f64| -> Vec<f64> {
                let at_place = |t: usize, o: usize| {
                    let terms = (0..h * k).map(|at| f64::from(w[o * h * k + at]) * taken(t, at / k, at % k));
                    terms.sum::<f64>()
                };
                (0..16).map(|at| at_place(at / 2, at % 2)).collect()
            };
            let neighbor = |shift: usize| {
                let (x, starts) = (&x, &starts);
                move |t: usize, i: usize, j: usize| {
                    let sentence =
                        starts.windows(2).find(|bounds| (bounds[0]..bounds[1]).contains(&(t as u32))).unwrap();
                    let from = (t + j) as isize - shift as isize;
                    let inside = (sentence[0] as isize..sentence[1] as isize).contains(&from);
                    if inside { f64::from(x[from as usize * h + i]) } else { 0.0 }
                }
            };
            let ours = |t: usize, i: usize, j: usize| f64::from(columns[(t * h + i) * k + j]);
            let want = convolved(&neighbor(k / 2));
            assert_eq!(convolved(&ours), want, "{what}");
            if k > 1 {
                assert_ne!(convolved(&neighbor(k / 2 + 1)), want, "{what}: a neighbor further");
                let over = read(&convolution::unfold(&tensor, &sequences(&[0, 8]), k));
                assert_ne!(over, columns, "{what}: over a boundary");
            }
            // Backward is the transposed map: ⟨unfold(x), dy⟩ = ⟨x, fold(dy)⟩, here onto what was there.
            let mut dx = Tensor::on(device, 8, h, &x);
            convolution::fold_onto(&Tensor::on(device, 8, h * k, &dy), &sequences(&starts), k, &mut dx);
            let product =
                |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
            let want = product(&columns, &dy) + product(&x, &x);
            assert!((product(&x, &read(&dx)) - want).abs() <= 1e-5 * want.abs().max(1.0), "{what}");
        }
    });
}

#[test]
fn sums_of_tensors() {
    on_every_device(|device, place| {
        for (r, columns) in [(1, 1), (3, 7), (65, 33)] {
            let (x, y) = (random(1, r * columns, 1.0), random(2, r * columns, 1.0));
            let mut sum = Tensor::on(device, r, columns, &y);
            add::onto(&Tensor::on(device, r, columns, &x), &mut sum);
            let want: Vec<f32> = x.iter().zip(&y).map(|(x, y)| x + y).collect();
            assert_eq!(read(&sum), want, "{place} ({r}, {columns})");
        }
    });
}

#[test]
fn without_biases() {
    on_every_device(|device, place| {
        for (r, k, n) in [(1, 1, 1), (5, 7, 13), (33, 17, 40)] {
            let what = format!("{place} ({r}, {k}) → {n}");
            let (x, w, dy) = (random(1, r * k, 1.0), random(2, n * k, 1.0), random(4, r * n, 1.0));
            let (tensor, dy) = (Tensor::on(device, r, k, &x), Tensor::on(device, r, n, &dy));
            let nothing = || linear::ParamGrads { weight: None, bias: None };
            // No bias is a bias of zeros, bit for bit.
            let with = |bias: &[f32]| {
                let (y, saved) = linear::forward(
                    tensor.clone(),
                    parameter(device, &w).view(),
                    parameter(device, bias).view(),
                    Precision::F32,
                );
                (read(&y), read(&saved.backward(parameter(device, &w).view(), nothing(), &dy, None)))
            };
            assert_eq!(with(&[]), with(&vec![0.0; n]), "{what}");
            assert_ne!(with(&[]), with(&vec![0.5; n]), "{what}");
            let (gain, dy) = (random(5, k, 1.0), Tensor::on(device, r, k, &x));
            let with = |bias: &[f32]| {
                let (y, saved) = layer_norm::forward(
                    tensor.clone(),
                    parameter(device, &gain).view(),
                    parameter(device, bias).view(),
                    1e-5,
                );
                let (mut dgain, mut dbias) =
                    (parameter(device, &vec![0.5; k]), parameter(device, &vec![0.5; bias.len()]));
                let into = layer_norm::ParamGrads {
                    gain: GradSlot::Add(dgain.view_mut()),
                    bias: (!bias.is_empty()).then_some(GradSlot::Add(dbias.view_mut())),
                };
                let dx = saved.backward(parameter(device, &gain).view(), Some(into), &dy, None);
                (read(&y), read(&dx), read(&dgain))
            };
            assert_eq!(with(&[]), with(&vec![0.0; k]), "{what}");
            // What dx is added to.
            let saved = layer_norm::forward(tensor.clone(), parameter(device, &gain).view(), View::EMPTY, 1e-5).1;
            let onto = saved.backward(
                parameter(device, &gain).view(),
                None,
                &dy,
                Some(Tensor::on(device, r, k, &vec![2.0; r * k])),
            );
            let want: Vec<f64> = with(&[]).1.iter().map(|&dx| f64::from(dx) + 2.0).collect();
            assert_close(&what, &read(&onto), &want, 2.0, 1);
        }
    });
}

#[test]
fn rows_that_are_taken() {
    on_every_device(|device, place| {
        for width in [1, 7, 70] {
            let (x, dy, before) = (random(1, 9 * width, 1.0), random(2, 6 * width, 1.0), random(3, 9 * width, 1.0));
            let index = [4u32, 0, 8, 4, 4, 3];
            let taken = read(&rows::take(&Tensor::on(device, 9, width, &x), &index));
            let want: Vec<f32> = index.iter().flat_map(|&row| &x[row as usize * width..][..width]).copied().collect();
            assert_eq!(taken, want, "{place} {width}");
            let mut dx = Tensor::on(device, 9, width, &before);
            rows::add_taken(&index, &Tensor::on(device, 6, width, &dy), &mut dx);
            let sums = |index: &[u32]| {
                let mut sums = wide(&before);
                for (n, &row) in index.iter().enumerate() {
                    (0..width).for_each(|c| sums[row as usize * width + c] += f64::from(dy[n * width + c]));
                }
                sums
            };
            assert_close(&format!("{place} {width}"), &read(&dx), &sums(&index), 2.0, 4);
            assert_far("another row", &read(&dx), &sums(&[4, 0, 8, 5, 4, 3]), 8.0, 4);
            assert_far("each row once", &read(&dx), &sums(&index[..4]), 8.0, 4);
        }
    });
}

/// Which of the two terms of distances are computed: what queries and what keys are compared with.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Terms {
    of_queries: bool,
    of_keys: bool,
}

/// What a wrong program would do with distances.
#[derive(Clone, Copy, PartialEq)]
enum Twin {
    None,
    DistancesReversedForKeys,
    ScaleOfOneTerm,
    TablesExchanged,
}

/// (qᵢ · kⱼ + qᵢ · K(i − j) + kⱼ · Q(i − j)) / √(terms · D), then softmax and values. The table's columns are Q, then K.
#[allow(clippy::too_many_arguments)]
fn disentangled_reference(
    qkv: &[f64],
    table: &[f64],
    h: usize,
    starts: &[u32],
    heads: usize,
    terms: Terms,
    row: &dyn Fn(isize) -> usize,
    twin: Twin,
) -> Vec<f64> {
    let d = h / heads;
    let count = 1 + usize::from(terms.of_queries) + usize::from(terms.of_keys);
    let width = (count - 1) * h;
    let scaled = if twin == Twin::ScaleOfOneTerm { 1 } else { count };
    let at = |row: usize, third: usize, head: usize, c: usize| qkv[row * 3 * h + third * h + head * d + c];
    let (mut of_keys, mut of_queries) = (0, if terms.of_keys { h } else { 0 });
    if twin == Twin::TablesExchanged {
        (of_keys, of_queries) = (of_queries, of_keys);
    }
    let mut context = vec![0.0; qkv.len() / 3];
    for bounds in starts.windows(2) {
        let rows = bounds[0] as usize..bounds[1] as usize;
        for head in 0..heads {
            let of = |first: usize, distance: isize, c: usize| table[row(distance) * width + first + head * d + c];
            for i in rows.clone() {
                let score = |j: usize| {
                    let distance = i as isize - j as isize;
                    let mut score: f64 = (0..d).map(|c| at(i, 0, head, c) * at(j, 1, head, c)).sum();
                    if terms.of_queries {
                        score += (0..d).map(|c| at(i, 0, head, c) * of(of_queries, distance, c)).sum::<f64>();
                    }
                    if terms.of_keys {
                        let distance = if twin == Twin::DistancesReversedForKeys { -distance } else { distance };
                        score += (0..d).map(|c| at(j, 1, head, c) * of(of_keys, distance, c)).sum::<f64>();
                    }
                    (score / ((scaled * d) as f64).sqrt()).exp()
                };
                let scores: Vec<f64> = rows.clone().map(score).collect();
                let total: f64 = scores.iter().sum();
                for (score, j) in scores.iter().zip(rows.clone()) {
                    for c in 0..d {
                        context[i * h + head * d + c] += score / total * at(j, 2, head, c);
                    }
                }
            }
        }
    }
    context
}

const BOTH: Terms = Terms { of_queries: true, of_keys: true };

#[test]
fn disentangled_attention() {
    let [queries, keys] = [(true, false), (false, true)].map(|(of_queries, of_keys)| Terms { of_queries, of_keys });
    on_every_device(|device, place| {
        for (starts, heads, d, terms, buckets) in [
            (vec![0u32, 1], 1, 2, BOTH, Buckets { span: 3, logarithmic: None }),
            (vec![0, 9, 9, 11], 2, 3, BOTH, Buckets { span: 4, logarithmic: Some(11) }),
            (vec![0, 9, 11], 2, 3, queries, Buckets { span: 4, logarithmic: Some(11) }),
            (vec![0, 2, 13], 1, 4, keys, Buckets { span: 20, logarithmic: None }),
            (vec![0, 40], 1, 2, BOTH, Buckets { span: 8, logarithmic: Some(31) }),
            (vec![0, 150, 153], 2, 2, BOTH, Buckets { span: 64, logarithmic: Some(127) }),
            (vec![0, 70, 200], 1, 3, BOTH, Buckets { span: 200, logarithmic: None }),
        ] {
            let what = format!("{place} disentangled {starts:?}, {heads} heads of {d}, {terms:?}, {buckets:?}");
            let sequences = Sequences::new(&starts);
            let (r, h) = (sequences.rows(), heads * d);
            let longest = sequences.longest() as isize;
            let row = |distance: isize| buckets.row(distance) - buckets.row(1 - longest);
            let p = row(longest - 1) + 1;
            let width = h * (usize::from(terms.of_queries) + usize::from(terms.of_keys));
            let (qkv, table, dy) = (random(1, r * 3 * h, 1.5), random(2, p * width, 1.5), random(3, r * h, 1.0));
            let rows = (1 - longest..longest).map(|distance| row(distance) as u32).collect();
            let places = Arc::new(Places::new(rows, p));
            let relative = |table: &[f32]| Relative {
                table: Tensor::on(device, p, width, table),
                queries: terms.of_keys.then_some(0),
                keys: terms.of_queries.then_some(if terms.of_keys { h } else { 0 }),
                places: places.clone(),
            };
            let tensor = || Tensor::on(device, r, 3 * h, &qkv);
            let upstream = || Tensor::on(device, r, h, &dy);
            let (y, saved) = disentangled::forward(tensor(), relative(&table), &sequences, heads, None);
            let y = read(&y);
            let (xs, ts) = (wide(&qkv), wide(&table));
            let of = |x: &[f64], t: &[f64], twin| disentangled_reference(x, t, h, &starts, heads, terms, &row, twin);
            assert_close(&what, &y, &of(&xs, &ts, Twin::None), 4.0, r);
            let (dqkv, dtable) = saved.backward(&sequences, &upstream());
            let (dqkv, dtable) = (read(&dqkv), read(&dtable));
            if r <= 40 {
                let want = finite_differences(&xs, &wide(&dy), |x| of(x, &ts, Twin::None));
                assert_close(&format!("{what}, dqkv"), &dqkv, &want, 8.0, r);
                let want = finite_differences(&ts, &wide(&dy), |t| of(&xs, t, Twin::None));
                assert_close(&format!("{what}, dtable"), &dtable, &want, 8.0, r);
            } else {
                for seed in 0..4 {
                    let (along, across) =
                        (wide(&random(seed, qkv.len(), 1.0)), wide(&random(seed + 9, table.len(), 1.0)));
                    let moved =
                        |x: &[f64], a: &[f64], t: f64| x.iter().zip(a).map(|(x, a)| x + t * a).collect::<Vec<_>>();
                    let sum = |y: Vec<f64>| y.iter().zip(wide(&dy)).map(|(a, b)| a * b).sum::<f64>();
                    let at = |t| sum(of(&moved(&xs, &along, t), &moved(&ts, &across, t), Twin::None));
                    let slope = (at(1e-6) - at(-1e-6)) / 2e-6;
                    let product = |g: &[f32], a: &[f64]| wide(g).iter().zip(a).map(|(g, a)| g * a).sum::<f64>();
                    let got = product(&dqkv, &along) + product(&dtable, &across);
                    assert!((got - slope).abs() <= 2e-5 * (1.0 + slope.abs()), "{what}: {got} for {slope}");
                }
            }
            if terms == BOTH && r > 2 {
                for (name, twin) in [
                    ("the distances of keys reversed", Twin::DistancesReversedForKeys),
                    ("the scale of one term", Twin::ScaleOfOneTerm),
                    ("the tables exchanged", Twin::TablesExchanged),
                ] {
                    assert_far(name, &y, &of(&xs, &ts, twin), 4.0, r);
                }
            }
            // Distances of nothing leave plain attention of scores that are smaller by the number of terms.
            let nothing = relative(&vec![0.0; p * width]);
            let (y, _) = disentangled::forward(tensor(), nothing, &sequences, heads, None);
            let smaller = (1.0 / (1.0 + (width / h) as f32)).sqrt();
            let scaled: Vec<f32> =
                qkv.iter().enumerate().map(|(i, x)| if i % (3 * h) < h { x * smaller } else { *x }).collect();
            let (plain, _) = attention::forward(Tensor::on(device, r, 3 * h, &scaled), &sequences, heads, None, None);
            assert_close(&what, &read(&y), &wide(&read(&plain)), 8.0, r);
            // The same elements are dropped in backward: the output is linear in V.
            let dropout = Some(Dropout { rate: 0.4, stream: Stream::new(8), first_row: 3 });
            let (y, saved) = disentangled::forward(tensor(), relative(&table), &sequences, heads, dropout);
            let dqkv = read(&saved.backward(&sequences, &upstream()).0);
            let values = (0..r * h).map(|i| (i / h) * 3 * h + 2 * h + i % h);
            let from_values: f64 = values.map(|at| f64::from(dqkv[at]) * f64::from(qkv[at])).sum();
            let from_output: f64 = read(&y).iter().zip(&dy).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            assert!((from_values - from_output).abs() <= 1e-4, "{what}: {from_values} for {from_output}");
        }
    });
}
