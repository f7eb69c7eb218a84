//! Two tasks of a few parameters, their data, and a recorder of what a run does.

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use tagsmith_encoder::config::Config;
use tagsmith_kernel::params::SlotId;
use tagsmith_ranks::World;
use tagsmith_spans::batch::encode::{Encoding, Masking, added_tokens};
use tagsmith_spans::feed::{Data, SpanFeed};
use tagsmith_spans::folder::{self, Tokenizers};
use tagsmith_spans::learn::{Rates, SpanTask};
use tagsmith_spans::model::loss::Normalization;
use tagsmith_testkit::golden;
use tagsmith_text::align::{Example, IGNORE};
use tagsmith_text::example::{Entity, Example as SpanExample};
use tagsmith_text::tagged::Content;
use tagsmith_text::tokenizer::Tokenizer;
use tagsmith_tokens::error::Error;
use tagsmith_tokens::examples::Examples;
use tagsmith_tokens::feed::TokenFeed;
use tagsmith_tokens::layout::HeadKind;
use tagsmith_tokens::learn::{LossOptions, TokenTask};
use tagsmith_tokens::model::Model;
use tagsmith_train::checkpoint::state::Record;
use tagsmith_train::learner::{Learner, StepOptions};
use tagsmith_train::trainable::{FeedOf, Trainable};
use tagsmith_train::trainer::agenda::{Every, Saving, Times};
use tagsmith_train::trainer::options::{Keep, Options};
use tagsmith_train::trainer::order::Sampling;
use tagsmith_train::trainer::plan::Amount;
use tagsmith_train::trainer::{Event, Job, Outcome, Save, train};

/// Something that can be trained here, with eleven examples: with batches of 2 and accumulation 2 an epoch is 3 updates.
pub trait Subject {
    /// The model and its loss.
    type Task: Trainable<Error: Display>;

    /// A new model, always the same.
    fn task() -> Self::Task;

    /// Runs `run` with the feed of the subject's data.
    fn with_feed<T>(options: &Options, run: impl FnOnce(&FeedOf<'_, Self::Task>) -> T) -> T;

    /// Writes a model.
    fn save(task: &Self::Task, folder: &Path) -> Result<(), <Self::Task as Trainable>::Error>;
}

/// A token classifier over two layers of BERT, with dropout.
pub struct Tokens;

impl Subject for Tokens {
    type Task = TokenTask;

    fn task() -> TokenTask {
        task(3, 0.1)
    }

    fn with_feed<T>(options: &Options, run: impl FnOnce(&FeedOf<'_, TokenTask>) -> T) -> T {
        run(&TokenFeed::new(&Examples::in_memory(&examples()), options, &[], &World::alone()))
    }

    fn save(task: &TokenTask, folder: &Path) -> Result<(), Error> {
        task.save(folder, &[("tokenizer.json".to_owned(), b"{}".to_vec())])
    }
}

/// A token classifier like [`Tokens`] with a chain of labels as its head.
pub struct Chained;

impl Subject for Chained {
    type Task = TokenTask;

    fn task() -> TokenTask {
        let config = HeadKind::Crf.in_config(task(3, 0.1).model.config);
        TokenTask { model: Model::new(config, 42), ..task(3, 0.1) }
    }

    fn with_feed<T>(options: &Options, run: impl FnOnce(&FeedOf<'_, TokenTask>) -> T) -> T {
        Tokens::with_feed(options, run)
    }

    fn save(task: &TokenTask, folder: &Path) -> Result<(), Error> {
        Tokens::save(task, folder)
    }
}

/// The bi-encoder of oracle/spans.py, with dropout and a rate for each part.
pub struct BiEncoder;

/// The cross-encoder of oracle/spans.py, with dropout. One of its batches has no room for a text.
pub struct CrossEncoder;

impl Subject for BiEncoder {
    type Task = SpanTask;

    fn task() -> SpanTask {
        span_task("bi_encoder", Rates { type_encoder: Some(2e-3), head: Some(5e-4) })
    }

    fn with_feed<T>(options: &Options, run: impl FnOnce(&FeedOf<'_, SpanTask>) -> T) -> T {
        with_span_feed(&BiEncoder::task(), 64, options, run)
    }

    fn save(task: &SpanTask, folder: &Path) -> Result<(), tagsmith_spans::Error> {
        folder::save(folder, &task.model, &tokenizers(task))
    }
}

impl Subject for CrossEncoder {
    type Task = SpanTask;

    fn task() -> SpanTask {
        span_task("cross_encoder", Rates::default())
    }

    fn with_feed<T>(options: &Options, run: impl FnOnce(&FeedOf<'_, SpanTask>) -> T) -> T {
        with_span_feed(&CrossEncoder::task(), 20, options, run)
    }

    fn save(task: &SpanTask, folder: &Path) -> Result<(), tagsmith_spans::Error> {
        folder::save(folder, &task.model, &tokenizers(task))
    }
}

fn span_task(name: &str, rates: Rates) -> SpanTask {
    let from = golden::path("spans").join(name);
    let mut model = folder::load(&from).expect("the golden model reads").0;
    model.config.dropout = 0.1;
    SpanTask { model, normalization: Normalization::Padded, rates }
}

fn tokenizers(task: &SpanTask) -> Tokenizers {
    let from = golden::path("spans");
    let read = || Tokenizer::from_folder(&from).expect("the golden tokenizer reads");
    let mut text = read();
    text.add_special(added_tokens(&task.model.config)).expect("it takes tokens");
    Tokenizers { text, labels: task.model.type_encoder.is_some().then(read) }
}

fn with_span_feed<T>(
    task: &SpanTask,
    max_length: usize,
    options: &Options,
    run: impl FnOnce(&FeedOf<'_, SpanTask>) -> T,
) -> T {
    let (tokenizers, examples, language_weights) = (tokenizers(task), span_examples(), BTreeMap::new());
    let data = Data {
        config: &task.model.config,
        tokenizers: &tokenizers,
        encoding: Encoding { max_length, masking: Masking::Subwords },
        examples: &examples,
        language_weights: &language_weights,
        source: "few",
    };
    run(&SpanFeed::new(data, options, &World::alone()).expect("the texts are read"))
}

/// First word, one past the last word, label.
type SpanOfWords = (usize, usize, &'static str);

/// Eleven texts. Four labels of one of them leave no room in a short sequence; one has no entity.
pub fn span_examples() -> Vec<SpanExample> {
    let entity = |&(start, end, label): &SpanOfWords| Entity { start, end, label: label.into() };
    let example = |(text, entities): &(&str, &[SpanOfWords])| SpanExample {
        id: None,
        content: Content::Words(text.split(' ').map(str::to_owned).collect()),
        entities: entities.iter().map(entity).collect(),
    };
    let texts: [(&str, &[SpanOfWords]); 11] = [
        ("jo lives in new york", &[(0, 1, "person"), (3, 5, "place")]),
        ("anna works at the mill", &[(0, 1, "person"), (3, 5, "org")]),
        ("the city", &[]),
        ("rotterdam or hamburg", &[(0, 1, "place"), (2, 3, "place")]),
        ("anna lives in hamburg city", &[(0, 1, "person"), (3, 4, "place")]),
        ("jo works", &[(0, 1, "person")]),
        ("new york or the mill", &[(0, 2, "place"), (3, 5, "org")]),
        ("anna in york", &[(0, 1, "human being who lives in a city"), (2, 3, "new city or old city in hamburg")]),
        ("hamburg", &[(0, 1, "place")]),
        ("jo lives at the mill", &[(0, 1, "person"), (3, 5, "place")]),
        ("the mill works", &[(0, 2, "org")]),
    ];
    texts.iter().map(example).collect()
}

/// A learner of a subject's model.
pub fn learner_of<S: Subject>() -> Learner<S::Task> {
    new_learner(S::task())
}

/// A learner whose weights are not the subject's: resuming has to restore them.
pub fn spoiled_learner_of<S: Subject>() -> Learner<S::Task> {
    let mut task = S::task();
    task.params_mut().get_mut(SlotId(1)).fill(9.0);
    new_learner(task)
}

fn new_learner<M: Trainable>(task: M) -> Learner<M> {
    let options = StepOptions { weight_decay: 0.01, ..StepOptions::default() };
    Learner::new(task, options, &[]).unwrap_or_else(|error| panic!("{error}")).0
}

/// Trains a subject; evaluations return the scores one after the other.
pub fn run_subject<S: Subject>(
    learner: &mut Learner<S::Task>,
    options: &Options,
    scores: &[f64],
    resume: Option<&Path>,
) -> (Result<Outcome, String>, Heard) {
    let mut evaluate = scored(scores);
    let evaluate = &mut |_: &S::Task| Ok(evaluate());
    S::with_feed(options, |feed| run_job(learner, options, feed, &S::save, evaluate, resume))
}

/// Evaluations that return the scores one after the other.
fn scored(scores: &[f64]) -> impl FnMut() -> Record {
    let mut scores = scores.iter();
    move || {
        let mut record = Record::new();
        record.insert("eval_loss".to_owned(), json!(1.0));
        if let Some(&score) = scores.next() {
            record.insert("eval_f1".to_owned(), json!(score));
            record.insert("eval_badness_loss".to_owned(), json!(score));
        }
        record
    }
}

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

fn task(labels: usize, dropout: f64) -> TokenTask {
    let loss = LossOptions::PLAIN;
    TokenTask::new(model(labels, dropout), loss)
}

pub fn learner(labels: usize, dropout: f64) -> Learner<TokenTask> {
    new_learner(task(labels, dropout))
}

/// A sequence of pieces, all with labels but the first.
pub fn example(ids: &[u32], labels: &[i32]) -> Example {
    let labels = std::iter::once(IGNORE).chain(labels[1..].iter().copied()).collect();
    Example { ids: ids.to_vec(), types: vec![0; ids.len()], labels, words: vec![None; ids.len()], sentence: 0 }
}

/// Eleven sentences of the oracle's lengths.
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
            save_best_between: false,
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

/// Trains a token classifier on these examples; evaluations return the scores one after the other.
pub fn run(
    learner: &mut Learner<TokenTask>,
    options: &Options,
    examples: &[Example],
    scores: &[f64],
    resume: Option<&Path>,
) -> (Result<Outcome, String>, Heard) {
    let mut evaluate = scored(scores);
    run_with(learner, options, examples, &mut |_| evaluate(), resume)
}

/// Trains a token classifier with any evaluation.
pub fn run_with(
    learner: &mut Learner<TokenTask>,
    options: &Options,
    examples: &[Example],
    evaluate: &mut dyn FnMut(&Model) -> Record,
    resume: Option<&Path>,
) -> (Result<Outcome, String>, Heard) {
    let examples = Examples::in_memory(examples);
    let feed = TokenFeed::new(&examples, options, &[], &World::alone());
    run_job(learner, options, &feed, &Tokens::save, &mut |task| Ok(evaluate(&task.model)), resume)
}

fn run_job<M: Trainable<Error: Display>>(
    learner: &mut Learner<M>,
    options: &Options,
    feed: &FeedOf<'_, M>,
    save: &Save<'_, M>,
    evaluate: &mut dyn FnMut(&M) -> Result<Record, M::Error>,
    resume: Option<&Path>,
) -> (Result<Outcome, String>, Heard) {
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
        Event::Note(note) => heard.notes.push(note.to_string()),
    };
    let arguments = json!({"learning_rate": options.learning_rate});
    let world = World::alone();
    let job = Job { options, feed, world: &world, arguments: &arguments, save, evaluate, notify: &mut notify };
    let outcome = train(learner, job, resume).map_err(|error| error.to_string());
    (outcome, heard)
}

/// The parameters' bits.
pub fn bits<M: Trainable>(learner: &mut Learner<M>) -> Vec<u32> {
    learner.model().params().to_vec().expect("its rows can be read").iter().map(|value| value.to_bits()).collect()
}
