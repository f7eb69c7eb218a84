//! A split being filled with the rows of a reader.

use crate::error::Error;
use crate::rows::row::{Reader, Row};
use crate::rows::tag_names::TagNames;
use std::collections::HashMap;
use tagsmith_files::records::Room;
use tagsmith_message::Note;
use tagsmith_text::sentence::{Sentence, Sentences, Split};
use tagsmith_text::tagged::Content;

/// Reads all rows into a split, which is called `source`. Its sentences take a part of `room`.
///
/// # Errors
/// What the reader refuses, and a source without a sentence.
pub(crate) fn collect(mut reader: Box<dyn Reader>, source: &str, room: &Room) -> Result<Split, Error> {
    let mut builder = SplitBuilder::new(room);
    while let Some(row) = reader.next()? {
        builder.push(row, &|number| reader.place(number))?;
    }
    if builder.sentences.is_empty() {
        return Err(Error::content(source, "there is no sentence in it: check the path and how the file was made"));
    }
    let mut notes = reader.notes();
    notes.extend([builder.blank_words, builder.empty_sentences]);
    notes.retain(|note| note.count > 0);
    let names = reader.take_tags();
    names.refuse_webanno()?;
    notes.extend(stray_labels(&names, &builder.sentences)?);
    let (tag_names, tag_kind) = names.into_parts();
    Ok(Split {
        source: source.to_owned(),
        sentences: builder.sentences,
        tag_names,
        tag_kind,
        columns: reader.columns(),
        notes,
    })
}

/// Returns the note about words whose label is not a tag, where nearly all labels are.
fn stray_labels(names: &TagNames, sentences: &Sentences) -> Result<Option<Note>, Error> {
    let strays = names.strays();
    if strays.is_empty() {
        return Ok(None);
    }
    let mut counts: HashMap<u32, usize> = HashMap::new();
    sentences.for_each(|sentence| {
        sentence.tags.into_iter().for_each(|tag| *counts.entry(tag).or_default() += 1);
        true
    })?;
    let what = "{word has|words have} a label that is not a tag, though labels are tags of entities: is it a slip?";
    let mut note = Note::new(what).important();
    for (tag, place) in strays {
        note.add(|| format!("`{}` {place}", names.name(tag)));
        note.count += counts.get(&tag).map_or(0, |count| count - 1);
    }
    Ok((note.count > 0).then_some(note))
}

/// The sentences so far, and what is odd about them.
struct SplitBuilder {
    sentences: Sentences,
    blank_words: Note,
    empty_sentences: Note,
}

impl SplitBuilder {
    fn new(room: &Room) -> Self {
        SplitBuilder {
            sentences: Sentences::new(room),
            blank_words: Note::new("{word is|words are} empty or blank; {it is|they are} kept"),
            empty_sentences: Note::new("{sentence has|sentences have} no words; {it is|they are} kept"),
        }
    }

    /// Adds a sentence. A reader that is asked for words gives no running text.
    fn push(&mut self, row: Row, place: &dyn Fn(u64) -> String) -> Result<(), Error> {
        let Content::Words(words) = &row.content else { return Ok(()) };
        if words.is_empty() {
            self.empty_sentences.add(|| place(row.number));
        }
        for (word, _) in words.iter().enumerate().filter(|(_, word)| word.trim().is_empty()) {
            self.blank_words.add(|| place(row.line_of(word)));
        }
        let (line, tags) = (row.number, row.tags.unwrap_or_default());
        if let Content::Words(words) = row.content {
            self.sentences.push(&Sentence { words, tags, line })?;
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::fmt::Write;
    use tagsmith_message::{Note, Remedy, Setting};
    use tagsmith_text::sentence::Columns;

    /// A split, or the error's chain, as text for expected snapshots.
    pub(crate) fn show(result: Result<Split, Error>) -> String {
        let split = match result {
            Ok(split) => split,
            Err(Error::Read { place, source }) => return format!("error: {place}: cannot be read: {source}\n"),
            Err(error) => return format!("error: {}\n", show_error(&error)),
        };
        let mut text = String::new();
        for sentence in split.sentences.to_vec().expect("the sentences are in memory") {
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
            writeln!(text, "note: {}", show_note(note)).expect("a String takes everything");
        }
        text
    }

    /// The words of each sentence, with their tags.
    pub(crate) fn tagged(split: &Split) -> Vec<Vec<(String, String)>> {
        let tag = |tag: &u32| split.tag_names[*tag as usize].clone();
        let tagged = |sentence: Sentence| {
            assert_eq!(sentence.words.len(), sentence.tags.len());
            sentence.words.into_iter().zip(sentence.tags.iter().map(tag)).collect()
        };
        split.sentences.to_vec().expect("the sentences are in memory").into_iter().map(tagged).collect()
    }

    /// The words and tags of each sentence in short, or the error.
    pub(crate) fn short(result: Result<Split, Error>) -> String {
        let word = |(word, tag): &(String, String)| format!("{word}|{tag}");
        let sentence = |words: &Vec<_>| words.iter().map(word).collect::<Vec<_>>().join(" ");
        match result {
            Err(error) => format!("error: {}", show_error(&error)),
            Ok(split) => tagged(&split).iter().map(sentence).collect::<Vec<_>>().join(" / "),
        }
    }

    /// An error with its remedy, whose settings stand in angle brackets.
    pub(crate) fn show_error(error: &Error) -> String {
        with_remedy(error.to_string(), error.remedy().as_ref())
    }

    /// A note with its remedy.
    pub(crate) fn show_note(note: &Note) -> String {
        with_remedy(note.to_string(), note.remedy.as_ref())
    }

    fn with_remedy(text: String, remedy: Option<&Remedy>) -> String {
        let spell = |setting: Setting, value: Option<&str>| match value {
            None => format!("<{setting:?}>"),
            Some(value) => format!("<{setting:?}={value}>"),
        };
        remedy.map_or(text.clone(), |remedy| format!("{text}: {}", remedy.clause(&spell)))
    }
}
