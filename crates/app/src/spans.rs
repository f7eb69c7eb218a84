//! Training and evaluation of label-conditioned span taggers, from the original's files to the original's files.

pub mod evaluate;
mod learn;
mod log;
mod progress;
mod request;
pub mod train;

use anyhow::{Context, Result};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Writes a JSON file.
fn write_json(path: &Path, value: &Value) -> Result<()> {
    let text = serde_json::to_string_pretty(value).context("a JSON value always prints")? + "\n";
    fs::write(path, text).with_context(|| path.display().to_string())
}
