//! The log file of a run: every line with its time.

use crate::events::{Event, Events};
use anyhow::Result;
use std::fs::File;
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};
use tagsmith_message::Note;

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
        self.write(&format!("note: {note}"))
    }

    fn write(&mut self, line: &str) -> Result<()> {
        if let Some(file) = &mut self.file {
            let [year, month, day, hour, minute, second] = now();
            writeln!(file, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} - INFO - {line}")?;
        }
        Ok(())
    }
}

/// Returns year, month, day, hour, minute and second of now, UTC.
pub fn now() -> [u64; 6] {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Days since 0000-03-01, by eras of 400 years (Hinnant, 2013).
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = 400 * era + year_of_era + u64::from(month <= 2);
    [year, month, day, rest / 3_600, rest / 60 % 60, rest % 60]
}
