//! Ten optimizer steps of every family against PyTorch's AdamW in f64 (golden/models, written by oracle/models.py).

mod devices;
mod launches;
mod losses;

use std::path::PathBuf;
use tagsmith_encoder::batch::Batch;
use tagsmith_encoder::config::Config;
use tagsmith_kernel::Precision;
use tagsmith_kernel::check::{distance, tolerance};
use tagsmith_kernel::op::label_loss::Form;
use tagsmith_kernel::params::SlotId;
use tagsmith_ranks::World;
use tagsmith_testkit::golden::{self, Expected};
use tagsmith_tokens::folder::Head;
use tagsmith_tokens::learn::{LossOptions, LossScaling, TokenTask, update};
use tagsmith_tokens::model::Model;
use tagsmith_train::learner::{Learner, Rate, StepOptions, StepReport};

const FAMILIES: [&str; 9] = [
    "bert",
    "roberta",
    "xlm-roberta",
    "camembert",
    "distilbert",
    "electra",
    "modernbert",
    "deberta-v2",
    "deberta-v2_conv",
];

/// How far a loss of ten steps may be from PyTorch's in f64; PyTorch's own f32 is 7e-7 away.
const LOSS_APART: f64 = 4e-6;
/// How far a gradient norm may be, relative to itself; PyTorch's own f32 is 1e-6 away.
const NORM_APART: f64 = 1e-5;

fn folder(name: &str) -> PathBuf {
    golden::path("models").join(name)
}

fn read_expected(name: &str) -> Expected {
    Expected::of(format!("models/{name}"))
}

/// The sequences as micro-batches that begin at these sequence numbers.
fn batches_of(expected: &Expected, begins: &[usize]) -> Vec<Batch> {
    let (ids, types, labels) = (expected.ids("ids"), expected.ids("types"), expected.labels("labels"));
    let mut batches = Vec::new();
    let mut row = 0;
    for (number, length) in expected.ids("lengths").into_iter().enumerate() {
        if begins.contains(&number) {
            batches.push(Batch::default());
        }
        let rows = row..row + length as usize;
        let batch = batches.last_mut().expect("the first begins at 0");
        batch.push(&ids[rows.clone()], &types[rows.clone()], &labels[rows.clone()]);
        row = rows.end;
    }
    batches
}

const OPTIONS: StepOptions = StepOptions {
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-8,
    weight_decay: 0.05,
    max_grad_norm: 1.0,
    gradient_checkpointing: false,
    seed: 1,
};

const LOSS: LossOptions = LossOptions::PLAIN;

/// The loss with a smoothing of 0.1.
fn smoothed() -> LossOptions {
    LossOptions { form: Form::CrossEntropy { smoothing: 0.1 }, ..LOSS }
}

/// A learner without other ranks.
fn learner(model: Model, options: StepOptions) -> Learner<TokenTask> {
    Learner::new(TokenTask::new(model, LOSS), options, &[]).expect("nothing to freeze").0
}

fn step(learner: &mut Learner<TokenTask>, batches: &[Batch], rate: f64) -> StepReport {
    learner.step(&World::alone(), &update(batches.to_vec()), Rate::scheduled(rate, 1.0)).expect("its rows can be read")
}

/// The numbers of all parameters.
fn weights(learner: &mut Learner<TokenTask>) -> Vec<f32> {
    learner.model().model.params.to_vec().expect("its rows can be read")
}

/// Losses and norms of ten steps, and what they left behind.
struct Run {
    losses: Vec<f64>,
    grad_norms: Vec<f64>,
    learner: Learner<TokenTask>,
}

fn ten_steps(name: &str, options: StepOptions, frozen: &[&str], begins: &[usize]) -> Run {
    ten_steps_by(name, LOSS, options, frozen, begins)
}

fn ten_steps_by(name: &str, loss: LossOptions, options: StepOptions, frozen: &[&str], begins: &[usize]) -> Run {
    ten_steps_of(name, golden_model(name), loss, options, frozen, begins)
}

fn golden_model(name: &str) -> Model {
    let (config, _) = Config::read(&folder(name)).expect("the golden configuration reads");
    Model::load(&folder(name), config, Head::Required).expect("the golden weights read").0
}

/// The golden model of this family makes ten steps, where it lies.
fn ten_steps_of(
    name: &str,
    model: Model,
    loss: LossOptions,
    options: StepOptions,
    frozen: &[&str],
    begins: &[usize],
) -> Run {
    let expected = read_expected(name);
    let frozen: Vec<String> = frozen.iter().map(|&pattern| pattern.to_owned()).collect();
    let (mut learner, _) = Learner::new(TokenTask::new(model, loss), options, &frozen).expect("the patterns match");
    let batches = batches_of(&expected, begins);
    let rates = expected.floats("learning_rates");
    let reports: Vec<_> = rates.into_iter().map(|rate| step(&mut learner, &batches, rate)).collect();
    Run {
        losses: reports.iter().map(|report| report.loss).collect(),
        grad_norms: reports.iter().map(|report| report.grad_norm).collect(),
        learner,
    }
}

/// How far a run is from the golden one: the worst loss, and the worst norm relative to itself.
fn apart(name: &str, key: &str, run: &Run) -> (f64, f64) {
    let expected = read_expected(name);
    let worst = |got: &[f64], want: Vec<f64>, apart: fn(f64, f64) -> f64| {
        assert_eq!(got.len(), want.len());
        let each = got.iter().zip(want).map(|(&got, want)| apart(got, want));
        each.fold(0.0, |a: f64, b| if b.is_nan() { f64::INFINITY } else { a.max(b) })
    };
    (
        worst(&run.losses, expected.floats(&format!("{key}losses")), |a, b| (a - b).abs()),
        worst(&run.grad_norms, expected.floats(&format!("{key}grad_norms")), |a, b| (a / b - 1.0).abs()),
    )
}

#[track_caller]
fn assert_same(name: &str, key: &str, run: &Run) {
    let (loss, norm) = apart(name, key, run);
    assert!(loss <= LOSS_APART && norm <= NORM_APART, "{name} {key}: loss off by {loss:.2e}, norm by {norm:.2e}");
}

#[track_caller]
fn assert_other(what: &str, key: &str, run: &Run) {
    let (loss, norm) = apart("bert", key, run);
    assert!(loss > LOSS_APART || norm > NORM_APART, "{what} passes: loss off by {loss:.2e}, norm by {norm:.2e}");
}

#[test]
fn losses_norms_and_weights_of_ten_steps_are_pytorchs() {
    for name in FAMILIES {
        let mut run = ten_steps(name, OPTIONS, &[], &[0]);
        assert_same(name, "", &run);
        assert_same_weights(name, &mut run);
    }
}

/// The weights after ten steps are PyTorch's.
#[track_caller]
fn assert_same_weights(name: &str, run: &mut Run) {
    let expected = read_expected(name);
    let params = &run.learner.model().model.params;
    for (number, slot) in params.slots.iter().enumerate() {
        let want = expected.floats(&format!("final.{}", slot.name));
        // A key's bias has gradient 0 but for rounding, which Adam turns into steps of the learning rate's size.
        let idle = slot.name.ends_with("key.bias") || slot.name.ends_with("k_lin.bias");
        let allowed = if idle { 5e-3 } else { tolerance(16.0, 45, &want).max(5e-5) };
        let apart = distance(&params.copy(SlotId(number)).expect("its rows can be read"), &want);
        assert!(apart <= allowed, "{name} {}: off by {apart:.2e}, {allowed:.2e} allowed", slot.name);
    }
}

const SCALINGS: [(&str, LossScaling); 3] = [
    ("token.", LossScaling::Token),
    ("mean_of_means.", LossScaling::MeanOfMeans),
    ("sum_of_means.", LossScaling::SumOfMeans),
];

#[test]
fn micro_batches_combine_as_each_scaling_says() {
    for name in FAMILIES {
        for (key, scaling) in SCALINGS {
            let loss = LossOptions { scaling, ..LOSS };
            assert_same(name, key, &ten_steps_by(name, loss, OPTIONS, &[], &[0, 2]));
        }
    }
    for (key, scaling) in SCALINGS {
        let run = ten_steps_by("bert", LossOptions { scaling, ..LOSS }, OPTIONS, &[], &[0, 2]);
        for (other, _) in SCALINGS.into_iter().filter(|(other, _)| *other != key) {
            assert_other(&format!("{key} for {other}"), other, &run);
        }
    }
}

#[test]
fn neither_how_a_step_is_cut_nor_threads_change_a_bit() {
    for name in FAMILIES {
        let expected = read_expected(name);
        let count = expected.floats("lengths").len();
        let run = |begins: &[usize], precision, seed| {
            let (config, _) = Config::read(&folder(name)).expect("the golden configuration reads");
            let (mut model, _) = Model::load(&folder(name), config, Head::Required).expect("the weights read");
            model.precision = precision;
            model.config.shape.hidden_dropout = 0.2;
            model.config.shape.attention_dropout = 0.1;
            model.config.facts.head.dropout = 0.1;
            let mut learner = learner(model, StepOptions { seed, ..OPTIONS });
            let batches = batches_of(&expected, begins);
            let losses: Vec<f64> = (0..3).map(|_| step(&mut learner, &batches, 1e-3).loss).collect();
            (losses, weights(&mut learner))
        };
        let each: Vec<usize> = (0..count).collect();
        let (losses, want) = run(&[0], Precision::F32, 1);
        for begins in [&[0, 1][..], &[0, count - 1], &each] {
            let (cut_losses, weights) = run(begins, Precision::F32, 1);
            let apart = losses.iter().zip(cut_losses).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            if name.starts_with("deberta-v2") {
                // The gradients of distances are summed over the sentences of a micro-batch before they are multiplied.
                let allowed = 6e-3;
                let weights_apart = distance(&weights, &want.iter().map(|&x| f64::from(x)).collect::<Vec<_>>());
                assert!(weights_apart <= allowed && apart <= LOSS_APART, "{name}: {weights_apart:.2e}, {apart:.2e}");
                continue;
            }
            assert!(weights == want, "{name}, cut at {begins:?}");
            // Losses are summed per micro-batch, in f64.
            assert!(apart < 1e-12, "{name}: {apart:.2e}");
        }
        assert!(run(&[0], Precision::F32, 2).1 != want, "{name}: another seed drops others");
        for precision in [Precision::F32, Precision::Bf16] {
            let on = |threads| {
                tagsmith_kernel::set_threads(threads).unwrap();
                run(&[0, 1], precision, 1).1
            };
            assert!(on(1) == on(3), "{name} {precision:?}: threads");
        }
        // In bf16 neighboring rows are summed in pairs: a cut after an odd row pairs others.
        let wide = |values: Vec<f32>| values.into_iter().map(f64::from).collect::<Vec<_>>();
        let (whole, cut) = (run(&[0], Precision::Bf16, 1).1, run(&each, Precision::Bf16, 1).1);
        let apart = distance(&cut, &wide(whole.clone()));
        // AdamW's first steps are the rate's size, whatever the gradient's: noise of a gradient near 0 is seen in full.
        assert!(apart <= 6e-3 && distance(&whole, &wide(want)) > 0.0, "{name}: off by {apart:.2e}");
    }
}

#[test]
fn smoothing_freezing_and_checkpointing() {
    for name in FAMILIES {
        let smoothed = ten_steps_by(name, smoothed(), OPTIONS, &[], &[0]);
        assert_same(name, "smoothed.", &smoothed);
        assert_same(name, "frozen.", &ten_steps(name, OPTIONS, &["embeddings"], &[0]));
        let mut checkpointed = ten_steps(name, StepOptions { gradient_checkpointing: true, ..OPTIONS }, &[], &[0]);
        let mut plain = ten_steps(name, OPTIONS, &[], &[0]);
        assert_eq!(weights(&mut checkpointed.learner), weights(&mut plain.learner), "{name}");
    }
}

#[test]
fn wrong_twins_are_rejected() {
    let twin = |what: &str, options: StepOptions, frozen: &[&str]| {
        assert_other(what, "", &ten_steps("bert", options, frozen, &[0]));
    };
    twin("no decay", StepOptions { weight_decay: 0.0, ..OPTIONS }, &[]);
    twin("no clipping", StepOptions { max_grad_norm: 0.0, ..OPTIONS }, &[]);
    twin("another β₂", StepOptions { beta2: 0.99, ..OPTIONS }, &[]);
    twin("another ε", StepOptions { epsilon: 1e-4, ..OPTIONS }, &[]);
    twin("frozen embeddings", OPTIONS, &["embeddings"]);
    twin("frozen norms' biases", OPTIONS, &["*LayerNorm.bias"]);
}

#[test]
fn freezing_a_part_freezes_that_part_alone() {
    let start = {
        let (config, _) = Config::read(&folder("bert")).expect("the golden configuration reads");
        Model::load(&folder("bert"), config, Head::Required).expect("the golden weights read").0
    };
    for pattern in ["*.query.*", "bert.encoder.layer.0.*", "bert.*", "*.bias", "classifier.*"] {
        let mut learner = ten_steps("bert", OPTIONS, &[pattern], &[0]).learner;
        let params = &learner.model().model.params;
        for (number, slot) in params.slots.iter().enumerate() {
            let same = params.copy(SlotId(number)).expect("its rows can be read")
                == start.params.copy(SlotId(number)).expect("its rows can be read");
            assert_eq!(same, slot.frozen, "{pattern}: {}", slot.name);
        }
    }
    let refused = Learner::new(TokenTask::new(start, LOSS), OPTIONS, &["roberta.*".into()])
        .err()
        .expect("it matches nothing")
        .to_string();
    assert!(refused.contains("`roberta.*` matches no parameter"), "{refused}");
}

#[test]
fn a_step_without_labels_changes_nothing_and_says_so() {
    let mut run = ten_steps("bert", OPTIONS, &[], &[0]);
    let before = weights(&mut run.learner);
    let mut batch = batches_of(&read_expected("bert"), &[0]).remove(0);
    batch.labels.fill(tagsmith_text::align::IGNORE);
    let report = step(&mut run.learner, &[batch], 1e-3);
    assert!(report.loss.is_nan() && report.counted == 0);
    assert_eq!(before, weights(&mut run.learner));
}

#[test]
fn the_state_reads_back_bit_for_bit() {
    let mut one = ten_steps("bert", OPTIONS, &[], &[0]).learner;
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let file = scratch.path().join("optimizer.safetensors");
    one.save_state(&file).expect("saving works");
    let mut two = learner(one.model().model.clone(), OPTIONS);
    two.load_state(&file).expect("loading works");
    let batches = batches_of(&read_expected("bert"), &[0]);
    let (a, b) = (step(&mut one, &batches, 1e-3), step(&mut two, &batches, 1e-3));
    assert_eq!((a.loss, a.grad_norm), (b.loss, b.grad_norm));
    assert_eq!(weights(&mut one), weights(&mut two));
    std::fs::write(&file, &std::fs::read(&file).expect("it is there")[..1000]).expect("cutting works");
    let error = two.load_state(&file).expect_err("a cut file is refused").to_string();
    assert!(error.contains("not a whole safetensors file"), "{error}");
}

/// A step of one sequence in four, a warm-up of 100 steps and a linear fall: words are read at gaps of all lengths.
fn varied_step(learner: &mut Learner<TokenTask>, sequences: &[Batch], number: u64) -> [u64; 2] {
    let chosen =
        (tagsmith_kernel::random::stream::Stream::new(7).uniform(0, number as usize) * sequences.len() as f32) as usize;
    let rate = 1e-3 * (number as f64 / 100.0).min((STEPS - number) as f64 / (STEPS - 100) as f64);
    // Sentences of the end are read rarely.
    let chosen = if number.is_multiple_of(97) { chosen } else { chosen / 2 };
    let report = step(learner, &sequences[chosen..=chosen], rate);
    [report.loss.to_bits(), report.grad_norm.to_bits()]
}

const STEPS: u64 = 450;

/// Bits of everything: what the model is at the end.
fn bits(learner: &mut Learner<TokenTask>) -> Vec<u32> {
    weights(learner).iter().map(|value| value.to_bits()).collect()
}

#[test]
fn neither_looking_at_the_model_nor_resuming_changes_a_bit() {
    let start = || {
        let (config, _) = Config::read(&folder("bert")).expect("the golden configuration reads");
        let model = Model::load(&folder("bert"), config, Head::Required).expect("the golden weights read").0;
        learner(model, OPTIONS)
    };
    let count = read_expected("bert").floats("lengths").len();
    let sequences = batches_of(&read_expected("bert"), &(0..count).collect::<Vec<_>>());
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let file = scratch.path().join("optimizer.safetensors");
    let (mut lazy, mut eager, mut resumed, mut forgetful) = (start(), start(), start(), start());
    for step in 1..=STEPS {
        let want = varied_step(&mut lazy, &sequences, step);
        assert_eq!(varied_step(&mut eager, &sequences, step), want, "step {step}");
        eager.model();
        assert_eq!(varied_step(&mut resumed, &sequences, step), want, "step {step}, resumed");
        varied_step(&mut forgetful, &sequences, step);
        if step.is_multiple_of(STEPS / 3) {
            resumed.save_state(&file).expect("saving works");
            resumed = learner(resumed.into_model().model, OPTIONS);
            resumed.load_state(&file).expect("loading works");
            // The wrong twin resumes without the moments.
            forgetful = learner(forgetful.into_model().model, OPTIONS);
        }
    }
    let want = bits(&mut lazy);
    assert!(bits(&mut eager) == want && bits(&mut resumed) == want);
    assert!(bits(&mut forgetful) != want);
    assert_eq!(resumed.updates, STEPS);
}

#[test]
fn states_of_other_models_and_damaged_ones_are_refused() {
    let mut learner = ten_steps("bert", OPTIONS, &[], &[0]).learner;
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let file = scratch.path().join("optimizer.safetensors");
    learner.save_state(&file).expect("saving works");
    let refused = |frozen: &[&str]| {
        let error = ten_steps("bert", OPTIONS, frozen, &[0]).learner.load_state(&file).expect_err("it is refused");
        let error = error.to_string();
        assert!(!error.contains('\n'), "{error}");
        error
    };
    assert!(refused(&["classifier.*"]).contains("`exp_avg` is not of shape"));
    assert!(refused(&["*.word_embeddings.*"]).contains("parameters that do not learn: other parameters are frozen"));
    let words = "bert.embeddings.word_embeddings.weight";
    let whole = std::fs::read(&file).expect("it is there");
    let text = |bytes: &[u8]| bytes.iter().map(|&b| char::from(b)).collect::<String>();
    let at = |what: &str| text(&whole).find(what).expect("the header names it");
    let damage = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = whole.clone();
        change(&mut bytes);
        std::fs::write(&file, bytes).expect("writing works");
        refused(&[])
    };
    let renamed = damage(&|bytes| bytes[at(&format!("{words}.rows"))] = b'B');
    assert!(renamed.contains(&format!("`{words}.rows` is not of shape")), "{renamed}");
    assert!(damage(&|bytes| bytes[at("\"step\"") + 1] = b'S').contains("has no `step`"));
    assert!(damage(&|bytes| bytes.truncate(bytes.len() - 1)).contains("is not a whole safetensors file"));
    assert!(damage(&|bytes| bytes[7] = 1).contains("a header of"));
    // Row numbers are the only integers, and stand last: two that are the same, and one beyond the table.
    let end = whole.len();
    let same = damage(&|bytes| bytes.copy_within(end - 8..end - 4, end - 4));
    assert!(same.contains(&format!("`{words}.rows` are not different rows of 60")), "{same}");
    assert!(damage(&|bytes| bytes[end - 1] = 1).contains("are not different rows"));
    std::fs::write(&file, whole).expect("writing works");
    learner.load_state(&file).expect("the whole one reads");
}
