//! `lr_scheduler_kwargs`, read so that nothing in it is ignored.

use crate::error::Error;
use serde_json::{Map, Value};

/// A schedule's keyword arguments; each key asked for is one the schedule takes.
pub(crate) struct Keywords<'a> {
    schedule: &'a str,
    given: &'a Map<String, Value>,
    taken: Vec<String>,
}

impl<'a> Keywords<'a> {
    pub(crate) fn new(schedule: &'a str, given: &'a Map<String, Value>) -> Self {
        Keywords { schedule, given, taken: Vec::new() }
    }

    pub(crate) fn number(&mut self, key: &str) -> Result<Option<f64>, Error> {
        let Some(value) = self.take(key) else { return Ok(None) };
        value.as_f64().map(Some).ok_or_else(|| wrong(key, &format!("`{value}`"), "a number"))
    }

    pub(crate) fn positive(&mut self, key: &str) -> Result<Option<f64>, Error> {
        match self.number(key)? {
            Some(value) if value <= 0.0 => Err(wrong(key, &value.to_string(), "above 0")),
            found => Ok(found),
        }
    }

    pub(crate) fn count(&mut self, key: &str) -> Result<Option<u64>, Error> {
        let Some(value) = self.take(key) else { return Ok(None) };
        value.as_u64().map(Some).ok_or_else(|| wrong(key, &format!("`{value}`"), "a whole number"))
    }

    pub(crate) fn choice<T: Copy>(&mut self, key: &str, choices: &[(&str, T)]) -> Result<Option<T>, Error> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let found = choices.iter().find(|(name, _)| value.as_str() == Some(*name));
        found.map(|&(_, choice)| Some(choice)).ok_or_else(|| {
            let names: Vec<&str> = choices.iter().map(|&(name, _)| name).collect();
            wrong(key, &format!("`{value}`"), &format!("one of {}", names.join(", ")))
        })
    }

    /// Refuses what was given but never asked for.
    pub(crate) fn finish(self) -> Result<(), Error> {
        let Some(unknown) = self.given.keys().find(|key| !self.taken.contains(key)) else { return Ok(()) };
        let mut takes: Vec<String> = self.taken.iter().map(|key| format!("`{key}`")).collect();
        takes.dedup();
        Err(Error::setting(format!(
            "`{}` takes no `{unknown}` in `lr_scheduler_kwargs`: it takes {}",
            self.schedule,
            if takes.is_empty() { "none".to_owned() } else { takes.join(", ") }
        )))
    }

    fn take(&mut self, key: &str) -> Option<&'a Value> {
        self.taken.push(key.to_owned());
        self.given.get(key)
    }
}

fn wrong(key: &str, found: &str, should_be: &str) -> Error {
    Error::setting(format!("`lr_scheduler_kwargs`: `{key}` is {found}, but should be {should_be}"))
}
