//! Warnings as data: what was done to the input, how often, and where it happened first.

use crate::remedy::Remedy;
use crate::wording::Wording;
use serde::{Deserialize, Serialize};
use std::borrow::Borrow;
use std::fmt::{self, Display};

/// How many places a note remembers.
const PLACES: usize = 3;

/// One kind of thing that happened to the input, with its count and its first places. Ranks send notes to each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The file, split or model that the note is about, if a caller named it.
    pub about: Option<String>,
    /// What happened, in words that agree with the count.
    pub what: Wording,
    /// How many times.
    pub count: usize,
    /// The first places (`train.conll:17`), at most three.
    pub places: Vec<String>,
    /// What the user can do about it.
    pub remedy: Option<Remedy>,
    /// Whether something is lost, cut, left out or made up, or figures mean something else. Such a note comes even where few
    /// are wanted.
    pub important: bool,
}

impl Note {
    /// Returns a note that counts nothing yet. Braces hold the form for one thing and the form for several.
    ///
    /// ```
    /// use tagsmith_message::Note;
    ///
    /// let mut note = Note::new("{word has|words have} no label");
    /// note.add(|| "train.conll:3".into());
    /// assert_eq!(note.to_string(), "1 word has no label (train.conll:3)");
    /// note.add(|| "train.conll:7".into());
    /// assert_eq!(note.to_string(), "2 words have no label (train.conll:3, train.conll:7)");
    /// ```
    ///
    /// A text that is made while the program runs may hold a user's braces, and is refused by the compiler:
    ///
    /// ```compile_fail
    /// let file = String::from("{a|b}.conll");
    /// tagsmith_message::Note::new(format!("words of {file} are empty"));
    /// ```
    ///
    /// # Panics
    /// If a brace is left open or holds one form.
    pub fn new(what: &'static str) -> Self {
        Note::naming(what, &[])
    }

    /// Returns a note that counts nothing yet. Each `{}` of its text stands for the next of `values`.
    ///
    /// # Panics
    /// As [`Wording::new`].
    pub fn naming(what: &'static str, values: &[&dyn Display]) -> Self {
        Note::saying(Wording::new(what, values))
    }

    /// Returns a note about the whole input, which has no count or place.
    pub fn once(what: impl Into<String>) -> Self {
        Note { count: 1, ..Note::saying(Wording::fixed(what)) }
    }

    /// Returns a note that counts nothing yet.
    pub fn saying(what: Wording) -> Self {
        Note { about: None, what, count: 0, places: Vec::new(), remedy: None, important: false }
    }

    /// Returns the note with `remedy`.
    #[must_use]
    pub fn with_remedy(self, remedy: Remedy) -> Self {
        Note { remedy: Some(remedy), ..self }
    }

    /// Returns the note as one about something that is lost, cut or left out.
    #[must_use]
    pub fn important(self) -> Self {
        Note { important: true, ..self }
    }

    /// Returns the note as one about `name`, which then comes before it: `train: …`.
    #[must_use]
    pub fn about(self, name: impl Into<String>) -> Self {
        Note { about: Some(name.into()), ..self }
    }

    /// Puts the important ones of collected notes before the others. Otherwise they keep their order.
    pub fn important_first<N: Borrow<Note>>(notes: &mut [N]) {
        notes.sort_by_key(|note| !note.borrow().important);
    }

    /// Counts one more, at `place`.
    pub fn add(&mut self, place: impl FnOnce() -> String) {
        self.count += 1;
        if self.places.len() < PLACES {
            self.places.push(place());
        }
    }

    /// Counts what a later part of the same input met.
    pub fn absorb(&mut self, later: Note) {
        self.count += later.count;
        let free = PLACES.saturating_sub(self.places.len());
        self.places.extend(later.places.into_iter().take(free));
    }
}

impl fmt::Display for Note {
    /// Writes the note without its remedy, whose settings only a rim can spell.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(about) = &self.about {
            write!(f, "{about}: ")?;
        }
        if self.places.is_empty() {
            return f.write_str(self.what.of(self.count));
        }
        write!(f, "{} {} ({}", self.count, self.what.of(self.count), self.places.join(", "))?;
        if self.count > self.places.len() {
            write!(f, ", …")?;
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_agrees_with_its_count() {
        let with = |count: usize| {
            let mut note = Note::naming("{word of|words of} {} {is|are} empty", &[&"{a|b}"]).about("train");
            (0..count).for_each(|at| note.add(|| format!("f:{at}")));
            note
        };
        assert_eq!(with(1).to_string(), "train: 1 word of {a|b} is empty (f:0)");
        assert_eq!(with(2).to_string(), "train: 2 words of {a|b} are empty (f:0, f:1)");
        assert_eq!(with(9).to_string(), "train: 9 words of {a|b} are empty (f:0, f:1, f:2, …)");
        // What two parts of an input met is one note, whatever each counted.
        assert_eq!(with(1).what, with(4).what);
        let mut both = with(1);
        both.absorb(with(1));
        assert_eq!(both.to_string(), "train: 2 words of {a|b} are empty (f:0, f:0)");
        let mut notes = [Note::once("a"), Note::once("b").important(), Note::once("c"), Note::once("d").important()];
        Note::important_first(&mut notes);
        assert_eq!(notes.map(|note| note.to_string()), ["b", "d", "a", "c"]);
        assert_eq!(Note::once("{a|b} is read").to_string(), "{a|b} is read");
    }
}
