//! What every reader yields: sentences of words, each word with at most one tag.

use tagsmith_message::Note;

/// One sentence: its words and, where the data has them, one tag a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence {
    /// The words in order.
    pub words: Vec<String>,
    /// One index into [`Split::tag_names`] for each word; empty when the data has no tags.
    pub tags: Vec<u32>,
    /// Where the sentence begins in its source: a line (text formats) or a row (tables), from 1.
    pub line: u64,
}

/// How the data wrote its tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagKind {
    /// There is no label column.
    Absent,
    /// Strings; `tag_names` holds them in order of first appearance.
    Strings,
    /// Integers with names (`ClassLabel`); `tag_names` holds all names in the data set's order.
    ClassLabel,
    /// Integers without names; `tag_names` holds their decimal spellings in order of first appearance.
    Integers,
}

/// Which columns a reader took, and what else was there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// The words' column.
    pub text: String,
    /// The tags' column, if any.
    pub label: Option<String>,
    /// Every column, in the file's order.
    pub all: Vec<String>,
}

/// A part of a data set (train, validation, test) in memory.
#[derive(Clone, Debug)]
pub struct Split {
    /// What to call it in messages: the file name or names.
    pub source: String,
    /// The sentences in the data's order.
    pub sentences: Vec<Sentence>,
    /// The names that `Sentence::tags` index.
    pub tag_names: Vec<String>,
    /// How the data wrote its tags.
    pub tag_kind: TagKind,
    /// Which columns were read.
    pub columns: Columns,
    /// What the reader skipped, converted or guessed.
    pub notes: Vec<Note>,
}
