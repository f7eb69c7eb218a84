//! All four span taggers against PyTorch in f64 (golden/spans, written by oracle/spans.py).

use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;
use tagsmith_kernel::check::{assert_close, assert_far, distance, tolerance};
use tagsmith_kernel::params::SlotId;
use tagsmith_ranks::World;
use tagsmith_spans::batch::SpanBatch;
use tagsmith_spans::batch::collate;
use tagsmith_spans::batch::encode::{Encoded, Encoding, Masking, Prompt, added_tokens, plain_labels};
use tagsmith_spans::config::parity::Parity;
use tagsmith_spans::config::{Config, LossConfig, LossKind};
use tagsmith_spans::folder;
use tagsmith_spans::learn::{GoldBatch, Rates, SpanTask, update};
use tagsmith_spans::model::loss::{Gold, Normalization, loss};
use tagsmith_spans::model::{END, Model, SPAN, START};
use tagsmith_text::example::{Entity, Example};
use tagsmith_text::tagged::Content;
use tagsmith_text::tokenizer::Tokenizer;
use tagsmith_train::learner::{Learner, Rate, StepOptions, StepReport};

const MODELS: [(&str, &str, &str); 4] = [
    ("bi_encoder", "text", "none"),
    ("contrastive_bi_encoder", "tokens", "subwords"),
    ("cross_encoder", "tokens", "subwords"),
    ("contrastive_cross_encoder", "text", "none"),
];
const LABELS: [&str; 3] = ["place", "person", "team org"];
const ALL: [bool; 3] = [true; 3];

/// Longest sums: some 60 rows of text in a weight's gradient.
const TERMS: usize = 60;
const C_FORWARD: f64 = 8.0;
const C_BACKWARD: f64 = 16.0;

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../golden/spans").join(name)
}

struct Expected(Vec<u8>);

impl Expected {
    fn read(name: &str) -> Expected {
        Expected(std::fs::read(folder(name).join("expect.safetensors")).expect("golden files are in the repository"))
    }

    fn floats(&self, key: &str) -> Option<Vec<f64>> {
        let file = SafeTensors::deserialize(&self.0).expect("the golden file is whole");
        let tensor = file.tensor(key).ok()?;
        let data = tensor.data();
        let four = |b: &[u8]| -> [u8; 4] { b.try_into().expect("four bytes") };
        Some(match tensor.dtype() {
            Dtype::F64 => {
                data.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().expect("eight bytes"))).collect()
            }
            Dtype::F32 => data.chunks_exact(4).map(|b| f64::from(f32::from_le_bytes(four(b)))).collect(),
            Dtype::I32 => data.chunks_exact(4).map(|b| f64::from(i32::from_le_bytes(four(b)))).collect(),
            other => panic!("`{key}` has type {other:?}"),
        })
    }

    fn want(&self, key: &str) -> Vec<f64> {
        self.floats(key).unwrap_or_else(|| panic!("the golden file has no `{key}`"))
    }

    fn ids(&self, key: &str) -> Vec<u32> {
        self.want(key).into_iter().map(|id| id as u32).collect()
    }
}

fn cases() -> Value {
    let text = std::fs::read(folder("cases.json")).expect("golden files are in the repository");
    serde_json::from_slice(&text).expect("it is JSON")
}

fn tokenizer(config: &Config) -> Tokenizer {
    let mut tokenizer = Tokenizer::from_folder(&folder("")).expect("the golden tokenizer reads");
    tokenizer.add_special(added_tokens(config)).expect("it takes tokens");
    tokenizer
}

fn example(value: &Value, format: &str) -> Example {
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

fn labels() -> Vec<String> {
    LABELS.map(str::to_owned).to_vec()
}

fn encode(
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
fn examples(name: &str) -> (Vec<Example>, &'static str) {
    let (_, format, masking) = MODELS.into_iter().find(|model| model.0 == name).expect("it is one of them");
    let cases = cases();
    let of = |case: &&Value| case["format"] == format && case["masking"] == masking && case["architecture"] == name;
    let case = cases["collated"].as_array().expect("a list").iter().find(of).expect("there is one");
    let examples = &case["examples"].as_array().expect("a list")[..3];
    (examples.iter().map(|value| example(value, format)).collect(), masking)
}

/// The golden batch, made from the golden examples.
fn batch(name: &str, config: &Config) -> (SpanBatch, Gold) {
    let (examples, masking) = examples(name);
    batch_of(config, &examples, masking)
}

/// Examples with the golden tokenizer.
fn batch_of(config: &Config, examples: &[Example], masking: &str) -> (SpanBatch, Gold) {
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

fn load(name: &str) -> Model {
    let (model, notes) = folder::load(&folder(name)).expect("the golden model reads");
    assert!(notes.is_empty(), "{notes:?}");
    model
}

/// The golden file's (C, n) as our (n, C).
fn transposed(want: &[f64]) -> Vec<f64> {
    let n = want.len() / LABELS.len();
    (0..n).flat_map(|row| (0..LABELS.len()).map(move |kind| want[kind * n + row])).collect()
}

fn variants(config: &LossConfig) -> Vec<(&'static str, LossConfig)> {
    let base = config.clone();
    let positive = [Some(2.0), Some(3.0), Some(10.0)];
    match config.kind {
        LossKind::Contrastive => vec![
            ("contrastive", base.clone()),
            ("contrastive_sharp", LossConfig { tau: 0.2, threshold_weight: 0.9, ..base }),
        ],
        _ => vec![
            ("bce", base.clone()),
            ("bce_weighted", LossConfig { positive_weights: positive, ..base.clone() }),
            ("bce_span_alone", LossConfig { weights: [0.0, 0.0, 1.0], ..base.clone() }),
            ("focal", LossConfig { kind: LossKind::Focal, ..base.clone() }),
            (
                "focal_unweighted",
                LossConfig {
                    kind: LossKind::Focal,
                    focal_alpha: None,
                    focal_gamma: 1.5,
                    positive_weights: positive,
                    ..base.clone()
                },
            ),
            ("dice", LossConfig { kind: LossKind::Dice, ..base.clone() }),
            ("dice_focal", LossConfig { kind: LossKind::DiceFocal, ..base }),
        ],
    }
}

#[test]
fn the_first_layout_holds_the_same_model() {
    let first = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../golden/pickled/span_tagger");
    let (model, notes) = folder::load(&first).expect("the golden model reads");
    assert_eq!(notes, [""; 0]);
    let want = load("bi_encoder");
    assert_eq!(
        model.params.to_vec().expect("its rows can be read"),
        want.params.to_vec().expect("its rows can be read")
    );
    assert_eq!(model.config.architecture, want.config.architecture);
}

/// Makes a case's batch again and holds it against what the original's collator made.
fn check_batch(case: &Value, tokenizer: &Tokenizer, max_length: usize, parity: Parity) {
    let text = |key: &str| case[key].as_str().expect("a string");
    let (name, format, masking) = (text("architecture"), text("format"), text("masking"));
    let what = format!("{} {name} {format} {masking} {parity:?}", case["tokenizer"]);
    let mut config = Config { longest: 4, ..Config::read(&folder(name)).expect("it reads") };
    config.reproduce(parity);
    let examples: Vec<Example> =
        case["examples"].as_array().expect("a list").iter().map(|value| example(value, format)).collect();
    let encoded = encode(&config, tokenizer, &examples, masking, max_length);
    let refs: Vec<&Encoded> = encoded.iter().collect();
    let alone = added_tokens(&config).is_empty().then(|| collate::labels(tokenizer, &labels()).expect("labels").0);
    let (scene, listed) = collate::batch(&config, &refs, alone);
    let mut lost = 0;
    let mut all = Vec::new();
    let begin = case["begin"].as_u64().expect("a number") as usize;
    for (row, (encoded, example)) in encoded.iter().zip(&examples).enumerate() {
        let ids: Vec<u32> = serde_json::from_value(case["ids"][row].clone()).expect("ids");
        assert_eq!(encoded.ids, ids, "{what}: ids of {row}");
        let spans: Vec<(usize, usize)> = serde_json::from_value(case["spans"][row].clone()).expect("spans");
        let ours = listed[row].spans.iter().filter(|&&span| encoded.findable(&config, span));
        let ours: Vec<_> = ours.map(|(i, j)| (i - begin, j - begin)).collect();
        assert_eq!(ours, spans, "{what}: spans of {row}");
        let (gold, gone) = encoded.gold(example, &labels(), &config);
        lost += gone;
        let mut named: Vec<(usize, usize, &str)> =
            gold.iter().map(|&(i, j, kind)| (i - begin, j - begin, LABELS[kind])).collect();
        named.sort_unstable();
        let want: Vec<(usize, usize, String)> = serde_json::from_value(case["gold"][row].clone()).expect("gold");
        let want: Vec<_> = want.iter().map(|(i, j, label)| (*i, *j, label.as_str())).collect();
        assert_eq!(named, want, "{what}: gold of {row}");
        all.push(gold);
    }
    assert_eq!(lost as u64, case["lost"].as_u64().expect("a number"), "{what}: lost");
    let gold = collate::gold(&config, &refs, &all, &listed, &scene);
    let counted = gold.masks[SPAN].iter().filter(|counts| **counts).count();
    let spans: usize =
        case["spans"].as_array().expect("a list").iter().map(|row| row.as_array().map_or(0, Vec::len)).sum();
    assert_eq!(counted, spans, "{what}: spans that count");
    if parity == Parity::default() {
        let padded = ["width", "enumerated"].map(|key| examples.len() * case[key].as_u64().expect("a number") as usize);
        assert_eq!(gold.whole.padded, padded, "{what}: padded");
    }
}

/// The cases of a list, with their tokenizers: the golden one, or one of golden/pieces.
fn check_batches(key: &str, count: usize, max_length: usize) {
    let cases = cases();
    let cases = cases[key].as_array().expect("a list");
    assert_eq!(cases.len(), count);
    for case in cases {
        let config = Config::read(&folder(case["architecture"].as_str().expect("a name"))).expect("it reads");
        let at = case["tokenizer"].as_str().map_or_else(|| folder(""), |kind| folder("../pieces").join(kind));
        let mut tokenizer = Tokenizer::from_folder(&at).expect("the golden tokenizer reads");
        tokenizer.add_special(added_tokens(&config)).expect("it takes tokens");
        let names = case["parity"].as_array().into_iter().flatten().filter_map(Value::as_str);
        check_batch(case, &tokenizer, max_length, Parity::named(names));
    }
}

#[test]
fn batches_are_the_originals_without_padding() {
    check_batches("collated", 16, 30);
}

#[test]
fn prompts_of_other_families_are_the_originals() {
    check_batches("families", 24, 80);
}

#[test]
fn batches_with_the_originals_defects_are_the_originals() {
    check_batches("with_defects", 12, 30);
    // They do differ from those without.
    let cases = cases();
    let losts: BTreeSet<u64> =
        cases["with_defects"].as_array().expect("a list").iter().filter_map(|case| case["lost"].as_u64()).collect();
    assert!(losts.len() > 1);
}

#[test]
fn a_softmax_over_masked_places_is_the_originals() {
    for case in cases()["leaking"].as_array().expect("a list") {
        let name = case["architecture"].as_str().expect("a name");
        let (_, format, masking) = MODELS.into_iter().find(|model| model.0 == name).expect("it is one of them");
        let number = |key: &str| case[key].as_f64().expect("a number");
        let run = |parity: Parity| {
            let mut model = load(name);
            let scale = model.layout.scales[SPAN];
            model.params.get_mut(scale)[0] = number("scale") as f32;
            model.config.loss.tau = number("tau");
            model.config.loss.weights = [0.0, 0.0, 1.0];
            model.config.reproduce(parity);
            let examples = [example(&case["example"], format)];
            let batch = batch_of(&model.config, &examples, masking);
            let mut learner = learner(model, OPTIONS);
            let loss = step(&mut learner, &[batch], 0.0).loss;
            (loss, learner.gradient("width_embedding.weight").expect("it learns"))
        };
        let gradient = |key: &str| -> Vec<f64> { serde_json::from_value(case[key].clone()).expect("numbers") };
        let leaking = Parity { softmax_mask: true, ..Parity::default() };
        for (parity, loss, want) in
            [(leaking, "loss", "gradient"), (Parity::default(), "loss_without", "gradient_without")]
        {
            let (got, gradients) = run(parity);
            // Scores of ±33 in f32, divided by τ, are exponents: 33 · 2⁻²³ · 8 / τ of them is rounding.
            let rounding = 33.0 * 8.0 * f64::from(f32::EPSILON) / number("tau");
            let apart = (got - number(loss)).abs();
            assert!(apart <= rounding, "{name} {loss}: {got}, {apart} off");
            let want = gradient(want);
            let largest = want.iter().fold(0f64, |a, b| a.max(b.abs()));
            let apart = distance(&gradients, &want);
            assert!(apart <= 4.0 * rounding * largest, "{name} {loss}: gradient {apart} off of {largest}");
        }
        assert!((number("loss") - number("loss_without")).abs() > 10.0, "{name}: nothing leaks");
    }
}

#[test]
fn special_tokens_in_texts_and_labels_are_ordinary_letters() {
    let config = Config::read(&folder("contrastive_cross_encoder")).expect("it reads");
    for kind in ["", "../pieces/roberta", "../pieces/xlm-roberta"] {
        let mut tokenizer = Tokenizer::from_folder(&folder(kind)).expect("the golden tokenizer reads");
        tokenizer.add_special(added_tokens(&config)).expect("it takes tokens");
        let encoding = Encoding { max_length: 200, masking: Masking::None };
        let (plain, in_labels) = plain_labels(&tokenizer, &["place".into(), "a [LABEL] b".into()]).expect("it encodes");
        assert_eq!((plain, in_labels), (vec!["place".into(), "a  LABEL] b".into()], 1), "{kind}");
        let prompt = Prompt::new(&config, &labels());
        let encode = |input: Content| encoding.encode(&tokenizer, Some(&prompt), &input).expect("it encodes");
        let end = if kind.is_empty() { ("[SEP]", " SEP]") } else { ("</s>", " /s>") };
        let write = |label: &str, end: &str| format!("jo {label}  anna {end}[SPAN_THRESHOLD] york");
        let text = encode(Content::Text(write("[LABEL]", end.0)));
        let blanked = write(" LABEL]", end.1).replace("[SPAN", " SPAN");
        let want = encode(Content::Text(blanked.clone()));
        assert_eq!((text.spelled, want.spelled), (3, 0), "{kind}");
        assert_eq!(Encoded { spelled: 0, ..text.clone() }, want, "{kind}");
        assert_eq!(text.markers.len(), LABELS.len(), "{kind}");
        // What the tokenizer alone makes of it has the prompt's own tokens in the text.
        let raw = tokenizer.encode_running(&write("[LABEL]", end.0)).expect("it encodes");
        assert!(raw.ids.contains(&tokenizer.token_id("[LABEL]").expect("it was added")), "{kind}");
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let read = encode(Content::Words(words("jo [LABEL] x[SPAN_THRESHOLD] york")));
        let mut apart = words("jo [LABEL] x[SPAN_THRESHOLD] york");
        (apart[1], apart[2]) = (" LABEL]".into(), "x SPAN_THRESHOLD]".into());
        assert_eq!(Encoded { spelled: 0, ..read.clone() }, encode(Content::Words(apart)), "{kind}");
        assert_eq!(read.spelled, 2, "{kind}");
        // An unknown word is not a special token that somebody wrote.
        assert_eq!(encode(Content::Text("\u{1F600}".into())).spelled, 0, "{kind}");
    }
}

#[test]
fn scores_are_pytorchs() {
    for (name, ..) in MODELS {
        let (model, expected) = (load(name), Expected::read(name));
        let (scene, _) = batch(name, &model.config);
        assert_eq!(scene.text.ids, expected.ids("ids"), "{name}");
        model.fetch(&scene).expect("its rows can be read");
        let (scores, _saved) = model.forward(&scene, None, false, ALL);
        for (part, key) in [(START, "start"), (END, "end"), (SPAN, "span")] {
            let got = scores[part].as_ref().expect("all are wanted").data().to_vec();
            let want = transposed(&expected.want(key));
            assert_close(&format!("{name} {key}"), &got, &want, C_FORWARD, TERMS);
        }
        let inferred = model.infer(&scene, None).expect("its rows can be read");
        assert_eq!(inferred.data(), scores[SPAN].as_ref().expect("all are wanted").data(), "{name}");
        // So many spans that they are scored in blocks, which end within texts.
        let (few, masking) = examples(name);
        let (many, _) = batch_of(&model.config, &vec![few; 90].concat(), masking);
        assert!(many.spans.len() > 2500, "{name}: {} spans", many.spans.len());
        model.fetch(&many).expect("its rows can be read");
        let ([_, _, whole], _saved) = model.forward(&many, None, false, [false, false, true]);
        assert!(
            model.infer(&many, None).expect("its rows can be read").data() == whole.expect("it is wanted").data(),
            "{name}: blocks change scores"
        );
        // Wrong twins.
        let want = transposed(&expected.want("span"));
        let reject = |what: &str, model: &Model, scene: &SpanBatch| {
            assert_far(
                &format!("{name}: {what}"),
                model.infer(scene, None).expect("its rows can be read").data(),
                &want,
                C_FORWARD,
                TERMS,
            );
        };
        let mut twin = model.clone();
        let scale = twin.layout.scales[SPAN];
        twin.params.get_mut(scale)[0] += 1e-3;
        reject("another scale", &twin, &scene);
        let mut wide = scene.clone();
        wide.spans.iter_mut().for_each(|span| span.width -= 1);
        reject("the width before", &model, &wide);
        let mut swapped = scene.clone();
        swapped.spans.iter_mut().for_each(|span| std::mem::swap(&mut span.start, &mut span.end));
        reject("starts for ends", &model, &swapped);
    }
}

#[test]
fn losses_and_their_gradients_are_pytorchs() {
    for (name, ..) in MODELS {
        let (model, expected) = (load(name), Expected::read(name));
        let (scene, gold) = batch(name, &model.config);
        model.fetch(&scene).expect("its rows can be read");
        let (scores, _saved) = model.forward(&scene, None, false, ALL);
        for (variant, config) in variants(&model.config.loss) {
            let got = loss(&config, Normalization::Padded, &scores, &scene, &gold);
            let want = expected.want(&format!("{variant}.loss"));
            assert_close(&format!("{name} {variant}"), &[got.value as f32], &want, C_FORWARD, TERMS);
            for (part, key) in [(START, "start"), (END, "end"), (SPAN, "span")] {
                let want = transposed(&expected.want(&format!("{variant}.d_{key}")));
                let got = got.dscores[part].as_ref().expect("all are scored").data();
                assert_close(&format!("{name} {variant} {key}"), got, &want, C_BACKWARD, TERMS);
            }
            let twin = LossConfig { weights: [0.3, 0.2, 0.5], ..config.clone() };
            let twin = loss(&twin, Normalization::Padded, &scores, &scene, &gold).value;
            let valid = loss(&config, Normalization::Valid, &scores, &scene, &gold).value;
            if variant != "bce_span_alone" {
                assert_far("start for end", &[twin as f32], &want, C_FORWARD, TERMS);
            }
            if matches!(config.kind, LossKind::Bce | LossKind::Focal) {
                assert_far("no padding", &[valid as f32], &want, C_FORWARD, TERMS);
            }
        }
    }
}

/// The original's.
const OPTIONS: StepOptions = StepOptions {
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-8,
    weight_decay: 0.01,
    max_grad_norm: 10.0,
    gradient_checkpointing: false,
    seed: 1,
};

fn learner(model: Model, options: StepOptions) -> Learner<SpanTask> {
    let task = SpanTask { model, normalization: Normalization::Padded, rates: Rates::default() };
    Learner::new(task, options, &[]).expect("nothing is frozen").0
}

fn step(learner: &mut Learner<SpanTask>, batches: &[GoldBatch], rate: f64) -> StepReport {
    learner.step(&World::alone(), &update(batches.to_vec()), Rate::scheduled(1e-3, rate)).expect("its rows can be read")
}

/// With dropout everywhere, which PyTorch draws otherwise: the loss's slope along a part's gradient is its length, by
/// central differences under the same masks; along the gradient under other masks it is not.
#[test]
fn gradients_under_dropout_are_slopes() {
    const STEP: f64 = 2e-3;
    for (name, ..) in MODELS {
        let mut model = load(name);
        model.config.dropout = 0.3;
        for encoder in [Some(&mut model.token_encoder), model.type_encoder.as_mut()].into_iter().flatten() {
            (encoder.shape.hidden_dropout, encoder.shape.attention_dropout) = (0.2, 0.2);
        }
        let batch = batch(name, &model.config);
        let learn = |model: &Model, seed: u64| {
            let mut learner = learner(model.clone(), StepOptions { seed, ..OPTIONS });
            let loss = step(&mut learner, std::slice::from_ref(&batch), 0.0).loss;
            (loss, learner)
        };
        for part in ["token_encoder.", "type_encoder.", "type_linear.", "token_"] {
            let of_part =
                |name: &str| name.starts_with(part) && (part != "token_" || !name.starts_with("token_encoder."));
            let gradients = |learner: &Learner<SpanTask>| -> Vec<(usize, Vec<f32>)> {
                let dense =
                    model.params.slots.iter().enumerate().filter(|(_, slot)| !slot.sparse && of_part(&slot.name));
                dense.filter_map(|(number, slot)| Some((number, learner.gradient(&slot.name)?))).collect()
            };
            let slope = |gradients: &[(usize, Vec<f32>)]| -> (f64, f64) {
                let squares = gradients.iter().flat_map(|(_, gradient)| gradient).map(|g| f64::from(*g).powi(2));
                let length = squares.sum::<f64>().sqrt();
                let at = |step: f64| {
                    let mut moved = model.clone();
                    for (number, gradient) in gradients {
                        let values = moved.params.get_mut(SlotId(*number)).iter_mut();
                        values.zip(gradient).for_each(|(x, g)| *x += (step / length * f64::from(*g)) as f32);
                    }
                    learn(&moved, 1).0
                };
                (length, (at(STEP) - at(-STEP)) / (2.0 * STEP))
            };
            let own = gradients(&learn(&model, 1).1);
            if own.is_empty() {
                assert_eq!((part, model.type_encoder.is_none()), ("type_encoder.", true), "{name}");
                continue;
            }
            let (length, got) = slope(&own);
            assert!((got - length).abs() <= 0.02 * length, "{name} {part}: slope {got}, gradient {length}");
            let (length, got) = slope(&gradients(&learn(&model, 2).1));
            assert!(
                (got - length).abs() > 0.02 * length,
                "{name} {part}: other masks pass, slope {got}, gradient {length}"
            );
        }
    }
}

#[test]
fn every_gradient_is_pytorchs() {
    for (name, ..) in MODELS {
        let (model, expected) = (load(name), Expected::read(name));
        let batch = batch(name, &model.config);
        let slots = model.params.slots.clone();
        let mut learner = learner(model, OPTIONS);
        step(&mut learner, &[batch], 0.0);
        let wants: Vec<_> = slots.iter().map(|slot| expected.floats(&format!("grad.{}", slot.name))).collect();
        let largest = wants.iter().flatten().flatten().fold(0f64, |a, b| a.max(b.abs()));
        let mut learning = 0;
        for (slot, want) in slots.iter().zip(&wants) {
            let got = learner.gradient(&slot.name);
            let (Some(got), Some(want)) = (&got, want) else {
                assert!(got.is_none() && want.is_none(), "{name} {}: one has a gradient", slot.name);
                continue;
            };
            let own = want.iter().fold(0f64, |a, b| a.max(b.abs())).max(largest / 30.0);
            let (apart, allowed) = (distance(got, want), tolerance(C_BACKWARD, TERMS, &[own]));
            assert!(apart <= allowed, "{name} {}: off by {apart:.3e}, {allowed:.3e} allowed", slot.name);
            learning += 1;
        }
        assert!(learning > 40, "{name}: {learning} parameters learn");
    }
}

#[test]
fn a_step_of_several_batches_learns_from_their_mean() {
    let (name, ..) = MODELS[0];
    let model = load(name);
    let examples = cases()["collated"][0]["examples"].as_array().expect("a list").clone();
    let [first, second] = [0, 1].map(|number| batch_of(&model.config, &[example(&examples[number], "text")], "none"));
    let gradient = |batches: &[(SpanBatch, Gold)]| {
        let mut learner = learner(model.clone(), OPTIONS);
        let loss = step(&mut learner, batches, 0.0).loss;
        (loss, learner.gradient("token_span_linear.3.weight").expect("it learns"))
    };
    let (a, b) = (gradient(std::slice::from_ref(&first)), gradient(std::slice::from_ref(&second)));
    let both = gradient(&[first, second]);
    let mean: Vec<f64> = a.1.iter().zip(&b.1).map(|(a, b)| 0.5 * (f64::from(*a) + f64::from(*b))).collect();
    assert_close("gradient", &both.1, &mean, 8.0, 4);
    assert_far("of the last alone", &b.1, &mean, 8.0, 4);
    assert!((both.0 - 0.5 * (a.0 + b.0)).abs() < 1e-9 * both.0.abs());
}

#[test]
fn five_steps_are_pytorchs() {
    for (name, ..) in MODELS {
        let (model, expected) = (load(name), Expected::read(name));
        let batch = batch(name, &model.config);
        let mut learner = learner(model, OPTIONS);
        let rates = expected.want("rates");
        let reports: Vec<_> =
            rates.iter().map(|rate| step(&mut learner, std::slice::from_ref(&batch), rate / 1e-3)).collect();
        let losses: Vec<f32> = reports.iter().map(|report| report.loss as f32).collect();
        let norms: Vec<f32> = reports.iter().map(|report| report.grad_norm as f32).collect();
        assert_close(&format!("{name} losses"), &losses, &expected.want("losses"), 32.0, TERMS);
        assert_close(&format!("{name} norms"), &norms, &expected.want("norms"), 64.0, TERMS);
        let model = learner.into_model().model;
        for (number, slot) in model.params.slots.iter().enumerate() {
            let want = expected.want(&format!("final.{}", slot.name));
            let got = model.params.copy(SlotId(number)).expect("its rows can be read");
            let apart = distance(&got, &want);
            // A key's bias has no gradient in exact arithmetic: Adam makes rates of its noise.
            let allowed = if slot.name.ends_with("key.bias") { 3e-3 } else { 2e-5 };
            assert!(apart <= allowed, "{name} {}: off by {apart:.3e}", slot.name);
        }
        // A step without decay is another.
        let start = load(name);
        let norm = start.params.slots.iter().position(|slot| slot.name.ends_with("width_embedding.weight"));
        let number = norm.expect("every model has one");
        let undecayed = distance(
            &start.params.copy(SlotId(number)).expect("its rows can be read"),
            &expected.want("final.width_embedding.weight"),
        );
        assert!(undecayed > 1e-4, "{name}: the steps change nothing");
    }
}

#[test]
fn entities_are_the_originals() {
    use tagsmith_spans::find::decode::{Candidate, Mode, accept};
    let mut differing = 0;
    for case in cases()["decoded"].as_array().expect("a list") {
        let number = |key: &str| case[key].as_u64().expect("a number") as usize;
        let (positions, longest) = (number("positions"), number("longest"));
        let spans = (0..positions).flat_map(|i| (i..positions.min(i + longest)).map(move |j| (i, j)));
        let probability = |kind: usize, n: usize| case["probabilities"][kind][n].as_f64().expect("a number");
        let mut candidates = Vec::new();
        for (n, (start, end)) in spans.enumerate() {
            for kind in 0..2 {
                let bar = case["threshold"].as_f64().unwrap_or_else(|| probability(kind, 0));
                let score = probability(kind, n);
                if case["valid"][n] == true && score > bar {
                    candidates.push(Candidate { start, end, kind, score });
                }
            }
        }
        let found = |mode: Mode| -> Vec<(usize, usize, String, f64)> {
            let named = |it: Candidate| (it.start, it.end, ["a", "b"][it.kind].to_owned(), it.score);
            accept(candidates.clone(), mode).into_iter().map(named).collect()
        };
        for name in Mode::NAMES {
            let want: Vec<(usize, usize, String, f64)> =
                serde_json::from_value(case["entities"][name].clone()).expect("entities");
            assert_eq!(found(Mode::named(name).expect("it is one")), want, "{name}: {case}");
        }
        differing += usize::from(found(Mode::Flat) != found(Mode::Nested));
    }
    assert!(differing > 5, "nested is flat");
}

#[test]
fn figures_are_the_originals() {
    use tagsmith_spans::evaluate::score::{Labeled, Score};
    for case in cases()["scored"].as_array().expect("a list") {
        let sets = |key: &str| -> Vec<Vec<Labeled>> { serde_json::from_value(case[key].clone()).expect("sets") };
        let (gold, predicted) = (sets("gold"), sets("predicted"));
        let (mut score, mut swapped) = (Score::default(), Score::default());
        for (gold, predicted) in gold.iter().zip(&predicted) {
            score.add(gold, predicted);
            swapped.add(predicted, gold);
        }
        let near = |a: &Value, b: &Value| (a.as_f64().expect("a number") - b.as_f64().expect("a number")).abs() < 1e-12;
        let (got, want) = (Value::Object(score.to_json()), &case["figures"]);
        for part in ["micro", "macro"] {
            for (key, want) in want[part].as_object().expect("figures") {
                assert!(near(&got[part][key], want), "{part} {key}: {} {want}", got[part][key]);
            }
        }
        let classes = want["per_class"].as_object().expect("classes");
        assert_eq!(got["per_class"].as_object().expect("classes").len(), classes.len());
        for (label, figures) in classes {
            for (key, want) in figures.as_object().expect("figures") {
                assert!(near(&got["per_class"][label][key], want), "{label} {key}");
            }
        }
        if gold != predicted && score.total().fp != score.total().fn_ {
            assert_ne!(swapped.total(), score.total(), "gold and predicted are one");
        }
    }
}
