//! Warnings as data: what was done to the input, how often, and where it happened first.

use crate::remedy::Remedy;
use std::fmt;

/// How many places a note remembers.
const PLACES: usize = 3;

/// One kind of thing that happened to the input, with its count and its first places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The file, split or model that the note is about, if a caller named it.
    pub about: Option<String>,
    /// What happened, in the plural: `words without a piece get the label of the word before`.
    pub what: String,
    /// How many times.
    pub count: usize,
    /// The first places (`train.conll:17`), at most three.
    pub places: Vec<String>,
    /// What the user can do about it.
    pub remedy: Option<Remedy>,
    /// Whether something of the input is lost, cut or left out, so that the note comes even where few are wanted.
    pub important: bool,
}

impl Note {
    /// Returns a note that counts nothing yet.
    pub fn new(what: impl Into<String>) -> Self {
        Note { about: None, what: what.into(), count: 0, places: Vec::new(), remedy: None, important: false }
    }

    /// Returns a note about the whole input, which has no count or place.
    pub fn once(what: impl Into<String>) -> Self {
        Note { count: 1, ..Note::new(what) }
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
            return f.write_str(&self.what);
        }
        write!(f, "{} {} ({}", self.count, self.what, self.places.join(", "))?;
        if self.count > self.places.len() {
            write!(f, ", …")?;
        }
        f.write_str(")")
    }
}
