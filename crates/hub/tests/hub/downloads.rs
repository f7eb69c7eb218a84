//! Answers and bytes that are not what they should be, and downloads that break off.

use crate::harness::{Scratch, at, is_weights, weights};
use expect_test::expect;
use std::fs;
use std::sync::{Arc, Mutex};
use tagsmith_testkit::hub_server::{Reply, Request, git_oid, sha256};

#[test]
fn hashes_are_gits() {
    // git hash-object of a file `hello` with a line end; SHA-256 of `abc` (FIPS 180-4).
    assert_eq!(git_oid(b"hello\n"), "ce013625030ba8dba906f756967f9e9ca394464a");
    assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
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
        note: the hub answers 503: busy: trying again in 0 s
        note: the hub answers 429: busy: trying again in 0 s
        note: the hub answers 500: busy: trying again in 0 s"#]]
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
