//! A hub with a model on this machine, an empty cache, and what they hold.

use expect_test::Expect;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tagsmith_hub::model::Part;
use tagsmith_hub::{Error, Event, Hub, Settings};
use tagsmith_testkit::hub_server::{Reply, Request, Server, git_oid, sha256};
use tempfile::TempDir;

pub const MODEL: &str = "models/org/tiny";

pub const TOKENIZER: &[u8] = b"{\"tokenizer\": true}";

/// What a hub said.
pub type Notes = Arc<Mutex<Vec<String>>>;

/// A hub whose notes are kept.
pub fn heard(settings: Settings, notes: &Notes) -> Hub {
    let notes = notes.clone();
    Hub::new(settings, move |event| {
        if let Event::Note(note) = event {
            let kind = if note.important { "warning" } else { "note" };
            notes.lock().expect("no thread panicked").push(format!("{kind}: {note}"));
        }
    })
}

/// A hub with a model, and an empty cache.
pub struct Scratch {
    pub server: Server,
    pub cache: TempDir,
    notes: Notes,
}

/// Bytes as weights have them: no two parts alike.
pub fn weights() -> Vec<u8> {
    (0..40_000u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

impl Scratch {
    pub fn new() -> Scratch {
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

    pub fn hub(&self) -> Hub {
        self.hub_with(|_| {})
    }

    pub fn hub_with(&self, change: impl FnOnce(&mut Settings)) -> Hub {
        let mut settings = Settings {
            endpoint: self.server.url.clone(),
            offline: None,
            pause: Duration::from_millis(1),
            timeout: Duration::from_secs(5),
            ..Settings::offline(self.cache.path(), "")
        };
        change(&mut settings);
        heard(settings, &self.notes)
    }

    pub fn offline(&self) -> Hub {
        self.hub_with(|settings| settings.offline = Some("HF_HUB_OFFLINE forbids connections".into()))
    }

    /// What was said since the last time.
    pub fn notes(&self) -> String {
        self.clean(&std::mem::take(&mut *self.notes.lock().expect("no thread panicked")).join("\n"))
    }

    /// Without what differs from run to run.
    pub fn clean(&self, text: &str) -> String {
        let text = text.replace(&self.cache.path().display().to_string(), "CACHE").replace(&self.server.url, "HUB");
        let commit = self.server.commit(MODEL, "main");
        text.replace(&commit, "COMMIT").replace(&commit[..12], "COMMIT")
    }

    pub fn model(&self, hub: &Hub) -> Result<PathBuf, String> {
        hub.model("org/tiny", None, &Part::ALL).map_err(|error| self.clean(&shown(&error)))
    }

    pub fn shelf(&self) -> PathBuf {
        self.cache.path().join("models--org--tiny")
    }

    /// The whole cache, but locks: links with where they lead, files with their length.
    pub fn layout(&self) -> String {
        let mut lines = Vec::new();
        walk(self.cache.path(), self.cache.path(), &mut lines);
        lines.retain(|line| !line.starts_with(".locks"));
        lines.sort();
        self.clean(&lines.join("\n"))
    }

    /// Nothing in the cache is called what it is not; what is half there says so.
    pub fn assert_sound(&self) {
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
    pub fn check(&self, rule: impl Fn(&Request, usize) -> Option<Reply> + Send + Sync + 'static, want: Expect) {
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

pub fn walk(folder: &Path, above: &Path, lines: &mut Vec<String>) {
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
pub fn at(end: &'static str, reply: impl Fn(usize) -> Option<Reply>) -> impl Fn(&Request, usize) -> Option<Reply> {
    move |request, count| request.target.split('?').next()?.ends_with(end).then(|| reply(count)).flatten()
}

pub fn is_weights(request: &Request) -> bool {
    request.cdn
}

/// Returns an error with its remedy, in which a setting has its name in angle brackets.
pub fn shown(error: &Error) -> String {
    let clause = |remedy: tagsmith_message::Remedy| {
        remedy.clause(&|setting, value| match value {
            None => format!("<{setting:?}>"),
            Some(value) => format!("<{setting:?} {value}>"),
        })
    };
    error.remedy().map_or_else(|| error.to_string(), |remedy| format!("{error}: {}", clause(remedy)))
}
