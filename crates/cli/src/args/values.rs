//! From options as given to one value each: old names become new ones, what has no effect is said, what cannot be
//! honored is refused.

use crate::args::option::{DEVICE, Fate, Kind, Opt};
use crate::args::parse::{Given, UsageError, refusal_of};
use crate::args::program::{Program, RUN_NER};
use crate::args::table::OPTIONS;
use crate::args::value::{Value, expected};
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;

/// The values of the options that work, given or default.
#[derive(Debug)]
pub struct Values {
    given: BTreeMap<&'static str, Value>,
    program: Program,
}

impl Default for Values {
    fn default() -> Values {
        Values { given: BTreeMap::new(), program: RUN_NER }
    }
}

/// Settles what was given to a program. Returns the lines there are to say about it too.
pub fn settle(given: &[Given], program: &Program) -> Result<(Values, Vec<String>), UsageError> {
    let mut values = Values { given: BTreeMap::new(), program: *program };
    let mut lines = Vec::new();
    let mut replaced: Vec<(&Given, Vec<(&'static str, String)>)> = Vec::new();
    for one in last_of_each(given) {
        let Given { option, spelled, value } = one;
        if is_abbreviation(option, spelled) {
            lines.push(format!("`{spelled}` is read as `--{}`", option.name));
        }
        let default = program.default_value(option);
        let differs = !value.is_default(default.as_ref());
        match option.fate {
            // Where there is no default, `false` and the empty text say something too.
            Fate::Works if differs || default.is_none() => {
                values.given.insert(option.name, value.clone());
            }
            Fate::Works => {}
            Fate::NoEffect if differs => lines.push(format!("`--{}` changes nothing: {}", option.name, option.text)),
            Fate::Devices(without) if differs && without.contains(&value.typed().as_str()) => {
                lines.push(format!("`--{} {}` changes nothing: {}", option.name, value.typed(), option.text));
            }
            Fate::Refused | Fate::Devices(_) if differs => return Err(refusal_of(option, &value.typed())),
            Fate::Device(_) if !differs => {}
            Fate::Device(into) => {
                let device = into(&value.typed()).ok_or_else(|| refusal_of(option, &value.typed()))?;
                replaced.push((one, vec![(DEVICE, device)]));
            }
            Fate::NoEffect | Fate::Refused | Fate::Devices(_) => {}
            Fate::Renamed(to) => replaced.push((one, vec![(to, value.typed())])),
            Fate::Translated(into) => {
                let options = into(&value.typed()).ok_or_else(|| UsageError::WrongValue {
                    option: spelled.clone(),
                    value: value.typed(),
                    expected: format!("what `--{}` can say", option.text),
                    meant: None,
                })?;
                replaced.push((one, options));
            }
        }
    }
    // After the others, because the present name of an option wins over its old one.
    for (one, into) in replaced.iter().filter(|(_, into)| !into.is_empty()) {
        lines.push(values.replace(one, into)?);
    }
    Ok((values, lines))
}

impl Values {
    /// Gives the present options their values and says so.
    fn replace(&mut self, old: &Given, into: &[(&'static str, String)]) -> Result<String, UsageError> {
        let name = old.option.name;
        let mut said = Vec::new();
        for (to, word) in into {
            let option = row(to);
            if self.given.contains_key(to) {
                return Ok(format!("`--{name}` is left aside, for `--{to}` is given too"));
            }
            let value = Value::from_word(option.kind, word).ok_or_else(|| UsageError::WrongValue {
                option: old.spelled.clone(),
                value: word.clone(),
                expected: expected(option.kind),
                meant: None,
            })?;
            if matches!(option.fate, Fate::NoEffect) {
                return Ok(format!("`--{name}` changes nothing: {}", option.text));
            }
            self.given.insert(option.name, value);
            let word = if option.kind == Kind::Flag && word == "true" { String::new() } else { format!(" {word}") };
            said.push(format!("`--{to}{word}`"));
        }
        Ok(format!("`--{name}` is called {} now", said.join(" ")))
    }

    /// The option's value, or its default. An option that does not exist or does not work is our mistake.
    fn value(&self, name: &str) -> Option<Value> {
        let option = row(name);
        assert!(matches!(option.fate, Fate::Works), "`--{name}` does not work, so it has no value");
        self.given.get(name).cloned().or_else(|| self.program.default_value(option))
    }

    /// Whether the option was given a value, other than its default where it has one. What a program presets is not
    /// given.
    pub fn is_given(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    pub fn flag(&self, name: &str) -> bool {
        self.flag_if_given(name).unwrap_or(false)
    }

    pub fn flag_if_given(&self, name: &str) -> Option<bool> {
        match self.value(name)? {
            Value::Flag(on) => Some(on),
            other => panic!("`--{name}` is not a flag but {other:?}"),
        }
    }

    pub fn int(&self, name: &str) -> Option<i64> {
        match self.value(name)? {
            Value::Int(number) => Some(number),
            other => panic!("`--{name}` is not a whole number but {other:?}"),
        }
    }

    pub fn float(&self, name: &str) -> Option<f64> {
        match self.value(name)? {
            Value::Float(number) => Some(number),
            other => panic!("`--{name}` is not a number but {other:?}"),
        }
    }

    pub fn text(&self, name: &str) -> Option<String> {
        match self.value(name)? {
            Value::Text(text) => Some(text),
            other => panic!("`--{name}` is not a text but {other:?}"),
        }
    }

    pub fn list(&self, name: &str) -> Vec<String> {
        match self.value(name) {
            Some(Value::List(words)) => words,
            None => Vec::new(),
            Some(other) => panic!("`--{name}` is not a list but {other:?}"),
        }
    }

    pub fn dict(&self, name: &str) -> Map<String, Json> {
        match self.value(name) {
            Some(Value::Dict(map)) => map,
            None => Map::new(),
            Some(other) => panic!("`--{name}` is not an object but {other:?}"),
        }
    }
}

/// The row of the table that has this name.
fn row(name: &str) -> &'static Opt {
    OPTIONS.iter().find(|option| option.name == name).unwrap_or_else(|| panic!("there is no option `--{name}`"))
}

/// The last mention of each option, in the order of the table.
fn last_of_each(given: &[Given]) -> impl Iterator<Item = &Given> {
    OPTIONS.iter().filter_map(|option| given.iter().rev().find(|one| one.option.name == option.name))
}

fn is_abbreviation(option: &Opt, spelled: &str) -> bool {
    let stem = spelled.trim_start_matches('-').replace('-', "_");
    stem != option.name && stem != format!("no_{}", option.name)
}
