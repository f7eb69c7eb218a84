//! KServe's dialect, the Open Inference Protocol 2: texts in a tensor of bytes, entities as JSON texts in another.

use super::hugging_face::deadline;
use super::native::entities;
use super::parameters::{Parameters, tag};
use crate::http::{App, Reply, body, json_about, json_of};
use crate::json::{Fields, strings};
use crate::refusal::{Kind, Refusal};
use axum::extract::{Path, Request, State};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Instant;

/// The name of the tensor of texts.
const TEXT: &str = "text";

/// The name of the tensor of answers.
const ENTITIES: &str = "entities";

/// Describes the server.
pub async fn server() -> Reply {
    json_of(&json!({ "name": "tagsmith", "version": env!("CARGO_PKG_VERSION"), "extensions": [] }))
}

/// Answers that the server is alive.
pub async fn live() -> Reply {
    json_of(&json!({ "live": true }))
}

/// Answers whether requests are welcome.
pub async fn ready(State(app): State<Arc<App>>) -> Reply {
    is_ready(&app)?;
    json_of(&json!({ "ready": true }))
}

/// Describes the model.
pub async fn model(State(app): State<Arc<App>>, Path(id): Path<String>) -> Reply {
    is_here(&app, &id)?;
    let tensor = |name: &str| json!([{ "name": name, "datatype": "BYTES", "shape": [-1] }]);
    json_of(&json!({
        "name": id,
        "versions": [],
        "platform": "tagsmith_safetensors",
        "inputs": tensor(TEXT),
        "outputs": tensor(ENTITIES),
    }))
}

/// Answers whether the model takes requests.
pub async fn model_ready(State(app): State<Arc<App>>, Path(id): Path<String>) -> Reply {
    is_here(&app, &id)?;
    is_ready(&app)?;
    json_of(&json!({ "name": id, "ready": true }))
}

/// Tags the texts of a tensor.
pub async fn infer(State(app): State<Arc<App>>, Path(id): Path<String>, request: Request) -> Reply {
    is_here(&app, &id)?;
    let deadline = deadline(&request);
    let mut fields = Fields::of(body::json(&app, request).await?, "")?;
    let number = fields.text("id")?;
    let given = fields.take("inputs").ok_or_else(|| fields.wrong("inputs", "there"))?;
    let given_parameters = fields.take("parameters");
    wants_entities(&mut fields)?;
    fields.end()?;
    let mut parameters =
        given_parameters.map_or_else(|| Ok(Fields::none("parameters")), |it| Fields::of(it, "parameters"))?;
    let asked = Parameters::take(&mut parameters, &app.settings.limits)?;
    parameters.end()?;
    let texts = texts(given)?;
    let shape = [texts.len()];
    let deadline = asked.deadline.map_or(deadline, |wait| deadline.min(Instant::now() + wait));
    let answer = tag(&app, texts, asked.choices.clone(), deadline).await?;
    let data = answer.documents.iter().map(|document| serde_json::to_string(&entities(document, &asked)));
    let data = data.collect::<Result<Vec<String>, _>>().map_err(|error| Refusal::new(Kind::Internal, error))?;
    let mut shown = json!({
        "model_name": id,
        "outputs": [{ "name": ENTITIES, "shape": shape, "datatype": "BYTES", "data": data }],
    });
    if let Some(number) = number {
        shown["id"] = number.into();
    }
    json_about(&shown, &answer, &app)
}

fn is_here(app: &App, id: &str) -> Result<(), Refusal> {
    match id == app.model.id {
        true => Ok(()),
        false => Err(Refusal::new(Kind::NotFound, format!("this model is not here: `{}` is", app.model.id))),
    }
}

fn is_ready(app: &App) -> Result<(), Refusal> {
    match app.phase.is_ready() {
        true => Ok(()),
        false => Err(Refusal::new(Kind::Unavailable, "the server is starting or ending").after(1)),
    }
}

/// Takes the tensors that the client wants back: there is one.
fn wants_entities(fields: &mut Fields) -> Result<(), Refusal> {
    let Some(Value::Array(outputs)) = fields.take("outputs") else { return Ok(()) };
    match outputs.iter().all(|output| output.get("name").and_then(Value::as_str) == Some(ENTITIES)) {
        true => Ok(()),
        false => Err(Refusal::validation(format!("`outputs`: there is one, `{ENTITIES}`"))),
    }
}

/// Returns the texts of the one tensor that there may be.
fn texts(given: Value) -> Result<Vec<String>, Refusal> {
    let Value::Array(mut tensors) = given else { return Err(Refusal::validation("`inputs` is not a list of tensors")) };
    let (Some(tensor), true) = (tensors.pop(), tensors.is_empty()) else {
        return Err(Refusal::validation(format!("`inputs` needs one tensor, `{TEXT}`")));
    };
    let mut fields = Fields::of(tensor, "inputs[0]")?;
    if fields.text("name")?.as_deref() != Some(TEXT) {
        return Err(fields.wrong("name", &format!("`{TEXT}`")));
    }
    if fields.text("datatype")?.as_deref() != Some("BYTES") {
        return Err(fields.wrong("datatype", "`BYTES`"));
    }
    let shape = fields.take("shape").ok_or_else(|| fields.wrong("shape", "there"))?;
    fields.take("parameters");
    let data = fields.take("data").map(flat).ok_or_else(|| fields.wrong("data", "there"))?;
    let texts = strings(Value::Array(data)).ok_or_else(|| fields.wrong("data", "a list of texts"))?;
    let lengths: Option<Vec<u64>> = shape.as_array().and_then(|shape| shape.iter().map(Value::as_u64).collect());
    let count = lengths.and_then(|lengths| lengths.into_iter().try_fold(1u64, u64::checked_mul));
    if count != Some(texts.len() as u64) {
        return Err(fields.wrong("shape", &format!("that of {} texts", texts.len())));
    }
    fields.end()?;
    Ok(texts)
}

/// Returns the values of lists in lists, which the protocol allows, in their order.
fn flat(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items.into_iter().flat_map(flat).collect(),
        one => vec![one],
    }
}
