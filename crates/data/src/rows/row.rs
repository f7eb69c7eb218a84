//! What every reader yields, and how.

use crate::error::Error;
use crate::rows::tag_names::TagNames;
use tagsmith_message::Note;
use tagsmith_message::{Remedy, Setting};
use tagsmith_message::{counted, quote};
use tagsmith_text::example::Entity;
use tagsmith_text::sentence::Columns;
use tagsmith_text::tagged::Content;

/// One sentence or document of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// The line (text formats) or row (tables) where it begins, from 1.
    pub(crate) number: u64,
    /// The row's name in the data, where there is one.
    pub(crate) id: Option<String>,
    /// The words, or the running text.
    pub(crate) content: Content,
    /// The line of each word, where each has one of its own.
    pub(crate) lines: Vec<u64>,
    /// One index into the reader's [`TagNames`] for each word, where the file has labels and they are wanted.
    pub(crate) tags: Option<Vec<u32>>,
    /// The entities, where the rows hold spans and they are wanted.
    pub(crate) spans: Option<Vec<Entity>>,
}

impl Row {
    /// Returns a row of words or text without labels.
    pub(crate) fn of(number: u64, content: Content) -> Row {
        Row { number, id: None, content, lines: Vec::new(), tags: None, spans: None }
    }

    /// Returns the line or row of a word.
    pub(crate) fn line_of(&self, word: usize) -> u64 {
        self.lines.get(word).copied().unwrap_or(self.number)
    }

    /// Returns a row of words with a tag each. `columns` are the names of the two columns, for the message.
    ///
    /// # Errors
    /// The words are not as many as the tags.
    pub(crate) fn tagged(
        number: u64,
        words: Vec<String>,
        tags: Vec<u32>,
        columns: (&str, &str),
        place: impl FnOnce() -> String,
    ) -> Result<Row, Error> {
        if words.len() == tags.len() {
            return Ok(Row { tags: Some(tags), ..Row::of(number, Content::Words(words)) });
        }
        let problem = format!(
            "{} ({}) and {} ({})",
            counted(words.len(), "word"),
            quote(columns.0),
            counted(tags.len(), "label"),
            quote(columns.1)
        );
        let others = Remedy::Set(vec![Setting::TextColumn, Setting::LabelColumn]).so_as("to read other columns");
        let remedy = Remedy::AnyOf(vec![Remedy::to_do("give every word one label"), others]);
        Err(Error::content(place(), problem).with_remedy(remedy))
    }
}

/// A file's sentences or documents, one after another.
pub(crate) trait Reader: Send {
    /// Returns the next row, or `None` at the end.
    ///
    /// # Errors
    /// Content that is not what it must be. After an error there are no more rows.
    fn next(&mut self) -> Result<Option<Row>, Error>;

    /// Returns the place of a row for messages.
    fn place(&self, number: u64) -> String;

    /// Returns the columns that are read; none before the first row.
    fn columns(&self) -> Columns;

    /// Takes the names of the tags so far.
    fn take_tags(&mut self) -> TagNames;

    /// Returns what was skipped, converted or guessed so far. A note that counts 0 did not happen.
    fn notes(&self) -> Vec<Note>;

    /// Returns whether more bytes are there without waiting for a file or a person.
    fn has_more_at_hand(&self) -> bool;
}
