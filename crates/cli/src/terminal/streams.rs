//! Standard output and standard error.
//!
//! Perhaps nobody reads standard error (`2>&1 | head`), or its disk is full. What cannot be written there is dropped,
//! because work must not end over a note. Results that cannot be written to standard output are an error that names it.

use std::ffi::OsStr;
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

/// Held by whoever writes a text to standard output.
static WRITING: Mutex<()> = Mutex::new(());

/// Standard output, whose errors name it. What it is given at once, it takes whole.
pub struct Output;

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
        let mut stdout = io::stdout();
        stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(named)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush().map_err(named)
    }
}

/// The error with the name of the stream. A closed pipe keeps its kind, by which `main` knows it.
fn named(error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("standard output cannot be written to: {error}"))
}

/// Writes text to standard output.
pub fn print(text: &str) -> io::Result<()> {
    Output.write_all(text.as_bytes())?;
    Output.flush()
}

/// Waits until nobody writes to standard output, and lets nobody do so until the process ends.
pub fn hold_output() {
    std::mem::forget(WRITING.lock());
}

/// Writes a line to standard error, if it can be written.
pub fn aside(line: &str) {
    _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// Returns whether standard error is a terminal that can write a line again, as bars need.
pub fn takes_bars() -> bool {
    io::stderr().is_terminal() && !is_dumb(std::env::var_os("TERM").as_deref())
}

/// Returns whether a terminal of this kind (`TERM`) knows no control sequences.
pub fn is_dumb(term: Option<&OsStr>) -> bool {
    term.is_some_and(|term| term == "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_stream_and_keeps_its_kind() {
        let error = named(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!((error.kind(), error.to_string().starts_with("standard output")), (io::ErrorKind::BrokenPipe, true));
    }
}
