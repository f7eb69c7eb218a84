//! Liveness and readiness. Nothing here waits for the engine.

use crate::http::{App, Reply, json_of};
use crate::refusal::{Kind, Refusal};
use axum::extract::{Request, State};
use serde_json::json;
use std::sync::Arc;

/// Answers that the server is alive; with `?ready`, whether requests are welcome. Label Studio reads `status` and
/// `model_class`.
pub async fn health(State(app): State<Arc<App>>, request: Request) -> Reply {
    let asks_ready = request.uri().query().is_some_and(|query| query.split('&').any(|word| word.starts_with("ready")));
    if asks_ready && !app.phase.is_ready() {
        return Err(Refusal::new(Kind::Unavailable, "the server is starting or ending").after(1));
    }
    let class = if app.engine.tagger().scores_spans() { "SpanTagger" } else { "TokenClassifier" };
    json_of(&json!({ "status": "UP", "model_class": class, "ready": app.phase.is_ready() }))
}
