//! Tests of scores against seqeval and scikit-learn.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use crate::labels::scheme::{Scheme, Style};
use crate::score::metrics::macro_average;
use crate::score::table;
use serde_json::Value;

/// Random corpora and what seqeval 1.2.2 (words: scikit-learn 1.9) says of them, written by `oracle/score.py`.
const DEFAULT: &str = include_str!("../../../../golden/score/default.jsonl");
const STRICT: &str = include_str!("../../../../golden/score/strict.jsonl");
const WORDS: &str = include_str!("../../../../golden/score/words.jsonl");

fn cases(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn method(case: &Value) -> Method {
    let style = if case["style"] == "suffix" { Style::Suffix } else { Style::Prefix };
    match case["scheme"].as_str() {
        Some(name) => Method::Strict(Scheme::named(name).unwrap(), style),
        None if case["style"].is_null() => Method::Words,
        None => Method::Conlleval(style),
    }
}

fn zero_division(case: &Value) -> ZeroDivision {
    if case["zero_division"] == 1 { ZeroDivision::One } else { ZeroDivision::Zero }
}

type Sentences = Vec<(Vec<String>, Vec<String>)>;

fn sentences(case: &Value) -> Sentences {
    let side = |name: &str| -> Vec<Vec<String>> {
        let lines = case[name].as_array().unwrap();
        lines.iter().map(|line| line.as_str().unwrap().split_whitespace().map(String::from).collect()).collect()
    };
    side("gold").into_iter().zip(side("predicted")).collect()
}

fn score(method: Method, sentences: &Sentences, zero_division: ZeroDivision) -> Score {
    let mut scorer = Scorer::new(method);
    for (gold, predicted) in sentences {
        scorer.add(gold, predicted).unwrap();
    }
    scorer.score(zero_division)
}

/// The first figure of the case that the score does not have, within `ulps` units in the last place.
fn difference(case: &Value, score: &Score, ulps: u64) -> Option<String> {
    let same = |expected: &Value, found: f64| {
        let expected: f64 = expected.as_str().unwrap().parse().unwrap();
        expected.to_bits().abs_diff(found.to_bits()) <= ulps
    };
    let row = |expected: &[Value], metrics: Metrics, support: u64| {
        same(&expected[0], metrics.precision)
            && same(&expected[1], metrics.recall)
            && same(&expected[2], metrics.f1)
            && expected[3] == support
    };
    for (name, metrics) in [("micro", score.micro), ("macro", score.macro_average), ("weighted", score.weighted)] {
        if let Some(expected) = case[name].as_array()
            && !row(expected, metrics, score.support)
        {
            return Some(format!("{name}: {metrics:?} is not {expected:?}"));
        }
    }
    if let Some(expected) = case["types"].as_array() {
        let fits = |(expected, kind): (&Value, &TypeScore)| {
            expected[0] == kind.name && row(&expected.as_array().unwrap()[1..], kind.metrics, kind.count.gold)
        };
        if expected.len() != score.types.len() || !expected.iter().zip(&score.types).all(fits) {
            return Some(format!("types: {:?} are not {expected:?}", score.types));
        }
    }
    if let Some(expected) = case["text"].as_str() {
        let found = table::table(score, case["digits"].as_u64().unwrap() as usize);
        if found != expected {
            return Some(format!("text: {found}"));
        }
    }
    (!same(&case["accuracy"], score.accuracy)).then(|| format!("accuracy: {}", score.accuracy))
}

fn check_all(text: &str, count: usize, ulps: u64) {
    let cases = cases(text);
    assert_eq!(cases.len(), count);
    for (index, case) in cases.iter().enumerate() {
        let score = score(method(case), &sentences(case), zero_division(case));
        assert_eq!(difference(case, &score, ulps), None, "line {}: {case}", index + 1);
    }
}

#[test]
fn default_mode_equals_seqeval_to_the_last_bit() {
    check_all(DEFAULT, 151, 0);
}

#[test]
fn strict_mode_equals_seqeval_to_the_last_bit() {
    check_all(STRICT, 150, 0);
}

#[test]
fn words_are_scored_as_scikit_learn_scores_them() {
    // Its F1 is 2·tp / (predicted + gold), which rounds otherwise.
    check_all(WORDS, 40, 4);
}

/// How many cases tell that a wrong way of scoring is wrong.
fn telling(text: &str, wrong: impl Fn(&Value) -> Score) -> usize {
    cases(text).iter().filter(|case| difference(case, &wrong(case), 4).is_some()).count()
}

#[test]
fn the_corpora_reject_wrong_twins() {
    type Twin<'a> = &'a dyn Fn(&Value) -> Score;
    let twins: [(&str, &str, Twin); 6] = [
        ("strict falls back to default", STRICT, &|case| {
            let Method::Strict(.., style) = method(case) else { panic!("no strict case") };
            score(Method::Conlleval(style), &sentences(case), zero_division(case))
        }),
        ("entities cross sentences", DEFAULT, &|case| {
            let mut joined = (Vec::new(), Vec::new());
            for (gold, predicted) in sentences(case) {
                joined.0.extend(gold);
                joined.1.extend(predicted);
            }
            score(method(case), &vec![joined], zero_division(case))
        }),
        ("macro over the gold's types only", DEFAULT, &|case| {
            let mut score = score(method(case), &sentences(case), zero_division(case));
            let gold: Vec<_> = score.types.iter().filter(|kind| kind.count.gold > 0).cloned().collect();
            score.macro_average = macro_average(&gold, zero_division(case));
            score
        }),
        ("the type is ignored", DEFAULT, &|case| {
            let untyped = |tags: Vec<String>| tags.iter().map(|tag| tag.replace("LOC", "PER")).collect();
            let merged = sentences(case).into_iter().map(|(a, b)| (untyped(a), untyped(b))).collect();
            score(method(case), &merged, zero_division(case))
        }),
        ("gold and prediction swapped", DEFAULT, &|case| {
            let swapped = sentences(case).into_iter().map(|(gold, predicted)| (predicted, gold)).collect();
            score(method(case), &swapped, zero_division(case))
        }),
        ("the other zero division", DEFAULT, &|case| {
            let other = if case["zero_division"] == 1 { ZeroDivision::Zero } else { ZeroDivision::One };
            score(method(case), &sentences(case), other)
        }),
    ];
    for (twin, text, wrong) in twins {
        let telling = telling(text, wrong);
        assert!(telling >= 10, "{twin}: only {telling} corpora tell");
    }
}

#[test]
fn sums_are_in_numpys_order() {
    // A plain sum from left to right differs in the last bit on some corpora with eight or more types.
    let plain = |case: &Value| {
        let mut score = score(method(case), &sentences(case), zero_division(case));
        let types = &score.types;
        score.macro_average =
            Metrics::map(|get| types.iter().map(|kind| get(&kind.metrics)).sum::<f64>() / types.len() as f64);
        score
    };
    let telling = cases(DEFAULT).iter().filter(|case| difference(case, &plain(case), 0).is_some()).count();
    assert!(telling >= 2, "only {telling} corpora tell");
}

fn check(method: Method, gold: &str, predicted: &str, expected: Expect) {
    let split = |text: &str| -> Vec<Vec<String>> {
        text.split(" / ").map(|line| line.split_whitespace().map(String::from).collect()).collect()
    };
    let sentences: Sentences = split(gold).into_iter().zip(split(predicted)).collect();
    let score = score(method, &sentences, ZeroDivision::Zero);
    let Metrics { precision, recall, f1 } = score.micro;
    let notes: String = score.notes.iter().map(|note| format!("\n{note}")).collect();
    expected.assert_eq(&format!("{precision:.3} {recall:.3} {f1:.3} {:.3}{notes}", score.accuracy));
}

const CONLLEVAL: Method = Method::Conlleval(Style::Prefix);

#[test]
fn a_score_tells_what_it_could_not_measure() {
    // The figures follow from counting by hand.
    check(CONLLEVAL, "B-A O / B-A", "B-A O / I-A", expect!["1.000 1.000 1.000 0.667"]);
    check(
        CONLLEVAL,
        "O O",
        "O O",
        expect![[r#"
            0.000 0.000 0.000 1.000
            nothing is predicted, so precision counts as 0
            nothing is gold, so recall counts as 0"#]],
    );
    check(
        CONLLEVAL,
        "B-A B-A B-C",
        "B-A B-D O",
        expect![[r#"
            0.500 0.333 0.400 0.333
            type never predicted, whose precision counts as 0: `C`
            type never gold, whose recall counts as 0: `D`"#]],
    );
    check(
        CONLLEVAL,
        "NOUN U-A L-A ORG",
        "NOUN U-A L-A ORG",
        expect![[r#"
            1.000 1.000 1.000 1.000
            2 labels are not B, I, E, S or O tags, and the conlleval rules misread them (`NOUN` is letter `N`, type `OUN`, `ORG` never counts)
            2 labels have a letter that the conlleval rules lack: neighbors merge or get lost, score strictly (`U-A`, `L-A`)"#]],
    );
    check(CONLLEVAL, "", "", expect!["0.000 0.000 0.000 0.000\nno word was scored"]);
}

#[test]
fn the_method_follows_the_labels() {
    assert_eq!(Method::for_labels(&["O", "B-A"], Style::Prefix), (CONLLEVAL, None));
    let (method, note) = Method::for_labels(&["NOUN", "VERB"], Style::Prefix);
    assert_eq!(method, Method::Words);
    expect!["the labels are not entity tags (`NOUN` has no letter of a scheme), so words are scored, not entities"]
        .assert_eq(&note.unwrap().to_string());
    // Types beside `O` are what seqeval makes of them, and one slip changes nothing.
    let (method, note) = Method::for_labels(&["O", "PER"], Style::Prefix);
    assert_eq!(method, CONLLEVAL);
    expect!["the labels are types without a letter (`PER`), and seqeval's F1 misreads them"]
        .assert_eq(&note.unwrap().to_string());
    // A digit where `O` is meant is pointed out; labels that are all numbers are classes.
    let (method, note) = Method::for_labels(&["0", "PER"], Style::Prefix);
    assert!(method == Method::Words && note.unwrap().important);
    for classes in [&["0", "1"][..], &["0", "NOUN", "3"], &["0"], &["ZERO", "PER"]] {
        assert!(!Method::for_labels(classes, Style::Prefix).1.unwrap().important, "{classes:?}");
    }
    assert_eq!(Method::for_labels(&["O", "B-A", "I-A", "0"], Style::Prefix), (CONLLEVAL, None));
    let (method, note) = Method::strict_detected(["O", "S-A", "E-A", "B-A"], Style::Prefix).unwrap();
    assert_eq!(method, Method::Strict(Scheme::Iobes, Style::Prefix));
    expect!["the gold tags show the scheme IOBES"].assert_eq(&note.to_string());
    assert!(Method::strict_detected(["O", "I-A"], Style::Prefix).is_err());
}

#[test]
fn a_refused_sentence_leaves_no_trace() {
    let mut scorer = Scorer::new(Method::Strict(Scheme::Iob2, Style::Prefix));
    assert_eq!(scorer.add(&["O", "O"], &["O"]), Err(Error::Lengths { gold: 2, predicted: 1 }));
    let error = scorer.add(&["B-A"], &["U-A"]).unwrap_err();
    expect!["the tag `U-A` does not belong to IOB2, whose letters are I O B"].assert_eq(&error.to_string());
    assert_eq!(scorer.add(&["O"], &[""]), Err(Error::Scheme(scheme::Error::Empty)));
    assert_eq!(scorer.counts(), Counts::default());
}

#[test]
fn metrics_have_the_names_and_the_order_of_run_ner() {
    let mut scorer = Scorer::with_labels(CONLLEVAL, &["O", "B-PER", "B-LOC"]);
    scorer.add_ids(&[1, 0, 2, 2], &[1, 0, 0, 1]).unwrap();
    let score = scorer.score(ZeroDivision::Zero);
    let text = |entity_level| serde_json::to_string(&score.metrics(entity_level)).unwrap();
    expect![[r#"{"precision":0.5,"recall":0.3333333333333333,"f1":0.4,"accuracy":0.5,"f1_macro":0.3333333333333333}"#]]
        .assert_eq(&text(false));
    expect![[r#"{"LOC_precision":0.0,"LOC_recall":0.0,"LOC_f1":0.0,"LOC_number":2,"PER_precision":0.5,"PER_recall":1.0,"PER_f1":0.6666666666666666,"PER_number":1,"overall_precision":0.5,"overall_recall":0.3333333333333333,"overall_f1":0.4,"overall_accuracy":0.5,"f1_macro":0.3333333333333333}"#]]
        .assert_eq(&text(true));
    expect![[r#"{"method":"conlleval","types":{"LOC":{"precision":0.0,"recall":0.0,"f1":0.0,"number":2,"predicted":0,"correct":0},"PER":{"precision":0.5,"recall":1.0,"f1":0.6666666666666666,"number":1,"predicted":2,"correct":1}},"overall_precision":0.5,"overall_recall":0.3333333333333333,"overall_f1":0.4,"overall_accuracy":0.5,"macro":{"precision":0.25,"recall":0.5,"f1":0.3333333333333333},"weighted":{"precision":0.16666666666666666,"recall":0.3333333333333333,"f1":0.2222222222222222},"number":3,"words":4,"correct_words":2,"sentences":1}"#]]
        .assert_eq(&table::json(&score, scorer.method()).to_string());
}

#[test]
fn a_report_without_types_has_the_averages() {
    expect![[r#"
                      precision    recall  f1-score   support


           micro avg       0.00      0.00      0.00         0
           macro avg       0.00      0.00      0.00         0
        weighted avg       0.00      0.00      0.00         0
    "#]]
    .assert_eq(&table::table(&Counts::default().score(ZeroDivision::Zero), 2));
}

fn corpora() -> impl Strategy<Value = Sentences> {
    let tag = || prop::sample::select(vec!["O", "B-A", "I-A", "I-C", "E-C", "S-A"]).prop_map(String::from);
    let sentence = prop::collection::vec((tag(), tag()), 0..7).prop_map(|pairs| pairs.into_iter().unzip());
    prop::collection::vec(sentence, 0..6)
}

proptest! {
    #[test]
    fn counts_of_parts_add_up_in_any_order(sentences in corpora(), at in 0usize..6) {
        let counts = |sentences: &[(Vec<String>, Vec<String>)]| {
            let mut scorer = Scorer::new(CONLLEVAL);
            for (gold, predicted) in sentences {
                scorer.add(gold, predicted).unwrap();
            }
            scorer.counts()
        };
        let (first, second) = sentences.split_at(at.min(sentences.len()));
        let mut merged = counts(second);
        merged.merge(&counts(first));
        prop_assert_eq!(merged, counts(&sentences));
    }

    #[test]
    fn a_perfect_prediction_scores_one(sentences in corpora()) {
        let perfect: Sentences = sentences.into_iter().map(|(gold, _)| (gold.clone(), gold)).collect();
        let score = score(CONLLEVAL, &perfect, ZeroDivision::One);
        prop_assert!(score.types.iter().all(|kind| kind.metrics == Metrics::all(1.0)));
        prop_assert_eq!(score.accuracy, 1.0);
    }
}
