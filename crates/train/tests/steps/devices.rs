//! Steps on an emulated GPU: PyTorch's, the processor's with dropout, and none that depends on the order of threads.

use super::*;
use std::path::Path;
use tagsmith_kernel::Device;
use tagsmith_kernel::check::device_with_memory;

/// Moves a model to an emulated GPU whose threads run in an order that the seed decides.
fn emulated(model: &Model, order: u64) -> Model {
    model.to(&Device::emulated(order).expect("the emulator knows our kernels")).expect("there is room")
}

fn with_dropout(name: &str, precision: Precision) -> Model {
    let mut model = golden_model(name);
    model.precision = precision;
    model.config.shape.hidden_dropout = 0.2;
    model.config.shape.attention_dropout = 0.1;
    model.config.facts.head.dropout = 0.1;
    model
}

#[test]
fn ten_steps_on_a_gpu_are_pytorchs() {
    for name in FAMILIES {
        let mut run = ten_steps_of(name, emulated(&golden_model(name), 1), LOSS, OPTIONS, &[], &[0]);
        assert_same(name, "", &run);
        assert_same_weights(name, &mut run);
    }
    let of = |name, loss, options, frozen: &[&str], begins: &[usize]| {
        ten_steps_of(name, emulated(&golden_model(name), 2), loss, options, frozen, begins)
    };
    for name in ["bert", "modernbert"] {
        let smoothed = smoothed();
        assert_same(name, "smoothed.", &of(name, smoothed, OPTIONS, &[], &[0]));
        assert_same(name, "frozen.", &of(name, LOSS, OPTIONS, &["embeddings"], &[0]));
        let scaling = LossScaling::MeanOfMeans;
        assert_same(name, "mean_of_means.", &of(name, LossOptions { scaling, ..LOSS }, OPTIONS, &[], &[0, 2]));
    }
    assert_other("no clipping", "", &of("bert", LOSS, StepOptions { max_grad_norm: 0.0, ..OPTIONS }, &[], &[0]));
}

/// The losses of three steps, and the weights after them.
fn three_steps(model: Model, expected: &Expected, begins: &[usize], checkpointing: bool) -> (Vec<f64>, Vec<f32>) {
    let mut learner = learner(model, StepOptions { gradient_checkpointing: checkpointing, ..OPTIONS });
    let batches = batches_of(expected, begins);
    let losses = (0..3).map(|_| step(&mut learner, &batches, 1e-3).loss).collect();
    (losses, weights(&mut learner))
}

#[test]
fn with_dropout_a_gpus_steps_are_the_processors_and_no_order_of_threads_changes_a_bit() {
    for name in ["bert", "modernbert"] {
        let expected = read_expected(name);
        let model = with_dropout(name, Precision::F32);
        let (losses, there) = three_steps(emulated(&model, 1), &expected, &[0, 1], false);
        let (want, here) = three_steps(model.clone(), &expected, &[0, 1], false);
        let apart = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(apart(&losses, &want) <= LOSS_APART, "{name}: {losses:?}, {want:?}");
        let (plain, _) = three_steps(golden_model(name), &expected, &[0, 1], false);
        assert!(apart(&losses, &plain) > 100.0 * LOSS_APART, "{name}: without dropout");
        // Three steps of AdamW at a rate of 1e-3: what rounding makes of gradients near 0 is of the rate's size.
        let weights_apart = distance(&there, &here.into_iter().map(f64::from).collect::<Vec<_>>());
        assert!(weights_apart <= 6e-3, "{name}: weights are off by {weights_apart:.2e}");
        assert!(three_steps(emulated(&model, 2), &expected, &[0, 1], false).1 == there, "{name}: order of threads");
        assert!(three_steps(emulated(&model, 1), &expected, &[0, 1], true).1 == there, "{name}: checkpointed layers");
    }
}

#[test]
fn in_bf16_a_gpus_steps_are_the_processors_but_for_rounding() {
    for name in ["bert", "modernbert"] {
        let expected = read_expected(name);
        let model = with_dropout(name, Precision::Bf16);
        let (there, there_after) = three_steps(emulated(&model, 1), &expected, &[0], false);
        let (here, _) = three_steps(model.clone(), &expected, &[0], false);
        let (exact, _) = three_steps(with_dropout(name, Precision::F32), &expected, &[0], false);
        for ((there, here), exact) in there.iter().zip(&here).zip(&exact) {
            // The loss is a mean of differences of scores, each within 2⁻⁹ · 2 factors · 9 to 14 products of its size.
            let allowed = 2.0 * 28.0 / 512.0;
            assert!(
                (there - exact).abs() <= allowed && (here - exact).abs() <= allowed,
                "{name}: {there} {here} {exact}"
            );
            assert!(there != exact, "{name}: rounded factors change a loss");
        }
        let again = three_steps(emulated(&model, 2), &expected, &[0], true).1;
        assert!(again == there_after, "{name}: neither checkpointed layers nor the order of threads change a bit");
    }
}

#[test]
fn moments_and_weights_go_from_a_gpu_to_the_processor_and_back() {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let [there, back] = ["there.safetensors", "back.safetensors"].map(|name| scratch.path().join(name));
    let read = |file: &Path| std::fs::read(file).expect("it was saved");
    let batches = batches_of(&read_expected("bert"), &[0]);
    let mut on_gpu = ten_steps_of("bert", emulated(&golden_model("bert"), 1), LOSS, OPTIONS, &[], &[0]).learner;
    on_gpu.save_state(&there).expect("saving works");
    let folder = scratch.path().join("model");
    std::fs::create_dir(&folder).expect("a folder");
    on_gpu.model().model.save(&folder).expect("saving works");
    let (config, _) = Config::read(&folder).expect("it was saved");
    let (model, _) = Model::load(&folder, config, Head::Required).expect("it was saved");
    let mut resumed = learner(model.clone(), OPTIONS);
    assert!(weights(&mut resumed) == weights(&mut on_gpu), "weights");
    resumed.load_state(&there).expect("loading works");
    assert_eq!(resumed.updates, on_gpu.updates);
    resumed.save_state(&back).expect("saving works");
    assert!(read(&back) == read(&there), "moments");
    // On the device a resumed run makes the same step, to the bit; on the processor, the same but for rounding.
    let mut again = learner(emulated(&golden_model("bert"), 1), OPTIONS);
    again.reload(&folder).expect("it was saved");
    again.load_state(&there).expect("loading works");
    let [want, same, near] = [&mut on_gpu, &mut again, &mut resumed].map(|learner| step(learner, &batches, 1e-3));
    assert_eq!((want.loss, want.grad_norm), (same.loss, same.grad_norm));
    assert!(weights(&mut again) == weights(&mut on_gpu), "the step after");
    assert!((want.loss - near.loss).abs() <= LOSS_APART && (want.grad_norm / near.grad_norm - 1.0).abs() <= NORM_APART);
    // So does a run of the processor that goes on there.
    let mut here = ten_steps("bert", OPTIONS, &[], &[0]).learner;
    here.save_state(&back).expect("saving works");
    let mut moved = learner(emulated(&here.model().model, 1), OPTIONS);
    moved.load_state(&back).expect("loading works");
    let [want, near] = [&mut here, &mut moved].map(|learner| step(learner, &batches, 1e-3));
    assert!((want.loss - near.loss).abs() <= LOSS_APART && (want.grad_norm / near.grad_norm - 1.0).abs() <= NORM_APART);
    // Of a gradient near 0, rounding decides the direction of a step of the rate's size.
    let wide: Vec<f64> = weights(&mut here).into_iter().map(f64::from).collect();
    assert!(distance(&weights(&mut moved), &wide) <= 2e-3, "weights after the move");
    let mut forgetful = learner(emulated(&model, 1), OPTIONS);
    step(&mut forgetful, &batches, 1e-3);
    assert!(weights(&mut forgetful) != weights(&mut on_gpu), "without the moments");
    // Rows that are not there are refused as on the processor.
    let mut damaged = read(&there);
    let last = damaged.len() - 1;
    damaged[last] = 1;
    std::fs::write(&there, damaged).expect("writing works");
    let error = again.load_state(&there).expect_err("it is damaged").to_string();
    assert!(error.contains("are not different rows"), "{error}");
}

#[test]
fn a_gpu_that_fails_ends_the_step_with_its_error() {
    // There is room for the weights, gradients and moments of the golden model, and for little else.
    let model = golden_model("bert");
    let bytes = (16 * model.params.len() + 40_000) as u64;
    let mut learner = learner(model.to(&device_with_memory(bytes)).expect("there is room"), OPTIONS);
    let batches = batches_of(&read_expected("bert"), &[0]);
    let failed = learner.step(&World::alone(), &update(batches), Rate::scheduled(1e-3, 1.0));
    let error = failed.expect_err("there is no room for activations").to_string();
    assert!(error.starts_with("emulator: ") && error.contains("bytes do not fit"), "{error}");
}
