//! The keys of a JSON object, taken one by one, so that the keys that nobody took are known.

use crate::Error;
use crate::strict_json::Distinct;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::ops::{Bound, RangeBounds};
use std::path::{Path, PathBuf};
use tagsmith_message::closest;

/// A JSON object whose keys are taken one by one. `null` counts as absent.
pub struct Fields {
    path: PathBuf,
    json: Map<String, Value>,
    known: BTreeSet<String>,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// The largest whole number that [`Fields::optional_size`] takes.
const LARGEST_SIZE: u64 = 0xFFFF_FFFF;

/// Reads the object in a file.
///
/// # Errors
/// A file that cannot be read or holds no JSON object.
pub fn read_object(path: &Path) -> Result<Map<String, Value>, Error> {
    let text = std::fs::read(path).map_err(|source| Error::Io { path: path.into(), source })?;
    match serde_json::from_slice(&text) {
        Ok(Distinct(Value::Object(json))) => Ok(json),
        Ok(_) => Err(Error::content(path, "does not hold a JSON object: it should be `{\"key\": value, …}`")),
        Err(error) => Err(Error::content(path, format!("is not valid JSON ({error}): correct it"))),
    }
}

impl Fields {
    /// Starts with all keys of `json`, which was read from `path`.
    pub fn new(path: &Path, json: Map<String, Value>) -> Fields {
        Fields { path: path.into(), json, known: BTreeSet::new(), notes: Vec::new() }
    }

    /// Returns an error about a key.
    pub fn refuse(&self, key: &str, problem: impl Into<String>) -> Error {
        Error::Key { path: self.path.clone(), key: key.to_owned(), problem: problem.into() }
    }

    /// Adds something the user should know.
    pub fn note(&mut self, note: String) {
        self.notes.push(format!("{}: {note}", self.path.display()));
    }

    /// Takes a value that is there and not null.
    pub fn take(&mut self, key: &str) -> Option<Value> {
        self.known.insert(key.to_owned());
        self.json.remove(key).filter(|value| !value.is_null())
    }

    /// Returns whether a key that nobody took is there and null.
    pub fn is_null(&self, key: &str) -> bool {
        self.json.get(key).is_some_and(Value::is_null)
    }

    /// Takes a string, if there is one.
    ///
    /// # Errors
    /// A value of another type.
    pub fn text(&mut self, key: &str) -> Result<Option<String>, Error> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.refuse(key, format!("is {other}, not a string"))),
        }
    }

    /// Takes a string that must be there.
    ///
    /// # Errors
    /// The string is missing, or the value has another type.
    pub fn required_text(&mut self, key: &str) -> Result<String, Error> {
        let text = self.text(key)?;
        text.ok_or_else(|| self.refuse(key, "is missing: it has no default"))
    }

    /// Takes a number in a range.
    ///
    /// # Errors
    /// A value of another type, or outside the range.
    pub fn number(&mut self, key: &str, default: f64, range: impl RangeBounds<f64>) -> Result<f64, Error> {
        let Some(value) = self.take(key) else { return Ok(default) };
        let number = value.as_f64().filter(|number| range.contains(number));
        number.ok_or_else(|| self.refuse(key, format!("is {value}, not a number {}", described(&range))))
    }

    /// Takes a number, if there is one.
    ///
    /// # Errors
    /// A value of another type.
    pub fn optional_number(&mut self, key: &str) -> Result<Option<f64>, Error> {
        match self.take(key) {
            None => Ok(None),
            Some(value) => match value.as_f64() {
                Some(number) => Ok(Some(number)),
                None => Err(self.refuse(key, format!("is {value}, not a number"))),
            },
        }
    }

    /// Takes a whole number above 0, if there is one.
    ///
    /// # Errors
    /// Any other value.
    pub fn optional_size(&mut self, key: &str) -> Result<Option<usize>, Error> {
        self.size_up_to(key, LARGEST_SIZE)
    }

    /// Takes a whole number from 1 to `largest`, if there is one.
    ///
    /// # Errors
    /// Any other value.
    pub fn size_up_to(&mut self, key: &str, largest: u64) -> Result<Option<usize>, Error> {
        let Some(value) = self.take(key) else { return Ok(None) };
        match value.as_u64() {
            Some(size) if (1..=largest).contains(&size) => Ok(Some(size as usize)),
            _ => Err(self.refuse(key, format!("is {value}, not a whole number from 1 to {largest}"))),
        }
    }

    /// Takes a whole number above 0. Without a default it must be there.
    ///
    /// # Errors
    /// Any other value, or none where there must be one.
    pub fn size(&mut self, key: &str, default: Option<usize>) -> Result<usize, Error> {
        let size = self.optional_size(key)?.or(default);
        size.ok_or_else(|| self.refuse(key, "is missing: it has no default"))
    }

    /// Takes a truth value.
    ///
    /// # Errors
    /// A value of another type.
    pub fn flag(&mut self, key: &str, default: bool) -> Result<bool, Error> {
        match self.take(key) {
            None => Ok(default),
            Some(Value::Bool(on)) => Ok(on),
            Some(other) => Err(self.refuse(key, format!("is {other}, neither true nor false"))),
        }
    }

    /// Returns the keys that were asked for, whether they are there or not.
    pub fn known(&self) -> impl Iterator<Item = &str> {
        self.known.iter().map(String::as_str)
    }

    /// Returns the keys that nobody took, for a caller that does not refuse them.
    pub fn left_over(&self) -> impl Iterator<Item = &str> {
        self.json.keys().map(String::as_str)
    }

    /// Refuses keys that nobody took, and returns the notes.
    ///
    /// # Errors
    /// The first unknown key, with the known key that is most like it.
    pub fn finish(self) -> Result<Vec<String>, Error> {
        let Some(key) = self.json.keys().next() else { return Ok(self.notes) };
        let hint = match closest(key, self.known.iter().map(String::as_str)) {
            Some(known) => format!("did you mean `{known}`?"),
            None => "remove it".to_owned(),
        };
        Err(self.refuse(key, format!("is not a key that is known here: {hint}")))
    }
}

/// Describes a range of numbers: `from 0 to below 1`. The ends of `f64` stand for "above 0" and for no bound.
fn described(range: &impl RangeBounds<f64>) -> String {
    let start = match range.start_bound() {
        Bound::Included(&f64::MIN_POSITIVE) => "above 0".to_owned(),
        Bound::Included(x) => format!("from {x}"),
        Bound::Excluded(x) => format!("above {x}"),
        Bound::Unbounded => String::new(),
    };
    let end = match range.end_bound() {
        Bound::Included(&f64::MAX) | Bound::Unbounded => String::new(),
        Bound::Included(x) => format!(" to {x}"),
        Bound::Excluded(x) => format!(" to below {x}"),
    };
    start + &end
}
