//! A span tagger's run in a plan: the keys of its trainer's file, and the options of its trainer's command as keys.

use super::parse::UsageError;
use serde_json::{Map, Value as Json};
use std::path::Path;
use tagsmith_app::spans::train::SpanTrainRequest;
use tagsmith_files::json_fields::Fields;
use tagsmith_spans::config::parity::Parity;
use tagsmith_spans::config::run::RunConfig;
use tagsmith_spans::find::decode::Mode;
use tagsmith_spans::model::loss::Normalization;
use tagsmith_text::labels::label_scheme::LabelScheme;

/// A run that trains a span tagger.
#[derive(Debug)]
pub struct SpanLine {
    /// What it trains.
    pub request: SpanTrainRequest,
    /// Where the hub's files are kept.
    pub cache_dir: Option<String>,
    /// The hub's token.
    pub token: Option<String>,
}

/// Options of a span trainer's command, which a plan gives as keys.
const OPTIONS: [&str; 9] = [
    "cache_dir",
    "decoding",
    "label_scheme",
    "loss_normalization",
    "parity",
    "resume",
    "resume_from_checkpoint",
    "threads",
    "token",
];

/// Returns whether the keys of a run are those of a span trainer, whose file names an `architecture`.
pub fn is_span_run(keys: &Map<String, Json>) -> bool {
    keys.contains_key("architecture")
}

/// Reads the words after a plan as keys: `--max_steps 100`, `--bf16`, `--train_file '["a", "b"]'`.
pub fn keys_of(words: &[String]) -> Result<Map<String, Json>, UsageError> {
    let mut keys = Map::new();
    let mut words = words.iter().peekable();
    while let Some(word) = words.next() {
        let Some(name) = word.strip_prefix("--") else { return Err(UsageError::Stray(word.clone())) };
        let (name, value) = match name.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (name, words.next_if(|next| !next.starts_with("--")).cloned()),
        };
        let value = value.map_or(Json::Bool(true), |text| serde_json::from_str(&text).unwrap_or(Json::String(text)));
        keys.insert(name.replace('-', "_"), value);
    }
    Ok(keys)
}

/// Turns the keys of a run into what it trains. `file` is the plan.
pub fn resolve(file: &str, mut keys: Map<String, Json>) -> Result<SpanLine, UsageError> {
    let path = Path::new(file);
    let options = OPTIONS.iter().filter_map(|&name| Some((name.to_owned(), keys.remove(name)?)));
    let mut options = Fields::new(path, options.collect());
    let refused = |reason: String| UsageError::Refused { message: reason, remedy: format!("correct `{file}`") };
    let told = |error: tagsmith_files::Error| refused(error.to_string());
    let one_of = |key: &str, value: &str, names: &[&str]| {
        refused(format!("{file}: `{key}` is `{value}`; there are {}", names.join(", ")))
    };
    let decoding = options.text("decoding").map_err(told)?;
    let decoding = decoding.map_or(Ok(Mode::default()), |name| {
        Mode::named(&name).ok_or_else(|| one_of("decoding", &name, &Mode::NAMES))
    })?;
    let label_scheme = options.text("label_scheme").map_err(told)?;
    let label_scheme = label_scheme.map_or(Ok(LabelScheme::Auto), |name| {
        LabelScheme::named(&name).ok_or_else(|| one_of("label_scheme", &name, &LabelScheme::NAMES))
    })?;
    let normalization = match options.text("loss_normalization").map_err(told)?.as_deref() {
        None | Some("padded") => Normalization::Padded,
        Some("valid") => Normalization::Valid,
        Some(other) => return Err(one_of("loss_normalization", other, &["padded", "valid"])),
    };
    let parity = options.text("parity").map_err(told)?.unwrap_or_default();
    let defects: Vec<&str> = parity.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    if let Some(unknown) = defects.iter().find(|name| !Parity::NAMES.contains(name)) {
        return Err(one_of("parity", unknown, &Parity::NAMES));
    }
    let resumes = match options.take("resume_from_checkpoint") {
        None => false,
        Some(Json::Bool(resumes)) => resumes,
        Some(Json::String(word)) if word == "last" => true,
        Some(other) => {
            return Err(refused(format!("{file}: `resume_from_checkpoint` is {other}; a span tagger's is `last`")));
        }
    };
    Ok(SpanLine {
        request: SpanTrainRequest {
            name: None,
            resume: resumes | options.flag("resume", false).map_err(told)?,
            normalization,
            decoding,
            label_scheme,
            parity: Parity::named(defects),
            threads: options.optional_size("threads").map_err(told)?,
            config: RunConfig::from_json(path, keys, None).map_err(|error| refused(error.to_string()))?,
        },
        cache_dir: options.text("cache_dir").map_err(told)?,
        token: options.text("token").map_err(told)?,
    })
}
