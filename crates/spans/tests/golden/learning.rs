//! Gradients of parameters, and steps.

use crate::harness::*;
use tagsmith_kernel::check::{assert_close, assert_far, distance, tolerance};
use tagsmith_kernel::params::{Slot, SlotId};
use tagsmith_kernel::{Device, Precision};
use tagsmith_spans::batch::SpanBatch;
use tagsmith_spans::config::parity::Parity;
use tagsmith_spans::learn::{GoldBatch, SpanTask};
use tagsmith_spans::model::loss::Gold;
use tagsmith_spans::model::{Model, SPAN};
use tagsmith_train::learner::{Learner, StepOptions};

#[test]
fn a_softmax_over_masked_places_is_the_originals() {
    for case in cases()["leaking"].as_array().expect("a list") {
        let name = case["architecture"].as_str().expect("a name");
        let (_, format, masking) = MODELS.into_iter().find(|model| model.0 == name).expect("it is one of them");
        let number = |key: &str| case[key].as_f64().expect("a number");
        let run = |parity: Parity| {
            let mut model = load(name);
            let scale = model.layout.scales[SPAN];
            model.params.get_mut(scale)[0] = number("scale") as f32;
            model.config.loss.tau = number("tau");
            model.config.loss.weights = [0.0, 0.0, 1.0];
            model.config.reproduce(parity);
            let examples = [example(&case["example"], format)];
            let batch = batch_of(&model.config, &examples, masking);
            let mut learner = learner(model, OPTIONS);
            let loss = step(&mut learner, &[batch], 0.0).loss;
            (loss, learner.gradient("width_embedding.weight").expect("the processor works").expect("it learns"))
        };
        let gradient = |key: &str| -> Vec<f64> { serde_json::from_value(case[key].clone()).expect("numbers") };
        let leaking = Parity { softmax_mask: true, ..Parity::default() };
        for (parity, loss, want) in
            [(leaking, "loss", "gradient"), (Parity::default(), "loss_without", "gradient_without")]
        {
            let (got, gradients) = run(parity);
            // Scores of ±33 in f32, divided by τ, are exponents: 33 · 2⁻²³ · 8 / τ of them is rounding.
            let rounding = 33.0 * 8.0 * f64::from(f32::EPSILON) / number("tau");
            let apart = (got - number(loss)).abs();
            assert!(apart <= rounding, "{name} {loss}: {got}, {apart} off");
            let want = gradient(want);
            let largest = want.iter().fold(0f64, |a, b| a.max(b.abs()));
            let apart = distance(&gradients, &want);
            assert!(apart <= 4.0 * rounding * largest, "{name} {loss}: gradient {apart} off of {largest}");
        }
        assert!((number("loss") - number("loss_without")).abs() > 10.0, "{name}: nothing leaks");
    }
}

/// With dropout everywhere, which PyTorch draws otherwise: the loss's slope along a part's gradient is its length, by
/// central differences under the same masks; along the gradient under other masks it is not.
#[test]
fn gradients_under_dropout_are_slopes() {
    const STEP: f64 = 2e-3;
    for (name, ..) in MODELS {
        let mut model = load(name);
        model.config.dropout = 0.3;
        for encoder in [Some(&mut model.token_encoder), model.type_encoder.as_mut()].into_iter().flatten() {
            (encoder.shape.hidden_dropout, encoder.shape.attention_dropout) = (0.2, 0.2);
        }
        let batch = batch(name, &model.config);
        let learn = |model: &Model, seed: u64| {
            let mut learner = learner(model.clone(), StepOptions { seed, ..OPTIONS });
            let loss = step(&mut learner, std::slice::from_ref(&batch), 0.0).loss;
            (loss, learner)
        };
        for part in ["token_encoder.", "type_encoder.", "type_linear.", "token_"] {
            let of_part =
                |name: &str| name.starts_with(part) && (part != "token_" || !name.starts_with("token_encoder."));
            let gradients = |learner: &Learner<SpanTask>| -> Vec<(usize, Vec<f32>)> {
                let dense =
                    model.params.slots.iter().enumerate().filter(|(_, slot)| !slot.sparse && of_part(&slot.name));
                dense
                    .filter_map(|(number, slot)| {
                        Some((number, learner.gradient(&slot.name).expect("the processor works")?))
                    })
                    .collect()
            };
            let slope = |gradients: &[(usize, Vec<f32>)]| -> (f64, f64) {
                let squares = gradients.iter().flat_map(|(_, gradient)| gradient).map(|g| f64::from(*g).powi(2));
                let length = squares.sum::<f64>().sqrt();
                let at = |step: f64| {
                    let mut moved = model.clone();
                    for (number, gradient) in gradients {
                        let values = moved.params.get_mut(SlotId(*number)).iter_mut();
                        values.zip(gradient).for_each(|(x, g)| *x += (step / length * f64::from(*g)) as f32);
                    }
                    learn(&moved, 1).0
                };
                (length, (at(STEP) - at(-STEP)) / (2.0 * STEP))
            };
            let own = gradients(&learn(&model, 1).1);
            if own.is_empty() {
                assert_eq!((part, model.type_encoder.is_none()), ("type_encoder.", true), "{name}");
                continue;
            }
            let (length, got) = slope(&own);
            assert!((got - length).abs() <= 0.02 * length, "{name} {part}: slope {got}, gradient {length}");
            let (length, got) = slope(&gradients(&learn(&model, 2).1));
            assert!(
                (got - length).abs() > 0.02 * length,
                "{name} {part}: other masks pass, slope {got}, gradient {length}"
            );
        }
    }
}

/// Each learning parameter's name, its gradient in the first step, and PyTorch's.
fn gradients(name: &str, model: Model, batch: &GoldBatch) -> Vec<(String, Vec<f32>, Vec<f64>)> {
    let expected = read_expected(name);
    let slots = model.params.slots.clone();
    let mut learner = learner(model, OPTIONS);
    step(&mut learner, std::slice::from_ref(batch), 0.0);
    let gradient = |slot: &Slot| {
        let got = learner.gradient(&slot.name).expect("the device works");
        let want = expected.get(&format!("grad.{}", slot.name));
        assert_eq!(got.is_some(), want.is_some(), "{name} {}: one has a gradient", slot.name);
        Some((slot.name.clone(), got?, want?))
    };
    let all: Vec<_> = slots.iter().filter_map(gradient).collect();
    assert!(all.len() > 40, "{name}: {} parameters learn", all.len());
    all
}

#[test]
fn every_gradient_is_pytorchs() {
    let device = Device::emulated(1).expect("the emulator knows our kernels");
    for (name, ..) in MODELS {
        let model = load(name);
        let batch = batch(name, &model.config);
        let there = model.to(&device).expect("there is room");
        for (place, model) in [("processor", model), ("emulated GPU", there)] {
            let all = gradients(name, model, &batch);
            let largest = all.iter().flat_map(|(_, _, want)| want).fold(0f64, |a, b| a.max(b.abs()));
            for (slot, got, want) in &all {
                let own = want.iter().fold(0f64, |a, b| a.max(b.abs())).max(largest / 30.0);
                let (apart, allowed) = (distance(got, want), tolerance(C_BACKWARD, TERMS, &[own]));
                assert!(apart <= allowed, "{name}, {place}, {slot}: off by {apart:.3e}, {allowed:.3e} allowed");
            }
        }
    }
}

/// The slope of the head's ReLU jumps at 0: an input that rounding takes across changes single gradients by more than
/// rounding. So the length of the difference is bounded, over all parameters together.
#[test]
fn on_an_emulated_gpu_bf16_gradients_are_pytorchs_but_for_rounding() {
    let device = Device::emulated(1).expect("the emulator knows our kernels");
    for (name, ..) in MODELS {
        let model = Model { precision: Precision::Bf16, ..load(name) };
        let batch = batch(name, &model.config);
        // Backward goes through as many products again.
        let allowed = 2.0 * bf16_apart(&model);
        let all = gradients(name, model.to(&device).expect("there is room"), &batch);
        let apart = |got: &dyn Fn(f32) -> f64| {
            let pairs = || all.iter().flat_map(|(_, g, want)| g.iter().zip(want));
            let squares = pairs().map(|(&g, want)| (got(g) - want).powi(2)).sum::<f64>();
            (squares / pairs().map(|(_, want)| want * want).sum::<f64>()).sqrt()
        };
        let own = apart(&|g| f64::from(g));
        assert!(own <= allowed, "{name}: {own:.3} of the gradient's length, {allowed:.3} allowed");
        assert!(own > 1e-4, "{name}: {own:.1e} is not bf16's rounding");
        assert!(apart(&|g| f64::from(g) * (1.0 - 2.0 * allowed)) > allowed, "{name}: a shorter gradient passes");
    }
}

#[test]
fn a_step_of_several_batches_learns_from_their_mean() {
    let (name, ..) = MODELS[0];
    let model = load(name);
    let examples = cases()["collated"][0]["examples"].as_array().expect("a list").clone();
    let [first, second] = [0, 1].map(|number| batch_of(&model.config, &[example(&examples[number], "text")], "none"));
    let gradient = |batches: &[(SpanBatch, Gold)]| {
        let mut learner = learner(model.clone(), OPTIONS);
        let loss = step(&mut learner, batches, 0.0).loss;
        (loss, learner.gradient("token_span_linear.3.weight").expect("the processor works").expect("it learns"))
    };
    let (a, b) = (gradient(std::slice::from_ref(&first)), gradient(std::slice::from_ref(&second)));
    let both = gradient(&[first, second]);
    let mean: Vec<f64> = a.1.iter().zip(&b.1).map(|(a, b)| 0.5 * (f64::from(*a) + f64::from(*b))).collect();
    assert_close("gradient", &both.1, &mean, 8.0, 4);
    assert_far("of the last alone", &b.1, &mean, 8.0, 4);
    assert!((both.0 - 0.5 * (a.0 + b.0)).abs() < 1e-9 * both.0.abs());
}

#[test]
fn five_steps_are_pytorchs() {
    let device = Device::emulated(1).expect("the emulator knows our kernels");
    for (name, ..) in MODELS {
        let model = load(name);
        five_steps(name, model.to(&device).expect("there is room"));
        five_steps(name, model);
        // A step without decay is another.
        let start = load(name);
        let norm = start.params.slots.iter().position(|slot| slot.name.ends_with("width_embedding.weight"));
        let number = norm.expect("every model has one");
        let undecayed = distance(
            &start.params.copy(SlotId(number)).expect("its rows can be read"),
            &read_expected(name).floats("final.width_embedding.weight"),
        );
        assert!(undecayed > 1e-4, "{name}: the steps change nothing");
    }
}

/// Asserts that five steps of a model, where it lies, are PyTorch's.
fn five_steps(name: &str, model: Model) {
    let expected = read_expected(name);
    let batch = batch(name, &model.config);
    // A GPU sums rows in blocks. Where a gradient is near 0, AdamW makes a part of the rate of how it is rounded: the bound
    // of the steps in `train/tests/steps`.
    let of_weights = if let Device::Gpu(_) = model.params.device() { 5e-5 } else { 2e-5 };
    let mut learner = learner(model, OPTIONS);
    let rates = expected.floats("rates");
    let reports: Vec<_> =
        rates.iter().map(|rate| step(&mut learner, std::slice::from_ref(&batch), rate / 1e-3)).collect();
    let losses: Vec<f32> = reports.iter().map(|report| report.loss as f32).collect();
    let norms: Vec<f32> = reports.iter().map(|report| report.grad_norm as f32).collect();
    assert_close(&format!("{name} losses"), &losses, &expected.floats("losses"), 32.0, TERMS);
    assert_close(&format!("{name} norms"), &norms, &expected.floats("norms"), 64.0, TERMS);
    let model = learner.into_model().model;
    for (number, slot) in model.params.slots.iter().enumerate() {
        let want = expected.floats(&format!("final.{}", slot.name));
        let got = model.params.copy(SlotId(number)).expect("its rows can be read");
        let apart = distance(&got, &want);
        // A key's bias has no gradient in exact arithmetic: Adam makes rates of its noise.
        let allowed = if slot.name.ends_with("key.bias") { 3e-3 } else { of_weights };
        assert!(apart <= allowed, "{name} {}: off by {apart:.3e}", slot.name);
    }
}
