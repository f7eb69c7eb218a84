//! Texts, configurations and runs for these tests.

use std::path::{Path, PathBuf};
use tagsmith_hub::{Hub, Settings};
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
use tagsmith_testkit::golden;
use tagsmith_text::example::{Entity, Example};
use tagsmith_text::tagged::{Content, UNWATCHED};
use tagsmith_text::tokenizer::Tokenizer;
use tagsmith_train::checkpoint;
use tagsmith_train::learner::Learner;
use tagsmith_train::trainer::{Event, Job, train};

pub const NAMES: [&str; 4] = ["bi_encoder", "contrastive_bi_encoder", "cross_encoder", "contrastive_cross_encoder"];

pub fn golden(name: &str) -> PathBuf {
    golden::path("spans").join(name)
}

/// No hub to ask: all names are folders.
pub fn hub() -> Hub {
    Hub::new(Settings::offline("no-cache", "this is a test"), |_| {})
}

pub fn tokenizer() -> Tokenizer {
    Tokenizer::from_folder(&golden("")).expect("the golden tokenizer reads")
}

pub fn examples() -> Vec<Example> {
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

pub fn config(name: &str, output: &Path, changes: &str) -> RunConfig {
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

pub fn run(name: &str, config: &RunConfig, resume: Option<&Path>) -> (Outcome, Vec<f32>, Vec<String>) {
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
pub struct Outcome {
    pub steps: u64,
    pub best: Option<PathBuf>,
    pub best_f1: f64,
}

pub fn run_model(
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
    let evaluate = |task: &SpanTask| {
        assess((&task.model, tokenizers), config.encoding, &data, Mode::Flat, &World::alone(), UNWATCHED)
    };
    let job = Job {
        options: &config.run,
        feed: &feed,
        world: &world,
        arguments: &serde_json::Value::Object(config.json.clone()),
        save: &|task: &SpanTask, place| folder::save(place, &task.model, tokenizers),
        evaluate: &mut |task: &SpanTask| Ok(evaluate(task)?.record("eval")),
        notify: &mut notify,
    };
    let state = train(&mut learner, job, resume)?.state;
    assert_eq!(evaluate(learner.model()).expect("it evaluates").lost, 0);
    let best = state.best_model_checkpoint.map(PathBuf::from).or(checkpoint::newest(&config.run.output));
    let outcome = Outcome { steps: state.global_step, best, best_f1: state.best_metric.unwrap_or(0.0) };
    Ok((outcome, learner.into_model().model, events))
}

/// A small encoder of a family, with random weights and the golden tokenizer.
pub fn encoder(family: &str, folder: &Path) {
    std::fs::create_dir_all(folder).expect("a scratch folder");
    let file = golden("../models").join(family).join("config.json");
    let mut json: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(&std::fs::read(file).expect("it is in the repository")).expect("it is JSON");
    json.extend([("vocab_size".into(), 100.into()), ("max_position_embeddings".into(), 64.into())]);
    let config = tagsmith_encoder::config::Config::from_json("config.json".into(), json).expect("it reads").0;
    tagsmith_tokens::model::Model::new(config, 3).save(folder).expect("it is written");
    std::fs::copy(golden("tokenizer.json"), folder.join("tokenizer.json")).expect("it is copied");
}

pub fn copy(from: &Path, to: &Path) {
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
