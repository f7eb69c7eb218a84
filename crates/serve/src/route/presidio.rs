//! Presidio's dialect: its analyzer's and its anonymizer's paths, on one port.
//!
//! The model is one recognizer; a request may bring others. `language` is not looked at, since a model reads what it was trained on.
//! What else has no effect is named in the header `x-tagsmith-ignored`.

mod recognizers;
mod results;

use super::hugging_face::deadline;
use super::info::types;
use super::parameters::{tag, texts};
use crate::engine::{Answer, Document};
use crate::http::{App, Reply, body, json_about, json_of};
use crate::json::Fields;
use crate::refusal::Refusal;
use axum::extract::{Request, State};
use axum::http::HeaderValue;
use recognizers::{Allowed, Recognizer};
use results::{Explanation, Found, settled};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;
use tagsmith_app::predict::anonymize::found as analyzer;
use tagsmith_app::predict::anonymize::label_map::LabelMap;
use tagsmith_app::predict::anonymize::operator::{Operator, Operators};
use tagsmith_app::predict::anonymize::rewrite::rewrite;
use tagsmith_app::predict::tagger::{Choices, Tagger};
use tagsmith_text::tagged::Mention;

/// The name of the recognizer that the model is.
const RECOGNIZER: &str = "TagsmithRecognizer";

/// Fields that have no effect here.
const IGNORED: [&str; 2] = ["context", "correlation_id"];

/// What a request asks of each of its texts.
struct Asked {
    /// Types that are wanted; all, if none is named.
    entities: HashSet<String>,
    threshold: f32,
    explains: bool,
    recognizers: Vec<Recognizer>,
    allowed: Allowed,
    label_map: LabelMap,
    model: String,
    deadline: Instant,
}

/// Finds entities in a text, or in each of several.
pub async fn analyze(State(app): State<Arc<App>>, request: Request) -> Reply {
    let deadline = deadline(&request);
    let mut fields = Fields::of(body::json(&app, request).await?, "")?;
    let ignored: Vec<&str> = IGNORED.into_iter().filter(|name| fields.take(name).is_some()).collect();
    let given =
        fields.take("text").filter(|text| *text != "").ok_or_else(|| Refusal::validation("No text provided"))?;
    let (texts, is_list) = texts(given, "text")?;
    fields.text("language")?;
    let entities = fields.texts("entities")?.unwrap_or_default();
    let choices = choices(app.engine.tagger(), &entities);
    let (recognizers, has_context) = recognizers::take(&mut fields)?;
    let asked = Asked {
        threshold: threshold(&mut fields)?,
        explains: fields.truth("return_decision_process")?.unwrap_or(false),
        recognizers,
        allowed: Allowed::take(&mut fields)?,
        entities: entities.into_iter().collect(),
        label_map: app.settings.label_map.clone(),
        model: app.model.id.clone(),
        deadline,
    };
    fields.end()?;
    let answer = tag(&app, texts, choices, deadline).await?;
    let found = found(&app, &answer, asked).await?;
    let mut response = match (is_list, found.first()) {
        (false, Some(only)) => json_about(only, &answer, &app)?,
        _ => json_about(&found, &answer, &app)?,
    };
    let ignored: Vec<&str> = ignored.into_iter().chain(has_context.then_some("ad_hoc_recognizers.context")).collect();
    if !ignored.is_empty() {
        let names = HeaderValue::from_str(&ignored.join(", ")).expect("names of fields are a header's value");
        response.headers_mut().insert("x-tagsmith-ignored", names);
    }
    Ok(response)
}

/// Lists the types that the model finds, by the names that clients see. A span tagger finds what it is asked for.
pub async fn supported_entities(State(app): State<Arc<App>>) -> Reply {
    let types = types(app.engine.tagger().labels());
    let mut names: Vec<&str> = types.iter().map(|kind| app.settings.label_map.of(kind)).collect();
    names.sort_unstable();
    names.dedup();
    json_of(&names)
}

/// Lists the one recognizer that is always there.
pub async fn recognizers() -> Reply {
    json_of(&[RECOGNIZER])
}

/// Puts something else in the place of what an analyzer found in a text.
pub async fn anonymize(State(app): State<Arc<App>>, request: Request) -> Reply {
    let mut fields = Fields::of(body::json(&app, request).await?, "")?;
    let text = fields.text("text")?.ok_or_else(|| Refusal::validation("No text provided"))?;
    let Some(Value::Array(results)) = fields.take("analyzer_results") else {
        return Err(fields.wrong("analyzer_results", "a list of an analyzer's results"));
    };
    let anonymizers = fields.take("anonymizers").unwrap_or_else(|| json!({}));
    fields.end()?;
    let bytes = text.len();
    let work = move |_: &Tagger| {
        let operators = Operators::from_json(&anonymizers).map_err(|error| Refusal::of(&error))?;
        let found = results.iter().map(analyzer::Found::from_json).collect::<Result<Vec<_>, _>>();
        let found = found.map_err(|error| Refusal::of(&error))?;
        rewrite(&text, found, &operators).map_err(|error| Refusal::of(&error))
    };
    json_of(&app.engine.aside(bytes, work).await?)
}

/// Lists the operators.
pub async fn anonymizers() -> Reply {
    json_of(&Operator::NAMES)
}

/// Returns what the tagger is asked. A span tagger without labels of its own looks for the wanted types.
fn choices(tagger: &Tagger, entities: &[String]) -> Choices {
    let brings_labels = tagger.scores_spans() && !tagger.has_labels() && !entities.is_empty();
    Choices { labels: brings_labels.then(|| json!(entities)), ..Choices::default() }
}

fn threshold(fields: &mut Fields) -> Result<f32, Refusal> {
    let Some(given) = fields.take("score_threshold") else { return Ok(0.0) };
    given.as_f64().map(|number| number as f32).ok_or_else(|| fields.wrong("score_threshold", "a number"))
}

/// Returns what was found in each text. Expressions of a request are searched by a worker, since they may take long.
async fn found(app: &App, answer: &Answer, asked: Asked) -> Result<Vec<Vec<Found>>, Refusal> {
    let documents: Vec<Arc<Document>> = answer.documents.clone();
    let bytes = documents.iter().map(|document| document.tagged.text.len()).sum();
    let work = move |_: &Tagger| documents.iter().map(|document| asked.found(document)).collect();
    app.engine.aside(bytes, work).await
}

impl Asked {
    /// Returns the results of one text, in the order of Presidio's: the highest score first.
    fn found(&self, document: &Document) -> Result<Vec<Found>, Refusal> {
        let text = &document.tagged.text;
        let mut found: Vec<Found> = document.tagged.entities.iter().map(|entity| self.of_model(entity)).collect();
        for recognizer in &self.recognizers {
            if self.wants(&recognizer.entity) {
                recognizer.search(text, self.deadline, &mut found)?;
            }
        }
        found.retain(|found| self.wants(&found.entity_type));
        let mut found = settled(found);
        found.retain(|found| found.score >= self.threshold);
        self.allowed.retain(text, &mut found, self.deadline)?;
        if !self.explains {
            found.iter_mut().for_each(|found| found.analysis_explanation = None);
        }
        Ok(found)
    }

    fn wants(&self, kind: &str) -> bool {
        self.entities.is_empty() || self.entities.contains(kind)
    }

    fn of_model(&self, entity: &Mention) -> Found {
        let why = format!("Identified as {} by {}", entity.label, self.model);
        Found {
            analysis_explanation: Some(Explanation::of(RECOGNIZER, entity.score, Some(why))),
            end: entity.end,
            entity_type: self.label_map.of(&entity.label).to_owned(),
            score: entity.score,
            start: entity.start,
        }
    }
}
