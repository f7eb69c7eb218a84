//! Training and evaluation of label-conditioned span taggers, from the original's files to the original's files.

pub mod evaluate;
mod learn;
mod log;
mod made_from;
mod progress;
mod request;
pub mod train;

use anyhow::{Context, Result};
use serde_json::Value;
use std::path::Path;
use tagsmith_files::atomic_write;

/// Writes a JSON file.
fn write_json(path: &Path, value: &Value) -> Result<()> {
    let text = serde_json::to_string_pretty(value).context("a JSON value always prints")? + "\n";
    Ok(atomic_write::write(path, text.as_bytes())?)
}
