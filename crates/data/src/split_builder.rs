//! What every reader needs: its options, its errors, bounded lines, and the split being filled.

use crate::error::Error;
use std::collections::HashMap;
use tagsmith_message::Note;
use tagsmith_message::{counted, quote};
use tagsmith_text::sentence::{Columns, Sentence, Split, TagKind};

/// Which columns to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadOptions {
    /// The words' column: a name, or in column files a number (from 0; -1 is the last).
    pub text_column: Option<String>,
    /// The labels' column, likewise.
    pub label_column: Option<String>,
    /// `{task}_tags` is the labels' column when none is named.
    pub task: String,
    /// In column files, the label of a word that has none; without it such a line is an error.
    pub missing_label: Option<String>,
}

impl Default for ReadOptions {
    fn default() -> Self {
        ReadOptions { text_column: None, label_column: None, task: "ner".into(), missing_label: None }
    }
}

/// A split in the making: words and labels go in, checks and counts happen here, once for all formats.
pub(crate) struct SplitBuilder<'s> {
    source: &'s str,
    place: fn(&str, u64) -> String,
    sentence: Sentence,
    sentences: Vec<Sentence>,
    tag_names: Vec<String>,
    tag_of_name: HashMap<String, u32>,
    tag_kind: TagKind,
    blank_words: Note,
    empty_sentences: Note,
}

impl<'s> SplitBuilder<'s> {
    /// `place` says how to write a sentence's number. `class_names` are the names of integer labels, in order.
    pub(crate) fn new(source: &'s str, place: fn(&str, u64) -> String, class_names: Option<Vec<String>>) -> Self {
        SplitBuilder {
            source,
            place,
            sentence: Sentence { words: Vec::new(), tags: Vec::new(), line: 0 },
            sentences: Vec::new(),
            tag_of_name: HashMap::new(),
            tag_kind: if class_names.is_some() { TagKind::ClassLabel } else { TagKind::Absent },
            tag_names: class_names.unwrap_or_default(),
            blank_words: Note::new("words are empty or blank; they are kept"),
            empty_sentences: Note::new("sentences have no words; they are kept"),
        }
    }

    /// Where line or row `number` is.
    pub(crate) fn place(&self, number: u64) -> String {
        (self.place)(self.source, number)
    }

    /// The index of a label written as a string.
    pub(crate) fn tag_of_string(&mut self, label: &str, number: u64) -> Result<u32, Error> {
        if label.is_empty() {
            return Err(Error::content(self.place(number), "a label is an empty string: give every word a label"));
        }
        self.expect_kind(TagKind::Strings, label, number)?;
        Ok(self.intern(label))
    }

    /// The index of a label written as an integer.
    pub(crate) fn tag_of_integer(&mut self, label: i64, number: u64) -> Result<u32, Error> {
        if self.tag_kind != TagKind::ClassLabel {
            let label = label.to_string();
            self.expect_kind(TagKind::Integers, &label, number)?;
            return Ok(self.intern(&label));
        }
        match u32::try_from(label) {
            Ok(tag) if (tag as usize) < self.tag_names.len() => Ok(tag),
            _ => Err(Error::content(
                self.place(number),
                format!(
                    "the label {label} has no name (there are {}, from 0): correct the label or the names{}",
                    self.tag_names.len(),
                    if label == -1 { "; -1 is how `datasets` marks a word without a label" } else { "" }
                ),
            )),
        }
    }

    fn expect_kind(&mut self, kind: TagKind, label: &str, number: u64) -> Result<(), Error> {
        if self.tag_kind == TagKind::Absent {
            self.tag_kind = kind;
        }
        if self.tag_kind == kind {
            return Ok(());
        }
        let (is, were) = if kind == TagKind::Strings { ("a string", "integers") } else { ("an integer", "strings") };
        Err(Error::content(
            self.place(number),
            format!("the label {} is {is}, the labels before are {were}: write all of them one way", quote(label)),
        ))
    }

    fn intern(&mut self, name: &str) -> u32 {
        if let Some(&tag) = self.tag_of_name.get(name) {
            return tag;
        }
        let tag = self.tag_names.len() as u32;
        self.tag_names.push(name.to_owned());
        self.tag_of_name.insert(name.to_owned(), tag);
        tag
    }

    /// Adds a word to the open sentence; in a source without labels it has no tag.
    pub(crate) fn word(&mut self, word: &str, tag: Option<u32>, number: u64) {
        if self.sentence.words.is_empty() {
            self.sentence.line = number;
        }
        if word.trim().is_empty() {
            self.blank_words.add(|| (self.place)(self.source, number));
        }
        self.sentence.words.push(word.to_owned());
        self.sentence.tags.extend(tag);
    }

    /// Words of the open sentence.
    pub(crate) fn open_words(&self) -> usize {
        self.sentence.words.len()
    }

    /// Sentences so far, without the open one.
    pub(crate) fn sentences(&self) -> usize {
        self.sentences.len()
    }

    /// Closes the open sentence, if it has words.
    pub(crate) fn end_sentence(&mut self) {
        if !self.sentence.words.is_empty() {
            let empty = Sentence { words: Vec::new(), tags: Vec::new(), line: 0 };
            self.sentences.push(std::mem::replace(&mut self.sentence, empty));
        }
    }

    /// Adds a whole sentence. `columns` are the names of its two columns, for the message.
    pub(crate) fn push(
        &mut self,
        words: Vec<String>,
        tags: Vec<u32>,
        columns: (&str, &str),
        number: u64,
    ) -> Result<(), Error> {
        if words.len() != tags.len() {
            return Err(Error::content(
                self.place(number),
                format!(
                    "{} ({}) and {} ({}): give every word one label, or name the right columns with `--text_column_name` and `--label_column_name`",
                    counted(words.len(), "word"),
                    quote(columns.0),
                    counted(tags.len(), "label"),
                    quote(columns.1)
                ),
            ));
        }
        if words.is_empty() {
            self.empty_sentences.add(|| (self.place)(self.source, number));
        }
        let blank = words.iter().filter(|word| word.trim().is_empty()).count();
        for _ in 0..blank {
            self.blank_words.add(|| (self.place)(self.source, number));
        }
        self.sentences.push(Sentence { words, tags, line: number });
        Ok(())
    }

    /// Labels that were all spelled as integers in a format without types are integers.
    pub(crate) fn read_spelled_integers(&mut self) {
        let is_integer = |name: &String| name.parse::<i64>().is_ok_and(|value| value.to_string() == *name);
        if self.tag_kind == TagKind::Strings && self.tag_names.iter().all(is_integer) {
            self.tag_kind = TagKind::Integers;
        }
    }

    /// Whether every label is `name`.
    pub(crate) fn has_only_tag(&self, name: &str) -> bool {
        matches!(self.tag_names.as_slice(), [only] if only == name)
    }

    /// The split; `notes` come before those counted here. A source without a sentence is an error.
    pub(crate) fn finish(mut self, columns: Columns, mut notes: Vec<Note>) -> Result<Split, Error> {
        self.end_sentence();
        if self.sentences.is_empty() {
            return Err(no_sentence(self.source));
        }
        notes.extend([self.blank_words, self.empty_sentences]);
        notes.retain(|note| note.count > 0);
        Ok(Split {
            source: self.source.to_owned(),
            sentences: self.sentences,
            tag_names: self.tag_names,
            tag_kind: self.tag_kind,
            columns,
            notes,
        })
    }
}

pub(crate) fn no_sentence(source: &str) -> Error {
    Error::content(source, "there is no sentence in it: check the path and how the file was made")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::fmt::Write;

    /// A split, or the error's chain, as text for expected snapshots.
    pub(crate) fn show(result: Result<Split, Error>) -> String {
        let split = match result {
            Ok(split) => split,
            Err(Error::Read { place, source }) => return format!("error: {place}: cannot be read: {source}\n"),
            Err(error) => return format!("error: {error}\n"),
        };
        let mut text = String::new();
        for sentence in &split.sentences {
            let tag = |at: usize| match sentence.tags.get(at) {
                Some(&tag) => format!("|{}", split.tag_names[tag as usize]),
                None => String::new(),
            };
            let tagged: Vec<String> =
                (0..).zip(&sentence.words).map(|(at, word)| format!("{}{}", word.escape_debug(), tag(at))).collect();
            let tags = if split.columns.label.is_some() { sentence.words.len() } else { 0 };
            assert_eq!(sentence.tags.len(), tags);
            writeln!(text, "{}: {}", sentence.line, tagged.join(" ")).expect("a String takes everything");
        }
        let Columns { text: words, label, all } = &split.columns;
        writeln!(
            text,
            "{:?} {:?}; {words} and {} of {}",
            split.tag_kind,
            split.tag_names,
            label.as_deref().unwrap_or("nothing"),
            all.join(" ")
        )
        .expect("a String takes everything");
        for note in &split.notes {
            writeln!(text, "note: {note}").expect("a String takes everything");
        }
        text
    }
}
