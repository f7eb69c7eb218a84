//! Labels without their words: a sentence a line (`predictions.txt`), or a label a line.

use crate::bytes::input::Input;
use crate::bytes::lines::{Limit, Lines};
use crate::error::{Error, at_line};
use crate::rows::row::{Reader, Row};
use crate::rows::tag_names::TagNames;
use crate::rules::sentence_ends::is_blank;
use tagsmith_message::Note;
use tagsmith_text::sentence::Columns;
use tagsmith_text::tagged::Content;

/// How the labels are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// A sentence a line, its labels parted by white space.
    SentenceALine,
    /// A label a line, blank lines between sentences.
    LabelALine,
}

/// The labels, sentence by sentence; their rows hold no words.
pub(crate) struct LabelReader {
    lines: Lines,
    source: String,
    layout: Layout,
    tags: TagNames,
    /// The lines without a label since the last sentence: sentences without words, unless the file ends with them.
    empty: Vec<u64>,
    ready: Vec<Row>,
}

impl LabelReader {
    pub(crate) fn new(input: Input, source: &str, layout: Layout) -> LabelReader {
        LabelReader {
            lines: Lines::new(input, source, Limit::Item),
            source: source.to_owned(),
            layout,
            tags: TagNames::default(),
            empty: Vec::new(),
            ready: Vec::new(),
        }
    }

    /// Reads until a sentence is complete; the rows come in reverse.
    fn fill(&mut self) -> Result<(), Error> {
        let LabelReader { lines, source, tags, empty, ready, .. } = self;
        let layout = self.layout;
        let mut open: Option<(u64, Vec<u32>)> = None;
        while let Some((number, line)) = lines.next()? {
            let mut of_line = Vec::new();
            let place = || at_line(source, number);
            match layout {
                Layout::SentenceALine => {
                    for label in line.split_whitespace() {
                        of_line.push(tags.of_string(label, place)?);
                    }
                }
                Layout::LabelALine if is_blank(line) => {}
                Layout::LabelALine => of_line.push(tags.of_string(line.trim(), place)?),
            }
            match (layout, of_line.is_empty()) {
                (Layout::SentenceALine, true) => empty.push(number),
                (Layout::SentenceALine, false) => {
                    ready.push(row(number, of_line));
                    ready.extend(empty.drain(..).rev().map(|number| row(number, Vec::new())));
                    return Ok(());
                }
                (Layout::LabelALine, true) if open.is_some() => break,
                (Layout::LabelALine, _) => match &mut open {
                    Some((_, labels)) => labels.append(&mut of_line),
                    None if of_line.is_empty() => {}
                    None => open = Some((number, of_line)),
                },
            }
        }
        ready.extend(open.map(|(number, labels)| row(number, labels)));
        Ok(())
    }
}

fn row(number: u64, labels: Vec<u32>) -> Row {
    Row { tags: Some(labels), ..Row::of(number, Content::Words(Vec::new())) }
}

impl Reader for LabelReader {
    fn next(&mut self) -> Result<Option<Row>, Error> {
        if self.ready.is_empty() {
            self.fill()?;
        }
        Ok(self.ready.pop())
    }

    fn place(&self, number: u64) -> String {
        at_line(&self.source, number)
    }

    fn columns(&self) -> Columns {
        Columns::default()
    }

    fn take_tags(&mut self) -> TagNames {
        std::mem::take(&mut self.tags)
    }

    fn notes(&self) -> Vec<Note> {
        Vec::new()
    }

    fn has_more_at_hand(&self) -> bool {
        self.lines.has_more_at_hand()
    }
}
