//! Plain text: a document a line.

use crate::bytes::input::Input;
use crate::bytes::lines::{Limit, Lines};
use crate::error::{Error, at_line};
use crate::rows::row::{Reader, Row};
use crate::rows::tag_names::TagNames;
use tagsmith_message::Note;
use tagsmith_text::sentence::Columns;
use tagsmith_text::tagged::Content;

/// The lines, each a document; an empty line is an empty document.
pub(crate) struct TextReader {
    lines: Lines,
    source: String,
}

impl TextReader {
    pub(crate) fn new(input: Input, source: &str, limit: Limit) -> TextReader {
        TextReader { lines: Lines::new(input, source, limit), source: source.to_owned() }
    }
}

impl Reader for TextReader {
    fn next(&mut self) -> Result<Option<Row>, Error> {
        let Some((number, line)) = self.lines.next()? else { return Ok(None) };
        Ok(Some(Row::of(number, Content::Text(line.trim_end_matches('\r').to_owned()))))
    }

    fn place(&self, number: u64) -> String {
        at_line(&self.source, number)
    }

    fn columns(&self) -> Columns {
        Columns::default()
    }

    fn take_tags(&mut self) -> TagNames {
        TagNames::default()
    }

    fn notes(&self) -> Vec<Note> {
        Vec::new()
    }

    fn has_more_at_hand(&self) -> bool {
        self.lines.has_more_at_hand()
    }
}
