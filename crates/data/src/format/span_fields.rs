//! Records with spans: a text or words, and entities that count its characters or its words.

use crate::read_options::ReadOptions;
use crate::rows::row::Row;
use crate::rows::tag_names::TagNames;
use crate::rules::choose_columns::{TOKEN_SPANS, TOKENS};
use crate::rules::ids;
use serde_json::{Map, Value};
use tagsmith_message::Note;
use tagsmith_text::example::{AnnotationFormat, Entity};
use tagsmith_text::labels::scheme::{Scheme, Span, Style};
use tagsmith_text::sentence::Columns;
use tagsmith_text::tagged::Content;

/// Returns the keys of the spans, the newer one first, and the key of the content that they count in.
fn keys(format: AnnotationFormat) -> ([&'static str; 2], &'static str) {
    match format {
        AnnotationFormat::Text => (["char_spans", "spans_char"], "text"),
        AnnotationFormat::Tokens => ([TOKEN_SPANS, "spans_tokens"], TOKENS),
    }
}

/// Returns whether a record has spans of either kind.
pub(crate) fn are_in(record: &Map<String, Value>) -> bool {
    names().any(|name| record.contains_key(name))
}

/// Returns the keys of spans of either kind.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    [AnnotationFormat::Text, AnnotationFormat::Tokens].into_iter().flat_map(|format| keys(format).0)
}

/// Returns whether the labels of a record are its spans of words: it has such spans, no tags, and no column is named.
pub(crate) fn are_labels(record: &Map<String, Value>, options: &ReadOptions) -> bool {
    let is_list = |key: &str| record.get(key).is_some_and(Value::is_array);
    let is_named = options.label_column.is_some() || options.text_column.is_some();
    !is_named && is_list(TOKENS) && record.contains_key(TOKEN_SPANS) && !record.contains_key(&options.task_tags())
}

/// Returns the columns of words whose labels are spans, and the note that says so.
pub(crate) fn choice() -> (Columns, Note) {
    let columns = Columns { text: TOKENS.into(), label: Some(TOKEN_SPANS.into()), all: Vec::new() };
    (columns, Note::once("the spans of `token_spans` became tags: `B-` at the first word, `I-` at the others"))
}

/// Returns a row of words with spans as a row of words with tags.
///
/// # Errors
/// Spans that overlap; a label that cannot be a tag.
pub(crate) fn tagged(row: Row, tags: &mut TagNames) -> Result<Row, String> {
    let Content::Words(words) = &row.content else { return Err("there are no words".into()) };
    let span = |entity: &Entity| Span { kind: entity.label.clone(), start: entity.start, end: entity.end };
    let spans: Vec<Span<String>> = row.spans.iter().flatten().map(span).collect();
    let overlap = |error| format!("{error}: a word has one tag, so spans that overlap cannot be learned as tags");
    let names = Scheme::Iob2.tags(&spans, words.len(), Style::Prefix).map_err(overlap)?;
    let tag = |name: &String| tags.of_string(name, String::new).map_err(|error| error.to_string());
    let tags = names.iter().map(tag).collect::<Result<Vec<u32>, String>>()?;
    Ok(Row { tags: Some(tags), spans: None, ..row })
}

/// Returns the record in line or row `number` as a row.
///
/// # Errors
/// The record is not what it must be; the error says what is wrong and what to do.
pub(crate) fn row_of(number: u64, record: &Map<String, Value>, format: AnnotationFormat) -> Result<Row, String> {
    let (spans, content) = keys(format);
    let input = match (format, record.get(content)) {
        (AnnotationFormat::Text, Some(Value::String(text))) => Content::Text(text.clone()),
        (AnnotationFormat::Tokens, Some(Value::Array(words))) => {
            let words = words.iter().map(|word| word.as_str().map(str::to_owned)).collect::<Option<_>>();
            Content::Words(words.ok_or("`tokens` holds something that is not a string: make it a list of strings")?)
        }
        (_, None | Some(Value::Null)) => {
            let other = if format == AnnotationFormat::Text { "tokens" } else { "text" };
            return Err(format!("there is no `{content}`: add it, or use the format `{other}`"));
        }
        (AnnotationFormat::Text, Some(other)) => return Err(format!("`text` is {other}, not a string: quote it")),
        (AnnotationFormat::Tokens, Some(other)) => {
            return Err(format!("`tokens` is {other}, not a list of strings: write [\"…\", …]"));
        }
    };
    let id = ids::of_value(record.get("id"))?;
    let found = spans.iter().find_map(|key| Some((*key, record.get(*key)?)));
    let (key, spans) =
        found.ok_or_else(|| format!("there is no `{}`: give an empty list where nothing is marked", spans[0]))?;
    let length = input.len();
    let mut entities = Vec::new();
    let list = listed(spans).ok_or_else(|| {
        format!("`{key}` is {spans}, not a list of objects: write [{{\"start\": 0, \"end\": 1, \"label\": \"…\"}}]")
    })?;
    for (number, span) in list.iter().enumerate() {
        let entity = entity(span, length).map_err(|problem| format!("`{key}` {}: {problem}", number + 1))?;
        entities.push(entity);
    }
    Ok(Row { id, spans: Some(entities), ..Row::of(number, input) })
}

/// Returns the spans of a list of objects, or of an object of lists, as older data sets have it.
fn listed(spans: &Value) -> Option<Vec<Map<String, Value>>> {
    match spans {
        Value::Null => Some(Vec::new()),
        Value::Array(spans) => spans.iter().map(|span| span.as_object().cloned()).collect(),
        Value::Object(columns) => {
            let count = columns.values().next()?.as_array()?.len();
            if columns.values().any(|column| column.as_array().map(Vec::len) != Some(count)) {
                return None;
            }
            let row = |number: usize| {
                let cell = |(key, column): (&String, &Value)| Some((key.clone(), column.get(number)?.clone()));
                columns.iter().map(cell).collect::<Option<Map<_, _>>>()
            };
            (0..count).map(row).collect()
        }
        _ => None,
    }
}

fn entity(span: &Map<String, Value>, length: usize) -> Result<Entity, String> {
    let number = |key: &str| match span.get(key) {
        Some(value) => {
            let problem = || format!("`{key}` is {value}, not a whole number: count from 0");
            value.as_u64().map(|n| n as usize).ok_or_else(problem)
        }
        None => Err(format!("there is no `{key}`: add it, or remove the span")),
    };
    let (start, end) = (number("start")?, number("end")?);
    if start >= end || end > length {
        return Err(format!("{start} to {end} is empty or outside 0 to {length}: `end` is one past the last"));
    }
    let label = span.get("label").or_else(|| span.get("tag"));
    match label {
        Some(Value::String(label)) if !label.trim().is_empty() => Ok(Entity { start, end, label: label.clone() }),
        Some(Value::String(_)) => Err("the label is empty: name it, or remove the span".into()),
        Some(other) => Err(format!("the label is {other}, not a string: quote it")),
        None => Err("there is no `label`: name it, or remove the span".into()),
    }
}
