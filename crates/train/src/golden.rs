//! (tests) The golden files of `oracle/trainer.py`.

use serde_json::Value;

fn text(name: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// One part of trainer.json.
pub fn part(name: &str) -> Value {
    let document: Value = serde_json::from_str(&text("trainer.json")).unwrap();
    document[name].clone()
}

/// The rows of one part of trainer.json.
pub fn rows(name: &str) -> Vec<Value> {
    let Value::Array(rows) = part(name) else { panic!("{name} is no list") };
    assert!(!rows.is_empty(), "{name} is empty");
    rows
}

/// Runs of the real Trainer.
pub fn runs() -> Vec<Value> {
    text("trainer_runs.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// How accelerate deals batches to ranks (`oracle/ranks.py`).
pub fn dealt() -> Vec<Value> {
    text("ranks.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
