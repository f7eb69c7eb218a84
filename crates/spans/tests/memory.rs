//! The planned memory of a run beside what the system counts, which is the process's: the only test of its file.
#![cfg(target_os = "linux")]

use serde_json::{Value, json};
use tagsmith_encoder::batch::Batch;
use tagsmith_encoder::config::Config as EncoderConfig;
use tagsmith_files::json_fields::Fields;
use tagsmith_kernel::params::Params;
use tagsmith_kernel::params::SlotId;
use tagsmith_ranks::World;
use tagsmith_spans::batch::collate;
use tagsmith_spans::batch::encode::Encoded;
use tagsmith_spans::config::{Architecture, Config};
use tagsmith_spans::find::BATCH_PIECES;
use tagsmith_spans::learn::{Rates, SpanTask, update};
use tagsmith_spans::memory::{Work, footprint};
use tagsmith_spans::model::Model;
use tagsmith_spans::model::layout::Layout;
use tagsmith_spans::model::loss::Normalization;
use tagsmith_text::example::{Entity, Example};
use tagsmith_text::tagged::Content;
use tagsmith_train::learner::{Learner, Rate, StepOptions};

/// A line of /proc/self/status in bytes.
fn status(name: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("it has the line");
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

fn object(value: Value) -> serde_json::Map<String, Value> {
    let Value::Object(map) = value else { unreachable!("an object was written") };
    map
}

fn model(architecture: Architecture) -> Model {
    let encoder = json!({
        "model_type": "bert", "vocab_size": 1000, "hidden_size": 128, "num_hidden_layers": 2,
        "num_attention_heads": 4, "intermediate_size": 512, "max_position_embeddings": 256, "type_vocab_size": 2,
        "hidden_act": "gelu", "layer_norm_eps": 1e-12, "initializer_range": 0.02, "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1, "pad_token_id": 0,
    });
    let encoder = EncoderConfig::from_json("config.json".into(), object(encoder)).expect("it is legal").0;
    let head = json!({"linear_hidden_size": 256, "max_span_length": 20, "loss_fn": "bce", "dropout": 0.1});
    let mut fields = Fields::new("config.json".as_ref(), object(head));
    let config = Config::take(&mut fields, architecture, Some(false)).expect("it is legal");
    let type_encoder = (architecture == Architecture::BiEncoder).then(|| encoder.clone());
    let layout = Layout::new(&config, &encoder, type_encoder.as_ref());
    let mut params = Params::zeros(layout.slots.clone());
    for number in 0..layout.slots.len() {
        if !layout.slots[number].sparse {
            params.get_mut(SlotId(number)).iter_mut().enumerate().for_each(|(i, x)| *x = (i % 7) as f32 * 0.01);
        }
    }
    Model { config, token_encoder: encoder, type_encoder, layout, params, precision: tagsmith_kernel::Precision::F32 }
}

/// A text of one piece a word, all of which may begin and end; after labels of one piece each with their markers.
fn encoded(length: usize, labels: usize) -> Encoded {
    let prompt = if labels > 0 { 2 * labels + 1 } else { 0 };
    let of_text = |at: usize| at > prompt && at < prompt + length - 1;
    let length = prompt + length;
    Encoded {
        ids: (0..length as u32).map(|at| at % 900 + 1).collect(),
        types: vec![0; length],
        text: Some(prompt + 1..=length - 2),
        begins: (0..length).map(of_text).collect(),
        ends: (0..length).map(of_text).collect(),
        covers: (0..length).map(|at| (at.saturating_sub(prompt + 1), at.saturating_sub(prompt))).collect(),
        markers: (0..labels).map(|label| 1 + 2 * label).collect(),
        threshold: 0,
        cut: 0,
        spelled: 0,
    }
}

/// Names to a process what it measures.
const MEASURED: &str = "TAGSMITH_TEST_MEASURED";

/// What a process has had stays with it: each measurement has one of its own.
#[test]
fn the_plan_is_what_is_taken() {
    if let Ok(measured) = std::env::var(MEASURED) {
        let (what, architecture) = measured.split_once(' ').expect("two words");
        return if what == "step" { step(architecture == "cross") } else { evaluation(architecture == "cross") };
    }
    for measured in ["step bi", "step cross", "evaluation bi", "evaluation cross"] {
        let mut alone = std::process::Command::new(std::env::current_exe().expect("it runs"));
        alone.args(["--exact", "the_plan_is_what_is_taken"]).env(MEASURED, measured);
        let ran = alone.output().expect("it runs again");
        let said = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success() && said.contains("1 passed"), "{measured}: {said}");
    }
}

fn architecture(cross: bool) -> Architecture {
    if cross { Architecture::CrossEncoder } else { Architecture::BiEncoder }
}

fn label_ids() -> [Vec<u32>; 3] {
    [5, 6, 7].map(|id| vec![2, id, 3])
}

/// What a bi-encoder reads beside texts.
fn labels_alone(cross: bool) -> Option<Batch> {
    let mut batch = Batch::default();
    label_ids().iter().for_each(|ids| batch.push(ids, &[0; 3], &[]));
    (!cross).then_some(batch)
}

/// A whole batch of evaluation.
fn evaluation(cross: bool) {
    let length = 120;
    let of_prompt = if cross { 7 } else { 0 };
    let texts: Vec<Encoded> =
        (0..BATCH_PIECES / (length + of_prompt)).map(|_| encoded(length, if cross { 3 } else { 0 })).collect();
    let model = model(architecture(cross));
    let refs: Vec<&Encoded> = texts.iter().collect();
    let (batch, _) = collate::batch(&model.config, &refs, labels_alone(cross));
    assert!(batch.spans.len() > 25_000, "{} spans", batch.spans.len());
    let work = Work {
        examples: &[],
        encoded: &[],
        evaluated: &texts,
        labels_evaluated: 3,
        labels: &label_ids(),
        batch_size: 8,
        batch_tokens: None,
        accumulation: 1,
        max_length: 256,
        gradient_checkpointing: false,
        ranks: 1,
    };
    let planned = footprint(&model, &work).activations;
    let before = status("VmRSS");
    let scores = model.infer(&batch, None).expect("its rows can be read");
    let grown = status("VmHWM") - before;
    assert!(scores.data().iter().all(|score| score.is_finite()));
    // The head lives in part in what the encoder gave back, which no plan counts on: from what the encoder takes alone,
    // some 0.6 of the plan, to the sum.
    let share = grown as f64 / planned as f64;
    assert!((0.6..=1.05).contains(&share), "grew by {grown}, planned {planned}");
}

fn step(cross: bool) {
    let plain: Vec<Encoded> = (0..8).map(|_| encoded(120, 0)).collect();
    let texts: Vec<Encoded> = if cross { (0..8).map(|_| encoded(120, 3)).collect() } else { plain.clone() };
    let entity = |label: &str| Entity { start: 3, end: 5, label: label.into() };
    let example = Example {
        id: None,
        content: Content::Words(vec!["word".into(); 118]),
        entities: vec![entity("a"), entity("b"), entity("c")],
    };
    let examples = vec![example; 8];
    let labels: Vec<String> = ["a", "b", "c"].map(str::to_owned).to_vec();

    let before = status("VmRSS");
    let options = StepOptions { weight_decay: 0.01, ..StepOptions::default() };
    let model = model(architecture(cross));
    let task = SpanTask { model, normalization: Normalization::Padded, rates: Rates::default() };
    let mut learner = Learner::new(task, options, &[]).expect("nothing is frozen").0;
    let work = Work {
        examples: &examples,
        encoded: &plain,
        evaluated: &[],
        labels_evaluated: 0,
        labels: &label_ids(),
        batch_size: 8,
        batch_tokens: None,
        accumulation: 1,
        max_length: 256,
        gradient_checkpointing: false,
        ranks: 1,
    };
    let planned = footprint(&learner.model().model, &work);
    let refs: Vec<&Encoded> = texts.iter().collect();
    let config = learner.model().model.config.clone();
    let (batch, listed) = collate::batch(&config, &refs, labels_alone(cross));
    let entities: Vec<_> =
        refs.iter().zip(&examples).map(|(it, example)| it.gold(example, &labels, &config).0).collect();
    let gold = collate::gold(&config, &refs, &entities, &listed, &batch);
    assert!(batch.spans.len() > 15_000, "{} spans", batch.spans.len());
    learner
        .step(&World::alone(), &update(vec![(batch, gold)]), Rate::scheduled(1e-4, 1.0))
        .expect("its rows can be read");
    let grown = status("VmHWM") - before;
    let share = grown as f64 / planned.total() as f64;
    assert!((0.8..=1.15).contains(&share), "grew by {grown}, planned {} ({planned})", planned.total());

    // What the head holds grows with spans; a batch of one text is an eighth of it.
    let one = footprint(&learner.model().model, &Work { batch_size: 1, ..work });
    assert!(one.activations * 6 < planned.activations && one.weights == planned.weights);
    // A cut bounds the same without changing the batch: a bi-encoder's texts of 120 pieces one by one.
    let cut = footprint(&learner.model().model, &Work { batch_tokens: Some(1), ..work });
    let apart = cut.activations as f64 / one.activations as f64;
    assert!((0.9..=1.3).contains(&apart), "cut {}, one {}", cut.activations, one.activations);
}
