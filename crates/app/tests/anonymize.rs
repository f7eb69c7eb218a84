//! Texts and results, rewritten as Presidio's anonymizer rewrites them.

use anyhow::Result;
use serde_json::{Value, json};
use tagsmith_app::error;
use tagsmith_app::predict::anonymize::found::Found;
use tagsmith_app::predict::anonymize::operator::{Operator, Operators};
use tagsmith_app::predict::anonymize::rewrite::rewrite;
use tagsmith_testkit::golden;

/// What Presidio's server would answer, or the error. `twin` changes the results first.
fn answer_of(case: &Value, twin: impl Fn(&mut Vec<Found>)) -> Result<Value> {
    let found = case["analyzer_results"].as_array().expect("results are a list").iter().map(Found::from_json);
    let mut found: Vec<Found> = found.collect::<Result<_>>()?;
    let operators = Operators::from_json(&case["anonymizers"])?;
    twin(&mut found);
    let rewritten = rewrite(case["text"].as_str().expect("a text"), found, &operators)?;
    Ok(scored(serde_json::to_value(&rewritten)?))
}

fn answer(case: &Value) -> Result<Value> {
    answer_of(case, |_| ())
}

/// An answer in which `1` and `1.0` are one score.
fn scored(mut answer: Value) -> Value {
    for item in answer["items"].as_array_mut().into_iter().flatten() {
        item["score"] = item["score"].as_f64().into();
    }
    answer
}

#[test]
fn texts_become_what_presidio_makes_of_them() {
    let cases = golden::lines("anonymize/cases.jsonl");
    let refused = cases.iter().filter(|case| case["answer"].is_null()).count();
    assert!(cases.len() > 200 && refused > 15, "{} cases, {refused} refused", cases.len());
    for case in &cases {
        match answer(case) {
            Ok(ours) => assert_eq!(ours, scored(case["answer"].clone()), "{case}"),
            Err(error) => assert!(case["answer"].is_null(), "{case}: {error:#}"),
        }
    }
    // Rules that somebody may take for Presidio's.
    let inside = |a: &Found, b: &Found| a.start >= b.start && a.end <= b.end;
    type Twin<'t> = (&'t str, &'t dyn Fn(&mut Vec<Found>));
    let twins: [Twin<'_>; 4] = [
        ("the first of equals stays", &|found| found.reverse()),
        ("the better of two stays, whichever holds the other", &|found| {
            let all = found.clone();
            found.retain(|one| !all.iter().any(|other| inside(other, one) && other.score > one.score));
        }),
        ("one that overlaps another goes", &|found| {
            let all = found.clone();
            found.retain(|one| !all.iter().any(|other| other.start < one.start && one.start < other.end));
        }),
        ("all of one text are of one type", &|found| found.iter_mut().for_each(|found| found.entity_type = "A".into())),
    ];
    for (name, twin) in twins {
        let differ = cases.iter().filter(|case| !case["answer"].is_null());
        let differ = differ.filter(|case| answer_of(case, twin).ok() != Some(scored(case["answer"].clone()))).count();
        assert!(differ >= 3, "{name}: {differ} cases differ");
    }
}

#[test]
fn a_salt_that_nobody_gave_is_new_for_each_entity() {
    let case = |salt: Value| {
        let found =
            [(0, 2), (3, 5)].map(|(start, end)| json!({"start": start, "end": end, "entity_type": "P", "score": 1}));
        let mut hash = json!({"type": "hash"});
        if salt != Value::Null {
            hash["salt"] = salt;
        }
        json!({"text": "Jo,Jo", "analyzer_results": found, "anonymizers": {"P": hash}})
    };
    let texts = |case: &Value| -> Vec<String> {
        let answer = answer(case).expect("it is well formed");
        answer["items"].as_array().expect("items").iter().map(|item| item["text"].to_string()).collect()
    };
    let given = texts(&case("sixteen bytes it".into()));
    assert_eq!(given[0], given[1]);
    let drawn = [texts(&case(Value::Null)), texts(&case(Value::Null))].concat();
    for (at, one) in drawn.iter().enumerate() {
        assert_eq!(one.len(), 64 + 2);
        assert!(!drawn[..at].contains(one), "a hash occurs twice");
    }
}

#[test]
fn what_presidio_would_ignore_or_cannot_say_is_refused_with_a_line() {
    let said = |anonymizers: Value| {
        let error = Operators::from_json(&anonymizers).expect_err("it is wrong");
        let remedy = error::remedy(&error).expect("it can be mended");
        format!("{error:#}: {}", remedy.clause(&|_, _| unreachable!("a request has no options")))
    };
    let all = "name one of `replace`, `redact`, `mask`, `hash`, `keep`";
    for (operator, line) in [
        (json!({"type": "encrypt", "key": "k"}), format!("`encrypt` is not offered: {all}")),
        (json!({"type": "shuffle"}), format!("there is no operator `shuffle`: {all}")),
        (json!({"type": "replace", "new-value": "X"}), "`replace` has no key `new-value`: write `new_value`".into()),
        (json!({"type": "redact", "x": 1}), "`redact` has no key `x`: leave it out".into()),
        (json!({"type": "mask"}), "`mask` needs `masking_char`: give it a letter".into()),
        (json!({"type": "hash", "salt": null}), "`hash` cannot use this `salt`: give it a text".into()),
    ] {
        assert_eq!(said(json!({"PHONE": operator})), format!("the anonymizer of `PHONE`: {line}"));
    }
    assert_eq!(said(json!({"A": 3})), format!("the anonymizer of `A` has no `type`: {all}"));
    assert_eq!(said(json!([])), "the anonymizers are not an object: give an object with an operator for each type");
}

#[test]
fn operators_cannot_make_much_of_little() {
    let text = "a,".repeat(1 << 12);
    let found = (0..1 << 12).map(|at| Found { start: 2 * at, end: 2 * at + 1, entity_type: "A".into(), score: 1.0 });
    let long = |bytes| Operators { default: Operator::Replace(Some("x".repeat(bytes))), ..Operators::default() };
    let error = rewrite(&text, found.clone().collect(), &long(1 << 14)).expect_err("128 MiB");
    assert_eq!(error.to_string(), "the anonymized text and its items take more than 64 MiB");
    assert_eq!(rewrite(&text, found.collect(), &long(8)).expect("it fits").items.len(), 1 << 12);
}
