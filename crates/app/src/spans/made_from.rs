//! What a run is made from: its settings and its data, so that a later call knows whether it asks for the same run.

use super::request::SpanTrainRequest;
use super::write_json;
use anyhow::Result;
use serde_json::{Map, Value, json};
use std::path::Path;
use tagsmith_files::json_fields::read_object;
use tagsmith_message::quote;
use tagsmith_spans::config::run::RunConfig;
use tagsmith_text::example::Example;
use tagsmith_train::trainer::same_on_all_ranks::fingerprint;

/// The file in the output folder that holds it.
const FILE: &str = "made_from.json";

/// The options of the engine that each checkpoint holds: the settings alone.
const SETTINGS: &str = "training_args.json";

/// Settings that change nothing of what is learned.
const NO_MATTER: &[&str] =
    &["report_to", "logging_dir", "html_report", "disable_tqdm", "run_name", "output_dir", "batch_tokens"];

/// The settings and the data of a run.
pub struct MadeFrom {
    settings: Map<String, Value>,
    /// A number for each split that is read; none where it is not known.
    data: Option<Map<String, Value>>,
}

/// A split's name and its texts.
pub type NamedSplit<'a> = (&'a str, &'a [Example]);

impl MadeFrom {
    /// Returns what this call asks for.
    pub fn new(config: &RunConfig, request: &SpanTrainRequest, splits: [NamedSplit<'_>; 3]) -> MadeFrom {
        let mut settings = config.json.clone();
        settings.insert("architecture".into(), config.model.architecture_name().into());
        settings.insert("loss_normalization".into(), format!("{:?}", request.normalization).to_lowercase().into());
        settings.insert("decoding".into(), request.decoding.name().into());
        settings.insert("parity".into(), format!("{:?}", request.parity).into());
        let number =
            |examples: &[Example]| fingerprint(examples.iter().map(|example| format!("{example:?}").into_bytes()));
        let read = splits.into_iter().filter(|(_, examples)| !examples.is_empty());
        let data = read.map(|(name, examples)| (name.to_owned(), format!("{:016x}", number(examples)).into()));
        MadeFrom { settings: that_matter(settings), data: Some(data.collect()) }
    }

    /// Returns what the run in a folder was made from. Earlier versions recorded only the settings, in each checkpoint.
    pub fn read(output: &Path, checkpoint: &Path) -> Result<Option<MadeFrom>> {
        if let Ok(mut made) = read_object(&output.join(FILE)) {
            let mut part = |name: &str| match made.remove(name) {
                Some(Value::Object(part)) => Some(part),
                _ => None,
            };
            let (settings, data) = (part("settings"), part("data"));
            return Ok(settings.map(|settings| MadeFrom { settings, data }));
        }
        let settings = checkpoint.join(SETTINGS);
        if !settings.exists() {
            return Ok(None);
        }
        Ok(Some(MadeFrom { settings: that_matter(read_object(&settings)?), data: None }))
    }

    /// Writes the file into the output folder.
    pub fn write(&self, output: &Path) -> Result<()> {
        write_json(&output.join(FILE), &json!({"settings": self.settings, "data": self.data}))
    }

    /// Returns whether it is known which data it is.
    pub fn knows_data(&self) -> bool {
        self.data.is_some()
    }

    /// Says what is other now than it was before, in a few words each.
    pub fn differences(&self, before: &MadeFrom) -> Vec<String> {
        let mut keys: Vec<&String> = before.settings.keys().chain(self.settings.keys()).collect();
        keys.sort();
        keys.dedup();
        // What earlier versions did not record is not compared.
        let known = |key: &&String| {
            before.knows_data() || self.settings.contains_key(*key) && before.settings.contains_key(*key)
        };
        let shown = |settings: &Map<String, Value>, key: &str| {
            settings.get(key).map_or_else(|| "not set".to_owned(), |value| quote(&value.to_string()))
        };
        let mut all: Vec<String> = keys
            .into_iter()
            .filter(known)
            .filter(|key| self.settings.get(*key) != before.settings.get(*key))
            .map(|key| {
                format!("`{key}` was {}, now it is {}", shown(&before.settings, key), shown(&self.settings, key))
            })
            .collect();
        if let (Some(now), Some(before)) = (&self.data, &before.data) {
            let mut splits: Vec<&String> = before.keys().chain(now.keys()).collect();
            splits.sort();
            splits.dedup();
            let other = splits.into_iter().filter(|split| now.get(*split) != before.get(*split));
            all.extend(other.map(|split| format!("the {split} data are other")));
        }
        all
    }
}

/// Returns the settings that change what is learned. `null` is the same as nothing.
fn that_matter(mut settings: Map<String, Value>) -> Map<String, Value> {
    settings.retain(|key, value| !value.is_null() && !NO_MATTER.contains(&&**key));
    settings
}
