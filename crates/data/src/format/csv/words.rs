//! Sentences of tables in which each row is a word.

use crate::bytes::lines::Limit;
use crate::error::{Error, at_line};
use crate::rows::row::Row;
use crate::rules::table_layout::Parting;
use std::collections::{HashMap, HashSet, VecDeque};
use tagsmith_message::{Note, quote};
use tagsmith_text::tagged::Content;

/// A word of a row.
pub(crate) struct Open {
    /// The line of the row.
    pub(crate) line: u64,
    /// The word.
    pub(crate) word: String,
    /// The label of the word, where labels are wanted.
    pub(crate) tag: Option<u32>,
    /// The name of its sentence, where a column gives names; empty if it is that of the row before.
    pub(crate) name: Option<String>,
}

/// The sentences in the making, and the names of those that are done.
pub(crate) struct Sentences {
    /// The sentences that are not done: one, or all of a table whose rows are scattered.
    open: VecDeque<Sentence>,
    /// The place in `open` of the sentence of the last word.
    last: usize,
    /// The place in `open` of each name of a scattered table.
    places: HashMap<String, usize>,
    /// Names of sentences that are done.
    done: HashSet<String>,
    bytes: usize,
    /// Words that stand apart from the others of their sentence.
    joined: Note,
}

impl Default for Sentences {
    fn default() -> Self {
        let joined =
            "{word stands|words stand} apart from the others of {its|their} sentence, and {was|were} joined to them";
        Sentences {
            open: VecDeque::new(),
            last: 0,
            places: HashMap::new(),
            done: HashSet::new(),
            bytes: 0,
            joined: Note::new(joined).important(),
        }
    }
}

#[derive(Default)]
struct Sentence {
    name: Option<String>,
    words: Vec<String>,
    tags: Vec<u32>,
    lines: Vec<u64>,
}

impl Sentences {
    /// Adds a word. Returns the sentence that it ends, if it ends one. In a scattered table none ends before the last
    /// row.
    ///
    /// # Errors
    /// A sentence that goes on after another one began; more than `limit` bytes.
    pub(crate) fn push(
        &mut self,
        open: Open,
        scattered: bool,
        limit: Limit,
        source: &str,
    ) -> Result<Option<Row>, Error> {
        let named = open.name.as_ref().filter(|name| !name.is_empty());
        let last = self.open.get(self.last).and_then(|last| last.name.as_ref());
        let is_same = named.is_none_or(|name| last == Some(name));
        let mut ended = None;
        match named.filter(|_| scattered) {
            Some(name) => {
                if !is_same && self.places.contains_key(name) {
                    self.joined.add(|| at_line(source, open.line));
                }
                self.last = *self.places.entry(name.clone()).or_insert(self.open.len());
            }
            None if !is_same => {
                ended = self.end();
                self.last = 0;
                if let Some(name) = named.filter(|name| self.done.contains(*name)) {
                    let problem = format!(
                        "the sentence {} goes on here, after another one: sort the rows by the column of its name",
                        quote(name)
                    );
                    return Err(Error::content(at_line(source, open.line), problem));
                }
            }
            None => {}
        }
        if self.last >= self.open.len() {
            self.last = self.open.len();
            self.open.push_back(Sentence { name: named.cloned(), ..Sentence::default() });
        }
        self.bytes += open.word.len() + 1;
        let limit = if scattered { Limit::Item } else { limit };
        if self.bytes > limit.bytes() {
            let begin = self.open[self.last].lines.first().copied().unwrap_or(open.line);
            return Err(limit.exceeded(at_line(source, begin), "sentence that begins here"));
        }
        let sentence = &mut self.open[self.last];
        sentence.words.push(open.word);
        sentence.lines.push(open.line);
        sentence.tags.extend(open.tag);
        Ok(ended)
    }

    /// Ends the first open sentence and returns it, if there is one.
    pub(crate) fn end(&mut self) -> Option<Row> {
        let Sentence { name, words, tags, lines } = self.open.pop_front()?;
        self.bytes = 0;
        self.done.extend(name.clone());
        let tags = (tags.len() == words.len()).then_some(tags);
        let number = *lines.first()?;
        Some(Row { id: name, tags, lines, ..Row::of(number, Content::Words(words)) })
    }

    /// Returns what was done to the rows.
    pub(crate) fn note(&self) -> Note {
        self.joined.clone()
    }

    /// Returns whether a sentence waits that needs no more rows.
    pub(crate) fn has_more_at_hand(&self) -> bool {
        self.open.len() > 1
    }
}

/// Returns the note about what parts the sentences.
pub(crate) fn note(parting: Parting, names: &[String]) -> Option<Note> {
    match parting {
        Parting::Column(key) | Parting::Scattered(key) => {
            let said = format!("each row is a word, and {} parts the sentences", quote(&names[key]));
            Some(Note::once(said))
        }
        Parting::BlankRow => Some(Note::once("each row is a word, and blank rows part the sentences")),
        Parting::Nothing => None,
    }
}
