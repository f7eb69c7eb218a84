//! Records of annotation tools: entities that count characters, which no reader of words takes.

use serde_json::{Map, Value};

/// Returns what a record is and how it can be read, if a known tool writes such records.
pub(crate) fn recognized(record: &Map<String, Value>) -> Option<(String, &'static str)> {
    let has = |key: &str| record.contains_key(key);
    let is_text = |key: &str| record.get(key).is_some_and(Value::is_string);
    let objects = |key: &str, fields: &[&str]| {
        let Some(items) = record.get(key).and_then(Value::as_array) else { return false };
        let fits = |item: &Value| fields.iter().all(|field| item.get(field).is_some());
        !items.is_empty() && items.iter().all(fits)
    };
    let is_triple = |item: &Value| {
        let is_number = |place: usize| item.get(place).is_some_and(Value::is_u64);
        item.as_array().is_some_and(|item| item.len() >= 3) && is_number(0) && is_number(1)
    };
    let triples = |key: &str| {
        let items = record.get(key).and_then(Value::as_array);
        items.is_some_and(|items| !items.is_empty() && items.iter().all(is_triple))
    };
    let empty = |key: &str| record.get(key).and_then(Value::as_array).is_some_and(Vec::is_empty);
    let of_triples = record.keys().map(String::as_str).find(|key| triples(key)).unwrap_or_default();
    let is_some_text = record.values().any(Value::is_string);
    let (tool, key, counts) = if is_text("text") && objects("entities", &["start_offset", "end_offset"]) {
        ("doccano's JSON", "entities", CHARACTERS)
    } else if is_text("text") && (triples("label") || triples("labels")) {
        ("doccano's JSON", if has("label") { "label" } else { "labels" }, CHARACTERS)
    } else if is_text("text") && has("relations") && empty("entities") {
        ("doccano's JSON", "entities", CHARACTERS)
    } else if is_text("text") && triples("entities") {
        ("spaCy's older JSON", "entities", CHARACTERS)
    } else if is_text("text") && objects("annotations", &["start_offset", "end_offset"]) {
        ("doccano's JSON", "annotations", CHARACTERS)
    } else if objects("documents", &["passages"]) {
        ("BioC's JSON", "documents", CHARACTERS)
    } else if objects("paragraphs", &["sentences"]) || objects("paragraphs", &["raw"]) {
        ("spaCy's training JSON", "paragraphs", NESTED)
    } else if objects("annotations", &["result"]) || has("data") && has("annotations") {
        ("Label Studio's JSON", "annotations", CHARACTERS)
    } else if is_text("text") && objects("label", &["start", "end"]) {
        ("Label Studio's JSON_MIN", "label", CHARACTERS)
    } else if is_text("text") && (objects("spans", &["start", "end"]) || has("spans") && objects("tokens", &["text"])) {
        ("Prodigy's JSON", "spans", CHARACTERS)
    } else if is_text("text") && objects("entities", &["start", "end"]) {
        ("a text with entities", "entities", CHARACTERS)
    } else if has("tokenized_text") && (triples("ner") || empty("ner")) {
        ("GLiNER's JSON", "ner", WORDS)
    } else if has("tokens") && objects("entities", &["start", "end", "type"]) {
        ("SpERT's JSON (CoNLL-04)", "entities", WORDS)
    } else if has("sentences") && has("ner") {
        ("DyGIE's JSON (SciERC)", "ner", WORDS)
    } else if is_some_text && !of_triples.is_empty() && !has("tokens") {
        ("a text with entities", of_triples, CHARACTERS)
    } else if has("text") && (has("char_spans") || has("spans_char")) && !has("tokens") {
        ("the data of a span tagger", "char_spans", CHARACTERS)
    } else {
        return None;
    };
    let (what, remedy) = counts;
    Some((format!("this is {tool}: `{key}` {what}, and words with a tag each are needed"), remedy))
}

/// What spans of characters are, and what to do.
const CHARACTERS: (&str, &str) = (
    "marks entities by places of characters",
    "cut each text into words, and write {\"tokens\": [\"Jo\", \"ran\"], \"ner_tags\": [\"B-PER\", \"O\"]}",
);

/// What tokens in nested objects are, and what to do.
const NESTED: (&str, &str) = (
    "holds an object for each token",
    "write an object for each sentence, {\"tokens\": [\"Jo\", \"ran\"], \"ner_tags\": [\"B-PER\", \"O\"]}",
);

/// What spans of words are, and what to do.
const WORDS: (&str, &str) = (
    "marks entities by places of words",
    "write {\"tokens\": [\"Jo\", \"ran\"], \"token_spans\": [{\"start\": 0, \"end\": 1, \"label\": \"PER\"}]}, where `end` is one past the last word",
);
