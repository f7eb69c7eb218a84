//! The device check: a GPU computes every operation at the sizes of real models beside the processor, and is timed.
//!
//! ```text
//! cargo run --release -p tagsmith-bench -- --device-check [--device cuda:1] [--cuda-libraries DIR] [--tiny]
//! ```
//!
//! Floors are those of an operation's launches on an H200 (`launches.rs`). `device_check.sh` runs this once under `compute-sanitizer` and once plain, and then
//! the race. It has never run on a real GPU.

use crate::launches::{H200, H200_IN_F32, MEMORY, floor_s};
use crate::shapes::{BASE, MINILM, Size as Shape, TINY, batch, learner};
use serde_json::json;
use std::time::Instant;
use tagsmith_kernel::trial::case::{Size, Trial};
use tagsmith_kernel::trial::trials;
use tagsmith_kernel::{Device, Precision};
use tagsmith_ranks::World;
use tagsmith_tokens::learn::{TokenTask, update};
use tagsmith_train::learner::{Learner, Rate};

/// Seconds that an operation is repeated for, at least.
const SECONDS: f64 = 0.01;

/// What is checked: models, and sentences in a batch.
struct Plan {
    models: Vec<(&'static str, Shape)>,
    batches: &'static [usize],
    steps: usize,
}

/// Checks a device. Prints a table, and one JSON line at the end. Returns whether everything is right.
pub fn run(device: &Device, tiny: bool) -> bool {
    let plan = match tiny {
        true => Plan { models: vec![("tiny", TINY)], batches: &[3], steps: 1 },
        false => Plan { models: vec![("MiniLM", MINILM), ("BERT-base", BASE)], batches: &[8, 32, 256], steps: 20 },
    };
    let (mut rows, mut failures, mut steps) = (Vec::new(), Vec::new(), Vec::new());
    println!("{:10} {:>5} {:4} {:48} {:>10} {:>10} {:>6}", "model", "batch", "", "operation", "µs", "floor", "share");
    for &(model, shape) in &plan.models {
        for &sentences in plan.batches {
            let size = size_of(shape, sentences);
            for precision in [Precision::Bf16, Precision::F32] {
                // f32 is checked at one size of a batch.
                if precision == Precision::F32 && sentences != plan.batches[plan.batches.len() / 2] {
                    continue;
                }
                for trial in trials() {
                    let what = format!("{model:10} {sentences:5} {} {:48}", shown(precision), trial.name);
                    match row(&trial, device, &size, precision) {
                        Ok((seconds, floor)) => {
                            println!(
                                "{what} {:10.1} {:10.1} {:5.0}%",
                                1e6 * seconds,
                                1e6 * floor,
                                100.0 * floor / seconds
                            );
                            let times = [seconds, floor].map(|seconds| round(1e6 * seconds));
                            rows.push(json!([
                                model,
                                sentences,
                                shown(precision).trim(),
                                trial.name,
                                times[0],
                                times[1]
                            ]));
                        }
                        Err(reason) => {
                            println!("{what} {reason}");
                            failures.push(format!("{model} {sentences}: {reason}"));
                        }
                    }
                }
            }
            match step(device, shape, sentences, plan.steps) {
                Ok((seconds, rate)) => {
                    let what = format!("{model:10} {sentences:5} bf16 {:48}", "training step");
                    println!("{what} {:10.1} {rate:17.0} sub-tokens/s", 1e6 * seconds);
                    steps.push(json!([model, sentences, round(1e6 * seconds), round(rate)]));
                }
                Err(reason) => failures.push(format!("{model} {sentences}: a training step: {reason}")),
            }
        }
    }
    let name = match device {
        Device::Processor => "the processor".to_owned(),
        Device::Gpu(gpu) => gpu.driver().name(),
    };
    println!("{}", json!({"device": name, "failures": failures, "operations": rows, "steps": steps}));
    failures.is_empty()
}

/// Returns a number with one decimal.
fn round(number: f64) -> f64 {
    (10.0 * number).round() / 10.0
}

fn shown(precision: Precision) -> &'static str {
    match precision {
        Precision::Bf16 => "bf16",
        Precision::F32 => "f32 ",
    }
}

/// Returns the sizes of a model and a batch: lengths as those of CoNLL-2003, one sentence in 32 among the longest.
fn size_of(shape: Shape, sentences: usize) -> Size {
    let Shape { rows, hidden, heads, .. } = shape;
    let length = |sentence: usize| match sentence % 32 {
        31 => 6 * rows / 8,
        _ => rows / 16 + sentence * 7 % (rows / 8),
    };
    Size { lengths: (0..sentences).map(length).collect(), heads, width: hidden / heads, inner: 4 * hidden, labels: 9 }
}

/// Holds an operation against the processor's, and times it. Returns seconds and the floor.
fn row(trial: &Trial, device: &Device, size: &Size, precision: Precision) -> Result<(f64, f64), String> {
    let told = |error: &dyn std::fmt::Display| error.to_string();
    trial.check(device, size, precision).map_err(|failure| told(&failure))?;
    let run = trial.prepare(device, size, precision).map_err(|error| told(&error))?;
    let time = |repeats: u32| -> Result<f64, String> {
        let started = Instant::now();
        (0..repeats).for_each(|_| drop(run()));
        device.wait().map_err(|error| told(&error))?;
        Ok(started.elapsed().as_secs_f64() / f64::from(repeats))
    };
    let once = time(1)?;
    let repeats = (SECONDS / once).clamp(1.0, 1000.0) as u32;
    let seconds = if repeats > 1 { time(repeats)? } else { once };
    let limits = if precision == Precision::Bf16 { H200 } else { H200_IN_F32 };
    // Inputs are prepared before the record begins.
    let (without_numbers, recorder) = Device::recorded(MEMORY);
    let run = trial.prepare(&without_numbers, size, precision).map_err(|error| told(&error))?;
    recorder.take_asked();
    drop(run());
    Ok((seconds, floor_s(&recorder.take_asked(), limits)))
}

/// What rounding to bf16 may change a loss by, of itself: thousandths of scores that are about 1.
const LOSS_APART: f64 = 0.01;

/// Makes training steps in bf16; the first loss is held against the processor's in f32. Returns seconds of a step, and
/// sub-tokens a second.
fn step(device: &Device, shape: Shape, sentences: usize, steps: usize) -> Result<(f64, f64), String> {
    let batch = batch(shape, sentences);
    let rows = batch.rows();
    let (update, rate) = (update(vec![batch]), Rate::scheduled(1e-5, 1.0));
    let loss = |learner: &mut Learner<TokenTask>| {
        learner.step(&World::alone(), &update, rate).map(|report| report.loss).map_err(|error| error.to_string())
    };
    let learner_on = |precision, device| learner(shape, precision, device).map_err(|error| error.to_string());
    let want = loss(&mut learner_on(Precision::F32, &Device::Processor)?)?;
    let mut learner = learner_on(Precision::Bf16, device)?;
    // The first step searches for algorithms too.
    let first = loss(&mut learner)?;
    let is_near = (first - want).abs() <= LOSS_APART * want;
    if !is_near {
        return Err(format!("the loss is {first}, and {want} on the processor"));
    }
    let started = Instant::now();
    for _ in 0..steps {
        let loss = loss(&mut learner)?;
        if !loss.is_finite() {
            return Err(format!("the loss is {loss}"));
        }
    }
    let seconds = started.elapsed().as_secs_f64() / steps as f64;
    Ok((seconds, rows as f64 / seconds))
}
