//! A finished folder becomes a repository, against a hub on this machine.

use crate::harness::{Notes, heard, shown};
use expect_test::expect;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;
use tagsmith_hub::{Hub, Settings, Token};
use tagsmith_testkit::hub_server::{Reply, Server};
use tempfile::TempDir;

const ID: &str = "models/jo/tagger";

struct Scratch {
    server: Server,
    folder: TempDir,
    notes: Notes,
}

impl Scratch {
    fn new() -> Scratch {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let write = |name: &str, content: &[u8]| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, content).expect("a file");
        };
        write("config.json", b"{}");
        write("README.md", "# Zürich\n".as_bytes());
        write("model.safetensors", &[7; 1234]);
        write("small.bin", b"a few bytes");
        write("empty.bin", b"");
        write("inner/labels.txt", b"O\n");
        write("left.ignored", b"as .gitignore has it");
        for left in ["checkpoint-5/model.safetensors", "_cache/x", ".git/config"] {
            write(left, b"not uploaded");
        }
        Scratch { server: Server::start(), folder, notes: Notes::default() }
    }

    fn hub(&self, token: Option<&str>) -> Hub {
        let settings = Settings {
            endpoint: self.server.url.clone(),
            token: token.and_then(Token::new),
            offline: None,
            pause: Duration::from_millis(1),
            ..Settings::offline("no-cache", "")
        };
        heard(settings, &self.notes)
    }

    fn clean(&self, text: &str) -> String {
        text.replace(&self.folder.path().display().to_string(), "FOLDER").replace(&self.server.url, "HUB")
    }

    fn upload(&self, hub: &Hub) -> Result<String, String> {
        hub.upload_model("jo/tagger", self.folder.path(), "End of training").map_err(|error| self.clean(&shown(&error)))
    }
}

fn read(folder: &Path, name: &str) -> Vec<u8> {
    fs::read(folder.join(name)).expect("a file")
}

#[test]
fn a_folder_arrives_as_it_is() {
    let scratch = Scratch::new();
    let hub = scratch.hub(Some("hf_write"));
    assert_eq!(hub.create_model("tagger", false).expect("it is made"), "jo/tagger");
    assert_eq!(hub.create_model("jo/tagger", false).expect("it is there"), "jo/tagger");
    let address = scratch.upload(&hub).expect("it is uploaded");
    assert_eq!(scratch.clean(&address), format!("HUB/models/jo/tagger/commit/{}", scratch.server.commit(ID, "main")));
    let files = scratch.server.files(ID, "main");
    let names = ["README.md", "config.json", "empty.bin", "inner/labels.txt", "model.safetensors", "small.bin"];
    let want: BTreeMap<String, Vec<u8>> =
        names.iter().map(|name| ((*name).to_owned(), read(scratch.folder.path(), name))).collect();
    assert_eq!(files.into_iter().map(|(name, (_, bytes))| (name, bytes)).collect::<BTreeMap<_, _>>(), want);
    assert_eq!(
        *scratch.notes.lock().expect("no thread panicked"),
        ["warning: left.ignored: the repository's .gitignore leaves it out"]
    );
    assert!(scratch.server.tokens("cdn PUT").iter().all(Option::is_none), "the other port is another host");
    let asked = scratch.server.asked();
    let parts = asked.iter().filter(|line| line.starts_with("cdn PUT") && line.matches('/').count() == 2).count();
    assert_eq!(parts, 4, "1234 bytes in parts of 400: {asked:?}");
    // What the hub has already is not sent again.
    scratch.upload(&hub).expect("it is uploaded");
    assert!(!scratch.server.asked().iter().any(|line| line.contains("PUT")));
}

#[test]
fn private_repositories() {
    let scratch = Scratch::new();
    let hub = scratch.hub(Some("secret"));
    hub.create_model("jo/tagger", true).expect("it is made");
    scratch.upload(&hub).expect("it is uploaded");
    let other = scratch.hub(None);
    other.model("jo/tagger", None, &[tagsmith_hub::model::Part::Config]).expect_err("it is private");
}

#[test]
fn what_speaks_against_it_is_said_first() {
    let scratch = Scratch::new();
    let error = |hub: &Hub, name: &str| shown(&hub.create_model(name, false).expect_err("it cannot be"));
    expect!["tagger: an upload needs a token that may write: log in with `hf auth login`, or set HF_TOKEN, or pass <HubToken>"]
        .assert_eq(&error(&scratch.hub(None), "tagger"));
    let hub = scratch.hub(Some("hf_read"));
    expect!["a/b/c: this cannot be a model's name on the hub: pass <HubModelId OWNER/NAME>"]
        .assert_eq(&error(&hub, "a/b/c"));
    let offline = Hub::new(Settings::offline("no-cache", "HF_HUB_OFFLINE forbids connections"), |_| {});
    expect!["jo/tagger: nothing can be uploaded, because HF_HUB_OFFLINE forbids connections: leave out <PushToHub>"]
        .assert_eq(&error(&offline, "jo/tagger"));
    scratch.server.rule(|request, _| {
        request.target.ends_with("/create").then(|| Reply::error(403, "", "You don't have the rights"))
    });
    expect!["jo/tagger: the hub answers 403: You don't have the rights: log in with `hf auth login`, or set HF_TOKEN, or pass <HubToken> because the token that was sent does not allow it"].assert_eq(&error(&hub, "jo/tagger"));
}

#[test]
fn an_upload_that_fails_leaves_the_repository_as_it_was() {
    let scratch = Scratch::new();
    let hub = scratch.hub(Some("hf_write"));
    hub.create_model("jo/tagger", false).expect("it is made");
    scratch.server.put(ID, "main", &[("config.json", b"before")]);
    let before = scratch.server.commit(ID, "main");
    for target in ["/preupload/main", "/batch", "/1", "/verify", "/commit/main"] {
        scratch.server.rule(move |request, _| {
            let refused = request.target.ends_with(target) && request.method != "GET";
            refused.then(|| Reply::error(403, "", "no more space"))
        });
        let error = scratch.upload(&hub).expect_err("it fails");
        assert_eq!(
            error,
            "jo/tagger: the hub answers 403: no more space: the model is in FOLDER: log in with `hf auth login`, or set \
             HF_TOKEN, or pass <HubToken> because the token that was sent does not allow it, or upload it later with \
             `hf upload jo/tagger FOLDER`"
        );
        assert_eq!(scratch.server.commit(ID, "main"), before, "{target}");
    }
}

#[test]
fn what_passes_is_sent_again_whole() {
    let scratch = Scratch::new();
    let hub = scratch.hub(Some("hf_write"));
    hub.create_model("jo/tagger", false).expect("it is made");
    scratch
        .server
        .rule(|request, count| (request.method == "PUT" && count == 0).then(|| Reply::error(500, "", "try again")));
    scratch.upload(&hub).expect("it is uploaded");
    assert_eq!(scratch.server.files(ID, "main")["model.safetensors"].1, [7; 1234]);
    assert_eq!(scratch.server.files(ID, "main")["small.bin"].1, b"a few bytes");
}
