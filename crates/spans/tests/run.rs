//! Whole runs of the trainer on a few texts.

use std::path::{Path, PathBuf};
use tagsmith_hub::{Hub, Settings};
use tagsmith_kernel::check::{assert_close, assert_far};
use tagsmith_kernel::params::SlotId;
use tagsmith_ranks::World;
use tagsmith_spans::batch::encode::added_tokens;
use tagsmith_spans::config::run::RunConfig;
use tagsmith_spans::error::Error;
use tagsmith_spans::evaluate::assess;
use tagsmith_spans::feed::{Data, SpanFeed};
use tagsmith_spans::find::decode::Mode;
use tagsmith_spans::folder::{self, Tokenizers};
use tagsmith_spans::learn::SpanTask;
use tagsmith_spans::model::Model;
use tagsmith_spans::model::loss::Normalization;
use tagsmith_spans::tag::{Label, Request, Tagger};
use tagsmith_text::example::{Entity, Example};
use tagsmith_text::tagged::{Content, Input, Tally};
use tagsmith_text::tokenizer::Tokenizer;
use tagsmith_train::checkpoint;
use tagsmith_train::learner::Learner;
use tagsmith_train::trainer::options::Keep;
use tagsmith_train::trainer::{Event, Job, train};

const NAMES: [&str; 4] = ["bi_encoder", "contrastive_bi_encoder", "cross_encoder", "contrastive_cross_encoder"];

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../golden/spans").join(name)
}

/// No hub to ask: all names are folders.
fn hub() -> Hub {
    Hub::new(Settings::offline("no-cache", "this is a test"), |_| {})
}

fn tokenizer() -> Tokenizer {
    Tokenizer::from_folder(&golden("")).expect("the golden tokenizer reads")
}

fn examples() -> Vec<Example> {
    let example = |text: &str, entities: &[(usize, usize, &str)]| Example {
        id: Some("eng_1".into()),
        content: Content::Words(text.split(' ').map(str::to_owned).collect()),
        entities: entities.iter().map(|&(start, end, label)| Entity { start, end, label: label.into() }).collect(),
    };
    vec![
        example("jo lives in new york", &[(0, 1, "person"), (3, 5, "place")]),
        example("anna works at the mill", &[(0, 1, "person"), (3, 5, "org")]),
        example("the city", &[]),
        example("rotterdam or hamburg", &[(0, 1, "place"), (2, 3, "place")]),
        example("anna lives in hamburg city", &[(0, 1, "person"), (3, 4, "place")]),
    ]
}

fn config(name: &str, output: &Path, changes: &str) -> RunConfig {
    let loss = if name.starts_with("contrastive") { "contrastive" } else { "bce" };
    let threshold = if name.starts_with("contrastive") { "\"label_token\"" } else { "0.5" };
    let text = format!(
        r#"{{"architecture": "{name}", "loss_fn": "{loss}", "prediction_threshold": {threshold}, "dropout": 0.1,
        "token_encoder": "x", "type_encoder": "x", "linear_hidden_size": 12, "span_width_embedding_size": 6,
        "max_span_length": 4, "start_loss_weight": 0, "end_loss_weight": 0, "span_loss_weight": 1,
        "dataset_name": "few", "train_file": "t", "validation_file": "v", "annotation_format": "tokens",
        "loss_masking": "subwords", "max_seq_length": 64, "output_dir": {output:?}, "per_device_train_batch_size": 2,
        "learning_rate": 0.003, "eval_steps": 4, "logging_steps": 2, "save_total_limit": 2, "do_train": true,
        "early_stopping_patience": 100, "do_eval": true}}"#
    );
    let object = |text: &str| -> serde_json::Map<_, _> { serde_json::from_str(text).expect("it is JSON") };
    let mut json = object(&text);
    json.extend(object(&format!("{{{changes}}}")));
    let file = output.join("config.json");
    std::fs::create_dir_all(output).expect("a scratch folder");
    std::fs::write(&file, serde_json::Value::Object(json).to_string()).expect("it is written");
    RunConfig::read(&file, None).expect("the configuration is whole")
}

fn run(name: &str, config: &RunConfig, resume: Option<&Path>) -> (Outcome, Vec<f32>, Vec<String>) {
    let mut text = tokenizer();
    text.add_special(added_tokens(&config.model)).expect("it takes tokens");
    let labels = added_tokens(&config.model).is_empty().then(tokenizer);
    let tokenizers = Tokenizers { text, labels };
    let from = resume.map_or_else(|| golden(name), Path::to_owned);
    let model = folder::load_as(&from, config.model.clone()).expect("the model reads").0;
    let (outcome, model, events) = run_model(model, &tokenizers, config, resume).expect("it trains");
    (outcome, model.params.to_vec().expect("its rows can be read"), events)
}

/// What a run left behind.
#[derive(Debug)]
struct Outcome {
    steps: u64,
    best: Option<PathBuf>,
    best_f1: f64,
}

fn run_model(
    model: Model,
    tokenizers: &Tokenizers,
    config: &RunConfig,
    resume: Option<&Path>,
) -> Result<(Outcome, Model, Vec<String>), Error> {
    let (data, world) = (examples(), World::alone());
    let mut events = Vec::new();
    let mut notify = |event: Event<'_>| match event {
        // The summary has the clock's share in it.
        Event::Logged(record) if !record.contains_key("train_runtime") => events.push(format!("{record:?}")),
        _ => {}
    };
    let of_model = model.config.clone();
    let of_feed = Data {
        config: &of_model,
        tokenizers,
        encoding: config.encoding,
        examples: &data,
        language_weights: &config.language_weights,
        source: "few",
    };
    let feed = SpanFeed::new(of_feed, &config.run, &world).expect("the texts are read");
    let task = SpanTask { model, normalization: Normalization::Padded, rates: config.rates };
    let mut learner = Learner::new(task, config.step.clone(), &[]).expect("nothing is frozen").0;
    let evaluate =
        |task: &SpanTask| assess((&task.model, tokenizers), config.encoding, &data, Mode::Flat, &World::alone());
    let job = Job {
        options: &config.run,
        feed: &feed,
        world: &world,
        arguments: &serde_json::Value::Object(config.json.clone()),
        save: &|task: &SpanTask, place| folder::save(place, &task.model, tokenizers),
        evaluate: &mut |task: &SpanTask| Ok(evaluate(task)?.record()),
        notify: &mut notify,
    };
    let state = train(&mut learner, job, resume)?.state;
    assert_eq!(evaluate(learner.model()).expect("it evaluates").lost, 0);
    let best = state.best_model_checkpoint.map(PathBuf::from).or(checkpoint::newest(&config.run.output));
    let outcome = Outcome { steps: state.global_step, best, best_f1: state.best_metric.unwrap_or(0.0) };
    Ok((outcome, learner.into_model().model, events))
}

/// A small encoder of a family, with random weights and the golden tokenizer.
fn encoder(family: &str, folder: &Path) {
    std::fs::create_dir_all(folder).expect("a scratch folder");
    let file = golden("../models").join(family).join("config.json");
    let mut json: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(&std::fs::read(file).expect("it is in the repository")).expect("it is JSON");
    json.extend([("vocab_size".into(), 100.into()), ("max_position_embeddings".into(), 64.into())]);
    let config = tagsmith_encoder::config::Config::from_json("config.json".into(), json).expect("it reads").0;
    tagsmith_tokens::model::Model::new(config, 3).save(folder).expect("it is written");
    std::fs::copy(golden("tokenizer.json"), folder.join("tokenizer.json")).expect("it is copied");
}

/// golden/heads/draws.json, which oracle/heads.py writes.
#[test]
fn a_new_head_is_the_one_that_pytorch_draws() {
    let file = std::fs::read(golden("../heads/draws.json")).expect("it is in the repository");
    let document: serde_json::Value = serde_json::from_slice(&file).expect("it is JSON");
    let rows = document["spans"].as_array().expect("it has spans");
    assert_eq!(rows.len(), 8);
    for row in rows {
        let (name, seed) = (row["architecture"].as_str().expect("a name"), row["seed"].as_u64().expect("a seed"));
        let scratch = tempfile::tempdir().expect("a scratch folder");
        let mut config = config(name, &scratch.path().join("out"), r#""max_steps": 1"#);
        let folder = scratch.path().join("encoder");
        encoder("bert", &folder);
        let folder = folder.to_str().expect("a plain name").to_owned();
        (config.model.token_encoder, config.model.type_encoder) = (folder.clone(), folder);
        let head = |seed| {
            let model = folder::assemble(config.model.clone(), seed, &hub()).expect("it is put together").0;
            let bias = SlotId(model.layout.ends.second.0 + 1);
            assert!(model.params.get(bias).iter().all(|&x| x == 0.0), "{name}: a bias");
            let middle = model.params.get(model.layout.ends.second)[..16].to_vec();
            (model.params.get(model.layout.widths).to_vec(), middle)
        };
        for (key, part) in [("width_embedding", 0), ("token_end_linear.3", 1)] {
            let want: Vec<f64> = row[key].as_array().expect("numbers").iter().filter_map(|x| x.as_f64()).collect();
            let of = |seed| if part == 0 { head(seed).0 } else { head(seed).1 };
            let what = format!("{name}, seed {seed}: {key}");
            // PyTorch computes logarithm and cosine in f32.
            assert_close(&what, &of(seed), &want, 4.0, 1);
            assert_far(&what, &of(seed + 1), &want, 4.0, 1);
        }
    }
}

#[test]
fn other_encoders_learn_the_same_texts() {
    for (family, name) in [("modernbert", "bi_encoder"), ("deberta-v2", "cross_encoder")] {
        let scratch = tempfile::tempdir().expect("a scratch folder");
        let changes = r#""dropout": 0, "per_device_train_batch_size": 5, "max_steps": 800, "warmup_steps": 20, "eval_steps": 100, "learning_rate": 0.002"#;
        let mut config = config(name, &scratch.path().join("out"), changes);
        let folder = scratch.path().join("encoder");
        encoder(family, &folder);
        let folder = folder.to_str().expect("a plain name").to_owned();
        (config.model.token_encoder, config.model.type_encoder) = (folder.clone(), folder);
        let (model, tokenizers, notes) = folder::assemble(config.model.clone(), 1, &hub()).expect("it is put together");
        assert!(notes.is_empty(), "{notes:?}");
        let outcome = run_model(model, &tokenizers, &config, None).expect("it trains").0;
        assert!(outcome.best_f1 > 0.8, "{family}: {outcome:?}");
        let best = outcome.best.expect("something was saved");
        let model = folder::load(&best).expect("our own checkpoint reads").0;
        let tokenizers = folder::tokenizers(&best, &model.config, &hub()).expect("tokenizers are there");
        let evaluation = assess((&model, &tokenizers), config.encoding, &examples(), Mode::Flat, &World::alone())
            .expect("it evaluates");
        assert_eq!(evaluation.f1(), outcome.best_f1, "{family}");
    }
}

#[test]
fn all_four_learn_a_few_texts() {
    for name in NAMES {
        let scratch = tempfile::tempdir().expect("a scratch folder");
        let changes = r#""dropout": 0, "per_device_train_batch_size": 5, "max_steps": 800, "warmup_steps": 20, "eval_steps": 100, "learning_rate": 0.002"#;
        let config = config(name, scratch.path(), changes);
        let (outcome, ..) = run(name, &config, None);
        assert!(outcome.best_f1 > 0.8, "{name}: {outcome:?}");
        // What was saved is read back, and is the best.
        let best = outcome.best.expect("something was saved");
        let (model, notes) = folder::load(&best).expect("our own checkpoint reads");
        assert!(notes.is_empty(), "{notes:?}");
        let tokenizers = folder::tokenizers(&best, &model.config, &hub()).expect("tokenizers are there");
        let evaluation = assess((&model, &tokenizers), config.encoding, &examples(), Mode::Flat, &World::alone())
            .expect("it evaluates");
        assert_eq!(evaluation.f1(), outcome.best_f1, "{name}");
        assert_eq!(evaluation.strict.total(), evaluation.score.total(), "{name}: words and spans are one here");
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a scratch folder");
    for entry in std::fs::read_dir(from).expect("it is there") {
        let from = entry.expect("it reads").path();
        let to = to.join(from.file_name().expect("it has a name"));
        match from.is_dir() {
            true => copy(&from, &to),
            false => _ = std::fs::copy(from, to).expect("it is copied"),
        }
    }
}

/// The checkpoint is as it was before the engine was shared: `loop_state.json` alone says where the run is.
#[test]
fn a_checkpoint_of_the_former_trainer_is_refused_in_one_line() {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let config = config("bi_encoder", scratch.path(), r#""max_steps": 4"#);
    run("bi_encoder", &config, None);
    let from = checkpoint::save::<tagsmith_spans::Error>(scratch.path(), 5, |place| {
        copy(&checkpoint::folder(scratch.path(), 4), place);
        for gone in ["trainer_state.json", "training_args.json", "manifest.json"] {
            std::fs::remove_file(place.join(gone)).expect("it was there");
        }
        let former = r#"{"step": 4, "epoch": 1, "batch": 0, "loss": 0.0, "losses": 0, "best_f1": 0.5, "best_step": 4,
            "without_improvement": 0, "scores": [[4, 0.5]], "stopping": false, "ranks": 1}"#;
        std::fs::write(place.join("loop_state.json"), former).expect("it is written");
        Ok(())
    });
    let from = from.expect("it is saved");
    let outcome = std::panic::catch_unwind(|| run("bi_encoder", &config, Some(&from)));
    let panic = outcome.expect_err("it is refused");
    let said = panic.downcast_ref::<String>().expect("a message");
    assert!(said.contains("it has no `trainer_state.json`"), "{said}");
}

#[test]
fn a_resumed_run_is_the_uninterrupted_one_bit_for_bit() {
    for name in NAMES {
        let [whole, parts] = [(), ()].map(|()| tempfile::tempdir().expect("a scratch folder"));
        let steps = r#""max_steps": 12, "gradient_accumulation_steps": 2"#;
        let mut uninterrupted = config(name, whole.path(), steps);
        uninterrupted.run.keep = Keep::All;
        let (want, weights, events) = run(name, &uninterrupted, None);
        // The run after eight of its twelve steps, as if it had been interrupted there.
        let interrupted = config(name, parts.path(), steps);
        for step in [4, 8] {
            copy(&checkpoint::folder(whole.path(), step), &checkpoint::folder(parts.path(), step));
        }
        let from = parts.path().join("checkpoint-8");
        let (got, resumed, later) = run(name, &interrupted, Some(&from));
        assert_eq!(resumed, weights, "{name}: weights differ");
        assert_eq!((got.steps, got.best_f1), (want.steps, want.best_f1), "{name}");
        assert_eq!(later, events[events.len() - later.len()..], "{name}: records differ");
        assert!(!later.is_empty());
        // Another seed is another run.
        let other = tempfile::tempdir().expect("a scratch folder");
        let seeded = config(name, other.path(), &format!(r#"{steps}, "seed": 7"#));
        assert_ne!(run(name, &seeded, None).1, weights, "{name}: the seed does nothing");
    }
}

#[test]
fn configurations_are_read_strictly() {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let refused = |name: &str, changes: &str| {
        let at = scratch.path().join("config.json");
        let base = config("bi_encoder", scratch.path(), r#""max_steps": 4"#).json;
        let mut json = serde_json::Value::Object(base);
        for (key, value) in serde_json::from_str::<serde_json::Map<_, _>>(changes).expect("the test's own JSON") {
            json[key] = value;
        }
        std::fs::write(&at, json.to_string()).expect("it is written");
        let program = (!name.is_empty()).then_some(tagsmith_spans::config::run::Program {
            architecture: tagsmith_spans::config::Architecture::CrossEncoder,
            contrastive: name == "contrastive",
        });
        let error = RunConfig::read(&at, program).expect_err(changes).to_string();
        error.replace(&at.display().to_string(), "F")
    };
    let check = |changes: &str, want: &str| assert_eq!(refused("", changes), want);
    check(r#"{"max_step": 4}"#, "F: `max_step` is not a key that is known here: did you mean `max_steps`?");
    check(r#"{"max_steps": null}"#, "F: `max_steps` is missing: it has no default");
    check(r#"{"eval_steps": null}"#, "F: `eval_steps` is missing: it has no default");
    check(r#"{"save_total_limit": null}"#, "F: `save_total_limit` is missing: it has no default");
    check(r#"{"dataset_name": null}"#, "F: `dataset_name` is missing: it has no default");
    check(r#"{"token_encoder": null}"#, "F: `token_encoder` is missing: it names the text encoder's folder");
    check(r#"{"loss_masking": "all_spans"}"#, "F: `loss_masking` is `all_spans`; there are none and subwords");
    check(r#"{"loss_fn": "contrastive"}"#, "F: `loss_fn` must be bce, focal, dice or dice_focal for this architecture");
    check(
        r#"{"prediction_threshold": "label"}"#,
        "F: `prediction_threshold` is `label`, neither a number from 0 to 1 nor `cls` nor `label_token`",
    );
    check(
        r#"{"prediction_threshold": "cls"}"#,
        "F: `prediction_threshold` is `cls`, which only contrastive models learn",
    );
    check(r#"{"train_file": null}"#, "F: `train_file` is missing, and `do_train` is true");
    check(r#"{"language_weights": {"deu": -1}}"#, "F: `language_weights` gives `deu` -1, not a number above 0");
    check(r#"{"focal_alpha": -0.5}"#, "F: `focal_alpha` is -0.5, neither from 0 to 1 nor -1 (off)");
    assert_eq!(refused("bce", "{}"), "F: `architecture` is `bi_encoder`, another than this command trains");
}

/// What a tagger and a run say after another program has cut off the file that holds the weights.
#[test]
fn training_evaluation_and_tagging_say_that_rows_are_lost() {
    for name in ["bi_encoder", "cross_encoder"] {
        let scratch = tempfile::tempdir().expect("a scratch folder");
        let config = config(name, &scratch.path().join("out"), r#""max_steps": 4"#);
        let open = || {
            for file in std::fs::read_dir(golden(name)).expect("it is in the repository") {
                let file = file.expect("it is there").path();
                if file.is_file() {
                    std::fs::copy(&file, scratch.path().join(file.file_name().expect("a name")))
                        .expect("copying works");
                }
            }
            let mut text = tokenizer();
            text.add_special(added_tokens(&config.model)).expect("it takes tokens");
            let labels = added_tokens(&config.model).is_empty().then(tokenizer);
            let model = folder::load_as(scratch.path(), config.model.clone()).expect("the model reads").0;
            (model, Tokenizers { text, labels })
        };
        let file = scratch.path().join("model.safetensors");
        let cut = || std::fs::File::options().write(true).open(&file).and_then(|file| file.set_len(2000));
        let lost = format!("{}: was written to while its weights were in use: run again", file.display());

        let (model, tokenizers) = open();
        cut().expect("cutting works");
        let error = run_model(model, &tokenizers, &config, None).expect_err("training reads rows");
        assert_eq!(error.to_string(), lost, "{name}");

        let (model, tokenizers) = open();
        cut().expect("cutting works");
        let assessed = assess((&model, &tokenizers), config.encoding, &examples(), Mode::Flat, &World::alone());
        assert_eq!(assessed.expect_err("evaluation reads rows").to_string(), lost, "{name}");

        let (model, tokenizers) = open();
        let request = Request {
            labels: vec![Label::new("place", None)],
            threshold: None,
            decoding: Mode::Flat,
            max_seq_length: None,
            stride: None,
            batch_tokens: 100,
        };
        let (tagger, _) = Tagger::new(model, tokenizers, request).expect("it takes the label");
        cut().expect("cutting works");
        let content = Content::Words(vec!["rotterdam".into()]);
        let input = tagger.reader().encode(&Input { place: "test:1".into(), content }).expect("it has pieces");
        let tagged = tagger.tag(vec![input], &mut Tally::default());
        assert_eq!(tagged.expect_err("tagging reads rows").to_string(), lost, "{name}");
    }
}
