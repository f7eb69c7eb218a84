//! A run gives the same twice, and in two pieces, to the bit.

use crate::harness::{
    BiEncoder, Chained, CrossEncoder, Heard, Subject, Tokens, bits, example, examples, learner, learner_of, options,
    run, run_subject, spoiled_learner_of,
};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use tagsmith_train::checkpoint;
use tagsmith_train::checkpoint::state::Record;
use tagsmith_train::trainer::Outcome;
use tagsmith_train::trainer::agenda::{Every, Saving};
use tagsmith_train::trainer::best::Criterion;
use tagsmith_train::trainer::options::{EarlyStopping, Options};
use tagsmith_train::trainer::order::Sampling;
use tagsmith_train::trainer::plan::Amount;

const SCORES: [f64; 9] = [0.1, 0.4, 0.3, 0.5, 0.45, 0.6, 0.2, 0.65, 0.1];

/// Logs every 4 steps, evaluates and saves every step or epoch.
fn varied(output: &Path, every: Every) -> Options {
    let mut options = options(output);
    options.warmup = Amount::Steps(3);
    options.times.logging = Every::Steps(Amount::Steps(4));
    options.times.evaluation = every;
    options.times.saving = Saving::Every(every);
    options.best = Some(Criterion::new("f1", None));
    options
}

/// The log without the clock's share in it.
fn history(outcome: &Outcome) -> Vec<Record> {
    let timeless = |record: &Record| {
        let timed = |key: &str| key.ends_with("_runtime") || key.ends_with("_per_second");
        record.iter().filter(|(key, _)| !timed(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    outcome.state.log_history.iter().map(timeless).collect()
}

/// Runs whole, then again from each checkpoint of that run with what a new process would have; all must agree.
fn check_resumption_of<S: Subject>(make: impl Fn(&Path) -> Options) {
    let scratch = tempfile::tempdir().unwrap();
    let whole_options = make(&scratch.path().join("whole"));
    let mut whole = learner_of::<S>();
    let (outcome, heard) = run_subject::<S>(&mut whole, &whole_options, &SCORES, None);
    let outcome = outcome.unwrap();
    assert!(!heard.saved.is_empty());
    for from in &heard.saved {
        let step: u64 = from.to_str().unwrap().rsplit('-').next().unwrap().parse().unwrap();
        let options = make(&scratch.path().join(format!("from-{step}")));
        // The checkpoints up to there, as they were when the run stopped.
        let folder = carried_over(&whole_options.output, &options.output, step);
        let evaluated = evaluations(from);
        let mut resumed = spoiled_learner_of::<S>();
        let (again, _) = run_subject::<S>(&mut resumed, &options, &SCORES[evaluated..], Some(&folder));
        let again = again.unwrap();
        assert!(bits(&mut resumed) == bits(&mut whole), "the weights differ when resumed at step {step}");
        assert_eq!(history(&again), history(&outcome), "resumed at step {step}");
        assert_eq!(again.state.total_flos, outcome.state.total_flos);
        assert_eq!(again.state.best_metric, outcome.state.best_metric);
        assert_eq!(again.state.best_global_step, outcome.state.best_global_step);
        if again.state.global_step > step {
            let apart = samples_per_step(&again) / samples_per_step(&outcome) - 1.0;
            assert!(apart.abs() <= 0.02, "the throughput counts examples of the run before: {apart}");
        }
    }
}

/// Checks resumption for everything that can be trained.
fn check_resumption(make: impl Fn(&Path) -> Options) {
    check_resumption_of::<Tokens>(&make);
    check_resumption_of::<Chained>(&make);
    check_resumption_of::<BiEncoder>(&make);
    check_resumption_of::<CrossEncoder>(&make);
}

fn samples_per_step(outcome: &Outcome) -> f64 {
    let rate = |what: &str| outcome.metrics[&format!("train_{what}_per_second")].as_f64().unwrap();
    rate("samples") / rate("steps")
}

fn carried_over(from: &Path, to: &Path, until: u64) -> PathBuf {
    for step in checkpoint::steps(from).into_iter().filter(|&step| step <= until) {
        let (source, target) = (checkpoint::folder(from, step), checkpoint::folder(to, step));
        copy(&source, &target);
    }
    checkpoint::folder(to, until)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (from, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        match from.is_dir() {
            true => copy(&from, &to),
            false => _ = fs::copy(from, to).unwrap(),
        }
    }
}

/// How many evaluations a checkpoint has behind it.
fn evaluations(checkpoint: &Path) -> usize {
    let text = fs::read_to_string(checkpoint.join("trainer_state.json")).unwrap();
    text.matches("eval_loss").count()
}

fn twice<S: Subject>() {
    let scratch = tempfile::tempdir().unwrap();
    let once = |name: &str, seed: u64| {
        let mut options = varied(&scratch.path().join(name), Every::Epoch);
        options.data_seed = seed;
        let mut learner = learner_of::<S>();
        let (outcome, heard): (_, Heard) = run_subject::<S>(&mut learner, &options, &SCORES, None);
        (bits(&mut learner), history(&outcome.unwrap()), heard.losses)
    };
    let (first, second, other) = (once("a", 42), once("b", 42), once("c", 43));
    assert!(first == second);
    assert!(first.0 != other.0 && first.2 != other.2, "the order does not matter?");
}

#[test]
fn twice_is_bit_equal() {
    twice::<Tokens>();
    twice::<Chained>();
    twice::<BiEncoder>();
    twice::<CrossEncoder>();
}

/// A batch without room for a text is left out and said; the run is as long as planned all the same.
#[test]
fn what_a_feed_leaves_out_is_said_and_counted() {
    let scratch = tempfile::tempdir().unwrap();
    let options = varied(scratch.path(), Every::Epoch);
    let (outcome, heard) = run_subject::<CrossEncoder>(&mut learner_of::<CrossEncoder>(), &options, &SCORES, None);
    let said: Vec<&String> = heard.notes.iter().filter(|note| note.contains("leave no room for text")).collect();
    assert!(said.len() == 2 && said[0].contains("labels in the prompt leave no room"), "{:?}", heard.notes);
    assert!(said[1].ends_with(" from step 1 on"), "{said:?}");
    assert_eq!(outcome.unwrap().state.global_step, 9);
    // Without such a batch an epoch has three updates.
    let notes = run_subject::<BiEncoder>(&mut learner_of::<BiEncoder>(), &options, &SCORES, None).1.notes;
    assert!(!notes.iter().any(|note| note.contains("no room")), "{notes:?}");
}

/// A run whose place was forgotten goes on elsewhere: the test above would see it.
#[test]
fn a_run_that_goes_on_at_another_update_is_another() {
    let scratch = tempfile::tempdir().unwrap();
    let options = |name: &str| varied(&scratch.path().join(name), Every::Steps(Amount::Steps(1)));
    let mut whole = learner_of::<CrossEncoder>();
    run_subject::<CrossEncoder>(&mut whole, &options("whole"), &SCORES, None).0.unwrap();
    let resume = |forgets: bool| {
        let (from, to) = (options("whole").output, options(if forgets { "forgets" } else { "remembers" }));
        let folder = carried_over(&from, &to.output, 4);
        if forgets {
            let place = folder.join("loop_state.json");
            let text = fs::read_to_string(&place).unwrap();
            fs::write(&place, text.replace("\"updates\": 1", "\"updates\": 2")).unwrap();
            assert_ne!(fs::read_to_string(&place).unwrap(), text);
            fs::remove_file(folder.join("manifest.json")).unwrap();
            let sizes = json!({"files": []});
            fs::write(folder.join("manifest.json"), sizes.to_string()).unwrap();
        }
        let mut resumed = learner_of::<CrossEncoder>();
        run_subject::<CrossEncoder>(&mut resumed, &to, &SCORES[4..], Some(&folder)).0.unwrap();
        bits(&mut resumed)
    };
    assert!(resume(false) == bits(&mut whole));
    assert!(resume(true) != bits(&mut whole));
}

#[test]
fn resumed_anywhere_is_bit_equal() {
    check_resumption(|output| varied(output, Every::Steps(Amount::Steps(1))));
}

#[test]
fn resumed_between_an_epochs_last_step_and_its_end_is_bit_equal() {
    check_resumption(|output| {
        let mut options = varied(output, Every::Epoch);
        options.times.saving = Saving::Every(Every::Steps(Amount::Steps(1)));
        options.times.logging = Every::Epoch;
        options
    });
    check_resumption(|output| varied(output, Every::Epoch));
}

#[test]
fn resumed_when_the_end_lies_inside_an_epoch_is_bit_equal() {
    check_resumption(|output| Options { max_steps: Some(5), ..varied(output, Every::Epoch) });
    check_resumption(|output| Options { epochs: 1.5, ..varied(output, Every::Steps(Amount::Steps(2))) });
}

#[test]
fn resumed_with_a_following_rate_grouping_and_early_stopping_is_bit_equal() {
    check_resumption(|output| {
        let mut options = varied(output, Every::Steps(Amount::Steps(1)));
        options.schedule = "reduce_lr_on_plateau".to_owned();
        options.schedule_keywords.insert("patience".to_owned(), 1.into());
        options.schedule_keywords.insert("factor".to_owned(), 0.5.into());
        options.sampling = Sampling::GroupByLength;
        options.early_stopping = Some(EarlyStopping { patience: 2, threshold: 0.06 });
        options
    });
}

#[test]
fn a_resumption_that_differs_says_so() {
    let scratch = tempfile::tempdir().unwrap();
    let mut options = varied(scratch.path(), Every::Steps(Amount::Steps(3)));
    run(&mut learner(3, 0.0), &options, &examples(), &SCORES, None).0.unwrap();
    options.batch_size = 1;
    options.times.saving = Saving::Every(Every::Steps(Amount::Steps(5)));
    let from = checkpoint::folder(scratch.path(), 3);
    let notes = run(&mut learner(3, 0.0), &options, &examples(), &SCORES, Some(&from)).1.notes;
    let said = |what: &str| assert!(notes.iter().any(|note| note.contains(what)), "{what}: {notes:?}");
    said("is of a batch of 2 examples, this is a batch of 1 example");
    said("is of checkpoints every 3 steps, this is checkpoints every 5 steps");
    said("is of a run of 9 steps, this is a run of 18 steps");
}

#[test]
fn a_resumption_with_nothing_left_says_so() {
    let scratch = tempfile::tempdir().unwrap();
    let mut options = varied(scratch.path(), Every::Steps(Amount::Steps(3)));
    let whole = run(&mut learner(3, 0.0), &options, &examples(), &SCORES, None).0.unwrap();
    let resume = |options: &Options, step| {
        let from = checkpoint::folder(scratch.path(), step);
        let (outcome, heard) = run(&mut learner(3, 0.0), options, &examples(), &SCORES, Some(&from));
        (outcome.unwrap(), heard.notes)
    };
    let says = |notes: &[String], line: &str| assert!(notes.iter().any(|note| note == line), "{line}: {notes:?}");
    let (again, notes) = resume(&options, 9);
    says(&notes, "nothing is left to train: the checkpoint is of step 9, the last one; the results are written again");
    assert_eq!(again.metrics["train_loss"], whole.metrics["train_loss"]);
    assert!(!resume(&options, 6).1.iter().any(|note| note.starts_with("nothing is left")));
    options.max_steps = Some(5);
    says(
        &resume(&options, 6).1,
        "nothing is left to train: the checkpoint is of step 6, and the run has 5 steps; the results are written again",
    );
}

/// A checkpoint of an earlier version, which forgot the losses before it.
#[test]
fn losses_that_a_checkpoint_forgot_are_said() {
    let scratch = tempfile::tempdir().unwrap();
    let options = varied(scratch.path(), Every::Steps(Amount::Steps(3)));
    run(&mut learner(3, 0.0), &options, &examples(), &SCORES, None).0.unwrap();
    let from = checkpoint::folder(scratch.path(), 6);
    let text = fs::read_to_string(from.join("loop_state.json")).unwrap();
    let kept: Vec<&str> = text.lines().filter(|line| !line.contains("total_loss")).collect();
    assert_eq!(kept.len() + 2, text.lines().count());
    fs::write(from.join("loop_state.json"), kept.join("\n")).unwrap();
    fs::write(from.join("manifest.json"), json!({"files": []}).to_string()).unwrap();
    let notes = run(&mut learner(3, 0.0), &options, &examples(), &SCORES, Some(&from)).1.notes;
    assert!(notes.iter().any(|note| note.ends_with("`train_loss` is of the steps after 6")), "{notes:?}");
}

#[test]
fn what_cannot_be_resumed_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let mut options = varied(scratch.path(), Every::Steps(Amount::Steps(3)));
    run(&mut learner(3, 0.0), &options, &examples(), &SCORES, None).0.unwrap();
    let resume = |options: &Options, labels: usize, step: u64| {
        let from = checkpoint::folder(scratch.path(), step);
        let sentences = [example(&[1, 2, 3], &[0, 1, 1]), example(&[4, 5], &[0, 1])];
        run(&mut learner(labels, 0.0), options, &sentences, &SCORES, Some(&from)).0.unwrap_err()
    };
    let error = resume(&options, 2, 6);
    assert!(error.contains("its labels are L0 L1 L2, the data's are L0 L1"), "{error}");
    assert!(resume(&options, 3, 4).contains("there is no such folder; the newest whole checkpoint is"));

    options.schedule = "reduce_lr_on_plateau".to_owned();
    assert!(resume(&options, 3, 6).contains("did not follow a metric"));

    options.schedule = "linear".to_owned();
    fs::write(checkpoint::folder(scratch.path(), 9).join("optimizer.safetensors"), "half").unwrap();
    let error = resume(&options, 3, 9);
    assert!(error.contains("`optimizer.safetensors` has 4 bytes") && error.contains("checkpoint-6`"), "{error}");

    options.save_only_model = true;
    run(&mut learner(3, 0.0), &options, &examples(), &SCORES, None).0.unwrap();
    assert!(resume(&options, 3, 9).contains("save_only_model"));
}
