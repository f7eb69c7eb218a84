//! The dialect of GLiNER's server: one text and the labels to look for.

use super::hugging_face::deadline;
use super::native::{Entity, entities};
use super::parameters::{Parameters, tag};
use crate::http::{App, Reply, body, json_about};
use crate::json::Fields;
use crate::refusal::{Kind, Refusal};
use axum::extract::{Request, State};
use serde::Serialize;
use std::sync::Arc;
use tagsmith_app::predict::tagger::Decoding;
use tagsmith_spans::find::decode::Mode;

/// An answer.
#[derive(Serialize)]
struct Answer<'d> {
    entities: Vec<Found<'d>>,
}

/// An entity with GLiNER's keys, in their order.
#[derive(Serialize)]
struct Found<'d> {
    start: u32,
    end: u32,
    text: &'d str,
    label: &'d str,
    score: f32,
}

/// Finds entities of the given labels. Without `flat_ner` they may lie in one another, and with `multi_label` those of
/// different labels may share letters in any way.
pub async fn find(State(app): State<Arc<App>>, request: Request) -> Reply {
    if !app.engine.tagger().scores_spans() {
        let message = "this model finds labels of its own: ask `/v1/tag`, or serve a span tagger";
        return Err(Refusal::new(Kind::NotFound, message));
    }
    let deadline = deadline(&request);
    let mut fields = Fields::of(body::json(&app, request).await?, "")?;
    let text = fields.text("text")?.ok_or_else(|| fields.wrong("text", "there"))?;
    let is_flat = fields.truth("flat_ner")?.unwrap_or(true);
    let has_many = fields.truth("multi_label")?.unwrap_or(false);
    if !fields.has("labels") {
        return Err(fields.wrong("labels", "there"));
    }
    let mut asked = Parameters::take(&mut fields, &app.settings.limits)?;
    fields.end()?;
    asked.choices.decoding = Some(Decoding::Spans(match (has_many, is_flat) {
        (true, _) => Mode::PerType,
        (false, true) => Mode::Flat,
        (false, false) => Mode::Nested,
    }));
    let answer = tag(&app, vec![text], asked.choices.clone(), deadline).await?;
    let entities = entities(&answer.documents[0], &asked).into_iter().map(found).collect();
    json_about(&Answer { entities }, &answer, &app)
}

fn found(entity: Entity<'_>) -> Found<'_> {
    let Entity { text, label, score, start, end } = entity;
    Found { start, end, text, label, score }
}
