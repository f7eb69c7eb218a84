//! A folder for one test, removed after it, and the program run in it.

use crate::golden;
use crate::program::{Ran, isolated, path};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A folder for one test.
pub struct Scratch(TempDir);

impl Scratch {
    /// An empty folder.
    pub fn empty() -> Scratch {
        Scratch(TempDir::new().expect("a scratch folder"))
    }

    /// A folder with the two-layer BERT of golden/models in `model`, and the ten sentences of golden/run_ner.
    pub fn with_tagger() -> Scratch {
        let scratch = Scratch::empty();
        scratch.put_tagger("bert", "model");
        scratch.copy("run_ner/data.json", "data.json");
        scratch
    }

    /// Puts a model of golden/models into a folder, with the tokenizer of golden/run_ner.
    pub fn put_tagger(&self, family: &str, folder: &str) {
        for file in ["config.json", "model.safetensors"] {
            self.copy(format!("models/{family}/{file}"), &format!("{folder}/{file}"));
        }
        for file in ["tokenizer.json", "tokenizer_config.json"] {
            self.copy(format!("run_ner/{file}"), &format!("{folder}/{file}"));
        }
    }

    /// Puts a model of golden/spans into a folder of its name, as a checkpoint with its tokenizers.
    pub fn put_span_tagger(&self, name: &str) {
        for inside in ["token_tokenizer", "type_tokenizer"] {
            self.copy("spans/tokenizer.json", &format!("{name}/{inside}/tokenizer.json"));
        }
        for file in ["config.json", "model.safetensors", "token_encoder_config.json", "type_encoder_config.json"] {
            let from = format!("spans/{name}/{file}");
            if golden::path(&from).exists() {
                self.copy(from, &format!("{name}/{file}"));
            }
        }
    }

    /// The folder itself.
    pub fn folder(&self) -> &Path {
        self.0.path()
    }

    /// The place of a file in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file, and makes the folders above it.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("it lies in the scratch folder")).expect("a scratch folder");
        fs::write(&path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// Writes a file, packed if its name ends in `.gz`.
    pub fn write_as_named(&self, name: &str, content: impl AsRef<[u8]>) {
        if !name.ends_with(".gz") {
            return self.write(name, content);
        }
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        packed.write_all(content.as_ref()).expect("memory takes everything");
        self.write(name, packed.finish().expect("memory takes everything"));
    }

    /// Copies a golden file.
    pub fn copy(&self, from: impl AsRef<Path>, name: &str) {
        self.write(name, golden::bytes(from));
    }

    /// The text of a file.
    #[track_caller]
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The value of a file that is JSON.
    #[track_caller]
    pub fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.read(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The names in a folder, sorted.
    #[track_caller]
    pub fn files(&self, name: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name is UTF-8")).collect();
        names.sort();
        names
    }

    /// The program with a line of words, in the folder.
    pub fn tagsmith(&self, line: &str) -> Command {
        let mut command = isolated(path(), self.folder());
        command.args(line.split_whitespace());
        command
    }

    /// A program of the system in the folder, which finds `tagsmith` among the programs.
    fn beside_tagsmith(&self, program: &str) -> Command {
        let (tagsmith, path) = (path(), std::env::var_os("PATH").expect("there are programs"));
        let folders = tagsmith.parent().map(Path::to_owned).into_iter().chain(std::env::split_paths(&path));
        let path = std::env::join_paths(folders).expect("no folder has a colon");
        let mut command = isolated(program, self.folder());
        command.env("PATH", path);
        command
    }

    /// Runs a line of a shell in the folder, in which `tagsmith` is the program.
    pub fn shell(&self, line: &str) -> Ran {
        Ran::of(self.beside_tagsmith("sh").args(["-c", line]))
    }

    /// Runs a line of a shell that works, on a terminal of so many columns. Returns everything that is written to it.
    #[track_caller]
    pub fn written_to_terminal(&self, columns: usize, line: &str) -> String {
        let line = format!("stty cols {columns} rows 24 && {line}");
        let mut script = self.beside_tagsmith("script");
        script.args(["-qec", &line, "/dev/null"]).env("SHELL", "/bin/sh").env("TERM", "xterm");
        let ran = Ran::of(script.stdin(Stdio::null()));
        assert_eq!(ran.status, 0, "{line}: {}", ran.stdout);
        ran.stdout
    }

    /// Runs a line of a shell that works, on a terminal of so many columns. Returns the lines that stay on it.
    #[track_caller]
    pub fn on_terminal(&self, columns: usize, line: &str) -> Vec<String> {
        let stays = |line: &str| {
            let line = line.trim_end_matches('\r');
            // A bar is cleared before something is written in its place.
            let shown = line.rsplit(['\r', '\u{1b}']).next().unwrap_or_default();
            shown.trim_start_matches("[2K").trim_start_matches("[1A").to_owned()
        };
        self.written_to_terminal(columns, line).split('\n').map(stays).collect()
    }

    /// Runs a line that works.
    #[track_caller]
    pub fn good(&self, line: &str) -> Ran {
        Ran::of(&mut self.tagsmith(line)).ended(0)
    }

    /// The error of a line that cannot work.
    #[track_caller]
    pub fn bad(&self, line: &str) -> String {
        Ran::of(&mut self.tagsmith(line)).ended(2).error().to_owned()
    }
}
