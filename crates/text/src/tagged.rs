//! What a tagger reads and what it finds: the types that all taggers and all rims share.

use serde::{Deserialize, Serialize};
use tagsmith_message::Note;

/// Running text, or words that were given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Running text; positions in it count code points.
    Text(String),
    /// Words, each of which gets one label; positions count words.
    Words(Vec<String>),
}

impl Content {
    /// Returns the number of code points or words.
    pub fn len(&self) -> usize {
        match self {
            Content::Text(text) => text.chars().count(),
            Content::Words(words) => words.len(),
        }
    }

    /// Returns whether there is nothing to read.
    pub fn is_empty(&self) -> bool {
        match self {
            Content::Text(text) => text.trim().is_empty(),
            Content::Words(words) => words.is_empty(),
        }
    }
}

/// Something to tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Where it is, for messages: `notes.txt:17`.
    pub place: String,
    /// The text or the words.
    pub content: Content,
}

/// A word's label.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct WordLabel {
    /// The label's id.
    pub label: u32,
    /// The label's probability; 0 where the model read nothing of the word and the label is a stopgap.
    pub probability: f32,
}

/// An entity with its text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mention {
    /// The text between `start` and `end`.
    pub text: String,
    /// The entity's type.
    pub label: String,
    /// The probability that the model gives it.
    pub score: f32,
    /// The first code point.
    pub start: u32,
    /// One past the last code point.
    pub end: u32,
    /// The entity as its pieces show it; none where nobody asked for that, or where whole spans are scored.
    pub in_pieces: Option<InPieces>,
}

/// An entity as its pieces show it, which is what transformers' pipeline returns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InPieces {
    /// The pieces' spelling, put together by the tokenizer: lower-cased for uncased models.
    pub word: String,
    /// The number of its first piece in the text, special ones counted.
    pub index: u32,
    /// The first code point of the first piece. White space that pieces hold stays.
    pub start: u32,
    /// One past the last code point of the last piece.
    pub end: u32,
}

/// What a tagger found in an input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tagged {
    /// The text, or the words with spaces between.
    pub text: String,
    /// The words.
    pub words: Vec<String>,
    /// The labels of the words, one each. Empty where entities may overlap, which no label a word can say.
    pub labels: Vec<WordLabel>,
    /// The entities in the order of the text.
    pub entities: Vec<Mention>,
    /// The probability below which the tagger abstains, where it may.
    #[serde(default)]
    pub abstains_below: Option<f32>,
}

/// The label of a word that the tagger abstains from.
pub const ABSTAINED: &str = "?";

impl Tagged {
    /// Returns the names of the words' labels. A word that the tagger abstains from has [`ABSTAINED`].
    pub fn label_names<'l>(&self, labels: &'l [String]) -> Vec<&'l str> {
        let name = |word: &WordLabel| match self.is_abstained(word.probability) {
            true => ABSTAINED,
            false => labels[word.label as usize].as_str(),
        };
        self.labels.iter().map(name).collect()
    }

    /// Returns whether the tagger abstains from what has this probability or score.
    pub fn is_abstained(&self, probability: f32) -> bool {
        self.abstains_below.is_some_and(|least| probability < least)
    }
}

/// Counts and notes over everything tagged so far.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// The number of inputs.
    pub documents: usize,
    /// The number of words in them.
    pub words: usize,
    /// The number of sequences that the model read.
    pub windows: usize,
    /// The number of entities found.
    pub entities: usize,
    notes: Vec<Note>,
    /// What each note says, as its caller wrote it.
    texts: Vec<&'static str>,
}

/// Hears how much of some inputs a model has read, and how much there is, in pieces.
pub type Watch<'a> = &'a dyn Fn(usize, usize);

/// A [`Watch`] of work that nobody watches.
pub const UNWATCHED: Watch<'static> = &|_done, _all| ();

impl Tally {
    /// Counts an input before it is tagged.
    pub fn count(&mut self, place: &str, words: usize, windows: usize) {
        const LONG: &str =
            "{input is|inputs are} longer than the model reads at once and went through overlapping windows";
        self.documents += 1;
        self.words += words;
        self.windows += windows;
        if windows > 1 {
            self.add(LONG, || format!("{place}: {windows} windows"));
        }
    }

    /// Counts one more of what happened to an input: a text as [`Note::new`] takes it.
    pub fn add(&mut self, what: &'static str, place: impl FnOnce() -> String) {
        self.note_of(what).add(place);
    }

    /// Counts one more of what an input lost, or got for want of something better.
    pub fn add_important(&mut self, what: &'static str, place: impl FnOnce() -> String) {
        let note = self.note_of(what);
        note.important = true;
        note.add(place);
    }

    fn note_of(&mut self, what: &'static str) -> &mut Note {
        let known = self.texts.iter().position(|text| *text == what);
        let at = known.unwrap_or_else(|| {
            self.texts.push(what);
            self.notes.push(Note::new(what));
            self.notes.len() - 1
        });
        &mut self.notes[at]
    }

    /// Returns notes about what happened to the inputs.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }
}

/// Returns the words as running text with one space between two of them, and the start and end of each in code points.
pub fn joined(words: &[String]) -> (String, Vec<(usize, usize)>) {
    let mut start = 0;
    let place = |word: &String| {
        let end = start + word.chars().count();
        let place = (start, end);
        start = end + 1;
        place
    };
    let places = words.iter().map(place).collect();
    (words.join(" "), places)
}

/// A text that is cut by code points.
pub struct CodePoints<'t> {
    text: &'t str,
    /// The byte at which each code point begins, and the text's length.
    bytes: Vec<usize>,
}

impl<'t> CodePoints<'t> {
    /// Counts the code points of `text`.
    pub fn new(text: &'t str) -> Self {
        CodePoints { text, bytes: text.char_indices().map(|(at, _)| at).chain([text.len()]).collect() }
    }

    /// Returns the part from code point `start` to before `end`; nothing if the end is not behind the start.
    ///
    /// # Panics
    /// If the text is shorter.
    pub fn slice(&self, start: u32, end: u32) -> &'t str {
        if start >= end { "" } else { &self.text[self.bytes[start as usize]..self.bytes[end as usize]] }
    }

    /// Returns the place without the white space at its ends; none where nothing else is in it.
    ///
    /// # Panics
    /// If the text is shorter.
    pub fn trimmed(&self, start: u32, end: u32) -> Option<(u32, u32)> {
        let inside = self.slice(start, end);
        let count = |text: &str| text.chars().count() as u32;
        let begun = inside.trim_start();
        let first = start + count(inside) - count(begun);
        let last = first + count(begun.trim_end());
        (first < last).then_some((first, last))
    }

    /// Returns the entity with this label, probability and place.
    pub fn mention(&self, label: String, score: f32, (start, end): (u32, u32)) -> Mention {
        Mention { text: self.slice(start, end).to_owned(), label, score, start, end, in_pieces: None }
    }
}
