//! The result of every reader: sentences of words, each word with at most one tag.

use tagsmith_message::Note;

/// One sentence: its words and, where the data has them, one tag a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence {
    /// The words in order.
    pub words: Vec<String>,
    /// One index into [`Split::tag_names`] for each word; empty when the data has no tags.
    pub tags: Vec<u32>,
    /// The line (of text formats) or the row (of tables) where the sentence begins, from 1.
    pub line: u64,
}

/// The way in which the data writes its tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagKind {
    /// The data has no label column.
    Absent,
    /// Strings; `tag_names` holds them in order of first appearance.
    Strings,
    /// Integers with names (`ClassLabel`); `tag_names` holds all names in the data set's order.
    ClassLabel,
    /// Integers without names; `tag_names` holds their decimal spellings in order of first appearance.
    Integers,
}

/// The columns that a reader took, and all columns that it saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// The name of the words' column.
    pub text: String,
    /// The name of the tags' column, if there is one.
    pub label: Option<String>,
    /// The names of all columns, in the file's order.
    pub all: Vec<String>,
}

/// A part of a data set (train, validation, test) in memory.
///
/// ```
/// use tagsmith_text::labels::LabelSet;
/// use tagsmith_text::sentence::{Columns, Sentence, Split, TagKind};
///
/// let words = ["Jo", "sings"].map(String::from).to_vec();
/// let split = Split {
///     source: "notes.conll".into(),
///     sentences: vec![Sentence { words, tags: vec![0, 1], line: 1 }],
///     tag_names: ["B-PER", "O"].map(String::from).to_vec(),
///     tag_kind: TagKind::Strings,
///     columns: Columns::default(),
///     notes: Vec::new(),
/// };
/// let (labels, _notes) = LabelSet::infer(Some(&split), &[])?;
/// assert_eq!(labels.names(), ["B-PER", "O"]);
/// # Ok::<(), tagsmith_text::labels::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Split {
    /// The name in messages: the file name or names.
    pub source: String,
    /// The sentences in the data's order.
    pub sentences: Vec<Sentence>,
    /// The names that `Sentence::tags` index.
    pub tag_names: Vec<String>,
    /// The way in which the data writes its tags.
    pub tag_kind: TagKind,
    /// The columns that were read.
    pub columns: Columns,
    /// Notes about what the reader skipped, converted or guessed.
    pub notes: Vec<Note>,
}
