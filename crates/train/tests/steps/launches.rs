//! What a step asks a device for, as a device that does nothing writes it down.

use super::*;
use tagsmith_kernel::Device;
use tagsmith_kernel::device::chunks::Key;
use tagsmith_kernel::device::{Asked, Recorder, Work};

/// A learner on a device that does nothing, and the record.
fn recorded(name: &str, checkpointing: bool) -> (Learner<TokenTask>, Recorder) {
    let (device, recorder) = Device::recorded(1 << 30);
    let model = golden_model(name).to(&device).expect("there is room");
    let options = StepOptions { gradient_checkpointing: checkpointing, ..OPTIONS };
    (learner(model, options), recorder)
}

/// The sizes of what went to the host.
fn downloads(asked: &[Asked]) -> Vec<u64> {
    asked
        .iter()
        .filter_map(|asked| if let Asked::Download { bytes, .. } = asked { Some(*bytes) } else { None })
        .collect()
}

/// How many copies came from the host.
fn uploads(asked: &[Asked]) -> usize {
    asked.iter().filter(|asked| matches!(asked, Asked::Upload { .. })).count()
}

/// How many kernels were launched whose names begin so.
fn launches(asked: &[Asked], prefix: &str) -> usize {
    let begins =
        |asked: &&Asked| matches!(asked, Asked::Work(Work::Launch(launch)) if launch.kernel.starts_with(prefix));
    asked.iter().filter(begins).count()
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
            !next.iter().any(|asked| matches!(asked, Asked::Work(Work::Clear { .. }))),
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

/// What is the same in steps of one shape: all but the plain numbers of kernels.
fn fixed(asked: &[Asked]) -> Vec<(Key, Option<Asked>)> {
    let fixed = |asked: &Asked| match asked {
        Asked::Work(work) => (Key::of(std::slice::from_ref(work)), None),
        moved => (Key::of(&[]), Some(moved.clone())),
    };
    asked.iter().map(fixed).collect()
}

#[test]
fn steps_of_one_shape_ask_for_the_same_at_the_same_addresses() {
    for name in ["bert", "modernbert", "deberta-v2_conv"] {
        let (mut learner, recorder) = recorded(name, false);
        // All sequences as one batch, in two, and the first sequence alone.
        let shapes = [&[0][..], &[0, 2], &[0]].map(|begins| batches_of(&read_expected(name), begins));
        let [all, cut, mut first] = shapes;
        first[0] = batches_of(&read_expected(name), &[0, 1]).swap_remove(0);
        let mut asked = |batches: &[Batch], rate| {
            recorder.take_asked();
            step(&mut learner, batches, rate);
            recorder.take_asked()
        };
        // A room may be taken by something smaller, which makes its shape take a new one later: rounds until none is new.
        let rounds = (0..9).find(|_| {
            let taken = recorder.most_taken();
            [&all, &cut, &first].into_iter().for_each(|batches| _ = asked(batches, 1e-3));
            recorder.most_taken() == taken
        });
        assert!(rounds.is_some(), "{name}: there is always a new room");
        let taken = recorder.most_taken();
        let mut before: Vec<Vec<Asked>> = Vec::new();
        let order = [&first, &all, &cut, &first, &all, &all, &cut, &cut, &first, &all, &all, &cut];
        let mut compared = 0;
        for (round, batches) in order.into_iter().enumerate() {
            let now = asked(batches, 1e-3 / (1 + round) as f64);
            // What writes rows of a table's gradient writes zeros to those of the step before, which therefore counts too.
            let is_same = |at: usize| at > 0 && (0..2).all(|back| std::ptr::eq(order[at - back], order[round - back]));
            if let Some(last) = (0..round).rev().find(|&at| round > 0 && is_same(at)) {
                assert!(fixed(&now) == fixed(&before[last]), "{name}, step {round} is not as step {last}");
                assert_ne!(now, before[last], "rates differ");
                compared += 1;
            }
            before.push(now);
        }
        assert_eq!(compared, 6);
        assert!(fixed(&before[0]) != fixed(&before[1]), "shapes differ");
        assert_eq!(recorder.most_taken(), taken, "{name}: no new room");
    }
}
