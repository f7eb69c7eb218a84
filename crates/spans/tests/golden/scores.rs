//! Scores, losses and the losses' gradients with respect to scores.

use crate::harness::*;
use tagsmith_kernel::check::{assert_close, assert_far, distance, read, wide};
use tagsmith_kernel::{Device, Precision};
use tagsmith_spans::batch::SpanBatch;
use tagsmith_spans::config::{LossConfig, LossKind};
use tagsmith_spans::folder;
use tagsmith_spans::model::loss::{Normalization, loss};
use tagsmith_spans::model::{END, Model, SPAN, START};
use tagsmith_testkit::golden;

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
    let first = golden::path("pickled/span_tagger");
    let (model, notes) = folder::load(&first).expect("the golden model reads");
    assert_eq!(notes, [""; 0]);
    let want = load("bi_encoder");
    assert_eq!(
        model.params.to_vec().expect("its rows can be read"),
        want.params.to_vec().expect("its rows can be read")
    );
    assert_eq!(model.config.architecture, want.config.architecture);
}

#[test]
fn scores_are_pytorchs() {
    for (name, ..) in MODELS {
        let (model, expected) = (load(name), read_expected(name));
        let (scene, _) = batch(name, &model.config);
        assert_eq!(scene.text.ids, expected.ids("ids"), "{name}");
        model.fetch(&scene).expect("its rows can be read");
        let (scores, _saved) = model.forward(&scene, None, false, ALL);
        for (part, key) in [(START, "start"), (END, "end"), (SPAN, "span")] {
            let got = scores[part].as_ref().expect("all are wanted").data().to_vec();
            let want = transposed(&expected.floats(key));
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
        let want = transposed(&expected.floats("span"));
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
fn on_an_emulated_gpu_scores_are_pytorchs() {
    let device = Device::emulated(1).expect("the emulator knows our kernels");
    for (name, ..) in MODELS {
        let (mut model, expected) = (load(name), read_expected(name));
        let (scene, _) = batch(name, &model.config);
        let there = model.to(&device).expect("there is room");
        let (scores, _saved) = there.forward(&scene, None, false, ALL);
        for (part, key) in [(START, "start"), (END, "end"), (SPAN, "span")] {
            let got = read(scores[part].as_ref().expect("all are wanted"));
            assert_close(&format!("{name} {key}"), &got, &transposed(&expected.floats(key)), C_FORWARD, TERMS);
        }
        let inferred = there.infer(&scene, None).expect("the device works");
        assert_eq!(inferred.data(), read(scores[SPAN].as_ref().expect("all are wanted")), "{name}");
        let here = model.infer(&scene, None).expect("its rows can be read");
        assert_far(&format!("{name} on the processor"), here.data(), &wide(inferred.data()), 0.0, 1);
        // In bf16 scores are off by what the rounding of unit vectors and of all before them does.
        model.precision = Precision::Bf16;
        let rounded = model.to(&device).expect("there is room").infer(&scene, None).expect("the device works");
        let want = transposed(&expected.floats("span"));
        let largest = want.iter().fold(0f64, |a, b| a.max(b.abs()));
        let apart = distance(rounded.data(), &want);
        assert!(apart <= bf16_apart(&model) * largest, "{name}: off by {apart:.3e} of {largest:.3e}");
        assert_far(&format!("{name} in f32"), rounded.data(), &want, C_FORWARD, TERMS);
    }
}

#[test]
fn losses_and_their_gradients_are_pytorchs() {
    for (name, ..) in MODELS {
        let (model, expected) = (load(name), read_expected(name));
        let (scene, gold) = batch(name, &model.config);
        model.fetch(&scene).expect("its rows can be read");
        let (scores, _saved) = model.forward(&scene, None, false, ALL);
        for (variant, config) in variants(&model.config.loss) {
            let computed = |config: &LossConfig, normalization| {
                loss(config, normalization, &scores, &scene, &gold).expect("the processor works")
            };
            let got = computed(&config, Normalization::Padded);
            let want = expected.floats(&format!("{variant}.loss"));
            assert_close(&format!("{name} {variant}"), &[got.value as f32], &want, C_FORWARD, TERMS);
            for (part, key) in [(START, "start"), (END, "end"), (SPAN, "span")] {
                let want = transposed(&expected.floats(&format!("{variant}.d_{key}")));
                let got = got.dscores[part].as_ref().expect("all are scored").data();
                assert_close(&format!("{name} {variant} {key}"), got, &want, C_BACKWARD, TERMS);
            }
            let twin = LossConfig { weights: [0.3, 0.2, 0.5], ..config.clone() };
            let twin = computed(&twin, Normalization::Padded).value;
            let valid = computed(&config, Normalization::Valid).value;
            if variant != "bce_span_alone" {
                assert_far("start for end", &[twin as f32], &want, C_FORWARD, TERMS);
            }
            if matches!(config.kind, LossKind::Bce | LossKind::Focal) {
                assert_far("no padding", &[valid as f32], &want, C_FORWARD, TERMS);
            }
        }
    }
}
