//! Figures of entities, intervals and tests against nervaluate, scikit-learn, scipy and seqeval (`oracle/scores.py`).

use serde_json::Value;
use tagsmith_testkit::golden;
use tagsmith_text::labels::scheme::{Span, Style};
use tagsmith_text::score::analysis::Analyzer;
use tagsmith_text::score::bootstrap::{Interval, Resampling, intervals};
use tagsmith_text::score::calibration::Calibration;
use tagsmith_text::score::error_classes::ErrorClass;
use tagsmith_text::score::paired::{Randomization, test};
use tagsmith_text::score::semeval::{Answer, Pairing, SemEval, Tallies, Tally, tallies};
use tagsmith_text::score::units::{Figure, Part, UnitCounts, Units};
use tagsmith_text::score::{Method, Scorer, ZeroDivision};

/// The entities of one side, whose types are numbers by their first letter.
fn spans(side: &Value) -> Vec<Span<u32>> {
    let number = |span: &Value, at: usize| span[at].as_u64().expect("a place") as usize;
    let kind = |span: &Value| u32::from(span[0].as_str().expect("a type").as_bytes()[0]);
    let spans = side.as_array().expect("a list").iter();
    spans.map(|span| Span { kind: kind(span), start: number(span, 1), end: number(span, 2) }).collect()
}

fn counts(tally: &Tally) -> [u64; 5] {
    [tally.correct, tally.incorrect, tally.partial, tally.missed, tally.spurious]
}

/// Whether tallies are those of a golden object.
fn are(tallies: &Tallies, want: &Value) -> bool {
    Answer::ALL.iter().zip(tallies).all(|(answer, tally)| want[answer.name()] == serde_json::json!(counts(tally)))
}

/// The sentences of a case, both sides.
fn sentences(case: &Value) -> Vec<[Vec<Span<u32>>; 2]> {
    let all = case["sentences"].as_array().expect("a list").iter();
    all.map(|sentence| [spans(&sentence[0]), spans(&sentence[1])]).collect()
}

#[test]
fn the_example_of_nervaluates_page_has_its_figures() {
    let cases = golden::lines("scores/semeval.jsonl");
    let case = cases.iter().find(|case| case["readme"] == true).expect("it is there");
    for pairing in [Pairing::Passes, Pairing::Nervaluate] {
        let mut semeval = SemEval::new(pairing);
        sentences(case).iter().for_each(|[gold, predicted]| semeval.add(gold, predicted));
        assert!(are(semeval.all(), &case["all"]), "{pairing:?}: {:?}", semeval.all());
        let published = [[2, 3, 0, 0, 0], [2, 3, 0, 0, 0], [2, 0, 3, 0, 0], [5, 0, 0, 0, 0]];
        assert_eq!(semeval.all().each_ref().map(counts), published);
    }
}

#[test]
fn tallies_are_nervaluates_or_those_of_the_passes() {
    let cases = golden::lines("scores/semeval.jsonl");
    let mut told_apart = 0;
    for case in cases.iter().filter(|case| case["readme"].is_null()) {
        let [gold, predicted] = &sentences(case)[0];
        let mut semeval = SemEval::new(Pairing::Nervaluate);
        semeval.add(gold, predicted);
        assert!(are(semeval.all(), &case["all"]), "{case}\n{:?}", semeval.all());
        for (kind, want) in case["types"].as_object().expect("an object") {
            let found = semeval.of_kind(u32::from(kind.as_bytes()[0]));
            assert!(are(&found, want), "{kind} of {case}\n{found:?}");
        }
        let found = tallies(Pairing::Passes, gold, predicted);
        assert!(are(&found, &case["passes"]), "{case}\n{found:?}");
        told_apart += usize::from(!are(&found, &case["all"]));
    }
    // The two ways to pair differ often enough that neither could stand for the other.
    assert!(told_apart > 15, "{told_apart}");
}

/// The labels of one side of a case.
fn tags<'c>(case: &'c Value, side: &str) -> Vec<Vec<&'c str>> {
    let lines = case[side].as_array().expect("a list").iter();
    lines.map(|line| line.as_str().expect("labels").split(' ').collect()).collect()
}

#[test]
fn confusion_and_errors_are_those_of_scikit_learn_and_the_definition() {
    for case in golden::lines("scores/confusion.jsonl") {
        let mut scorer = Scorer::new(Method::Conlleval(Style::Prefix));
        let mut analyzer = Analyzer::new(Pairing::Passes, None, ZeroDivision::Zero);
        for (gold, predicted) in tags(&case, "gold").iter().zip(tags(&case, "predicted")) {
            scorer.add(gold, &predicted).expect("labels of one length");
            analyzer.add(&scorer, &scorer.found(), &[]);
        }
        let analysis = analyzer.finish(&scorer);
        let json = analysis.json();
        assert_eq!((&json["confusion"]["types"], &json["confusion"]["rows"]), (&case["types"], &case["rows"]));
        for kind in &analysis.kinds {
            for class in ErrorClass::ALL {
                let want = case["classes"][kind][class.key()].as_u64().unwrap_or(0);
                assert_eq!(json["errors"]["types"][kind][class.key()], want, "{kind} {class:?} of {case}");
            }
        }
        // What is strictly right is what seqeval counts.
        let score = scorer.score(ZeroDivision::Zero);
        for kind in &score.types {
            let strict = &json["semeval"]["types"][&kind.name]["strict"];
            assert_eq!(strict["precision"], kind.metrics.precision);
            assert_eq!((&strict["f1"], &strict["possible"]), (&kind.metrics.f1.into(), &kind.count.gold.into()));
        }
        assert_eq!(json["semeval"]["overall"]["strict"]["f1"], score.micro.f1);
    }
}

#[test]
fn a_reliability_curve_is_scikit_learns() {
    let near = |want: &Value, found: f64| (want.as_f64().expect("a number") - found).abs() < 1e-12;
    for case in golden::lines("scores/calibration.jsonl") {
        let mut curve = Calibration::default();
        let right = case["right"].as_array().expect("a list").iter();
        for (probability, right) in case["probabilities"].as_array().expect("a list").iter().zip(right) {
            curve.add(probability.as_f64().expect("a number"), right.as_bool().expect("a truth value"));
        }
        assert!(near(&case["ece"], curve.error()), "{} is not {}", curve.error(), case["ece"]);
        let Some(accuracy) = case["accuracy"].as_array() else { continue };
        let used: Vec<_> = curve.bins.iter().filter(|bin| bin.count > 0).collect();
        assert_eq!(used.len(), accuracy.len(), "{case}");
        for ((bin, accuracy), confidence) in
            used.iter().zip(accuracy).zip(case["confidence"].as_array().expect("a list"))
        {
            assert!(near(accuracy, bin.accuracy()) && near(confidence, bin.confidence()), "{bin:?} of {case}");
        }
    }
}

/// The units of predictions of the same sentences, a sentence each, over the types of all.
fn units(case: &Value, sides: &[&str]) -> Vec<Units> {
    let mut scorer = Scorer::new(Method::Conlleval(Style::Prefix));
    let mut counts = vec![Vec::new(); sides.len()];
    for (side, counts) in sides.iter().zip(&mut counts) {
        for (gold, predicted) in tags(case, "gold").iter().zip(tags(case, side)) {
            scorer.add(gold, &predicted).expect("labels of one length");
            counts.push(UnitCounts::of(&scorer.found()));
        }
    }
    let of_all: Vec<UnitCounts> = counts.iter().flatten().cloned().collect();
    let kinds = Units::new(of_all, scorer.kinds(), &[]).kinds;
    counts.into_iter().map(|counts| Units::new(counts, scorer.kinds(), &kinds)).collect()
}

/// The name that the oracle gives a figure.
fn name(figure: Figure, kinds: &[String]) -> String {
    let of = |name: &str, part: Part| format!("{name} {}", part.name());
    match figure {
        Figure::Micro(part) => of("micro avg", part),
        Figure::Macro(part) => of("macro avg", part),
        Figure::Accuracy => "accuracy".to_owned(),
        Figure::Of(kind, part) => of(&kinds[kind], part),
    }
}

#[test]
fn intervals_are_percentiles_of_seqevals_figures() {
    // Bounds that the same draws would have with a seed of their own, or with another definition of percentiles.
    let mut differ = [0, 0];
    for case in golden::lines("scores/bootstrap.jsonl") {
        let all = units(&case, &["predicted"]).remove(0);
        let options = Resampling {
            confidence: case["confidence"].as_f64().expect("a share"),
            resamples: case["resamples"].as_u64().expect("a count") as usize,
            seed: case["seed"].as_u64().expect("a seed"),
            zero_division: ZeroDivision::Zero,
            threads: 2,
        };
        let found = intervals(&all, &options);
        let twins = [
            intervals(&all, &Resampling { seed: options.seed + 1, ..options }),
            intervals(&all, &Resampling { confidence: options.confidence - 0.04, ..options }),
        ];
        for (at, figure) in Figure::all(all.kinds.len()).into_iter().enumerate() {
            let name = name(figure, &all.kinds);
            let Interval { low, high } = found[at].expect("every type is drawn");
            let want = [0, 1].map(|end| case["intervals"][&name][end].as_f64().expect("a bound"));
            assert!((low - want[0]).abs() < 1e-12 && (high - want[1]).abs() < 1e-12, "{name}: {low} {high} {want:?}");
            for (twin, differ) in twins.iter().zip(&mut differ) {
                let Interval { low, high } = twin[at].expect("every type is drawn");
                *differ += usize::from((low - want[0]).abs() > 1e-9 || (high - want[1]).abs() > 1e-9);
            }
        }
    }
    assert!(differ.iter().all(|&differ| differ > 20), "{differ:?}");
}

#[test]
fn p_is_that_of_scipy_over_all_swaps() {
    for case in golden::lines("scores/paired.jsonl") {
        let both = units(&case, &["first", "second"]);
        let options = Randomization { swaps: 5000, seed: 3, zero_division: ZeroDivision::Zero, threads: 2 };
        let exact = test(&both[0], &both[1], &options);
        assert!(exact.exact);
        let drawn = test(&both[0], &both[1], &Randomization { swaps: 1 + (1 << exact.differing) / 2, ..options });
        for (at, figure) in Figure::all(both[0].kinds.len()).into_iter().enumerate() {
            let Some(want) = case["tests"].get(name(figure, &both[0].kinds)) else { continue };
            let [difference, p] = [0, 1].map(|at| want[at].as_f64().expect("a number"));
            assert!((exact.differences[at] - difference).abs() < 1e-12, "{figure:?} of {case}");
            assert!((exact.p[at] - p).abs() < 1e-12, "{figure:?}: {} is not {p}, {case}", exact.p[at]);
            assert!(drawn.p[at] > 0.0 && drawn.p[at] <= 1.0);
        }
        let same = test(&both[0], &both[0], &options);
        assert!(same.p.iter().all(|p| *p == 1.0 || p.is_nan()));
    }
}

/// What nervaluate's own tests ask of it, and what they expect. The entities of one side may lie inside each other.
#[test]
fn nervaluates_own_tests_pass() {
    let cases = golden::lines("scores/nervaluate.jsonl");
    let mut differ = 0;
    for case in &cases {
        let (gold, predicted) = (spans_by_name(&case["gold"]), spans_by_name(&case["predicted"]));
        let answer = Answer::ALL.into_iter().find(|answer| case["answer"] == answer.name()).expect("an answer");
        let found = tallies(Pairing::Nervaluate, &gold, &predicted)[answer as usize];
        assert_eq!(serde_json::json!(counts(&found)), case["counts"], "{case}");
        differ += usize::from(tallies(Pairing::Passes, &gold, &predicted)[answer as usize] != found);
    }
    assert!(cases.len() > 50, "{}", cases.len());
    // oracle/README.md says which.
    assert_eq!(differ, 0, "differences between the passes and nervaluate's tests");
}

/// The entities of one side, whose types are texts.
fn spans_by_name(side: &Value) -> Vec<Span<&str>> {
    let number = |span: &Value, at: usize| span[at].as_u64().expect("a place") as usize;
    let spans = side.as_array().expect("a list").iter();
    spans
        .map(|span| Span { kind: span[0].as_str().expect("a type"), start: number(span, 1), end: number(span, 2) })
        .collect()
}
