//! Files and lists of them.

use crate::harness::{COLUMNS, OTHER_ROW, ROW, check_files, scratch, show_error};
use expect_test::expect;
use std::fs;
use tagsmith_data::ReadOptions;
use tagsmith_data::dataset::load_files;

#[test]
fn one_file_of_each_format() {
    check_files(
        &[("a.jsonl", ROW)],
        &["@a.jsonl"],
        expect![[r#"
        @a.jsonl: Jo|B-PER runs|O (Strings)
    "#]],
    );
    check_files(
        &[("a.JSON", ROW)],
        &["@a.JSON"],
        expect![[r#"
        @a.JSON: Jo|B-PER runs|O (Strings)
    "#]],
    );
    check_files(
        &[("a.csv", "tokens,ner_tags\nJo runs,B-PER O\n")],
        &["@a.csv"],
        expect![[r#"
        @a.csv: Jo|B-PER runs|O (Strings)
        note: 2 cells were split at white space (they do not begin with `[`) (@a.csv:2, @a.csv:2)
    "#]],
    );
    check_files(
        &[("a.tsv", "tokens\tner_tags\nJo runs\tB-PER O\n")],
        &["@a.tsv"],
        expect![[r#"
        @a.tsv: Jo|B-PER runs|O (Strings)
        note: 2 cells were split at white space (they do not begin with `[`) (@a.tsv:2, @a.tsv:2)
    "#]],
    );
    check_files(
        &[("a.tsv", "Jo\tB-PER\nruns\tO\n\nUlm\tB-LOC\n")],
        &["@a.tsv"],
        expect![[r#"
        @a.tsv: Jo|B-PER runs|O / Ulm|B-LOC (Strings)
        note: @a.tsv was read as CoNLL columns, because blank lines part its lines into sentences
    "#]],
    );
    check_files(
        &[("a.conll", COLUMNS)],
        &["@a.conll"],
        expect![[r#"
        @a.conll: Jo|B-PER runs|O / Ulm|B-LOC (Strings)
    "#]],
    );
    check_files(
        &[("a.bio", COLUMNS)],
        &["@a.bio"],
        expect![[r#"
        @a.bio: Jo|B-PER runs|O / Ulm|B-LOC (Strings)
    "#]],
    );
    check_files(
        &[("a.conllu", "1\tJo\tJo\tPROPN\t_\t_\t0\troot\t_\t_\n")],
        &["@a.conllu"],
        expect![[r#"
        @a.conllu: Jo|PROPN (Strings)
    "#]],
    );
    check_files(
        &[("a.txt", COLUMNS)],
        &["@a.txt"],
        expect![[r#"
        @a.txt: Jo|B-PER runs|O / Ulm|B-LOC (Strings)
        note: @a.txt was read as CoNLL columns, because it is neither JSON, CoNLL-U nor CSV
    "#]],
    );
    check_files(
        &[("a.txt", ROW)],
        &["@a.txt"],
        expect![[r#"
        @a.txt: Jo|B-PER runs|O (Strings)
        note: @a.txt was read as JSON, because it begins with a JSON object
    "#]],
    );
    check_files(
        &[("a.annotated", COLUMNS)],
        &["@a.annotated"],
        expect![[r#"
        @a.annotated: Jo|B-PER runs|O / Ulm|B-LOC (Strings)
        note: @a.annotated was read as CoNLL columns, because it is neither JSON, CoNLL-U nor CSV
    "#]],
    );
    check_files(
        &[("a.jsonl.gz", ROW)],
        &["@a.jsonl.gz"],
        expect![[r#"
        @a.jsonl.gz: Jo|B-PER runs|O (Strings)
    "#]],
    );
    check_files(
        &[("a.txt.gz", COLUMNS)],
        &["@a.txt.gz"],
        expect![[r#"
        @a.txt.gz: Jo|B-PER runs|O / Ulm|B-LOC (Strings)
        note: @a.txt.gz was read as CoNLL columns, because it is neither JSON, CoNLL-U nor CSV
    "#]],
    );
}

#[test]
fn several_files_follow_each_other() {
    let two = [("a.jsonl", ROW), ("b.jsonl", OTHER_ROW)];
    check_files(
        &two,
        &["@a.jsonl", "@b.jsonl"],
        expect![[r#"
        @a.jsonl, @b.jsonl: Jo|B-PER runs|O / Ulm|B-LOC (Strings)
    "#]],
    );
    check_files(
        &two,
        &["@b.jsonl,@a.jsonl"],
        expect![[r#"
        @b.jsonl, @a.jsonl: Ulm|B-LOC / Jo|B-PER runs|O (Strings)
    "#]],
    );
    check_files(
        &two,
        &["@a.jsonl @b.jsonl"],
        expect![[r#"
        @a.jsonl, @b.jsonl: Jo|B-PER runs|O / Ulm|B-LOC (Strings)
    "#]],
    );
    check_files(
        &two,
        &["@*.jsonl"],
        expect![[r#"
        @a.jsonl, @b.jsonl: Jo|B-PER runs|O / Ulm|B-LOC (Strings)
    "#]],
    );
    check_files(
        &two,
        &["@"],
        expect![[r#"
        @a.jsonl, @b.jsonl: Jo|B-PER runs|O / Ulm|B-LOC (Strings)
    "#]],
    );
    check_files(
        &[("a, b.jsonl", ROW)],
        &["@a, b.jsonl"],
        expect![[r#"
        @a, b.jsonl: Jo|B-PER runs|O (Strings)
    "#]],
    );
    check_files(
        &[("a.jsonl", ROW), ("b.csv", "tokens,ner_tags\nUlm sleeps,B-LOC O\n")],
        &["@a.jsonl", "@b.csv"],
        expect![[r#"
        @a.jsonl, @b.csv: Jo|B-PER runs|O / Ulm|B-LOC sleeps|O (Strings)
        note: 2 cells were split at white space (they do not begin with `[`) (@b.csv:2, @b.csv:2)
    "#]],
    );
    check_files(
        &[("1.conll", COLUMNS), ("2.conll", "# a\nUlm B-LOC\n")],
        &["@1.conll", "@2.conll"],
        expect![[r#"
            @1.conll, @2.conll: Jo|B-PER runs|O / Ulm|B-LOC / #|a Ulm|B-LOC (Strings)
            note: 1 line begins with `#` but has the data's columns, and was read as a word (@2.conll:1)
            note: 1 word has a label that is not a tag, though labels are tags of entities: is it a slip? (`a` @2.conll:1)
        "#]],
    );
    let four = [("1.jsonl", ROW), ("2.jsonl", ROW), ("3.jsonl", ROW), ("4.jsonl", ROW)];
    check_files(
        &four,
        &["@*"],
        expect![[r#"
        @1.jsonl, …, @4.jsonl (4 files): Jo|B-PER runs|O / Jo|B-PER runs|O / Jo|B-PER runs|O / Jo|B-PER runs|O (Strings)
    "#]],
    );
}

#[test]
fn files_that_do_not_fit_together() {
    check_files(
        &[("a.jsonl", ROW), ("b.conll", COLUMNS)],
        &["@a.jsonl", "@b.conll"],
        expect![[r#"
            error: @b.conll: it is CoNLL columns with words and labels in `0` and `1`, the files before are JSON with `tokens` and `ner_tags`: @a.jsonl and this file cannot be one split: pass <TextColumn> or <LabelColumn> to name the columns, or pass fewer files
        "#]],
    );
    let integers = "{\"tokens\": [\"Jo\"], \"ner_tags\": [1]}\n";
    check_files(
        &[("a.jsonl", ROW), ("b.jsonl", integers)],
        &["@a.jsonl", "@b.jsonl"],
        expect![[r#"
        error: @b.jsonl: its labels are integers without names, those before are strings (write all of them one way): @a.jsonl and this file cannot be one split
    "#]],
    );
    check_files(
        &[("a.jsonl", ROW)],
        &["@a.jsonl", "@./a.jsonl"],
        expect![[r#"
        error: @./a.jsonl: it is given twice: name every file once
    "#]],
    );
}

#[test]
fn files_that_are_not_there() {
    check_files(
        &[],
        &["@a.jsonl"],
        expect![[r#"
        error: @a.jsonl: there is no such file or folder: correct the path
    "#]],
    );
    check_files(
        &[],
        &["@*.jsonl"],
        expect![[r#"
        error: @*.jsonl: no file matches: correct the pattern
    "#]],
    );
    check_files(
        &[("train.jsonl", ROW), ("dev.jsonl", ROW)],
        &["@"],
        expect![[r#"
            error: @: this folder holds several splits (train, validation): pass <DatasetName> with the folder, or name the files of one split
        "#]],
    );
    check_files(
        &[("notes.md", "")],
        &["@"],
        expect![[r#"
            error: @: this folder holds no data: it must hold files that end in .json, .jsonl, .ndjson, .csv, .tsv, .conll, .conll03, .conllup, .iob, .iob1, .iob2, .bio, .bio2, .conllu, .parquet, .arrow or .txt (text formats also in .gz), or be saved by `save_to_disk`
        "#]],
    );
    check_files(
        &[("dataset_dict.json", "{}")],
        &["@"],
        expect![[r#"
            error: @: this folder holds a DatasetDict: pass <DatasetName> with the folder, or name the files of one split
        "#]],
    );
    check_files(
        &[],
        &["conll2003"],
        expect![[r#"
            error: conll2003: there is no such file or folder: correct the path
        "#]],
    );
    check_files(
        &[],
        &["eriktks/conll2003"],
        expect![[r#"
            error: eriktks/conll2003: there is no such file or folder: correct the path
        "#]],
    );
    check_files(
        &[],
        &[],
        expect![[r#"
            error: data: no file is named: give at least one
        "#]],
    );
    check_files(
        &[("a.parquet.gz", "PAR1")],
        &["@a.parquet.gz"],
        expect![[r#"
        error: @a.parquet.gz: Parquet and Arrow files are read as they are: unpack it with `gunzip`
    "#]],
    );
    check_files(
        &[("a.bin", "PAR1")],
        &["@a.bin"],
        expect![[r#"
            error: @a.bin: this is not a readable Parquet file (EOF: Parquet file too small. Size is 4 but need 8): write or fetch it again
        "#]],
    );
    check_files(
        &[("a.conll", "Jo B-PER\nruns\n")],
        &["@a.conll"],
        expect![[r#"
            error: @a.conll:2: `runs` has 1 column, the other lines have 2: give every line the same columns
        "#]],
    );
}

#[test]
fn cut_and_false_gzip_streams() {
    let folder = scratch(&[("a.jsonl.gz", &ROW.repeat(100))]);
    let path = folder.path("a.jsonl.gz");
    let bytes = fs::read(&path).expect("a scratch file");
    let load = || {
        let error = load_files(&[path.to_str().expect("a UTF-8 path").to_owned()], &ReadOptions::default());
        let error = show_error(&error.expect_err("the stream is broken"));
        error.replace(path.parent().expect("a parent").to_str().expect("a UTF-8 path"), "@")
    };
    for length in [12, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&path, &bytes[..length]).expect("a scratch file");
        assert!(load().contains("cannot be read: the gzip stream is cut off"), "{length} bytes: {}", load());
    }
    fs::write(&path, ROW).expect("a scratch file");
    expect![[r#"
        error: @/a.jsonl.gz: cannot be read: the gzip stream is damaged or none (invalid gzip header): fetch or compress the file again, or drop `.gz` from its name
    "#]].assert_eq(&load());
}
