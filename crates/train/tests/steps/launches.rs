//! What a step asks a device for, as a device that does nothing writes it down.

use super::*;
use tagsmith_kernel::Device;
use tagsmith_kernel::device::{Asked, Recorder};

/// A learner on a device that does nothing, and the record.
fn recorded(name: &str, checkpointing: bool) -> (Learner<TokenTask>, Recorder) {
    let (device, recorder) = Device::recorded(1 << 30);
    let model = golden_model(name).to(&device).expect("there is room");
    let options = StepOptions { gradient_checkpointing: checkpointing, ..OPTIONS };
    (learner(model, options), recorder)
}

/// The sizes of what went to the host.
fn downloads(asked: &[Asked]) -> Vec<u64> {
    asked.iter().filter_map(|asked| if let Asked::Download(bytes) = asked { Some(*bytes) } else { None }).collect()
}

/// How many copies came from the host.
fn uploads(asked: &[Asked]) -> usize {
    asked.iter().filter(|asked| matches!(asked, Asked::Upload(_))).count()
}

/// How many kernels were launched whose names begin so.
fn launches(asked: &[Asked], prefix: &str) -> usize {
    asked.iter().filter(|asked| matches!(asked, Asked::Launch(launch) if launch.kernel.starts_with(prefix))).count()
}

#[test]
fn a_step_reads_its_losses_and_its_norm_and_nothing_else() {
    for name in ["bert", "distilbert", "modernbert"] {
        for (begins, checkpointing) in [(&[0][..], false), (&[0, 1, 2], false), (&[0, 2], true)] {
            let (mut learner, recorder) = recorded(name, checkpointing);
            let batches = batches_of(&read_expected(name), begins);
            for rate in [1e-3, 5e-4] {
                recorder.take_asked();
                step(&mut learner, &batches, rate);
                // A loss of f64 for each micro-batch, and a norm.
                assert_eq!(downloads(&recorder.take_asked()), vec![8; begins.len() + 1], "{name}, {begins:?}");
            }
            learner.gradient("classifier.bias").expect("the device works");
            assert!(!downloads(&recorder.take_asked()).is_empty(), "what is read shows");
        }
    }
}

#[test]
fn after_its_first_step_a_run_takes_no_room_and_uploads_only_its_batches() {
    let (mut learner, recorder) = recorded("bert", false);
    let batches = batches_of(&read_expected("bert"), &[0]);
    recorder.take_asked();
    step(&mut learner, &batches, 1e-3);
    let (first, room) = (recorder.take_asked(), recorder.most_taken());
    for rate in [5e-4, 0.0] {
        step(&mut learner, &batches, rate);
        let next = recorder.take_asked();
        assert_eq!(recorder.most_taken(), room);
        assert!(
            !next.iter().any(|asked| matches!(asked, Asked::Clear(_))),
            "rows of tables are cleared where others were"
        );
        assert_eq!(uploads(&next) + 1, uploads(&first), "where parameters lie is uploaded once");
        assert_eq!(next.len() + 1, first.len(), "nothing else differs");
    }
}

#[test]
fn layers_that_keep_their_input_only_are_computed_twice() {
    let layers = golden_model("bert").config.shape.layers;
    let batches = batches_of(&read_expected("bert"), &[0]);
    for (checkpointing, times) in [(false, 1), (true, 2)] {
        let (mut learner, recorder) = recorded("bert", checkpointing);
        recorder.take_asked();
        step(&mut learner, &batches, 1e-3);
        let asked = recorder.take_asked();
        assert_eq!(launches(&asked, "attention_f32"), times * layers);
        assert_eq!(launches(&asked, "attention_backward_keys"), layers);
        assert_eq!((launches(&asked, "adamw"), launches(&asked, "clip")), (1, 1));
    }
}
