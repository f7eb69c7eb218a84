//! Folders, files and lists of them, as users name them.

use expect_test::{Expect, expect};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use std::collections::BTreeMap;
use std::error::Error as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use tagsmith_data::ReadOptions;
use tagsmith_data::dataset::{self, load_files};
use tagsmith_data::error::Error;
use tagsmith_hub::{Hub, Settings};
use tagsmith_message::Setting;
use tagsmith_text::sentence::{Split, TagKind};
use tempfile::TempDir;

const ROW: &str = "{\"tokens\": [\"Jo\", \"runs\"], \"ner_tags\": [\"B-PER\", \"O\"]}\n";
const OTHER_ROW: &str = "{\"tokens\": [\"Ulm\"], \"ner_tags\": [\"B-LOC\"]}\n";
const COLUMNS: &str = "Jo B-PER\nruns O\n\nUlm B-LOC\n";

/// What a folder holds; there is no hub to ask.
fn load_dataset(
    folder: impl AsRef<Path>,
    config_name: Option<&str>,
    options: &ReadOptions,
) -> Result<BTreeMap<String, Split>, Error> {
    let name = folder.as_ref().to_str().expect("a UTF-8 path");
    let hub = Hub::new(Settings::offline("no-cache", "this is a test"), |_| {});
    dataset::load(&hub, name, config_name, None, options)
}

/// Files that `datasets` wrote (oracle/dataset_files.py).
fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../golden/dataset_files").join(name)
}

fn golden_expect() -> Value {
    serde_json::from_slice(&fs::read(golden("expect.json")).expect("a golden file")).expect("JSON")
}

fn scratch(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a scratch folder");
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("the scratch folder takes folders");
        if name.ends_with(".gz") {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(content.as_bytes()).expect("memory takes everything");
            fs::write(path, encoder.finish().expect("memory takes everything")).expect("a scratch file");
        } else {
            fs::write(path, content).expect("a scratch file");
        }
    }
    folder
}

fn show_split(split: &Split) -> String {
    let sentences: Vec<String> = split
        .sentences
        .to_vec()
        .expect("the sentences are in memory")
        .iter()
        .map(|sentence| {
            let tagged = sentence.words.iter().zip(&sentence.tags);
            tagged.map(|(word, &tag)| format!("{word}|{}", split.tag_names[tag as usize])).collect::<Vec<_>>().join(" ")
        })
        .collect();
    let notes: String = split.notes.iter().map(|note| format!("note: {note}\n")).collect();
    format!("{}: {} ({:?})\n{notes}", split.source, sentences.join(" / "), split.tag_kind)
}

fn show_error(error: &Error) -> String {
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    let spell = |setting: Setting, _: Option<&str>| format!("<{setting:?}>");
    let remedy = error.remedy().map(|remedy| format!(": {}", remedy.clause(&spell))).unwrap_or_default();
    format!("error: {error}{cause}{remedy}\n")
}

/// `patterns` are relative to the scratch folder, which is written `@`.
fn check_files(files: &[(&str, &str)], patterns: &[&str], want: Expect) {
    let folder = scratch(files);
    let base = folder.path().to_str().expect("a UTF-8 path").to_owned() + "/";
    let patterns: Vec<String> = patterns.iter().map(|pattern| pattern.replace('@', &base)).collect();
    let got = match load_files(&patterns, &ReadOptions::default()) {
        Ok(split) => show_split(&split),
        Err(error) => show_error(&error),
    };
    want.assert_eq(&got.replace(&base, "@").replace(base.trim_end_matches('/'), "@"));
}

fn show_splits(folder: &Path, config_name: Option<&str>) -> String {
    let base = folder.to_str().expect("a UTF-8 path").to_owned() + "/";
    let got = match load_dataset(folder, config_name, &ReadOptions::default()) {
        Ok(splits) => splits.iter().map(|(name, split)| format!("{name}: {}", show_split(split))).collect(),
        Err(error) => show_error(&error),
    };
    got.replace(&base, "@").replace(base.trim_end_matches('/'), "@")
}

fn check_folder(files: &[(&str, &str)], config_name: Option<&str>, want: Expect) {
    want.assert_eq(&show_splits(scratch(files).path(), config_name));
}

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
    let path = folder.path().join("a.jsonl.gz");
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

/// Where we part from `datasets` on purpose: it takes `TEST.jsonl` and `Train.jsonl` for training data both.
const DIFFERENT: [&str; 1] = ["TEST.jsonl"];

#[test]
fn splits_are_found_as_datasets_finds_them() {
    let mut checked = 0;
    for case in golden_expect()["folders"].as_array().expect("a list") {
        let files: Vec<&str> = case["files"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
        if files.iter().any(|file| DIFFERENT.contains(file)) {
            continue;
        }
        let folder = scratch(&[]);
        for file in &files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a scratch folder");
            let content = match path.extension().and_then(|extension| extension.to_str()) {
                Some("conll") => "Jo O\n",
                Some("conllu") => "1\tJo\t_\tX\t_\t_\t_\t_\t_\t_\n",
                Some("csv") => "tokens,ner_tags\nJo runs,O O\n",
                Some("parquet") => {
                    fs::copy(golden("integers.parquet"), &path).expect("a scratch file");
                    continue;
                }
                _ => ROW,
            };
            fs::write(&path, content).expect("a scratch file");
        }
        let splits = load_dataset(folder.path(), None, &ReadOptions::default())
            .unwrap_or_else(|error| panic!("{files:?}: {error}"));
        let base = folder.path().to_str().expect("a UTF-8 path").to_owned() + "/";
        let mut got: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, split) in &splits {
            let sources = split.source.replace(&base, "");
            got.insert(name.clone(), sources.split(", ").map(str::to_owned).collect());
        }
        assert_eq!(serde_json::json!(got), case["splits"], "{files:?}");
        checked += 1;
    }
    assert_eq!(checked, 18);
}

#[test]
fn folders() {
    check_folder(
        &[("Train.jsonl", ROW), ("TEST.jsonl", OTHER_ROW)],
        None,
        expect![[r#"
        test: @TEST.jsonl: Ulm|B-LOC (Strings)
        train: @Train.jsonl: Jo|B-PER runs|O (Strings)
    "#]],
    );
    check_folder(
        &[("train.jsonl", ROW), ("dev.conll", COLUMNS), ("eval.jsonl.gz", ROW)],
        None,
        expect![[r#"
        test: @eval.jsonl.gz: Jo|B-PER runs|O (Strings)
        note: eval.jsonl.gz is the split `test`, as `load_dataset` has it
        train: @train.jsonl: Jo|B-PER runs|O (Strings)
        validation: @dev.conll: Jo|B-PER runs|O / Ulm|B-LOC (Strings)
    "#]],
    );
    check_folder(
        &[("train.jsonl", ROW), ("labels.txt", "O\n"), ("README.md", "---\nconfigs:\n- x\n---\n")],
        None,
        expect![[r#"
            error: @: its `configs:` cannot be read (error: line 2 column 3: expected mapping start): pass <TrainFile>, <ValidationFile> or <TestFile>
        "#]],
    );
    check_folder(
        &[("corpus.jsonl", ROW)],
        None,
        expect![[r#"
        train: @corpus.jsonl: Jo|B-PER runs|O (Strings)
        note: no file in @ is named by a split: all are `train`
    "#]],
    );
    check_folder(
        &[("en/train.jsonl", ROW), ("de/train.jsonl", OTHER_ROW)],
        Some("de"),
        expect![[r#"
        train: @de/train.jsonl: Ulm|B-LOC (Strings)
    "#]],
    );
    check_folder(
        &[("en/train.jsonl", ROW), ("de/train.jsonl", OTHER_ROW)],
        Some("fr"),
        expect![[r#"
            error: @: there is no configuration `fr` (there are: `de`, `en`): pass <DatasetConfigName> with one of them
        "#]],
    );
    check_folder(
        &[("train.jsonl", ROW)],
        Some("conll2003"),
        expect![[r#"
            error: @: there is no configuration `conll2003`, nor any other: leave out <DatasetConfigName>
        "#]],
    );
    check_folder(
        &[("train.jsonl", ROW)],
        Some(".."),
        expect![[r#"
            error: @: there is no configuration `..`, nor any other: leave out <DatasetConfigName>
        "#]],
    );
    check_folder(
        &[("train.jsonl", ROW), ("train.conll", COLUMNS)],
        None,
        expect![[r#"
            error: @train.jsonl: `train` is here as JSON and as CoNLL columns, perhaps the same data twice: keep one, or pass <TrainFile>, <ValidationFile> or <TestFile>
        "#]],
    );
    check_folder(
        &[("train_dev.jsonl", ROW)],
        None,
        expect![[r#"
            error: @train_dev.jsonl: its name means several splits (train, validation): rename it, or pass <TrainFile>, <ValidationFile> or <TestFile>
        "#]],
    );
    check_folder(
        &[("notes.md", "")],
        None,
        expect![[r#"
            error: @: this folder holds no data: it must hold files that end in .json, .jsonl, .ndjson, .csv, .tsv, .conll, .conll03, .conllup, .iob, .iob1, .iob2, .bio, .bio2, .conllu, .parquet, .arrow or .txt (text formats also in .gz), or be saved by `save_to_disk`
        "#]],
    );
    check_folder(
        &[("train.jsonl", "{\"tokens\": [\"Jo\"]}")],
        None,
        expect![[r#"
        error: @train.jsonl:1: there is only the column `tokens`: words and labels need a column each
    "#]],
    );
    check_folder(
        &[("data/dev-00000-of-00001.jsonl", ROW)],
        None,
        expect![[r#"
            validation: @data/dev-00000-of-00001.jsonl: Jo|B-PER runs|O (Strings)
            note: the split `dev` is used as `validation`
        "#]],
    );
}

#[test]
fn saved_splits_are_read_as_the_oracle_wrote_them() {
    let expect = golden_expect();
    let splits = load_dataset(golden("saved"), None, &ReadOptions::default()).expect("a saved DatasetDict");
    assert_eq!(splits.keys().collect::<Vec<_>>(), ["test", "train", "validation"]);
    let mut all: Vec<(String, Split)> =
        splits.into_iter().map(|(name, split)| (format!("saved/{name}"), split)).collect();
    for name in ["single", "saved/train"] {
        let path = golden(name).to_str().expect("a UTF-8 path").to_owned();
        all.push((name.to_owned(), load_files(&[path], &ReadOptions::default()).expect("a saved Dataset")));
    }
    for (name, split) in all {
        let rows: Vec<Value> = split
            .sentences
            .to_vec()
            .expect("the sentences are in memory")
            .iter()
            .map(|sentence| {
                let labels: Vec<&str> =
                    sentence.tags.iter().map(|&tag| split.tag_names[tag as usize].as_str()).collect();
                serde_json::json!([sentence.words, labels])
            })
            .collect();
        assert_eq!(Value::from(rows), expect["files"][&name]["rows"], "{name}");
        assert_eq!(split.tag_kind, TagKind::ClassLabel, "{name}");
        assert_eq!(serde_json::json!(split.tag_names), expect["names"], "{name}");
    }
}

#[test]
fn saved_folders_that_cannot_be_read() {
    expect![[r#"
        error: @: this is a single saved Dataset, not a DatasetDict: pass <TrainFile>, <ValidationFile> or <TestFile>
    "#]]
    .assert_eq(&show_splits(&golden("single"), None));
    check_folder(
        &[("dataset_dict.json", "{}")],
        None,
        expect![[r#"
        error: @dataset_dict.json: `splits` is not a list of names: save the data set again with `save_to_disk`
    "#]],
    );
    check_folder(
        &[("dataset_dict.json", "{")],
        None,
        expect![[r#"
        error: @dataset_dict.json: this is not JSON (EOF while parsing an object at line 1 column 1): save the data set again with `save_to_disk`
    "#]],
    );
    check_folder(
        &[("dataset_dict.json", "{\"splits\": [\"train\"]}")],
        None,
        expect![[r#"
        error: @train/state.json: cannot be opened: No such file or directory (os error 2)
    "#]],
    );
    check_folder(
        &[("dataset_dict.json", "{\"splits\": [\"train\"]}"), ("train/state.json", "{}")],
        None,
        expect![[r#"
        error: @train/state.json: `_data_files` does not list files: save the data set again with `save_to_disk`
    "#]],
    );
    let state = "{\"_data_files\": [{\"filename\": \"data-00000-of-00001.arrow\"}]}";
    check_folder(
        &[("dataset_dict.json", "{\"splits\": [\"train\"]}"), ("train/state.json", state)],
        None,
        expect![[r#"
        error: @train/data-00000-of-00001.arrow: cannot be opened: No such file or directory (os error 2)
    "#]],
    );
    let state = "{\"_data_files\": [{\"filename\": \"../secret.arrow\"}]}";
    check_folder(
        &[("dataset_dict.json", "{\"splits\": [\"train\"]}"), ("train/state.json", state)],
        None,
        expect![[r#"
        error: @train/state.json: it names "../secret.arrow", which is outside its folder
    "#]],
    );
    check_folder(
        &[("dataset_dict.json", "{\"splits\": [\"/etc\"]}")],
        None,
        expect![[r#"
        error: @dataset_dict.json: it names "/etc", which is outside its folder
    "#]],
    );
    let state = "{\"_data_files\": [], \"_indices_data_files\": [{\"filename\": \"indices.arrow\"}]}";
    check_folder(
        &[("dataset_dict.json", "{\"splits\": [\"train\"]}"), ("train/state.json", state)],
        None,
        expect![[r#"
        error: @train/state.json: the rows are selected by an index file, as old versions of `datasets` did: save the data set again with `save_to_disk`
    "#]],
    );
}

#[test]
fn saved_dev_is_validation() {
    let folder = scratch(&[("dataset_dict.json", "{\"splits\": [\"dev\"]}"), ("dev/state.json", "")]);
    for file in ["state.json", "dataset_info.json", "data-00000-of-00001.arrow"] {
        fs::copy(golden("saved/validation").join(file), folder.path().join("dev").join(file)).expect("a scratch file");
    }
    expect![[r#"
        validation: @dev/data-00000-of-00001.arrow: Ada|B-PER reads|O (ClassLabel)
        note: the split `dev` is used as `validation`
    "#]]
    .assert_eq(&show_splits(folder.path(), None));
}

#[test]
fn names_that_are_no_folders() {
    let error = |name: &str| {
        show_error(&load_dataset(name, None, &ReadOptions::default()).expect_err("there is no such folder"))
    };
    expect![[r#"
        error: lhoestq/conll2003: there is no such folder here, the data set is not in the cache no-cache/datasets--lhoestq--conll2003, and this is a test: run it once with a connection, or run `hf download lhoestq/conll2003 --repo-type dataset` where there is a connection and copy the cache
    "#]].assert_eq(&error("lhoestq/conll2003"));
    expect![[r#"
        error: ./conll2003: there is no such file or folder: correct the path
    "#]]
    .assert_eq(&error("./conll2003"));
    expect![[r#"
        error: data/sets/conll2003: there is no such file or folder: correct the path
    "#]]
    .assert_eq(&error("data/sets/conll2003"));
    expect![[r#"
        error: train.jsonl: there is no such file or folder: correct the path
    "#]]
    .assert_eq(&error("train.jsonl"));
}
