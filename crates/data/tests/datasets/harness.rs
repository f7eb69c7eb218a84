//! Folders of files, and what is read from them or said of them.

use expect_test::Expect;
use serde_json::Value;
use std::collections::BTreeMap;
use std::error::Error as _;
use std::path::{Path, PathBuf};
use tagsmith_data::ReadOptions;
use tagsmith_data::dataset::{self, load_files};
use tagsmith_data::error::Error;
use tagsmith_hub::{Hub, Settings};
use tagsmith_message::Setting;
use tagsmith_testkit::golden;
use tagsmith_testkit::scratch::Scratch;
use tagsmith_text::sentence::Split;

pub const ROW: &str = "{\"tokens\": [\"Jo\", \"runs\"], \"ner_tags\": [\"B-PER\", \"O\"]}\n";
pub const OTHER_ROW: &str = "{\"tokens\": [\"Ulm\"], \"ner_tags\": [\"B-LOC\"]}\n";
pub const COLUMNS: &str = "Jo B-PER\nruns O\n\nUlm B-LOC\n";

/// What a folder holds; there is no hub to ask.
pub fn load_dataset(
    folder: impl AsRef<Path>,
    config_name: Option<&str>,
    options: &ReadOptions,
) -> Result<BTreeMap<String, Split>, Error> {
    let name = folder.as_ref().to_str().expect("a UTF-8 path");
    let hub = Hub::new(Settings::offline("no-cache", "this is a test"), |_| {});
    dataset::load(&hub, name, config_name, None, options)
}

/// Files that `datasets` wrote (oracle/dataset_files.py).
pub fn golden(name: &str) -> PathBuf {
    golden::path("dataset_files").join(name)
}

pub fn golden_expect() -> Value {
    golden::json("dataset_files/expect.json")
}

/// A folder with some files, packed where their names say so.
pub fn scratch(files: &[(&str, &str)]) -> Scratch {
    let folder = Scratch::empty();
    files.iter().for_each(|(name, content)| folder.write_as_named(name, content));
    folder
}

pub fn show_split(split: &Split) -> String {
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

pub fn show_error(error: &Error) -> String {
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    let spell = |setting: Setting, _: Option<&str>| format!("<{setting:?}>");
    let remedy = error.remedy().map(|remedy| format!(": {}", remedy.clause(&spell))).unwrap_or_default();
    format!("error: {error}{cause}{remedy}\n")
}

/// `patterns` are relative to the scratch folder, which is written `@`.
pub fn check_files(files: &[(&str, &str)], patterns: &[&str], want: Expect) {
    let folder = scratch(files);
    let base = folder.folder().to_str().expect("a UTF-8 path").to_owned() + "/";
    let patterns: Vec<String> = patterns.iter().map(|pattern| pattern.replace('@', &base)).collect();
    let got = match load_files(&patterns, &ReadOptions::default()) {
        Ok(split) => show_split(&split),
        Err(error) => show_error(&error),
    };
    want.assert_eq(&got.replace(&base, "@").replace(base.trim_end_matches('/'), "@"));
}

pub fn show_splits(folder: &Path, config_name: Option<&str>) -> String {
    let base = folder.to_str().expect("a UTF-8 path").to_owned() + "/";
    let got = match load_dataset(folder, config_name, &ReadOptions::default()) {
        Ok(splits) => splits.iter().map(|(name, split)| format!("{name}: {}", show_split(split))).collect(),
        Err(error) => show_error(&error),
    };
    got.replace(&base, "@").replace(base.trim_end_matches('/'), "@")
}

pub fn check_folder(files: &[(&str, &str)], config_name: Option<&str>, want: Expect) {
    want.assert_eq(&show_splits(scratch(files).folder(), config_name));
}
