//! Tests of tables.

use super::*;
use crate::rows::split_builder::collect;
use crate::rows::split_builder::tests::{self, show};
use expect_test::{Expect, expect};
use proptest::prelude::*;
use tagsmith_text::sentence::Split;

fn read_separated(input: &[u8], separator: char, options: &ReadOptions) -> Result<Split, Error> {
    let input = Input::from_bytes(input.to_vec());
    collect(Box::new(CsvReader::new(input, separator, "f", options, Wanted::Tagged, Limit::Item)), "f", &options.room)
}

fn read(input: &[u8]) -> Result<Split, Error> {
    read_separated(input, ',', &ReadOptions::default())
}

fn check(input: &str, want: Expect) {
    want.assert_eq(&show(read(input.as_bytes())));
}

#[test]
fn lists_in_cells() {
    check(
        "tokens,ner_tags\nEU says no,B-ORG O O\n\"Jo, too\",B-PER O\n",
        expect![[r#"
        2: EU|B-ORG says|O no|O
        3: Jo,|B-PER too|O
        Strings ["B-ORG", "O", "B-PER"]; tokens and ner_tags of tokens ner_tags
        note: 4 cells were split at white space (they do not begin with `[`) (f:2, f:2, f:3, …)
    "#]],
    );
    check(
        "tokens,ner_tags\n\"[\"\"EU\"\", \"\"says no\"\"]\",\"[\"\"B-ORG\"\", \"\"O\"\"]\"\n",
        expect![[r#"
        2: EU|B-ORG says no|O
        Strings ["B-ORG", "O"]; tokens and ner_tags of tokens ner_tags
        note: 2 cells were read as JSON arrays (f:2, f:2)
    "#]],
    );
    check(
        "id,tokens,ner_tags\n0,\"[\"\"EU\"\"]\",[3]\n",
        expect![[r#"
            2: EU|3
            Integers ["3"]; tokens and ner_tags of id tokens ner_tags
            note: 2 cells were read as JSON arrays (f:2, f:2)
        "#]],
    );
    check(
        "id,words,tags\n0,\"[\"\"EU\"\"]\",[3]\n",
        expect![[r#"
            2: EU|3
            Integers ["3"]; words and tags of id words tags
            note: 2 cells were read as JSON arrays (f:2, f:2)
        "#]],
    );
    check(
        "tokens,ner_tags\nEU no,3 0\nno,0\n",
        expect![[r#"
        2: EU|3 no|0
        3: no|0
        Integers ["3", "0"]; tokens and ner_tags of tokens ner_tags
        note: 4 cells were split at white space (they do not begin with `[`) (f:2, f:2, f:3, …)
    "#]],
    );
    check(
        "tokens,ner_tags\nEU no,3 O\n",
        expect![[r#"
        2: EU|3 no|O
        Strings ["3", "O"]; tokens and ner_tags of tokens ner_tags
        note: 2 cells were split at white space (they do not begin with `[`) (f:2, f:2)
    "#]],
    );
    check(
        "\u{FEFF}tokens,ner_tags\r\nEU no,B-X O\r\n",
        expect![[r#"
            2: EU|B-X no|O
            Strings ["B-X", "O"]; tokens and ner_tags of tokens ner_tags
            note: 2 cells were split at white space (they do not begin with `[`) (f:2, f:2)
        "#]],
    );
    check(
        "tokens,ner_tags\nEU no,B-X O\n,\n",
        expect![[r#"
        2: EU|B-X no|O
        3: 
        Strings ["B-X", "O"]; tokens and ner_tags of tokens ner_tags
        note: 4 cells were split at white space (they do not begin with `[`) (f:2, f:2, f:3, …)
        note: 1 sentence has no words; it is kept (f:3)
    "#]],
    );
    let tabs = read_separated(b"tokens\tner_tags\nEU, no\tB-X O\n", '\t', &ReadOptions::default());
    expect![[r#"
        2: EU,|B-X no|O
        Strings ["B-X", "O"]; tokens and ner_tags of tokens ner_tags
        note: 2 cells were split at white space (they do not begin with `[`) (f:2, f:2)
    "#]]
    .assert_eq(&show(tabs));
}

#[test]
fn rows_are_found_by_their_first_line() {
    check(
        "tokens,ner_tags\r\n\r\n\nEU no,B-X O\r\n\"[\"\"a\"\",\n\"\"b\"\"]\",O O\na b,O\n",
        expect![[r#"
            error: f:7: 2 words (`tokens`) and 1 label (`ner_tags`): give every word one label, or pass <TextColumn> or <LabelColumn> to read other columns
        "#]],
    );
    check(
        "tokens,ner_tags\n\"a b\",\"O\"\" \"\"O\"\n5\" b,O O\n",
        expect![[r#"
        2: a|O" b|"O
        3: 5\"|O b|O
        Strings ["O\"", "\"O", "O"]; tokens and ner_tags of tokens ner_tags
        note: 4 cells were split at white space (they do not begin with `[`) (f:2, f:2, f:3, …)
    "#]],
    );
}

#[test]
fn words_one_a_row_are_pointed_out() {
    check(
        "tokens,ner_tags\nEU,B-ORG\nno,O\n",
        expect![[r#"
            2: EU|B-ORG
            3: no|O
            Strings ["B-ORG", "O"]; tokens and ner_tags of tokens ner_tags
            note: every row holds a single word, and is read as a sentence: add a column `sentence_id`, or a blank row after each sentence
        "#]],
    );
}

#[test]
fn refusals() {
    check(
        "",
        expect![[r#"
        error: f: there is no sentence in it: check the path and how the file was made
    "#]],
    );
    check(
        "tokens,ner_tags\n",
        expect![[r#"
        error: f: there is no sentence in it: check the path and how the file was made
    "#]],
    );
    check(
        "tokens\nEU no\n",
        expect![[r#"
        error: f:2: there is only the column `tokens`: words and labels need a column each
    "#]],
    );
    check(
        "sentence,ner_tags,x\nEU no,B-X,1\n",
        expect![[r#"
            error: f:2: 2 words (`sentence`) and 1 label (`ner_tags`): give every word one label, or pass <TextColumn> or <LabelColumn> to read other columns
        "#]],
    );
    check(
        "tokens,ner_tags\nEU no,B-X O,1\n",
        expect![[r#"
        error: f:2: the row has 3 cells, the header 2: quote cells that hold the separator
    "#]],
    );
    check(
        "tokens,ner_tags\n\"['EU', 'no']\",\"['O', 'O']\"\n",
        expect![[r#"
            error: f:2: the cell `['EU', 'no']` of `tokens` begins with `[` but is not a JSON array (expected value at line 1 column 2): write the lists with `json.dumps`
        "#]],
    );
    check(
        "tokens,ner_tags\n\"EU no,O O\nyes,O\n",
        expect![[r#"
            error: f:2: the row that begins here opens a quotation mark and never closes it: close it, or double those inside
        "#]],
    );
    check(
        "tokens,ner_tags\n\"EU\nno\",O O\n",
        expect![[r#"
        error: f:2: the cell `EU\nno` of `tokens` spans lines: close the quotation mark that opens it, or double those inside
    "#]],
    );
    check(
        "tokens,tokens\na,b\n",
        expect![[r#"
        error: f:2: two columns are called `tokens`: rename one
    "#]],
    );
    check(
        "tokens,ner_tags\n\"[\"\"EU\"\", null]\",O O\n",
        expect![[r#"
        error: f:2: word 2 of `tokens` is `null`, not a string: write it in quotes, or drop it and its label
    "#]],
    );
    check(
        "tokens,ner_tags\n\"[\"\"EU\"\"]\",[0]\nno,O\n",
        expect![[r#"
        error: f:3: the label `O` is a string, the labels before are integers: write all of them one way
    "#]],
    );
}

#[test]
fn bytes_that_are_not_utf8() {
    expect![[r#"
        error: f:3: byte 4 of the line (0xE9) is not UTF-8: convert the file, for example with `iconv -f LATIN1 -t UTF-8` (or `-f UTF-16`)
    "#]].assert_eq(&show(read(&b"tokens,ner_tags\na b,O O\ncaf\xE9,O\n"[..])));
}

#[test]
fn a_quotation_mark_left_open_is_bounded() {
    let line = "a".repeat(1 << 20) + "\n";
    let input = format!("tokens,ner_tags\n\"{}", line.repeat(65));
    expect![[r#"
        error: f:2: the row that begins here is longer than 64 MiB: is this the right file? Split it if it is
    "#]]
    .assert_eq(&show(read(input.as_bytes())));
}

proptest! {
    /// The csv crate cuts records alike (it takes a lone carriage return for a line's end, which is not made here).
    #[test]
    fn records_are_those_of_the_csv_crate(text in "([\",a\n é]|\r\n|\"\"|a,){0,40}") {
        let limit = Limit::Item;
        let mut rows = Records::new(Input::from_bytes(text.as_bytes().to_vec()), ',', "f", limit);
        let mut reader = ::csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
        for want in reader.records() {
            let want: Vec<String> = want.expect("UTF-8").iter().map(|cell| cell.replace("\r\n", "\n")).collect();
            match rows.next() {
                Ok(got) => prop_assert_eq!(got.map(|record| record.cells), Some(want)),
                // The crate closes an open quotation mark at the end.
                Err(error) => {
                    prop_assert!(error.to_string().contains("never closes"));
                    return Ok(());
                }
            }
        }
        prop_assert!(rows.next().expect("the end").is_none());
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&bytes);
    }

    #[test]
    fn arbitrary_cells_never_panic(text in "[\\[\\]\",a0 \r\n]{0,40}") {
        let _ = read(format!("a,b\n{text}").as_bytes());
    }
}

/// The words and tags of each sentence in short, or the error.
fn short(input: &str, separator: char) -> String {
    tests::short(read_separated(input.as_bytes(), separator, &ReadOptions::default()))
}

/// Tables as Simple Transformers, pandas, Kaggle's "NER corpus" and Flair's users write them, with what each means there.
#[test]
fn rows_that_are_words_become_sentences() {
    for (input, want) in [
        (
            "sentence_id,words,labels\n0,Maria,B-PER\n0,left,O\n1,\"1,000\",O\n1,came,O\n",
            "Maria|B-PER left|O / 1,000|O came|O",
        ),
        // pandas writes its index before the columns; groupby joins rows that stand apart.
        (
            ",sentence_id,words,labels\n4515,2,(,O\n11,0,Anna,B-PER\n12,0,left,O\n4516,2,Oslo,B-LOC\n13,0,.,O\n",
            "(|O Oslo|B-LOC / Anna|B-PER left|O .|O",
        ),
        ("Unnamed: 0,sentence_id,words,labels\n0,1,Anna,B-PER\n1,1,left,O\n", "Anna|B-PER left|O"),
        (
            "Sentence #,Word,POS,Tag\nSentence: 1,Anna,NNP,B-per\n,left,VBD,O\nSentence: 2,Bob,NNP,B-per\n,ran,VBD,O\n",
            "Anna|B-per left|O / Bob|B-per ran|O",
        ),
        ("word,tag\nAnna,B-PER\nleft,O\n\nBob,B-PER\n", "Anna|B-PER left|O / Bob|B-PER"),
        ("word,tag\nAnna,B-PER\nleft,O\n,\nBob,B-PER\n", "Anna|B-PER left|O / Bob|B-PER"),
        ("sentence_id;words;labels\n0;Maria;B-PER\n0;left;O\n1;No;O\n", "Maria|B-PER left|O / No|O"),
        ("tokens;ner_tags\nEU, no;B-ORG O\n", "EU,|B-ORG no|O"),
        // A first row that looks like data is data; numbers are not words.
        ("EU says no,B-ORG O O\nJo ran,B-PER O\n", "EU|B-ORG says|O no|O / Jo|B-PER ran|O"),
        ("0,EU says no,B-ORG O O\n1,Jo ran,B-PER O\n", "EU|B-ORG says|O no|O / Jo|B-PER ran|O"),
        ("id,sentence,ner\n0,EU says no,B-ORG O O\n1,Jo ran,B-PER O\n", "EU|B-ORG says|O no|O / Jo|B-PER ran|O"),
        // A word of a row may hold a space, and a label may stand before it.
        ("tag,word\nO,10 000\nB-PER,Jo\n\nO,no\n", "10 000|O Jo|B-PER / no|O"),
    ] {
        assert_eq!(short(input, ','), want, "{input}");
    }
    assert!(short("tokens,ner_tags\na b,O O\n \n", ',').starts_with("error: f:3: the row has 1 cell"));
    let flair = "text\tlabel\nSchwarz\tB-PER\n\"\"\"\"\tO\nTagblatt\tB-ORG\n";
    assert_eq!(short(flair, '\t'), "Schwarz|B-PER / \"|O / Tagblatt|B-ORG");
    let rows: String = (0..3000).map(|row| format!("{row},Anna,B-PER\n")).collect();
    let late = short(&format!("sentence_id,words,labels\n{rows}7,left,O\n"), ',');
    assert!(late.starts_with("error: f:3002: the sentence `7` goes on here"), "{late}");
}
