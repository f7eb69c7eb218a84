//! The log file of a run: every line with its time.

use crate::events::{Event, Events};
use crate::report::clock::now;
use anyhow::{Context, Result};
use std::fs::File;
use std::io::Write;
use tagsmith_message::Note;

/// The name of the file.
pub const FILE: &str = "run.log";

/// A log that goes to the receiver of events and to a file.
pub struct Log<'a> {
    /// The receiver.
    pub events: &'a mut dyn Events,
    /// The file; of several ranks only the first one has it.
    pub file: Option<File>,
}

impl Log<'_> {
    /// Logs a line about progress.
    pub fn line(&mut self, line: &str) -> Result<()> {
        self.events.event(Event::Line(line));
        self.write(line)
    }

    /// Logs a note.
    pub fn note(&mut self, note: &Note) -> Result<()> {
        self.events.note(note);
        let kind = if note.important { "warning" } else { "note" };
        self.write(&format!("{kind}: {note}"))
    }

    /// Logs notes that were collected, the important ones first.
    pub fn notes(&mut self, notes: &[Note]) -> Result<()> {
        let mut notes: Vec<&Note> = notes.iter().collect();
        Note::important_first(&mut notes);
        notes.into_iter().try_for_each(|note| self.note(note))
    }

    /// Writes a line to the file alone.
    pub fn write(&mut self, line: &str) -> Result<()> {
        if let Some(file) = &mut self.file {
            let [year, month, day, hour, minute, second] = now();
            writeln!(file, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} - INFO - {line}")
                .context(FILE)?;
        }
        Ok(())
    }
}
