//! Records of tables, cut here rather than by a library.

use crate::bytes::input::Input;
use crate::bytes::lines::{Limit, Lines};
use crate::error::{Error, at_line};
use std::mem::take;
use tagsmith_message::Note;

/// Records (RFC 4180), cut here rather than by a library.
///
/// So a record's length is bounded while a quotation mark is open, and every place is exact.
pub(crate) struct Records {
    lines: Lines,
    separator: char,
    source: String,
    limit: Limit,
}

/// One row of a table.
pub(crate) struct Record {
    /// The line where it begins, from 1.
    pub(crate) line: u64,
    /// The cells.
    pub(crate) cells: Vec<String>,
    /// Whether empty lines stand before it.
    pub(crate) after_gap: bool,
}

impl Records {
    pub(crate) fn new(input: Input, separator: char, source: &str, limit: Limit) -> Records {
        Records { lines: Lines::new(input, source, limit), separator, source: source.to_owned(), limit }
    }

    /// Returns what was odd about the lines so far.
    pub(crate) fn notes(&self) -> Option<Note> {
        self.lines.notes()
    }

    /// Returns whether more bytes are there without waiting.
    pub(crate) fn has_more_at_hand(&self) -> bool {
        self.lines.has_more_at_hand()
    }

    /// Returns the next record. Empty lines between records are passed over.
    ///
    /// # Errors
    /// A record whose quotation mark is never closed, or that is too long.
    pub(crate) fn next(&mut self) -> Result<Option<Record>, Error> {
        let mut cells = Cutter::default();
        let mut begin = None;
        let mut after_gap = false;
        while let Some((number, line)) = self.lines.next()? {
            if begin.is_none() && line.is_empty() {
                after_gap = true;
                continue;
            }
            let begin = *begin.get_or_insert(number);
            cells.line(line, self.separator);
            if !cells.quoted {
                return Ok(Some(Record { line: begin, cells: cells.finish(), after_gap }));
            }
            if cells.bytes > self.limit.bytes() {
                return Err(self.limit.exceeded(at_line(&self.source, begin), "row that begins here"));
            }
        }
        let Some(begin) = begin else { return Ok(None) };
        Err(Error::content(
            at_line(&self.source, begin),
            "the row that begins here opens a quotation mark and never closes it: close it, or double those inside",
        ))
    }
}

/// The cells of a record while its lines come in.
#[derive(Default)]
struct Cutter {
    cells: Vec<String>,
    cell: String,
    /// Inside quotation marks, where a separator is text and so is a line's end.
    quoted: bool,
    bytes: usize,
}

impl Cutter {
    fn line(&mut self, line: &str, separator: char) {
        self.bytes += line.len() + 1;
        if self.quoted {
            self.cell.push('\n');
        }
        // Only a quotation mark that begins a cell opens one; any other is text.
        let mut at_start = !self.quoted;
        let mut chars = line.chars().peekable();
        while let Some(char) = chars.next() {
            match char {
                '"' if at_start => self.quoted = true,
                '"' if self.quoted && chars.next_if_eq(&'"').is_some() => self.cell.push('"'),
                '"' if self.quoted => self.quoted = false,
                _ if char == separator && !self.quoted => {
                    self.cells.push(take(&mut self.cell));
                    at_start = true;
                    continue;
                }
                _ => self.cell.push(char),
            }
            at_start = false;
        }
    }

    fn finish(mut self) -> Vec<String> {
        self.cells.push(self.cell);
        self.cells
    }
}
