//! The dialect of detectors of guardrails (FMS, TrustyAI): contents in, a list of detections for each.

use super::hugging_face::deadline;
use super::native::{Entity, entities};
use super::parameters::{Parameters, tag};
use crate::http::{App, Reply, body, json_about};
use crate::json::{Fields, strings};
use axum::extract::{Request, State};
use serde::Serialize;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Instant;

/// The type of all detections.
const KIND: &str = "token_classification";

/// A detection.
#[derive(Serialize)]
struct Detection<'d> {
    start: u32,
    end: u32,
    text: &'d str,
    detection: &'d str,
    detection_type: &'static str,
    score: f32,
    evidence: [(); 0],
    metadata: Map<String, Value>,
}

/// Detects entities in contents. The header `detector-id` names a detector, and there is one: it is not looked at.
pub async fn contents(State(app): State<Arc<App>>, request: Request) -> Reply {
    let deadline = deadline(&request);
    let mut fields = Fields::of(body::json(&app, request).await?, "")?;
    let contents = fields.take("contents").ok_or_else(|| fields.wrong("contents", "there"))?;
    let texts = strings(contents).ok_or_else(|| fields.wrong("contents", "a list of texts"))?;
    let parameters = fields.take("detector_params");
    fields.end()?;
    let name = "detector_params";
    let mut parameters = parameters.map_or_else(|| Ok(Fields::none(name)), |it| Fields::of(it, name))?;
    let asked = Parameters::take(&mut parameters, &app.settings.limits)?;
    parameters.end()?;
    let deadline = asked.deadline.map_or(deadline, |wait| deadline.min(Instant::now() + wait));
    let answer = tag(&app, texts, asked.choices.clone(), deadline).await?;
    let documents = answer.documents.iter();
    let found: Vec<Vec<Detection<'_>>> =
        documents.map(|document| entities(document, &asked).into_iter().map(detection).collect()).collect();
    json_about(&found, &answer, &app)
}

fn detection(entity: Entity<'_>) -> Detection<'_> {
    Detection {
        start: entity.start,
        end: entity.end,
        text: entity.text,
        detection: entity.label,
        detection_type: KIND,
        score: entity.score,
        evidence: [],
        metadata: Map::new(),
    }
}
