//! The outcome of a check.

use super::classes::Class;
use super::finding::{Findings, Kind, Severity};
use super::mentions::Seen;
use std::collections::BTreeMap;
use tagsmith_message::Note;

/// What was found.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The files, each with its sentences and words, and whether a model is measured on it.
    pub files: Vec<Checking>,
    /// Findings of each kind that was met, errors first.
    pub findings: Vec<Findings>,
    /// Mentions of each type.
    pub classes: Vec<Class>,
    /// How much of the other data's mentions training has, by type.
    pub seen: BTreeMap<String, Seen>,
    /// The longest sequence that the model reads, in pieces.
    pub longest: Option<usize>,
    /// What happened while the files were read.
    pub notes: Vec<Note>,
    /// What was mended, and where the result is.
    pub fixed: Option<Note>,
}

/// A file that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checking {
    /// The file.
    pub source: String,
    /// Whether a model is measured on it.
    pub is_other: bool,
    /// The number of sentences.
    pub sentences: usize,
    /// The number of words.
    pub words: u64,
}

impl Checked {
    /// Returns how many findings of a severity there are.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|it| it.kind.severity() == severity).map(|it| it.count).sum()
    }

    /// Returns how many findings of a kind there are.
    pub fn of(&self, kind: Kind) -> usize {
        self.findings.iter().find(|it| it.kind == kind).map_or(0, |it| it.count)
    }

    /// Takes in the findings of kinds that were met.
    pub(super) fn take(&mut self, found: impl IntoIterator<Item = Findings>) {
        self.findings.extend(found.into_iter().filter(|findings| findings.count > 0));
        self.findings.sort_by_key(|findings| findings.kind);
    }
}
