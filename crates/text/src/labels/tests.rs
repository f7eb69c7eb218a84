//! Tests of label sets and of their alignment.

use expect_test::{Expect, expect};

use super::*;
use crate::sentence::{Columns, Sentence, Sentences, TagKind};
use tagsmith_message::Remedy;

/// A split with one sentence a text, each a line further down.
fn split(source: &str, kind: TagKind, names: &[&str], sentences: &[&str]) -> Split {
    let mut tag_names: Vec<String> = names.iter().map(|name| (*name).into()).collect();
    let mut read = Vec::new();
    for (line, text) in (1..).zip(sentences) {
        let mut tags = Vec::new();
        for tag in text.split_whitespace() {
            let known = tag_names.iter().position(|name| name == tag).unwrap_or_else(|| {
                tag_names.push(tag.into());
                tag_names.len() - 1
            });
            tags.push(known as u32);
        }
        read.push(Sentence { words: vec!["w".into(); tags.len()], tags, line });
    }
    let columns = Columns::default();
    Split {
        source: source.into(),
        sentences: Sentences::in_memory(&read),
        tag_names,
        tag_kind: kind,
        columns,
        notes: Vec::new(),
    }
}

fn strings(source: &str, sentences: &[&str]) -> Split {
    split(source, TagKind::Strings, &[], sentences)
}

fn integers(source: &str, sentences: &[&str]) -> Split {
    split(source, TagKind::Integers, &[], sentences)
}

fn check_infer(train: Option<&Split>, others: &[&Split], expected: Expect) {
    let text = match LabelSet::infer(train, others) {
        Ok((labels, notes)) => {
            let notes: String = notes.iter().map(|note| format!("\n{note}")).collect();
            format!("{}{notes}", labels.names().join(" "))
        }
        Err(error) => error.to_string(),
    };
    expected.assert_eq(&text);
}

#[test]
fn string_labels_are_sorted_by_code_point_over_all_splits() {
    // Python's sorted() of the same names; U+FF21 sorts before U+1F600 by code point, after it in UTF-16.
    let train = strings("train.conll", &["O I-PER B-PER", "B-\u{1F600} B-\u{FF21} b-per"]);
    check_infer(Some(&train), &[], expect!["B-PER B-Ａ B-😀 I-PER O b-per"]);
    let dev = strings("dev.conll", &["O B-LOC", "I-LOC B-LOC"]);
    let test = strings("test.conll", &["", "B-LOC A"]);
    check_infer(
        Some(&train),
        &[&dev, &test],
        expect![[r#"
            A B-LOC B-PER B-Ａ B-😀 I-LOC I-PER O b-per
            3 labels occur, but not in the training data, so none is learned: `A`, `B-LOC`, `I-LOC` (test.conll:2, dev.conll:1, dev.conll:2)"#]],
    );
    check_infer(None, &[&dev], expect!["B-LOC I-LOC O"]);
}

#[test]
fn class_labels_keep_their_order() {
    let train = split("train", TagKind::ClassLabel, &["O", "B-PER", "A"], &["A O", "B-PER"]);
    check_infer(Some(&train), &[], expect!["O B-PER A"]);
    let dev = split("dev", TagKind::ClassLabel, &["Z", "O", "C", "unused"], &["C O"]);
    check_infer(
        Some(&train),
        &[&dev],
        expect![[r#"
            O B-PER A C
            1 label occurs, but not in the training data, so it is not learned: `C` (dev:1)"#]],
    );
}

#[test]
fn integers_are_named_by_their_decimals() {
    let train = integers("train.json", &["10 2 0 1", "3 4 5 6 7 8 9"]);
    check_infer(
        Some(&train),
        &[],
        expect![[r#"
            0 1 2 3 4 5 6 7 8 9 10
            the labels are integers without names, so their names are `0` to `10`"#]],
    );
    let sparse = integers("train.json", &["0 4", "2"]);
    check_infer(
        Some(&sparse),
        &[],
        expect![[r#"
            0 1 2 3 4
            the labels are integers without names, so their names are `0` to `4`, though no word has `1`, `3`"#]],
    );
    for wild in ["-100", "10000", "99999999999999999999"] {
        let error = LabelSet::infer(Some(&integers("train.json", &["0", wild])), &[]).unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "train.json:2: the label `{wild}` is not a label id: without names, integers from 0 to 9999 are accepted"
            )
        );
    }
}

#[test]
fn labels_that_cannot_be_are_refused() {
    let none = split("test.conll", TagKind::Absent, &[], &[]);
    check_infer(None, &[&none], expect!["the data has no labels"]);
    check_infer(
        Some(&integers("train.json", &["0"])),
        &[&none, &strings("dev.json", &["O"])],
        expect!["`train.json` has integers without names as labels and `dev.json` has strings"],
    );
    let new = |names: &[&str]| LabelSet::new(names.iter().map(|name| (*name).into()).collect());
    assert_eq!(new(&["O", "A", "O"]).unwrap_err(), Error::Duplicate { name: "O".into(), first: 0, second: 2 });
    assert_eq!(new(&["O", ""]).unwrap_err(), Error::EmptyName { id: 1 });
    assert_eq!(new(&[]).unwrap_err(), Error::NoLabels);
}

fn labels(names: &str) -> LabelSet {
    LabelSet::new(names.split(' ').map(String::from).collect()).unwrap()
}

#[test]
fn tags_find_their_ids() {
    let set = labels("O B-PER");
    let split = split("dev.conll", TagKind::ClassLabel, &["B-PER", "unused", "O"], &["O B-PER"]);
    assert_eq!(set.ids_of(&split).unwrap(), [Some(1), None, Some(0)]);
    let error = set.ids_of(&strings("dev.conll", &["O", "O B-LOC"])).unwrap_err();
    expect!["dev.conll:2: the label `B-LOC` is not among the model's 2 labels (`O`, `B-PER`)"]
        .assert_eq(&error.to_string());
    let split = strings("dev.conll", &["O UNK", "O"]);
    assert_eq!(set.ids_without(&split, Some("UNK")).unwrap(), [Some(0), None]);
    assert!(set.ids_without(&split, Some("B-LOC")).is_err() && set.ids_of(&split).is_err());
}

#[test]
fn continuations_replace_every_b_in_the_name() {
    // `B-TUB-X` becomes `I-TUI-X` in the original; a twin that replaced only the first would find `I-TUB-X`.
    let set = labels("B-PER I-PER B-LOC O B-TUB-X I-TUB-X I-TUI-X XB-A XI-A");
    assert_eq!(set.continuations(), [1, 1, 2, 3, 6, 5, 6, 7, 8]);
}

const STRICT: Alignment = Alignment { training: true, ignore_sizes: false, ignore_names: false };

fn check_align(data: &str, checkpoint: &str, allow: Alignment, expected: Expect) {
    let text = match align(labels(data), &labels(checkpoint), allow) {
        Ok(aligned) => {
            let head = if aligned.new_head { " (new head)" } else { "" };
            let notes: String = aligned.notes.iter().map(|note| format!("\n{note}")).collect();
            format!("{}{head}{notes}", aligned.labels.names().join(" "))
        }
        Err(error) => error.to_string(),
    };
    expected.assert_eq(&text);
}

#[test]
fn a_checkpoint_with_the_same_names_gives_the_order() {
    check_align("A B O", "A B O", STRICT, expect!["A B O"]);
    check_align(
        "A B O",
        "O A B",
        STRICT,
        expect![[r#"
            O A B
            the labels are taken in the checkpoint's order, not the data's"#]],
    );
}

#[test]
fn placeholders_take_the_datas_names() {
    check_align("A O", "LABEL_0 LABEL_1", STRICT, expect!["A O"]);
    // Out of order they are names like any other.
    check_align(
        "A O",
        "LABEL_1 LABEL_0",
        STRICT,
        expect![
            "the checkpoint's labels are not the data's: only the checkpoint has `LABEL_1`, `LABEL_0`, only the data has `A`, `O`"
        ],
    );
}

#[test]
fn other_names_are_refused_unless_allowed() {
    check_align(
        "A B O",
        "A C O",
        STRICT,
        expect!["the checkpoint's labels are not the data's: only the checkpoint has `C`, only the data has `B`"],
    );
    check_align(
        "A B O",
        "A C O",
        Alignment { ignore_names: true, ..STRICT },
        expect![[r#"
            A B O
            the head's rows of `C` become `B`; all other rows keep their labels"#]],
    );
    // The data's labels are sorted, so that every one of them stands elsewhere than in the checkpoint.
    check_align(
        "B-FOO B-LOC I-FOO I-LOC O",
        "O B-PER I-PER B-LOC I-LOC",
        Alignment { ignore_names: true, ..STRICT },
        expect![[r#"
            O B-FOO I-FOO B-LOC I-LOC
            the head's rows of `B-PER`, `I-PER` become `B-FOO`, `I-FOO`; all other rows keep their labels"#]],
    );
}

#[test]
fn a_head_of_another_size_is_refused_unless_allowed() {
    check_align(
        "A O",
        "A B C D E F G H I J O",
        STRICT,
        expect![
            "the checkpoint's head has 11 labels (`A`, `B`, `C`, `D`, `E`, `F`, `G`, `H` and 3 more) but the data has 2 (`A`, `O`)"
        ],
    );
    check_align(
        "A O",
        "LABEL_0 LABEL_1 LABEL_2",
        Alignment { ignore_sizes: true, ..STRICT },
        expect![[r#"
            A O (new head)
            the head starts anew: the checkpoint has 3 labels, the data 2"#]],
    );
}

#[test]
fn errors_carry_what_to_do() {
    let remedy = |data, checkpoint| align(labels(data), &labels(checkpoint), STRICT).unwrap_err().remedy().unwrap();
    let spelled = |remedy: Remedy| remedy.clause(&|setting, _| format!("{setting:?}"));
    assert_eq!(spelled(remedy("A O", "A B O")), "pass IgnoreMismatchedSizes to start with a new head");
    assert_eq!(
        spelled(remedy("A B O", "A C O")),
        "pass IgnoreMismatchedLabels to give the data's labels to the rows of those that it lacks"
    );
}

#[test]
fn data_to_evaluate_may_lack_labels() {
    let evaluating = Alignment { training: false, ..STRICT };
    check_align(
        "O A",
        "A B O",
        evaluating,
        expect![[r#"
            A B O
            labels of the checkpoint that the data lacks: `B`"#]],
    );
    check_align(
        "A C O",
        "A O",
        evaluating,
        expect!["the checkpoint's head has 2 labels (`A`, `O`) but the data has 3 (`A`, `C`, `O`)"],
    );
}
