//! Values of JSON as cells of a table: lists of words and of labels.

use crate::error::Error;
use crate::rows::tag_names::TagNames;
use crate::rules::choose_columns::Cells;
use serde_json::Value;
use tagsmith_message::{Remedy, Setting, quote};

/// Returns the error for a column that holds nothing that can be tagged.
pub(crate) fn not_content(place: &str, column: &str) -> Error {
    Error::content(place, format!("{} is neither a string nor a list of strings", quote(column)))
}

/// Returns the error for running text in a column whose name says that it holds lists of words.
pub(crate) fn text_for_words(place: &str, column: &str) -> Error {
    let as_list = Remedy::to_do("make it a list of words, or call it `text`");
    let as_text = Remedy::SetTo(Setting::TextColumn, column.to_owned()).so_as("to tag it as running text");
    let problem = format!("{} is a string, not a list of words", quote(column));
    Error::content(place, problem).with_remedy(Remedy::AnyOf(vec![as_list, as_text]))
}

/// Returns what a value says about its column.
pub(crate) fn cells_of(value: &Value) -> Cells {
    match value {
        Value::Array(list) => match list.first() {
            None => Cells::EmptyList,
            Some(Value::String(_)) => Cells::Strings,
            Some(Value::Number(number)) if number.is_i64() => Cells::Integers,
            Some(Value::Number(_)) => Cells::Other("lists of numbers that are not 64-bit integers"),
            Some(Value::Null) => Cells::Other("lists of nulls"),
            Some(Value::Bool(_)) => Cells::Other("lists of truth values"),
            Some(Value::Array(_)) => Cells::Other("lists of lists"),
            Some(Value::Object(_)) => Cells::Other("lists of objects"),
        },
        Value::String(_) => Cells::Other("a string"),
        Value::Number(_) => Cells::Other("a number"),
        Value::Null => Cells::Other("null"),
        Value::Bool(_) => Cells::Other("a truth value"),
        Value::Object(_) => Cells::Other("an object"),
    }
}

fn list_of(value: Value, column: &str, place: &str) -> Result<Vec<Value>, Error> {
    match value {
        Value::Array(list) => Ok(list),
        other => Err(Error::content(
            place,
            format!("{} is {}, not a list: give every row a list", quote(column), quote(&other.to_string())),
        )),
    }
}

/// Returns the words in a list.
pub(crate) fn words_of(value: Value, column: &str, place: &str) -> Result<Vec<String>, Error> {
    let word = |(index, value)| match value {
        Value::String(word) => Ok(word),
        other => Err(Error::content(
            place,
            format!(
                "word {} of {} is {}, not a string: write it in quotes, or drop it and its label",
                index + 1,
                quote(column),
                quote(&Value::to_string(&other))
            ),
        )),
    };
    list_of(value, column, place)?.into_iter().enumerate().map(word).collect()
}

/// Returns the labels in a list.
pub(crate) fn tags_of(value: Value, column: &str, tags: &mut TagNames, place: &str) -> Result<Vec<u32>, Error> {
    let tag = |(index, value): (usize, Value)| match (&value, value.as_i64()) {
        (Value::String(label), _) => tags.of_string(label, || place.to_owned()),
        (_, Some(label)) => tags.of_integer(label, || place.to_owned()),
        (other, None) => Err(Error::content(
            place,
            format!(
                "label {} of {} is {}, neither a string nor a 64-bit integer: correct it",
                index + 1,
                quote(column),
                quote(&other.to_string())
            ),
        )),
    };
    list_of(value, column, place)?.into_iter().enumerate().map(tag).collect()
}
