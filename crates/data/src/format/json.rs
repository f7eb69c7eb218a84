//! JSON: one object a sentence or document, as lines, one after another, or in one array.

pub(crate) mod cells;
mod values;

use crate::bytes::input::Input;
use crate::bytes::lines::Limit;
use crate::error::{Error, at_line};
use crate::format::json::cells::{cells_of, not_content, tags_of, text_for_words, words_of};
use crate::format::json::values::{Values, syntax};
use crate::format::span_fields;
use crate::read_options::{ReadOptions, Wanted};
use crate::rows::row::{Reader, Row};
use crate::rows::tag_names::TagNames;
use crate::rules::annotation_tools;
use crate::rules::choose_columns::{Cells, is_word_list, no_content, of_content, of_tagged};
use serde_json::{Map, Value};
use std::collections::HashSet;
use tagsmith_files::strict_json::Object;
use tagsmith_message::{Note, Remedy, quote, quote_all};
use tagsmith_text::example::AnnotationFormat;
use tagsmith_text::sentence::Columns;
use tagsmith_text::tagged::Content;

/// Rows such as `{"tokens": ["EU", "rejects"], "ner_tags": ["B-ORG", "O"]}`; labels may be integers.
///
/// The columns' order is the order of the first row's keys. Rows are read one at a time.
pub(crate) struct JsonReader {
    values: Values,
    source: String,
    options: ReadOptions,
    wanted: Wanted,
    chosen: Option<Chosen>,
    columns: Columns,
    seen: HashSet<String>,
    tags: TagNames,
    notes: Vec<Note>,
}

/// What the first row shows that rows hold.
enum Chosen {
    /// Words and labels, in the reader's columns.
    Tagged,
    /// Words or running text, under the first of these keys that a row has.
    Content(Vec<String>),
    /// Words or running text, and spans.
    Spans(AnnotationFormat),
    /// Words, and spans of them that become tags.
    TokenSpans,
}

impl JsonReader {
    pub(crate) fn new(input: Input, source: &str, options: &ReadOptions, wanted: Wanted, limit: Limit) -> Self {
        JsonReader {
            values: Values::new(input, source, limit),
            source: source.to_owned(),
            options: options.clone(),
            wanted,
            chosen: None,
            columns: Columns::default(),
            seen: HashSet::new(),
            tags: TagNames::default(),
            notes: Vec::new(),
        }
    }

    fn choose(&mut self, place: &str, row: &Map<String, Value>) -> Result<Chosen, Error> {
        let offered =
            || -> Vec<(String, Cells)> { row.iter().map(|(name, value)| (name.clone(), cells_of(value))).collect() };
        match self.wanted {
            Wanted::Content => Ok(Chosen::Content(of_content(place, &offered(), &self.options, &mut self.notes)?)),
            Wanted::Spans(format) if span_fields::are_in(row) => Ok(Chosen::Spans(format)),
            Wanted::Tagged | Wanted::Labels if span_fields::are_labels(row, &self.options) => {
                let (choice, note) = span_fields::choice();
                self.columns = Columns { all: row.keys().cloned().collect(), ..choice };
                self.notes.push(note);
                Ok(Chosen::TokenSpans)
            }
            Wanted::Tagged | Wanted::Labels | Wanted::Spans(_) => {
                if self.options.label_column.is_none() && !row.contains_key(&self.options.task_tags()) {
                    refuse_annotations(place, row)?;
                }
                refuse_wrapped(place, row)?;
                let choice = of_tagged(place, &offered(), &self.options, &mut self.notes)?;
                self.columns = choice.columns(&offered());
                self.seen.extend(self.columns.all.iter().cloned());
                Ok(Chosen::Tagged)
            }
        }
    }

    fn tagged(&mut self, line: u64, place: &str, mut row: Map<String, Value>) -> Result<Row, Error> {
        for key in row.keys().filter(|key| !self.seen.contains(*key)).cloned().collect::<Vec<_>>() {
            self.columns.all.push(key.clone());
            self.seen.insert(key);
        }
        let Columns { text, label, .. } = &self.columns;
        let label = label.as_deref().unwrap_or_default();
        let words = words_of(take(&mut row, text, place)?, text, place)?;
        let tags = tags_of(take(&mut row, label, place)?, label, &mut self.tags, place)?;
        Row::tagged(line, words, tags, (text, label), || place.to_owned())
    }
}

impl Reader for JsonReader {
    fn next(&mut self) -> Result<Option<Row>, Error> {
        let Some((line, column, text)) = self.values.next()? else { return Ok(None) };
        let Object(row) = serde_json::from_str(text).map_err(|error| syntax(&self.source, line, column, &error))?;
        let place = at_line(&self.source, line);
        let chosen = match self.chosen.take() {
            Some(chosen) => chosen,
            None => self.choose(&place, &row)?,
        };
        let row = match &chosen {
            Chosen::Tagged => self.tagged(line, &place, row)?,
            Chosen::Content(keys) => Row::of(line, content_of(row, keys, self.options.text_column.is_some(), &place)?),
            Chosen::TokenSpans => {
                let row = span_fields::row_of(line, &row, AnnotationFormat::Tokens);
                let tagged = row.and_then(|row| span_fields::tagged(row, &mut self.tags));
                tagged.map_err(|problem| Error::content(&place, problem))?
            }
            Chosen::Spans(format) => {
                span_fields::row_of(line, &row, *format).map_err(|problem| Error::content(&place, problem))?
            }
        };
        self.chosen = Some(chosen);
        Ok(Some(row))
    }

    fn place(&self, number: u64) -> String {
        at_line(&self.source, number)
    }

    fn columns(&self) -> Columns {
        self.columns.clone()
    }

    fn take_tags(&mut self) -> TagNames {
        std::mem::take(&mut self.tags)
    }

    fn notes(&self) -> Vec<Note> {
        self.notes.clone()
    }

    fn has_more_at_hand(&self) -> bool {
        self.values.has_more_at_hand()
    }
}

/// Returns what is to be tagged: the value of the first of `keys` that the row has. Running text under a name of word
/// lists is an error, as in training, unless it was `asked` for.
fn content_of(mut row: Map<String, Value>, keys: &[String], asked: bool, place: &str) -> Result<Content, Error> {
    let Some(key) = keys.iter().find(|key| row.contains_key(*key)) else {
        let names: Vec<&str> = row.keys().map(String::as_str).collect();
        return Err(no_content(place, "object", keys, &names));
    };
    let content = match row.get_mut(key).map(Value::take) {
        Some(Value::String(text)) if asked || !is_word_list(key) => Some(Content::Text(text)),
        Some(Value::String(_)) => return Err(text_for_words(place, key)),
        Some(Value::Array(words)) => {
            let word = |word| match word {
                Value::String(word) => Some(word),
                _ => None,
            };
            words.into_iter().map(word).collect::<Option<_>>().map(Content::Words)
        }
        _ => None,
    };
    content.ok_or_else(|| not_content(place, key))
}

/// Refuses records of annotation tools, and says what they are.
fn refuse_annotations(place: &str, row: &Map<String, Value>) -> Result<(), Error> {
    match annotation_tools::recognized(row) {
        None => Ok(()),
        Some((problem, remedy)) => Err(Error::content(place, problem).with_remedy(Remedy::to_do(remedy))),
    }
}

/// Refuses two layouts that look like one row: an object around the list of rows, and an object of columns.
fn refuse_wrapped(place: &str, row: &Map<String, Value>) -> Result<(), Error> {
    if row.values().any(|value| matches!(cells_of(value), Cells::Strings | Cells::Integers)) {
        return Ok(());
    }
    let first = |value: &Value| value.as_array().and_then(|list| list.first()).cloned();
    for (name, value) in row {
        match first(value) {
            Some(Value::Object(_)) => {
                return Err(Error::content(
                    place,
                    format!(
                        "this object holds a list of objects, {}: if these are the sentences, write that list alone",
                        quote(name)
                    ),
                ));
            }
            Some(Value::Array(_)) => {
                return Err(Error::content(
                    place,
                    format!(
                        "this object holds whole columns ({} is a list of lists): write one object a sentence",
                        quote(name)
                    ),
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

fn take(row: &mut Map<String, Value>, column: &str, place: &str) -> Result<Value, Error> {
    row.get_mut(column).map(Value::take).ok_or_else(|| {
        Error::content(
            place,
            format!(
                "the row has no {} (it has {}): add it, or drop the row",
                quote(column),
                quote_all(row.keys().map(String::as_str))
            ),
        )
    })
}

#[cfg(test)]
mod tests;
