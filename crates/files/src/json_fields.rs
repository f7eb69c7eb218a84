//! The keys of a JSON object, taken one by one; what is left over is unknown.

use crate::Error;
use crate::strict_json::Distinct;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use tagsmith_message::closest;

/// A JSON object whose keys are taken one by one. `null` is as good as absent.
pub struct Fields {
    path: PathBuf,
    json: Map<String, Value>,
    known: BTreeSet<String>,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// The object in a file.
///
/// # Errors
/// A file that cannot be read or holds no JSON object.
pub fn read_object(path: &Path) -> Result<Map<String, Value>, Error> {
    let text = std::fs::read(path).map_err(|source| Error::Io { path: path.into(), source })?;
    match serde_json::from_slice(&text) {
        Ok(Distinct(Value::Object(json))) => Ok(json),
        Ok(_) => Err(Error::content(path, "holds no JSON object: it should be `{\"key\": value, …}`")),
        Err(error) => Err(Error::content(path, format!("is not valid JSON ({error}): correct it"))),
    }
}

impl Fields {
    /// All keys of `json`, which was read from `path`.
    pub fn new(path: &Path, json: Map<String, Value>) -> Fields {
        Fields { path: path.into(), json, known: BTreeSet::new(), notes: Vec::new() }
    }

    /// An error about a key.
    pub fn refuse(&self, key: &str, problem: impl Into<String>) -> Error {
        Error::content(&self.path, format!("`{key}` {}", problem.into()))
    }

    /// Something the user should know.
    pub fn note(&mut self, note: String) {
        self.notes.push(format!("{}: {note}", self.path.display()));
    }

    /// A value that is there and not null.
    pub fn take(&mut self, key: &str) -> Option<Value> {
        self.known.insert(key.to_owned());
        self.json.remove(key).filter(|value| !value.is_null())
    }

    /// A string.
    ///
    /// # Errors
    /// Another type.
    pub fn text(&mut self, key: &str) -> Result<Option<String>, Error> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.refuse(key, format!("is {other}, not a string"))),
        }
    }

    /// A string that must be there.
    ///
    /// # Errors
    /// It is not.
    pub fn required_text(&mut self, key: &str) -> Result<String, Error> {
        let text = self.text(key)?;
        text.ok_or_else(|| self.refuse(key, "is missing: it has no default"))
    }

    /// A number in a range.
    ///
    /// # Errors
    /// Another type, or outside.
    pub fn number(&mut self, key: &str, default: f64, range: RangeInclusive<f64>) -> Result<f64, Error> {
        let number = self.optional_number(key)?.unwrap_or(default);
        if range.contains(&number) {
            return Ok(number);
        }
        let bound = |x: f64| match x {
            f64::MIN_POSITIVE => "above 0".to_owned(),
            f64::MAX => "anything".to_owned(),
            x => x.to_string(),
        };
        Err(self.refuse(key, format!("is {number}, outside {} to {}", bound(*range.start()), bound(*range.end()))))
    }

    /// A number, if there is one.
    ///
    /// # Errors
    /// Another type.
    pub fn optional_number(&mut self, key: &str) -> Result<Option<f64>, Error> {
        match self.take(key) {
            None => Ok(None),
            Some(value) => match value.as_f64() {
                Some(number) => Ok(Some(number)),
                None => Err(self.refuse(key, format!("is {value}, not a number"))),
            },
        }
    }

    /// A whole number above 0, if there is one.
    ///
    /// # Errors
    /// Anything else.
    pub fn optional_size(&mut self, key: &str) -> Result<Option<usize>, Error> {
        match self.take(key) {
            None => Ok(None),
            Some(value) => match value.as_u64() {
                Some(size @ 1..=0xFFFF_FFFF) => Ok(Some(size as usize)),
                _ => Err(self.refuse(key, format!("is {value}, not a whole number above 0"))),
            },
        }
    }

    /// A whole number above 0; without a default it must be there.
    ///
    /// # Errors
    /// Anything else.
    pub fn size(&mut self, key: &str, default: Option<usize>) -> Result<usize, Error> {
        let size = self.optional_size(key)?.or(default);
        size.ok_or_else(|| self.refuse(key, "is missing: it has no default"))
    }

    /// A switch.
    ///
    /// # Errors
    /// Another type.
    pub fn switch(&mut self, key: &str) -> Result<bool, Error> {
        match self.take(key) {
            None => Ok(false),
            Some(Value::Bool(on)) => Ok(on),
            Some(other) => Err(self.refuse(key, format!("is {other}, neither true nor false"))),
        }
    }

    /// The notes; refuses keys that nobody took.
    ///
    /// # Errors
    /// The first unknown key, with the known one that is most like it.
    pub fn finish(self) -> Result<Vec<String>, Error> {
        let Some(key) = self.json.keys().next() else { return Ok(self.notes) };
        let hint = match closest(key, self.known.iter().map(String::as_str)) {
            Some(known) => format!("did you mean `{known}`?"),
            None => "remove it".to_owned(),
        };
        Err(self.refuse(key, format!("is not a key that is known here: {hint}")))
    }
}
