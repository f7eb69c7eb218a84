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
use tagsmith_hub::Error;
use tagsmith_hub::dataset::{load_dataset, load_files};
use tagsmith_text::reader::ReadOptions;
use tagsmith_text::sentence::{Split, TagKind};
use tempfile::TempDir;

const ROW: &str = "{\"tokens\": [\"Jo\", \"runs\"], \"ner_tags\": [\"B-PER\", \"O\"]}\n";
const OTHER_ROW: &str = "{\"tokens\": [\"Ulm\"], \"ner_tags\": [\"B-LOC\"]}\n";
const COLUMNS: &str = "Jo B-PER\nruns O\n\nUlm B-LOC\n";

/// Files that `datasets` wrote (oracle/dataset_files.py).
fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../golden/datasets").join(name)
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
    format!("error: {error}{cause}\n")
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
    check_files(&[("a.jsonl", ROW)], &["@a.jsonl"], expect![]);
    check_files(&[("a.JSON", ROW)], &["@a.JSON"], expect![]);
    check_files(&[("a.csv", "tokens,ner_tags\nJo runs,B-PER O\n")], &["@a.csv"], expect![]);
    check_files(&[("a.tsv", "tokens\tner_tags\nJo runs\tB-PER O\n")], &["@a.tsv"], expect![]);
    check_files(&[("a.tsv", "Jo\tB-PER\nruns\tO\n\nUlm\tB-LOC\n")], &["@a.tsv"], expect![]);
    check_files(&[("a.conll", COLUMNS)], &["@a.conll"], expect![]);
    check_files(&[("a.bio", COLUMNS)], &["@a.bio"], expect![]);
    check_files(&[("a.conllu", "1\tJo\tJo\tPROPN\t_\t_\t0\troot\t_\t_\n")], &["@a.conllu"], expect![]);
    check_files(&[("a.txt", COLUMNS)], &["@a.txt"], expect![]);
    check_files(&[("a.txt", ROW)], &["@a.txt"], expect![]);
    check_files(&[("a.annotated", COLUMNS)], &["@a.annotated"], expect![]);
    check_files(&[("a.jsonl.gz", ROW)], &["@a.jsonl.gz"], expect![]);
    check_files(&[("a.txt.gz", COLUMNS)], &["@a.txt.gz"], expect![]);
}

#[test]
fn several_files_follow_each_other() {
    let two = [("a.jsonl", ROW), ("b.jsonl", OTHER_ROW)];
    check_files(&two, &["@a.jsonl", "@b.jsonl"], expect![]);
    check_files(&two, &["@b.jsonl,@a.jsonl"], expect![]);
    check_files(&two, &["@a.jsonl @b.jsonl"], expect![]);
    check_files(&two, &["@*.jsonl"], expect![]);
    check_files(&two, &["@"], expect![]);
    check_files(&[("a, b.jsonl", ROW)], &["@a, b.jsonl"], expect![]);
    check_files(&[("a.jsonl", ROW), ("b.csv", "tokens,ner_tags\nUlm sleeps,B-LOC O\n")], &["@a.jsonl", "@b.csv"], expect![]);
    check_files(&[("1.conll", COLUMNS), ("2.conll", "# a\nUlm B-LOC\n")], &["@1.conll", "@2.conll"], expect![]);
    let four = [("1.jsonl", ROW), ("2.jsonl", ROW), ("3.jsonl", ROW), ("4.jsonl", ROW)];
    check_files(&four, &["@*"], expect![]);
}

#[test]
fn files_that_do_not_fit_together() {
    check_files(&[("a.jsonl", ROW), ("b.conll", COLUMNS)], &["@a.jsonl", "@b.conll"], expect![]);
    let integers = "{\"tokens\": [\"Jo\"], \"ner_tags\": [1]}\n";
    check_files(&[("a.jsonl", ROW), ("b.jsonl", integers)], &["@a.jsonl", "@b.jsonl"], expect![]);
    check_files(&[("a.jsonl", ROW)], &["@a.jsonl", "@./a.jsonl"], expect![]);
}

#[test]
fn files_that_are_not_there() {
    check_files(&[], &["@a.jsonl"], expect![]);
    check_files(&[], &["@*.jsonl"], expect![]);
    check_files(&[("train.jsonl", ROW), ("dev.jsonl", ROW)], &["@"], expect![]);
    check_files(&[("notes.md", "")], &["@"], expect![]);
    check_files(&[("dataset_dict.json", "{}")], &["@"], expect![]);
    check_files(&[], &["conll2003"], expect![]);
    check_files(&[], &["eriktks/conll2003"], expect![]);
    check_files(&[], &[], expect![]);
    check_files(&[("a.parquet.gz", "PAR1")], &["@a.parquet.gz"], expect![]);
    check_files(&[("a.bin", "PAR1")], &["@a.bin"], expect![]);
    check_files(&[("a.conll", "Jo B-PER\nruns\n")], &["@a.conll"], expect![]);
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
    expect![].assert_eq(&load());
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
        let splits = load_dataset(folder.path(), None, &ReadOptions::default()).unwrap_or_else(|error| panic!("{files:?}: {error}"));
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
    check_folder(&[("Train.jsonl", ROW), ("TEST.jsonl", OTHER_ROW)], None, expect![]);
    check_folder(&[("train.jsonl", ROW), ("dev.conll", COLUMNS), ("eval.jsonl.gz", ROW)], None, expect![]);
    check_folder(&[("train.jsonl", ROW), ("labels.txt", "O\n"), ("README.md", "---\nconfigs:\n- x\n---\n")], None, expect![]);
    check_folder(&[("corpus.jsonl", ROW)], None, expect![]);
    check_folder(&[("en/train.jsonl", ROW), ("de/train.jsonl", OTHER_ROW)], Some("de"), expect![]);
    check_folder(&[("en/train.jsonl", ROW), ("de/train.jsonl", OTHER_ROW)], Some("fr"), expect![]);
    check_folder(&[("train.jsonl", ROW)], Some("conll2003"), expect![]);
    check_folder(&[("train.jsonl", ROW)], Some(".."), expect![]);
    check_folder(&[("train.jsonl", ROW), ("train.conll", COLUMNS)], None, expect![]);
    check_folder(&[("train_dev.jsonl", ROW)], None, expect![]);
    check_folder(&[("notes.md", "")], None, expect![]);
    check_folder(&[("train.jsonl", "{\"tokens\": [\"Jo\"]}")], None, expect![]);
    check_folder(&[("data/dev-00000-of-00001.jsonl", ROW)], None, expect![]);
}

#[test]
fn saved_splits_are_read_as_the_oracle_wrote_them() {
    let expect = golden_expect();
    let splits = load_dataset(golden("saved"), None, &ReadOptions::default()).expect("a saved DatasetDict");
    assert_eq!(splits.keys().collect::<Vec<_>>(), ["test", "train", "validation"]);
    let mut all: Vec<(String, Split)> = splits.into_iter().map(|(name, split)| (format!("saved/{name}"), split)).collect();
    for name in ["single", "saved/train"] {
        let path = golden(name).to_str().expect("a UTF-8 path").to_owned();
        all.push((name.to_owned(), load_files(&[path], &ReadOptions::default()).expect("a saved Dataset")));
    }
    for (name, split) in all {
        let rows: Vec<Value> = split
            .sentences
            .iter()
            .map(|sentence| {
                let labels: Vec<&str> = sentence.tags.iter().map(|&tag| split.tag_names[tag as usize].as_str()).collect();
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
    expect![].assert_eq(&show_splits(&golden("single"), None));
    check_folder(&[("dataset_dict.json", "{}")], None, expect![]);
    check_folder(&[("dataset_dict.json", "{")], None, expect![]);
    check_folder(&[("dataset_dict.json", "{\"splits\": [\"train\"]}")], None, expect![]);
    check_folder(&[("dataset_dict.json", "{\"splits\": [\"train\"]}"), ("train/state.json", "{}")], None, expect![]);
    let state = "{\"_data_files\": [{\"filename\": \"data-00000-of-00001.arrow\"}]}";
    check_folder(&[("dataset_dict.json", "{\"splits\": [\"train\"]}"), ("train/state.json", state)], None, expect![]);
    let state = "{\"_data_files\": [], \"_indices_data_files\": [{\"filename\": \"indices.arrow\"}]}";
    check_folder(&[("dataset_dict.json", "{\"splits\": [\"train\"]}"), ("train/state.json", state)], None, expect![]);
}

#[test]
fn saved_dev_is_validation() {
    let folder = scratch(&[("dataset_dict.json", "{\"splits\": [\"dev\"]}"), ("dev/state.json", "")]);
    for file in ["state.json", "dataset_info.json", "data-00000-of-00001.arrow"] {
        fs::copy(golden("saved/validation").join(file), folder.path().join("dev").join(file)).expect("a scratch file");
    }
    expect![].assert_eq(&show_splits(folder.path(), None));
}

#[test]
fn names_of_the_hub() {
    let error = |name: &str| {
        show_error(&load_dataset(name, None, &ReadOptions::default()).expect_err("there is no such folder"))
    };
    expect![].assert_eq(&error("conll2003"));
    expect![].assert_eq(&error("lhoestq/conll2003"));
    expect![].assert_eq(&error("./conll2003"));
    expect![].assert_eq(&error("data/sets/conll2003"));
    expect![].assert_eq(&error("train.jsonl"));
}
