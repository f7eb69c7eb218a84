//! The bytes of a file or a stream, buffered so that a reader can see their beginning and what is at hand.

use crate::error::Error;
use crate::read_options::Meter;
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// The bytes that are read at once.
const BUFFER_BYTES: usize = 256 << 10;

/// The bytes that show a format.
pub(crate) const BEGINNING_BYTES: usize = 64 << 10;

/// Bytes that are read front to back.
pub struct Input {
    inner: Box<dyn Read + Send>,
    /// Whether a person or a program may be writing it now.
    is_stream: bool,
    buffer: Vec<u8>,
    /// The part of `buffer` that is filled and not yet consumed.
    filled: std::ops::Range<usize>,
}

impl Input {
    /// Returns the bytes of a stream.
    pub fn new(inner: Box<dyn Read + Send>) -> Input {
        Input::with_capacity(BUFFER_BYTES, inner)
    }

    /// Returns the bytes of a stream, of which `capacity` are read at once.
    pub(crate) fn with_capacity(capacity: usize, inner: Box<dyn Read + Send>) -> Input {
        Input { inner, is_stream: true, buffer: vec![0; capacity.max(1)], filled: 0..0 }
    }

    /// Returns bytes that are in memory; all of them are at hand.
    pub(crate) fn from_bytes(bytes: Vec<u8>) -> Input {
        let filled = 0..bytes.len();
        let buffer = if bytes.is_empty() { vec![0] } else { bytes };
        Input { inner: Box::new(io::empty()), is_stream: false, buffer, filled }
    }

    /// Opens a file of text, unpacked if its name ends in `.gz`. `meter` counts the file's own bytes.
    pub(crate) fn open(path: &Path, meter: &Meter) -> Result<Input, Error> {
        let file = File::open(path).map_err(Error::open(path))?;
        let file = Metered { file, meter: meter.clone() };
        let bytes: Box<dyn Read + Send> = match is_packed(path) {
            true => Box::new(Gunzip { decoder: MultiGzDecoder::new(BufReader::new(file)) }),
            false => Box::new(file),
        };
        Ok(Input { is_stream: false, ..Input::new(bytes) })
    }

    /// Returns what is buffered, which is read without waiting.
    pub(crate) fn at_hand(&self) -> &[u8] {
        &self.buffer[self.filled.clone()]
    }

    /// Returns the first bytes without consuming them, and whether they are all. They are enough of a file to show its
    /// format and its columns, or what a stream gives at once.
    ///
    /// A person at a terminal must not type that much before something happens.
    pub(crate) fn beginning(&mut self) -> io::Result<(&[u8], bool)> {
        self.fill_buf()?;
        let enough = BEGINNING_BYTES.min(self.buffer.len());
        while !self.is_stream && self.filled.len() < enough && self.fill()? > 0 {}
        let whole = !self.is_stream && self.filled.len() < BEGINNING_BYTES;
        let bytes = self.at_hand();
        Ok((&bytes[..bytes.len().min(BEGINNING_BYTES)], whole))
    }

    /// Reads once, behind what is buffered. Returns the number of bytes, 0 at the end of the input.
    fn fill(&mut self) -> io::Result<usize> {
        if self.filled.is_empty() {
            self.filled = 0..0;
        }
        loop {
            match self.inner.read(&mut self.buffer[self.filled.end..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => {
                    let count = outcome?;
                    self.filled.end += count;
                    return Ok(count);
                }
            }
        }
    }
}

impl Read for Input {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.filled.is_empty() && to.len() >= self.buffer.len() {
            return self.inner.read(to);
        }
        let mut bytes = self.fill_buf()?;
        let count = bytes.read(to)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Input {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.filled.is_empty() {
            self.fill()?;
        }
        Ok(self.at_hand())
    }

    fn consume(&mut self, amount: usize) {
        self.filled.start += amount;
    }
}

/// A file whose bytes are counted while they are read.
struct Metered {
    file: File,
    meter: Meter,
}

impl Read for Metered {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(to)?;
        self.meter.add(count as u64);
        Ok(count)
    }
}

/// Returns whether a file's name says that its content is packed by gzip.
pub(crate) fn is_packed(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz"))
}

/// A gzip stream whose errors say what happened to the file.
struct Gunzip<R> {
    decoder: MultiGzDecoder<R>,
}

impl<R: BufRead> Read for Gunzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.decoder.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                io::Error::new(error.kind(), "the gzip stream is cut off: fetch or compress the file again")
            }
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => io::Error::new(
                error.kind(),
                format!("the gzip stream is damaged or none ({error}): fetch or compress the file again, or drop `.gz` from its name"),
            ),
            _ => error,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    /// Gives one part at each call, as a pipe does.
    struct Parts(VecDeque<&'static [u8]>);

    impl Read for Parts {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            let Some(part) = self.0.pop_front() else { return Ok(0) };
            to[..part.len()].copy_from_slice(part);
            Ok(part.len())
        }
    }

    #[test]
    fn the_beginning_of_a_stream_is_what_comes_first() {
        let parts = || Input::new(Box::new(Parts([&b"ab"[..], b"cd", b"e"].into())));
        for (of_stream, beginning) in [(true, &b"ab"[..]), (false, b"abcde")] {
            let mut input = Input { is_stream: of_stream, ..parts() };
            assert_eq!(input.beginning().expect("memory"), (beginning, !of_stream));
            let mut all = String::new();
            input.read_to_string(&mut all).expect("memory");
            assert_eq!(all, "abcde");
            assert!(input.at_hand().is_empty());
        }
    }

    #[test]
    fn bytes_come_in_order_whatever_the_buffer() {
        for capacity in 1..9 {
            let mut input = Input::with_capacity(capacity, Box::new(io::Cursor::new(b"one\ntwo\nthree".to_vec())));
            assert!(input.beginning().expect("memory").0.len() <= capacity);
            let lines: Vec<String> = (&mut input).lines().map(|line| line.expect("memory")).collect();
            assert_eq!(lines, ["one", "two", "three"], "{capacity}");
        }
    }
}
