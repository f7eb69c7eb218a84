//! Folders that `save_to_disk` wrote.

use crate::harness::{check_folder, golden, golden_expect, load_dataset, scratch, show_splits};
use expect_test::expect;
use serde_json::Value;
use tagsmith_data::ReadOptions;
use tagsmith_data::dataset::load_files;
use tagsmith_text::sentence::{Split, TagKind};

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
    let folder = scratch(&[("dataset_dict.json", "{\"splits\": [\"dev\"]}")]);
    for file in ["state.json", "dataset_info.json", "data-00000-of-00001.arrow"] {
        folder.copy(format!("dataset_files/saved/validation/{file}"), &format!("dev/{file}"));
    }
    expect![[r#"
        validation: @dev/data-00000-of-00001.arrow: Ada|B-PER reads|O (ClassLabel)
        note: the split `dev` is used as `validation`
    "#]]
    .assert_eq(&show_splits(folder.folder(), None));
}
