//! What a run shows while it lasts and when it is done: results on stdout, progress on stderr.

use super::{logs, say};
use crate::args::TrainArgs;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tagsmith_files::atomic_write;
use tagsmith_text::score::error_detection;
use tagsmith_train::checkpoint::state::Record;
use tagsmith_train::learner::StepReport;
use tagsmith_train::tracking::Tracker;
use tagsmith_train::trainer::Event;
use tagsmith_train::trainer::results;

/// How often a run that nobody watches on a terminal says where it is.
const PLAIN_INTERVAL: Duration = Duration::from_secs(60);

/// Prints to stdout.
pub fn print(text: &str) -> io::Result<()> {
    io::stdout().write_all(text.as_bytes())
}

/// A run's results and progress.
pub struct Report {
    folder: PathBuf,
    /// Whether results go to the folder: those of several ranks are written once.
    writes: bool,
    /// Whether the results are one JSON object at the end.
    json: bool,
    /// Whether there is progress to show at all.
    shows_progress: bool,
    results: Record,
    watch: Option<Watch>,
    tracker: Option<Tracker>,
    /// What the system said of stdout or a log, which events cannot return.
    failed: anyhow::Result<()>,
}

/// The part of a run that is being watched.
struct Watch {
    bar: Option<ProgressBar>,
    total: u64,
    first_step: u64,
    pieces: usize,
    /// Seconds of waiting for other ranks.
    waited: f64,
    began: Instant,
    said: Instant,
}

impl Report {
    pub fn new(args: &TrainArgs, writes: bool) -> Report {
        let tracker = writes.then(|| logs::tracker(args)).flatten();
        Report {
            folder: args.output_dir.clone(),
            writes,
            json: args.json,
            shows_progress: !args.disable_tqdm,
            results: Record::new(),
            watch: None,
            tracker,
            failed: Ok(()),
        }
    }

    /// Takes in what happens during training.
    pub fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Began { plan, step } if self.shows_progress => self.watch = Some(Watch::new(plan.total_steps, step)),
            Event::Began { .. } => {}
            Event::Stepped { step, report } => {
                if let Some(watch) = &mut self.watch {
                    watch.stepped(step, report);
                }
            }
            Event::Logged(record) => {
                self.line(results::log_line(record) + "\n");
                self.track(record, record["step"].as_u64().expect("a logged record has its step"));
            }
            Event::Saved(folder) => self.aside(format!("saved {}", folder.display())),
            Event::Deleted(folder) => self.aside(format!("deleted {}", folder.display())),
            Event::Note(note) => self.aside(note.to_owned()),
        }
    }

    /// Logs a record where a tracker was asked for.
    pub fn track(&mut self, record: &Record, step: u64) {
        let logged = self.tracker.as_mut().map_or(Ok(()), |tracker| tracker.log(record, step));
        if self.failed.is_ok() {
            self.failed = logged.map_err(Into::into);
        }
    }

    /// Prints a split's results and writes them to the output folder.
    pub fn results(&mut self, split: &str, record: &Record) -> anyhow::Result<()> {
        if let Some(Watch { bar: Some(bar), .. }) = self.watch.take() {
            bar.finish_and_clear();
        }
        if self.writes {
            results::save_metrics(&self.folder, split, record)?;
        }
        self.results.extend(record.clone());
        self.line(results::metrics_block(split, record));
        std::mem::replace(&mut self.failed, Ok(()))?;
        Ok(())
    }

    /// Writes `{split}_ged.tsv`, where errors are detected: each label's figures.
    pub fn error_table(&self, split: &str, score: Option<error_detection::Score>) -> anyhow::Result<()> {
        const DIGITS: usize = 6;
        if let Some(score) = score.filter(|_| self.writes) {
            atomic_write::write(&self.folder.join(format!("{split}_ged.tsv")), score.table(DIGITS).as_bytes())?;
        }
        Ok(())
    }

    /// Prints the JSON object, if it was asked for. Returns all results.
    pub fn finish(self) -> anyhow::Result<Record> {
        if self.json {
            print(&format!("{:#}\n", Value::Object(self.results.clone())))?;
        }
        Ok(self.results)
    }

    /// Text for stdout, which is for the JSON object alone if that was asked for.
    fn line(&mut self, text: String) {
        let json = self.json;
        let written = self.above_bar(|| if json { io::stderr().write_all(text.as_bytes()) } else { print(&text) });
        // Whoever read along has enough of it; the run and its files matter more.
        let is_closed = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
        if self.failed.is_ok() && !written.as_ref().is_err_and(is_closed) {
            self.failed = written.map_err(Into::into);
        }
    }

    fn aside(&mut self, note: String) {
        self.above_bar(|| say(note));
    }

    fn above_bar<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.watch {
            Some(Watch { bar: Some(bar), .. }) => bar.suspend(write),
            _ => write(),
        }
    }
}

impl Watch {
    fn new(total: u64, first_step: u64) -> Watch {
        let bar = io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} [{elapsed} < {eta}] {msg}")
                .expect("the template is legal");
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr()).with_style(style);
            bar.set_position(first_step);
            bar.reset_eta();
            bar
        });
        let now = Instant::now();
        Watch { bar, total, first_step, pieces: 0, waited: 0.0, began: now, said: now }
    }

    fn stepped(&mut self, step: u64, report: StepReport) {
        self.pieces += report.pieces;
        self.waited += report.waited;
        let seconds = self.began.elapsed().as_secs_f64();
        let rate = self.pieces as f64 / seconds.max(1e-9);
        let waiting = match self.waited > 0.0 {
            true => format!(", {:.0} % of the time waiting for other ranks", 100.0 * self.waited / seconds.max(1e-9)),
            false => String::new(),
        };
        if let Some(bar) = &self.bar {
            bar.set_position(step);
            bar.set_message(format!("{rate:.0} sub-tokens/s{waiting}"));
        } else if self.said.elapsed() >= PLAIN_INTERVAL {
            self.said = Instant::now();
            let left = seconds / (step - self.first_step) as f64 * (self.total - step) as f64;
            eprintln!("step {step} of {}, {rate:.0} sub-tokens/s{waiting}, {} left", self.total, minutes(left));
        }
    }
}

/// `1:02:03`
fn minutes(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}
