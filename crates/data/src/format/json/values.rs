//! The rows of a JSON file, one at a time: where each begins and ends.

use crate::bytes::input::Input;
use crate::bytes::lines::{Limit, utf8};
use crate::error::{Error, at_line};
use std::io::BufRead;

/// Returns serde_json's message at its place in the source. `line` and `column` are where the value begins, from 1.
pub(crate) fn syntax(source: &str, line: u64, column: usize, error: &serde_json::Error) -> Error {
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

/// The input, cut into its rows without holding more than one.
pub(crate) struct Values {
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
    pub(crate) fn new(input: Input, source: &str, limit: Limit) -> Self {
        let source = source.to_owned();
        Values { input, source, limit, between: Between::Start, line: 1, column: 1, bytes: Vec::new() }
    }

    /// Returns whether something but white space is there without waiting.
    pub(crate) fn has_more_at_hand(&self) -> bool {
        // Behind a row comes white space, and perhaps nothing else for a while.
        self.input.at_hand().iter().any(|byte| !byte.is_ascii_whitespace())
    }

    /// Returns the next row with the line and column where it begins.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, usize, &str)>, Error> {
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
