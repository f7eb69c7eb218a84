//! `batch_tokens` bounds memory and changes no number.

use crate::harness::{Chained, examples, learner, learner_of, options, run};
use tagsmith_kernel::params::SlotId;
use tagsmith_tokens::learn::TokenTask;
use tagsmith_tokens::model::Model;
use tagsmith_train::learner::Learner;

/// Three updates of four sentences in two batches (20 pieces, some of 9 in one sentence).
fn three_steps(batch_tokens: Option<usize>) -> (Model, Vec<f64>, Vec<String>, f64) {
    three_steps_of(learner(3, 0.1), batch_tokens)
}

fn three_steps_of(mut learner: Learner<TokenTask>, batch_tokens: Option<usize>) -> (Model, Vec<f64>, Vec<String>, f64) {
    let output = tempfile::tempdir().unwrap();
    let mut options = options(output.path());
    (options.batch_tokens, options.max_steps) = (batch_tokens, Some(3));
    let (outcome, heard) = run(&mut learner, &options, &examples(), &[], None);
    (learner.into_model().model, heard.losses, heard.notes, outcome.unwrap().state.total_flos)
}

/// The largest difference of two models' weights. A key's bias has gradient 0 but for rounding, which AdamW turns
/// into steps of the learning rate's size.
fn apart(a: &Model, b: &Model) -> f64 {
    let slots = a.params.slots.iter().enumerate().filter(|(_, slot)| !slot.name.ends_with("key.bias"));
    let differences = slots.flat_map(|(number, _)| {
        let (a, b) = (
            a.params.copy(SlotId(number)).expect("its rows can be read"),
            b.params.copy(SlotId(number)).expect("its rows can be read"),
        );
        a.into_iter().zip(b).map(|(a, b)| f64::from((a - b).abs()))
    });
    differences.fold(0.0, |a, b| if b.is_nan() { f64::INFINITY } else { a.max(b) })
}

#[test]
fn three_updates_are_the_same_however_they_are_cut() {
    let (whole, losses, notes, flos) = three_steps(None);
    assert!(notes.is_empty(), "{notes:?}");
    for batch_tokens in [1, 7, 9, 12, 1000] {
        let (cut, of_cut, _, flos_of_cut) = three_steps(Some(batch_tokens));
        let loss = losses.iter().zip(&of_cut).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        // Micro-batches' losses are added in f64.
        assert!(loss <= 1e-12, "{batch_tokens}: losses {losses:?}, {of_cut:?}");
        assert_eq!(apart(&whole, &cut), 0.0, "{batch_tokens}");
        assert_eq!(flos_of_cut, flos, "{batch_tokens}: the estimate counts the Trainer's batches");
    }
}

/// A head that is a chain: sentences are never cut, and each is added to the gradient by itself.
#[test]
fn updates_of_a_chain_are_the_same_however_they_are_cut() {
    let (whole, losses, ..) = three_steps_of(learner_of::<Chained>(), None);
    let chain = whole.chain().unwrap().expect("the head is a chain");
    assert!([chain.start, chain.transitions, chain.end].iter().flatten().all(|&number| number != 0.0), "all learn");
    for batch_tokens in [1, 9, 12] {
        let (cut, of_cut, ..) = three_steps_of(learner_of::<Chained>(), Some(batch_tokens));
        let loss = losses.iter().zip(&of_cut).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(loss <= 1e-12, "{batch_tokens}: losses {losses:?}, {of_cut:?}");
        assert_eq!(apart(&whole, &cut), 0.0, "{batch_tokens}");
    }
}

#[test]
fn a_cut_that_loses_or_repeats_a_sentence_would_be_seen() {
    let whole = three_steps(None).0;
    let output = tempfile::tempdir().unwrap();
    let mut options = options(output.path());
    options.max_steps = Some(3);
    let mut sentences = examples();
    sentences[4] = sentences[5].clone();
    let mut other = learner(3, 0.1);
    run(&mut other, &options, &sentences, &[], None).0.unwrap();
    assert!(apart(&whole, &other.model().model) > 1e-4);
}

#[test]
fn longer_sentences_are_said() {
    let notes = three_steps(Some(7)).2;
    let want = "2 sentences have more than the 7 pieces that a micro-batch may have (`batch_tokens`), the longest 9: each \
                is a micro-batch of its own";
    assert_eq!(notes, [want]);
}
