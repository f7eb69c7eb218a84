//! Ten steps with weights of labels and other losses (golden/losses, written by oracle/losses.py).

use super::*;
use serde_json::Value;
use tagsmith_tokens::learn::teacher::Distillation;
use tagsmith_tokens::learn::{Rates, weighted_update};

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|x| x.as_f64().expect("a number")).collect()
}

/// The loss that a golden run describes.
fn loss_of(case: &Value) -> LossOptions {
    let number = |key: &str| case[key].as_f64();
    let form = match (number("gamma"), number("alpha")) {
        (Some(gamma), _) => Form::Focal { gamma },
        (_, Some(alpha)) => Form::Dice { alpha },
        _ => Form::CrossEntropy { smoothing: number("smoothing").unwrap_or(0.0) },
    };
    let teacher = number("distill_alpha").zip(number("temperature"));
    let teacher = teacher.map(|(alpha, temperature)| Distillation { alpha, temperature });
    LossOptions { form, weights: numbers(&case["weights"]), teacher, ..LOSS }
}

/// The rates of a golden run's parts, if they have rates of their own.
fn rates_of(case: &Value) -> Option<Rates> {
    let number = |key: &str| case[key].as_f64();
    Some(Rates { head: number("head_rate")?, encoder: number("rate")?, layer_decay: number("layer_decay")? })
}

/// Labels of the golden model.
const LABELS: usize = 5;

/// How far losses and norms are from the golden ones, where `divisors` are the weights that an update is divided by.
fn apart(case: &Value, loss: LossOptions, divisors: &[f64], begins: &[usize]) -> (f64, f64) {
    apart_at(case, rates_of(case), loss, divisors, begins)
}

fn apart_at(case: &Value, rates: Option<Rates>, loss: LossOptions, divisors: &[f64], begins: &[usize]) -> (f64, f64) {
    let task = TokenTask { rates, ..TokenTask::new(golden_model("bert"), loss) };
    let (mut learner, _) = Learner::new(task, OPTIONS, &[]).expect("nothing to freeze");
    let mut batches = batches_of(&read_expected("bert"), begins);
    let teacher = case["teacher"].as_array().map(|rows| rows.iter().flat_map(numbers).collect::<Vec<f64>>());
    let mut scores = teacher.iter().flatten().map(|&score| score as f32);
    for batch in &mut batches {
        batch.teacher = scores.by_ref().take(batch.counted() * LABELS).collect();
    }
    let mut worst = (0f64, 0f64);
    let golden = [&case["learning_rates"], &case["losses"], &case["grad_norms"]].map(numbers);
    for ((rate, loss), norm) in golden[0].iter().zip(&golden[1]).zip(&golden[2]) {
        let update = weighted_update(batches.clone(), divisors);
        let report = learner
            .step(&World::alone(), &update, Rate { learning_rate: *rate, multiplier: rate / 1e-3 })
            .expect("its rows can be read");
        worst.0 = worst.0.max((report.loss - loss).abs());
        worst.1 = worst.1.max((report.grad_norm / norm - 1.0).abs());
    }
    worst
}

#[test]
fn steps_with_weights_and_other_losses_are_pytorchs_in_one_batch_and_in_two() {
    let Value::Object(cases) = golden::json("losses/steps.json") else { panic!("it is not an object") };
    assert_eq!(cases.len(), 7);
    for (name, case) in &cases {
        let loss = loss_of(case);
        for begins in [&[0][..], &[0, 2]] {
            let (losses, norms) = apart(case, loss.clone(), &loss.weights, begins);
            assert!(losses <= LOSS_APART && norms <= NORM_APART, "{name}: off by {losses:.2e}, {norms:.2e}");
        }
        // Wrong twins: one rate for all layers, and for the head.
        if let Some(rates) = rates_of(case) {
            for twin in [Rates { layer_decay: 1.0, ..rates }, Rates { head: rates.encoder, ..rates }] {
                let (losses, norms) = apart_at(case, Some(twin), loss.clone(), &[], &[0]);
                assert!(losses > LOSS_APART && norms > NORM_APART, "{name}: {twin:?} passes");
            }
        }
        // Wrong twin: the parts of labels and of the teacher exchanged.
        if let Some(Distillation { alpha, temperature }) = loss.teacher {
            let teacher = Some(Distillation { alpha: 1.0 - alpha, temperature });
            let (losses, _) = apart(case, LossOptions { teacher, ..loss.clone() }, &loss.weights, &[0]);
            assert!(losses > LOSS_APART, "{name}: parts exchanged pass");
        }
        // Wrong twins: divided by the number of labels, and by each micro-batch's own weight.
        if loss.weights.iter().any(|&weight| weight != 1.0) {
            let (losses, norms) = apart(case, loss.clone(), &[], &[0]);
            assert!(losses > LOSS_APART && norms > NORM_APART, "{name}: a mean over labels passes");
        }
        let means = LossOptions { scaling: LossScaling::MeanOfMeans, ..loss.clone() };
        let (losses, _) = apart(case, means, &loss.weights, &[0, 2]);
        assert!(losses > LOSS_APART, "{name}: a mean of means passes");
    }
}
