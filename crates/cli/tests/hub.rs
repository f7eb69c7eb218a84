//! `tagsmith` with names of the hub, against a hub on this machine.

use expect_test::{Expect, expect};
use serde_json::Value;
use std::fs;
use std::process::Command;
use std::thread;
use tagsmith_testkit::golden::bytes;
use tagsmith_testkit::hub_server::{Reply, Server};
use tagsmith_testkit::program::Ran;
use tagsmith_testkit::scratch::Scratch;

/// Learns ten sentences for one epoch.
const TRAIN: &str = "train --model_name_or_path org/tiny --dataset_name org/rows --do_train --do_eval \
                     --num_train_epochs 1 --output_dir out --threads 1 --ignore_mismatched_sizes";

/// A hub, and the folder of a user.
struct Home {
    server: Server,
    folder: Scratch,
}

impl Home {
    /// A hub with a model and a data set, and a home without anything.
    fn new() -> Home {
        let server = Server::start();
        let model: [(&str, &[u8]); 4] = [
            ("config.json", &bytes("models/bert/config.json")),
            ("model.safetensors", &bytes("models/bert/model.safetensors")),
            ("tokenizer.json", &bytes("run_ner/tokenizer.json")),
            ("tokenizer_config.json", &bytes("run_ner/tokenizer_config.json")),
        ];
        server.put("models/org/tiny", "main", &model);
        server.put("models/org/tiny", "v1", &model[..2]);
        let data = bytes("run_ner/data.json");
        server.put(
            "datasets/org/rows",
            "main",
            &[("README.md", b"# Rows\n"), ("train.json", &data), ("dev.json", &data)],
        );
        server.put("datasets/org/rows", "old", &[("train.json", b"[]")]);
        Home { server, folder: Scratch::empty() }
    }

    fn command(&self, line: &str, variables: &[(&str, &str)]) -> Command {
        let mut command = self.folder.tagsmith(line);
        command.env_clear().env("HOME", self.folder.folder()).env("HF_ENDPOINT", &self.server.url);
        command.envs(variables.iter().copied());
        command
    }

    /// What a run says on stderr; it has to end with this status.
    #[track_caller]
    fn run(&self, status: i32, line: &str, variables: &[(&str, &str)]) -> String {
        let stderr = Ran::of(&mut self.command(line, variables)).ended(status).stderr;
        let folder = self.folder.folder().display().to_string();
        stderr.replace(&folder, "HOME").replace(&self.server.url, "HUB")
    }

    #[track_caller]
    fn bad(&self, line: &str, variables: &[(&str, &str)], want: Expect) {
        let said = self.run(2, line, variables);
        want.assert_eq(said.lines().last().expect("an error"));
    }
}

#[test]
fn a_run_with_names_alone() {
    let scratch = Home::new();
    let said = scratch.run(0, TRAIN, &[]);
    // The validation file holds the same bytes as the training file: they come once.
    for line in ["downloading model.safetensors: ", "downloading train.json: "] {
        assert!(said.contains(line), "{line}\n{said}");
    }
    assert!(scratch.folder.path(".cache/huggingface/hub/models--org--tiny/refs/main").is_file());
    let card = fs::read_to_string(scratch.folder.path("out/README.md")).expect("a card");
    assert!(card.contains("base_model: org/tiny") && card.contains("org/rows"), "{card}");
    // Once more without a connection: nothing else, the same weights.
    let trained = fs::read(scratch.folder.path("out/model.safetensors")).expect("weights");
    let offline = [("HF_HUB_OFFLINE", "1"), ("HF_ENDPOINT", "http://127.0.0.1:9")];
    let said = scratch.run(0, &format!("{TRAIN} --overwrite_output_dir"), &offline);
    assert!(!said.contains("downloading"), "{said}");
    assert_eq!(fs::read(scratch.folder.path("out/model.safetensors")).expect("weights"), trained);
    scratch.server.asked();
    scratch.run(0, "predict --model org/tiny --input-format text", &offline);
    assert_eq!(scratch.server.asked(), [""; 0]);
}

#[test]
fn options_say_where_and_which() {
    let scratch = Home::new();
    let line = TRAIN.replace(
        "--do_train",
        "--model_revision v1 --tokenizer_name org/words --config_name org/names \
                              --dataset_revision main --cache_dir kept --token hf_mine --disable_tqdm",
    );
    let private = [
        (
            "models/org/words",
            vec![
                ("tokenizer.json", bytes("run_ner/tokenizer.json")),
                ("tokenizer_config.json", bytes("run_ner/tokenizer_config.json")),
            ],
        ),
        ("models/org/names", vec![("config.json", bytes("models/bert/config.json"))]),
    ];
    for (name, files) in &private {
        let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
        scratch.server.put(name, "v1", &files);
        scratch.server.private(name, "hf_mine");
    }
    scratch.run(0, &line, &[("HF_TOKEN", "hf_other")]);
    assert!(
        scratch.folder.path("kept/models--org--tiny/refs/v1").is_file()
            && scratch.folder.path("kept/datasets--org--rows").is_dir()
    );
    assert!(!scratch.folder.path(".cache").exists());
    assert!(scratch.server.tokens("/api/").iter().all(|token| token.as_deref() == Some("Bearer hf_mine")));
    // A token may also be in the environment or in a file; or be forbidden.
    let look = "predict --model org/words --model-revision v1 --cache-dir other";
    let wants = expect![
        "error: org/words: the model lacks config.json, model.safetensors: download or save the model again, whole"
    ];
    scratch.bad(look, &[("HF_TOKEN", "hf_mine")], wants);
    fs::create_dir_all(scratch.folder.path("hf")).expect("a folder");
    fs::write(scratch.folder.path("hf/token"), "hf_mine\n").expect("a file");
    scratch.server.asked();
    let home = scratch.folder.path("hf").display().to_string();
    scratch.run(2, &look.replace("words", "names"), &[("HF_HOME", &home)]);
    assert_eq!(scratch.server.tokens("/revision/"), [Some("Bearer hf_mine".to_owned())]);
    scratch.bad(
        &look.replace("other", "third"),
        &[("HF_HOME", &home), ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")],
        expect!["error: org/words: the hub answers 401: Invalid username or password, so there is no such model, or it is not shown to you: correct the name, or log in with `hf auth login`, or set HF_TOKEN, or pass `--token` with a token that may read"],
    );
}

#[test]
fn what_cannot_be_had_is_one_line() {
    let scratch = Home::new();
    scratch.bad("predict --model org/none", &[], expect!["error: org/none: the hub answers 401: Invalid username or password, so there is no such model, or it is not shown to you: correct the name, or log in with `hf auth login`, or set HF_TOKEN, or pass `--token` with a token that may read"]);
    scratch.bad("predict --model org/tiny", &[("TRANSFORMERS_OFFLINE", "1")], expect!["error: org/tiny: there is no such folder here, the model is not in the cache HOME/.cache/huggingface/hub/models--org--tiny, and TRANSFORMERS_OFFLINE forbids connections: run it once with a connection, or run `hf download org/tiny` where there is a connection and copy the cache"]);
    scratch.bad(
        &TRAIN.replace("org/rows", "org/rows --dataset_config_name x"),
        &[],
        expect!["error: org/rows: there is no configuration `x`, nor any other: leave out `--dataset_config_name`"],
    );
    scratch.bad(&TRAIN.replace("org/rows", "org/none"), &[], expect!["error: org/none: the hub answers 401: Invalid username or password, so there is no such data set, or it is not shown to you: correct the name, or log in with `hf auth login`, or set HF_TOKEN, or pass `--token` with a token that may read"]);
    scratch.bad(
        &TRAIN.replace("org/rows", "org/rows --dataset_revision v7"),
        &[],
        expect!["error: org/rows: there is no revision `v7`: pass `--dataset_revision` with another one, or leave out `--dataset_revision`"],
    );
    scratch.bad(
        &TRAIN.replace("org/tiny", "org/tiny --model_revision v7"),
        &[],
        expect!["error: org/tiny: there is no revision `v7`: pass `--model_revision` with another one, or leave out `--model_revision`"],
    );
    scratch.bad(
        &TRAIN.replace("org/tiny", "./org/tiny"),
        &[],
        expect!["error: ./org/tiny: there is no such file or folder: correct the path"],
    );
    scratch.bad(
        "predict --model org/tiny",
        &[("http_proxy", "http://")],
        expect!["error: the proxy's address: invalid proxy url: correct https_proxy or http_proxy"],
    );
    assert!(!scratch.folder.path("out").exists(), "nothing was begun");
}

#[test]
fn several_processes_share_a_cache() {
    let scratch = Home::new();
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| scratch.run(0, "predict --model org/tiny --input-format text", &[]));
        }
    });
    let downloads = scratch.server.asked().iter().filter(|line| line.starts_with("cdn GET")).count();
    assert_eq!(downloads, 1, "one downloads, the others wait");
}

#[test]
fn the_finished_model_is_pushed() {
    let scratch = Home::new();
    let line = format!(
        "{TRAIN} --push_to_hub --hub_model_id jo/mine --hub_token hf_write --hub_private_repo --hub_strategy end"
    );
    let said = scratch.run(0, &line, &[]);
    assert!(said.contains("note: the finished model goes to the repository jo/mine\n"), "{said}");
    assert!(said.contains("note: uploaded out as HUB/models/jo/mine/commit/"), "{said}");
    let pushed = scratch.server.files("models/jo/mine", "main");
    for name in ["config.json", "model.safetensors", "tokenizer.json", "README.md", "all_results.json"] {
        assert_eq!(pushed[name].1, fs::read(scratch.folder.path("out").join(name)).expect("it was written"), "{name}");
    }
    assert!(pushed.keys().all(|name| !name.starts_with("checkpoint-")), "{:?}", pushed.keys());
    assert!(
        pushed.values().all(|(_, bytes)| !bytes.windows(8).any(|part| part == b"hf_write")),
        "a secret was written"
    );
    let arguments: Value = serde_json::from_slice(&pushed["training_args.json"].1).expect("JSON");
    assert_eq!(arguments["hub_model_id"], "jo/mine");

    // The name is the folder's and the token's owner's, if nothing else is said.
    let said = scratch.run(0, &format!("{TRAIN} --overwrite_output_dir --push_to_hub --token hf_write"), &[]);
    assert!(said.contains("uploads once, when the model is finished"), "{said}");
    assert!(scratch.server.files("models/jo/out", "main").contains_key("config.json"));
}

#[test]
fn a_push_that_cannot_be_is_refused_before_the_training() {
    let scratch = Home::new();
    let push = format!("{TRAIN} --push_to_hub");
    scratch.bad(
        &push,
        &[],
        expect!["error: out: an upload needs a token that may write: log in with `hf auth login`, or set HF_TOKEN, or pass `--hub_token`"],
    );
    scratch.bad(&format!("{push} --hub_strategy checkpoint"), &[], expect!["  hint: say --hub_strategy end"]);
    scratch.bad(&format!("{push} --hub_revision dev"), &[], expect!["  hint: leave `--hub_revision` out"]);
    scratch.server.rule(|request, _| request.target.ends_with("/create").then(|| Reply::error(403, "", "read only")));
    scratch.bad(&push, &[("HF_TOKEN", "hf_read")], expect!["error: jo/out: the hub answers 403: read only: log in with `hf auth login`, or set HF_TOKEN, or pass `--hub_token` because the token that was sent does not allow it"]);
    assert!(!scratch.folder.path("out").exists());
    let said = scratch.run(2, "train --model_name_or_path org/none --dataset_name x --do_eval --hub_token hf_a", &[]);
    assert!(said.contains("`--hub_token` changes nothing without `--push_to_hub`"), "{said}");
}
