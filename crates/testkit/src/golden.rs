//! Golden files: numbers that other programs computed.

use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The path of a golden file or folder.
pub fn path(name: impl AsRef<Path>) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden").join(name)
}

/// The bytes of a golden file.
pub fn bytes(name: impl AsRef<Path>) -> Vec<u8> {
    let path = path(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The text of a golden file.
pub fn text(name: impl AsRef<Path>) -> String {
    String::from_utf8(bytes(name)).expect("a golden text is UTF-8")
}

/// The value of a golden file that is JSON.
pub fn json(name: impl AsRef<Path>) -> Value {
    serde_json::from_slice(&bytes(name)).expect("a golden file is JSON")
}

/// The values of a golden file that holds JSON, one a line.
pub fn lines(name: impl AsRef<Path>) -> Vec<Value> {
    text(name).split_terminator('\n').map(|line| serde_json::from_str(line).expect("a golden line is JSON")).collect()
}

/// Tensors that another program computed for a golden model.
pub struct Expected(Vec<u8>);

impl Expected {
    /// Reads the `expect.safetensors` of a golden folder.
    pub fn of(folder: impl AsRef<Path>) -> Expected {
        Expected(bytes(folder.as_ref().join("expect.safetensors")))
    }

    /// The numbers of a tensor, if the file has it.
    pub fn get(&self, key: &str) -> Option<Vec<f64>> {
        let file = SafeTensors::deserialize(&self.0).expect("the golden file is whole");
        let tensor = file.tensor(key).ok()?;
        let of_four = |number: fn([u8; 4]) -> f64| tensor.data().as_chunks().0.iter().map(|b| number(*b)).collect();
        Some(match tensor.dtype() {
            Dtype::F64 => tensor.data().as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect(),
            Dtype::F32 => of_four(|b| f32::from_le_bytes(b).into()),
            Dtype::I32 => of_four(|b| i32::from_le_bytes(b).into()),
            other => panic!("`{key}` has type {other:?}"),
        })
    }

    /// The numbers of a tensor that the file must have.
    pub fn floats(&self, key: &str) -> Vec<f64> {
        self.get(key).unwrap_or_else(|| panic!("the golden file has no `{key}`"))
    }

    /// The whole numbers, 0 or more, of a tensor that the file must have.
    pub fn ids(&self, key: &str) -> Vec<u32> {
        self.floats(key).into_iter().map(|x| x as u32).collect()
    }

    /// The labels of a tensor that the file must have; −100 does not count.
    pub fn labels(&self, key: &str) -> Vec<i32> {
        self.floats(key).into_iter().map(|x| x as i32).collect()
    }
}

/// The golden files of `oracle/trainer.py` and `oracle/ranks.py`.
pub mod trainer {
    use super::{Value, json, lines};

    /// One part of trainer.json.
    pub fn part(name: &str) -> Value {
        json("trainer/rules.json")[name].clone()
    }

    /// The rows of one part of trainer.json.
    pub fn rows(name: &str) -> Vec<Value> {
        let Value::Array(rows) = part(name) else { panic!("{name} is not a list") };
        assert!(!rows.is_empty(), "{name} is empty");
        rows
    }

    /// Runs of the real Trainer.
    pub fn runs() -> Vec<Value> {
        lines("trainer/runs.jsonl")
    }

    /// How accelerate deals batches to ranks (`oracle/ranks.py`).
    pub fn dealt() -> Vec<Value> {
        lines("ranks/batches.jsonl")
    }
}
