//! A scratch folder with a two-layer model, and the program run in it.

use assert_cmd::Command;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

pub const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../golden");

/// What launchers and trackers leave in the environment.
const AMBIENT: [&str; 6] = [
    "WORLD_SIZE",
    "PMI_SIZE",
    "OMPI_COMM_WORLD_SIZE",
    "MV2_COMM_WORLD_SIZE",
    "SLURM_STEP_NUM_TASKS",
    "TENSORBOARD_LOGGING_DIR",
];

pub struct Scratch(TempDir);

impl Scratch {
    /// `model` is an encoder of golden/models/bert with a tokenizer of a few words, and no head: any labels will do.
    pub fn new() -> Scratch {
        let scratch = Scratch(TempDir::new().unwrap());
        fs::create_dir(scratch.path("model")).unwrap();
        let golden = |file: &str| fs::read(Path::new(GOLDEN).join(file)).unwrap();
        for file in ["tokenizer.json", "tokenizer_config.json"] {
            scratch.write(&format!("model/{file}"), golden(&format!("run_ner/{file}")));
        }
        let mut config: Value = serde_json::from_slice(&golden("models/bert/config.json")).unwrap();
        let map = config.as_object_mut().unwrap();
        map.retain(|key, _| !["id2label", "label2id", "num_labels"].contains(&key.as_str()));
        scratch.write("model/config.json", config.to_string());
        scratch.write("model/model.safetensors", without_head(&golden("models/bert/model.safetensors")));
        scratch
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file, and the folders above it.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), content).unwrap();
    }

    /// Writes `run.json`, the training of a bi-encoder on one text, with some settings changed, and what it reads.
    pub fn write_span_run(&self, changes: &Value) {
        let golden = |file: &str| fs::read(Path::new(GOLDEN).join("spans").join(file)).unwrap();
        for inside in ["token_tokenizer", "type_tokenizer"] {
            self.write(&format!("bi_encoder/{inside}/tokenizer.json"), golden("tokenizer.json"));
        }
        for file in ["config.json", "model.safetensors", "token_encoder_config.json", "type_encoder_config.json"] {
            self.write(&format!("bi_encoder/{file}"), golden(&format!("bi_encoder/{file}")));
        }
        let person = json!({"start": 0, "end": 2, "label": "person"});
        let place = json!({"start": 12, "end": 20, "label": "place"});
        let text = json!({"text": "jo lives in new york", "char_spans": [person, place]});
        self.write("data.jsonl", format!("{text}\n"));
        let mut run = json!({
            "token_encoder": "none", "type_encoder": "none", "model_checkpoint": "bi_encoder", "dataset_name": "one",
            "train_file": "data.jsonl", "validation_file": "data.jsonl", "test_file": "data.jsonl", "output_dir": "out",
            "linear_hidden_size": 12, "span_width_embedding_size": 6, "max_span_length": 4, "max_seq_length": 64,
            "max_steps": 4, "eval_steps": 2, "logging_steps": 1, "save_total_limit": 1, "do_train": true,
            "do_eval": true, "do_predict": true,
        });
        run.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        self.write("run.json", run.to_string());
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.read(name)).unwrap()
    }

    /// The names in a folder, sorted.
    pub fn files(&self, name: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::cargo_bin("tagsmith").unwrap();
        command.current_dir(self.0.path()).args(line.split_whitespace());
        AMBIENT.iter().for_each(|name| {
            command.env_remove(name);
        });
        command
    }

    /// Runs a line that works; what it printed.
    pub fn good(&self, line: &str) -> Ran {
        Ran::of(&mut self.command(line), 0)
    }

    /// The last line on stderr of one that cannot.
    pub fn bad(&self, line: &str) -> String {
        Ran::of(&mut self.command(line), 2).stderr.lines().find(|line| line.starts_with("error: ")).unwrap().to_owned()
    }
}

pub struct Ran {
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub fn of(command: &mut Command, status: i32) -> Ran {
        let output = command.output().unwrap();
        let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert_eq!(output.status.code(), Some(status), "{stderr}");
        Ran { stdout, stderr }
    }

    pub fn says(&self, line: &str) {
        assert!(self.stderr.contains(line), "`{line}` is not in\n{}", self.stderr);
    }
}

/// The file without the tensors of its classifier.
fn without_head(file: &[u8]) -> Vec<u8> {
    let length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&file[8..8 + length]).unwrap();
    let mut kept: Vec<(u64, &String, &Value)> = header
        .as_object()
        .unwrap()
        .iter()
        .filter(|(name, _)| !name.starts_with("classifier") && *name != "__metadata__")
        .map(|(name, tensor)| (tensor["data_offsets"][0].as_u64().unwrap(), name, tensor))
        .collect();
    kept.sort_by_key(|(start, ..)| *start);
    let (mut described, mut data) = (serde_json::Map::new(), Vec::new());
    for (start, name, tensor) in kept {
        let end = tensor["data_offsets"][1].as_u64().unwrap();
        let begins = data.len();
        data.extend_from_slice(&file[8 + length + start as usize..8 + length + end as usize]);
        let mut tensor = tensor.clone();
        tensor["data_offsets"] = json!([begins, data.len()]);
        described.insert(name.clone(), tensor);
    }
    let described = Value::Object(described).to_string();
    [&(described.len() as u64).to_le_bytes()[..], described.as_bytes(), &data].concat()
}
