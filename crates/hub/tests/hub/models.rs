//! Names of the hub, looked up and brought here: parts, revisions, tokens and conditions.

use crate::harness::{MODEL, Scratch, TOKENIZER, shown, weights};
use expect_test::expect;
use std::fs;
use tagsmith_hub::Token;
use tagsmith_hub::model::Part;
use tagsmith_testkit::hub_server::{Reply, sha256};

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
