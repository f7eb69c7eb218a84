//! Tests of schemes against seqeval.

use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::labels::conlleval::{begins, ends};

/// What seqeval 1.2.2 makes of tags, written by `oracle/score.py`.
const TABLES: &str = include_str!("../../../../../golden/score/tables.jsonl");
const CASES: &str = include_str!("../../../../../golden/score/cases.jsonl");

fn lines(text: &str) -> impl Iterator<Item = Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn style(case: &Value) -> Style {
    if case["style"] == "suffix" { Style::Suffix } else { Style::Prefix }
}

/// `None` for the conlleval rules.
fn reading(case: &Value) -> Option<Scheme> {
    Scheme::named(text(&case["reading"]))
}

/// The entities of one sentence by the conlleval rules.
fn conlleval_spans<'a>(tags: &[&'a str], style: Style) -> Result<Vec<Span<&'a str>>, Error> {
    let parsed =
        tags.iter().map(|text| Tag::conlleval(text, style).ok_or(Error::Empty)).collect::<Result<Vec<_>, _>>()?;
    let mut spans = Vec::new();
    Conlleval::new(UNTYPED).sentence(&parsed, &mut spans);
    Ok(spans)
}

type Reader = for<'a> fn(Option<Scheme>, &[&'a str], Style) -> Vec<Span<&'a str>>;

fn read<'a>(scheme: Option<Scheme>, tags: &[&'a str], style: Style) -> Vec<Span<&'a str>> {
    match scheme {
        Some(scheme) => scheme.spans(tags, style).unwrap(),
        None => conlleval_spans(tags, style).unwrap(),
    }
}

/// The sequences of a table line in the oracle's order: by length, then by the alphabet.
fn sequences(alphabet: &[String], longest: usize) -> Vec<Vec<&str>> {
    let mut all: Vec<Vec<&str>> = Vec::new();
    let mut last: Vec<Vec<&str>> = vec![Vec::new()];
    for _ in 0..longest {
        last = last.iter().flat_map(|head| alphabet.iter().map(|tag| [head, &[tag.as_str()][..]].concat())).collect();
        all.extend(last.iter().cloned());
    }
    all
}

/// How many sequences of all tables `reader` reads in another way than seqeval, and how many there are.
fn table_differences(reader: Reader) -> (usize, usize) {
    let (mut different, mut all) = (0, 0);
    for case in lines(TABLES) {
        let alphabet: Vec<String> = serde_json::from_value(case["alphabet"].clone()).unwrap();
        let sequences = sequences(&alphabet, case["longest"].as_u64().unwrap() as usize);
        let expected: Vec<&str> = text(&case["spans"]).split(';').collect();
        assert_eq!(sequences.len(), expected.len());
        for (tags, expected) in sequences.iter().zip(expected) {
            let spans = reader(reading(&case), tags, style(&case));
            let found: String = spans.iter().map(|span| format!("{}{}{}", span.kind, span.start, span.end)).collect();
            different += usize::from(found != expected);
            all += 1;
        }
    }
    (different, all)
}

#[test]
fn every_short_sequence_is_read_as_seqeval_reads_it() {
    // Sums of powers: IOB and IOE at length 4 in both styles; nine tags at length 4 and, suffix style, 3; odd labels.
    let all =
        8 * (5 + 25 + 125 + 625) + 3 * (9 + 81 + 729 + 6561) + 3 * (9 + 81 + 729) + (16 + 256 + 4096) + (16 + 256);
    assert_eq!(table_differences(read), (0, all));
}

#[test]
fn the_tables_reject_wrong_twins() {
    let twins: [(&str, Reader); 5] = [
        ("a span ends one late", |scheme, tags, style| {
            let late = |span: Span<_>| Span { end: span.end + 1, ..span };
            read(scheme, tags, style).into_iter().map(late).collect()
        }),
        ("the type is ignored", |scheme, tags, style| {
            read(scheme, tags, style).into_iter().map(|span| Span { kind: "A", ..span }).collect()
        }),
        ("an `I` after `O` opens nothing", |scheme, tags, style| {
            let opens =
                |span: &Span<_>| scheme.is_some() || Tag::conlleval(tags[span.start], style).unwrap().letter != 'I';
            read(scheme, tags, style).into_iter().filter(opens).collect()
        }),
        ("strict falls back to conlleval", |_, tags, style| read(None, tags, style)),
        ("the style is ignored", |scheme, tags, _| match scheme {
            Some(scheme) => scheme.spans(tags, Style::Prefix).unwrap_or_default(),
            None => read(None, tags, Style::Prefix),
        }),
    ];
    for (twin, reader) in twins {
        let (different, all) = table_differences(reader);
        assert!(different * 100 > all, "{twin}: only {different} of {all} sequences tell");
    }
}

#[test]
fn tags_come_apart_as_in_seqeval() {
    let pair = |tag: Option<Tag<&str>>| tag.map(|tag| serde_json::json!([tag.letter.to_string(), tag.kind]));
    let mut checked = 0;
    for case in lines(CASES).filter(|case| case["case"] == "parse") {
        assert_eq!(pair(Tag::conlleval(text(&case["text"]), style(&case))).unwrap(), case["conlleval"], "{case}");
        if !case["strict"].is_null() {
            assert_eq!(pair(Tag::strict(text(&case["text"]), style(&case))).unwrap(), case["strict"], "{case}");
        }
        checked += 1;
    }
    assert_eq!(checked, 62);
    assert_eq!(Tag::conlleval("", Style::Prefix), None);
}

#[test]
fn neighbors_begin_continue_and_end_entities_as_in_seqeval() {
    let letter = |value: &Value| text(value).chars().next().unwrap();
    let mut checked = 0;
    for case in lines(CASES).filter(|case| case["case"] == "pair") {
        let same = case["same"] == true;
        let (before, now) = (letter(&case["before"]), letter(&case["now"]));
        let facts = match reading(&case) {
            Some(scheme) => {
                let previous = Tag { letter: before, kind: 'A' };
                let tag = Tag { letter: now, kind: if same { 'A' } else { 'C' } };
                let rules = scheme.rules();
                [rules.begins, rules.continues, rules.ended].map(|rules| holds(rules, previous, tag)).to_vec()
            }
            None => vec![begins(before, now, !same), ends(before, now, !same)],
        };
        assert_eq!(serde_json::json!(facts), case["facts"], "{case}");
        checked += 1;
    }
    assert_eq!(checked, 4 * 9 * 2 + 2 * 25 * 2 + 81 * 2);
}

#[test]
fn schemes_are_told_from_letters_as_in_seqeval() {
    let mut told = 0;
    for case in lines(CASES).filter(|case| case["case"] == "detect") {
        let tags: Vec<String> = serde_json::from_value(case["tags"].clone()).unwrap();
        let found = Scheme::detect(tags.iter().map(String::as_str), style(&case));
        assert_eq!(found.as_ref().ok().map(|scheme| scheme.name()), case["scheme"].as_str(), "{case}");
        told += usize::from(found.is_ok());
    }
    assert_eq!(told, 2 * 26);
}

#[test]
fn bare_letters_are_read_as_in_seqeval() {
    let mut checked = 0;
    for case in lines(CASES).filter(|case| case["case"] == "untyped") {
        let letters: Vec<String> = text(&case["tags"]).chars().map(String::from).collect();
        let tags: Vec<&str> = letters.iter().map(String::as_str).collect();
        let spans = read(reading(&case), &tags, Style::Prefix);
        assert!(spans.iter().all(|span| span.kind == UNTYPED));
        let found: Vec<_> = spans.iter().map(|span| [span.start, span.end]).collect();
        assert_eq!(serde_json::json!(found), case["spans"], "{case}");
        checked += 1;
    }
    assert_eq!(checked, 4 * (3 + 9 + 27) + 2 * (5 + 25 + 125));
}

fn check_error(found: Error, expected: Expect) {
    expected.assert_eq(&found.to_string());
}

#[test]
fn errors_say_which_tag() {
    check_error(
        Scheme::Iob2.spans(&["O", "S-PER"], Style::Prefix).unwrap_err(),
        expect!["the tag `S-PER` does not belong to IOB2, whose letters are I O B"],
    );
    check_error(
        Scheme::detect(["O", "I-PER"], Style::Prefix).unwrap_err(),
        expect!["the gold letters O I do not tell the scheme: name it (IOB1, IOB2, IOE1, IOE2, IOBES, BMES, BILOU)"],
    );
    check_error(
        Scheme::Iob2
            .tags(&[Span { kind: "A", start: 0, end: 2 }, Span { kind: "B", start: 1, end: 3 }], 3, Style::Prefix)
            .unwrap_err(),
        expect!["the span 1..3 of type `B` is empty, overlaps another or leaves the sentence of 3 words"],
    );
    assert_eq!(conlleval_spans(&["O", ""], Style::Prefix).unwrap_err(), Error::Empty);
}

#[test]
fn schemes_write_the_letters_of_their_definition() {
    // Three neighbors, the first two of one type; written by hand from the schemes' definitions.
    let spans = [("A", 0, 2), ("A", 2, 3), ("C", 3, 5)].map(|(kind, start, end)| Span { kind, start, end });
    for (scheme, expected) in [
        (Scheme::Iob1, "I-A I-A B-A I-C I-C O"),
        (Scheme::Iob2, "B-A I-A B-A B-C I-C O"),
        (Scheme::Ioe1, "I-A E-A I-A I-C I-C O"),
        (Scheme::Ioe2, "I-A E-A E-A I-C E-C O"),
        (Scheme::Iobes, "B-A E-A S-A B-C E-C O"),
        (Scheme::Bmes, "B-A E-A S-A B-C E-C O"),
        (Scheme::Bilou, "B-A L-A U-A B-C L-C O"),
    ] {
        assert_eq!(scheme.tags(&spans, 6, Style::Prefix).unwrap().join(" "), expected);
    }
    let untyped = [Span { kind: UNTYPED, start: 0, end: 1 }];
    assert_eq!(Scheme::Iob2.tags(&untyped, 2, Style::Suffix).unwrap(), ["B", "O"]);
}

#[test]
fn label_sets_are_told_apart() {
    for (labels, style, expected) in [
        ("O B-PER I-PER", Style::Prefix, None),
        ("O PER-B PER-I", Style::Suffix, None),
        ("O PER-B PER-I", Style::Prefix, Some("PER-B")),
        ("O U-A L-A B-A S-A", Style::Prefix, None),
        ("O B I", Style::Prefix, None),
        ("B I", Style::Prefix, Some("B")),
        ("I UC", Style::Prefix, Some("I")),
        ("O PER LOC", Style::Prefix, Some("PER")),
        ("O B-", Style::Prefix, Some("B-")),
        ("NOUN X O", Style::Prefix, Some("NOUN")),
        ("O OTHER", Style::Prefix, Some("OTHER")),
        ("O", Style::Prefix, None),
    ] {
        let labels: Vec<&str> = labels.split(' ').collect();
        assert_eq!(first_not_iob_like(&labels, style), expected, "{labels:?}");
        assert_eq!(is_iob_like(&labels, style), expected.is_none());
    }
}

/// One label must not decide what all others are.
#[test]
fn a_slip_does_not_change_what_labels_are() {
    for (labels, expected) in [
        ("O B-PER I-PER", LabelKind::Tags),
        ("O B-PER I-PER 0", LabelKind::Tags),
        ("O B-PER MISC LOC ORG", LabelKind::Tags),
        ("0 B-QUANTITY B-ITEM B-LOCATION", LabelKind::Tags),
        ("O B M E S", LabelKind::Tags),
        ("O PER LOC", LabelKind::Types),
        ("O 0", LabelKind::Types),
        ("O", LabelKind::Tags),
        ("NOUN VERB X", LabelKind::Classes),
        ("NOUN VERB S-ADJ", LabelKind::Classes),
        ("UC A A+B", LabelKind::Classes),
        ("0 1 2", LabelKind::Classes),
    ] {
        let labels: Vec<&str> = labels.split(' ').collect();
        assert_eq!(LabelKind::of(&labels, Style::Prefix), expected, "{labels:?}");
    }
}

/// Spans as (words skipped before, words, type).
fn sentences() -> impl Strategy<Value = (Vec<Span<&'static str>>, usize)> {
    let span = (0usize..3, 1usize..4, prop::sample::select(vec!["PER", "LOC-X", "Ü"]));
    (prop::collection::vec(span, 0..6), 0usize..3).prop_map(|(parts, rest)| {
        let mut at = 0;
        let mut spans = Vec::new();
        for (gap, length, kind) in parts {
            spans.push(Span { kind, start: at + gap, end: at + gap + length });
            at += gap + length;
        }
        (spans, at + rest)
    })
}

proptest! {
    #[test]
    fn spans_survive_tags((spans, length) in sentences(), suffix in any::<bool>()) {
        let style = if suffix { Style::Suffix } else { Style::Prefix };
        for scheme in Scheme::ALL {
            let tags = scheme.tags(&spans, length, style).unwrap();
            let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
            let lost = |(index, span): &(usize, &Span<&str>)| {
                let touches = |a: &Span<&str>, b: &Span<&str>| a.end == b.start && a.kind == b.kind;
                scheme == Scheme::Ioe1 && span.end == span.start + 1
                    && spans.get(index + 1).is_some_and(|next| touches(span, next))
                    && !(*index > 0 && touches(&spans[index - 1], span))
            };
            let expected: Vec<_> = spans.iter().enumerate().filter(|s| !lost(s)).map(|(_, span)| *span).collect();
            prop_assert_eq!(scheme.spans(&tags, style).unwrap(), expected);
            if scheme != Scheme::Bilou {
                prop_assert_eq!(conlleval_spans(&tags, style).unwrap(), spans.clone(), "{}", scheme);
            }
        }
    }
}
