//! The progress of a training run: a bar on a terminal, lines elsewhere.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};
use tagsmith_train::learner::StepReport;

/// The interval of lines about progress where standard error is not a terminal.
const PLAIN_INTERVAL: Duration = Duration::from_secs(60);

/// The part of a run that is being watched.
pub struct Watch {
    bar: Option<ProgressBar>,
    total: u64,
    first_step: u64,
    pieces: usize,
    /// Seconds of waiting for other ranks.
    waited: f64,
    began: Instant,
    said: Instant,
}

impl Watch {
    /// Starts to watch a run of `total` updates after its `first_step`.
    pub fn new(total: u64, first_step: u64) -> Watch {
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

    /// Shows that an update was made.
    pub fn stepped(&mut self, step: u64, report: StepReport) {
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

    /// Writes while the bar is out of the way.
    pub fn above_bar<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// Removes the bar.
    pub fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Returns a time such as `1:02:03`.
fn minutes(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}
