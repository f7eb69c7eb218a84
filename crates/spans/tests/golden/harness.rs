//! Golden files, models and batches for these tests.

use serde_json::Value;
use std::path::PathBuf;
use tagsmith_ranks::World;
use tagsmith_spans::batch::SpanBatch;
use tagsmith_spans::batch::collate;
use tagsmith_spans::batch::encode::{Encoded, Encoding, Masking, Prompt, added_tokens};
use tagsmith_spans::config::Config;
use tagsmith_spans::folder;
use tagsmith_spans::learn::{GoldBatch, Rates, SpanTask, update};
use tagsmith_spans::model::Model;
use tagsmith_spans::model::loss::{Gold, Normalization};
use tagsmith_testkit::golden::{self, Expected};
use tagsmith_text::example::{Entity, Example};
use tagsmith_text::tagged::Content;
use tagsmith_text::tokenizer::Tokenizer;
use tagsmith_train::learner::{Learner, Rate, StepOptions, StepReport};

pub const MODELS: [(&str, &str, &str); 4] = [
    ("bi_encoder", "text", "none"),
    ("contrastive_bi_encoder", "tokens", "subwords"),
    ("cross_encoder", "tokens", "subwords"),
    ("contrastive_cross_encoder", "text", "none"),
];
pub const LABELS: [&str; 3] = ["place", "person", "team org"];
pub const ALL: [bool; 3] = [true; 3];

/// Longest sums: some 60 rows of text in a weight's gradient.
pub const TERMS: usize = 60;
pub const C_FORWARD: f64 = 8.0;
pub const C_BACKWARD: f64 = 16.0;

/// In bf16 a factor and a result are off by at most half their last bit, 2⁻⁹ of themselves: two factors of each product
/// that follow one another, four a layer and five of the head (two of each of two layers, and the scores), and each result.
pub fn bf16_apart(model: &Model) -> f64 {
    let layers = [Some(&model.token_encoder), model.type_encoder.as_ref()];
    let deepest = layers.into_iter().flatten().map(|encoder| encoder.shape.layers).max().unwrap_or(0);
    2.0 * 2.0 * (4 * deepest + 5) as f64 / 512.0
}

pub fn folder(name: &str) -> PathBuf {
    golden::path("spans").join(name)
}

pub fn read_expected(name: &str) -> Expected {
    Expected::of(format!("spans/{name}"))
}

pub fn cases() -> Value {
    golden::json("spans/cases.json")
}

pub fn tokenizer(config: &Config) -> Tokenizer {
    let mut tokenizer = Tokenizer::from_folder(&folder("")).expect("the golden tokenizer reads");
    tokenizer.add_special(added_tokens(config)).expect("it takes tokens");
    tokenizer
}

pub fn example(value: &Value, format: &str) -> Example {
    let input = match format {
        "text" => Content::Text(value[0].as_str().expect("a text").to_owned()),
        _ => Content::Words(serde_json::from_value(value[0].clone()).expect("words")),
    };
    let entity = |e: &Value| Entity {
        start: e[0].as_u64().expect("a start") as usize,
        end: e[1].as_u64().expect("an end") as usize,
        label: e[2].as_str().expect("a label").to_owned(),
    };
    Example { id: None, content: input, entities: value[1].as_array().expect("entities").iter().map(entity).collect() }
}

pub fn labels() -> Vec<String> {
    LABELS.map(str::to_owned).to_vec()
}

pub fn encode(
    config: &Config,
    tokenizer: &Tokenizer,
    examples: &[Example],
    masking: &str,
    max_length: usize,
) -> Vec<Encoded> {
    let masking = Masking::named(masking).expect("the golden file's own");
    let cross = !added_tokens(config).is_empty();
    let prompt = cross.then(|| Prompt::new(config, &labels()));
    let encoding = Encoding { max_length, masking };
    let one = |example: &Example| encoding.encode(tokenizer, prompt.as_ref(), &example.content).expect("it encodes");
    examples.iter().map(one).collect()
}

/// The golden batch's examples, and how their losses are masked.
pub fn examples(name: &str) -> (Vec<Example>, &'static str) {
    let (_, format, masking) = MODELS.into_iter().find(|model| model.0 == name).expect("it is one of them");
    let cases = cases();
    let of = |case: &&Value| case["format"] == format && case["masking"] == masking && case["architecture"] == name;
    let case = cases["collated"].as_array().expect("a list").iter().find(of).expect("there is one");
    let examples = &case["examples"].as_array().expect("a list")[..3];
    (examples.iter().map(|value| example(value, format)).collect(), masking)
}

/// The golden batch, made from the golden examples.
pub fn batch(name: &str, config: &Config) -> (SpanBatch, Gold) {
    let (examples, masking) = examples(name);
    batch_of(config, &examples, masking)
}

/// Examples with the golden tokenizer.
pub fn batch_of(config: &Config, examples: &[Example], masking: &str) -> (SpanBatch, Gold) {
    let tokenizer = tokenizer(config);
    let encoded = encode(config, &tokenizer, examples, masking, 64);
    let encoded: Vec<&Encoded> = encoded.iter().collect();
    let alone = added_tokens(config).is_empty().then(|| collate::labels(&tokenizer, &labels()).expect("labels").0);
    let (scene, listed) = collate::batch(config, &encoded, alone);
    let entities: Vec<_> =
        encoded.iter().zip(examples).map(|(e, example)| e.gold(example, &labels(), config).0).collect();
    let gold = collate::gold(config, &encoded, &entities, &listed, &scene);
    (scene, gold)
}

pub fn load(name: &str) -> Model {
    let (model, notes) = folder::load(&folder(name)).expect("the golden model reads");
    assert!(notes.is_empty(), "{notes:?}");
    model
}

/// The original's.
pub const OPTIONS: StepOptions = StepOptions {
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-8,
    weight_decay: 0.01,
    max_grad_norm: 10.0,
    gradient_checkpointing: false,
    seed: 1,
};

pub fn learner(model: Model, options: StepOptions) -> Learner<SpanTask> {
    let task = SpanTask { model, normalization: Normalization::Padded, rates: Rates::default() };
    Learner::new(task, options, &[]).expect("nothing is frozen").0
}

pub fn step(learner: &mut Learner<SpanTask>, batches: &[GoldBatch], rate: f64) -> StepReport {
    learner.step(&World::alone(), &update(batches.to_vec()), Rate::scheduled(1e-3, rate)).expect("its rows can be read")
}
