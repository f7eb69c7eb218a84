//! The loop against runs of the real Trainer (golden/trainer/runs.jsonl, written by oracle/trainer.py).

use crate::harness::{Heard, bits, examples, learner, options, run};
use serde_json::{Value, json};
use std::path::Path;
use tagsmith_train::checkpoint;
use tagsmith_train::trainer::agenda::{Every, Saving};
use tagsmith_train::trainer::best::Criterion;
use tagsmith_train::trainer::options::{EarlyStopping, Keep, Options};
use tagsmith_train::trainer::plan::Amount;

fn golden() -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/trainer/runs.jsonl");
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

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
    for (number, row) in golden().iter().enumerate() {
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

#[test]
fn a_run_without_a_best_model_says_so() {
    let output = tempfile::tempdir().unwrap();
    let mut options = options(output.path());
    options.times.evaluation = Every::Epoch;
    options.times.eval_delay = 50.0;
    options.times.saving = Saving::Every(Every::Epoch);
    options.times.load_best_at_end = true;
    options.best = Some(Criterion::new("f1", None));
    let error = run(&mut learner(3, 0.0), &options, &examples(), &[], None).0.unwrap_err();
    assert!(error.starts_with("there is no best model to load") && error.contains("checkpoint-9"), "{error}");
}

#[test]
fn a_loss_that_is_no_number_stops_the_run() {
    let output = tempfile::tempdir().unwrap();
    let mut options = options(output.path());
    options.times.saving = Saving::Every(Every::Steps(Amount::Steps(1)));
    options.learning_rate = f64::INFINITY;
    options.schedule = "constant".to_owned();
    let error = run(&mut learner(3, 0.0), &options, &examples(), &[], None).0.unwrap_err();
    assert!(error.starts_with("step 2: the loss is NaN"), "{error}");
    assert!(error.contains("the last checkpoint is"), "{error}");
    assert!(!error.contains('\n'));
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
    std::fs::create_dir(output.path().join(".checkpoint-4.partial")).unwrap();
    let notes = run(&mut learner(3, 0.0), &options, &examples(), &[], None).1.notes;
    assert!(notes.iter().any(|note| note.starts_with("the warm-up of 9 steps fills the run of 9")), "{notes:?}");
    assert!(notes.iter().any(|note| note.contains("`.checkpoint-4.partial`")), "{notes:?}");

    options.schedule = "reduce_lr_on_plateau".to_owned();
    options.times.evaluation = Every::Epoch;
    let error = run(&mut learner(3, 0.0), &options, &examples(), &[], None).0.unwrap_err();
    assert_eq!(error, "the schedule `reduce_lr_on_plateau` follows a metric, and none is named");
    options.best = Some(Criterion::new("f1", None));
    let notes = run(&mut learner(3, 0.0), &options, &examples(), &[0.1, 0.2, 0.3], None).1.notes;
    assert!(notes.iter().any(|note| note.contains(r#"{"mode": "max"}"#)), "{notes:?}");
}
