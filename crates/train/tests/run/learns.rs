//! A toy language is learned to the last label, and nonsense is not.

use crate::harness::{bits, example, learner, options, run_with};
use serde_json::json;
use tagsmith_kernel::random::torch::MersenneTwister;
use tagsmith_ranks::World;
use tagsmith_text::align::Example;
use tagsmith_tokens::evaluate::{EvalOptions, evaluate};
use tagsmith_tokens::examples::Examples;
use tagsmith_tokens::model::Model;
use tagsmith_train::checkpoint::state::Record;
use tagsmith_train::trainer::agenda::Every;

/// A sentence that begins with this word tells of people: its words from 60 to 79 begin a name, those from 80 to 99 go
/// on with it. One that begins with the word after tells of flowers, which have the same names but are none.
const PEOPLE: u32 = 20;

fn sentence(random: &mut MersenneTwister) -> Example {
    let mut draw = |below: u32| random.next_u32() % below;
    let begin = PEOPLE + draw(2);
    let is_named = i32::from(begin == PEOPLE);
    let (mut ids, mut labels) = (vec![begin], vec![0]);
    while ids.len() < 10 {
        if draw(3) > 0 {
            ids.push(30 + draw(30));
            labels.push(0);
            continue;
        }
        ids.push(60 + draw(20));
        labels.push(is_named);
        for _ in 0..draw(3) {
            ids.push(80 + draw(20));
            labels.push(2 * is_named);
        }
    }
    example(&ids, &labels)
}

fn language(seed: u64, sentences: usize) -> Vec<Example> {
    let mut random = MersenneTwister::new(seed);
    (0..sentences).map(|_| sentence(&mut random)).collect()
}

/// Deals out the labels of `sentences` anew over all rows.
fn shuffled(mut sentences: Vec<Example>) -> Vec<Example> {
    let labels: Vec<i32> = sentences.iter().flat_map(|sentence| sentence.labels[1..].to_vec()).collect();
    let mut order = tagsmith_train::trainer::order::torch_permutation(3, labels.len()).into_iter();
    for label in sentences.iter_mut().flat_map(|sentence| &mut sentence.labels[1..]) {
        *label = labels[order.next().unwrap()];
    }
    sentences
}

/// F1 over names: a name is right if each of its rows, and the row after, is.
fn f1(model: &Model, sentences: &[Example]) -> f64 {
    let settings = EvalOptions { batch_size: 16, batch_tokens: 100, label_smoothing: 0.0 };
    let told = evaluate(&Examples::in_memory(sentences), 3, settings, &World::alone(), |batch| model.infer(batch))
        .expect("its rows can be read")
        .predictions;
    let (mut correct, mut predicted, mut gold) = (0.0, 0.0, 0.0);
    for (sentence, told) in sentences.iter().zip(told) {
        let told: Vec<i32> = told.into_iter().map(|label| label as i32).collect();
        let names = |labels: &[i32]| {
            let end = |from: usize| (from + 1..labels.len()).find(|&at| labels[at] != 2).unwrap_or(labels.len());
            (1..labels.len()).filter(|&at| labels[at] == 1).map(|at| (at, end(at))).collect::<Vec<_>>()
        };
        let (ours, theirs) = (names(&told), names(&sentence.labels));
        correct += ours.iter().filter(|name| theirs.contains(name)).count() as f64;
        predicted += ours.len() as f64;
        gold += theirs.len() as f64;
    }
    2.0 * correct / (predicted + gold)
}

fn trained_on(sentences: &[Example]) -> f64 {
    let output = tempfile::tempdir().unwrap();
    let mut options = options(output.path());
    (options.batch_size, options.accumulation, options.epochs) = (8, 1, 12.0);
    options.learning_rate = 1e-2;
    options.times.evaluation = Every::Epoch;
    let mut learner = learner(3, 0.0);
    let before = bits(&mut learner);
    let unseen = language(2, 60);
    let mut evaluate = |model: &Model| Record::from_iter([("eval_f1".to_owned(), json!(f1(model, &unseen)))]);
    let outcome = run_with(&mut learner, &options, sentences, &mut evaluate, None).0.unwrap();
    assert!(bits(&mut learner) != before);
    let mut evaluations = outcome.state.log_history.iter().filter_map(|record| record.get("eval_f1")?.as_f64());
    evaluations.next_back().unwrap()
}

#[test]
fn a_toy_language_is_learned() {
    let learned = trained_on(&language(1, 200));
    assert!(learned == 1.0, "F1 {learned}");
}

#[test]
fn shuffled_labels_are_not() {
    let learned = trained_on(&shuffled(language(1, 200)));
    assert!(learned < 0.5, "F1 {learned}");
}
