//! Entities that are accepted, and figures.

use crate::harness::cases;
use serde_json::Value;

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
