//! Tests of JSON rows.

use super::*;
use crate::rows::split_builder::collect;
use crate::rows::split_builder::tests::{show, tagged};
use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::Value;
use tagsmith_text::sentence::Split;

fn read(input: &[u8], source: &str, options: &ReadOptions) -> Result<Split, Error> {
    read_from(Input::from_bytes(input.to_vec()), source, options)
}

fn read_from(input: Input, source: &str, options: &ReadOptions) -> Result<Split, Error> {
    collect(Box::new(JsonReader::new(input, source, options, Wanted::Tagged, Limit::Item)), source, &options.room)
}

fn check(input: &str, want: Expect) {
    want.assert_eq(&show(read(input.as_bytes(), "f", &ReadOptions::default())));
}

fn check_columns(input: &str, text: &str, label: &str, want: Expect) {
    let options =
        ReadOptions { text_column: Some(text.into()), label_column: Some(label.into()), ..ReadOptions::default() };
    want.assert_eq(&show(read(input.as_bytes(), "f", &options)));
}

#[test]
fn layouts() {
    check(
        "{\"words\": [\"EU\", \"no\"], \"ner\": [\"B-ORG\", \"O\"]}\n{\"words\": [], \"ner\": []}\n",
        expect![[r#"
        1: EU|B-ORG no|O
        2: 
        Strings ["B-ORG", "O"]; words and ner of words ner
        note: 1 sentence has no words; it is kept (f:2)
    "#]],
    );
    check(
        "\u{FEFF}{\"a\": [\"x{\\\"}\\\\\"], \"b\": [\"O\"]}\r\n\r\n{\"a\": [\"y\"], \"b\": [\"O\"]}",
        expect![[r#"
        1: x{\"}\\|O
        3: y|O
        Strings ["O"]; a and b of a b
    "#]],
    );
    check(
        "[{\"a\": [\"x\"], \"b\": [\"O\"]},\n {\"a\": [\"y\"], \"b\": [\"O\"]}]\n",
        expect![[r#"
        1: x|O
        2: y|O
        Strings ["O"]; a and b of a b
    "#]],
    );
    check(
        "{\n  \"a\": [\n    \"x\"\n  ],\n  \"b\": [\"O\"]\n}\n{\n  \"a\": [\"y\"], \"b\": [\"O\"]}",
        expect![[r#"
        1: x|O
        7: y|O
        Strings ["O"]; a and b of a b
    "#]],
    );
    check(
        "{\"a\": [\"x\"], \"b\": [\"O\"]}{\"a\": [\"y\"], \"b\": [\"O\"]} {\"b\": [\"O\"], \"a\": [\"z\"], \"c\": 1}",
        expect![[r#"
        1: x|O
        1: y|O
        1: z|O
        Strings ["O"]; a and b of a b c
    "#]],
    );
    check(
        "\u{FEFF}[\n]",
        expect![[r#"
        error: f: there is no sentence in it: check the path and how the file was made
    "#]],
    );
    check(
        "",
        expect![[r#"
        error: f: there is no sentence in it: check the path and how the file was made
    "#]],
    );
}

#[test]
fn key_order_is_column_order() {
    check(
        "{\"zebra\": [\"x\"], \"ant\": [\"O\"]}",
        expect![[r#"
        1: x|O
        Strings ["O"]; zebra and ant of zebra ant
    "#]],
    );
    check(
        "{\"id\": \"0\", \"tokens\": [\"x\"], \"pos_tags\": [2], \"ner_tags\": [7]}",
        expect![[r#"
        1: x|7
        Integers ["7"]; tokens and ner_tags of id tokens pos_tags ner_tags
    "#]],
    );
    check_columns(
        "{\"id\": \"0\", \"tokens\": [\"x\"], \"pos_tags\": [2], \"ner_tags\": [7]}",
        "tokens",
        "pos_tags",
        expect![[r#"
        1: x|2
        Integers ["2"]; tokens and pos_tags of id tokens pos_tags ner_tags
    "#]],
    );
    check_columns(
        "{\"id\": \"0\", \"tokens\": [\"x\"], \"pos_tags\": [2]}",
        "tokens",
        "pos_tag",
        expect![[r#"
            error: f:1: there is no column `pos_tag` among `id`, `tokens`, `pos_tags`: pass <LabelColumn=pos_tags> if that is meant
        "#]],
    );
}

#[test]
fn labels_of_both_kinds() {
    check(
        "{\"a\": [\"x\", \"y\"], \"b\": [3, -1]}\n{\"a\": [\"z\"], \"b\": [0]}",
        expect![[r#"
        1: x|3 y|-1
        2: z|0
        Integers ["3", "-1", "0"]; a and b of a b
    "#]],
    );
    check(
        "{\"a\": [\"x\", \"y\"], \"b\": [3, \"O\"]}",
        expect![[r#"
        error: f:1: the label `O` is a string, the labels before are integers: write all of them one way
    "#]],
    );
    check(
        "{\"a\": [\"x\"], \"b\": [\"O\"]}\n{\"a\": [\"x\"], \"b\": [0]}",
        expect![[r#"
        error: f:2: the label `0` is an integer, the labels before are strings: write all of them one way
    "#]],
    );
    check(
        "{\"a\": [\"x\"], \"b\": [1.0]}",
        expect![[r#"
            error: f:1: the labels' column `b` holds lists of numbers that are not 64-bit integers, not a list of labels (columns: `a`, `b`): write one list a sentence, or pass <LabelColumn> to read another column
        "#]],
    );
    check(
        "{\"a\": [\"x\"], \"b\": [18446744073709551615]}",
        expect![[r#"
            error: f:1: the labels' column `b` holds lists of numbers that are not 64-bit integers, not a list of labels (columns: `a`, `b`): write one list a sentence, or pass <LabelColumn> to read another column
        "#]],
    );
}

#[test]
fn cells_that_cannot_be_read() {
    check(
        "{\"a\": [\"x\"], \"b\": [\"O\"]}\n{\"a\": [\"x\", null], \"b\": [\"O\", \"O\"]}",
        expect![[r#"
        error: f:2: word 2 of `a` is `null`, not a string: write it in quotes, or drop it and its label
    "#]],
    );
    check(
        "{\"a\": [\"x\", 5], \"b\": [\"O\", \"O\"]}",
        expect![[r#"
        error: f:1: word 2 of `a` is `5`, not a string: write it in quotes, or drop it and its label
    "#]],
    );
    check(
        "{\"a\": [\"x\", \"y\"], \"b\": [\"O\", null]}",
        expect![[r#"
        error: f:1: label 2 of `b` is `null`, neither a string nor a 64-bit integer: correct it
    "#]],
    );
    check(
        "{\"a\": [\"x\"], \"b\": [\"O\"]}\n{\"a\": null, \"b\": [\"O\"]}",
        expect![[r#"
        error: f:2: `a` is `null`, not a list: give every row a list
    "#]],
    );
    check(
        "{\"a\": [\"x\"], \"b\": [\"O\"]}\n\n{\"a\": [\"x\"]}",
        expect![[r#"
        error: f:3: the row has no `b` (it has `a`): add it, or drop the row
    "#]],
    );
    check(
        "{\"a\": [\"x\"], \"b\": [\"\"]}",
        expect![[r#"
        error: f:1: a label is an empty string: give every word a label
    "#]],
    );
    check(
        "{\"a\": [\"x\", \"y\"], \"b\": [\"O\"]}",
        expect![[r#"
            error: f:1: 2 words (`a`) and 1 label (`b`): give every word one label, or pass <TextColumn> or <LabelColumn> to read other columns
        "#]],
    );
    check(
        "{\"a\": [\"x\"], \"b\": [\"O\", \"O\"]}",
        expect![[r#"
            error: f:1: 1 word (`a`) and 2 labels (`b`): give every word one label, or pass <TextColumn> or <LabelColumn> to read other columns
        "#]],
    );
    check(
        "{\"a\": [\"\", \" \"], \"b\": [\"O\", \"O\"]}",
        expect![[r#"
        1: |O  |O
        Strings ["O"]; a and b of a b
        note: 2 words are empty or blank; they are kept (f:1, f:1)
    "#]],
    );
}

#[test]
fn shapes_that_are_no_rows() {
    check(
        "{\"data\": [{\"a\": [\"x\"], \"b\": [\"O\"]}]}",
        expect![[r#"
            error: f:1: this object holds a list of objects, `data`: if these are the sentences, write that list alone
        "#]],
    );
    check(
        "{\"version\": 1, \"rows\": [{\"a\": [\"x\"], \"b\": [\"O\"]}]}",
        expect![[r#"
            error: f:1: this object holds a list of objects, `rows`: if these are the sentences, write that list alone
        "#]],
    );
    check(
        "{\"tokens\": [[\"x\"], [\"y\"]], \"ner_tags\": [[\"O\"], [\"O\"]]}",
        expect![[r#"
        error: f:1: this object holds whole columns (`tokens` is a list of lists): write one object a sentence
    "#]],
    );
    check(
        "{\"text\": \"x y\", \"tags\": [\"O\", \"O\"]}",
        expect![[r#"
            error: f:1: the words' column `text` holds a string, not a list of words (columns: `text`, `tags`): split each sentence into a list of strings, or pass <TextColumn> to read another column
        "#]],
    );
    check(
        "{\"tokens\": \"x y\", \"ner_tags\": [\"O\", \"O\"]}",
        expect![[r#"
            error: f:1: the words' column `tokens` holds a string, not a list of words (columns: `tokens`, `ner_tags`): split each sentence into a list of strings, or pass <TextColumn> to read another column
        "#]],
    );
    check(
        "{\"tokens\": [\"x\"]}",
        expect![[r#"
        error: f:1: there is only the column `tokens`: words and labels need a column each
    "#]],
    );
    check(
        "{\"tokenized_text\": [\"x\"], \"ner\": [[0, 0, \"X\"]]}",
        expect![[r#"
            error: f:1: this is GLiNER's JSON: `ner` marks entities by places of words, and words with a tag each are needed: write {"tokens": ["Jo", "ran"], "token_spans": [{"start": 0, "end": 1, "label": "PER"}]}, where `end` is one past the last word
        "#]],
    );
    check(
        "[\"x\"]",
        expect![[r#"
        error: f:1: column 2: `"` is not expected here: every row must be an object `{…}`
    "#]],
    );
    check(
        "\"x\"",
        expect![[r#"
        error: f:1: column 1: `"` is not expected here: every row must be an object `{…}`
    "#]],
    );
    check(
        "{}",
        expect![[r#"
        error: f:1: there is no column: words and labels need a column each
    "#]],
    );
}

#[test]
fn malformed_json_is_located() {
    check(
        "{\"a\": [\"x\"], \"b\": [\"O\"]}\n{\"a\": [\"x\",], \"b\": [\"O\"]}",
        expect![[r#"
        error: f:2: column 12: this is not the JSON of a row (trailing comma): correct it
    "#]],
    );
    check(
        "{\"a\": [\"x\"], \"b\": [\"O\"]}\n{\"a\": [\"x\"], \"b\": [\"O\"]\n{\"a\": [\"y\"], \"b\": [\"O\"]}\n",
        expect![[r#"
        error: f:3: column 1: this is not the JSON of a row (expected `,` or `}`): correct it
    "#]],
    );
    check(
        "{\"a\": [\"x\"], \"b\": [\"O\"]},\n{}",
        expect![[r#"
        error: f:1: column 25: `,` is not expected here: remove the comma, or put the rows between `[` and `]`
    "#]],
    );
    check(
        "[{\"a\": [\"x\"], \"b\": [\"O\"]},\n]",
        expect![[r#"
        error: f:2: column 1: `]` is not expected here: remove the comma before it
    "#]],
    );
    check(
        "[{\"a\": [\"x\"], \"b\": [\"O\"]}\n{}]",
        expect![[r#"
        error: f:2: column 1: `{` is not expected here: put a comma between the rows
    "#]],
    );
    check(
        "[{\"a\": [\"x\"], \"b\": [\"O\"]}",
        expect![[r#"
        error: f:1: the array is not closed: is the file cut off? Its last byte must be `]`
    "#]],
    );
    check(
        "[{\"a\": [\"x\"], \"b\": [\"O\"]}] x",
        expect![[r#"
        error: f:1: column 28: `x` is not expected here: remove what follows the array's end
    "#]],
    );
    check(
        "{\"a\": [\"x\"], \"b\": [\"O\"]}\n{\"a\": [\"x",
        expect![[r#"
        error: f:2: the row that begins here is not closed: is the file cut off? Close it or drop it
    "#]],
    );
    check(
        "{\"a\": [\"x\"], \"a\": [\"O\"]}",
        expect![[r#"
        error: f:1: column 24: this is not the JSON of a row (the key `a` occurs twice): correct it
    "#]],
    );
    check(
        "{\"a\": [NaN], \"b\": [\"O\"]}",
        expect![[r#"
        error: f:1: column 8: this is not the JSON of a row (expected value): correct it
    "#]],
    );
    check(
        "EU B-ORG\n",
        expect![[r#"
        error: f:1: column 1: `E` is not expected here: every row must be an object `{…}`
    "#]],
    );
    check(
        &format!("{{\"a\": {}", "[".repeat(100_000)),
        expect![[r#"
        error: f:1: the row that begins here is not closed: is the file cut off? Close it or drop it
    "#]],
    );
    check(
        &format!("{{\"a\": {}{}}}", "[".repeat(200), "]".repeat(200)),
        expect![[r#"
        error: f:1: column 133: this is not the JSON of a row (recursion limit exceeded): correct it
    "#]],
    );
}

#[test]
fn bytes_that_are_not_utf8() {
    let text = b"{\"a\": [\"x\"], \"b\": [\"O\"]}\n {\"a\":\n [\"caf\xE9\"], \"b\": [\"O\"]}";
    expect![[r#"
        error: f:3: byte 7 of the line (0xE9) is not UTF-8: convert the file, for example with `iconv -f LATIN1 -t UTF-8` (or `-f UTF-16`)
    "#]].assert_eq(&show(read(&text[..], "f", &ReadOptions::default())));
}

#[test]
fn a_row_without_end_is_refused() {
    let input = std::io::Read::chain(&b"{\"a\": \""[..], std::io::repeat(b'a'));
    let error = read_from(Input::new(Box::new(input)), "f", &ReadOptions::default()).expect_err("it never ends");
    expect!["f:1: the row that begins here is longer than 64 MiB: is this the right file? Split it if it is"]
        .assert_eq(&error.to_string());
}

/// Records as doccano, Label Studio, Prodigy, spaCy, GLiNER, SpERT and DyGIE document them.
#[test]
fn annotation_tools_are_named() {
    for (input, tool) in [
        (
            r#"{"id":1,"text":"Mai Ltd","entities":[{"id":11,"label":"ORG","start_offset":0,"end_offset":7}],"relations":[]}"#,
            "doccano",
        ),
        (r#"{"id":1,"text":"Mai Ltd","label":[[0,7,"ORG"]],"Comments":[]}"#, "doccano"),
        (r#"{"id":2,"text":"nothing here","entities":[],"relations":[]}"#, "doccano"),
        (
            r#"[{"id":1,"data":{"text":"Mai"},"annotations":[{"result":[{"value":{"start":0,"end":3,"labels":["ORG"]}}]}]}]"#,
            "Label Studio",
        ),
        (
            r#"[{"text":"Mai","id":1,"label":[{"start":0,"end":3,"text":"Mai","labels":["ORG"]}],"annotator":1}]"#,
            "Label Studio",
        ),
        (
            r#"{"text":"Mai","tokens":[{"text":"Mai","start":0,"end":3,"id":0}],"spans":[{"start":0,"end":3,"label":"ORG"}]}"#,
            "Prodigy",
        ),
        (r#"{"id":2,"text":"Mai","annotations":[{"label":12,"start_offset":0,"end_offset":3,"user":1}]}"#, "doccano"),
        (r#"{"column_data":"Mai","column_label":[[0,3,"ORG"]]}"#, "a text with entities"),
        (r#"{"source":"x","documents":[{"id":"1","passages":[]}]}"#, "BioC"),
        (r#"[{"id":0,"paragraphs":[{"sentences":[{"tokens":[{"orth":"Mai","ner":"O"}]}]}]}]"#, "spaCy"),
        (r#"{"text":"Mai","entities":[[0,3,"ORG"]]}"#, "spaCy"),
        (r#"[{"tokenized_text":["Mai"],"ner":[[0,0,"organization"]]}]"#, "GLiNER"),
        (r#"[{"tokens":["Mai"],"entities":[{"type":"Org","start":0,"end":1}],"relations":[],"orig_id":1}]"#, "SpERT"),
        (r#"{"doc_key":"x","sentences":[["Mai"]],"ner":[[[0,0,"Org"]]]}"#, "DyGIE"),
        (r#"{"text":"Mai","char_spans":[{"start":0,"end":3,"label":"Org"}]}"#, "span tagger"),
    ] {
        let said = show(read(input.as_bytes(), "f", &ReadOptions::default()));
        assert!(said.starts_with("error: f:1: this is ") && said.contains(tool), "{input}: {said}");
        assert!(said.contains("\"tokens\"") && !said.contains("jq"), "{said}");
    }
}

#[test]
fn spans_of_words_become_tags() {
    let span = |start: usize, end: usize, label: &str| serde_json::json!({"start": start, "end": end, "label": label});
    let line = |spans: &[Value]| {
        serde_json::json!({"tokens": ["Jo", "Li", "ran", "to", "Ulm"], "token_spans": spans}).to_string()
    };
    let said = show(read(line(&[span(4, 5, "LOC"), span(0, 2, "PER")]).as_bytes(), "f", &ReadOptions::default()));
    assert!(said.starts_with("1: Jo|B-PER Li|I-PER ran|O to|O Ulm|B-LOC\n"), "{said}");
    assert!(said.contains("tokens and token_spans"), "{said}");
    let said = show(read(line(&[span(0, 2, "PER"), span(1, 3, "LOC")]).as_bytes(), "f", &ReadOptions::default()));
    assert!(said.starts_with("error: f:1: ") && said.contains("overlap"), "{said}");
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&bytes, "f", &ReadOptions::default());
    }

    #[test]
    fn arbitrary_punctuation_never_panics(text in "[\\[\\]{}\",:\\\\ab0 \n]{0,60}") {
        let _ = read(text.as_bytes(), "f", &ReadOptions::default());
    }

    /// Any rows, however laid out and however the input is chunked, come back.
    #[test]
    fn round_trip(
        rows in prop::collection::vec(prop::collection::vec((".{0,5}", "[A-Z]{1,3}"), 0..5), 1..5),
        array in any::<bool>(), pretty in any::<bool>(), chunk in 1_usize..9,
    ) {
        let values: Vec<Value> = rows.iter().map(|row| {
            let (words, labels): (Vec<_>, Vec<_>) = row.iter().cloned().unzip();
            serde_json::json!({"a": words, "b": labels})
        }).collect();
        let print = |value: &Value| if pretty { format!("{value:#}") } else { value.to_string() };
        let text = if array { print(&Value::Array(values)) } else { values.iter().map(print).collect::<Vec<_>>().join("\n") };
        let input = Input::with_capacity(chunk, Box::new(std::io::Cursor::new(text.into_bytes())));
        let split = read_from(input, "f", &ReadOptions::default()).expect("well-formed");
        prop_assert_eq!(tagged(&split), rows);
    }
}
