//! Folders of files, their splits and configurations, and names without a folder.

use crate::harness::{COLUMNS, OTHER_ROW, ROW, check_folder, golden_expect, load_dataset, show_error};
use expect_test::expect;
use serde_json::Value;
use std::collections::BTreeMap;
use tagsmith_data::ReadOptions;
use tagsmith_testkit::scratch::Scratch;

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
        let folder = Scratch::empty();
        for file in &files {
            let content = match file.rsplit_once('.').map(|(_, extension)| extension) {
                Some("conll") => "Jo O\n",
                Some("conllu") => "1\tJo\t_\tX\t_\t_\t_\t_\t_\t_\n",
                Some("csv") => "tokens,ner_tags\nJo runs,O O\n",
                Some("parquet") => {
                    folder.copy("dataset_files/integers.parquet", file);
                    continue;
                }
                _ => ROW,
            };
            folder.write(file, content);
        }
        let splits = load_dataset(folder.folder(), None, &ReadOptions::default())
            .unwrap_or_else(|error| panic!("{files:?}: {error}"));
        let base = folder.folder().to_str().expect("a UTF-8 path").to_owned() + "/";
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
