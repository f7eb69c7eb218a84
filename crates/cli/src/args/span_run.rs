//! A span tagger's run in a plan: the keys of its trainer's file, and the options of its trainer's command as keys.

use super::option;
use super::parse::UsageError;
use super::value::{Value, expected};
use serde_json::{Map, Value as Json};
use std::path::Path;
use tagsmith_app::machine::device::{DeviceArgs, DeviceChoice};
use tagsmith_app::spans::train::SpanTrainRequest;
use tagsmith_files::Error as FieldError;
use tagsmith_files::json_fields::Fields;
use tagsmith_message::closest;
use tagsmith_spans::config::keys::{KEYS, Kind};
use tagsmith_spans::config::parity::Parity;
use tagsmith_spans::config::run::RunConfig;
use tagsmith_spans::error::Error as SpanError;
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

/// Options of a span trainer's command, which a plan gives as keys, and the kinds of their values.
const OPTIONS: [(&str, Kind); 11] = [
    ("cache_dir", Kind::Text),
    ("cuda_libraries", Kind::Text),
    ("decoding", Kind::Text),
    ("device", Kind::Text),
    ("label_scheme", Kind::Text),
    ("loss_normalization", Kind::Text),
    ("parity", Kind::Text),
    ("resume", Kind::Flag),
    ("resume_from_checkpoint", Kind::Unread),
    ("threads", Kind::Whole),
    ("token", Kind::Text),
];

/// Returns whether the keys of a run are those of a span trainer, whose file names an `architecture`.
pub fn is_span_run(keys: &Map<String, Json>) -> bool {
    keys.contains_key("architecture")
}

/// Every name that a word after a plan may begin with, and the kind of its value.
fn names() -> impl Iterator<Item = (&'static str, Kind)> {
    KEYS.iter().map(|&(name, kind, _)| (name, kind)).chain(OPTIONS)
}

/// Reads the words after a plan as keys: `--max_steps 100`, `--bf16`, `--train_file a b`. The last of several counts, as
/// for token classifiers.
pub fn keys_of(words: &[String]) -> Result<Map<String, Json>, UsageError> {
    let mut keys = Map::new();
    let mut words = words.iter().peekable();
    while let Some(word) = words.next() {
        let Some(name) = word.strip_prefix("--") else { return Err(UsageError::Stray(word.clone())) };
        let (name, mut values) = match name.split_once('=') {
            Some((name, value)) => (name, vec![value.to_owned()]),
            None => (name, Vec::new()),
        };
        let spelled = format!("--{name}");
        let (known, kind) = find(name, &spelled)?;
        while values.is_empty() || kind == Kind::Texts {
            let Some(next) = words.next_if(|next| !next.starts_with("--")) else { break };
            values.push(next.clone());
        }
        keys.insert(known.to_owned(), value(kind, spelled, &values)?);
    }
    Ok(keys)
}

/// Finds a name by its spelling, with hyphens or underscores, or by a beginning that no other name has.
fn find(name: &str, spelled: &str) -> Result<(&'static str, Kind), UsageError> {
    let stem = name.replace('-', "_");
    if let Some(exact) = names().find(|(known, _)| *known == stem) {
        return Ok(exact);
    }
    let meant = closest(&stem, names().map(|(known, _)| known)).map(str::to_owned);
    let found: Vec<_> = names().filter(|(known, _)| !stem.is_empty() && known.starts_with(&stem)).collect();
    match found[..] {
        [] => Err(UsageError::Unknown { spelled: spelled.to_owned(), meant }),
        [only] => Ok(only),
        _ => {
            let names: Vec<String> = found.iter().map(|(known, _)| (*known).to_owned()).collect();
            Err(UsageError::ambiguous(spelled, &names, meant))
        }
    }
}

/// Turns the words of a value into JSON.
fn value(kind: Kind, spelled: String, words: &[String]) -> Result<Json, UsageError> {
    let as_option = match kind {
        Kind::Flag => option::Kind::Flag,
        Kind::Whole => option::Kind::Int,
        Kind::Number => option::Kind::Float,
        Kind::Object => option::Kind::Dict,
        Kind::Text | Kind::Texts | Kind::Unread => option::Kind::Text,
    };
    let Some(word) = words.first() else {
        return match kind {
            Kind::Flag | Kind::Unread => Ok(Json::Bool(true)),
            _ => Err(UsageError::NoValue { option: spelled, expected: expected(as_option) }),
        };
    };
    if kind == Kind::Texts {
        // A list may be written as one word of JSON.
        return Ok(match serde_json::from_str(word) {
            Ok(Json::Array(list)) if words.len() == 1 => Json::Array(list),
            _ => words.iter().map(String::as_str).collect(),
        });
    }
    let wrong =
        UsageError::WrongValue { option: spelled, value: word.clone(), expected: expected(as_option), meant: None };
    Ok(match Value::from_word(as_option, word).ok_or(wrong)? {
        Value::Flag(on) => on.into(),
        Value::Int(number) => number.into(),
        // A whole number stays one, as a file's would.
        Value::Float(number) => serde_json::from_str(word).unwrap_or_else(|_| number.into()),
        Value::Text(text) if kind == Kind::Unread => serde_json::from_str(word).unwrap_or(Json::String(text)),
        Value::Text(text) => text.into(),
        Value::List(list) => list.into(),
        Value::Dict(map) => Json::Object(map),
    })
}

/// Turns the keys of a run into what it trains. `file` is the plan, and `typed` are the keys of the words after it, which
/// come before those of the plan.
pub fn resolve(file: &str, mut keys: Map<String, Json>, typed: &Map<String, Json>) -> Result<SpanLine, UsageError> {
    let of_file = |message: String| UsageError::Refused { message, remedy: format!("correct `{file}`") };
    let refused = |error: FieldError| match &error {
        // The words are to blame, and not the file.
        FieldError::Key { key, problem, .. } if typed.contains_key(key) => UsageError::Refused {
            message: format!("`--{key}` {problem}"),
            remedy: format!("give another value, or leave `--{key}` out"),
        },
        _ => of_file(error.to_string()),
    };
    let path = Path::new(file);
    keys.extend(typed.clone());
    let options = OPTIONS.iter().filter_map(|&(name, _)| Some((name.to_owned(), keys.remove(name)?)));
    let options = Options::take(Fields::new(path, options.collect())).map_err(refused)?;
    let config = RunConfig::from_json(path, keys, None).map_err(|error| match error {
        SpanError::Files(error) => refused(error),
        error => of_file(error.to_string()),
    })?;
    Ok(SpanLine {
        request: SpanTrainRequest {
            name: None,
            resume: options.resume,
            normalization: options.normalization,
            decoding: options.decoding,
            label_scheme: options.label_scheme,
            parity: options.parity,
            device: options.device,
            threads: options.threads,
            config,
        },
        cache_dir: options.cache_dir,
        token: options.token,
    })
}

/// The values of [`OPTIONS`].
struct Options {
    resume: bool,
    normalization: Normalization,
    decoding: Mode,
    label_scheme: LabelScheme,
    parity: Parity,
    device: DeviceArgs,
    threads: Option<usize>,
    cache_dir: Option<String>,
    token: Option<String>,
}

impl Options {
    fn take(mut fields: Fields) -> Result<Options, FieldError> {
        let one_of = |fields: &Fields, key: &str, value: &str, names: &[&str]| {
            fields.refuse(key, format!("is `{value}`; there are {}", names.join(", ")))
        };
        let decoding = fields.text("decoding")?.map_or(Ok(Mode::default()), |name| {
            Mode::named(&name).ok_or_else(|| one_of(&fields, "decoding", &name, &Mode::NAMES))
        })?;
        let label_scheme = fields.text("label_scheme")?.map_or(Ok(LabelScheme::Auto), |name| {
            LabelScheme::named(&name).ok_or_else(|| one_of(&fields, "label_scheme", &name, &LabelScheme::NAMES))
        })?;
        let normalization = match fields.text("loss_normalization")?.as_deref() {
            None | Some("padded") => Normalization::Padded,
            Some("valid") => Normalization::Valid,
            Some(other) => return Err(one_of(&fields, "loss_normalization", other, &["padded", "valid"])),
        };
        let device = fields.text("device")?.map_or(Ok(DeviceChoice::Auto), |name| {
            DeviceChoice::named(&name)
                .ok_or_else(|| fields.refuse("device", format!("is `{name}`; there are {}", DeviceChoice::NAMES)))
        })?;
        let cuda_libraries = fields.text("cuda_libraries")?.map(Into::into);
        let parity = fields.text("parity")?.unwrap_or_default();
        let defects: Vec<&str> = parity.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
        if let Some(unknown) = defects.iter().find(|name| !Parity::NAMES.contains(name)) {
            return Err(one_of(&fields, "parity", unknown, &Parity::NAMES));
        }
        let resumes = match fields.take("resume_from_checkpoint") {
            None => false,
            Some(Json::Bool(resumes)) => resumes,
            Some(Json::String(word)) if word == "last" => true,
            Some(other) => {
                let problem = format!("is {other}; a span tagger's is `last`");
                return Err(fields.refuse("resume_from_checkpoint", problem));
            }
        };
        Ok(Options {
            resume: resumes | fields.flag("resume", false)?,
            normalization,
            decoding,
            label_scheme,
            parity: Parity::named(defects),
            device: DeviceArgs { device, cuda_libraries, place: 0 },
            threads: fields.optional_size("threads")?,
            cache_dir: fields.text("cache_dir")?,
            token: fields.text("token")?,
        })
    }
}
