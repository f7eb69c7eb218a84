//! The terminal: notes and progress on standard error, results on standard output.

pub mod bars;
pub mod color;
pub mod download;
pub mod interrupt;
pub mod level;
mod rows;
pub mod streams;
pub mod width;

use crate::spelling::Dialect;
use bars::{Bars, above};
use interrupt::this_command;
use level::Level;
use rows::Rows;
use serde_json::Value;
use std::io::{self, IsTerminal, Write};
use streams::{aside, print};
use tagsmith_app::events::{Event, Events};
use tagsmith_message::{Note, Setting};
use tagsmith_ranks::World;
use tagsmith_train::trainer;
use tagsmith_train::trainer::results;

/// How a run shows its results.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    /// Whether the results are one JSON object at the end, to which standard output belongs.
    pub json: bool,
    /// Whether progress is shown.
    pub shows_progress: bool,
    /// What is said beside results.
    pub level: Level,
}

/// A receiver of events that prints them.
pub struct Terminal {
    dialect: Dialect,
    style: Style,
    /// Styles of the runs of a comparison, whose table has standard output to itself.
    of_runs: Vec<Style>,
    bars: Bars,
    rows: Option<Rows>,
    /// The first error of standard output, which events cannot return.
    failed: io::Result<()>,
}

impl Terminal {
    /// Returns a terminal for a command.
    pub fn new(dialect: Dialect, style: Style) -> Terminal {
        // The log is where `text` writes it.
        let has_rows = if style.json { io::stderr().is_terminal() } else { io::stdout().is_terminal() };
        let rows = has_rows.then(Rows::default);
        Terminal { dialect, style, of_runs: Vec::new(), bars: Bars::default(), rows, failed: Ok(()) }
    }

    /// Returns a terminal for a comparison, each run of which has its style.
    pub fn of_runs(of_runs: Vec<Style>) -> Terminal {
        let style = of_runs.first().copied().unwrap_or_default();
        let rows = io::stderr().is_terminal().then(Rows::default);
        Terminal { of_runs, rows, ..Terminal::new(Dialect::Train, style) }
    }

    /// Returns the terminal as one that several ranks share. A launcher gives them a terminal of its own, so the log is
    /// whole there.
    pub fn of_ranks(self, world: &World) -> Terminal {
        let rows = self.rows.filter(|_| world.size() == 1);
        Terminal { rows, ..self }
    }

    /// Shows no progress from now on.
    pub fn hide_progress(&mut self) {
        self.style.shows_progress = false;
    }

    /// Ends the output. Returns the first error of standard output.
    pub fn finish(mut self) -> io::Result<()> {
        self.end_training();
        self.failed
    }

    /// Prints a note, if the level lets it through.
    pub fn note(&mut self, note: &Note) {
        let (kind, least) = Level::of(note);
        if self.style.level >= least {
            above(|| aside(&format!("{kind}: {}", self.dialect.note(note))));
        }
    }

    /// Prints a note that is one sentence, if the level lets it through.
    pub fn say(&mut self, line: &str) {
        self.note(&Note::once(line));
    }

    /// Prints a line about progress, if the level lets it through.
    fn aside(&mut self, line: &str) {
        if self.style.level >= Level::Info {
            above(|| aside(line));
        }
    }

    /// Writes text to standard output, or to standard error if standard output belongs to something else.
    fn text(&mut self, text: String) {
        let is_aside = self.style.json || !self.of_runs.is_empty();
        let written = above(|| match is_aside {
            true => {
                _ = io::stderr().write_all(text.as_bytes());
                Ok(())
            }
            false => print(&text),
        });
        self.keep(written);
    }

    /// Keeps an error. A reader that has closed standard output has enough: the run and its files matter more.
    fn keep(&mut self, written: io::Result<()>) {
        let is_closed = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
        if self.failed.is_ok() && !written.as_ref().is_err_and(is_closed) {
            self.failed = written;
        }
    }

    fn training(&mut self, event: trainer::Event<'_>) {
        match event {
            trainer::Event::Began { plan, step } => {
                if self.style.shows_progress {
                    self.bars.begin_training(plan, step);
                }
                let resume = self.dialect.typed(Setting::Resume, "last").unwrap_or_default();
                interrupt::began(step, plan.total_steps, this_command(&resume));
            }
            trainer::Event::Stepped { step, report } => {
                self.bars.stepped(step, report);
                interrupt::stepped(step);
            }
            trainer::Event::Logged(record) => match &mut self.rows {
                Some(rows) => {
                    let row = rows.take(record);
                    self.row(row);
                }
                None => self.text(results::log_line(record) + "\n"),
            },
            trainer::Event::Saved(folder) => {
                interrupt::saved(folder);
                self.aside(&format!("note: saved {}", folder.display()));
            }
            trainer::Event::Deleted(folder) => self.aside(&format!("note: deleted {}", folder.display())),
            trainer::Event::Note(note) => self.note(note),
        }
    }

    /// Removes the bars, and shows the row of a last epoch.
    fn end_training(&mut self) {
        self.bars.finish();
        interrupt::has_results();
        let row = self.rows.as_mut().and_then(Rows::finish);
        self.row(row);
    }

    /// Writes a row of the log, if there is one, in lines that the terminal has room for.
    fn row(&mut self, row: Option<Vec<String>>) {
        if let Some(row) = row {
            let width = width::of_terminal().unwrap_or(usize::MAX);
            self.text(width::fields(&row, width) + "\n");
        }
    }
}

impl Events for Terminal {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Note(note) => self.note(note),
            Event::Line(line) => self.aside(line),
            Event::Progress(progress) if self.style.shows_progress => self.bars.progress(progress),
            Event::Progress(_) => {}
            Event::RunBegins { number, of, name } => {
                self.style = self.of_runs.get(number - 1).copied().unwrap_or_default();
                self.aside(&format!("run {number} of {of}: {name}"));
            }
            Event::RunEnds(run) if self.style.json => {
                let written = print(&format!("{:#}\n", Value::Object(run.results.clone())));
                self.keep(written);
            }
            Event::RunEnds(_) => {}
            Event::Training(event) => self.training(event),
            Event::Measured { split, record } => {
                self.end_training();
                self.text(results::metrics_block(split, record));
            }
            Event::Predicted(predicted) => {
                self.end_training();
                self.aside(&predicted.to_string());
            }
            Event::Passed(step) => self.text(format!("ok  {step}\n")),
            // The demo tells about these itself.
            Event::Corpus(_) | Event::Model(..) => {}
        }
    }
}
