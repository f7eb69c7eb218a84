//! The planned memory of a run beside what the system counts, which is the process's: the other tests here take little.
#![cfg(target_os = "linux")]

use serde_json::{Value, json};
use std::sync::LazyLock;
use tagsmith_encoder::config::Config;
use tagsmith_kernel::{Device, Precision};
use tagsmith_ranks::World;
use tagsmith_text::align::Example;
use tagsmith_tokens::batch::collate;
use tagsmith_tokens::examples::Examples;
use tagsmith_tokens::learn::{LossOptions, TokenTask, update};
use tagsmith_tokens::memory::{Work, footprint, on_device};
use tagsmith_tokens::model::Model;
use tagsmith_train::learner::{Learner, Rate, StepOptions};
use tagsmith_train::memory::Footprint;

/// A line of /proc/self/status in bytes.
fn status(name: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

fn model(hidden: usize, layers: usize) -> Model {
    let own = json!({
        "model_type": "bert", "type_vocab_size": 2, "hidden_act": "gelu", "layer_norm_eps": 1e-12,
        "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1,
    });
    model_of(hidden, layers, own)
}

fn model_of(hidden: usize, layers: usize, own: Value) -> Model {
    let common = json!({
        "vocab_size": 1000, "hidden_size": hidden, "num_hidden_layers": layers, "num_attention_heads": 4,
        "intermediate_size": 4 * hidden, "max_position_embeddings": 256, "initializer_range": 0.02, "pad_token_id": 0,
        "id2label": {"0": "O", "1": "B-X"},
    });
    let (Value::Object(mut config), Value::Object(own)) = (common, own) else { unreachable!("objects were written") };
    config.extend(own);
    Model::new(Config::from_json("config.json".into(), config).unwrap().0, 1)
}

fn examples(lengths: &[usize]) -> Examples {
    let example = |&length: &usize| Example {
        ids: (0..length as u32).map(|at| at % 900 + 1).collect(),
        types: vec![0; length],
        labels: (0..length as i32).map(|at| at % 2).collect(),
        words: vec![None; length],
        sentence: 0,
    };
    Examples::in_memory(&lengths.iter().map(example).collect::<Vec<_>>())
}

fn work<'a>(examples: &'a Examples, batch_tokens: Option<usize>, gradient_checkpointing: bool) -> Work<'a> {
    static NONE: LazyLock<Examples> = LazyLock::new(|| Examples::in_memory(&[]));
    Work {
        examples,
        evaluated: &NONE,
        waiting: 0,
        reading: 0,
        batch_size: 8,
        accumulation: 1,
        batch_tokens,
        rows_evaluated: 1024,
        gradient_checkpointing,
        ranks: 1,
    }
}

/// How many bytes the process grew by to make a model and one step, beside what was planned.
fn grown(make: impl Fn() -> Model, examples: &Examples, gradient_checkpointing: bool) -> (u64, Footprint) {
    let before = status("VmRSS");
    let options = StepOptions { weight_decay: 0.01, gradient_checkpointing, ..StepOptions::default() };
    let loss = LossOptions::PLAIN;
    let (mut learner, _) = Learner::new(TokenTask::new(make(), loss), options, &[]).unwrap();
    let work = Work { batch_size: examples.len(), ..work(examples, None, gradient_checkpointing) };
    let footprint = footprint(&learner.model().model, &work);
    let batch = collate(&examples.iter().collect::<Result<Vec<_>, _>>().unwrap());
    learner.step(&World::alone(), &update(vec![batch]), Rate::scheduled(1e-4, 1.0)).expect("its rows can be read");
    let grown = status("VmHWM") - before;
    // Lists of updates that wait are no part of the plan: some bytes an update.
    let near =
        |planned: u64, held: usize| assert!(planned.abs_diff(held as u64) <= 64, "planned {planned}, held {held}");
    near(footprint.optimizer, learner.optimizer_bytes());
    near(footprint.weights, learner.model().model.params.bytes());
    (grown, footprint)
}

/// What a kind of encoder has in its configuration beside what all have here.
fn own(kind: &str) -> Option<Value> {
    match kind {
        "bert" => None,
        "modernbert" => Some(json!({"model_type": "modernbert", "intermediate_size": 700})),
        "deberta-v2" => Some(json!({
            "model_type": "deberta-v2", "hidden_act": "gelu", "relative_attention": true, "position_buckets": 256,
            "pos_att_type": "c2p|p2c", "share_att_key": true, "norm_rel_ebd": "layer_norm", "type_vocab_size": 0,
            "position_biased_input": false, "max_position_embeddings": 512,
        })),
        "deberta-v2 with a convolution" => {
            let mut own = own("deberta-v2")?;
            own["conv_kernel_size"] = json!(5);
            Some(own)
        }
        other => panic!("`{other}` is not a kind of encoder here"),
    }
}

/// Names the kind of encoder to a process that measures one.
const KIND: &str = "TAGSMITH_TEST_ENCODER";

/// What a process has had stays with it: each kind is measured in one of its own.
#[test]
fn the_plan_is_what_a_step_takes() {
    if let Ok(kind) = std::env::var(KIND) {
        return measure(&kind);
    }
    for kind in ["bert", "modernbert", "deberta-v2", "deberta-v2 with a convolution"] {
        let mut alone = std::process::Command::new(std::env::current_exe().unwrap());
        alone.args(["--exact", "the_plan_is_what_a_step_takes"]).env(KIND, kind);
        let ran = alone.output().unwrap();
        let said = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success() && said.contains("1 passed"), "{kind}: {said}");
    }
}

fn measure(kind: &str) {
    let make = || own(kind).map_or_else(|| model(256, 4), |own| model_of(256, 4, own));
    // Short sentences: each thread's own memory, for one sentence's attention, is not a part of the plan.
    let examples = examples(&[40; 50]);
    // The lean way first: a peak does not fall again.
    for gradient_checkpointing in [true, false] {
        let (grown, footprint) = grown(make, &examples, gradient_checkpointing);
        tagsmith_kernel::memory::tensor::release_free_memory();
        let share = grown as f64 / footprint.total() as f64;
        assert!((0.85..=1.1).contains(&share), "{kind}: grew by {grown}, planned {} ({footprint})", footprint.total());
    }
}

#[test]
fn the_plan_of_a_gpu_is_what_a_step_takes() {
    let examples = examples(&[24; 5]);
    for (kind, precision) in [
        ("bert", Precision::F32),
        ("bert", Precision::Bf16),
        ("modernbert", Precision::F32),
        ("modernbert", Precision::Bf16),
    ] {
        for gradient_checkpointing in [true, false] {
            let mut model = own(kind).map_or_else(|| model(64, 2), |own| model_of(64, 2, own));
            model.precision = precision;
            let work = Work { batch_size: examples.len(), ..work(&examples, None, gradient_checkpointing) };
            let planned = on_device(&model, &work);
            let device = Device::emulated(1).expect("the emulator knows our kernels");
            let free = || device.free_memory().expect("the device works").expect("it is a GPU");
            let before = free();
            let options = StepOptions { weight_decay: 0.01, gradient_checkpointing, ..StepOptions::default() };
            let loss = LossOptions::PLAIN;
            let model = model.to(&device).expect("there is room");
            let (mut learner, _) = Learner::new(TokenTask::new(model, loss), options, &[]).unwrap();
            let batch = collate(&examples.iter().collect::<Result<Vec<_>, _>>().unwrap());
            learner.step(&World::alone(), &update(vec![batch]), Rate::scheduled(1e-4, 1.0)).expect("the device works");
            // What was dropped is kept for what comes next: what is free at the end is the least that ever was.
            let share = (before - free()) as f64 / planned.total() as f64;
            assert!((0.85..=1.1).contains(&share), "{kind} {precision:?}: took {share} of the plan ({planned})");
        }
    }
}

#[test]
fn the_largest_micro_batch_is_the_longest_sentences_together() {
    let model = model(32, 1);
    let examples = examples(&[3, 9, 1, 20, 2, 7, 7, 8, 5, 40]);
    let rows =
        |batch_size, batch_tokens| footprint(&model, &Work { batch_size, ..work(&examples, batch_tokens, false) }).rows;
    assert_eq!(rows(1, None), 40);
    assert_eq!(rows(3, None), 69);
    assert_eq!(rows(3, Some(50)), 50);
    assert_eq!(rows(3, Some(100)), 69);
    // A sentence is never cut.
    assert_eq!(rows(3, Some(10)), 40);
    assert_eq!(rows(100, None), 102);
}

#[test]
fn what_does_not_learn_takes_no_moments_and_what_does_not_occur_no_room() {
    let mut model = model(32, 1);
    let examples = examples(&[5]);
    let plan = |model: &Model| footprint(model, &work(&examples, None, false));
    let table = model.params.slots.iter().position(|slot| slot.sparse).unwrap();
    let dense = (model.params.len() - model.params.slots[table].len()) as u64;
    // Five of a thousand rows occur.
    assert_eq!(plan(&model).weights, 4 * (dense + 5 * 32) + 24 * 1000);
    assert_eq!(plan(&model).gradients, 4 * (dense + 5 * 32));
    assert_eq!(plan(&model).optimizer, 8 * (dense + 5 * 32) + 20 * 5 + 8 * 1000);
    model.params.slots[table].frozen = true;
    assert_eq!(plan(&model).weights, 4 * (dense + 5 * 32) + 24 * 1000);
    assert_eq!((plan(&model).gradients, plan(&model).optimizer), (4 * dense, 8 * dense));
}
