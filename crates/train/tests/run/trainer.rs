//! The loop against runs of the real Trainer (golden/trainer/runs.jsonl, written by oracle/trainer.py).

use crate::harness::{Heard, bits, examples, learner, options, run, run_with};
use serde_json::{Value, json};
use std::path::Path;
use tagsmith_testkit::golden::trainer as golden;
use tagsmith_train::checkpoint;
use tagsmith_train::trainer::agenda::{Every, Saving};
use tagsmith_train::trainer::best::Criterion;
use tagsmith_train::trainer::options::{EarlyStopping, Keep, Options};
use tagsmith_train::trainer::plan::Amount;

/// The Trainer's settings as ours.
fn translated(row: &Value, output: &Path) -> Options {
    let settings = &row["settings"];
    let number = |key: &str, default: f64| settings[key].as_f64().unwrap_or(default);
    let every = |kind: &str, default: &str, steps: f64| match settings[format!("{kind}_strategy")]
        .as_str()
        .unwrap_or(default)
    {
        "no" => Every::Never,
        "epoch" => Every::Epoch,
        _ => Every::Steps(Amount::of(kind, number(&format!("{kind}_steps"), steps)).unwrap()),
    };
    let mut options = options(output);
    options.accumulation = number("gradient_accumulation_steps", 1.0) as usize;
    options.epochs = number("num_train_epochs", 3.0);
    options.max_steps = settings["max_steps"].as_u64();
    options.drop_last = settings["dataloader_drop_last"] == true;
    if let Some(name) = settings["lr_scheduler_type"].as_str() {
        options.schedule = name.to_owned();
        options.schedule_keywords = settings["lr_scheduler_kwargs"].as_object().unwrap().clone();
    }
    options.times.logging = every("logging", "steps", 500.0);
    options.times.logging_first_step = settings["logging_first_step"] == true;
    options.times.evaluation = every("eval", "no", number("logging_steps", 500.0));
    options.times.eval_delay = number("eval_delay", 0.0);
    options.times.eval_on_start = settings["eval_on_start"] == true;
    options.times.saving =
        if settings["save_strategy"] == "best" { Saving::Best } else { Saving::Every(every("save", "steps", 500.0)) };
    options.times.load_best_at_end = settings["load_best_model_at_end"] == true;
    options.best = settings["metric_for_best_model"]
        .as_str()
        .map(|metric| Criterion::new(metric, settings["greater_is_better"].as_bool()));
    options.early_stopping = row["patience"]
        .as_u64()
        .map(|patience| EarlyStopping { patience, threshold: row["threshold"].as_f64().unwrap() });
    options.keep = settings["save_total_limit"].as_u64().map_or(Keep::All, |limit| Keep::Newest(limit as usize));
    options
}

fn floats(value: &Value) -> Vec<f64> {
    serde_json::from_value(value.clone()).unwrap()
}

#[test]
fn events_state_and_checkpoints_are_the_trainers() {
    for (number, row) in golden::runs().iter().enumerate() {
        let output = tempfile::tempdir().unwrap();
        let options = translated(row, output.path());
        let mut learner = learner(3, 0.0);
        let (total, embeddings) = learner.parameter_counts();
        assert_eq!(json!([total, total - embeddings]), row["parameters"]);
        let (outcome, heard) = run(&mut learner, &options, &examples(), &floats(&row["scores"]), None);
        let outcome = outcome.unwrap();

        let is_ours = |event: &&Value| event[0] != "evaluate";
        let want: Vec<Value> = row["events"].as_array().unwrap().iter().filter(is_ours).map(without_folders).collect();
        assert_eq!(heard.events, want, "run {number}: {}", row["settings"]);

        let state: Value = serde_json::from_str(&outcome.state.to_json(false)).unwrap();
        for (key, want) in row["state"].as_object().unwrap() {
            let got = match key.as_str() {
                // The Trainer's copy dates from its last checkpoint.
                "stateful_callbacks" => continue,
                "best_model_checkpoint" => {
                    state[key].as_str().map_or(Value::Null, |path| json!(path.rsplit('/').next()))
                }
                _ => state[key].clone(),
            };
            assert_eq!(got, *want, "run {number}, {key}: {}", row["settings"]);
        }
        assert_eq!(json!(checkpoint::steps(output.path())), row["remaining"], "run {number}: {}", row["settings"]);

        let history = state["log_history"].as_array().unwrap();
        let positions: Vec<Value> = history.iter().map(|record| json!([record["epoch"], record["step"]])).collect();
        assert_eq!(json!(positions), row["positions"]);
        let rates: Vec<f64> = history.iter().filter_map(|record| record["learning_rate"].as_f64()).collect();
        let wanted = floats(&row["learning_rates"]);
        assert_eq!(rates.len(), wanted.len());
        assert!(rates.iter().zip(&wanted).all(|(got, want)| (got - want).abs() <= 1e-18), "{rates:?} {wanted:?}");
        check_keys(history, row);
        check_losses(history, &heard);
    }
}

fn without_folders(event: &Value) -> Value {
    json!([event[0], event[1]])
}

/// Training records and the summary have the Trainer's keys; evaluations are the caller's.
fn check_keys(history: &[Value], row: &Value) {
    for (record, want) in history.iter().zip(row["history_keys"].as_array().unwrap()) {
        let mut keys: Vec<&String> = record.as_object().unwrap().keys().collect();
        keys.sort();
        if record.get("eval_loss").is_none() {
            assert_eq!(json!(keys), *want);
        }
    }
}

/// A record's loss is the mean over the steps since the one before; the summary's is the mean of all.
fn check_losses(history: &[Value], heard: &Heard) {
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    let mut last = 0;
    for record in history {
        let step = record["step"].as_u64().unwrap() as usize;
        if let Some(loss) = record["loss"].as_f64() {
            assert!((loss - mean(&heard.losses[last..step])).abs() <= 1e-12);
            last = step;
        }
        if let Some(loss) = record["train_loss"].as_f64() {
            assert!((loss - mean(&heard.losses)).abs() <= 1e-12);
        }
    }
}

#[test]
fn the_best_model_is_loaded_and_said() {
    let output = tempfile::tempdir().unwrap();
    let mut options = options(output.path());
    options.times.evaluation = Every::Epoch;
    options.times.saving = Saving::Every(Every::Epoch);
    options.times.load_best_at_end = true;
    options.best = Some(Criterion::new("f1", None));
    let mut best = learner(3, 0.1);
    let (outcome, heard) = run(&mut best, &options, &examples(), &[0.5, 0.7, 0.7], None);
    outcome.unwrap();
    assert!(heard.notes.iter().any(|note| note.ends_with("checkpoint-6`: `eval_f1` is 0.7")), "{:?}", heard.notes);

    // What was loaded are the weights of step 6, not those of the tie at step 9.
    let mut short = options.clone();
    short.output = output.path().join("short");
    short.max_steps = Some(6);
    short.times.load_best_at_end = false;
    short.schedule = "constant".to_owned();
    let mut at_six = learner(3, 0.1);
    options.schedule = "constant".to_owned();
    options.output = output.path().join("constant");
    let mut best = learner(3, 0.1);
    run(&mut best, &options, &examples(), &[0.5, 0.7, 0.7], None).0.unwrap();
    run(&mut at_six, &short, &examples(), &[0.5, 0.7], None).0.unwrap();
    assert_eq!(bits(&mut best), bits(&mut at_six));
    let mut last = learner(3, 0.1);
    options.times.load_best_at_end = false;
    run(&mut last, &options, &examples(), &[0.5, 0.7, 0.7], None).0.unwrap();
    assert_ne!(bits(&mut last), bits(&mut at_six));
}

/// Evaluations every step and checkpoints every third one, of nine steps.
fn sparse_saves(output: &Path) -> Options {
    let mut options = options(output);
    options.times.evaluation = Every::Steps(Amount::Steps(1));
    options.times.saving = Saving::Every(Every::Steps(Amount::Steps(3)));
    options.times.load_best_at_end = true;
    options.schedule = "constant".to_owned();
    options.best = Some(Criterion::new("f1", None));
    options
}

/// The learner after so many steps of the same run.
fn bits_at(step: u64, options: &Options) -> Vec<u32> {
    let scratch = tempfile::tempdir().unwrap();
    let mut short = options.clone();
    (short.output, short.max_steps) = (scratch.path().to_owned(), Some(step));
    short.times.load_best_at_end = false;
    let mut learner = learner(3, 0.1);
    run(&mut learner, &short, &examples(), &[0.0; 9], None).0.unwrap();
    bits(&mut learner)
}

fn said(heard: &Heard, line: &str) {
    assert!(heard.notes.iter().any(|note| note.contains(line)), "`{line}` is not in {:?}", heard.notes);
}

/// Issue transformers#28539 and its kin: the best evaluation falls between two checkpoints.
#[test]
fn the_best_model_between_two_checkpoints_is_saved_and_loaded() {
    let output = tempfile::tempdir().unwrap();
    let mut options = sparse_saves(output.path());
    options.times.save_best_between = true;
    let mut best = learner(3, 0.1);
    let scores = [0.1, 0.2, 0.1, 0.4, 0.9, 0.3, 0.3, 0.2, 0.1];
    let (outcome, heard) = run(&mut best, &options, &examples(), &scores, None);
    let outcome = outcome.unwrap();
    said(&heard, "step 5 is saved although no checkpoint is due: its `eval_f1` is the best so far");
    said(&heard, "checkpoint-5`: `eval_f1` is 0.9");
    assert!(bits(&mut best) == bits_at(5, &options), "the weights are those of step 5");
    // Of those that were the best for a while only the last one is there.
    assert_eq!(checkpoint::steps(output.path()), [3, 5, 6, 9]);
    assert_eq!(outcome.state.best_global_step, Some(5));
    assert!(outcome.state.best_model_checkpoint.unwrap().ends_with("checkpoint-5"));
    // A limit counts it, and keeps it.
    options.keep = Keep::Newest(2);
    options.output = output.path().join("few");
    run(&mut learner(3, 0.1), &options, &examples(), &scores, None).0.unwrap();
    assert_eq!(checkpoint::steps(&options.output), [5, 9]);
}

/// The Trainer saves no best model between two checkpoints. The number that is said is then the loaded model's own.
#[test]
fn the_best_saved_model_is_loaded_where_the_best_is_not_saved() {
    let output = tempfile::tempdir().unwrap();
    let options = sparse_saves(output.path());
    let mut loaded = learner(3, 0.1);
    let (_, heard) = run(&mut loaded, &options, &examples(), &[0.1, 0.2, 0.5, 0.4, 0.9, 0.6, 0.3, 0.2, 0.1], None);
    said(&heard, "checkpoint-6`: `eval_f1` is 0.6; `eval_f1` was best at step 5 (0.9), which has no checkpoint");
    assert!(bits(&mut loaded) == bits_at(6, &options), "the weights are those of step 6");
}

#[test]
fn a_run_without_a_best_model_ends_with_its_last_weights_and_says_so() {
    let output = tempfile::tempdir().unwrap();
    let mut options = options(output.path());
    options.times.evaluation = Every::Epoch;
    options.times.eval_delay = 50.0;
    options.times.saving = Saving::Every(Every::Epoch);
    options.times.load_best_at_end = true;
    options.best = Some(Criterion::new("f1", None));
    let mut last = learner(3, 0.0);
    let (outcome, heard) = run(&mut last, &options, &examples(), &[], None);
    assert_eq!(outcome.unwrap().state.global_step, 9);
    said(&heard, "no best model is loaded: no evaluation has a `eval_f1` that makes a model the best");
    options.times.load_best_at_end = false;
    let mut plain = learner(3, 0.0);
    run(&mut plain, &options, &examples(), &[], None).0.unwrap();
    assert!(bits(&mut last) == bits(&mut plain), "the weights are the last ones");
}

/// Early stopping, parts of the run as steps, and a run that goes on elsewhere, where its best checkpoint is not.
#[test]
fn the_best_model_is_the_best_one_there_whatever_else_is_asked_for() {
    let output = tempfile::tempdir().unwrap();
    let mut options = sparse_saves(&output.path().join("first"));
    options.times.save_best_between = true;
    options.times.evaluation = Every::Steps(Amount::Ratio(0.2));
    options.times.saving = Saving::Every(Every::Steps(Amount::Ratio(0.6)));
    options.early_stopping = Some(EarlyStopping { patience: 2, threshold: 0.0 });
    // Evaluations at 2, 4, 6, 8 and 9; a checkpoint is due at 6. The run stops at 8.
    let (outcome, heard) = run(&mut learner(3, 0.1), &options, &examples(), &[0.3, 0.7, 0.5, 0.6, 0.9], None);
    assert_eq!(outcome.unwrap().state.global_step, 8);
    said(&heard, "checkpoint-4`: `eval_f1` is 0.7");
    assert_eq!(checkpoint::steps(&options.output), [4, 6]);
    // From its checkpoint at 6, in a folder of its own: nothing is better than 0.7, which is not there.
    let from = checkpoint::folder(&options.output, 6);
    options.output = output.path().join("second");
    let (outcome, heard) = run(&mut learner(3, 0.1), &options, &examples(), &[0.6, 0.65], Some(&from));
    outcome.unwrap();
    said(&heard, "is not there any more");
    said(&heard, "no best model is loaded: `eval_f1` was best at step 4 (0.7), which has no checkpoint");
}

#[test]
fn a_loss_that_is_no_number_stops_the_run() {
    let output = tempfile::tempdir().unwrap();
    let mut options = options(output.path());
    options.schedule = "constant".to_owned();
    options.max_steps = Some(3);
    options.times.saving = Saving::Every(Every::Never);
    let mut broken = learner(3, 0.0);
    let mut task = broken.into_model();
    task.model.params.get_mut(tagsmith_kernel::params::SlotId(1)).fill(f32::NAN);
    broken = tagsmith_train::learner::Learner::new(task, Default::default(), &[]).unwrap().0;
    let error = run(&mut broken, &options, &examples(), &[], None).0.unwrap_err();
    assert!(error.starts_with("step 1: the loss is NaN and the gradient's norm NaN at learning rate 1e-3"), "{error}");
    assert!(error.ends_with("the weights are lost; there is no checkpoint yet"), "{error}");
}

/// The cases of the report: rates that make the weights infinite, or finite and useless, after a good checkpoint.
#[test]
fn weights_of_no_use_replace_no_good_checkpoint() {
    for (rate, evaluates, problem) in [
        (1e39, false, "is not finite after the update"),
        (1e39, true, "is not finite after the update"),
        (1e20, false, "the loss of the last batch is NaN after the update"),
    ] {
        let output = tempfile::tempdir().unwrap();
        let mut options = options(output.path());
        options.schedule = "constant".to_owned();
        options.times.saving = Saving::Every(Every::Steps(Amount::Steps(1)));
        options.keep = Keep::Newest(1);
        options.max_steps = Some(2);
        run(&mut learner(3, 0.0), &options, &examples(), &[], None).0.unwrap();
        let good = checkpoint::folder(output.path(), 2);
        checkpoint::verify(&good).unwrap();

        (options.learning_rate, options.max_steps) = (rate, Some(9));
        if evaluates {
            options.times.evaluation = Every::Steps(Amount::Steps(1));
        }
        let (outcome, heard) = run(&mut learner(3, 0.0), &options, &examples(), &[0.5; 9], Some(&good));
        let error = outcome.unwrap_err();
        assert!(error.starts_with("step 3: ") && error.contains(problem), "{rate:e}: {error}");
        let last = format!("the last checkpoint is `{}`", good.display());
        assert!(error.ends_with(&last), "{error}");
        assert!(heard.saved.is_empty(), "{:?}", heard.saved);
        assert_eq!(checkpoint::steps(output.path()), [2], "the good one is there");
        checkpoint::verify(&good).unwrap();
    }
}

#[test]
fn an_evaluation_that_is_no_number_saves_nothing() {
    let output = tempfile::tempdir().unwrap();
    let mut options = options(output.path());
    options.times.saving = Saving::Every(Every::Steps(Amount::Steps(3)));
    options.times.evaluation = Every::Steps(Amount::Steps(3));
    let mut evaluate = |_: &tagsmith_tokens::model::Model| {
        [("eval_loss".to_owned(), json!(f64::NAN)), ("eval_f1".to_owned(), json!(0.0))].into_iter().collect()
    };
    let error = run_with(&mut learner(3, 0.0), &options, &examples(), &mut evaluate, None).0.unwrap_err();
    assert!(error.starts_with("step 3: the evaluation's `eval_loss` is not a number at learning rate"), "{error}");
    assert!(checkpoint::steps(output.path()).is_empty());
}

/// The last step is the one whose loss nobody computes.
#[test]
fn a_last_step_that_spoils_the_weights_is_said() {
    let output = tempfile::tempdir().unwrap();
    let mut options = options(output.path());
    options.schedule = "constant".to_owned();
    options.times.saving = Saving::Every(Every::Never);
    options.max_steps = Some(1);
    for (rate, problem) in [(1e39, "is not finite after the update"), (1e20, "the loss of the last batch is NaN")] {
        options.learning_rate = rate;
        let error = run(&mut learner(3, 0.0), &options, &examples(), &[], None).0.unwrap_err();
        assert!(error.starts_with("step 1: ") && error.contains(problem), "{rate:e}: {error}");
    }
}

#[test]
fn a_step_without_a_label_is_said_and_left_out() {
    let output = tempfile::tempdir().unwrap();
    let mut options = options(output.path());
    (options.batch_size, options.accumulation, options.epochs) = (1, 1, 1.0);
    options.times.logging = Every::Epoch;
    let mut sentences = examples()[..3].to_vec();
    sentences[1].labels.fill(-100);
    let (outcome, heard) = run(&mut learner(3, 0.0), &options, &sentences, &[], None);
    let counted: Vec<f64> = heard.losses.iter().copied().filter(|loss| loss.is_finite()).collect();
    assert_eq!(counted.len(), 2);
    assert_eq!(heard.notes.iter().filter(|note| note.contains("counts no label")).count(), 1);
    let loss = outcome.unwrap().state.log_history[0]["loss"].as_f64().unwrap();
    assert!((loss - (counted[0] + counted[1]) / 2.0).abs() <= 1e-12);
}

#[test]
fn what_may_surprise_is_said_before_the_run() {
    let output = tempfile::tempdir().unwrap();
    let mut options = options(output.path());
    options.warmup = Amount::Steps(9);
    let notes = run(&mut learner(3, 0.0), &options, &examples(), &[], None).1.notes;
    assert!(notes.iter().any(|note| note.starts_with("the warm-up of 9 steps fills the run of 9")), "{notes:?}");

    options.schedule = "reduce_lr_on_plateau".to_owned();
    options.times.evaluation = Every::Epoch;
    let error = run(&mut learner(3, 0.0), &options, &examples(), &[], None).0.unwrap_err();
    assert_eq!(error, "the schedule `reduce_lr_on_plateau` follows a metric, and none is named");
    options.best = Some(Criterion::new("f1", None));
    let notes = run(&mut learner(3, 0.0), &options, &examples(), &[0.1, 0.2, 0.3], None).1.notes;
    assert!(notes.iter().any(|note| note.contains(r#"{"mode": "max"}"#)), "{notes:?}");
}
