//! What a caller asks of the readers.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tagsmith_files::records::Room;
use tagsmith_text::example::AnnotationFormat;

/// The columns to read, what counts as a label, and where sentences are kept.
#[derive(Clone, Debug)]
pub struct ReadOptions {
    /// The words' column: a name, or in column files a number (from 0; -1 is the last).
    pub text_column: Option<String>,
    /// The labels' column, likewise.
    pub label_column: Option<String>,
    /// The task: `{task}_tags` is the labels' column when none is named.
    pub task: String,
    /// In column files, the label of a word that has none; without it such a line is an error.
    pub missing_label: Option<String>,
    /// The bytes that are read of files, counted while they are read.
    pub meter: Meter,
    /// The room of the sentences that are kept.
    pub room: Room,
}

/// A counter of bytes, which whoever waits for a reader on another thread can look at. It chooses nothing, so that all
/// meters are equal.
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    read: AtomicU64,
    /// Bytes of all files; 0 as long as they are not known.
    all: AtomicU64,
}

impl Meter {
    /// Returns how many bytes were read.
    pub fn bytes(&self) -> u64 {
        self.0.read.load(Ordering::Relaxed)
    }

    /// Returns how many bytes the files have that are read, where that is known: of a data set, once its files are here.
    pub fn of(&self) -> Option<u64> {
        Some(self.0.all.load(Ordering::Relaxed)).filter(|&all| all > 0)
    }

    pub(crate) fn add(&self, bytes: u64) {
        self.0.read.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Takes down the sizes of files that are going to be read.
    pub(crate) fn expect<'p>(&self, files: impl IntoIterator<Item = &'p Path>) {
        // What is not there is an error of reading.
        let size = |file: &Path| fs::metadata(file).map_or(0, |about| about.len());
        self.0.all.fetch_add(files.into_iter().map(size).sum(), Ordering::Relaxed);
    }
}

impl PartialEq for Meter {
    fn eq(&self, _other: &Meter) -> bool {
        true
    }
}

impl Eq for Meter {}

impl Default for ReadOptions {
    fn default() -> Self {
        ReadOptions {
            text_column: None,
            label_column: None,
            task: "ner".into(),
            missing_label: None,
            meter: Meter::default(),
            room: Room::unlimited(),
        }
    }
}

impl ReadOptions {
    /// Returns the column that holds the labels when none is named: `ner_tags`.
    pub(crate) fn task_tags(&self) -> String {
        format!("{}_tags", self.task)
    }
}

/// What the caller wants of each row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Words with their labels, to learn from or to evaluate on.
    Tagged,
    /// Labels to score, with their words where the file has them.
    Labels,
    /// Words or running text to tag; labels are not read.
    Content,
    /// Words or running text with spans, or words with labels where the rows hold no spans.
    Spans(AnnotationFormat),
}
