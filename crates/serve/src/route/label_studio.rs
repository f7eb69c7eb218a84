//! Label Studio's dialect of a machine learning backend: `/predict` with `tasks`, `/setup`, `/webhook`, `/versions`.
//!
//! Every task gets exactly one prediction, in the order of the tasks, also where nothing is found: Label Studio matches them by place.

mod config;
pub mod training;

use super::parameters::tag;
use crate::engine::Document;
use crate::http::{App, Reply, body, json_about, json_of};
use crate::json::Fields;
use crate::refusal::{Kind, Refusal};
use crate::settings::TaskScore;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode};
use config::Config;
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Instant;
use tagsmith_app::predict::tagger::Choices;
use training::Wish;

/// The score of a task in which nothing is found: nothing is in doubt. Label Studio's library refuses more than 1.
const NOTHING_FOUND: f32 = 1.0;

/// The event of the button "Start training".
const START: &str = "START_TRAINING";

/// Events that Label Studio sends.
const EVENTS: [&str; 4] = ["ANNOTATION_CREATED", "ANNOTATION_UPDATED", "ANNOTATION_DELETED", START];

/// An answer.
#[derive(Serialize)]
struct Results<'d> {
    results: Vec<Prediction<'d>>,
}

/// A task's prediction.
#[derive(Serialize)]
struct Prediction<'d> {
    model_version: &'d str,
    score: f32,
    result: Vec<Region<'d>>,
}

/// A labeled part of a text.
#[derive(Serialize)]
struct Region<'d> {
    id: String,
    from_name: &'d str,
    to_name: &'d str,
    #[serde(rename = "type")]
    kind: &'static str,
    score: f32,
    value: Labeled<'d>,
}

#[derive(Serialize)]
struct Labeled<'d> {
    start: u32,
    end: u32,
    text: &'d str,
    labels: [&'d str; 1],
}

/// Predicts tasks. Labels that the project does not have are left out; the header `x-tagsmith-dropped` counts them.
///
/// # Errors
/// A configuration without labels for texts; a task without the text.
pub async fn predict(app: &App, body: Value, deadline: Instant) -> Reply {
    let mut fields = Fields::of(body, "")?;
    let Some(Value::Array(tasks)) = fields.take("tasks") else { return Err(fields.wrong("tasks", "a list of tasks")) };
    let config = fields.text("label_config")?.ok_or_else(|| fields.wrong("label_config", "there"))?;
    // They say who asks, and for what, which changes no prediction.
    for name in ["project", "params", "model_version", "hostname"] {
        fields.take(name);
    }
    fields.end()?;
    let config = Config::read(&config)?;
    let text = |(number, task): (usize, &Value)| {
        let text = task.get("data").and_then(|data| data.get(&config.key)).and_then(Value::as_str);
        let problem =
            || Refusal::validation(format!("`tasks[{number}].data` has no text under the key of the configuration"));
        text.map(str::to_owned).ok_or_else(problem)
    };
    let texts = tasks.iter().enumerate().map(text).collect::<Result<Vec<String>, Refusal>>()?;
    let tagger = app.engine.tagger();
    let brings_labels = tagger.scores_spans() && !tagger.has_labels();
    let choices = Choices { labels: brings_labels.then(|| json!(config.values())), ..Choices::default() };
    let answer = tag(app, texts, choices, deadline).await?;
    let version = version(app);
    let mut dropped = 0;
    let mut results = Vec::new();
    for (number, document) in answer.documents.iter().enumerate() {
        let result: Vec<Region<'_>> = regions(document, &config, number).collect();
        dropped += document.tagged.entities.len() - result.len();
        let score = task_score(app.settings.task_score, result.iter().map(|region| region.score));
        results.push(Prediction { model_version: &version, score, result });
    }
    let results = Results { results };
    let mut response = json_about(&results, &answer, app)?;
    if dropped > 0 {
        response.headers_mut().insert("x-tagsmith-dropped", HeaderValue::from(dropped));
    }
    Ok(response)
}

fn regions<'d>(document: &'d Document, config: &'d Config, task: usize) -> impl Iterator<Item = Region<'d>> {
    let region = move |(number, entity): (usize, &'d tagsmith_text::tagged::Mention)| {
        let label = config.label(&entity.label)?;
        Some(Region {
            id: format!("t{task}e{number}"),
            from_name: &config.from_name,
            to_name: &config.to_name,
            kind: "labels",
            score: entity.score,
            value: Labeled { start: entity.start, end: entity.end, text: &entity.text, labels: [label] },
        })
    };
    document.tagged.entities.iter().enumerate().filter_map(region)
}

fn task_score(way: TaskScore, scores: impl Iterator<Item = f32>) -> f32 {
    let (least, sum, count) = scores
        .fold((NOTHING_FOUND, 0.0, 0u32), |(least, sum, count), score| (score.min(least), sum + score, count + 1));
    match (way, count) {
        (_, 0) => NOTHING_FOUND,
        (TaskScore::Min, _) => least,
        (TaskScore::Mean, _) => sum / count as f32,
    }
}

/// Accepts a project whose labels are for texts, and says which model answers.
pub async fn setup(State(app): State<Arc<App>>, request: Request) -> Reply {
    let mut fields = Fields::of(body::json(&app, request).await?, "")?;
    for name in ["project", "hostname", "access_token", "extra_params", "label_config", "params", "model_version"] {
        fields.take(name);
    }
    let schema = fields.text("schema")?.ok_or_else(|| fields.wrong("schema", "there"))?;
    fields.end()?;
    Config::read(&schema)?;
    json_of(&json!({ "model_version": version(&app) }))
}

/// Hears of an event. "Start training" begins the caller's command, if there is one; the answer says what happens.
pub async fn webhook(State(app): State<Arc<App>>, request: Request) -> Reply {
    let body = body::json(&app, request).await?;
    let action = body.get("action").and_then(Value::as_str);
    let action = action.ok_or_else(|| Refusal::validation("`action` is not a text"))?;
    if !EVENTS.contains(&action) {
        return json_of(&json!({ "status": "Unknown event" }));
    }
    let (job, message) = match &app.training {
        None => (None, "this server does not train"),
        Some(_) if action != START => (None, "only `START_TRAINING` begins a training"),
        Some(training) => match training.begin(&body).map_err(|error| Refusal::new(Kind::Internal, error))? {
            Wish::Began(number) => (Some(number), "the training began"),
            Wish::Busy => (None, "an earlier training still runs"),
        },
    };
    let mut response = json_of(&json!({ "result": { "job": job, "message": message }, "status": "ok" }))?;
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

/// Lists the one version of the model.
pub async fn versions(State(app): State<Arc<App>>) -> Reply {
    json_of(&json!({ "versions": [version(&app)] }))
}

/// Returns the name under which predictions are kept: another model has another.
fn version(app: &App) -> String {
    let digits = app.model.fingerprint.trim_start_matches("sha256:");
    format!("tagsmith-{}", digits.get(..8).unwrap_or(digits))
}
