//! What is served, with every limit, and the counters.

use crate::http::{App, Reply, json_of, with_type};
use axum::extract::State;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use tagsmith_text::align::aggregate::Strategy;

/// Describes the server with the keys of text-embeddings-inference, and its own beside them.
pub async fn info(State(app): State<Arc<App>>) -> Reply {
    let (tagger, limits) = (app.engine.tagger(), &app.settings.limits);
    let mut info = json!({
        "model_id": app.model.id,
        "model_sha": app.model.revision,
        "model_dtype": if app.model.precision == "f32" { "float32" } else { "bfloat16" },
        "served_model_name": app.model.id,
        "model_type": kind(&app),
        "max_concurrent_requests": limits.connections,
        "max_input_length": tagger.max_length(),
        "max_batch_tokens": limits.batch_tokens,
        "max_batch_requests": null,
        "max_client_batch_size": limits.inputs,
        "auto_truncate": false,
        "tokenization_workers": app.settings.tokenization_workers,
        "version": env!("CARGO_PKG_VERSION"),
        "sha": option_env!("TAGSMITH_COMMIT"),
        "docker_label": null,
    });
    info["model"] = json!(app.model);
    info["limits"] = limits.to_json();
    info["hf_default"] = json!(if app.settings.hf_default_none { "none" } else { "simple" });
    info["label_map"] = label_map(&app);
    info["needs_key"] = json!(!app.settings.api_keys.is_empty());
    json_of(&info)
}

/// Returns the types that Presidio's clients see, and those that have no other name there.
fn label_map(app: &App) -> Value {
    let types = types(app.engine.tagger().labels());
    let map = &app.settings.label_map;
    let (without, with): (Vec<&String>, Vec<&String>) = types.iter().partition(|kind| map.lacks(kind));
    let named: Map<String, Value> = with.iter().map(|kind| ((*kind).clone(), map.of(kind).into())).collect();
    json!({ "types": named, "unmapped": without })
}

/// Describes the model.
pub async fn model(State(app): State<Arc<App>>) -> Reply {
    let tagger = app.engine.tagger();
    json_of(&json!({
        "model": app.model,
        "kind": if tagger.scores_spans() { "span_tagger" } else { "token_classifier" },
        "labels": tagger.labels(),
        "types": types(tagger.labels()),
        "has_default_labels": tagger.has_labels(),
        "max_length": tagger.max_length(),
        "aggregation_strategies": if tagger.scores_spans() { json!(["first"]) } else { json!(Strategy::NAMES) },
        "decodings": tagger.decodings(),
        "operating_points": tagger.operating_points(),
    }))
}

/// Shows the counters to Prometheus.
pub async fn metrics(State(app): State<Arc<App>>) -> Reply {
    let text = app.metrics.exposition(app.engine.load());
    Ok(with_type(text.into(), "text/plain; version=0.0.4; charset=utf-8"))
}

fn kind(app: &App) -> Value {
    let labels = app.engine.tagger().labels();
    let numbered = || labels.iter().enumerate();
    let id2label: Map<String, Value> = numbered().map(|(id, label)| (id.to_string(), label.clone().into())).collect();
    let label2id: Map<String, Value> = numbered().map(|(id, label)| (label.clone(), id.into())).collect();
    let kind = if app.engine.tagger().scores_spans() { "span_tagger" } else { "token_classifier" };
    json!({ kind: { "id2label": id2label, "label2id": label2id } })
}

/// Returns the types of entities that labels of words speak of.
pub fn types(labels: &[String]) -> Vec<String> {
    let mut types: Vec<String> = Vec::new();
    for label in labels.iter().filter(|label| *label != "O") {
        let kind = label.split_once('-').filter(|(tag, _)| tag.len() == 1).map_or(label.as_str(), |(_, kind)| kind);
        if !types.iter().any(|known| known == kind) {
            types.push(kind.to_owned());
        }
    }
    types
}
