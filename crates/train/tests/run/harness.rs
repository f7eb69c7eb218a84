//! A tiny BERT, sentences for it, and a recorder of what a run does.

use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use tagsmith_encoder::batch::IGNORE;
use tagsmith_encoder::config::Config;
use tagsmith_ranks::World;
use tagsmith_text::align::Example;
use tagsmith_tokens::feed::TokenFeed;
use tagsmith_tokens::learn::{LossOptions, LossScaling, TokenTask};
use tagsmith_tokens::model::Model;
use tagsmith_train::checkpoint::state::Record;
use tagsmith_train::error::Error;
use tagsmith_train::learner::{Learner, StepOptions};
use tagsmith_train::trainer::agenda::{Every, Saving, Times};
use tagsmith_train::trainer::options::{Keep, Options};
use tagsmith_train::trainer::order::Sampling;
use tagsmith_train::trainer::plan::Amount;
use tagsmith_train::trainer::{Event, Job, Outcome, train};

/// The encoder of oracle/trainer.py: two layers of width 16.
pub fn model(labels: usize, dropout: f64) -> Model {
    let names: Map<String, Value> = (0..labels).map(|id| (id.to_string(), json!(format!("L{id}")))).collect();
    let ids: Map<String, Value> = (0..labels).map(|id| (format!("L{id}"), json!(id))).collect();
    let config = json!({
        "architectures": ["BertForTokenClassification"],
        "model_type": "bert",
        "vocab_size": 128,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 32,
        "type_vocab_size": 2,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-12,
        "initializer_range": 0.02,
        "hidden_dropout_prob": dropout,
        "attention_probs_dropout_prob": dropout,
        "pad_token_id": 0,
        "id2label": names,
        "label2id": ids,
    });
    let (config, _) = Config::from_json("config.json".into(), config.as_object().unwrap().clone()).unwrap();
    Model::new(config, 11)
}

pub fn learner(labels: usize, dropout: f64) -> Learner<TokenTask> {
    let options = StepOptions { weight_decay: 0.01, ..StepOptions::default() };
    let loss = LossOptions { label_smoothing: 0.0, scaling: LossScaling::Token };
    Learner::new(TokenTask { model: model(labels, dropout), loss }, options, &[]).unwrap().0
}

/// A sequence of pieces, all with labels but the first.
pub fn example(ids: &[u32], labels: &[i32]) -> Example {
    let labels = std::iter::once(IGNORE).chain(labels[1..].iter().copied()).collect();
    Example { ids: ids.to_vec(), types: vec![0; ids.len()], labels, words: vec![None; ids.len()], sentence: 0 }
}

/// Eleven sentences of the oracle's lengths; with batches of 2 and accumulation 2 an epoch is 3 updates.
pub fn examples() -> Vec<Example> {
    let lengths = [3, 7, 2, 9, 4, 4, 6, 3, 8, 5, 2];
    let sentence = |(number, &length): (usize, &usize)| {
        let ids: Vec<u32> = (0..length).map(|at| ((number * 7 + at * 3) % 100 + 1) as u32).collect();
        let labels: Vec<i32> = ids.iter().map(|id| (id % 3) as i32).collect();
        example(&ids, &labels)
    };
    lengths.iter().enumerate().map(sentence).collect()
}

pub fn options(output: &Path) -> Options {
    Options {
        output: output.to_owned(),
        batch_size: 2,
        accumulation: 2,
        batch_tokens: None,
        drop_last: false,
        sampling: Sampling::Random,
        data_seed: 42,
        epochs: 3.0,
        max_steps: None,
        learning_rate: 1e-3,
        schedule: "linear".to_owned(),
        schedule_keywords: Map::new(),
        warmup: Amount::Steps(0),
        times: Times {
            logging: Every::Steps(Amount::Steps(500)),
            logging_first_step: false,
            evaluation: Every::Never,
            eval_delay: 0.0,
            eval_on_start: false,
            saving: Saving::Every(Every::Steps(Amount::Steps(500))),
            load_best_at_end: false,
        },
        best: None,
        early_stopping: None,
        keep: Keep::All,
        save_only_model: false,
    }
}

/// What happened, in a few words each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heard {
    pub events: Vec<Value>,
    pub notes: Vec<String>,
    pub losses: Vec<f64>,
    pub saved: Vec<PathBuf>,
}

/// Trains; evaluations return the scores one after the other.
pub fn run(
    learner: &mut Learner<TokenTask>,
    options: &Options,
    examples: &[Example],
    scores: &[f64],
    resume: Option<&Path>,
) -> (Result<Outcome, Error>, Heard) {
    let mut scores = scores.iter();
    let mut evaluate = |_: &Model| {
        let mut record = Record::new();
        record.insert("eval_loss".to_owned(), json!(1.0));
        if let Some(&score) = scores.next() {
            record.insert("eval_f1".to_owned(), json!(score));
            record.insert("eval_badness_loss".to_owned(), json!(score));
        }
        record
    };
    run_with(learner, options, examples, &mut evaluate, resume)
}

/// Trains with any evaluation.
pub fn run_with(
    learner: &mut Learner<TokenTask>,
    options: &Options,
    examples: &[Example],
    evaluate: &mut dyn FnMut(&Model) -> Record,
    resume: Option<&Path>,
) -> (Result<Outcome, Error>, Heard) {
    let mut heard = Heard::default();
    let mut notify = |event: Event<'_>| match event {
        Event::Began { .. } | Event::Deleted(_) => {}
        Event::Stepped { report, .. } => heard.losses.push(report.loss),
        Event::Logged(record) => {
            let kind = if record.contains_key("loss") {
                "log"
            } else if record.contains_key("train_runtime") {
                "summary"
            } else {
                "metrics"
            };
            heard.events.push(json!([kind, record["step"]]));
        }
        Event::Saved(folder) => {
            let step: u64 = folder.to_str().unwrap().rsplit('-').next().unwrap().parse().unwrap();
            heard.events.push(json!(["save", step]));
            heard.saved.push(folder.to_owned());
        }
        Event::Note(note) => heard.notes.push(note.to_owned()),
    };
    let arguments = json!({"learning_rate": options.learning_rate});
    let world = World::alone();
    let job = Job {
        options,
        feed: &TokenFeed::new(examples, options, &world),
        world: &world,
        arguments: &arguments,
        save: &|task: &TokenTask, folder| task.save(folder, &[("tokenizer.json".to_owned(), b"{}".to_vec())]),
        evaluate: &mut |task: &TokenTask| Ok(evaluate(&task.model)),
        notify: &mut notify,
    };
    let outcome = train(learner, job, resume);
    (outcome, heard)
}

/// The parameters' bits.
pub fn bits(learner: &mut Learner<TokenTask>) -> Vec<u32> {
    learner.model().model.params.to_vec().iter().map(|value| value.to_bits()).collect()
}
