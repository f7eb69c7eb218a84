//! Rows of Arrow record batches, as Arrow streams and Parquet files hold them: one sentence or document a row.

use crate::error::{Error, at_row};
use crate::format::json::cells::{not_content, text_for_words};
use crate::format::span_fields;
use crate::read_options::{ReadOptions, Wanted};
use crate::rows::row::{Reader, Row};
use crate::rows::tag_names::TagNames;
use crate::rules::choose_columns::{Cells, TOKEN_SPANS, TOKENS, is_word_list, no_content, of_content, of_tagged};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use serde_json::Value;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use tagsmith_message::Note;
use tagsmith_message::quote;
use tagsmith_text::example::AnnotationFormat;
use tagsmith_text::sentence::Columns;
use tagsmith_text::tagged::Content;

/// A file's record batches, one after another.
pub(crate) trait Batches: Send {
    /// Returns the next batch, or `None` at the end.
    fn next(&mut self) -> Result<Option<RecordBatch>, Error>;

    /// Returns what the end of the file showed.
    fn note(&self) -> Option<Note>;
}

/// The rows of record batches.
pub(crate) struct BatchReader {
    source: String,
    batches: Box<dyn Batches>,
    plan: Plan,
    batch: Option<RecordBatch>,
    /// The rows of the batch that were read.
    within: usize,
    /// The rows of the file that were read.
    count: u64,
}

impl BatchReader {
    pub(crate) fn new(source: &str, batches: Box<dyn Batches>, plan: Plan) -> BatchReader {
        BatchReader { source: source.to_owned(), batches, plan, batch: None, within: 0, count: 0 }
    }
}

impl Reader for BatchReader {
    fn next(&mut self) -> Result<Option<Row>, Error> {
        let BatchReader { source, batches, .. } = self;
        while self.batch.as_ref().is_none_or(|batch| self.within == batch.num_rows()) {
            let Some(next) = guarded(source, || batches.next())? else { return Ok(None) };
            (self.batch, self.within) = (Some(next), 0);
        }
        let batch = self.batch.as_ref().expect("a batch with a row left");
        self.count += 1;
        let row = guarded(source, || self.plan.row(source, batch, self.within, self.count))?;
        self.within += 1;
        Ok(Some(row))
    }

    fn place(&self, number: u64) -> String {
        at_row(&self.source, number)
    }

    fn columns(&self) -> Columns {
        self.plan.columns.clone()
    }

    fn take_tags(&mut self) -> TagNames {
        std::mem::take(&mut self.plan.tags)
    }

    fn notes(&self) -> Vec<Note> {
        self.plan.notes.iter().cloned().chain(self.batches.note()).collect()
    }

    fn has_more_at_hand(&self) -> bool {
        true
    }
}

/// What is read of each row.
pub(crate) struct Plan {
    chosen: Chosen,
    columns: Columns,
    tags: TagNames,
    notes: Vec<Note>,
}

/// The columns that are read: positions in a batch.
enum Chosen {
    Tagged {
        text: usize,
        label: usize,
    },
    /// Text or words; text under a name of word lists is an error, unless it was asked for.
    Content {
        text: usize,
        name: String,
        asked: bool,
    },
    Spans {
        format: AnnotationFormat,
        fields: Vec<(usize, String)>,
    },
    /// Words, and spans of them that become tags.
    TokenSpans {
        fields: Vec<(usize, String)>,
    },
}

impl Plan {
    /// Chooses the columns of files of this schema.
    ///
    /// # Errors
    /// The columns that are wanted are not there.
    pub(crate) fn new(
        schema: &Schema,
        names: &ClassNames,
        source: &str,
        options: &ReadOptions,
        wanted: Wanted,
    ) -> Result<Plan, Error> {
        let offered: Vec<(String, Cells)> =
            schema.fields().iter().map(|field| (field.name().clone(), cells_of(field.data_type()))).collect();
        let mut notes = Vec::new();
        let position = |name: &str| offered.iter().position(|(other, _)| other == name);
        let plain = |chosen, notes| Plan { chosen, columns: Columns::default(), tags: TagNames::default(), notes };
        if wanted == Wanted::Content {
            let wanted = of_content(source, &offered, options, &mut notes)?;
            let found = wanted.iter().find_map(|name| Some((position(name)?, name.clone())));
            let Some((text, name)) = found else {
                let names: Vec<&str> = offered.iter().map(|(name, _)| name.as_str()).collect();
                return Err(no_content(source, "table", &wanted, &names));
            };
            let asked = options.text_column.is_some();
            return Ok(plain(Chosen::Content { text, name, asked }, notes));
        }
        if let Wanted::Spans(format) = wanted
            && span_fields::names().any(|name| position(name).is_some())
        {
            let keys = ["id", "text", "tokens"].into_iter().chain(span_fields::names());
            let fields = keys.filter_map(|name| Some((position(name)?, name.to_owned()))).collect();
            return Ok(plain(Chosen::Spans { format, fields }, notes));
        }
        let is_named = options.label_column.is_some() || options.text_column.is_some();
        if !is_named
            && !matches!(wanted, Wanted::Spans(_))
            && position(&options.task_tags()).is_none()
            && let (Some(words), Some(spans)) = (position(TOKENS), position(TOKEN_SPANS))
        {
            let fields = vec![(words, TOKENS.to_owned()), (spans, TOKEN_SPANS.to_owned())];
            let (columns, note) = span_fields::choice();
            let all = offered.iter().map(|(name, _)| name.clone()).collect();
            let chosen = Chosen::TokenSpans { fields };
            return Ok(Plan {
                chosen,
                columns: Columns { all, ..columns },
                tags: TagNames::default(),
                notes: vec![note],
            });
        }
        let choice = of_tagged(source, &offered, options, &mut notes)?;
        let (label, cells) = &offered[choice.label];
        let class_names = names.0.get(label).cloned().or_else(|| ClassNames::of_schema(schema).0.remove(label));
        Ok(Plan {
            chosen: Chosen::Tagged { text: choice.text, label: choice.label },
            columns: choice.columns(&offered),
            tags: TagNames::new(class_names.filter(|_| *cells == Cells::Integers)),
            notes,
        })
    }

    /// Returns the positions of the columns that are read, in the schema's order, and from now on expects batches of
    /// these alone.
    pub(crate) fn project(&mut self) -> Vec<usize> {
        let positions: Vec<&mut usize> = match &mut self.chosen {
            Chosen::Tagged { text, label } => vec![text, label],
            Chosen::Content { text, .. } => vec![text],
            Chosen::Spans { fields, .. } | Chosen::TokenSpans { fields } => {
                fields.iter_mut().map(|(position, _)| position).collect()
            }
        };
        let mut kept: Vec<usize> = positions.iter().map(|position| **position).collect();
        kept.sort_unstable();
        for position in positions {
            *position = kept.partition_point(|kept| *kept < *position);
        }
        kept
    }

    fn row(&mut self, source: &str, batch: &RecordBatch, row: usize, number: u64) -> Result<Row, Error> {
        let place = || at_row(source, number);
        match &self.chosen {
            Chosen::Content { text, name, asked } => {
                let content = content(batch.column(*text), row).ok_or_else(|| not_content(&place(), name))?;
                match content {
                    Content::Text(_) if !asked && is_word_list(name) => Err(text_for_words(&place(), name)),
                    content => Ok(Row::of(number, content)),
                }
            }
            Chosen::TokenSpans { fields } => {
                let row = span_fields::row_of(number, &record(fields, batch, row), AnnotationFormat::Tokens);
                let tagged = row.and_then(|row| span_fields::tagged(row, &mut self.tags));
                tagged.map_err(|problem| Error::content(place(), problem))
            }
            Chosen::Spans { format, fields } => {
                let record = record(fields, batch, row);
                span_fields::row_of(number, &record, *format).map_err(|problem| Error::content(place(), problem))
            }
            Chosen::Tagged { text, label } => {
                let names = (self.columns.text.as_str(), self.columns.label.as_deref().unwrap_or_default());
                let error = |problem: String| Error::content(place(), problem);
                let list = |column: usize, name: &str| {
                    let null = || error(format!("{} is null, not a list: give every row a list", quote(name)));
                    list(batch.column(column), row).ok_or_else(null)
                };
                let (words, labels) = (list(*text, names.0)?, list(*label, names.1)?);
                let word = |index| {
                    string(&words, index).map(str::to_owned).ok_or_else(|| {
                        let (number, column) = (index + 1, quote(names.0));
                        error(format!("word {number} of {column} is null: drop it and its label"))
                    })
                };
                let words = (0..words.len()).map(word).collect::<Result<Vec<_>, _>>()?;
                let tags = &mut self.tags;
                let tag = |index| {
                    if let Some(label) = string(&labels, index) {
                        return tags.of_string(label, place);
                    }
                    if let Some(label) = integer(&labels, index) {
                        return tags.of_integer(label, place);
                    }
                    let (number, column) = (index + 1, quote(names.1));
                    let is = if labels.is_null(index) { "null" } else { "not a 64-bit integer" };
                    Err(error(format!("label {number} of {column} is {is}: give every word a label")))
                };
                let tags = (0..labels.len()).map(tag).collect::<Result<Vec<_>, _>>()?;
                Row::tagged(number, words, tags, names, place)
            }
        }
    }
}

/// The names of each `ClassLabel` column, as `datasets` describes features in JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClassNames(BTreeMap<String, Vec<String>>);

impl ClassNames {
    /// Returns the names in a dataset_info.json, or in the `info` of the `huggingface` entry of a schema's metadata.
    pub fn of_info(info: &Value) -> Self {
        let features = info.get("features").and_then(Value::as_object);
        let named = features.into_iter().flatten().filter_map(|(column, feature)| {
            // `datasets` wrote lists as `[feature]` and as `Sequence` before it wrote `List`.
            let element = feature.get("feature").or_else(|| feature.get(0)).unwrap_or(feature);
            if element.get("_type").and_then(Value::as_str) != Some("ClassLabel") {
                return None;
            }
            let names = element.get("names")?.as_array()?;
            let names = names.iter().map(|name| name.as_str().map(str::to_owned)).collect::<Option<Vec<String>>>()?;
            Some((column.clone(), names))
        });
        ClassNames(named.collect())
    }

    fn of_schema(schema: &Schema) -> Self {
        let parsed = schema.metadata().get("huggingface").and_then(|text| serde_json::from_str::<Value>(text).ok());
        parsed.and_then(|value| value.get("info").map(Self::of_info)).unwrap_or_default()
    }
}

/// Runs a decoder. Decoders are other people's, and some damage makes them panic: for the caller it is damage like any
/// other.
pub(crate) fn guarded<T>(source: &str, read: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(unreadable(source, "file", "its decoder gave up on damaged content")))
}

pub(crate) fn unreadable(source: &str, what: &str, said: &str) -> Error {
    let said = said.replace('\n', " ");
    Error::content(source, format!("this is not a readable {what} ({said}): write or fetch it again"))
}

/// Returns what the cells of a type are.
fn cells_of(data_type: &DataType) -> Cells {
    let (DataType::List(item) | DataType::LargeList(item)) = data_type else {
        return match data_type {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Cells::Other("strings"),
            data_type if data_type.is_integer() => Cells::Other("integers"),
            DataType::Null => Cells::Other("nulls"),
            _ => Cells::Other("values of another type"),
        };
    };
    match item.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Cells::Strings,
        item if item.is_integer() => Cells::Integers,
        DataType::Null => Cells::EmptyList,
        _ => Cells::Other("lists of another type"),
    }
}

fn string(array: &ArrayRef, index: usize) -> Option<&str> {
    if array.is_null(index) {
        return None;
    }
    match array.data_type() {
        DataType::Utf8 => Some(array.as_string::<i32>().value(index)),
        DataType::LargeUtf8 => Some(array.as_string::<i64>().value(index)),
        DataType::Utf8View => Some(array.as_string_view().value(index)),
        _ => None,
    }
}

fn integer(array: &ArrayRef, index: usize) -> Option<i64> {
    if array.is_null(index) {
        return None;
    }
    match array.data_type() {
        DataType::Int8 => Some(array.as_primitive::<Int8Type>().value(index).into()),
        DataType::Int16 => Some(array.as_primitive::<Int16Type>().value(index).into()),
        DataType::Int32 => Some(array.as_primitive::<Int32Type>().value(index).into()),
        DataType::Int64 => Some(array.as_primitive::<Int64Type>().value(index)),
        DataType::UInt8 => Some(array.as_primitive::<UInt8Type>().value(index).into()),
        DataType::UInt16 => Some(array.as_primitive::<UInt16Type>().value(index).into()),
        DataType::UInt32 => Some(array.as_primitive::<UInt32Type>().value(index).into()),
        DataType::UInt64 => i64::try_from(array.as_primitive::<UInt64Type>().value(index)).ok(),
        _ => None,
    }
}

/// Returns the list in a cell, if it holds one.
fn list(column: &ArrayRef, row: usize) -> Option<ArrayRef> {
    if column.is_null(row) {
        return None;
    }
    match column.as_list_opt::<i32>() {
        Some(lists) => Some(lists.value(row)),
        None => column.as_list_opt::<i64>().map(|lists| lists.value(row)),
    }
}

/// Returns the text or the words in a cell, if it holds either.
fn content(column: &ArrayRef, row: usize) -> Option<Content> {
    if let Some(text) = string(column, row) {
        return Some(Content::Text(text.to_owned()));
    }
    let words = list(column, row)?;
    let word = |index| string(&words, index).map(str::to_owned);
    (0..words.len()).map(word).collect::<Option<_>>().map(Content::Words)
}

/// Returns some cells of a row as a JSON object.
fn record(fields: &[(usize, String)], batch: &RecordBatch, row: usize) -> serde_json::Map<String, Value> {
    let cell = |(column, name): &(usize, String)| (name.clone(), value(batch.column(*column), row));
    fields.iter().map(cell).collect()
}

/// Returns a cell as JSON, whatever its type; null where JSON does not have the type (dates, bytes).
fn value(array: &dyn Array, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    let list = |items: ArrayRef| Value::Array((0..items.len()).map(|item| value(items.as_ref(), item)).collect());
    match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().value(row).into(),
        DataType::LargeUtf8 => array.as_string::<i64>().value(row).into(),
        DataType::Utf8View => array.as_string_view().value(row).into(),
        DataType::Boolean => array.as_boolean().value(row).into(),
        DataType::Int8 => array.as_primitive::<Int8Type>().value(row).into(),
        DataType::Int16 => array.as_primitive::<Int16Type>().value(row).into(),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(row).into(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).into(),
        DataType::UInt8 => array.as_primitive::<UInt8Type>().value(row).into(),
        DataType::UInt16 => array.as_primitive::<UInt16Type>().value(row).into(),
        DataType::UInt32 => array.as_primitive::<UInt32Type>().value(row).into(),
        DataType::UInt64 => array.as_primitive::<UInt64Type>().value(row).into(),
        DataType::Float32 => array.as_primitive::<Float32Type>().value(row).into(),
        DataType::Float64 => array.as_primitive::<Float64Type>().value(row).into(),
        DataType::List(_) => list(array.as_list::<i32>().value(row)),
        DataType::LargeList(_) => list(array.as_list::<i64>().value(row)),
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            value(dictionary.values().as_ref(), dictionary.normalized_keys()[row])
        }
        DataType::Struct(fields) => {
            let columns = array.as_struct();
            let cell = |(field, column): (&Arc<Field>, &ArrayRef)| (field.name().clone(), value(column.as_ref(), row));
            Value::Object(fields.iter().zip(columns.columns()).map(cell).collect())
        }
        _ => Value::Null,
    }
}
