//! Every encoder family against PyTorch in f64 (golden/models, written by oracle/models.py).

use std::path::PathBuf;
use tagsmith_encoder::batch::Batch;
use tagsmith_encoder::bert::Deberta;
use tagsmith_encoder::config::{Config, Family};
use tagsmith_encoder::family::architecture::Pass;
use tagsmith_encoder::modernbert;
use tagsmith_kernel::check::{assert_close, assert_far, distance, read, tolerance, wide};
use tagsmith_kernel::device::Error as DeviceError;
use tagsmith_kernel::op::label_loss::{self, Objective};
use tagsmith_kernel::params::{Grads, Slot, SlotId};
use tagsmith_kernel::{Device, Precision};
use tagsmith_message::{Remedy, Setting};
use tagsmith_testkit::golden::{self, Expected};
use tagsmith_tokens::error::Error;
use tagsmith_tokens::folder::Head;
use tagsmith_tokens::model::Model;
use tagsmith_tokens::tag;
use tagsmith_weights::tensors::{self, Entry, Values};

const FAMILIES: [&str; 17] = [
    "bert",
    "bert_gelu_new",
    "bert_relu",
    "bert_eps",
    "roberta",
    "xlm-roberta",
    "camembert",
    "distilbert",
    "electra",
    "modernbert",
    "modernbert_biased",
    "deberta-v2",
    "deberta-v2_apart",
    "deberta-v2_c2p",
    "deberta-v2_conv",
    "deberta-v2_conv-tanh",
    "deberta-v2_p2c",
];

/// Longest sums: 40 products in a feed-forward row, 45 rows in a weight's gradient, over some ten operations in a row.
const TERMS: usize = 45;
/// The smallest factor that holds for scores and hidden states, and for gradients, at every level (see NUMERICS.md).
const C_FORWARD: f64 = 2.0;
const C_BACKWARD: f64 = 4.0;

/// ModernBERT's hidden states are sums of all layers' results, and its head is two products more.
fn c_forward(name: &str) -> f64 {
    if name.starts_with("modernbert") { 2.0 * C_FORWARD } else { C_FORWARD }
}

fn folder(name: &str) -> PathBuf {
    golden::path("models").join(name)
}

fn read_expected(name: &str) -> Expected {
    Expected::of(format!("models/{name}"))
}

fn batch_of(expected: &Expected) -> Batch {
    let mut starts = vec![0];
    for length in expected.ids("lengths") {
        starts.push(starts[starts.len() - 1] + length);
    }
    let labels = expected.labels("labels");
    Batch { ids: expected.ids("ids"), types: expected.ids("types"), starts, labels, teacher: Vec::new() }
}

fn load(name: &str) -> Model {
    let (config, notes) = Config::read(&folder(name)).expect("the golden configuration reads");
    assert!(notes.is_empty(), "{notes:?}");
    let (model, notes) = Model::load(&folder(name), config, Head::Required).expect("the golden weights read");
    assert!(notes.is_empty(), "{notes:?}");
    model
}

const PLAIN: Pass = Pass { dropout: None, first_row: 0, checkpoint_layers: false };

/// The mean loss and every gradient of it, by name.
fn gradients(model: &Model, batch: &Batch, smoothing: f64, pass: Pass) -> (f64, Vec<(String, Vec<f32>)>) {
    let mut grads = Grads::new(&model.params);
    model.fetch(batch).expect("its rows can be read");
    let (scores, saved) = model.forward(batch, pass);
    let counted = batch.counted() as f64;
    let loss = Objective::cross_entropy(smoothing);
    let loss = label_loss::forward(&scores, &batch.labels, &loss, 1.0 / counted).expect("the device works");
    saved.backward(model, batch, &loss.dscores, None, &mut grads);
    let named = model.params.slots.iter().enumerate().map(|(number, slot)| {
        let gradient = grads.copy(&model.params, SlotId(number)).expect("the device works");
        (slot.name.clone(), gradient.expect("nothing is frozen"))
    });
    (loss.sum.read().expect("the device works") / counted, named.collect())
}

#[test]
fn hidden_states_scores_and_loss_are_pytorchs() {
    for name in FAMILIES {
        let (model, expected) = (load(name), read_expected(name));
        let batch = batch_of(&expected);
        for (i, state) in model.hidden_states(&batch).expect("its rows can be read").iter().enumerate() {
            let what = format!("{name} hidden state {i}");
            assert_close(&what, state.data(), &expected.floats(&format!("hidden.{i}")), c_forward(name), TERMS);
        }
        assert_close(
            name,
            &model.infer(&batch).expect("its rows can be read"),
            &expected.floats("logits"),
            c_forward(name),
            TERMS,
        );
        for (key, smoothing) in [("loss", 0.0), ("loss_smoothed", 0.1)] {
            let loss = gradients(&model, &batch, smoothing, PLAIN).0 as f32;
            assert_close(&format!("{name} {key}"), &[loss], &expected.floats(key), c_forward(name), TERMS);
        }
    }
}

#[test]
fn on_an_emulated_gpu_hidden_states_and_scores_are_pytorchs() {
    // Threads in another order change no bit.
    let devices = [1, 2].map(|order| Device::emulated(order).expect("the emulator knows our kernels"));
    for name in FAMILIES {
        let (model, expected) = (load(name), read_expected(name));
        let batch = batch_of(&expected);
        let scores = devices.each_ref().map(|device| {
            let model = model.to(device).expect("there is room");
            for (i, state) in model.hidden_states(&batch).expect("its rows can be read").iter().enumerate() {
                let (what, want) = (format!("{name} hidden state {i}"), expected.floats(&format!("hidden.{i}")));
                assert_close(&what, &read(state), &want, c_forward(name), TERMS);
            }
            model.infer(&batch).expect("the device works")
        });
        assert_close(name, &scores[0], &expected.floats("logits"), c_forward(name), TERMS);
        assert_eq!(scores[0], scores[1], "{name}");
        assert_far(&format!("{name} on the processor"), &model.infer(&batch).unwrap(), &wide(&scores[0]), 0.0, 1);
    }
}

#[test]
fn what_a_device_says_has_a_remedy() {
    let out_of_memory = || DeviceError::OutOfMemory { device: "X".into(), asked: 3, free: 2, all: 5 };
    let smaller = Some(Remedy::set(Setting::BatchTokens).so_as("to a smaller number"));
    let while_tagging = tag::Error::from(tagsmith_kernel::Error::Device(out_of_memory()));
    assert_eq!(
        (while_tagging.remedy(), while_tagging.to_string().as_str()),
        (smaller.clone(), "X: 3 bytes do not fit; 2 bytes of 5 are free")
    );
    assert_eq!(Error::from(tagsmith_kernel::Error::Device(out_of_memory())).remedy(), smaller);
    assert_eq!(tag::Error::Kernel(tagsmith_kernel::Error::Device(DeviceError::Fault("a race".into()))).remedy(), None);
}

#[test]
fn on_an_emulated_gpu_bf16_is_pytorchs_but_for_rounding() {
    let device = Device::emulated(1).expect("the emulator knows our kernels");
    for name in FAMILIES {
        let (mut model, expected) = (load(name), read_expected(name));
        model.precision = Precision::Bf16;
        let model = model.to(&device).expect("there is room");
        let (logits, want) = (model.infer(&batch_of(&expected)).expect("the device works"), expected.floats("logits"));
        let largest = want.iter().fold(0f64, |a, b| a.max(b.abs()));
        // Each result is rounded too, not only the factors of products.
        let (apart, allowed) = (distance(&logits, &want), 2.0 * bf16_apart(&model.config));
        assert!(apart <= allowed * largest, "{name}: off by {apart:.3e} of {largest:.3e}");
        assert_far(&format!("{name} in f32"), &logits, &want, C_FORWARD, TERMS);
        if !has_a_jump(name) {
            let all = gradients(&model, &batch_of(&expected), 0.0, PLAIN).1;
            assert_gradients(name, &expected, &all, |own| 2.0 * allowed * own);
        }
    }
}

/// Whether the slope of the family's activation jumps at 0: an input that rounding takes across changes the gradient by more
/// than rounding.
fn has_a_jump(name: &str) -> bool {
    name == "bert_relu" || name == "modernbert_biased"
}

/// Asserts that gradients are PyTorch's. `allowed` makes the largest error of a parameter's largest gradient.
fn assert_gradients(name: &str, expected: &Expected, all: &[(String, Vec<f32>)], allowed: impl Fn(f64) -> f64) {
    let wants: Vec<Vec<f64>> = all.iter().map(|(slot, _)| expected.floats(&format!("grad.{slot}"))).collect();
    let largest = |values: &[f64]| values.iter().fold(0f64, |a, b| a.max(b.abs()));
    // The largest gradient of the model: a key's bias has gradient 0 in exact arithmetic and is not a measure.
    let most = wants.iter().map(|want| largest(want)).fold(0.0, f64::max);
    for ((slot, got), want) in all.iter().zip(&wants) {
        let (apart, allowed) = (distance(got, want), allowed(largest(want).max(most / 30.0)));
        assert!(apart <= allowed, "{name} {slot}: off by {apart:.3e}, {allowed:.3e} allowed");
    }
}

fn backward_tolerance(own: f64) -> f64 {
    tolerance(C_BACKWARD, TERMS, &[own])
}

#[test]
fn every_gradient_is_pytorchs() {
    let device = Device::emulated(1).expect("the emulator knows our kernels");
    for name in FAMILIES {
        let (model, expected) = (load(name), read_expected(name));
        let batch = batch_of(&expected);
        let there = model.to(&device).expect("there is room");
        for (place, model) in [("processor", &model), ("emulated GPU", &there)] {
            let what = format!("{name} on the {place}");
            assert_gradients(&what, &expected, &gradients(model, &batch, 0.0, PLAIN).1, backward_tolerance);
            let smoothed = gradients(model, &batch, 0.1, PLAIN).1;
            for (slot, got) in smoothed.iter().filter(|(n, _)| n.starts_with("classifier")) {
                let want = expected.floats(&format!("grad_smoothed.{slot}"));
                assert_close(&format!("{what} smoothed {slot}"), got, &want, C_BACKWARD, TERMS);
            }
        }
    }
}

/// In bf16 a factor is off by at most half its last bit, 2⁻⁹ of itself: two factors of each of the products that
/// follow one another, four a layer and those of the head.
fn bf16_apart(config: &Config) -> f64 {
    let of_head = if config.facts.head.dense.is_some() { 2 } else { 1 };
    2.0 * (4 * config.shape.layers + of_head) as f64 / 512.0
}

#[test]
fn bf16_is_pytorchs_but_for_the_rounding_of_factors() {
    for name in FAMILIES {
        let (mut model, expected) = (load(name), read_expected(name));
        model.precision = Precision::Bf16;
        let batch = batch_of(&expected);
        let (logits, want) = (model.infer(&batch).expect("its rows can be read"), expected.floats("logits"));
        let largest = |values: &[f64]| values.iter().fold(0f64, |a, b| a.max(b.abs()));
        let apart = distance(&logits, &want);
        let allowed = bf16_apart(&model.config);
        assert!(apart <= allowed * largest(&want), "{name}: off by {apart:.3e} of {:.3e}", largest(&want));
        assert_far(&format!("{name} in f32"), &logits, &want, C_FORWARD, TERMS);
        if has_a_jump(name) {
            continue;
        }
        // Backward goes through as many products again.
        let all = gradients(&model, &batch, 0.0, PLAIN).1;
        assert_gradients(name, &expected, &all, |own| 2.0 * allowed * own);
    }
}

#[test]
fn checkpointed_layers_change_no_bit() {
    for name in FAMILIES {
        let (model, batch) = (load(name), batch_of(&read_expected(name)));
        let mut dropping = model.clone();
        dropping.config.shape.hidden_dropout = 0.2;
        dropping.config.shape.attention_dropout = 0.3;
        if let Family::ModernBert(settings) = &mut dropping.config.family {
            settings.mlp_dropout = 0.1;
        }
        for model in [&model, &dropping] {
            let dropout = Some(tagsmith_kernel::random::stream::Stream::new(5));
            let kept = gradients(model, &batch, 0.0, Pass { dropout, first_row: 0, checkpoint_layers: false });
            let again = gradients(model, &batch, 0.0, Pass { dropout, first_row: 0, checkpoint_layers: true });
            assert_eq!(kept, again, "{name}");
        }
    }
}

fn deberta(config: &mut Config) -> &mut Deberta {
    let Family::Bert(settings) = &mut config.family else { panic!("a relative of BERT") };
    settings.deberta.as_mut().expect("a DeBERTa")
}

/// What is wrong, and how a family's settings become so.
type Twin<T> = (&'static str, fn(&mut T));

#[test]
fn wrong_twins_are_rejected() {
    let (model, expected) = (load("bert_eps"), read_expected("bert_eps"));
    let batch = batch_of(&expected);
    let want = expected.floats("logits");
    let reject = |what: &str, model: &Model, batch: &Batch| {
        assert_far(what, &model.infer(batch).expect("its rows can be read"), &want, C_FORWARD, TERMS);
    };
    let mut twin = model.clone();
    twin.config.shape.layer_norm_eps = 1e-12;
    reject("another ε", &twin, &batch);
    let mut twin = model.clone();
    twin.config.shape.heads = 1;
    reject("another head width", &twin, &batch);
    let mut leaking = batch.clone();
    leaking.starts.remove(2);
    reject("attention over a boundary", &model, &leaking);
    let mut untyped = batch.clone();
    untyped.types.fill(0);
    reject("token types ignored", &model, &untyped);
    let (model, expected) = (load("bert"), read_expected("bert"));
    let mut twin = model.clone();
    twin.config.shape.activation = tagsmith_kernel::op::activation::Activation::GeluTanh;
    assert_far(
        "tanh for erf",
        &twin.infer(&batch_of(&expected)).expect("its rows can be read"),
        &expected.floats("logits"),
        C_FORWARD,
        TERMS,
    );
    let (mut twin, expected) = (load("roberta"), read_expected("roberta"));
    twin.config.shape.pad_id = None;
    assert_far(
        "padding counted",
        &twin.infer(&batch_of(&expected)).expect("its rows can be read"),
        &expected.floats("logits"),
        C_FORWARD,
        TERMS,
    );
    let (model, expected) = (load("modernbert"), read_expected("modernbert"));
    let twins: [Twin<modernbert::Settings>; 5] = [
        ("no window", |settings| settings.windows[1] = None),
        ("a window one too small", |settings| settings.windows[1] = Some(3)),
        ("a window one too large", |settings| settings.windows[1] = Some(5)),
        ("the θ of local layers everywhere", |settings| settings.global_theta = settings.local_theta),
        ("the θ of global layers everywhere", |settings| settings.local_theta = settings.global_theta),
    ];
    for (what, change) in twins {
        let mut twin = model.clone();
        let Family::ModernBert(settings) = &mut twin.config.family else { panic!("a ModernBERT") };
        change(settings);
        assert_far(
            what,
            &twin.infer(&batch_of(&expected)).expect("its rows can be read"),
            &expected.floats("logits"),
            c_forward("modernbert"),
            TERMS,
        );
    }
    let (model, expected) = (load("deberta-v2"), read_expected("deberta-v2"));
    let twins: [Twin<Deberta>; 2] = [
        ("linear buckets", |settings| settings.buckets.logarithmic = None),
        ("buckets for longer sequences", |settings| settings.buckets.logarithmic = Some(63)),
    ];
    for (what, change) in twins {
        let mut twin = model.clone();
        change(deberta(&mut twin.config));
        assert_far(
            what,
            &twin.infer(&batch_of(&expected)).expect("its rows can be read"),
            &expected.floats("logits"),
            C_FORWARD,
            TERMS,
        );
    }
    let (mut twin, expected) = (load("deberta-v2_conv"), read_expected("deberta-v2_conv"));
    deberta(&mut twin.config).convolution.as_mut().expect("a convolution").activation =
        tagsmith_kernel::op::activation::Activation::Tanh;
    assert_far(
        "another activation",
        &twin.infer(&batch_of(&expected)).expect("its rows can be read"),
        &expected.floats("logits"),
        C_FORWARD,
        TERMS,
    );
}

#[test]
fn shards_and_base_names_hold_the_same_model() {
    let (whole, shards) = (load("bert"), load("bert_sharded"));
    assert_eq!(
        whole.params.to_vec().expect("its rows can be read"),
        shards.params.to_vec().expect("its rows can be read")
    );
    // A base checkpoint: no prefix, no head, other heads' tensors, the oldest names of a norm.
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let base = scratch.path().join("model.safetensors");
    let extra = ("cls.predictions.bias".to_owned(), vec![60], vec![0f32; 60]);
    let named = whole.params.slots.iter().enumerate().filter(|(_, slot)| !slot.name.starts_with("classifier"));
    let old =
        |name: &str| name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta");
    let renamed = named.map(|(number, slot)| {
        let bare = slot.name.strip_prefix("bert.").expect("only the head has no prefix");
        (old(bare), slot.shape.clone(), whole.params.copy(SlotId(number)).expect("its rows can be read"))
    });
    let all: Vec<_> = renamed.chain([extra]).collect();
    let entry = |(name, shape, values): &'_ (String, Vec<usize>, Vec<f32>)| Entry {
        name: name.clone().into(),
        shape: shape.clone(),
        values: Values::F32s(Box::new([Ok(values.clone().into())].into_iter())),
    };
    tensors::write(&base, all.iter().map(entry).collect(), &[]).expect("writing works");
    let load_base = |seed| {
        Model::load(scratch.path(), whole.config.clone(), Head::Drawn { seed, ignore_mismatched_sizes: false })
            .expect("it reads")
    };
    let (model, notes) = load_base(1);
    let left_out = format!("{}: left out, parts of heads for other tasks: `cls.predictions.bias`", base.display());
    assert_eq!(notes, [&left_out, "the checkpoint has no head for 5 labels: drawn from seed 1"]);
    let refused = Model::load(scratch.path(), whole.config.clone(), Head::Required).expect_err("there is no head");
    assert!(refused.to_string().ends_with("it is an encoder that was not fine-tuned for labels"), "{refused}");
    assert_eq!(refused.remedy(), Some(Remedy::to_do("train it on labeled text first")));
    let head: usize = model.params.slots[..model.layout.classifier.weight.0].iter().map(Slot::len).sum();
    assert_eq!(
        model.params.to_vec().expect("its rows can be read")[..head],
        whole.params.to_vec().expect("its rows can be read")[..head]
    );
    assert_ne!(
        model.params.to_vec().expect("its rows can be read")[head..],
        load_base(2).0.params.to_vec().expect("its rows can be read")[head..]
    );
    assert_eq!(
        model.params.to_vec().expect("its rows can be read"),
        load_base(1).0.params.to_vec().expect("its rows can be read")
    );
}

#[test]
fn damaged_and_foreign_checkpoints_are_refused() {
    let refused = |name: &str, change: &dyn Fn(&std::path::Path)| -> String {
        let scratch = tempfile::tempdir().expect("a scratch folder");
        for file in ["config.json", "model.safetensors"] {
            std::fs::copy(folder(name).join(file), scratch.path().join(file)).expect("copying works");
        }
        change(scratch.path());
        let read = Config::read(scratch.path());
        let error: Error = match read {
            Err(error) => error.into(),
            Ok((config, _)) => Model::load(scratch.path(), config, Head::Required).expect_err("it is damaged"),
        };
        let path = scratch.path().display().to_string();
        error.to_string().replace(&path, "FOLDER")
    };
    let set = |key: &'static str, value: &'static str| {
        move |at: &std::path::Path| {
            let file = at.join("config.json");
            let mut json: serde_json::Value =
                serde_json::from_slice(&std::fs::read(&file).expect("it is there")).expect("it is JSON");
            json[key] = serde_json::from_str(value).expect("the test's own JSON");
            std::fs::write(file, json.to_string()).expect("writing works");
        }
    };
    let config = |problem: &str| format!("FOLDER/config.json: {problem}");
    let cases: [(&'static str, &'static str, String); 9] = [
        (
            "position_embedding_type",
            "\"relative_key\"",
            config("`position_embedding_type` is \"relative_key\"; only \"absolute\" is implemented"),
        ),
        ("is_decoder", "true", config("`is_decoder` is true; only false is implemented")),
        ("is_causal", "true", config("`is_causal` is true; only false is implemented")),
        (
            "hidden_act",
            "\"mish\"",
            config(
                "`hidden_act` is `mish`; implemented are gelu, gelu_new, gelu_pytorch_tanh, gelu_fast, relu, silu, tanh",
            ),
        ),
        (
            "model_type",
            "\"gpt2\"",
            config(
                "`model_type` is `gpt2`; implemented are bert, roberta, xlm-roberta, camembert, distilbert, electra, \
                 modernbert, deberta-v2",
            ),
        ),
        ("hidden_size", "99999999999", config("`hidden_size` is 99999999999, not a whole number from 1 to 16777216")),
        ("num_attention_heads", "5", config("`num_attention_heads` is 5, which does not divide 24")),
        ("pad_token_id", "60", config("`pad_token_id` is 60, not an id below the vocabulary's 60")),
        (
            "id2label",
            "{\"0\": \"O\", \"2\": \"I\"}",
            config("`id2label` maps `2` to \"I\"; ids run from 0 without gaps"),
        ),
    ];
    for (key, value, want) in cases {
        assert_eq!(refused("bert", &set(key, value)), want);
    }
    let cut = |at: &std::path::Path| {
        let file = at.join("model.safetensors");
        let bytes = std::fs::read(&file).expect("it is there");
        std::fs::write(&file, &bytes[..bytes.len() / 2]).expect("writing works");
    };
    assert!(refused("bert", &cut).contains("is not a whole safetensors file"));
    let more_layers = refused("bert", &set("num_hidden_layers", "3"));
    assert!(more_layers.contains("lacks `bert.encoder.layer.2."), "{more_layers}");
    let wider = refused("bert", &set("intermediate_size", "41"));
    assert!(wider.contains("has shape [40], config.json asks for [41]"), "{wider}");
    let labels = refused("bert", &set("id2label", "{\"0\": \"O\", \"1\": \"I\"}"));
    assert!(labels.ends_with("`classifier.bias` has shape [5], 2 labels need [2]"), "{labels}");
    let (config, _) = Config::read(&folder("bert")).expect("it is there");
    let resized = Model::load(&folder("bert"), config.with_labels(&["O".into()]), Head::Required);
    let resized = resized.expect_err("the head is for five labels");
    assert!(resized.to_string().ends_with("has shape [5], 1 label needs [1]"), "{resized}");
    let remedy = Remedy::set(Setting::IgnoreMismatchedSizes).so_as("to draw a new head");
    assert_eq!(resized.remedy(), Some(remedy));
    let huge = refused("bert", &set("vocab_size", "16777216"));
    assert!(huge.contains("too few for the 402"), "{huge}");
    let deep = refused("bert", &set("num_hidden_layers", "16777216"));
    assert!(deep.contains("`num_hidden_layers` is 16777216; more than 1024"), "{deep}");
    let not_finite = refused("bert", &|at: &std::path::Path| {
        let file = at.join("model.safetensors");
        let mut bytes = std::fs::read(&file).expect("it is there");
        let end = bytes.len();
        bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
        std::fs::write(&file, bytes).expect("writing works");
    });
    assert!(not_finite.contains("has NaN at element"), "{not_finite}");
}

#[test]
fn rows_come_from_the_open_file_and_from_no_other() {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let (whole, batch) = (load("bert"), batch_of(&read_expected("bert")));
    let file = scratch.path().join("model.safetensors");
    let open = || {
        whole.save(scratch.path()).expect("saving works");
        Model::load(scratch.path(), whole.config.clone(), Head::Required).expect("it reads").0
    };
    // Reading takes memory for the rows read alone.
    let model = open();
    let words = |model: &Model| model.params.table(model.layout.encoder.words()).bytes();
    let unread = words(&model);
    let scores = model.infer(&batch).expect("its rows can be read");
    let distinct: std::collections::BTreeSet<u32> = batch.ids.iter().copied().collect();
    assert_eq!(words(&model) - unread, 4 * distinct.len() * model.config.shape.embedding_size);
    // Saving over the file that is open, as a run does whose output is its model, leaves the rows to be read.
    let model = open();
    model.save(scratch.path()).expect("saving works");
    assert_eq!(model.infer(&batch).expect("its rows can be read"), scores);
    let model = open();
    std::fs::remove_file(&file).expect("removing works");
    assert_eq!(model.infer(&batch).expect("its rows can be read"), scores);
    // Another program writing into it is noticed, even if what it writes is as long.
    let refused = |change: &dyn Fn()| {
        let model = open();
        let first = Batch { ids: vec![1], types: vec![0], starts: vec![0, 1], labels: vec![], teacher: vec![] };
        model.infer(&first).expect("the file is unchanged");
        change();
        let lost = model.infer(&batch).expect_err("the file was changed");
        // Saving reads all rows.
        let saved = model.save(tempfile::tempdir().expect("a scratch folder").path()).expect_err("it was changed");
        assert_eq!(saved.to_string(), lost.to_string());
        lost.to_string()
    };
    whole.save(scratch.path()).expect("saving works");
    let bytes = std::fs::read(&file).expect("it is there");
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
    let same_length = refused(&|| {
        std::fs::write(&file, &bytes).expect("writing works");
        let file = std::fs::File::options().write(true).open(&file).expect("it is there");
        file.set_modified(later).expect("setting a time works");
    });
    assert!(same_length.ends_with("was written to while its weights were in use: run again"), "{same_length}");
    let shorter = refused(&|| std::fs::write(&file, &bytes[..1000]).expect("writing works"));
    assert!(shorter.contains("model.safetensors: was written to"), "{shorter}");
}

#[test]
fn what_is_saved_reads_back_bit_for_bit() {
    for name in FAMILIES {
        let model = load(name);
        let scratch = tempfile::tempdir().expect("a scratch folder");
        model.save(scratch.path()).expect("saving works");
        let (config, _) = Config::read(scratch.path()).expect("config.json reads back");
        assert_eq!(config.labels, model.config.labels);
        let (again, notes) = Model::load(scratch.path(), config, Head::Required).expect("the weights read back");
        assert!(notes.is_empty(), "{notes:?}");
        assert_eq!(
            model.params.to_vec().expect("its rows can be read"),
            again.params.to_vec().expect("its rows can be read"),
            "{name}"
        );
        let permissions =
            |file: &str| std::fs::metadata(scratch.path().join(file)).expect("it was saved").permissions();
        assert_eq!(permissions("model.safetensors"), permissions("config.json"), "whoever reads one reads the other");
    }
}
