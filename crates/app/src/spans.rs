//! Training and evaluation of label-conditioned span taggers, from the original's files to the original's files.

pub mod evaluate;
mod learn;
mod log;
mod made_from;
mod request;
pub mod train;

use crate::error::refusal;
use anyhow::{Context, Result};
use serde_json::Value;
use std::path::Path;
use tagsmith_files::atomic_write;
use tagsmith_message::{Remedy, Setting};
use tagsmith_spans::config::parity::Parity;
use tagsmith_text::labels::label_scheme::LabelScheme;
use tagsmith_text::labels::reading::Rules;

/// Writes a JSON file.
fn write_json(path: &Path, value: &Value) -> Result<()> {
    let text = serde_json::to_string_pretty(value).context("a JSON value always prints")? + "\n";
    Ok(atomic_write::write(path, text.as_bytes())?)
}

/// Returns the rules by which tags become gold entities.
fn tag_rules(parity: Parity, asked: LabelScheme) -> Result<Rules> {
    if parity.tags && asked != LabelScheme::Auto {
        let message = format!("tags are read by the label scheme {}, or as the original reads them", asked.name());
        return Err(refusal(message, Remedy::Unset(Setting::LabelScheme)));
    }
    Ok(parity.tag_rules(asked))
}
