//! Lines of a text file, each of bounded length.

use crate::bytes::input::Input;
use crate::error::{Error, at_line};
use std::io::{BufRead, Read};
use tagsmith_message::Note;

/// The most bytes that are held of one line, row or record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// The file is read whole: only a wrong file has longer lines.
    Item,
    /// Each item is a document to tag. Its pieces, windows and scores are held at once, 300 to 700 times as much.
    Document,
}

impl Limit {
    /// Returns the limit in bytes.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Limit::Item => 64 << 20,
            Limit::Document => 1 << 20,
        }
    }

    /// Returns the error for an item at `place` that is longer.
    pub(crate) fn exceeded(self, place: String, item: &str) -> Error {
        let most = self.bytes() >> 20;
        Error::content(
            place,
            match self {
                Limit::Item => {
                    format!("the {item} is longer than {most} MiB: is this the right file? Split it if it is")
                }
                Limit::Document => {
                    format!("the document is longer than {most} MiB, the most that is tagged in one piece: split it")
                }
            },
        )
    }
}

/// Lines without their ends, numbered from 1; the byte-order mark is dropped.
pub(crate) struct Lines {
    input: Input,
    source: String,
    limit: Limit,
    number: u64,
    bytes: Vec<u8>,
    /// Lines with a carriage return that does not end them.
    returns: Note,
}

impl Lines {
    pub(crate) fn new(input: Input, source: &str, limit: Limit) -> Self {
        let returns =
            Note::new("{line holds|lines hold} a carriage return inside, which is read as a part of the line");
        Lines { input, source: source.to_owned(), limit, number: 0, bytes: Vec::new(), returns }
    }

    /// Returns what was odd about the lines so far.
    pub(crate) fn notes(&self) -> Option<Note> {
        Some(self.returns.clone()).filter(|note| note.count > 0)
    }

    /// Returns the next line and its number, or `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, &str)>, Error> {
        self.bytes.clear();
        self.number += 1;
        let mut bounded = (&mut self.input).take(self.limit.bytes() as u64 + 1);
        let count =
            bounded.read_until(b'\n', &mut self.bytes).map_err(Error::read(at_line(&self.source, self.number)))?;
        if count == 0 {
            return Ok(None);
        }
        if count > self.limit.bytes() {
            return Err(self.limit.exceeded(at_line(&self.source, self.number), "line"));
        }
        let mut line = self.bytes.as_slice();
        line = line.strip_suffix(b"\n").unwrap_or(line);
        line = line.strip_suffix(b"\r").unwrap_or(line);
        if self.number == 1 {
            line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
        }
        if line.contains(&b'\r') {
            // Python reads such a file line by line, and it would be one line here.
            if self.number == 1 && !self.bytes.ends_with(b"\n") {
                let problem = "its lines end in a carriage return alone: convert it with `tr '\\r' '\\n'`";
                return Err(Error::content(self.source.clone(), problem));
            }
            let (source, number) = (&self.source, self.number);
            self.returns.add(|| at_line(source, number));
        }
        Ok(Some((self.number, utf8(line, &self.source, self.number, 0)?)))
    }

    /// Returns whether more bytes are there without waiting.
    pub(crate) fn has_more_at_hand(&self) -> bool {
        !self.input.at_hand().is_empty()
    }
}

/// Returns the text of `bytes`, which begin in line `line` after `before` other bytes of it.
pub(crate) fn utf8<'b>(bytes: &'b [u8], source: &str, line: u64, before: usize) -> Result<&'b str, Error> {
    std::str::from_utf8(bytes).map_err(|error| {
        let good = &bytes[..error.valid_up_to()];
        let line = line + good.iter().filter(|&&byte| byte == b'\n').count() as u64;
        let column = match good.iter().rposition(|&byte| byte == b'\n') {
            Some(end) => good.len() - end - 1,
            None => before + good.len(),
        };
        Error::Encoding { place: at_line(source, line), byte: column + 1, value: bytes[good.len()] }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn a_line_without_end_is_refused() {
        let error = |limit| {
            let mut lines = Lines::new(Input::new(Box::new(io::repeat(b'a'))), "a.txt", limit);
            lines.next().expect_err("the line never ends").to_string()
        };
        assert_eq!(
            error(Limit::Item),
            "a.txt:1: the line is longer than 64 MiB: is this the right file? Split it if it is"
        );
        assert_eq!(
            error(Limit::Document),
            "a.txt:1: the document is longer than 1 MiB, the most that is tagged in one piece: split it"
        );
    }

    #[test]
    fn utf8_errors_name_line_and_byte() {
        let place = |bytes: &[u8], before| utf8(bytes, "f", 5, before).expect_err("not UTF-8").to_string();
        assert!(place(b"ab\xE9", 0).starts_with("f:5: byte 3 of the line (0xE9) is not UTF-8"));
        assert!(place(b"ab\xE9", 10).starts_with("f:5: byte 13 of the line"));
        assert!(place(b"ab\nc\n\xFFd", 10).starts_with("f:7: byte 1 of the line (0xFF)"));
    }
}
