//! What requests choose: `parameters` of all dialects that have them, and the inputs.

use crate::engine::{Answer, Job};
use crate::http::App;
use crate::json::{Fields, strings};
use crate::refusal::{Kind, Refusal};
use crate::route::offsets::OffsetUnit;
use crate::settings::Limits;
use serde_json::Value;
use std::collections::HashSet;
use std::time::{Duration, Instant};
use tagsmith_app::predict::tagger::{Choices, Decoding};
use tagsmith_message::counted;
use tagsmith_text::align::aggregate::{OUTSIDE, Strategy};
use tagsmith_text::tagged::{Content, Input};

/// Choices that several dialects have.
#[derive(Debug, Default)]
pub struct Parameters {
    /// What the tagger is asked.
    pub choices: Choices,
    /// Labels whose entities are left out.
    pub ignored: HashSet<String>,
    /// What offsets count.
    pub unit: OffsetUnit,
    /// How long the request waits at most.
    pub deadline: Option<Duration>,
}

impl Parameters {
    /// Takes the parameters that dialects share.
    ///
    /// # Errors
    /// A parameter of another type; more labels than the limit.
    pub fn take(fields: &mut Fields, limits: &Limits) -> Result<Parameters, Refusal> {
        let strategy = fields.choice("aggregation_strategy", Strategy::named, &Strategy::NAMES)?;
        let decoding = fields.choice("decoding", Decoding::named, &Decoding::NAMES)?;
        let unit = fields.choice("offset_unit", OffsetUnit::named, &OffsetUnit::NAMES)?;
        let ignored = fields.texts("ignore_labels")?;
        // What is outside of entities is left out, unless a request names what to leave out and `O` is not among it.
        let outside = ignored.as_ref().is_some_and(|labels| !labels.iter().any(|label| label == OUTSIDE));
        let choices = Choices {
            strategy,
            in_pieces: None,
            outside: outside.then_some(true),
            stride: fields.count("stride")?,
            labels: labels(fields, limits)?,
            threshold: threshold(fields)?,
            decoding,
            operating_point: fields.text("operating_point")?,
        };
        let ignored: HashSet<String> = ignored.unwrap_or_default().into_iter().collect();
        let deadline = fields.count("deadline_ms")?.map(|milliseconds| Duration::from_millis(milliseconds as u64));
        Ok(Parameters { choices, ignored, unit: unit.unwrap_or_default(), deadline })
    }
}

/// Takes a threshold: a number, or the name of a learned one.
fn threshold(fields: &mut Fields) -> Result<Option<String>, Refusal> {
    match fields.take("threshold") {
        None => Ok(None),
        Some(Value::String(name)) => Ok(Some(name)),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(_) => Err(fields.wrong("threshold", "a number or a name")),
    }
}

/// Takes labels: a list of names, or an object of names and descriptions.
fn labels(fields: &mut Fields, limits: &Limits) -> Result<Option<Value>, Refusal> {
    let Some(labels) = fields.take("labels") else { return Ok(None) };
    let is_text = |value: &Value| value.is_string();
    let (count, is_right) = match &labels {
        Value::Array(names) => (names.len(), names.iter().all(is_text)),
        Value::Object(names) => (names.len(), names.values().all(|said| said.is_null() || is_text(said))),
        _ => (0, false),
    };
    if !is_right {
        return Err(fields.wrong("labels", "a list of names or an object of names and descriptions"));
    }
    if count > limits.labels {
        let (name, most) = (fields.name("labels"), limits.labels);
        let message = format!("`{name}` has {}, and {most} are the most", counted(count, "label"));
        return Err(Refusal::new(Kind::TooLarge, message));
    }
    Ok(Some(labels))
}

/// Tags texts.
///
/// # Errors
/// Texts beyond the limits; what the engine refuses.
pub async fn tag(app: &App, texts: Vec<String>, choices: Choices, deadline: Instant) -> Result<Answer, Refusal> {
    let inputs = inputs(texts.into_iter().map(Content::Text).collect(), &app.settings.limits)?;
    app.engine.tag(Job { inputs, choices, deadline, may_cache: true }).await
}

/// Returns inputs as the engine takes them.
///
/// # Errors
/// More inputs, or a longer one, than the limits allow.
pub fn inputs(contents: Vec<Content>, limits: &Limits) -> Result<Vec<Input>, Refusal> {
    if contents.len() > limits.inputs {
        let (given, most) = (counted(contents.len(), "input"), limits.inputs);
        let message = format!("the request has {given}, and {most} are the most: send several requests or a stream");
        return Err(Refusal::new(Kind::TooLarge, message));
    }
    let input = |(number, content): (usize, Content)| {
        bounded(&content, &format!("inputs[{number}]"), limits)?;
        Ok(Input { place: format!("inputs[{number}]"), content })
    };
    contents.into_iter().enumerate().map(input).collect()
}

/// Refuses an input that is longer than the limit.
///
/// # Errors
/// More characters than the limit.
pub fn bounded(content: &Content, place: &str, limits: &Limits) -> Result<(), Refusal> {
    let characters = match content {
        Content::Text(text) => text.chars().count(),
        Content::Words(words) => words.iter().map(|word| word.chars().count() + 1).sum(),
    };
    if characters > limits.characters {
        let most = limits.characters;
        let message = format!("`{place}` has {characters} characters, and {most} are the most: send it in parts");
        return Err(Refusal::new(Kind::TooLarge, message));
    }
    Ok(())
}

/// Returns the texts of a value that is a text or a list of texts, and whether it is a list.
///
/// # Errors
/// A value of another type.
pub fn texts(value: Value, name: &str) -> Result<(Vec<String>, bool), Refusal> {
    match value {
        Value::String(text) => Ok((vec![text], false)),
        list @ Value::Array(_) => {
            let wrong = || Refusal::validation(format!("`{name}` is not a list of texts"));
            Ok((strings(list).ok_or_else(wrong)?, true))
        }
        _ => Err(Refusal::validation(format!("`{name}` is neither a text nor a list of texts"))),
    }
}
