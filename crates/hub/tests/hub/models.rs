//! Names of the hub, looked up and brought here, against a hub on this machine.

use super::shown;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use expect_test::{Expect, expect};
use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use tagsmith_hub::model::Part;
use tagsmith_hub::{Event, Hub, Settings, Token};
use tagsmith_testkit::hub_server::{Reply, Request, Server, git_oid, sha256};
use tempfile::TempDir;

const MODEL: &str = "models/org/tiny";

const TOKENIZER: &[u8] = b"{\"tokenizer\": true}";

/// A hub with a model, and an empty cache.
struct Scratch {
    server: Server,
    cache: TempDir,
    notes: Arc<Mutex<Vec<String>>>,
}

/// Bytes as weights have them: no two parts alike.
fn weights() -> Vec<u8> {
    (0..40_000u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

impl Scratch {
    fn new() -> Scratch {
        let server = Server::start();
        server.put(
            MODEL,
            "main",
            &[
                ("config.json", b"{}"),
                ("model.safetensors", &weights()),
                ("pytorch_model.bin", b"a pickle"),
                ("tokenizer.json", TOKENIZER),
                ("tokenizer_config.json", b"{\"a\": 1}"),
                ("vocab.txt", b"[PAD]\n"),
                ("README.md", b"# Tiny\n"),
                ("onnx/config.json", b"{}"),
            ],
        );
        Scratch { server, cache: tempfile::tempdir().expect("a scratch folder"), notes: Arc::default() }
    }

    fn hub(&self) -> Hub {
        self.hub_with(|_| {})
    }

    fn hub_with(&self, change: impl FnOnce(&mut Settings)) -> Hub {
        let mut settings = Settings {
            endpoint: self.server.url.clone(),
            offline: None,
            pause: Duration::from_millis(1),
            timeout: Duration::from_secs(5),
            ..Settings::offline(self.cache.path(), "")
        };
        change(&mut settings);
        let notes = self.notes.clone();
        Hub::new(settings, move |event| {
            if let Event::Note(note) = event {
                notes.lock().expect("no thread panicked").push(note);
            }
        })
    }

    fn offline(&self) -> Hub {
        self.hub_with(|settings| settings.offline = Some("HF_HUB_OFFLINE forbids connections".into()))
    }

    /// What was said since the last time.
    fn notes(&self) -> String {
        self.clean(&std::mem::take(&mut *self.notes.lock().expect("no thread panicked")).join("\n"))
    }

    /// Without what differs from run to run.
    fn clean(&self, text: &str) -> String {
        let text = text.replace(&self.cache.path().display().to_string(), "CACHE").replace(&self.server.url, "HUB");
        let commit = self.server.commit(MODEL, "main");
        text.replace(&commit, "COMMIT").replace(&commit[..12], "COMMIT")
    }

    fn model(&self, hub: &Hub) -> Result<PathBuf, String> {
        hub.model("org/tiny", None, &Part::ALL).map_err(|error| self.clean(&shown(&error)))
    }

    fn shelf(&self) -> PathBuf {
        self.cache.path().join("models--org--tiny")
    }

    /// The whole cache, but locks: links with where they lead, files with their length.
    fn layout(&self) -> String {
        let mut lines = Vec::new();
        walk(self.cache.path(), self.cache.path(), &mut lines);
        lines.retain(|line| !line.starts_with(".locks"));
        lines.sort();
        self.clean(&lines.join("\n"))
    }

    /// Nothing in the cache is called what it is not; what is half there says so.
    fn assert_sound(&self) {
        for entry in fs::read_dir(self.shelf().join("blobs")).into_iter().flatten().flatten() {
            let name = entry.file_name().into_string().expect("UTF-8");
            let bytes = fs::read(entry.path()).expect("a blob");
            if !name.ends_with(".incomplete") {
                assert!([git_oid(&bytes), sha256(&bytes)].contains(&name), "{name} is damaged");
            }
        }
    }

    /// The model cannot be had, for this reason; and can once nothing is wrong any more.
    #[track_caller]
    fn check(&self, rule: impl Fn(&Request, usize) -> Option<Reply> + Send + Sync + 'static, want: Expect) {
        self.server.rule(rule);
        let error = self.model(&self.hub()).expect_err("something is wrong");
        assert!(!error.contains('\n'), "{error}");
        want.assert_eq(&error);
        self.assert_sound();
        assert!(!self.shelf().join("refs/main").exists(), "a revision is known when all of it is here");
        self.server.no_rule();
        let folder = self.model(&self.hub()).expect("nothing is wrong");
        assert_eq!(fs::read(folder.join("model.safetensors")).expect("weights"), weights());
        self.assert_sound();
        fs::remove_dir_all(self.shelf()).expect("it is there");
        self.notes();
    }
}

fn walk(folder: &Path, above: &Path, lines: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.strip_prefix(above).expect("it is inside").display().to_string();
        if let Ok(target) = fs::read_link(&path) {
            lines.push(format!("{name} -> {}", target.display()));
        } else if path.is_dir() {
            walk(&path, above, lines);
        } else {
            lines.push(name);
        }
    }
}

/// An answer to requests whose target ends so.
fn at(end: &'static str, reply: impl Fn(usize) -> Option<Reply>) -> impl Fn(&Request, usize) -> Option<Reply> {
    move |request, count| request.target.split('?').next()?.ends_with(end).then(|| reply(count)).flatten()
}

fn is_weights(request: &Request) -> bool {
    request.cdn
}

#[test]
fn a_model_comes_once_and_as_python_keeps_it() {
    let scratch = Scratch::new();
    let folder = scratch.model(&scratch.hub()).expect("it is there");
    assert_eq!(fs::read(folder.join("tokenizer.json")).expect("a file"), TOKENIZER);
    assert_eq!(fs::read(folder.join("model.safetensors")).expect("a file"), weights());
    // `git hash-object` of a file `{}` without a line end.
    let layout = scratch.layout();
    assert!(
        layout.contains(&format!(
            "snapshots/COMMIT/config.json -> ../../blobs/{}",
            "9e26dfeeb6e641a33dae4961196235bdb965b21b"
        )),
        "{layout}"
    );
    assert!(
        layout.contains(&format!("snapshots/COMMIT/model.safetensors -> ../../blobs/{}", sha256(&weights()))),
        "{layout}"
    );
    assert_eq!(
        fs::read_to_string(scratch.shelf().join("refs/main")).expect("a ref"),
        scratch.server.commit(MODEL, "main")
    );
    // What is not needed did not come.
    for file in ["pytorch_model.bin", "vocab.txt", "README.md", "onnx/config.json"] {
        assert!(!folder.join(file).exists(), "{file}");
    }
    scratch.server.asked();
    scratch.model(&scratch.hub()).expect("it is here");
    assert_eq!(scratch.server.asked(), ["GET /api/models/org/tiny/revision/main"]);
    scratch.model(&scratch.offline()).expect("it is here");
    let commit = scratch.server.commit(MODEL, "main");
    scratch.hub().model("org/tiny", Some(&commit), &Part::ALL).expect("it is here");
    assert_eq!(scratch.server.asked(), [""; 0], "a commit that is here needs no question");
    assert_eq!(scratch.notes(), "");
}

#[test]
fn hashes_are_gits() {
    // git hash-object of a file `hello` with a line end; SHA-256 of `abc` (FIPS 180-4).
    assert_eq!(git_oid(b"hello\n"), "ce013625030ba8dba906f756967f9e9ca394464a");
    assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

#[test]
fn only_the_parts_that_are_needed_come() {
    let scratch = Scratch::new();
    let folder = scratch.hub().model("org/tiny", None, &[Part::Tokenizer]).expect("it is there");
    let mut names: Vec<_> =
        fs::read_dir(folder).expect("a folder").map(|it| it.expect("an entry").file_name()).collect();
    names.sort();
    assert_eq!(names, ["tokenizer.json", "tokenizer_config.json"]);
}

#[test]
fn shards_come_with_their_index() {
    let scratch = Scratch::new();
    let index = br#"{"weight_map": {"a": "a.safetensors", "b": "b.safetensors", "c": "a.safetensors"}}"#;
    let files: [(&str, &[u8]); 5] = [
        ("config.json", b"{}"),
        ("tokenizer.json", TOKENIZER),
        ("model.safetensors.index.json", index),
        ("a.safetensors", b"first"),
        ("b.safetensors", b"second"),
    ];
    scratch.server.put("models/org/shards", "main", &files);
    let folder = scratch.hub().model("org/shards", None, &Part::ALL).expect("it is there");
    assert_eq!(fs::read(folder.join("b.safetensors")).expect("a shard"), b"second");
    scratch.server.put("models/org/lost", "main", &files[..4]);
    let error = scratch.hub().model("org/lost", None, &Part::ALL).expect_err("a shard is missing").to_string();
    expect![[r#"org/lost: model.safetensors.index.json names the shard "b.safetensors", which is not there: take another revision"#]].assert_eq(&error);
    let hostile = br#"{"weight_map": {"a": "../../../etc/passwd"}}"#;
    scratch.server.put("models/org/hostile", "main", &[files[0], files[1], ("model.safetensors.index.json", hostile)]);
    let error = scratch.hub().model("org/hostile", None, &Part::ALL).expect_err("no such shard").to_string();
    expect![[r#"org/hostile: model.safetensors.index.json names the shard "../../../etc/passwd", which is not there: take another revision"#]].assert_eq(&error);
}

#[test]
fn listings_have_pages() {
    let scratch = Scratch::new();
    scratch.server.page(3);
    scratch.model(&scratch.hub()).expect("it is there");
    let pages = scratch.server.asked().iter().filter(|line| line.contains("/tree/")).count();
    assert_eq!(pages, 3, "eight files");
    fs::remove_dir_all(scratch.shelf()).expect("it is there");
    scratch.check(
        |request, _| {
            let reply = || Reply::json(&serde_json::json!([])).with("link", "<http://evil/x>; rel=\"next\"");
            request.target.contains("/tree/").then(reply)
        },
        expect!["org/tiny: the answer is not a hub's: the listing goes on at http://evil/x, which is not it: try again later, and check HF_ENDPOINT (HUB)"],
    );
}

#[test]
fn revisions() {
    let scratch = Scratch::new();
    scratch.server.put(MODEL, "v1/old", &[("config.json", b"{\"old\": 1}")]);
    let hub = scratch.hub();
    let folder = hub.model("org/tiny", Some("v1/old"), &[Part::Config]).expect("it is there");
    assert_eq!(fs::read(folder.join("config.json")).expect("a file"), b"{\"old\": 1}");
    assert!(scratch.shelf().join("refs/v1/old").is_file());
    let error = |revision: &str| shown(&hub.model("org/tiny", Some(revision), &[Part::Config]).expect_err("none"));
    expect!["org/tiny: there is no revision `v2`: pass <ModelRevision> with another one, or leave out <ModelRevision>"]
        .assert_eq(&error("v2"));
    expect!["org/tiny: `../x` is not a revision: pass <ModelRevision> with a branch, a tag or a commit"]
        .assert_eq(&error("../x"));
    // The branch moves on; what was here stays until all of the new is.
    scratch.server.put(MODEL, "v1/old", &[("config.json", b"{\"new\": 1}")]);
    let folder = hub.model("org/tiny", Some("v1/old"), &[Part::Config]).expect("it is there");
    assert_eq!(fs::read(folder.join("config.json")).expect("a file"), b"{\"new\": 1}");
}

#[test]
fn old_names_lead_to_new_ones() {
    let scratch = Scratch::new();
    scratch.server.moved("models/tiny", MODEL);
    let folder = scratch.hub().model("tiny", None, &Part::ALL).expect("it is there");
    assert!(folder.starts_with(scratch.cache.path().join("models--tiny")), "as Python keeps it");
}

#[test]
fn tokens_go_to_the_hub_alone() {
    let scratch = Scratch::new();
    scratch.server.private(MODEL, "hf_secret");
    let hub = scratch.hub_with(|settings| settings.token = Token::new(" hf_secret\n"));
    scratch.model(&hub).expect("it is there");
    let sent = |part: &str| scratch.server.tokens(part);
    assert!(sent("/api/").iter().all(|token| token.as_deref() == Some("Bearer hf_secret")), "{:?}", sent("/api/"));
    assert!(sent("GET /org/tiny/resolve").iter().all(Option::is_some));
    assert_eq!(sent("cdn "), [None], "the other port is another host");
    assert_eq!(format!("{:?}", Token::new("hf_secret")), "Some(Token(…))");
    assert!(Token::new(" \n").is_none());

    fs::remove_dir_all(scratch.shelf()).expect("it is there");
    expect!["org/tiny: the hub answers 401: Invalid username or password, so there is no such model, or it is not shown to you: correct the name, or log in with `hf auth login`, or set HF_TOKEN, or pass <Token> with a token that may read"]
        .assert_eq(&scratch.model(&scratch.hub()).expect_err("it is private"));
    let hub = scratch.hub_with(|settings| settings.token = Token::new("hf_wrong"));
    expect!["org/tiny: the hub answers 401: Invalid username or password, so there is no such model, or it is not shown to you: correct the name, or log in with `hf auth login`, or set HF_TOKEN, or pass <Token> because the token that was sent does not allow it"]
        .assert_eq(&scratch.model(&hub).expect_err("it is private"));
}

#[test]
fn gated_models_have_conditions() {
    let scratch = Scratch::new();
    scratch.server.gated(MODEL);
    expect!["org/tiny: config.json: this model is gated (the hub answers 403: Access to it is restricted): accept its conditions at HUB/org/tiny, and log in with `hf auth login`, or set HF_TOKEN, or pass <Token> with a token that may read"]
        .assert_eq(&scratch.model(&scratch.hub()).expect_err("it is gated"));
    let hub = scratch.hub_with(|settings| settings.token = Token::new("hf_a"));
    scratch.model(&hub).expect("it is there");
}

#[test]
fn what_passes_is_asked_for_again() {
    let scratch = Scratch::new();
    let once_busy = |request: &Request, count: usize| {
        let busy = request.target.contains("/revision/") && count < 3;
        busy.then(|| Reply::error([503, 429, 500][count], "", "busy").with("retry-after", 0))
    };
    scratch.server.rule(once_busy);
    scratch.model(&scratch.hub()).expect("the fourth try succeeds");
    expect![[r#"
        the hub answers 503: busy: trying again in 0 s
        the hub answers 429: busy: trying again in 0 s
        the hub answers 500: busy: trying again in 0 s"#]]
    .assert_eq(&scratch.notes());
    fs::remove_dir_all(scratch.shelf()).expect("it is there");
    scratch.check(
        at("/revision/main", |_| Some(Reply::error(502, "", "no gateway"))),
        expect!["org/tiny: the hub answers 502: no gateway: try again later; once downloaded, HF_HUB_OFFLINE=1 reads the cached model"],
    );
    scratch.server.asked();
    scratch.check(
        at("/revision/main", |_| Some(Reply::error(429, "", "slow down").with("retry-after", 4000))),
        expect!["org/tiny: the hub answers 429: it asks to wait 4000 s: wait, or pass <Token> because the hub then allows more requests"],
    );
    let tries = scratch.server.asked().iter().filter(|line| line.contains("/revision/")).count();
    assert_eq!(tries, 2, "one before, one after: such a pause is not sat out");
}

#[test]
fn answers_that_no_hub_gives() {
    let scratch = Scratch::new();
    let listing = |entries: serde_json::Value| {
        move |request: &Request, _: usize| request.target.contains("/tree/").then(|| Reply::json(&entries))
    };
    scratch.check(
        at("/revision/main", |_| Some(Reply::new(200).body("<html>Sign in to the airport</html>"))),
        expect!["org/tiny: the answer is not a hub's: HUB/api/models/org/tiny/revision/main is not what it should be (expected value at line 1 column 1): try again later, and check HF_ENDPOINT (HUB)"],
    );
    scratch.check(
        at("/revision/main", |_| Some(Reply::json(&serde_json::json!({"sha": "../../x"})))),
        expect![
            "org/tiny: the answer is not a hub's: `../../x` is not a commit: try again later, and check HF_ENDPOINT (HUB)"
        ],
    );
    let oid = "9e26dfeeb6e641a33dae4961196235bdb965b21b";
    scratch.check(
        listing(serde_json::json!([{"type": "file", "path": "../../config.json", "size": 2, "oid": oid}])),
        expect![[r#"org/tiny: the answer is not a hub's: it lists the file "../../config.json", which would leave its folder: try again later, and check HF_ENDPOINT (HUB)"#]],
    );
    scratch.check(
        listing(serde_json::json!([{"type": "file", "path": "config.json", "size": 2, "oid": "../../../x"}])),
        expect![[r#"org/tiny: the answer is not a hub's: it lists "config.json" with "../../../x", which is not a hash: try again later, and check HF_ENDPOINT (HUB)"#]],
    );
    scratch.check(
        move |request, _| {
            let body = format!("[{{\"type\": \"file\", \"path\": \"config.json\", \"size\": -2, \"oid\": \"{oid}\"}}]");
            request.target.contains("/tree/").then(|| Reply::new(200).body(body))
        },
        expect!["org/tiny: the answer is not a hub's: HUB/api/models/org/tiny/tree/COMMIT?recursive=true&expand=false is not what it should be (invalid value: integer `-2`, expected u64 at line 1 column 51): try again later, and check HF_ENDPOINT (HUB)"],
    );
    scratch.check(
        at("/revision/main", |_| Some(Reply::new(302).with("location", "/api/models/org/tiny/revision/main"))),
        expect!["org/tiny: the answer is not a hub's: HUB/api/models/org/tiny/revision/main leads on and on, 10 times: try again later, and check HF_ENDPOINT (HUB)"],
    );
    scratch.check(
        at("/revision/main", |_| Some(Reply::new(302).with("location", "ftp://x/y"))),
        expect![
            "org/tiny: there is no revision `main`: pass <ModelRevision> with another one, or leave out <ModelRevision>"
        ],
    );
    scratch.check(at("/config.json", |_| Some(Reply::new(200).with("content-length", -5))), expect!["org/tiny: config.json: the answer is not a hub's: protocol: content-length header not a number: try again later, and check HF_ENDPOINT (HUB)"]);
    scratch.check(at("/config.json", |_| Some(Reply::new(200).body("{    }"))), expect!["org/tiny: config.json: the answer is not a hub's: 6 bytes are announced, not 2: try again later, and check HF_ENDPOINT (HUB)"]);
    scratch.check(
        at("/config.json", |_| Some(Reply::error(404, "EntryNotFound", "Entry not found"))),
        expect!["org/tiny: config.json: the hub answers 404: Entry not found: correct the name, or log in with `hf auth login`, or set HF_TOKEN, or pass <Token> with a token that may read"],
    );
}

#[test]
fn a_cut_connection_is_resumed() {
    let scratch = Scratch::new();
    let ranges: Arc<Mutex<Vec<Option<String>>>> = Arc::default();
    let seen = ranges.clone();
    scratch.server.rule(move |request, count| {
        if !is_weights(request) {
            return None;
        }
        seen.lock().expect("no thread panicked").push(request.headers.get("range").cloned());
        (count < 2).then(|| Reply { cut: Some(50_000), ..Reply::file(request, &weights()) })
    });
    let folder = scratch.model(&scratch.hub()).expect("it is resumed");
    assert_eq!(fs::read(folder.join("model.safetensors")).expect("a file"), weights());
    let want = [None, Some("bytes=50000-".to_owned()), Some("bytes=100000-".to_owned())];
    assert_eq!(*ranges.lock().expect("no thread panicked"), want);
    let notes = scratch.notes();
    assert!(notes.contains("going on from byte 50000 of 160000"), "{notes}");
}

#[test]
fn what_a_broken_run_left_is_taken_up() {
    let scratch = Scratch::new();
    scratch.server.rule(|request, count| {
        is_weights(request).then(|| match count {
            0 => Reply { cut: Some(70_000), ..Reply::file(request, &weights()) },
            _ => Reply { cut: Some(0), ..Reply::file(request, &weights()) },
        })
    });
    let error = scratch.model(&scratch.hub()).expect_err("the connection stays broken");
    assert!(error.starts_with("org/tiny: model.safetensors: the hub cannot be reached: "), "{error}");
    let incomplete = scratch.shelf().join("blobs").join(format!("{}.incomplete", sha256(&weights())));
    assert_eq!(fs::metadata(&incomplete).expect("it is kept").len(), 70_000);
    scratch.server.asked();
    let ranges: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = ranges.clone();
    scratch.server.rule(move |request, _| {
        seen.lock().expect("no thread panicked").extend(request.headers.get("range").cloned().filter(|_| request.cdn));
        None
    });
    scratch.model(&scratch.hub()).expect("the connection is well again");
    assert_eq!(*ranges.lock().expect("no thread panicked"), ["bytes=70000-"]);
    assert!(!incomplete.exists());
    scratch.assert_sound();
}

#[test]
fn a_damaged_beginning_is_fetched_again() {
    let scratch = Scratch::new();
    let blobs = scratch.shelf().join("blobs");
    fs::create_dir_all(&blobs).expect("a folder");
    let name = format!("{}.incomplete", sha256(&weights()));
    fs::write(blobs.join(&name), b"something else").expect("a file");
    scratch.model(&scratch.hub()).expect("it is fetched whole");
    assert!(scratch.notes().contains("downloading it again"));
    // Longer than the file can be: nothing of it is used. And a blob of the wrong length is not a blob.
    fs::remove_dir_all(scratch.shelf()).expect("it is there");
    fs::create_dir_all(&blobs).expect("a folder");
    fs::write(blobs.join(&name), vec![0; 200_000]).expect("a file");
    fs::write(blobs.join("9e26dfeeb6e641a33dae4961196235bdb965b21b"), b"{").expect("a file");
    scratch.model(&scratch.hub()).expect("it is fetched whole");
    scratch.assert_sound();
}

#[test]
fn servers_that_know_no_parts() {
    let scratch = Scratch::new();
    scratch.server.rule(|request, count| {
        let whole = Reply::new(200).body(weights());
        is_weights(request).then_some(if count == 0 { Reply { cut: Some(9), ..whole } } else { whole })
    });
    scratch.model(&scratch.hub()).expect("it begins anew");
    scratch.assert_sound();
    fs::remove_dir_all(scratch.shelf()).expect("it is there");
    scratch.check(
        |request, count| {
            let part = || Reply::new(206).with("content-range", "bytes 5-9/10").body("abcde");
            is_weights(request).then(|| if count == 0 { Reply { cut: Some(9), ..Reply::file(request, &weights()) } } else { part() })
        },
        expect!["org/tiny: model.safetensors: the answer is not a hub's: the part `bytes 5-9/10` came, not `bytes 0-159999/160000`: try again later, and check HF_ENDPOINT (HUB)"],
    );
}

#[test]
fn wrong_bytes_are_not_kept() {
    let scratch = Scratch::new();
    let mut wrong = weights();
    wrong[77_777] ^= 1;
    let hash = sha256(&wrong);
    let error = format!(
        "org/tiny: model.safetensors: the answer is not a hub's: its bytes hash to {hash} and should to {}, twice; \
         nothing of it was kept: try again later, and check HF_ENDPOINT (HUB)",
        sha256(&weights())
    );
    scratch.server.rule(move |request, _| is_weights(request).then(|| Reply::file(request, &wrong)));
    assert_eq!(scratch.model(&scratch.hub()).expect_err("they are wrong"), error);
    assert_eq!(scratch.server.asked().iter().filter(|line| line.starts_with("cdn")).count(), 2);
    let left: Vec<_> = fs::read_dir(scratch.shelf().join("blobs")).expect("a folder").flatten().collect();
    assert!(left.iter().all(|entry| !entry.file_name().to_string_lossy().contains(&sha256(&weights()))), "{left:?}");
    // Files that git keeps are verified too.
    let scratch = Scratch::new();
    scratch.check(
        |request, _| request.target.ends_with("/config.json").then(|| Reply::new(200).body("[]")),
        expect!["org/tiny: config.json: the answer is not a hub's: its bytes hash to 0637a088a01e8ddab3bf3fa98dbe804cbde1a0dc and should to 9e26dfeeb6e641a33dae4961196235bdb965b21b, twice; nothing of it was kept: try again later, and check HF_ENDPOINT (HUB)"],
    );
    // More than it should be, and no length announced.
    scratch.check(
        |request, _| {
            let mut more = weights();
            more.push(0);
            is_weights(request).then(|| Reply::new(200).with("content-length", more.len()).body(more))
        },
        expect!["org/tiny: model.safetensors: the answer is not a hub's: 160001 bytes are announced, not 160000: try again later, and check HF_ENDPOINT (HUB)"],
    );
}

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
    expect!["org/tiny: the hub cannot be reached: io: Connection refused (os error 111): commit COMMIT from the cache is used"]
        .assert_eq(&scratch.notes());
    scratch.server.rule(at("/revision/main", |_| Some(Reply::error(503, "", "down"))));
    scratch.model(&scratch.hub()).expect("it is here");
    expect!["org/tiny: the hub answers 503: down: commit COMMIT from the cache is used"].assert_eq(&scratch.notes());
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

/// A proxy that lets everything through, and the hosts that were asked of it.
fn proxy() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let hosts: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = hosts.clone();
    thread::spawn(move || {
        for mut near in listener.incoming().flatten() {
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && near.read(&mut byte).is_ok_and(|count| count == 1) {
                head.push(byte[0]);
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let host =
                head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()).expect("CONNECT").to_owned();
            let mut far = TcpStream::connect(&host).expect("the hub");
            seen.lock().expect("no thread panicked").push(host);
            near.write_all(b"HTTP/1.1 200 OK\r\n\r\n").expect("it listens");
            let (mut back, mut forth) = (far.try_clone().expect("a copy"), near.try_clone().expect("a copy"));
            thread::spawn(move || std::io::copy(&mut forth, &mut far));
            thread::spawn(move || std::io::copy(&mut back, &mut near));
        }
    });
    (url, hosts)
}

#[test]
fn proxies_stand_before_what_is_not_excepted() {
    let scratch = Scratch::new();
    let (url, hosts) = proxy();
    let through = |no_proxy: &str| {
        scratch.hub_with(|settings| {
            settings.http_proxy = Some(url.clone());
            settings.no_proxy = vec![no_proxy.to_owned()];
        })
    };
    scratch
        .hub_with(|settings| settings.https_proxy = Some(url.clone()))
        .model("org/tiny", None, &[Part::Config])
        .expect("it is there");
    through("127.0.0.1").model("org/tiny", None, &[Part::Config]).expect("it is there");
    assert!(hosts.lock().expect("no thread panicked").is_empty());
    through("example.org").model("org/tiny", None, &[Part::Tokenizer]).expect("it is there");
    assert!(hosts.lock().expect("no thread panicked").iter().all(|host| scratch.server.url.ends_with(host)));
    assert!(!hosts.lock().expect("no thread panicked").is_empty());
    let hub = scratch.hub_with(|settings| settings.http_proxy = Some("http://jo:secret@".into()));
    let error = hub.model("org/other", None, &Part::ALL).expect_err("no proxy").to_string();
    assert!(!error.contains("secret") && error.contains("correct https_proxy or http_proxy"), "{error}");
}

#[test]
fn certificates_are_a_file_of_them() {
    let scratch = Scratch::new();
    let file = scratch.cache.path().join("ca.pem");
    fs::write(&file, "no certificate").expect("a file");
    let hub = scratch.hub_with(|settings| settings.certificates = Some(file));
    expect!["CACHE/ca.pem: it holds no certificate: name a PEM file that does"]
        .assert_eq(&scratch.model(&hub).expect_err("none"));
}

/// Names and contents.
type Files = Vec<(String, Vec<u8>)>;

/// What huggingface_hub makes of a small repository (oracle/hub_cache.py): its files, and its cache.
fn golden() -> (Files, serde_json::Map<String, Value>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/hub_cache/cache.json");
    let golden: Value = serde_json::from_slice(&fs::read(path).expect("a golden file")).expect("JSON");
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
