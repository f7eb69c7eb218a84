//! Data sets of the hub: which revision, which configuration, which files, against a hub on this machine.

use expect_test::{Expect, expect};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tagsmith_data::ReadOptions;
use tagsmith_data::dataset;
use tagsmith_hub::{Event, Hub, Settings};
use tagsmith_message::Setting;
use tagsmith_testkit::golden;
use tagsmith_testkit::hub_server::Server;
use tagsmith_text::sentence::Split;
use tempfile::TempDir;

const ROW: &[u8] = b"{\"tokens\": [\"Jo\"], \"ner_tags\": [\"B-PER\"]}\n";
const OTHER_ROW: &[u8] = b"{\"tokens\": [\"Ulm\"], \"ner_tags\": [\"B-LOC\"]}\n";

/// Files that `datasets` wrote (oracle/dataset_files.py).
fn golden(name: &str) -> PathBuf {
    golden::path("dataset_files").join(name)
}

struct Scratch {
    server: Server,
    cache: TempDir,
    notes: Arc<Mutex<Vec<String>>>,
}

impl Scratch {
    fn new(repository: &str, revision: &str, files: &[(&str, &[u8])]) -> Scratch {
        let server = Server::start();
        server.put(repository, revision, files);
        Scratch { server, cache: tempfile::tempdir().expect("a scratch folder"), notes: Arc::default() }
    }

    fn hub(&self, offline: bool) -> Hub {
        let settings = Settings {
            endpoint: self.server.url.clone(),
            offline: offline.then(|| "HF_HUB_OFFLINE forbids connections".into()),
            pause: Duration::from_millis(1),
            ..Settings::offline(self.cache.path(), "")
        };
        let notes = self.notes.clone();
        Hub::new(settings, move |event| {
            if let Event::Note(note) = event {
                let kind = if note.important { "warning" } else { "note" };
                notes.lock().expect("no thread panicked").push(format!("{kind}: {note}\n"));
            }
        })
    }

    fn show(&self, outcome: Result<BTreeMap<String, Split>, tagsmith_data::error::Error>) -> String {
        let mut text = std::mem::take(&mut *self.notes.lock().expect("no thread panicked")).concat();
        match outcome {
            Err(error) => {
                let spell = |setting: Setting, _: Option<&str>| format!("<{setting:?}>");
                let remedy = error.remedy().map(|remedy| format!(": {}", remedy.clause(&spell))).unwrap_or_default();
                text += &format!("error: {error}{remedy}\n");
            }
            Ok(splits) => {
                for (name, split) in splits {
                    let sentences = split.sentences.to_vec().expect("the sentences are in memory");
                    let words: Vec<&str> =
                        sentences.iter().flat_map(|sentence| &sentence.words).map(String::as_str).collect();
                    let files: Vec<&str> = split
                        .source
                        .split(", ")
                        .filter_map(|path| path.split_once("/snapshots/"))
                        .map(|(_, file)| &file[41..])
                        .collect();
                    text +=
                        &format!("{name}: {} ({}; {})\n", words.join(" "), files.join(", "), split.tag_names.join(" "));
                    text.extend(split.notes.iter().map(|note| format!("  note: {note}\n")));
                }
            }
        }
        text.replace(&self.cache.path().display().to_string(), "CACHE").replace(&self.server.url, "HUB")
    }

    fn read(&self, name: &str, config_name: Option<&str>, revision: Option<&str>) -> String {
        self.show(dataset::load(&self.hub(false), name, config_name, revision, &ReadOptions::default()))
    }

    fn read_offline(&self, name: &str, config_name: Option<&str>) -> String {
        self.show(dataset::load(&self.hub(true), name, config_name, None, &ReadOptions::default()))
    }

    /// Files that came, since the last time.
    fn came(&self) -> Vec<String> {
        let asked = self.server.asked();
        let files = asked.iter().filter(|line| line.contains("/resolve/"));
        files.map(|line| line.split_once("/resolve/").expect("it holds it").1[41..].to_owned()).collect()
    }
}

#[track_caller]
fn check(files: &[(&str, &[u8])], config_name: Option<&str>, want: Expect) {
    let scratch = Scratch::new("datasets/org/set", "main", files);
    want.assert_eq(&scratch.read("org/set", config_name, None));
}

#[test]
fn files_named_by_split() {
    let files: [(&str, &[u8]); 7] = [
        ("README.md", b"# Set\n"),
        (".hidden/train.jsonl", b"not read"),
        ("train.jsonl", ROW),
        ("dev.jsonl", OTHER_ROW),
        ("data.zip", b"not data"),
        ("notes.jsonl", ROW),
        ("test/a.jsonl", ROW),
    ];
    check(
        &files[..5],
        None,
        expect![[r#"
        train: Jo (train.jsonl; B-PER)
        validation: Ulm (dev.jsonl; B-LOC)
    "#]],
    );
    check(
        &files[6..],
        None,
        expect![[r#"
        test: Jo (test/a.jsonl; B-PER)
    "#]],
    );
    check(
        &[("README.md", b"# Set\n")],
        None,
        expect![[r#"
            error: org/set: this folder holds no data: it must hold files that end in .json, .jsonl, .ndjson, .csv, .tsv, .conll, .conll03, .conllup, .iob, .iob1, .iob2, .bio, .bio2, .conllu, .parquet, .arrow or .txt (text formats also in .gz), or be saved by `save_to_disk`
        "#]],
    );
    check(
        &[("a.jsonl", ROW), ("b.jsonl", OTHER_ROW)],
        None,
        expect![[r#"
        train: Jo Ulm (a.jsonl, b.jsonl; B-PER B-LOC)
          note: no file in org/set is named by a split: all are `train`
    "#]],
    );
    check(
        &[("a/train.jsonl", ROW), ("b/train.jsonl", OTHER_ROW)],
        Some("b"),
        expect![[r#"
        train: Ulm (b/train.jsonl; B-LOC)
    "#]],
    );
    check(
        &[("a/train.jsonl", ROW), ("b/train.jsonl", OTHER_ROW)],
        Some("c"),
        expect![[r#"
            error: org/set: there is no configuration `c` (there are: `a`, `b`): pass <DatasetConfigName> with one of them
        "#]],
    );
    check(
        &[("data/train-00000-of-00001.jsonl", ROW), ("data/unlabeled-00000-of-00001.jsonl", ROW)],
        None,
        expect![[r#"
            warning: org/set: the split `unlabeled` is not downloaded: only train, validation, test are
            train: Jo (data/train-00000-of-00001.jsonl; B-PER)
        "#]],
    );
    check(
        &[("data/extra-00000-of-00001.jsonl", ROW)],
        None,
        expect![[r#"
        warning: org/set: the split `extra` is not downloaded: only train, validation, test are
        error: org/set: it has the splits `extra`, and none of train, validation, test: download its files and pass them by name
    "#]],
    );
}

#[test]
fn only_what_is_needed_comes_and_once() {
    let card = b"---\nconfigs:\n- config_name: en\n  data_files:\n  - split: train\n    path: en/one-*\n  - split: dev\n    path: en/two.jsonl\n- config_name: fr\n  data_files: fr/*\n---\n";
    let files: [(&str, &[u8]); 4] =
        [("README.md", card), ("en/one-0.jsonl", ROW), ("en/two.jsonl", OTHER_ROW), ("fr/train.jsonl", ROW)];
    let scratch = Scratch::new("datasets/org/set", "main", &files);
    expect![[r#"
        train: Jo (en/one-0.jsonl; B-PER)
          note: the split `dev` is used as `validation`
        validation: Ulm (en/two.jsonl; B-LOC)
    "#]]
    .assert_eq(&scratch.read("org/set", Some("en"), None));
    assert_eq!(scratch.came(), ["README.md", "en/one-0.jsonl", "en/two.jsonl"]);
    expect![[r#"
        error: org/set: it has several configurations (`en`, `fr`): pass <DatasetConfigName> with one of them
    "#]]
    .assert_eq(&scratch.read("org/set", None, None));
    expect![[r#"
        train: Jo (en/one-0.jsonl; B-PER)
          note: the split `dev` is used as `validation`
        validation: Ulm (en/two.jsonl; B-LOC)
    "#]]
    .assert_eq(&scratch.read_offline("org/set", Some("en")));
    expect![[r#"
        error: org/set: fr/train.jsonl is not in the cache (CACHE/datasets--org--set/snapshots/e22f0c1120599eae09806bd13d293f899a56d4c6), and HF_HUB_OFFLINE forbids connections: run it once with a connection
    "#]].assert_eq(&scratch.read_offline("org/set", Some("fr")));
    assert_eq!(scratch.came(), [""; 0]);
}

#[test]
fn old_names_are_programs_and_their_conversion_is_read() {
    let scratch = Scratch::new(
        "datasets/eriktks/conll2003",
        "main",
        &[("README.md", b"# CoNLL"), ("conll2003.py", b"raise SystemExit('never run')"), ("dataset_infos.json", b"{}")],
    );
    let parquet = fs::read(golden("class_label.parquet")).expect("a golden file");
    let other = fs::read(golden("flipped.parquet")).expect("a golden file");
    scratch.server.put(
        "datasets/eriktks/conll2003",
        "refs/convert/parquet",
        &[
            ("conll2003/train/0000.parquet", &parquet),
            ("conll2003/validation/0000.parquet", &other),
            ("conll2003/extra/0000.parquet", &other),
        ],
    );
    expect![[r#"
        note: the data set `conll2003` is `eriktks/conll2003` now
        warning: eriktks/conll2003: conll2003.py is a program, which is never run: the hub's Parquet conversion of its data is read (refs/convert/parquet)
        warning: eriktks/conll2003: the split `extra` is not downloaded: only train, validation, test are
        train: Jo Müller walks to Zürich Nobody minds . New Ulm sleeps ‎  走る (conll2003/train/0000.parquet; O B-PER I-PER B-LOC I-LOC)
          note: 1 word is empty or blank; it is kept (CACHE/datasets--eriktks--conll2003/snapshots/94dffc962f82c013520932a3e2348c114c4028c5/conll2003/train/0000.parquet: row 5)
          note: 1 sentence has no words; it is kept (CACHE/datasets--eriktks--conll2003/snapshots/94dffc962f82c013520932a3e2348c114c4028c5/conll2003/train/0000.parquet: row 3)
        validation: Jo Müller walks to Zürich Nobody minds . New Ulm sleeps ‎  走る (conll2003/validation/0000.parquet; 1 2 0 3 4)
          note: 1 word is empty or blank; it is kept (CACHE/datasets--eriktks--conll2003/snapshots/94dffc962f82c013520932a3e2348c114c4028c5/conll2003/validation/0000.parquet: row 5)
          note: 1 sentence has no words; it is kept (CACHE/datasets--eriktks--conll2003/snapshots/94dffc962f82c013520932a3e2348c114c4028c5/conll2003/validation/0000.parquet: row 3)
    "#]].assert_eq(&scratch.read("conll2003", None, None));
    assert_eq!(scratch.came(), ["conll2003/train/0000.parquet", "conll2003/validation/0000.parquet"]);
    expect![[r#"
        note: the data set `conll2003` is `eriktks/conll2003` now
        warning: eriktks/conll2003: conll2003.py is a program, which is never run: the hub's Parquet conversion of its data is read (refs/convert/parquet)
        warning: eriktks/conll2003: the split `extra` is not downloaded: only train, validation, test are
        train: Jo Müller walks to Zürich Nobody minds . New Ulm sleeps ‎  走る (conll2003/train/0000.parquet; O B-PER I-PER B-LOC I-LOC)
          note: 1 word is empty or blank; it is kept (CACHE/datasets--eriktks--conll2003/snapshots/94dffc962f82c013520932a3e2348c114c4028c5/conll2003/train/0000.parquet: row 5)
          note: 1 sentence has no words; it is kept (CACHE/datasets--eriktks--conll2003/snapshots/94dffc962f82c013520932a3e2348c114c4028c5/conll2003/train/0000.parquet: row 3)
        validation: Jo Müller walks to Zürich Nobody minds . New Ulm sleeps ‎  走る (conll2003/validation/0000.parquet; 1 2 0 3 4)
          note: 1 word is empty or blank; it is kept (CACHE/datasets--eriktks--conll2003/snapshots/94dffc962f82c013520932a3e2348c114c4028c5/conll2003/validation/0000.parquet: row 5)
          note: 1 sentence has no words; it is kept (CACHE/datasets--eriktks--conll2003/snapshots/94dffc962f82c013520932a3e2348c114c4028c5/conll2003/validation/0000.parquet: row 3)
    "#]].assert_eq(&scratch.read_offline("conll2003", Some("conll2003")));
    expect![[r#"
        note: the data set `conll2003` is `eriktks/conll2003` now
        warning: eriktks/conll2003: conll2003.py is a program, which is never run: the hub's Parquet conversion of its data is read (refs/convert/parquet)
        error: eriktks/conll2003: there is no configuration `other` (there are: `conll2003`): pass <DatasetConfigName> with one of them
    "#]].assert_eq(&scratch.read("conll2003", Some("other"), None));
    expect![[r#"
        warning: eriktks/conll2003: the split `extra` is not downloaded: only train, validation, test are
        train: Jo Müller walks to Zürich Nobody minds . New Ulm sleeps ‎  走る (conll2003/train/0000.parquet; O B-PER I-PER B-LOC I-LOC)
          note: 1 word is empty or blank; it is kept (CACHE/datasets--eriktks--conll2003/snapshots/94dffc962f82c013520932a3e2348c114c4028c5/conll2003/train/0000.parquet: row 5)
          note: 1 sentence has no words; it is kept (CACHE/datasets--eriktks--conll2003/snapshots/94dffc962f82c013520932a3e2348c114c4028c5/conll2003/train/0000.parquet: row 3)
        validation: Jo Müller walks to Zürich Nobody minds . New Ulm sleeps ‎  走る (conll2003/validation/0000.parquet; 1 2 0 3 4)
          note: 1 word is empty or blank; it is kept (CACHE/datasets--eriktks--conll2003/snapshots/94dffc962f82c013520932a3e2348c114c4028c5/conll2003/validation/0000.parquet: row 5)
          note: 1 sentence has no words; it is kept (CACHE/datasets--eriktks--conll2003/snapshots/94dffc962f82c013520932a3e2348c114c4028c5/conll2003/validation/0000.parquet: row 3)
    "#]].assert_eq(&scratch.read("eriktks/conll2003", None, Some("refs/convert/parquet")));
    expect![[r#"
        error: eriktks/conll2003: this folder holds no data: it must hold files that end in .json, .jsonl, .ndjson, .csv, .tsv, .conll, .conll03, .conllup, .iob, .iob1, .iob2, .bio, .bio2, .conllu, .parquet, .arrow or .txt (text formats also in .gz), or be saved by `save_to_disk`
    "#]].assert_eq(&scratch.read("eriktks/conll2003", None, Some("main")));
}

#[test]
fn conversions_of_several_configurations_and_of_parts() {
    let parquet = fs::read(golden("class_label.parquet")).expect("a golden file");
    let scratch =
        Scratch::new("datasets/org/set", "main", &[("set.py", b""), ("train.jsonl", b"what the program reads")]);
    expect![[r#"
        error: org/set: it is a program (set.py), which is never run, and the hub has no Parquet conversion of its data: convert it where you trust it (`load_dataset` of datasets 3 with `trust_remote_code=True`, then `save_to_disk`) and pass the folder, or take a copy of the data set that holds files
    "#]].assert_eq(&scratch.read("org/set", None, None));
    scratch.server.put(
        "datasets/org/set",
        "refs/convert/parquet",
        &[("de/partial-train/0000.parquet", &parquet), ("fr/train/0000.parquet", &parquet)],
    );
    expect![[r#"
        warning: org/set: set.py is a program, which is never run: the hub's Parquet conversion of its data is read (refs/convert/parquet)
        error: org/set: it has several configurations (`de`, `fr`): pass <DatasetConfigName> with one of them
    "#]].assert_eq(&scratch.read("org/set", None, None));
    expect![[r#"
        warning: org/set: set.py is a program, which is never run: the hub's Parquet conversion of its data is read (refs/convert/parquet)
        train: Jo Müller walks to Zürich Nobody minds . New Ulm sleeps ‎  走る (de/partial-train/0000.parquet; O B-PER I-PER B-LOC I-LOC)
          note: 1 word is empty or blank; it is kept (CACHE/datasets--org--set/snapshots/284165f35ba8763a3179b2ebfe4eb263ed33585d/de/partial-train/0000.parquet: row 5)
          note: 1 sentence has no words; it is kept (CACHE/datasets--org--set/snapshots/284165f35ba8763a3179b2ebfe4eb263ed33585d/de/partial-train/0000.parquet: row 3)
          note: 1 split was converted in part only, as the hub does with large ones (train)
    "#]].assert_eq(&scratch.read("org/set", Some("de"), None));
}

#[test]
fn saved_data_sets_come_whole() {
    let scratch = Scratch::new("datasets/org/set", "main", &[("README.md", b"# Set\n")]);
    fn put(scratch: &Scratch, folder: &Path, before: &str) {
        for entry in fs::read_dir(folder).expect("a golden folder").flatten() {
            let name = format!("{before}{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                put(scratch, &entry.path(), &format!("{name}/"));
            } else {
                scratch.server.put(
                    "datasets/org/set",
                    "main",
                    &[(&name, &fs::read(entry.path()).expect("a golden file"))],
                );
            }
        }
    }
    put(&scratch, &golden("saved"), "");
    expect![[r#"
        test: Lake Geneva Ada (test/data-00000-of-00001.arrow; O B-PER I-PER B-LOC I-LOC)
        train: Jo Müller walks to Zürich Nobody minds . New Ulm sleeps ‎  走る (train/data-00000-of-00002.arrow, train/data-00001-of-00002.arrow; O B-PER I-PER B-LOC I-LOC)
          note: 1 sentence has no words; it is kept (CACHE/datasets--org--set/snapshots/74d8f9053700d824a426f5b3c3b15fbfcf4122f5/train/data-00000-of-00002.arrow: row 3)
          note: 1 word is empty or blank; it is kept (CACHE/datasets--org--set/snapshots/74d8f9053700d824a426f5b3c3b15fbfcf4122f5/train/data-00001-of-00002.arrow: row 2)
        validation: Ada reads (validation/data-00000-of-00001.arrow; O B-PER I-PER B-LOC I-LOC)
    "#]].assert_eq(&scratch.read("org/set", None, None));
}

#[test]
fn what_python_left_without_a_name_for_its_commit_is_found() {
    let scratch = Scratch::new("datasets/org/set", "main", &[("train.jsonl", ROW), ("dev.jsonl", OTHER_ROW)]);
    scratch.read("org/set", None, None);
    let shelf = scratch.cache.path().join("datasets--org--set");
    fs::remove_dir_all(shelf.join("refs")).expect("it is there");
    fs::remove_dir_all(shelf.join("trees")).expect("it is there");
    let commit = scratch.server.commit("datasets/org/set", "main");
    let got = scratch.read_offline("org/set", None).replace(&commit[..12], "COMMIT");
    expect![[r#"
        warning: CACHE/datasets--org--set: nothing says which commit `main` is; COMMIT is the only one here and used
        warning: org/set: the cache does not say which files there are: those in it are taken for all
        train: Jo (train.jsonl; B-PER)
        validation: Ulm (dev.jsonl; B-LOC)
    "#]]
    .assert_eq(&got);
    fs::create_dir_all(shelf.join("snapshots").join("0".repeat(40))).expect("a folder");
    fs::write(shelf.join("snapshots").join("0".repeat(40)).join("train.jsonl"), ROW).expect("a file");
    let got = scratch.read_offline("org/set", None).replace(&commit[..12], "COMMIT");
    expect![[r#"
        error: org/set: there is no such folder here, the data set is not in the cache CACHE/datasets--org--set (there are the commits 000000000000, COMMIT), and HF_HUB_OFFLINE forbids connections: run it once with a connection, or run `hf download org/set --repo-type dataset` where there is a connection and copy the cache, or pass <DatasetRevision> with one of these commits
    "#]]
    .assert_eq(&got);
}
