//! Tests of column files.

use super::*;
use crate::rows::split_builder::collect;
use crate::rows::split_builder::tests::{self, show, tagged};
use expect_test::{Expect, expect};
use proptest::prelude::*;
use tagsmith_text::sentence::Split;

fn read(input: &[u8], source: &str, options: &ReadOptions) -> Result<Split, Error> {
    let input = Input::from_bytes(input.to_vec());
    collect(Box::new(ConllReader::new(input, source, options, Wanted::Tagged, Limit::Item)), source, &options.room)
}

fn options(text: &str, label: &str) -> ReadOptions {
    let named = |name: &str| (!name.is_empty()).then(|| name.to_owned());
    ReadOptions { text_column: named(text), label_column: named(label), ..ReadOptions::default() }
}

fn check_columns(input: &str, text: &str, label: &str, want: Expect) {
    want.assert_eq(&show(read(input.as_bytes(), "f", &options(text, label))));
}

fn check(input: &str, want: Expect) {
    check_columns(input, "", "", want);
}

#[test]
fn sentences_end_at_white_space() {
    check(
        "EU NNP B-ORG\nrejects VBZ O\n\nPeter NNP B-PER\n",
        expect![[r#"
        1: EU|B-ORG rejects|O
        4: Peter|B-PER
        Strings ["B-ORG", "O", "B-PER"]; 0 and 2 of 0 1 2
    "#]],
    );
    check(
        "EU\tB-ORG\n\t\nno\tO\n \t \nend\tO",
        expect![[r#"
        1: EU|B-ORG
        3: no|O
        5: end|O
        Strings ["B-ORG", "O"]; 0 and 1 of 0 1
    "#]],
    );
    check(
        "EU O\r\n\r\nno O\r\n\t\r\n\r\nend O\r\n",
        expect![[r#"
        1: EU|O
        3: no|O
        6: end|O
        Strings ["O"]; 0 and 1 of 0 1
    "#]],
    );
    check(
        "\n\nEU O\n\n\n",
        expect![[r#"
        3: EU|O
        Strings ["O"]; 0 and 1 of 0 1
    "#]],
    );
    check(
        "EU O\n\u{A0}\u{3000}\nno O",
        expect![[r#"
        1: EU|O
        3: no|O
        Strings ["O"]; 0 and 1 of 0 1
    "#]],
    );
}

#[test]
fn a_word_without_its_label_takes_the_missing_one() {
    let check = |input: &str, want: Expect| {
        let options = ReadOptions { missing_label: Some("UC".into()), ..ReadOptions::default() };
        want.assert_eq(&show(read(input.as_bytes(), "f", &options)));
    };
    check(
        "we\nar\tI\ngoing \n\t\nto go\t\n# 1\nhome\tUC\n",
        expect![[r#"
            1: we|UC ar|I going |UC
            5: to go|UC home|UC
            Strings ["UC", "I"]; 0 and 1 of 0 1
            note: 1 comment line was skipped (f:6)
            note: 3 words have no label and got `UC` (f:1, f:3, f:5)
        "#]],
    );
    check(
        "we PRP\nar VBP I\n",
        expect![[r#"
            error: f:2: `ar VBP I` has 3 columns, the other lines have 2: give every line the same columns
        "#]],
    );
    // Without any label they are words to be tagged.
    check(
        "we\nare\n\nhome\n",
        expect![[r#"
            1: we are
            4: home
            Absent []; 0 and nothing of 0
            note: there is one column, read as words without labels (columns are parted by a tab or spaces)
        "#]],
    );
    // Nobody asked for it: the line is an error.
    assert!(show(read("ar\tI\nwe\n".as_bytes(), "f", &ReadOptions::default())).contains("give every line"));
}

#[test]
fn byte_order_marks() {
    check(
        "\u{FEFF}EU O\nno O\n",
        expect![[r#"
        1: EU|O no|O
        Strings ["O"]; 0 and 1 of 0 1
    "#]],
    );
    check(
        "EU O\n\u{FEFF}\nno O\n",
        expect![[r#"
        1: EU|O
        3: no|O
        Strings ["O"]; 0 and 1 of 0 1
        note: 1 line holds nothing but a byte-order mark; it ends a sentence (f:2)
    "#]],
    );
    check(
        "a O\n\u{FEFF}\u{FEFF}b O\n",
        expect![[r#"
        1: a|O \u{feff}\u{feff}b|O
        Strings ["O"]; 0 and 1 of 0 1
    "#]],
    );
}

#[test]
fn tabs_or_spaces() {
    check(
        "ke s\tB-LOC\n\tO\n\u{200E}\tO\n \tO\n",
        expect![[r#"
        1: ke s|B-LOC |O \u{200e}|O  |O
        Strings ["B-LOC", "O"]; 0 and 1 of 0 1
        note: 2 words are empty or blank; they are kept (f:2, f:4)
    "#]],
    );
    check(
        "a  O \nb   B-X\n",
        expect![[r#"
        1: a|O b|B-X
        Strings ["O", "B-X"]; 0 and 1 of 0 1
    "#]],
    );
    check(
        "a\tO \nb\t B-X\n",
        expect![[r#"
        1: a|O b|B-X
        Strings ["O", "B-X"]; 0 and 1 of 0 1
        note: 2 labels had white space around them, which was dropped (f:1, f:2)
    "#]],
    );
    check(
        "New\u{A0}York O\n",
        expect![[r#"
        1: New\u{a0}York|O
        Strings ["O"]; 0 and 1 of 0 1
    "#]],
    );
    check(
        "a\u{2028}b O\u{85}c\n",
        expect![[r#"
        1: a\u{2028}b|Oc
        Strings ["O\u{85}c"]; 0 and 1 of 0 1
    "#]],
    );
}

#[test]
fn document_starts() {
    check(
        "-DOCSTART- -X- O O\n\nEU NNP I-NP B-ORG\n",
        expect![[r#"
        3: EU|B-ORG
        Strings ["B-ORG"]; 0 and 3 of 0 1 2 3
        note: 1 `-DOCSTART-` line was skipped (f:1)
    "#]],
    );
    check(
        "EU O\n-DOCSTART- O\nno O\n\n-DOCSTART-\n",
        expect![[r#"
        1: EU|O
        3: no|O
        Strings ["O"]; 0 and 1 of 0 1
        note: 2 `-DOCSTART-` lines were skipped (f:2, f:5)
    "#]],
    );
    check(
        "EU O\n",
        expect![[r#"
        1: EU|O
        Strings ["O"]; 0 and 1 of 0 1
    "#]],
    );
    check(
        "-DOCSTART- O\n\n",
        expect![[r#"
        error: f: there is no sentence in it: check the path and how the file was made
    "#]],
    );
}

#[test]
fn columns_by_number_and_name() {
    check_columns(
        "a B-X 0\nb O 0\n",
        "",
        "1",
        expect![[r#"
        1: a|B-X b|O
        Strings ["B-X", "O"]; 0 and 1 of 0 1 2
    "#]],
    );
    for (text, label) in [("1", "2"), ("-3", "-2")] {
        check_columns(
            "1\ta\tB-X\t-\n2\tb\tO\t-\n",
            text,
            label,
            expect![[r#"
                1: a|B-X b|O
                Strings ["B-X", "O"]; 1 and 2 of 0 1 2 3
            "#]],
        );
    }
    check_columns(
        "# global.columns = ID FORM NER\n1 a B-X\n",
        "FORM",
        "NER",
        expect![[r#"
        2: a|B-X
        Strings ["B-X"]; FORM and NER of ID FORM NER
        note: 1 comment line was skipped (f:1)
    "#]],
    );
    check_columns(
        "# global.columns = tokens ner_tags misc\na B-X _\n",
        "",
        "",
        expect![[r#"
        2: a|B-X
        Strings ["B-X"]; tokens and ner_tags of tokens ner_tags misc
        note: 1 comment line was skipped (f:1)
    "#]],
    );
    check_columns(
        "a O\n",
        "words",
        "",
        expect![[r#"
            error: f:1: there is no column `words`: the columns have no names, only numbers from 0 to 1 (-1 is the last): pass <TextColumn> with a number
        "#]],
    );
    check_columns(
        "a O\n",
        "",
        "2",
        expect![[r#"
            error: f:1: there is no column `2`: the columns have no names, only numbers from 0 to 1 (-1 is the last): pass <LabelColumn> with a number
        "#]],
    );
    check_columns(
        "a O\n",
        "",
        "-3",
        expect![[r#"
            error: f:1: there is no column `-3`: the columns have no names, only numbers from 0 to 1 (-1 is the last): pass <LabelColumn> with a number
        "#]],
    );
    check_columns(
        "a O\n",
        "-1",
        "",
        expect![[r#"
            error: f:1: words and labels would both be column 1 of 2: pass <TextColumn> or <LabelColumn>
        "#]],
    );
    check_columns(
        "# global.columns = ID FORM NER\n1 a B-X\n",
        "FROM",
        "",
        expect![[r#"
            error: f:2: there is no column `FROM` among `ID`, `FORM`, `NER`: pass <TextColumn=FORM> if that is meant
        "#]],
    );
    check_columns(
        "# global.columns = ID FORM\n1 a B-X\n",
        "",
        "",
        expect![[r#"
            error: f:2: `# global.columns` names 2 columns, the lines have 3: correct either
        "#]],
    );
}

#[test]
fn numbers_and_empty_columns_are_pointed_out() {
    check(
        "1\ta\tB-X\t-\n2\tb\tO\t-\n\n1\tc\tO\t-\n",
        expect![[r#"
            1: a|B-X b|O
            4: c|O
            Strings ["B-X", "O"]; 1 and 2 of 0 1 2 3
            note: the words are read from column 1: column 0 holds numbers (1, 2, 3, …): pass <TextColumn=0> if the numbers are the words
            note: the labels are read from column 2, the only one of tags, and not from the last: pass <LabelColumn> to read another
        "#]],
    );
    check(
        "1\tO\n1\tO\n",
        expect![[r#"
        1: 1|O 1|O
        Strings ["O"]; 0 and 1 of 0 1
    "#]],
    );
}

#[test]
fn hashes() {
    check(
        "# sent_id = 1\n# text = a b\n1\ta\tO\n# text = rabi 3al\t16 sena\n\n1\tb\tO\n",
        expect![[r#"
            3: a|O
            6: b|O
            Strings ["O"]; 1 and 2 of 0 1 2
            note: the words are read from column 1: column 0 holds numbers (1, 2, 3, …): pass <TextColumn=0> if the numbers are the words
            note: 3 comment lines were skipped (f:1, f:2, f:4)
        "#]],
    );
    check(
        "# newdoc id = batch 1\n1\ta\tO\n",
        expect![[r#"
            2: a|O
            Strings ["O"]; 1 and 2 of 0 1 2
            note: the words are read from column 1: column 0 holds numbers (1, 2, 3, …): pass <TextColumn=0> if the numbers are the words
            note: 1 comment line was skipped (f:1)
        "#]],
    );
    check(
        "# text = a\tb\na\tO\n",
        expect![[r#"
        2: a|O
        Strings ["O"]; 0 and 1 of 0 1
        note: 1 comment line was skipped (f:1)
    "#]],
    );
    check(
        "# newdoc\n\n# a remark\na\tO\n",
        expect![[r#"
        4: a|O
        Strings ["O"]; 0 and 1 of 0 1
        note: 2 comment lines were skipped (f:1, f:3)
    "#]],
    );
    check(
        "# a longer remark\na b c O\n",
        expect![[r#"
            1: #|remark a|O
            Strings ["remark", "O"]; 0 and 3 of 0 1 2 3
            note: 1 line begins with `#` but has the data's columns, and was read as a word (f:1)
        "#]],
    );
    check(
        "# one two three\na\tb\tc\tO\n",
        expect![[r#"
        2: a|O
        Strings ["O"]; 0 and 3 of 0 1 2 3
        note: 1 comment line was skipped (f:1)
    "#]],
    );
    check(
        "# O\n\n# B-X\nEU O\n# O\n",
        expect![[r#"
            1: #|O
            3: #|B-X EU|O #|O
            Strings ["O", "B-X"]; 0 and 1 of 0 1
            note: 3 lines begin with `#` but have the data's columns, and were read as words (f:1, f:3, f:5)
        "#]],
    );
    check(
        "#EU O\n# O\n#\tO\n",
        expect![[r#"
            1: #EU|O #|O #|O
            Strings ["O"]; 0 and 1 of 0 1
            note: 1 line begins with `#` but has the data's columns, and was read as a word (f:2)
        "#]],
    );
    check(
        "a O\n#\nb O\n",
        expect![[r#"
        1: a|O b|O
        Strings ["O"]; 0 and 1 of 0 1
        note: 1 comment line was skipped (f:2)
    "#]],
    );
    check(
        "# only\n# remarks\n",
        expect![[r#"
        error: f: there is no sentence in it: check the path and how the file was made
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
        "\n \n",
        expect![[r#"
        error: f: there is no sentence in it: check the path and how the file was made
    "#]],
    );
    check(
        "EU NNP O\nno O\n",
        expect![[r#"
            error: f:2: `no O` has 2 columns, the other lines have 3: give every line the same columns
        "#]],
    );
    check(
        "word\nother\n",
        expect![[r#"
            1: word other
            Absent []; 0 and nothing of 0
            note: there is one column, read as words without labels (columns are parted by a tab or spaces)
        "#]],
    );
    check(
        "a\tO\nb\t\n",
        expect![[r#"
        error: f:2: a label is an empty string: give every word a label
    "#]],
    );
    check(
        "a O\nb\u{7}O\n",
        expect![[r#"
            error: f:2: `b\u{7}O` has 1 column, the other lines have 2: give every line the same columns
        "#]],
    );
}

#[test]
fn bytes_that_are_not_utf8() {
    expect![[r#"
        error: f:2: byte 4 of the line (0xE9) is not UTF-8: convert the file, for example with `iconv -f LATIN1 -t UTF-8` (or `-f UTF-16`)
    "#]].assert_eq(&show(read(&b"a O\ncaf\xE9 O\n"[..], "f", &ReadOptions::default())));
    expect![[r#"
        error: f:1: byte 1 of the line (0xFF) is not UTF-8: convert the file, for example with `iconv -f LATIN1 -t UTF-8` (or `-f UTF-16`)
    "#]].assert_eq(&show(read(&b"\xFF\xFEa\0 \0"[..], "f", &ReadOptions::default())));
}

/// The words and tags of each sentence in short, or the error.
fn short(input: &str) -> String {
    tests::short(read(input.as_bytes(), "f", &ReadOptions::default()))
}

/// Comments as GermEval 2014, WebAnno TSV and HIPE write them.
#[test]
fn comments_have_other_columns_than_the_data() {
    for (input, want) in [
        (
            "#\thttp://example.org/a [2009]\n1\tAnna\tB-PER\tB-PER\n2\tran\tO\tO\n\n#\thttp://b\n1\tBob\tO\tO\n",
            "Anna|B-PER ran|O / Bob|O",
        ),
        (
            "#Text=Anna left\nAnna B-PER\nleft O\n\n#Text=Bob ran\nBob B-PER\nran O\n",
            "Anna|B-PER left|O / Bob|B-PER ran|O",
        ),
        ("#Text=Go\nAnna B-PER\nleft O\n", "Anna|B-PER left|O"),
        ("Anna B-PER\nleft O\n\n#Text=Bob ran\nBob B-PER\nran O\n", "Anna|B-PER left|O / Bob|B-PER ran|O"),
        (
            "#FORMAT=WebAnno TSV 3.2\n#T_SP=webanno.custom.NE|value\n\n\n#Text=Anna left\n1-1\t0-4\tAnna\tB-PER\n1-2\t5-9\tleft\tO\n",
            "Anna|B-PER left|O",
        ),
        ("#beginning of all\nAnna\tB-PER\n#end\nleft\tO\n", "Anna|B-PER left|O"),
        ("#EU B-ORG\n# O\nleft O\n", "#EU|B-ORG #|O left|O"),
        // The odd line is named, not the many.
        (
            "EU NNP O\nno O\nyes O\n",
            "error: f:1: `EU NNP O` has 3 columns, the other lines have 2: give every line the same columns",
        ),
        (
            "Rechnung -X- _ B-Invoice Number\n4711 -X- _ I-Invoice Number\nvom -X- _ O\n3. -X- _ B-Date\nMai -X- _ I-Date\n",
            "error: f:1: the label `B-Invoice Number` holds a space, as the columns do: write `B-Invoice_Number`",
        ),
    ] {
        assert_eq!(short(input), want, "{input}");
    }
}

/// Files as INCEpTION's description of WebAnno TSV 3 shows them, and their labels in columns of other programs.
#[test]
fn labels_of_webanno_are_named() {
    let remedy = "export as CoNLL 2002 instead, or write `B-PER` at an annotation's first word, `I-PER` at the others and `O` for `_`";
    let tool = "the file is WebAnno TSV, as WebAnno and INCEpTION write it";
    let numbered = format!("has a number, which all words of an annotation share: {tool}: {remedy}");
    let header = "#FORMAT=WebAnno TSV 3.3\n#T_SP=webanno.custom.NE|value\n\n\n#Text=Anna Lee left\n";
    for (input, want) in [
        (
            format!("{header}1-1\t0-4\tAnna\tPER[1]\n1-2\t5-8\tLee\tPER[1]\n1-3\t9-13\tleft\t_\n"),
            format!("f:6: the label `PER[1]` {numbered}"),
        ),
        // WebAnno ends each line with a tab.
        (
            format!("{header}1-1\t0-4\tAnna\tPER[1]\t\n1-2\t5-8\tLee\tPER[1]\t\n1-3\t9-13\tleft\t_\t\n"),
            format!("f:6: a label is empty: {tool}: {remedy}"),
        ),
        // The header decides, whatever the other labels are.
        (
            format!("{header}1-1\t0-4\tAnna\tNOUN[1]\n1-2\t5-8\tLee\tNOUN[1]\n"),
            format!("f:6: the label `NOUN[1]` {numbered}"),
        ),
        (
            format!("{header}1-1\t0-4\tAnna\tPER\n1-2\t5-9\tleft\t_\n"),
            format!("f:7: the label `_` marks words without an annotation: {tool}: {remedy}"),
        ),
        (
            format!("{header}1-1\t0-4\tAnna\t*\n1-2\t5-9\tleft\tO\n"),
            format!("f:6: the label `*` marks an annotation without a value: {tool}: {remedy}"),
        ),
        ("left O\nAnna PER[12]\nLee PER[12]\n".into(), format!("f:2: the label `PER[12]` {numbered}")),
    ] {
        assert_eq!(short(&input), format!("error: {want}"), "{input}");
    }
    assert_eq!(short("Anna NOUN[1]\nleft VERB[2]\n"), "Anna|NOUN[1] left|VERB[2]");
}

/// Headers as HIPE-2022 and people at home write them; lines of data that only look a little like one.
#[test]
fn a_first_line_that_names_columns_is_not_a_word() {
    for (input, want) in [
        ("TOKEN\tNE-COARSE\nAnna\tB-pers\nlit\tO\n\nBob\tB-pers\nrit\tO\n", "Anna|B-pers lit|O / Bob|B-pers rit|O"),
        ("Wort Etikett\nAnna B-PER\nlief O\n", "Anna|B-PER lief|O"),
        ("word pos ner\nAnna NNP B-PER\nran VBD O\n", "Anna|B-PER ran|O"),
        ("ner_tags id tokens\nB-PER 1 Jo\nO 2 runs\n", "Jo|B-PER runs|O"),
        // The only column of tags holds the labels, if it is not the last.
        ("Anna B-PER 0\nran O 0\n", "Anna|B-PER ran|O"),
        ("EU NNP I-NP ORG\nsays VBZ O O\n", "EU|ORG says|O"),
        ("1\tAnna\tB-PER\t-\tmary\n2\tran\tO\t-\t-\n", "Anna|B-PER ran|O"),
        ("Anna B-PER\nlief O\n", "Anna|B-PER lief|O"),
        ("Text NN\nof IN\n", "Text|NN of|IN"),
        ("was 0\nAnna B-PER\nlief O\n", "was|0 Anna|B-PER lief|O"),
        ("Anna PER\nBob B-PER\nlief O\n", "Anna|PER Bob|B-PER lief|O"),
        ("1999 CD O\n2000 CD B-DATE\n", "1999|O 2000|B-DATE"),
    ] {
        assert_eq!(short(input), want, "{input}");
    }
    let hipe = "TOKEN\tNE-COARSE\tMISC\n# hipe2022:document_id = doc1\nAnna\tB-pers\t_\nlit\tO\tEndOfSentence\n";
    assert_eq!(short(hipe), "Anna|B-pers lit|O");
    let asked = show(read(hipe.as_bytes(), "f", &options("", "NE-COARSE")));
    assert!(asked.starts_with("3: Anna|B-pers lit|O\n") && asked.contains("note: f:1 names the columns"), "{asked}");
    let unclear = "token\talpha\tbeta\tmisc\nAnna\tx\ty\tz\nlit\tx\ty\tw\n";
    assert!(short(unclear).contains("nothing says which column holds the labels"), "{}", short(unclear));
}

#[test]
fn carriage_returns_alone_do_not_end_lines() {
    assert_eq!(
        short("Anna O\rran O\r"),
        "error: f: its lines end in a carriage return alone: convert it with `tr '\\r' '\\n'`"
    );
    let inside = show(read(b"An\rna O\nran O\n", "f", &ReadOptions::default()));
    let said = "note: 1 line holds a carriage return inside, which is read as a part of the line (f:1)";
    assert!(inside.contains(said), "{inside}");
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&bytes, "f", &ReadOptions::default());
    }

    #[test]
    fn arbitrary_lines_never_panic(text in "([#\\-_a-z0-9 \t\r=é\u{FEFF}]{0,8}\n){0,12}", label in -3i64..3) {
        let _ = read(text.as_bytes(), "f", &options("", &label.to_string()));
    }

    /// What is written comes back.
    #[test]
    fn round_trip(sentences in prop::collection::vec(prop::collection::vec(("[^\\s#\u{FEFF}]{1,6}", "[BI]-[A-Z]{1,3}"), 1..6), 1..6)) {
        prop_assume!(sentences.iter().flatten().all(|(word, _)| word != "-DOCSTART-" && !word.contains(char::is_whitespace)));
        let text: String = sentences.iter().map(|sentence| {
            sentence.iter().map(|(word, tag)| format!("{word}\t{tag}\n")).collect::<String>() + "\n"
        }).collect();
        let split = read(text.as_bytes(), "f", &ReadOptions::default()).expect("well-formed");
        prop_assert_eq!(tagged(&split), sentences);
    }
}
