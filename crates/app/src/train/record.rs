//! The files that record a run: results of each split, and the logs that were asked for.

use super::logs;
use crate::events::{Event, Events};
use crate::options::{OutputArgs, ReportArgs};
use crate::report::tracking::Tracker;
use std::path::PathBuf;
use tagsmith_files::atomic_write;
use tagsmith_text::score::error_detection;
use tagsmith_train::checkpoint::state::Record;
use tagsmith_train::trainer::{self, results};

/// The recorder of a run.
pub struct Recorder {
    folder: PathBuf,
    /// Whether results go to the folder: of several ranks only the first one writes.
    writes: bool,
    results: Record,
    tracker: Option<Tracker>,
    /// The first error of a log. Events of training cannot return it.
    failed: anyhow::Result<()>,
}

impl Recorder {
    /// Returns a recorder for the output folder. Nothing is written before there is something to record.
    pub fn new(reporting: &ReportArgs, output: &OutputArgs, writes: bool, events: &mut dyn Events) -> Recorder {
        let folder = output.output_dir.clone();
        let tracker = writes.then(|| logs::tracker(reporting, &folder, events)).flatten();
        Recorder { folder, writes, results: Record::new(), tracker, failed: Ok(()) }
    }

    /// Takes in what happens during training and passes it on.
    pub fn training(&mut self, event: trainer::Event<'_>, events: &mut dyn Events) {
        events.event(Event::Training(event));
        if let trainer::Event::Logged(record) = event {
            self.track(record, record["step"].as_u64().expect("a logged record has its step"));
        }
    }

    /// Logs a record where a log was asked for.
    pub fn track(&mut self, record: &Record, step: u64) {
        let logged = self.tracker.as_mut().map_or(Ok(()), |tracker| tracker.log(record, step));
        if self.failed.is_ok() {
            self.failed = logged;
        }
    }

    /// Writes a split's results to the output folder and reports them.
    pub fn results(&mut self, split: &str, record: &Record, events: &mut dyn Events) -> anyhow::Result<()> {
        let saved = self.save(split, record);
        events.event(Event::Measured { split, record });
        saved
    }

    /// Writes a split's results to the output folder.
    pub fn save(&mut self, split: &str, record: &Record) -> anyhow::Result<()> {
        if self.writes {
            results::save_metrics(&self.folder, split, record)?;
        }
        self.results.extend(record.clone());
        std::mem::replace(&mut self.failed, Ok(()))
    }

    /// Writes `{split}_ged.tsv`, the figures of each label, where errors are detected.
    pub fn error_table(&self, split: &str, score: Option<error_detection::Score>) -> anyhow::Result<()> {
        const DIGITS: usize = 6;
        if let Some(score) = score.filter(|_| self.writes) {
            atomic_write::write(&self.folder.join(format!("{split}_ged.tsv")), score.table(DIGITS).as_bytes())?;
        }
        Ok(())
    }

    /// Returns the results of all splits.
    pub fn finish(self) -> Record {
        self.results
    }
}
