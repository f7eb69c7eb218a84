//! JSON: one object a sentence or document, as lines, one after another, or in one array.

use crate::bytes::input::Input;
use crate::bytes::lines::{Limit, utf8};
use crate::error::{Error, at_line};
use crate::format::span_fields;
use crate::read_options::{ReadOptions, Wanted};
use crate::rows::row::{Reader, Row};
use crate::rows::tag_names::TagNames;
use crate::rules::choose_columns::{Cells, no_content, of_content, of_tagged};
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::io::BufRead;
use tagsmith_files::strict_json::Object;
use tagsmith_message::Note;
use tagsmith_message::{quote, quote_all};
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
            Wanted::Tagged | Wanted::Labels | Wanted::Spans(_) => {
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
            Chosen::Content(keys) => Row::of(line, content_of(row, keys, &place)?),
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
        // Behind a row comes white space, and perhaps nothing else for a while.
        self.values.input.at_hand().iter().any(|byte| !byte.is_ascii_whitespace())
    }
}

/// Returns what is to be tagged: the value of the first of `keys` that the row has.
fn content_of(mut row: Map<String, Value>, keys: &[String], place: &str) -> Result<Content, Error> {
    let Some(key) = keys.iter().find(|key| row.contains_key(*key)) else {
        let names: Vec<&str> = row.keys().map(String::as_str).collect();
        return Err(no_content(place, "object", keys, &names));
    };
    let content = match row.get_mut(key).map(Value::take) {
        Some(Value::String(text)) => Some(Content::Text(text)),
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

/// Returns the error for a column that holds nothing that can be tagged.
pub(crate) fn not_content(place: &str, column: &str) -> Error {
    Error::content(place, format!("{} is neither a string nor a list of strings", quote(column)))
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
                        "this object wraps the rows in {}: write the list alone, for example with `jq -c '.[{}][]'`",
                        quote(name),
                        Value::from(name.as_str())
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

fn list_of(value: Value, column: &str, place: &str) -> Result<Vec<Value>, Error> {
    match value {
        Value::Array(list) => Ok(list),
        other => Err(Error::content(
            place,
            format!("{} is {}, not a list: give every row a list", quote(column), quote(&other.to_string())),
        )),
    }
}

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

/// Returns serde_json's message at its place in the source. `line` and `column` are where the value begins, from 1.
fn syntax(source: &str, line: u64, column: usize, error: &serde_json::Error) -> Error {
    let at = match error.line() {
        0 | 1 => column + error.column().max(1) - 1,
        _ => error.column(),
    };
    let line = line + (error.line().max(1) - 1) as u64;
    let said = error.to_string();
    // serde_json's own " at line 1 column 2" counts from the value's beginning.
    let said = said.rsplit_once(" at line ").map_or(said.as_str(), |(said, _)| said);
    Error::content(at_line(source, line), format!("column {at}: this is not the JSON of a row ({said}): correct it"))
}

/// Where the scan is between values.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Between {
    /// Before anything.
    Start,
    /// After a value outside an array.
    Rows,
    /// After `[`: a value or `]` may come.
    ArrayStart,
    /// After a value in the array: a comma or `]` must come.
    ArrayRow,
    /// After a comma: a value must come.
    ArrayComma,
    /// After `]`.
    Ended,
}

/// Cuts the input into its rows without holding more than one.
struct Values {
    input: Input,
    source: String,
    limit: Limit,
    between: Between,
    line: u64,
    /// The column of the next byte, from 1.
    column: usize,
    bytes: Vec<u8>,
}

impl Values {
    fn new(input: Input, source: &str, limit: Limit) -> Self {
        let source = source.to_owned();
        Values { input, source, limit, between: Between::Start, line: 1, column: 1, bytes: Vec::new() }
    }

    /// Returns the next row with the line and column where it begins.
    fn next(&mut self) -> Result<Option<(u64, usize, &str)>, Error> {
        self.bytes.clear();
        if (self.line, self.column) == (1, 1) {
            self.skip_mark()?;
        }
        if !self.seek_object()? {
            return Ok(None);
        }
        let (line, column) = (self.line, self.column);
        if !self.scan_object()? {
            return Err(self.unclosed(line, column));
        }
        Ok(Some((line, column, utf8(&self.bytes, &self.source, line, column - 1)?)))
    }

    /// Steps over a byte-order mark.
    fn skip_mark(&mut self) -> Result<(), Error> {
        if self.peek()? == Some(0xEF) {
            for expected in *b"\xEF\xBB\xBF" {
                match self.peek()? {
                    Some(byte) if byte == expected => self.step(byte),
                    found => return Err(self.unexpected(found.unwrap_or(0xEF), Between::Start)),
                }
            }
        }
        Ok(())
    }

    /// Moves to the `{` of the next row. Returns false at the end of the input.
    fn seek_object(&mut self) -> Result<bool, Error> {
        while let Some(byte) = self.peek()? {
            self.between = match (byte, self.between) {
                (b' ' | b'\t' | b'\r' | b'\n', between) => between,
                (b'{', Between::Start | Between::Rows) => {
                    self.between = Between::Rows;
                    return Ok(true);
                }
                (b'{', Between::ArrayStart | Between::ArrayComma) => {
                    self.between = Between::ArrayRow;
                    return Ok(true);
                }
                (b'[', Between::Start) => Between::ArrayStart,
                (b',', Between::ArrayRow) => Between::ArrayComma,
                (b']', Between::ArrayStart | Between::ArrayRow) => Between::Ended,
                (_, between) => return Err(self.unexpected(byte, between)),
            };
            self.step(byte);
        }
        match self.between {
            Between::ArrayStart | Between::ArrayRow | Between::ArrayComma => Err(Error::content(
                at_line(&self.source, self.line),
                "the array is not closed: is the file cut off? Its last byte must be `]`",
            )),
            _ => Ok(false),
        }
    }

    fn unexpected(&self, byte: u8, between: Between) -> Error {
        let remedy = match between {
            Between::Start | Between::ArrayStart => "every row must be an object `{…}`",
            Between::Rows if byte == b',' => "remove the comma, or put the rows between `[` and `]`",
            Between::Rows => "every row must be an object `{…}`",
            Between::ArrayRow => "put a comma between the rows",
            Between::ArrayComma if byte == b']' => "remove the comma before it",
            Between::ArrayComma => "every row must be an object `{…}`",
            Between::Ended => "remove what follows the array's end",
        };
        let shown = char::from(byte);
        let shown = if shown.is_ascii_graphic() { format!("`{shown}`") } else { format!("byte 0x{byte:02X}") };
        Error::content(
            at_line(&self.source, self.line),
            format!("column {}: {shown} is not expected here: {remedy}", self.column),
        )
    }

    /// Copies one object to `bytes`. Returns false when the input ends first.
    fn scan_object(&mut self) -> Result<bool, Error> {
        let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
        let (begin, mut line, mut column) = (self.line, self.line, self.column);
        loop {
            let chunk = self.input.fill_buf().map_err(Error::read(at_line(&self.source, line)))?;
            if chunk.is_empty() {
                return Ok(false);
            }
            let mut closed = None;
            for (index, &byte) in chunk.iter().enumerate() {
                column += 1;
                match byte {
                    b'\n' => (line, column) = (line + 1, 1),
                    _ if escaped => {}
                    b'"' => in_string = !in_string,
                    b'{' | b'[' if !in_string => depth += 1,
                    b'}' | b']' if !in_string => depth -= 1,
                    _ => {}
                }
                escaped = in_string && !escaped && byte == b'\\';
                if depth == 0 {
                    closed = Some(index + 1);
                    break;
                }
            }
            let taken = closed.unwrap_or(chunk.len());
            if self.bytes.len() + taken > self.limit.bytes() {
                return Err(self.too_long_or_malformed(begin));
            }
            self.bytes.extend_from_slice(&chunk[..taken]);
            self.input.consume(taken);
            (self.line, self.column) = (line, column);
            if closed.is_some() {
                return Ok(true);
            }
        }
    }

    /// Returns the syntax error in `bytes`, if there is one: a forgotten bracket swallows the rows that follow, and the
    /// parser knows where.
    fn malformed(&self, line: u64, column: usize) -> Option<Error> {
        let error = serde_json::from_slice::<serde::de::IgnoredAny>(&self.bytes).err()?;
        (!error.is_eof()).then(|| syntax(&self.source, line, column, &error))
    }

    fn too_long_or_malformed(&self, line: u64) -> Error {
        self.malformed(line, 1)
            .unwrap_or_else(|| self.limit.exceeded(at_line(&self.source, line), "row that begins here"))
    }

    fn unclosed(&self, line: u64, column: usize) -> Error {
        self.malformed(line, column).unwrap_or_else(|| {
            Error::content(
                at_line(&self.source, line),
                "the row that begins here is not closed: is the file cut off? Close it or drop it",
            )
        })
    }

    fn peek(&mut self) -> Result<Option<u8>, Error> {
        let line = self.line;
        let chunk = self.input.fill_buf().map_err(Error::read(at_line(&self.source, line)))?;
        Ok(chunk.first().copied())
    }

    fn step(&mut self, byte: u8) {
        self.input.consume(1);
        (self.line, self.column) = if byte == b'\n' { (self.line + 1, 1) } else { (self.line, self.column + 1) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::split_builder::collect;
    use crate::rows::split_builder::tests::show;
    use expect_test::{Expect, expect};
    use proptest::prelude::*;
    use tagsmith_text::sentence::Split;

    fn read(input: &[u8], source: &str, options: &ReadOptions) -> Result<Split, Error> {
        read_from(Input::from_bytes(input.to_vec()), source, options)
    }

    fn read_from(input: Input, source: &str, options: &ReadOptions) -> Result<Split, Error> {
        collect(Box::new(JsonReader::new(input, source, options, Wanted::Tagged, Limit::Item)), source)
    }

    fn check(input: &str, want: Expect) {
        want.assert_eq(&show(read(input.as_bytes(), "f", &ReadOptions::default())));
    }

    fn check_columns(input: &str, text: &str, label: &str, want: Expect) {
        let options =
            ReadOptions { text_column: Some(text.into()), label_column: Some(label.into()), ..ReadOptions::default() };
        want.assert_eq(&show(read(input.as_bytes(), "f", &options)));
    }

    #[test]
    fn layouts() {
        check(
            "{\"words\": [\"EU\", \"no\"], \"ner\": [\"B-ORG\", \"O\"]}\n{\"words\": [], \"ner\": []}\n",
            expect![[r#"
            1: EU|B-ORG no|O
            2: 
            Strings ["B-ORG", "O"]; words and ner of words ner
            note: 1 sentences have no words; they are kept (f:2)
        "#]],
        );
        check(
            "\u{FEFF}{\"a\": [\"x{\\\"}\\\\\"], \"b\": [\"O\"]}\r\n\r\n{\"a\": [\"y\"], \"b\": [\"O\"]}",
            expect![[r#"
            1: x{\"}\\|O
            3: y|O
            Strings ["O"]; a and b of a b
        "#]],
        );
        check(
            "[{\"a\": [\"x\"], \"b\": [\"O\"]},\n {\"a\": [\"y\"], \"b\": [\"O\"]}]\n",
            expect![[r#"
            1: x|O
            2: y|O
            Strings ["O"]; a and b of a b
        "#]],
        );
        check(
            "{\n  \"a\": [\n    \"x\"\n  ],\n  \"b\": [\"O\"]\n}\n{\n  \"a\": [\"y\"], \"b\": [\"O\"]}",
            expect![[r#"
            1: x|O
            7: y|O
            Strings ["O"]; a and b of a b
        "#]],
        );
        check(
            "{\"a\": [\"x\"], \"b\": [\"O\"]}{\"a\": [\"y\"], \"b\": [\"O\"]} {\"b\": [\"O\"], \"a\": [\"z\"], \"c\": 1}",
            expect![[r#"
            1: x|O
            1: y|O
            1: z|O
            Strings ["O"]; a and b of a b c
        "#]],
        );
        check(
            "\u{FEFF}[\n]",
            expect![[r#"
            error: f: there is no sentence in it: check the path and how the file was made
        "#]],
        );
        check(
            "",
            expect![[r#"
            error: f: there is no sentence in it: check the path and how the file was made
        "#]],
        );
    }

    #[test]
    fn key_order_is_column_order() {
        check(
            "{\"zebra\": [\"x\"], \"ant\": [\"O\"]}",
            expect![[r#"
            1: x|O
            Strings ["O"]; zebra and ant of zebra ant
        "#]],
        );
        check(
            "{\"id\": \"0\", \"tokens\": [\"x\"], \"pos_tags\": [2], \"ner_tags\": [7]}",
            expect![[r#"
            1: x|7
            Integers ["7"]; tokens and ner_tags of id tokens pos_tags ner_tags
        "#]],
        );
        check_columns(
            "{\"id\": \"0\", \"tokens\": [\"x\"], \"pos_tags\": [2], \"ner_tags\": [7]}",
            "tokens",
            "pos_tags",
            expect![[r#"
            1: x|2
            Integers ["2"]; tokens and pos_tags of id tokens pos_tags ner_tags
        "#]],
        );
        check_columns(
            "{\"id\": \"0\", \"tokens\": [\"x\"], \"pos_tags\": [2]}",
            "tokens",
            "pos_tag",
            expect![[r#"
                error: f:1: there is no column `pos_tag` among `id`, `tokens`, `pos_tags`: pass <LabelColumn=pos_tags> if that is meant
            "#]],
        );
    }

    #[test]
    fn labels_of_both_kinds() {
        check(
            "{\"a\": [\"x\", \"y\"], \"b\": [3, -1]}\n{\"a\": [\"z\"], \"b\": [0]}",
            expect![[r#"
            1: x|3 y|-1
            2: z|0
            Integers ["3", "-1", "0"]; a and b of a b
        "#]],
        );
        check(
            "{\"a\": [\"x\", \"y\"], \"b\": [3, \"O\"]}",
            expect![[r#"
            error: f:1: the label `O` is a string, the labels before are integers: write all of them one way
        "#]],
        );
        check(
            "{\"a\": [\"x\"], \"b\": [\"O\"]}\n{\"a\": [\"x\"], \"b\": [0]}",
            expect![[r#"
            error: f:2: the label `0` is an integer, the labels before are strings: write all of them one way
        "#]],
        );
        check(
            "{\"a\": [\"x\"], \"b\": [1.0]}",
            expect![[r#"
                error: f:1: the labels' column `b` holds lists of numbers that are not 64-bit integers, not a list of labels (columns: `a`, `b`): write one list a sentence, or pass <LabelColumn> to read another column
            "#]],
        );
        check(
            "{\"a\": [\"x\"], \"b\": [18446744073709551615]}",
            expect![[r#"
                error: f:1: the labels' column `b` holds lists of numbers that are not 64-bit integers, not a list of labels (columns: `a`, `b`): write one list a sentence, or pass <LabelColumn> to read another column
            "#]],
        );
    }

    #[test]
    fn cells_that_cannot_be_read() {
        check(
            "{\"a\": [\"x\"], \"b\": [\"O\"]}\n{\"a\": [\"x\", null], \"b\": [\"O\", \"O\"]}",
            expect![[r#"
            error: f:2: word 2 of `a` is `null`, not a string: write it in quotes, or drop it and its label
        "#]],
        );
        check(
            "{\"a\": [\"x\", 5], \"b\": [\"O\", \"O\"]}",
            expect![[r#"
            error: f:1: word 2 of `a` is `5`, not a string: write it in quotes, or drop it and its label
        "#]],
        );
        check(
            "{\"a\": [\"x\", \"y\"], \"b\": [\"O\", null]}",
            expect![[r#"
            error: f:1: label 2 of `b` is `null`, neither a string nor a 64-bit integer: correct it
        "#]],
        );
        check(
            "{\"a\": [\"x\"], \"b\": [\"O\"]}\n{\"a\": null, \"b\": [\"O\"]}",
            expect![[r#"
            error: f:2: `a` is `null`, not a list: give every row a list
        "#]],
        );
        check(
            "{\"a\": [\"x\"], \"b\": [\"O\"]}\n\n{\"a\": [\"x\"]}",
            expect![[r#"
            error: f:3: the row has no `b` (it has `a`): add it, or drop the row
        "#]],
        );
        check(
            "{\"a\": [\"x\"], \"b\": [\"\"]}",
            expect![[r#"
            error: f:1: a label is an empty string: give every word a label
        "#]],
        );
        check(
            "{\"a\": [\"x\", \"y\"], \"b\": [\"O\"]}",
            expect![[r#"
                error: f:1: 2 words (`a`) and 1 label (`b`): give every word one label, or pass <TextColumn> or <LabelColumn> to read other columns
            "#]],
        );
        check(
            "{\"a\": [\"x\"], \"b\": [\"O\", \"O\"]}",
            expect![[r#"
                error: f:1: 1 word (`a`) and 2 labels (`b`): give every word one label, or pass <TextColumn> or <LabelColumn> to read other columns
            "#]],
        );
        check(
            "{\"a\": [\"\", \" \"], \"b\": [\"O\", \"O\"]}",
            expect![[r#"
            1: |O  |O
            Strings ["O"]; a and b of a b
            note: 2 words are empty or blank; they are kept (f:1, f:1)
        "#]],
        );
    }

    #[test]
    fn shapes_that_are_no_rows() {
        check(
            "{\"data\": [{\"a\": [\"x\"], \"b\": [\"O\"]}]}",
            expect![[r#"
            error: f:1: this object wraps the rows in `data`: write the list alone, for example with `jq -c '.["data"][]'`
        "#]],
        );
        check(
            "{\"version\": 1, \"rows\": [{\"a\": [\"x\"], \"b\": [\"O\"]}]}",
            expect![[r#"
            error: f:1: this object wraps the rows in `rows`: write the list alone, for example with `jq -c '.["rows"][]'`
        "#]],
        );
        check(
            "{\"tokens\": [[\"x\"], [\"y\"]], \"ner_tags\": [[\"O\"], [\"O\"]]}",
            expect![[r#"
            error: f:1: this object holds whole columns (`tokens` is a list of lists): write one object a sentence
        "#]],
        );
        check(
            "{\"text\": \"x y\", \"tags\": [\"O\", \"O\"]}",
            expect![[r#"
                error: f:1: the words' column `text` holds a string, not a list of words (columns: `text`, `tags`): split each sentence into a list of strings, or pass <TextColumn> to read another column
            "#]],
        );
        check(
            "{\"tokens\": \"x y\", \"ner_tags\": [\"O\", \"O\"]}",
            expect![[r#"
                error: f:1: the words' column `tokens` holds a string, not a list of words (columns: `tokens`, `ner_tags`): split each sentence into a list of strings, or pass <TextColumn> to read another column
            "#]],
        );
        check(
            "{\"tokens\": [\"x\"]}",
            expect![[r#"
            error: f:1: there is only the column `tokens`: words and labels need a column each
        "#]],
        );
        check(
            "{\"tokenized_text\": [\"x\"], \"ner\": [[0, 0, \"X\"]]}",
            expect![[r#"
                error: f:1: the labels' column `ner` holds lists of lists, not a list of labels (columns: `tokenized_text`, `ner`): write one list a sentence, or pass <LabelColumn> to read another column
            "#]],
        );
        check(
            "[\"x\"]",
            expect![[r#"
            error: f:1: column 2: `"` is not expected here: every row must be an object `{…}`
        "#]],
        );
        check(
            "\"x\"",
            expect![[r#"
            error: f:1: column 1: `"` is not expected here: every row must be an object `{…}`
        "#]],
        );
        check(
            "{}",
            expect![[r#"
            error: f:1: there is no column: words and labels need a column each
        "#]],
        );
    }

    #[test]
    fn malformed_json_is_located() {
        check(
            "{\"a\": [\"x\"], \"b\": [\"O\"]}\n{\"a\": [\"x\",], \"b\": [\"O\"]}",
            expect![[r#"
            error: f:2: column 12: this is not the JSON of a row (trailing comma): correct it
        "#]],
        );
        check(
            "{\"a\": [\"x\"], \"b\": [\"O\"]}\n{\"a\": [\"x\"], \"b\": [\"O\"]\n{\"a\": [\"y\"], \"b\": [\"O\"]}\n",
            expect![[r#"
            error: f:3: column 1: this is not the JSON of a row (expected `,` or `}`): correct it
        "#]],
        );
        check(
            "{\"a\": [\"x\"], \"b\": [\"O\"]},\n{}",
            expect![[r#"
            error: f:1: column 25: `,` is not expected here: remove the comma, or put the rows between `[` and `]`
        "#]],
        );
        check(
            "[{\"a\": [\"x\"], \"b\": [\"O\"]},\n]",
            expect![[r#"
            error: f:2: column 1: `]` is not expected here: remove the comma before it
        "#]],
        );
        check(
            "[{\"a\": [\"x\"], \"b\": [\"O\"]}\n{}]",
            expect![[r#"
            error: f:2: column 1: `{` is not expected here: put a comma between the rows
        "#]],
        );
        check(
            "[{\"a\": [\"x\"], \"b\": [\"O\"]}",
            expect![[r#"
            error: f:1: the array is not closed: is the file cut off? Its last byte must be `]`
        "#]],
        );
        check(
            "[{\"a\": [\"x\"], \"b\": [\"O\"]}] x",
            expect![[r#"
            error: f:1: column 28: `x` is not expected here: remove what follows the array's end
        "#]],
        );
        check(
            "{\"a\": [\"x\"], \"b\": [\"O\"]}\n{\"a\": [\"x",
            expect![[r#"
            error: f:2: the row that begins here is not closed: is the file cut off? Close it or drop it
        "#]],
        );
        check(
            "{\"a\": [\"x\"], \"a\": [\"O\"]}",
            expect![[r#"
            error: f:1: column 24: this is not the JSON of a row (the key `a` occurs twice): correct it
        "#]],
        );
        check(
            "{\"a\": [NaN], \"b\": [\"O\"]}",
            expect![[r#"
            error: f:1: column 8: this is not the JSON of a row (expected value): correct it
        "#]],
        );
        check(
            "EU B-ORG\n",
            expect![[r#"
            error: f:1: column 1: `E` is not expected here: every row must be an object `{…}`
        "#]],
        );
        check(
            &format!("{{\"a\": {}", "[".repeat(100_000)),
            expect![[r#"
            error: f:1: the row that begins here is not closed: is the file cut off? Close it or drop it
        "#]],
        );
        check(
            &format!("{{\"a\": {}{}}}", "[".repeat(200), "]".repeat(200)),
            expect![[r#"
            error: f:1: column 133: this is not the JSON of a row (recursion limit exceeded): correct it
        "#]],
        );
    }

    #[test]
    fn bytes_that_are_not_utf8() {
        let text = b"{\"a\": [\"x\"], \"b\": [\"O\"]}\n {\"a\":\n [\"caf\xE9\"], \"b\": [\"O\"]}";
        expect![[r#"
            error: f:3: byte 7 of the line (0xE9) is not UTF-8: convert the file, for example with `iconv -f LATIN1 -t UTF-8` (or `-f UTF-16`)
        "#]].assert_eq(&show(read(&text[..], "f", &ReadOptions::default())));
    }

    #[test]
    fn a_row_without_end_is_refused() {
        let input = std::io::Read::chain(&b"{\"a\": \""[..], std::io::repeat(b'a'));
        let error = read_from(Input::new(Box::new(input)), "f", &ReadOptions::default()).expect_err("it never ends");
        expect!["f:1: the row that begins here is longer than 64 MiB: is this the right file? Split it if it is"]
            .assert_eq(&error.to_string());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes, "f", &ReadOptions::default());
        }

        #[test]
        fn arbitrary_punctuation_never_panics(text in "[\\[\\]{}\",:\\\\ab0 \n]{0,60}") {
            let _ = read(text.as_bytes(), "f", &ReadOptions::default());
        }

        /// Any rows, however laid out and however the input is chunked, come back.
        #[test]
        fn round_trip(
            rows in prop::collection::vec(prop::collection::vec((".{0,5}", "[A-Z]{1,3}"), 0..5), 1..5),
            array in any::<bool>(), pretty in any::<bool>(), chunk in 1_usize..9,
        ) {
            let values: Vec<Value> = rows.iter().map(|row| {
                let (words, labels): (Vec<_>, Vec<_>) = row.iter().cloned().unzip();
                serde_json::json!({"a": words, "b": labels})
            }).collect();
            let print = |value: &Value| if pretty { format!("{value:#}") } else { value.to_string() };
            let text = if array { print(&Value::Array(values)) } else { values.iter().map(print).collect::<Vec<_>>().join("\n") };
            let input = Input::with_capacity(chunk, Box::new(std::io::Cursor::new(text.into_bytes())));
            let split = read_from(input, "f", &ReadOptions::default()).expect("well-formed");
            let got: Vec<Vec<(String, String)>> = split.sentences.iter().map(|sentence| {
                sentence.words.iter().zip(&sentence.tags)
                    .map(|(word, &tag)| (word.clone(), split.tag_names[tag as usize].clone())).collect()
            }).collect();
            prop_assert_eq!(got, rows);
        }
    }
}
