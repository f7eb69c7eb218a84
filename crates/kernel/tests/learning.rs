//! What training needs beside the layers: losses, rows of tables, dropout, the optimizer and sums, against references in
//! f64 written from their formulas.

use serde_json::Value;
use std::sync::Arc;
use tagsmith_kernel::Device;
use tagsmith_kernel::check::{
    assert_close, assert_far, at_every_level, finite_differences, on_every_device, parameter, random, read, wide,
};
use tagsmith_kernel::cpu::reduce;
use tagsmith_kernel::memory::tensor::Tensor;
use tagsmith_kernel::memory::values::View;
use tagsmith_kernel::op::adamw::{self, AdamW, Kept, Part};
use tagsmith_kernel::op::clip::{Clip, clip};
use tagsmith_kernel::op::label_loss::{self, Form, Loss, Objective};
use tagsmith_kernel::op::{distillation, dropout, embedding};
use tagsmith_kernel::params::GradSlot;
use tagsmith_kernel::params::row_gradients::RowGradients;
use tagsmith_kernel::params::table::{Origin, Rows, Table, UnreadableRows};
use tagsmith_kernel::random::stream::Stream;
use tagsmith_testkit::golden;

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
        let want = finite_differences(&wide(&scores), &[0.25], reference);
        let counted_all: Vec<f64> = want.iter().map(|d| d * 3.0 / 5.0).collect();
        on_every_device(|device, place| {
            let loss = Objective::cross_entropy(smoothing);
            let Loss { sum, dscores } =
                label_loss::forward(&Tensor::on(device, 5, k, &scores), &labels, &loss, 0.25).expect("it works");
            let sum = sum.read().expect("the device works");
            assert!((sum - reference(&wide(&scores))[0]).abs() <= 1e-6, "{place} {smoothing}: {sum}");
            let dscores = read(&dscores);
            assert_close(&format!("{place} dscores"), &dscores, &want, 2.0, k);
            assert_far("divided by all rows", &dscores, &counted_all, 2.0, k);
        });
    }
    on_every_device(|device, place| {
        let sum = |scores: &[f32], labels: &[i32]| {
            let scores = Tensor::on(device, labels.len(), 3, scores);
            let loss = label_loss::forward(&scores, labels, &Objective::cross_entropy(0.0), 1.0);
            loss.and_then(|loss| loss.sum.read()).expect("the device works")
        };
        let huge = sum(&[1e4, -1e4, 0.0], &[1]);
        assert!((huge - 2e4).abs() < 1e-3, "{place}: {huge}");
        assert_eq!(sum(&[], &[]), 0.0, "{place}");
        assert!(sum(&[0.0, f32::NAN, 1.0], &[0]).is_nan(), "{place}");
    });
}

#[test]
#[should_panic(expected = "label_loss: label 3 of 3")]
fn a_label_beyond_the_classes_is_our_mistake() {
    let device = Device::emulated(1).expect("the emulator knows our kernels");
    let scores = Tensor::on(&device, 2, 3, &[0.0; 6]);
    drop(label_loss::forward(&scores, &[-100, 3], &Objective::cross_entropy(0.0), 1.0));
}

/// A loss of a golden row (golden/losses, written by oracle/losses.py).
fn form_of(row: &Value) -> Form {
    let number = |key: &str| row[key].as_f64();
    match (number("gamma"), number("alpha")) {
        (Some(gamma), _) => Form::Focal { gamma },
        (_, Some(alpha)) => Form::Dice { alpha },
        _ => Form::CrossEntropy { smoothing: number("smoothing").unwrap_or(0.0) },
    }
}

fn floats(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(values) => values.iter().flat_map(floats).collect(),
        number => vec![number.as_f64().expect("a number")],
    }
}

#[test]
fn losses_of_labels_are_pytorchs() {
    let mut refused = [0; 3];
    let rows = golden::lines("losses/rows.jsonl");
    for row in &rows {
        let labels: Vec<i32> = floats(&row["labels"]).iter().map(|&label| label as i32).collect();
        let scores: Vec<f32> = floats(&row["scores"]).iter().map(|&score| score as f32).collect();
        let (weights, want) = (floats(&row["weights"]), floats(&row["gradient"]));
        let loss = Objective { form: form_of(row), weights: &weights };
        let k = scores.len() / labels.len();
        let compute = |device: &Device, loss: &Objective| {
            let scores = Tensor::on(device, labels.len(), k, &scores);
            let Loss { sum, dscores } = label_loss::forward(&scores, &labels, loss, 1.0).expect("the device works");
            (sum.read().expect("the device works"), read(&dscores))
        };
        on_every_device(|device, place| {
            let (sum, dscores) = compute(device, &loss);
            let (want_sum, what) = (row["sum"].as_f64().expect("a number"), format!("{place} {loss:?}"));
            assert!((sum - want_sum).abs() <= 1e-6 * want_sum.abs(), "{what}: {sum} for {want_sum}");
            assert_close(&what, &dscores, &want, 2.0, k);
        });
        // Wrong twins: no weights, another exponent, and a focal loss whose factor is taken for a constant.
        let (_, unweighted) = compute(&Device::Processor, &Objective { weights: &[], ..loss });
        if !weights.is_empty() {
            assert_far("without weights", &unweighted, &want, 2.0, k);
            refused[0] += 1;
        }
        let other = match loss.form {
            Form::CrossEntropy { smoothing } => Form::CrossEntropy { smoothing: smoothing + 0.01 },
            Form::Focal { gamma } => Form::Focal { gamma: gamma + 0.01 },
            Form::Dice { alpha } => Form::Dice { alpha: alpha + 0.01 },
        };
        assert_far(
            "another exponent",
            &compute(&Device::Processor, &Objective { form: other, ..loss }).1,
            &want,
            2.0,
            k,
        );
        refused[1] += 1;
        if let Form::Focal { gamma } = loss.form
            && gamma > 0.0
        {
            let (_, plain) = compute(&Device::Processor, &Objective { form: Form::Focal { gamma: 0.0 }, ..loss });
            let constant = focal_without_the_derivative(gamma, &scores, &labels, &plain);
            assert_far("the derivative of (1 − p)^γ is missing", &constant, &want, 2.0, k);
            refused[2] += 1;
        }
    }
    assert_eq!(refused, [rows.len() / 2, rows.len(), rows.len() / 4]);
}

/// The gradient of cross-entropy, each row times its (1 − p)^γ.
fn focal_without_the_derivative(gamma: f64, scores: &[f32], labels: &[i32], plain: &[f32]) -> Vec<f32> {
    let k = scores.len() / labels.len();
    let mut found = plain.to_vec();
    for ((row, label), d) in scores.chunks_exact(k).zip(labels).zip(found.chunks_exact_mut(k)) {
        let exps: Vec<f64> = row.iter().map(|&s| f64::from(s).exp()).collect();
        let p = usize::try_from(*label).map_or(1.0, |label| exps[label] / exps.iter().sum::<f64>());
        d.iter_mut().for_each(|d| *d = (f64::from(*d) * (1.0 - p).powf(gamma)) as f32);
    }
    found
}

#[test]
fn distances_from_a_teacher_are_pytorchs() {
    for row in golden::lines("losses/teacher.jsonl") {
        let labels: Vec<i32> = floats(&row["labels"]).iter().map(|&label| label as i32).collect();
        let narrow = |key: &str| floats(&row[key]).iter().map(|&score| score as f32).collect::<Vec<f32>>();
        let (scores, teacher, want) = (narrow("scores"), narrow("teacher"), floats(&row["gradient"]));
        let (temperature, k) = (row["temperature"].as_f64().expect("a number"), scores.len() / labels.len());
        on_every_device(|device, place| {
            let scores = Tensor::on(device, labels.len(), k, &scores);
            let loss = distillation::forward(&scores, &labels, &teacher, temperature, 1.0).expect("the device works");
            let (sum, want_sum) = (loss.sum.read().expect("the device works"), row["sum"].as_f64().expect("a number"));
            assert!((sum - want_sum).abs() <= 1e-6 * want_sum, "{place}: {sum} for {want_sum}");
            let dscores = read(&loss.dscores);
            assert_close(&format!("{place} T {temperature}"), &dscores, &want, 2.0, k);
            if temperature != 1.0 {
                // Wrong twins: T² is missing, and the teacher's scores are not divided by T.
                let without: Vec<f32> = dscores.iter().map(|d| d / (temperature * temperature) as f32).collect();
                assert_far("without T²", &without, &want, 2.0, k);
                let warm: Vec<f32> = teacher.iter().map(|score| score * temperature as f32).collect();
                let warm = distillation::forward(&scores, &labels, &warm, temperature, 1.0).expect("the device works");
                assert_far("a teacher without T", &read(&warm.dscores), &want, 2.0, k);
            }
        });
    }
}

#[test]
fn gradients_of_losses_are_finite_differences() {
    let (k, labels) = (4, [2, -100, 0, 3]);
    let (scores, weights) = (random(3, 4 * k, 3.0), [0.5, 2.0, 1.0, 3.0]);
    let forms = [
        Form::CrossEntropy { smoothing: 0.2 },
        Form::Focal { gamma: 0.5 },
        Form::Focal { gamma: 2.0 },
        Form::Dice { alpha: 0.01 },
        Form::Dice { alpha: 1.0 },
    ];
    for form in forms {
        let loss = Objective { form, weights: &weights };
        // A step of 1/64 keeps the scores exact in f32. Its error is of the order of its square.
        let at = |scores: &[f32]| {
            let scores = Tensor::from_slice(4, k, scores);
            label_loss::forward(&scores, &labels, &loss, 1.0).expect("the processor works")
        };
        let got = at(&scores).dscores;
        for place in 0..scores.len() {
            let moved = |by: f32| {
                let mut scores = scores.clone();
                scores[place] += by;
                at(&scores).sum.read().expect("the processor works")
            };
            let want = (moved(1.0 / 64.0) - moved(-1.0 / 64.0)) * 32.0;
            assert!((f64::from(got.data()[place]) - want).abs() < 1e-3, "{form:?} {place}: {want}");
        }
    }
}

#[test]
fn losses_of_certain_rows_are_numbers() {
    // Probabilities that are 0 and 1 in f64.
    let scores = Tensor::from_slice(2, 3, &[2e3, 0.0, -2e3, 2e3, 0.0, -2e3]);
    for form in [Form::Focal { gamma: 0.5 }, Form::Focal { gamma: 2.0 }, Form::Dice { alpha: 0.01 }] {
        let loss = label_loss::forward(&scores, &[0, 2], &Objective { form, weights: &[] }, 1.0);
        let Loss { sum, dscores } = loss.expect("the processor works");
        assert!(sum.read().expect("the processor works").is_finite(), "{form:?}");
        assert!(dscores.data().iter().all(|d| d.is_finite()), "{form:?}: {:?}", dscores.data());
    }
}

#[test]
fn gradients_are_clipped_to_a_global_norm() {
    let (a, b) = (random(1, 40_000, 1.0), random(2, 7, 100.0));
    let norm = wide(&a).iter().chain(&wide(&b)).map(|g| g * g).sum::<f64>().sqrt();
    on_every_device(|device, place| {
        // One run of neighbors, an empty part, and another place.
        let (one, other) = (parameter(device, &a), parameter(device, &b));
        let parts = [one.view().part(0..32_768), one.view().part(32_768..32_768), one.view().part(32_768..40_000)];
        let parts = [&parts[..], &[other.view()]].concat();
        let clipped = |parts: &[View], most: f64| {
            let Clip { norm, factor } = clip(parts, most);
            (norm.read().expect("the device works"), read(&factor)[0])
        };
        for (most, factor) in [(0.0, 1.0), (-1.0, 1.0), (1e6, 1.0), (1.0, 1.0 / (norm + 1e-6))] {
            let got = clipped(&parts, most);
            assert!((got.0 / norm - 1.0).abs() <= 1e-7, "{place}: {} for {norm}", got.0);
            assert!((f64::from(got.1) / factor - 1.0).abs() <= 2e-7, "{place} {most}: {}", got.1);
        }
        assert!((clipped(&parts[..3], 1.0).0 / norm - 1.0).abs() > 1e-3, "{place}: without a part");
        let lost = parameter(device, &[1.0, f32::NAN]);
        assert!(clipped(&[one.view(), lost.view()], 1.0).0.is_nan(), "{place}");
    });
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
    let want: Vec<f64> = (0..4 * h)
        .map(|i| {
            f64::from(words[ids[i / h] as usize * h + i % h]) + f64::from(positions[at[i / h] as usize * h + i % h])
        })
        .collect();
    let dy = random(3, 4 * h, 1.0);
    let gradient = |fixed: Option<u32>| -> Vec<f64> {
        let mut table = vec![0.0; v * h];
        for (r, &id) in ids.iter().enumerate().filter(|&(_, &id)| Some(id) != fixed) {
            (0..h).for_each(|c| table[id as usize * h + c] += f64::from(dy[r * h + c]));
        }
        table
    };
    on_every_device(|device, place| {
        let tables = [&words, &positions].map(|values| parameter(device, values));
        let [of_words, of_positions] = tables.each_ref().map(|table| Rows::Dense(table.view()));
        let y = read(&embedding::forward(h, &[(of_words, &ids), (of_positions, &at)]));
        assert_close(&format!("{place} sum of tables"), &y, &want, 1.0, 2);
        let exchanged = read(&embedding::forward(h, &[(of_words, &at), (of_words, &ids)]));
        assert_far("rows of another table", &exchanged, &want, 8.0, 2);
        // Rows that come into memory when they are fetched are the same.
        let table = Table::new(v, h, Arc::new(Given(words.clone())));
        table.fetch(&ids).expect("its rows can be read");
        let fetched = embedding::forward(h, &[(Rows::Table(&table), &ids), (Rows::Dense(View::Host(&positions)), &at)]);
        assert_eq!(y, fetched.data(), "{place}");
        for fixed in [None, Some(4), Some(0)] {
            let upstream = Tensor::on(device, 4, h, &dy);
            let mut dense = parameter(device, &vec![f32::NAN; v * h]);
            embedding::backward(&ids, &upstream, fixed, GradSlot::Overwrite(dense.view_mut()));
            assert_close(&format!("{place} dense"), &read(&dense), &gradient(fixed), 1.0, 2);
            let mut sum = parameter(device, &vec![0.5; v * h]);
            embedding::backward(&ids, &upstream, fixed, GradSlot::Add(sum.view_mut()));
            let want: Vec<f64> = gradient(fixed).iter().map(|d| d + 0.5).collect();
            assert_close(&format!("{place} added"), &read(&sum), &want, 2.0, 2);
        }
    });

    let upstream = Tensor::from_slice(4, h, &dy);
    for fixed in [None, Some(4), Some(0)] {
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

#[test]
#[should_panic(expected = "embedding: row 6 of 6")]
fn a_device_is_not_asked_for_a_row_that_a_table_does_not_have() {
    let device = Device::emulated(1).expect("the emulator knows our kernels");
    let table = parameter(&device, &[0.0; 30]);
    embedding::forward(5, &[(Rows::Dense(table.view()), &[6])]);
}

#[test]
#[should_panic(expected = "embedding: a table has not 2 indexes")]
fn a_device_is_not_asked_for_rows_without_an_index() {
    let device = Device::emulated(1).expect("the emulator knows our kernels");
    let table = parameter(&device, &[0.0; 30]);
    let rows = Rows::Dense(table.view());
    embedding::forward(5, &[(rows, &[3, 4]), (rows, &[1])]);
}

#[test]
fn masks_of_dropout_are_the_processors_on_every_device() {
    let (rate, stream) = (0.4, Stream::new(8).child(3));
    let dropout = |first_row| Some(dropout::Dropout { rate, stream, first_row });
    for (r, c) in [(1, 1), (3, 7), (19, 130)] {
        let x = random(1, r * c, 1.0);
        let on = |device: &Device, first_row| read(&dropout::apply(&Tensor::on(device, r, c, &x), dropout(first_row)));
        let want = on(&Device::Processor, 5_000_000_000);
        on_every_device(|device, place| {
            assert_eq!(on(device, 5_000_000_000), want, "{place} ({r}, {c})");
            assert!(r * c < 20 || on(device, 705_032_704) != want, "{place}: rows are numbered in 64 bits");
        });
    }
}

/// What gradients are multiplied by.
const FACTOR: f64 = 0.5;

/// Loshchilov and Hutter's algorithm with PyTorch's place of ε, in f64.
struct AdamReference {
    p: Vec<f64>,
    m: Vec<f64>,
    v: Vec<f64>,
}

impl AdamReference {
    fn update(&mut self, a: &AdamW, g: &[f32]) {
        for (i, &g) in g.iter().enumerate() {
            let g = f64::from(g) * FACTOR;
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
    // One part fills a task and more, another ends within a vector, one is empty.
    let (n, cut) = (16_500, 16_431);
    let p = random(1, n, 1.0);
    let updates: Vec<(AdamW, Vec<f32>)> = (1..=40u64)
        .map(|update| {
            let rate = 1e-3 * (update.min(10) as f64) / 10.0;
            let adamw = AdamW { rate, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.1, update };
            (adamw, random(update, n, 0.01))
        })
        .collect();
    let mut reference = AdamReference { p: wide(&p), m: vec![0.0; n], v: vec![0.0; n] };
    let mut l2 = AdamReference { p: wide(&p), m: vec![0.0; n], v: vec![0.0; n] };
    for (adamw, g) in &updates {
        reference.update(adamw, g);
        let coupled: Vec<f32> = g.iter().zip(&l2.p).map(|(g, p)| g + (0.1 * p / FACTOR) as f32).collect();
        l2.update(&AdamW { decay: 0.0, ..*adamw }, &coupled);
    }
    on_every_device(|device, place| {
        let factor = parameter(device, &[FACTOR as f32]);
        let start = || [&p, &vec![0.0; n], &vec![0.0; n]].map(|values| parameter(device, values));
        let (mut whole, mut parted) = (start(), start());
        // What is kept of one part does not hold for two: then it is replaced.
        let (mut kept, mut kept_of_both) = (Kept::default(), Kept::default());
        for (adamw, g) in &updates {
            let (adamw, g) = (*adamw, parameter(device, g));
            let [p, m, v] = whole.each_mut().map(Tensor::view_mut);
            adamw::update(vec![Part { adamw, p, g: g.view(), m, v }], factor.view(), &mut kept_of_both);
            let [(p1, p), (m1, m), (v1, v)] = parted.each_mut().map(|x| x.view_mut().split_at(cut));
            let [(p2, p3), (m2, m3), (v2, v3)] = [p, m, v].map(|x| x.split_at(0));
            let part = |adamw, p, m, v, range| Part { adamw, p, g: g.view().part(range), m, v };
            let parts = vec![
                part(adamw, p1, m1, v1, 0..cut),
                // On a device, another rate is another launch.
                part(AdamW { rate: 0.5, ..adamw }, p2, m2, v2, cut..cut),
                part(adamw, p3, m3, v3, cut..n),
            ];
            let kept = if adamw.update.is_multiple_of(3) { &mut kept_of_both } else { &mut kept };
            adamw::update(parts, factor.view(), kept);
        }
        let (whole, parted) = (whole.each_ref().map(read), parted.each_ref().map(read));
        assert_close(&format!("{place} adamw"), &whole[0], &reference.p, 4.0, 40);
        assert_far("L2 for decoupled decay", &whole[0], &l2.p, 4.0, 40);
        assert!(whole == parted, "{place}: parts");
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
