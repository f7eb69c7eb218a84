//! Command lines as Hugging Face's argument parser reads them, driven by the table.

use super::option::{DEVICE, Fate, Kind, NO_DEVICE, Opt, Vocabulary};
use super::program::Program;
use super::value::{Value, expected};
use serde_json::{Map, Value as Json};
use std::path::Path;
use tagsmith_app::machine::device::DeviceChoice;
use tagsmith_files::strict_json::Object;
use tagsmith_message::{closest, quote};

/// The key of a plan's runs, by which a file is known for a plan.
pub const RUNS: &str = "runs";

/// Why a command line cannot be read.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum UsageError {
    #[error("there is no option `{spelled}`")]
    Unknown { spelled: String, meant: Option<String> },
    #[error("there is no command `{spelled}`")]
    NoCommand { spelled: String, remedy: String },
    #[error("`{0}` follows no option")]
    Stray(String),
    #[error("`{spelled}` could be {}", .could.join(", "))]
    Ambiguous { spelled: String, could: Vec<String>, meant: Option<String> },
    #[error("`{option}` needs {expected}")]
    NoValue { option: String, expected: String },
    #[error("`{option}` cannot be {}: {why}", quote(.value))]
    Unfit { option: String, value: String, why: String },
    #[error("{} {} missing", .0.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "), if .0.len() == 1 { "is" } else { "are" })]
    Missing(Vec<String>),
    #[error("{}", if .others.contains(.option) || .others.is_empty() {
        format!("`{option}` is given twice")
    } else {
        format!("`{option}` and `{}` do not go together", .others.join("`, `"))
    })]
    Conflict { option: String, others: Vec<String> },
    #[error("there is no place for {}", quote(.0))]
    NoPlace(String),
    #[error("`{option}` takes no value, but `{value}` is given")]
    NeedlessValue { option: String, value: String },
    #[error("`{option}` needs {expected}, not {}", quote(.value))]
    WrongValue { option: String, value: String, expected: String, meant: Option<&'static str> },
    #[error("`{file}` cannot be read: {reason}")]
    File { file: String, reason: String },
    #[error("{message}")]
    Refused { message: String, remedy: String },
}

/// Returns an object that stands in a file under a name.
///
/// # Errors
/// Another value.
pub fn object(file: &str, name: &str, value: &Json) -> Result<Map<String, Json>, UsageError> {
    value.as_object().cloned().ok_or_else(|| UsageError::File {
        file: file.to_owned(),
        reason: format!("`{name}` is not an object of names and values"),
    })
}

/// Returns the refusal of what is written, with what to do about it.
pub fn refused(message: impl Into<String>, remedy: impl Into<String>) -> UsageError {
    UsageError::Refused { message: message.into(), remedy: remedy.into() }
}

impl UsageError {
    /// The error of a beginning that all these options have. Only another option is a guess.
    pub fn ambiguous(spelled: &str, names: &[String], nearest: Option<String>) -> UsageError {
        UsageError::Ambiguous {
            spelled: spelled.into(),
            could: names.iter().map(|name| format!("`--{name}`")).collect(),
            meant: nearest.filter(|name| !names.contains(name)),
        }
    }

    /// The option or word that is probably meant.
    pub fn meant(&self) -> Option<&str> {
        match self {
            UsageError::Unknown { meant, .. } | UsageError::Ambiguous { meant, .. } => meant.as_deref(),
            UsageError::WrongValue { meant, .. } => *meant,
            _ => None,
        }
    }

    /// What to do about it, in the words of a command.
    pub fn hint(&self, command: &str) -> String {
        match self {
            UsageError::Unknown { meant: Some(name), .. } | UsageError::Ambiguous { meant: Some(name), .. } => {
                format!("did you mean `--{name}`?")
            }
            UsageError::WrongValue { meant: Some(word), .. } => format!("did you mean `{word}`?"),
            UsageError::Ambiguous { .. } => "write the option's name in full".into(),
            UsageError::File { .. } => "give a file that holds one JSON object of options and values".into(),
            UsageError::Refused { remedy, .. } | UsageError::NoCommand { remedy, .. } => remedy.clone(),
            _ => format!("`tagsmith {command} --help` lists the options"),
        }
    }
}

/// The refusal of a device that nothing computes on here.
pub fn no_device(name: &str) -> UsageError {
    UsageError::Refused {
        message: format!("`--{DEVICE} {name}` cannot be honored: {NO_DEVICE}"),
        remedy: format!("there are {}", DeviceChoice::NAMES),
    }
}

/// The refusal of an option that cannot be honored.
pub fn refusal_of(option: &Opt, value: &str) -> UsageError {
    let asks_for_device = matches!(option.fate, Fate::Device(_) | Fate::Devices(_));
    let why = if asks_for_device { NO_DEVICE } else { option.text };
    let shown = match asks_for_device {
        true if option.kind != Kind::Flag && !value.is_empty() => format!("`--{} {value}`", option.name),
        _ => format!("`--{}`", option.name),
    };
    let message = format!("{shown} cannot be honored: {why}");
    UsageError::Refused { message, remedy: format!("leave `--{}` out", option.name) }
}

/// One option as it was given.
#[derive(Clone, Debug)]
pub struct Given {
    pub option: &'static Opt,
    /// With its hyphens, as typed.
    pub spelled: String,
    pub value: Value,
}

/// Reads a command line of `program`.
pub fn command_line(words: &[String], program: &Program) -> Result<Vec<Given>, UsageError> {
    let mut given = Vec::new();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        at += 1;
        if is_value(word) {
            return Err(UsageError::Stray(word.clone()));
        }
        let (spelled, explicit) = match word.split_once('=') {
            Some((spelled, value)) => (spelled, Some(value)),
            None => (word.as_str(), None),
        };
        let Spelling { option, twin } = find(spelled, program)?;
        let following = words[at..].iter().take_while(|word| is_value(word)).count();
        let value = match (explicit, option.kind) {
            (Some(value), _) if twin => {
                return Err(UsageError::NeedlessValue { option: spelled.into(), value: value.into() });
            }
            (None, _) if twin => Value::Flag(false),
            (Some(value), kind) => one(spelled, kind, value)?,
            (None, Kind::Flag) if following == 0 => Value::Flag(true),
            // Whatever its value would be, it is refused.
            (None, _)
                if following == 0 && matches!(option.fate, Fate::Refused | Fate::Device(_) | Fate::Devices(_)) =>
            {
                return Err(refusal_of(option, ""));
            }
            (None, kind) if following == 0 => {
                return Err(UsageError::NoValue { option: spelled.into(), expected: expected(kind) });
            }
            (None, Kind::List) => {
                at += following;
                Value::List(words[at - following..at].to_vec())
            }
            (None, kind) => {
                at += 1;
                one(spelled, kind, &words[at - 1])?
            }
        };
        given.push(Given { option, spelled: spelled.into(), value });
    }
    Ok(given)
}

/// Reads a JSON file of options and values of `program`.
pub fn json_file(path: &Path, program: &Program) -> Result<Vec<Given>, UsageError> {
    let object = json_object(path)?;
    if object.get(RUNS).is_some_and(Json::is_object) {
        let file = path.display();
        return Err(UsageError::Refused {
            message: format!("`{file}` is a plan of several runs, not the options of one"),
            remedy: format!("`tagsmith compare {file}` makes the runs of a plan"),
        });
    }
    json_options(&object, program)
}

/// A file that holds one JSON object.
pub fn json_object(path: &Path) -> Result<Map<String, Json>, UsageError> {
    let unreadable = |reason: String| UsageError::File { file: path.display().to_string(), reason };
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
    let object = serde_json::from_str(&text).map(|Object(object)| object);
    object.map_err(|error| unreadable(error.to_string()))
}

/// Reads options and values from JSON. Names are exact and values have their type.
pub fn json_options(map: &Map<String, Json>, program: &Program) -> Result<Vec<Given>, UsageError> {
    let mut given = Vec::new();
    for (name, json) in map {
        let Some(option) = program.options().find(|option| option.name == name) else {
            return Err(UsageError::Unknown { spelled: name.clone(), meant: nearest(name, program) });
        };
        if json.is_null() {
            continue;
        }
        let value = Value::from_json(option.kind, json).ok_or_else(|| UsageError::WrongValue {
            option: name.clone(),
            value: json.to_string(),
            expected: expected(option.kind),
            meant: json.as_str().and_then(|word| meant(option.kind, word)),
        })?;
        given.push(Given { option, spelled: name.clone(), value });
    }
    Ok(given)
}

fn one(spelled: &str, kind: Kind, word: &str) -> Result<Value, UsageError> {
    Value::from_word(kind, word).ok_or_else(|| UsageError::WrongValue {
        option: spelled.into(),
        value: word.into(),
        expected: expected(kind),
        meant: meant(kind, word),
    })
}

/// The word among a choice that this one is probably meant to be.
fn meant(kind: Kind, word: &str) -> Option<&'static str> {
    let Kind::Choice(words) = kind else { return None };
    closest(word, words.iter().copied())
}

/// Whether the word is a value: it does not begin with a hyphen, or is a negative number.
fn is_value(word: &str) -> bool {
    match word.strip_prefix('-') {
        None | Some("") => true,
        Some(rest) => rest.starts_with(|c: char| c.is_ascii_digit() || c == '.') && rest.parse::<f64>().is_ok(),
    }
}

/// An option, or the negative twin of a flag.
#[derive(Clone, Copy)]
struct Spelling {
    option: &'static Opt,
    twin: bool,
}

impl Spelling {
    fn all(program: &Program) -> impl Iterator<Item = Spelling> {
        program.options().flat_map(|option| {
            let twin = option.has_twin().then_some(Spelling { option, twin: true });
            [Some(Spelling { option, twin: false }), twin].into_iter().flatten()
        })
    }

    fn name(self) -> String {
        if self.twin { format!("no_{}", self.option.name) } else { self.option.name.into() }
    }

    /// Whether `test` holds for the name with underscores or with hyphens; the two are never mixed.
    fn is(self, test: impl Fn(&str) -> bool) -> bool {
        let name = self.name();
        test(&name) || test(&name.replace('_', "-"))
    }
}

/// The option of this spelling: its exact name, or an abbreviation that is unique in the first vocabulary it is in.
fn find(spelled: &str, program: &Program) -> Result<Spelling, UsageError> {
    let unknown = |stem| UsageError::Unknown { spelled: spelled.into(), meant: nearest(stem, program) };
    let Some(stem) = spelled.strip_prefix("--").filter(|stem| !stem.is_empty()) else {
        return Err(unknown(spelled.trim_start_matches('-')));
    };
    if let Some(exact) = Spelling::all(program).find(|spelling| spelling.is(|name| name == stem)) {
        return Ok(exact);
    }
    for vocabulary in [Vocabulary::New, Vocabulary::Old, Vocabulary::Beyond] {
        let found: Vec<_> = Spelling::all(program)
            .filter(|spelling| spelling.option.vocabulary == vocabulary)
            .filter(|spelling| spelling.is(|name| name.starts_with(stem)))
            .collect();
        match found[..] {
            [] => {}
            [only] => return Ok(only),
            _ => {
                let names: Vec<String> = found.into_iter().map(Spelling::name).collect();
                return Err(UsageError::ambiguous(spelled, &names, nearest(stem, program)));
            }
        }
    }
    Err(unknown(stem))
}

/// The option that a name is probably meant to be, one that works before others.
fn nearest(stem: &str, program: &Program) -> Option<String> {
    let among = |works| {
        let options = program.options().filter(move |option| matches!(option.fate, Fate::Works) == works);
        closest(stem, options.map(|option| option.name))
    };
    among(true).or_else(|| among(false)).map(str::to_owned)
}
