//! The progress of a run: bars on a terminal, lines about training elsewhere.

use super::streams::{aside, takes_bars};
use indicatif::{HumanDuration, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use std::fmt;
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tagsmith_app::events::Progress;
use tagsmith_train::learner::StepReport;
use tagsmith_train::trainer::plan::Plan;

/// The interval of lines about training where standard error is not a terminal.
const PLAIN_INTERVAL: Duration = Duration::from_secs(60);

/// Work that takes less has no bar.
const UNSEEN: Duration = Duration::from_millis(500);

/// All bars of this process; none where standard error does not take them.
static ALL: OnceLock<Option<MultiProgress>> = OnceLock::new();

/// Returns all bars of this process, where standard error takes bars.
pub fn all() -> Option<&'static MultiProgress> {
    ALL.get_or_init(|| takes_bars().then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr()))).as_ref()
}

/// Removes all bars, and shows none any more.
pub fn remove() {
    if let Some(Some(all)) = ALL.get() {
        _ = all.clear();
        all.set_draw_target(ProgressDrawTarget::hidden());
    }
}

/// Writes while the bars are out of the way.
pub fn above<T>(write: impl FnOnce() -> T) -> T {
    match all() {
        Some(all) => all.suspend(write),
        None => write(),
    }
}

/// What is going on, as far as a person sees it.
#[derive(Default)]
pub struct Bars {
    training: Option<Training>,
    work: Option<Work>,
}

/// A training that is being watched.
struct Training {
    bar: Option<ProgressBar>,
    total: u64,
    updates_per_epoch: u64,
    first_step: u64,
    pieces: usize,
    /// Seconds of waiting for other ranks.
    waited: f64,
    began: Instant,
    said: Instant,
}

/// Work beside training: reading, evaluation, prediction.
struct Work {
    name: String,
    bar: Option<ProgressBar>,
    began: Instant,
}

impl Bars {
    /// Begins to watch a training after its `first_step`.
    pub fn begin_training(&mut self, plan: &Plan, first_step: u64) {
        let bar = all().map(|all| {
            let bar = all.add(ProgressBar::new(plan.total_steps));
            bar.set_style(style("{wide_bar} {pos}/{len} [{elapsed} < {left}] {msg}", first_step));
            bar.set_position(first_step);
            bar.reset_eta();
            bar
        });
        let (total, updates_per_epoch, now) = (plan.total_steps, plan.updates_per_epoch, Instant::now());
        let training =
            Training { bar, total, updates_per_epoch, first_step, pieces: 0, waited: 0.0, began: now, said: now };
        self.training = Some(training);
    }

    /// Shows that an update was made.
    pub fn stepped(&mut self, step: u64, report: StepReport) {
        self.end_work();
        if let Some(training) = &mut self.training {
            training.stepped(step, report);
        }
    }

    /// Shows how far other work is.
    pub fn progress(&mut self, progress: Progress<'_>) {
        if progress.of == Some(progress.done) {
            return self.end_work();
        }
        if self.work.as_ref().is_none_or(|work| work.name != progress.work) {
            self.end_work();
            self.work = Some(Work { name: progress.work.to_owned(), bar: None, began: Instant::now() });
        }
        let (Some(work), Some(all)) = (&mut self.work, all()) else { return };
        let seconds = work.began.elapsed();
        if work.bar.is_none() && seconds < UNSEEN {
            return;
        }
        let bar = work.bar.get_or_insert_with(|| {
            let bar = all.add(progress.of.map_or_else(ProgressBar::no_length, ProgressBar::new));
            let template = match progress.of {
                Some(_) => "{prefix} {wide_bar} {percent} % [{elapsed} < {left}] {msg}",
                None => "{prefix} {spinner} [{elapsed}] {msg}",
            };
            bar.set_style(style(template, 0));
            bar.set_prefix(progress.work.to_owned());
            let bar = bar.with_elapsed(seconds);
            bar.set_position(progress.done);
            bar
        });
        bar.set_position(progress.done);
        bar.set_message(rate(progress.done, progress.unit, seconds, progress.of.is_none()));
    }

    fn end_work(&mut self) {
        if let Some(bar) = self.work.take().and_then(|work| work.bar) {
            bar.finish_and_clear();
        }
    }

    /// Removes all bars.
    pub fn finish(&mut self) {
        self.end_work();
        if let Some(bar) = self.training.take().and_then(|training| training.bar) {
            bar.finish_and_clear();
        }
    }
}

impl Training {
    fn stepped(&mut self, step: u64, report: StepReport) {
        self.pieces += report.pieces;
        self.waited += report.waited;
        let seconds = self.began.elapsed();
        let waiting = match self.waited > 0.0 {
            true => {
                let part = 100.0 * self.waited / seconds.as_secs_f64().max(1e-9);
                format!(", {part:.0} % of the time waiting for other ranks")
            }
            false => String::new(),
        };
        let rate = rate(self.pieces as u64, "sub-tokens", seconds, false);
        if let Some(bar) = &self.bar {
            let epoch = step as f64 / self.updates_per_epoch.max(1) as f64;
            bar.set_position(step);
            bar.set_message(format!("epoch {epoch:.2}, loss {:.4}, {rate}{waiting}", report.loss));
        } else if self.said.elapsed() >= PLAIN_INTERVAL {
            self.said = Instant::now();
            let left = seconds.as_secs_f64() / (step - self.first_step) as f64 * (self.total - step) as f64;
            aside(&format!("step {step} of {}, {rate}{waiting}, {} left", self.total, minutes(left)));
        }
    }
}

/// Returns the style of a bar of work whose first part is done. `{left}` is the time left, or `?` where nothing is done
/// from which it could be told.
pub fn style(template: &str, first: u64) -> ProgressStyle {
    let left = move |state: &ProgressState, text: &mut dyn fmt::Write| {
        _ = match state.pos() > first {
            true => write!(text, "{:#}", HumanDuration(state.eta())),
            false => write!(text, "?"),
        };
    };
    ProgressStyle::with_template(template).expect("the template is legal").with_key("left", left)
}

/// Returns `812 sub-tokens/s`, or `3000 documents, 812/s` with the count. Where nothing is done, it is not a rate.
fn rate(done: u64, unit: &str, time: Duration, counts: bool) -> String {
    let rate = done as f64 / time.as_secs_f64().max(1e-9);
    match (counts, unit) {
        (true, _) if done == 0 => format!("{done} {unit}"),
        (false, _) if done == 0 => String::new(),
        (true, _) => format!("{done} {unit}, {rate:.0}/s"),
        (false, "bytes") if rate < 1e6 => format!("{:.1} kB/s", rate / 1e3),
        (false, "bytes") => format!("{:.1} MB/s", rate / 1e6),
        (false, _) => format!("{rate:.0} {unit}/s"),
    }
}

/// Returns a time such as `1:02:03`.
fn minutes(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_times_are_as_people_write_them() {
        let second = Duration::from_secs(2);
        assert_eq!(rate(3000, "sub-tokens", second, false), "1500 sub-tokens/s");
        assert_eq!(rate(3_000_000, "bytes", second, false), "1.5 MB/s");
        assert_eq!(rate(3_000, "bytes", second, false), "1.5 kB/s");
        assert_eq!(rate(30, "documents", second, true), "30 documents, 15/s");
        // Of work that has only begun, nobody knows how fast it is.
        assert_eq!(rate(0, "documents", second, true), "0 documents");
        assert_eq!(rate(0, "bytes", second, false), "");
        assert_eq!(minutes(3723.4), "1:02:03");
    }
}
