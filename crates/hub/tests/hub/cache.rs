//! The cache: what it stands in for, several processes at once, and Python's own.

use crate::harness::{Scratch, at, is_weights, shown, walk, weights};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use expect_test::expect;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;
use tagsmith_hub::model::Part;
use tagsmith_testkit::golden;
use tagsmith_testkit::hub_server::Reply;

#[test]
fn the_cache_stands_in() {
    let scratch = Scratch::new();
    let gone = || scratch.hub_with(|settings| settings.endpoint = "http://127.0.0.1:9".into());
    let error = scratch.model(&gone()).expect_err("nobody is there");
    expect!["org/tiny: the hub cannot be reached: io: Connection refused (os error 111): check the network, HF_ENDPOINT (http://127.0.0.1:9) and https_proxy, or bring the model to this machine with `hf download org/tiny`"]
        .assert_eq(&error);
    scratch.notes();
    expect!["org/tiny: there is no such folder here, the model is not in the cache CACHE/models--org--tiny, and HF_HUB_OFFLINE forbids connections: run it once with a connection, or run `hf download org/tiny` where there is a connection and copy the cache"]
        .assert_eq(&scratch.model(&scratch.offline()).expect_err("it is not here"));

    scratch.hub().model("org/tiny", None, &[Part::Config]).expect("it is there");
    expect!["org/tiny: tokenizer.json, tokenizer_config.json, model.safetensors are not in the cache (CACHE/models--org--tiny/snapshots/COMMIT), and HF_HUB_OFFLINE forbids connections: run it once with a connection"]
        .assert_eq(&scratch.model(&scratch.offline()).expect_err("a part is not here"));
    scratch.model(&scratch.hub()).expect("it is there");
    scratch.model(&gone()).expect("it is here");
    expect!["warning: org/tiny: the hub cannot be reached: io: Connection refused (os error 111): commit COMMIT from the cache is used"]
        .assert_eq(&scratch.notes());
    scratch.server.rule(at("/revision/main", |_| Some(Reply::error(503, "", "down"))));
    scratch.model(&scratch.hub()).expect("it is here");
    expect!["warning: org/tiny: the hub answers 503: down: commit COMMIT from the cache is used"]
        .assert_eq(&scratch.notes());
    expect!["org/tiny: there is no such folder here, the model at the revision `v9` is not in the cache CACHE/models--org--tiny (there are the commits COMMIT), and HF_HUB_OFFLINE forbids connections: run it once with a connection, or run `hf download org/tiny` where there is a connection and copy the cache, or pass <ModelRevision> with one of these commits"]
        .assert_eq(&scratch.clean(&shown(&scratch.offline().model("org/tiny", Some("v9"), &Part::ALL).expect_err("no"))));
}

#[test]
fn several_at_once_download_once() {
    let scratch = Scratch::new();
    scratch.server.rule(|request, _| {
        if is_weights(request) {
            thread::sleep(Duration::from_millis(50));
        }
        None
    });
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let folder = scratch.model(&scratch.hub()).expect("it is there");
                assert_eq!(fs::read(folder.join("model.safetensors")).expect("a file"), weights());
            });
        }
    });
    let downloads = scratch.server.asked().iter().filter(|line| line.starts_with("cdn GET")).count();
    assert_eq!(downloads, 1);
    scratch.assert_sound();
    assert!(!scratch.layout().contains(".tmp") && !scratch.layout().contains(".incomplete"), "{}", scratch.layout());
}

/// Names and contents.
type Files = Vec<(String, Vec<u8>)>;

/// What huggingface_hub makes of a small repository (oracle/hub_cache.py): its files, and its cache.
fn golden() -> (Files, serde_json::Map<String, Value>) {
    let golden = golden::json("hub_cache/cache.json");
    let files = golden["files"].as_object().expect("files").iter();
    let files = files.map(|(name, content)| (name.clone(), decoded(content)));
    (files.collect(), golden["layout"].as_object().expect("a layout").clone())
}

fn decoded(content: &Value) -> Vec<u8> {
    BASE64_STANDARD.decode(content.as_str().expect("base64")).expect("base64")
}

#[test]
fn the_cache_is_pythons() {
    let (files, layout) = golden();
    let scratch = Scratch::new();
    let borrowed: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    scratch.server.put("models/org/golden", "main", &borrowed);
    scratch.hub().model("org/golden", None, &Part::ALL).expect("it is there");
    let commit = scratch.server.commit("models/org/golden", "main");
    let mut names = Vec::new();
    walk(scratch.cache.path(), scratch.cache.path(), &mut names);
    names.retain(|name| !name.starts_with(".locks"));
    assert_eq!(names.len(), layout.len(), "{names:?}");
    let theirs =
        layout.keys().find_map(|name| name.split_once("/trees/")).expect("a listing").1.trim_end_matches(".json");
    for (name, want) in &layout {
        let name = name.replace(theirs, &commit).replace("org--tiny", "org--golden");
        let path = scratch.cache.path().join(&name);
        if let Some(target) = want.get("link").and_then(Value::as_str) {
            assert_eq!(fs::read_link(&path).expect("a link"), Path::new(target), "{name}");
            continue;
        }
        let (got, want) = (fs::read(&path).unwrap_or_else(|error| panic!("{name}: {error}")), decoded(&want["base64"]));
        if name.contains("/trees/") {
            let value = |text: &[u8]| serde_json::from_slice::<Value>(text).expect("JSON");
            assert_eq!(value(&got), value(&want));
        } else if name.contains("/refs/") {
            assert_eq!(got, commit.as_bytes());
        } else {
            assert_eq!(got, want, "{name}");
        }
    }
}

#[cfg(unix)]
#[test]
fn what_python_downloaded_is_read() {
    let (files, layout) = golden();
    let scratch = Scratch::new();
    for (name, what) in &layout {
        let path = scratch.cache.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        match what.get("link").and_then(Value::as_str) {
            Some(target) => std::os::unix::fs::symlink(target, path).expect("a link"),
            None => fs::write(path, decoded(&what["base64"])).expect("a file"),
        }
    }
    // With Python's listing, and as older versions left it: without.
    for _ in 0..2 {
        let folder = scratch.model(&scratch.offline()).expect("it is here");
        for (name, bytes) in &files {
            assert_eq!(&fs::read(folder.join(name)).expect("a file"), bytes, "{name}");
        }
        let _ = fs::remove_dir_all(scratch.shelf().join("trees"));
    }
}
