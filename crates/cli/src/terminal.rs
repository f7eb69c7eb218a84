//! The terminal: notes and progress on standard error, results on standard output.

pub mod color;
pub mod download;
pub mod training;

use crate::spelling::Dialect;
use serde_json::Value;
use std::io::{self, Write};
use tagsmith_app::events::{Event, Events};
use tagsmith_train::trainer;
use tagsmith_train::trainer::results;
use training::Watch;

/// Prints to standard output.
pub fn print(text: &str) -> io::Result<()> {
    io::stdout().write_all(text.as_bytes())
}

/// Prints a line about the options, or about something that is done otherwise than one might expect.
pub fn note(line: &str) {
    eprintln!("note: {line}");
}

/// How a run shows its results.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    /// Whether the results are one JSON object at the end, to which standard output belongs.
    pub json: bool,
    /// Whether progress is shown.
    pub shows_progress: bool,
}

/// A receiver of events that prints them.
pub struct Terminal {
    dialect: Dialect,
    style: Style,
    /// Styles of the runs of a comparison.
    of_runs: Vec<Style>,
    watch: Option<Watch>,
    /// The first error of standard output, which events cannot return.
    failed: io::Result<()>,
}

impl Terminal {
    /// Returns a terminal for a command.
    pub fn new(dialect: Dialect, style: Style) -> Terminal {
        Terminal { dialect, style, of_runs: Vec::new(), watch: None, failed: Ok(()) }
    }

    /// Returns a terminal for a comparison, each run of which has its style.
    pub fn of_runs(of_runs: Vec<Style>) -> Terminal {
        Terminal { of_runs, ..Terminal::new(Dialect::Train, Style::default()) }
    }

    /// Ends the output. Returns the first error of standard output.
    pub fn finish(self) -> io::Result<()> {
        if let Some(watch) = self.watch {
            watch.finish();
        }
        self.failed
    }

    /// Writes text to standard output, or to standard error if standard output belongs to the JSON object.
    fn text(&mut self, text: String) {
        let json = self.style.json;
        let written = self.above_bar(|| if json { io::stderr().write_all(text.as_bytes()) } else { print(&text) });
        self.keep(written);
    }

    /// Keeps an error. A reader that has closed standard output has enough: the run and its files matter more.
    fn keep(&mut self, written: io::Result<()>) {
        let is_closed = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
        if self.failed.is_ok() && !written.as_ref().is_err_and(is_closed) {
            self.failed = written;
        }
    }

    fn aside(&mut self, line: String) {
        self.above_bar(|| eprintln!("{line}"));
    }

    fn above_bar<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.watch {
            Some(watch) => watch.above_bar(write),
            None => write(),
        }
    }

    fn training(&mut self, event: trainer::Event<'_>) {
        match event {
            trainer::Event::Began { plan, step } if self.style.shows_progress => {
                self.watch = Some(Watch::new(plan.total_steps, step));
            }
            trainer::Event::Began { .. } => {}
            trainer::Event::Stepped { step, report } => {
                if let Some(watch) = &mut self.watch {
                    watch.stepped(step, report);
                }
            }
            trainer::Event::Logged(record) => self.text(results::log_line(record) + "\n"),
            trainer::Event::Saved(folder) => self.aside(format!("note: saved {}", folder.display())),
            trainer::Event::Deleted(folder) => self.aside(format!("note: deleted {}", folder.display())),
            trainer::Event::Note(note) => self.aside(format!("note: {note}")),
        }
    }
}

impl Events for Terminal {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Note(note) => self.aside(format!("note: {}", self.dialect.note(note))),
            Event::Line(line) => self.aside(line.to_owned()),
            Event::RunBegins { number, of, name } => {
                self.style = self.of_runs.get(number - 1).copied().unwrap_or_default();
                self.aside(format!("run {number} of {of}: {name}"));
            }
            Event::RunEnds(run) if self.style.json => {
                let written = print(&format!("{:#}\n", Value::Object(run.results.clone())));
                self.keep(written);
            }
            Event::RunEnds(_) => {}
            Event::Training(event) => self.training(event),
            Event::Measured { split, record } => {
                if let Some(watch) = self.watch.take() {
                    watch.finish();
                }
                self.text(results::metrics_block(split, record));
            }
            Event::Predicted(predicted) => self.aside(predicted.to_string()),
            Event::Passed(step) => self.text(format!("ok  {step}\n")),
            // The demo tells about these itself.
            Event::Corpus(_) | Event::Model(..) => {}
        }
    }
}
