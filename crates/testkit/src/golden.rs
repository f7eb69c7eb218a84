//! Golden files: numbers that other programs computed.

use serde_json::Value;
use std::path::{Path, PathBuf};

/// The path of a golden file.
pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden").join(name)
}

/// The text of a golden file.
pub fn text(name: &str) -> String {
    let path = path(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The golden files of `oracle/trainer.py` and `oracle/ranks.py`.
pub mod trainer {
    use super::{Value, text};

    /// One part of trainer.json.
    pub fn part(name: &str) -> Value {
        let document: Value = serde_json::from_str(&text("trainer/rules.json")).unwrap();
        document[name].clone()
    }

    /// The rows of one part of trainer.json.
    pub fn rows(name: &str) -> Vec<Value> {
        let Value::Array(rows) = part(name) else { panic!("{name} is not a list") };
        assert!(!rows.is_empty(), "{name} is empty");
        rows
    }

    /// Runs of the real Trainer.
    pub fn runs() -> Vec<Value> {
        text("trainer/runs.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// How accelerate deals batches to ranks (`oracle/ranks.py`).
    pub fn dealt() -> Vec<Value> {
        text("ranks/batches.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}
