//! What a person sees of a download: a bar on a terminal, lines elsewhere.

use super::bars::{above, all, style};
use super::level::Level;
use super::streams::aside;
use crate::environment::is_yes;
use indicatif::ProgressBar;
use std::time::{Duration, Instant};
use tagsmith_hub::Event;
use tagsmith_message::counted;

/// How often a download that nobody watches on a terminal says where it is.
const PLAIN_INTERVAL: Duration = Duration::from_secs(30);

/// The file that is on its way.
pub struct Progress {
    has_bars: bool,
    level: Level,
    bar: Option<ProgressBar>,
    file: String,
    size: u64,
    said: Instant,
}

impl Progress {
    pub fn new(plain: bool, level: Level) -> Progress {
        let forbidden = std::env::var("HF_HUB_DISABLE_PROGRESS_BARS").is_ok_and(|value| is_yes(&value));
        let has_bars = !plain && !forbidden;
        Progress { has_bars, level, bar: None, file: String::new(), size: 0, said: Instant::now() }
    }

    pub fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Note(note) => {
                let (kind, least) = Level::of(&note);
                self.line(least, &format!("{kind}: {note}"));
            }
            Event::Began { up, file, size, done } => {
                let (what, rest) = (if up { "uploading" } else { "downloading" }, size.saturating_sub(done));
                let resumed = if done > 0 { format!(", {} of them are here", bytes(done)) } else { String::new() };
                self.line(Level::Info, &format!("{what} {file}: {}{resumed}", bytes(size)));
                (self.file, self.size, self.said) = (file.to_owned(), size, Instant::now());
                self.bar = (self.has_bars && rest > 0).then(|| bar(size, done)).flatten();
            }
            Event::Moved(done) => match &self.bar {
                Some(bar) => bar.set_position(done),
                None if self.said.elapsed() >= PLAIN_INTERVAL && self.level == Level::Info => {
                    self.said = Instant::now();
                    aside(&format!("{}: {} of {}", self.file, bytes(done), bytes(self.size)));
                }
                None => {}
            },
            Event::Finished => {
                if let Some(bar) = self.bar.take() {
                    bar.finish_and_clear();
                }
            }
        }
    }

    /// Prints a line, if the level lets it through.
    fn line(&self, least: Level, line: &str) {
        if self.level >= least {
            above(|| aside(line));
        }
    }
}

/// Returns the bar of a file, where standard error takes bars.
fn bar(size: u64, done: u64) -> Option<ProgressBar> {
    let bar = all()?.add(ProgressBar::new(size));
    bar.set_style(style("{wide_bar} {bytes}/{total_bytes} [{elapsed} < {left}] {bytes_per_sec}", done));
    bar.set_position(done);
    bar.reset_eta();
    Some(bar)
}

/// `436.0 MB`
fn bytes(count: u64) -> String {
    match count {
        0..1_000 => counted(count as usize, "byte"),
        1_000..1_000_000 => format!("{:.1} kB", count as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", count as f64 / 1e6),
        _ => format!("{:.2} GB", count as f64 / 1e9),
    }
}
