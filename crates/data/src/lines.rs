//! Lines of a text file, each of bounded length.

use crate::error::{Error, at_line};
use std::io::{BufRead, Read};

/// The longest line, JSON row or CSV record that is read, in bytes.
pub const ITEM_BYTES_MAX: usize = 64 << 20;

/// Lines without their ends, numbered from 1; the byte-order mark is dropped.
pub(crate) struct Lines<'s, R> {
    input: R,
    source: &'s str,
    number: u64,
    bytes: Vec<u8>,
}

impl<'s, R: BufRead> Lines<'s, R> {
    pub(crate) fn new(input: R, source: &'s str) -> Self {
        Lines { input, source, number: 0, bytes: Vec::new() }
    }

    /// The next line and its number, or `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, &str)>, Error> {
        self.bytes.clear();
        self.number += 1;
        let mut bounded = (&mut self.input).take(ITEM_BYTES_MAX as u64 + 1);
        let count = bounded
            .read_until(b'\n', &mut self.bytes)
            .map_err(|source| Error::Read { place: at_line(self.source, self.number), source })?;
        if count == 0 {
            return Ok(None);
        }
        if count > ITEM_BYTES_MAX {
            return Err(too_long(at_line(self.source, self.number), "line"));
        }
        let mut line = self.bytes.as_slice();
        line = line.strip_suffix(b"\n").unwrap_or(line);
        line = line.strip_suffix(b"\r").unwrap_or(line);
        if self.number == 1 {
            line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
        }
        Ok(Some((self.number, utf8(line, self.source, self.number, 0)?)))
    }
}

/// The text of `bytes`, which begin in line `line` after `before` other bytes of it.
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

pub(crate) fn too_long(place: String, what: &str) -> Error {
    Error::content(place, format!("the {what} is longer than 64 MiB: is this the right file? Split it if it is"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn a_line_without_end_is_refused() {
        let mut lines = Lines::new(io::BufReader::new(io::repeat(b'a')), "a.txt");
        let error = lines.next().expect_err("the line never ends");
        assert_eq!(
            error.to_string(),
            "a.txt:1: the line is longer than 64 MiB: is this the right file? Split it if it is"
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
