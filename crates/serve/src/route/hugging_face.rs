//! Hugging Face's dialect: what `InferenceClient.token_classification` asks, and what transformers' pipeline answers.
//!
//! SageMaker (`/invocations`) asks the same; Vertex packs it into `instances`. Every text is read whole: `stride` is the overlap
//! of windows, and nothing is cut.

use super::label_studio;
use super::parameters::{Parameters, inputs, texts};
use crate::engine::{Answer, Document, Job};
use crate::http::{App, Deadline, Reply, body, json_about};
use crate::json::Fields;
use crate::refusal::{Kind, Refusal};
use crate::route::offsets::Offsets;
use axum::extract::{Path, Request, State};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Instant;
use tagsmith_text::align::aggregate::Strategy;
use tagsmith_text::tagged::{Content, Mention};

/// An entity, or a piece, as transformers' pipeline writes it.
#[derive(Serialize)]
struct Found<'d> {
    #[serde(skip_serializing_if = "Option::is_none")]
    entity_group: Option<&'d str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entity: Option<&'d str>,
    score: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u32>,
    word: &'d str,
    start: u32,
    end: u32,
}

/// An answer as Vertex packs it.
#[derive(Serialize)]
struct Predictions<'d> {
    predictions: Vec<Vec<Found<'d>>>,
}

/// Answers whatever is sent to `/`: its fields say whose dialect it is.
pub async fn any(State(app): State<Arc<App>>, request: Request) -> Reply {
    let deadline = deadline(&request);
    let query = request.uri().query().map(str::to_owned);
    let body = body::json(&app, request).await?;
    let has = |key: &str| body.get(key).is_some();
    if has("instances") {
        return vertex(&app, body, deadline).await;
    }
    if has("inputs") {
        return answer(&app, body, query.as_deref(), deadline).await;
    }
    if has("tasks") {
        return label_studio::predict(&app, body, deadline).await;
    }
    Err(Refusal::validation("the body has none of `inputs`, `instances` and `tasks`"))
}

/// Answers under the path of the old Inference API, which names the model.
pub async fn of_model(state: State<Arc<App>>, Path(id): Path<String>, request: Request) -> Reply {
    if id != state.0.model.id {
        return Err(Refusal::new(Kind::NotFound, format!("this model is not here: `{}` is", state.0.model.id)));
    }
    any(state, request).await
}

/// Returns the time after which nobody waits.
pub fn deadline(request: &Request) -> Instant {
    request.extensions().get::<Deadline>().expect("the frame notes it").0
}

/// What a request asks.
struct Asked {
    parameters: Parameters,
    strategy: Strategy,
}

async fn answer(app: &App, body: Value, query: Option<&str>, deadline: Instant) -> Reply {
    let mut fields = Fields::of(body, "")?;
    let (texts, is_list) = texts(fields.take("inputs").ok_or_else(|| fields.wrong("inputs", "there"))?, "inputs")?;
    let given = match fields.take("parameters") {
        Some(parameters) => Fields::of(parameters, "parameters")?,
        None => Fields::of(of_query(query), "parameters")?,
    };
    let may_cache = options(&mut fields)?;
    fields.end()?;
    let asked = asked(app, given)?;
    let answer = tag(app, texts, &asked, deadline, may_cache).await?;
    let found: Vec<Vec<Found<'_>>> = answer.documents.iter().map(|document| shown(document, &asked)).collect();
    match (is_list, found.first()) {
        (false, Some(only)) => json_about(only, &answer, app),
        _ => json_about(&found, &answer, app),
    }
}

/// Answers `instances`, which are texts or objects with `inputs` or `text`.
async fn vertex(app: &App, body: Value, deadline: Instant) -> Reply {
    let mut fields = Fields::of(body, "")?;
    let Some(Value::Array(instances)) = fields.take("instances") else {
        return Err(fields.wrong("instances", "a list"));
    };
    let given = match fields.take("parameters") {
        Some(parameters) => Fields::of(parameters, "parameters")?,
        None => Fields::none("parameters"),
    };
    fields.end()?;
    let text = |instance: Value| match instance {
        Value::String(text) => Ok(text),
        Value::Object(mut object) => match object.shift_remove("inputs").or_else(|| object.shift_remove("text")) {
            Some(Value::String(text)) => Ok(text),
            _ => Err(Refusal::validation("an object of `instances` has no text under `inputs` or `text`")),
        },
        _ => Err(Refusal::validation("`instances` holds something that is neither a text nor an object")),
    };
    let texts = instances.into_iter().map(text).collect::<Result<Vec<String>, Refusal>>()?;
    let asked = asked(app, given)?;
    let answer = tag(app, texts, &asked, deadline, true).await?;
    let found: Vec<Vec<Found<'_>>> = answer.documents.iter().map(|document| shown(document, &asked)).collect();
    json_about(&Predictions { predictions: found }, &answer, app)
}

/// Takes `options` of the old Inference API. Returns whether answers may be kept.
fn options(fields: &mut Fields) -> Result<bool, Refusal> {
    let Some(options) = fields.take("options") else { return Ok(true) };
    let mut options = Fields::of(options, "options")?;
    let may_cache = options.truth("use_cache")?.unwrap_or(true);
    // The model is loaded, so nobody waits for it.
    options.truth("wait_for_model")?;
    options.truth("use_gpu")?;
    options.end()?;
    Ok(may_cache)
}

/// Returns parameters that stand in the query. What looks like JSON is JSON.
pub fn of_query(query: Option<&str>) -> Value {
    let pairs = query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    let plain = |text: &str| {
        let spaced = text.replace('+', " ");
        percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
    };
    let value = |text: &str| {
        let text = plain(text);
        serde_json::from_str(&text).unwrap_or(Value::String(text))
    };
    Value::Object(pairs.map(|(name, text)| (plain(name), value(text))).collect::<Map<String, Value>>())
}

fn asked(app: &App, mut fields: Fields) -> Result<Asked, Refusal> {
    let mut parameters = Parameters::take(&mut fields, &app.settings.limits)?;
    fields.end()?;
    let default = if app.settings.hf_default_none { Strategy::None } else { Strategy::Simple };
    let mut strategy = parameters.choices.strategy.unwrap_or(default);
    if app.engine.tagger().scores_spans() {
        // Whole spans are scored: there is nothing to put together, and clients always name a strategy.
        (strategy, parameters.choices.strategy) = (Strategy::First, None);
    } else {
        (parameters.choices.strategy, parameters.choices.in_pieces) = (Some(strategy), Some(true));
    }
    Ok(Asked { parameters, strategy })
}

async fn tag(
    app: &App,
    texts: Vec<String>,
    asked: &Asked,
    deadline: Instant,
    may_cache: bool,
) -> Result<Answer, Refusal> {
    let contents = texts.into_iter().map(Content::Text).collect();
    let deadline = asked.parameters.deadline.map_or(deadline, |wait| deadline.min(Instant::now() + wait));
    let inputs = inputs(contents, &app.settings.limits)?;
    app.engine.tag(Job { inputs, choices: asked.parameters.choices.clone(), deadline, may_cache }).await
}

/// Returns a document's entities as the pipeline shows them.
fn shown<'d>(document: &'d Document, Asked { parameters, strategy }: &Asked) -> Vec<Found<'d>> {
    let offsets = Offsets::new(&document.tagged.text, parameters.unit);
    let found = |mention: &'d Mention| {
        let is_piece = *strategy == Strategy::None;
        let pieces = mention.in_pieces.as_ref();
        let (start, end) = pieces.map_or((mention.start, mention.end), |pieces| (pieces.start, pieces.end));
        Found {
            entity_group: (!is_piece).then_some(&mention.label),
            entity: is_piece.then_some(&mention.label),
            score: mention.score,
            index: pieces.filter(|_| is_piece).map(|pieces| pieces.index),
            word: pieces.map_or(mention.text.as_str(), |pieces| pieces.word.as_str()),
            start: offsets.of(start),
            end: offsets.of(end),
        }
    };
    let entities = document.tagged.entities.iter().filter(|it| !parameters.ignored.contains(&it.label));
    entities.map(found).collect()
}
