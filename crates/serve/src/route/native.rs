//! The native dialect: everything that a tagger knows, for texts and for words, one by one or as a stream.

use super::hugging_face::deadline;
use super::parameters::{Parameters, inputs};
use crate::engine::{Document, Job};
use crate::http::{App, Model, Reply, body, json_about};
use crate::json::{Fields, strings};
use crate::refusal::Refusal;
use crate::route::offsets::Offsets;
use axum::extract::{Request, State};
use serde::Serialize;
use serde_json::Value;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;
use tagsmith_app::predict::tagger::Encoder;
use tagsmith_text::tagged::{Content, Mention};

/// An answer.
#[derive(Serialize)]
struct Tagged<'d> {
    model: &'d Model,
    results: Vec<Shown<'d>>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    notes: &'d [String],
}

/// One input's result.
#[derive(Serialize)]
pub(super) struct Shown<'d> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'d Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entities: Option<Vec<Entity<'d>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<&'d [String]>,
    /// The words' labels: none where entities may overlap.
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<Vec<&'d str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scores: Option<Vec<f32>>,
    read: Read,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    notes: &'d [String],
}

/// An entity, in the unit that the client counts in.
#[derive(Serialize)]
pub struct Entity<'d> {
    /// The text between `start` and `end`.
    pub text: &'d str,
    /// The type.
    pub label: &'d str,
    /// The probability that the model gives it.
    pub score: f32,
    /// Where it starts.
    pub start: u32,
    /// One past its end.
    pub end: u32,
}

/// How much of an input the model read.
#[derive(Serialize)]
struct Read {
    characters: usize,
    pieces: usize,
    windows: usize,
    /// Where the first word begins whose end was not read; none where all was read.
    truncated_at: Option<u32>,
}

/// An input and its name.
pub(super) struct Named {
    pub id: Option<Value>,
    pub content: Content,
}

/// Whatever an answer depends on beside its inputs.
pub(super) struct Asked {
    pub parameters: Parameters,
    shows_entities: bool,
    shows_words: bool,
}

/// Tags texts and words.
pub async fn tag(State(app): State<Arc<App>>, request: Request) -> Reply {
    let deadline = deadline(&request);
    let mut fields = Fields::of(body::json(&app, request).await?, "")?;
    let given = fields.take("inputs").ok_or_else(|| fields.wrong("inputs", "there"))?;
    let parameters = match fields.take("parameters") {
        Some(parameters) => Fields::of(parameters, "parameters")?,
        None => Fields::none("parameters"),
    };
    fields.end()?;
    let asked = asked(&app, parameters)?;
    let named: Vec<Named> = match given {
        Value::Array(items) => {
            let item = |(number, item)| named(item, &format!("inputs[{number}]"));
            items.into_iter().enumerate().map(item).collect::<Result<_, Refusal>>()?
        }
        one => vec![named(one, "inputs")?],
    };
    let (ids, contents): (Vec<Option<Value>>, Vec<Content>) = named.into_iter().map(|it| (it.id, it.content)).unzip();
    let inputs = inputs(contents, &app.settings.limits)?;
    let deadline = asked.parameters.deadline.map_or(deadline, |wait| deadline.min(Instant::now() + wait));
    let choices = asked.parameters.choices.clone();
    let answer = app.engine.tag(Job { inputs, choices, deadline, may_cache: true }).await?;
    let documents = ids.iter().zip(&answer.documents);
    let results = documents.map(|(id, document)| show(id.as_ref(), document, &answer.encoder, &asked)).collect();
    let tagged = Tagged { model: &app.model, results, notes: &answer.notes };
    json_about(&tagged, &answer, &app)
}

pub(super) fn asked(app: &App, mut fields: Fields) -> Result<Asked, Refusal> {
    let parameters = Parameters::take(&mut fields, &app.settings.limits)?;
    let shown = fields.texts("return")?;
    fields.end()?;
    let shown: HashSet<String> = shown.unwrap_or_else(|| vec!["entities".into()]).into_iter().collect();
    if let Some(other) = shown.iter().find(|name| !["entities", "words"].contains(&name.as_str())) {
        let other = tagsmith_message::quote(other);
        return Err(Refusal::validation(format!(
            "`parameters.return`: there is no {other}: there are entities, words"
        )));
    }
    Ok(Asked { parameters, shows_entities: shown.contains("entities"), shows_words: shown.contains("words") })
}

/// Returns an input: a text, or an object with `text` or `tokens`, and an `id` that comes back.
pub(super) fn named(value: Value, place: &str) -> Result<Named, Refusal> {
    if let Value::String(text) = value {
        return Ok(Named { id: None, content: Content::Text(text) });
    }
    let mut fields = Fields::of(value, place)?;
    let id = fields.take("id");
    if id.as_ref().is_some_and(|id| !(id.is_string() || id.is_number())) {
        return Err(fields.wrong("id", "a text or a number"));
    }
    let content = match (fields.text("text")?, fields.take("tokens")) {
        (Some(text), None) => Content::Text(text),
        (None, Some(words)) => Content::Words(strings(words).ok_or_else(|| fields.wrong("tokens", "a list of texts"))?),
        _ => return Err(Refusal::validation(format!("`{place}` needs `text` or `tokens`, one of them"))),
    };
    fields.end()?;
    Ok(Named { id, content })
}

/// Returns a document's entities, without those that the client does not want.
pub fn entities<'d>(document: &'d Document, parameters: &Parameters) -> Vec<Entity<'d>> {
    let offsets = Offsets::new(&document.tagged.text, parameters.unit);
    let entity = |it: &'d Mention| Entity {
        text: &it.text,
        label: &it.label,
        score: it.score,
        start: offsets.of(it.start),
        end: offsets.of(it.end),
    };
    let wanted = document.tagged.entities.iter().filter(|it| !parameters.ignored.contains(&it.label));
    wanted.map(entity).collect()
}

/// Returns what a client sees of a document.
pub(super) fn show<'d>(
    id: Option<&'d Value>,
    document: &'d Document,
    encoder: &'d Encoder,
    asked: &Asked,
) -> Shown<'d> {
    let tagged = &document.tagged;
    let offsets = Offsets::new(&tagged.text, asked.parameters.unit);
    let has_labels = asked.shows_words && tagged.labels.len() == tagged.words.len();
    let names = encoder.labels();
    Shown {
        id,
        entities: asked.shows_entities.then(|| entities(document, &asked.parameters)),
        words: asked.shows_words.then_some(&tagged.words),
        labels: has_labels.then(|| tagged.labels.iter().map(|word| names[word.label as usize].as_str()).collect()),
        scores: has_labels.then(|| tagged.labels.iter().map(|word| word.probability).collect()),
        read: Read {
            characters: document.characters,
            pieces: document.pieces,
            windows: document.windows,
            truncated_at: document.unread_from.map(|at| offsets.of(at)),
        },
        notes: &document.notes,
    }
}
