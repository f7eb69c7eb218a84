//! Words of a command line, and JSON, as values of their option's kind.

use super::option::{Kind, Opt};
use serde_json::{Map, Value as Json};
use std::fs;

/// A value of an option.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Flag(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<String>),
    Dict(Map<String, Json>),
}

/// What a value of this kind looks like, for messages.
pub fn expected(kind: Kind) -> String {
    match kind {
        Kind::Flag => "true or false (yes, t, y, 1, no, f, n, 0)".into(),
        Kind::Int => "a whole number".into(),
        Kind::Float => "a number".into(),
        Kind::Text => "a value".into(),
        Kind::Choice(words) => format!("one of {}", words.join(", ")),
        Kind::List => "one or more values".into(),
        Kind::Dict => "a JSON object, or a file that holds one".into(),
    }
}

impl Value {
    /// One word as a value of this kind.
    pub fn from_word(kind: Kind, word: &str) -> Option<Value> {
        match kind {
            Kind::Flag => truth(word).map(Value::Flag),
            Kind::Int => word.parse().ok().map(Value::Int),
            Kind::Float => word.parse().ok().filter(|x: &f64| x.is_finite()).map(Value::Float),
            Kind::Text => Some(Value::Text(word.into())),
            Kind::Choice(words) => words.contains(&word).then(|| Value::Text(word.into())),
            Kind::List => Some(Value::List(vec![word.into()])),
            Kind::Dict if word.starts_with('{') => serde_json::from_str(word).ok().map(coerced).map(Value::Dict),
            Kind::Dict => {
                let text = fs::read_to_string(word).ok()?;
                serde_json::from_str(&text).ok().map(Value::Dict)
            }
        }
    }

    /// A JSON value as a value of this kind; nothing is coerced.
    pub fn from_json(kind: Kind, json: &Json) -> Option<Value> {
        match (kind, json) {
            (Kind::Flag, Json::Bool(truth)) => Some(Value::Flag(*truth)),
            (Kind::Int, Json::Number(number)) => number.as_i64().map(Value::Int),
            (Kind::Float, Json::Number(number)) => number.as_f64().map(Value::Float),
            (Kind::List, Json::Array(items)) => {
                items.iter().map(|item| item.as_str().map(String::from)).collect::<Option<_>>().map(Value::List)
            }
            (Kind::Dict, Json::Object(map)) => Some(Value::Dict(map.clone())),
            // Names that a command line parts by commas, as a run's own file lists them.
            (Kind::Text, Json::Array(names)) => {
                let names: Option<Vec<&str>> = names.iter().map(Json::as_str).collect();
                names.map(|names| Value::Text(names.join(",")))
            }
            (Kind::Text | Kind::Choice(_) | Kind::List | Kind::Dict, Json::String(word)) => {
                Value::from_word(kind, word)
            }
            _ => None,
        }
    }

    /// A default of the table or of a program.
    pub fn of_default(option: &Opt, word: &str) -> Value {
        Value::from_word(option.kind, word)
            .unwrap_or_else(|| panic!("the default of `{}` is not {}", option.name, expected(option.kind)))
    }

    /// Whether giving this value is like not giving the option, whose default is `default`; an empty text is like none.
    pub fn is_default(&self, default: Option<&Value>) -> bool {
        match default {
            Some(default) => self == default,
            None => match self {
                Value::Text(text) => text.is_empty(),
                Value::List(words) => words.iter().all(String::is_empty),
                Value::Dict(map) => map.is_empty(),
                Value::Flag(on) => !on,
                _ => false,
            },
        }
    }

    /// Returns the value as one would type it.
    pub fn typed(&self) -> String {
        match self {
            Value::Flag(on) => on.to_string(),
            Value::Int(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
            Value::Text(text) => text.clone(),
            Value::List(words) => words.join(" "),
            Value::Dict(map) => Json::Object(map.clone()).to_string(),
        }
    }
}

fn truth(word: &str) -> Option<bool> {
    match word.to_lowercase().as_str() {
        "yes" | "true" | "t" | "y" | "1" => Some(true),
        "no" | "false" | "f" | "n" | "0" => Some(false),
        _ => None,
    }
}

/// The strings inside an object typed on the command line become what they spell: truth values and numbers.
fn coerced(map: Map<String, Json>) -> Map<String, Json> {
    map.into_iter()
        .map(|(key, value)| {
            let value = match value {
                Json::Object(inner) => Json::Object(coerced(inner)),
                Json::String(text) => leaf(text),
                other => other,
            };
            (key, value)
        })
        .collect()
}

fn leaf(text: String) -> Json {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.to_lowercase().as_str() {
        "true" => return Json::Bool(true),
        "false" => return Json::Bool(false),
        _ => {}
    }
    if digits(&text) || digits(&text.replacen('.', "", 1)) {
        return serde_json::from_str(&text).unwrap_or(Json::String(text));
    }
    Json::String(text)
}
