//! The data under check: files of words and labels, and their sentences one after another.

use super::finding::{Excerpt, Finding};
use super::hidden::is_hidden;
use anyhow::Result;
use std::ops::Range;
use tagsmith_data::ReadOptions;
use tagsmith_data::dataset::load_files;
use tagsmith_text::labels::reading::{Rules, TagReader};
use tagsmith_text::labels::scheme::{Span, Style};
use tagsmith_text::sentence::{Sentence, Split, TagKind};

/// The files under check.
pub struct Corpus {
    /// The files, those to learn from first.
    pub files: Vec<File>,
}

/// A file under check.
pub struct File {
    /// The sentences and their tags.
    pub split: Split,
    /// Whether it is of the other data: those that a model is measured on.
    pub is_other: bool,
    /// The reader of its tags; none where it has no labels.
    reader: Option<TagReader>,
}

impl File {
    /// Returns a file with the sentences of a split.
    pub fn new(split: Split, is_other: bool) -> File {
        let has_tags = split.tag_kind != TagKind::Absent;
        let reader = has_tags.then(|| TagReader::new(&split.tag_names, Style::Prefix, Rules::AnyScheme));
        File { split, is_other, reader }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// Those of its reader.
    pub fn read(path: &str, is_other: bool) -> Result<File> {
        Ok(File::new(load_files(&[path.to_owned()], &ReadOptions::default())?, is_other))
    }

    /// Returns the entities of a sentence.
    pub fn spans(&self, sentence: &Sentence) -> Vec<Span<&str>> {
        let tags = sentence.tags.iter().map(|&tag| tag as usize);
        self.reader.as_ref().map_or_else(Vec::new, |reader| reader.spans(tags))
    }

    /// Returns the label of a word; none where the file has none.
    pub fn label<'f>(&'f self, sentence: &Sentence, word: usize) -> Option<&'f str> {
        sentence.tags.get(word).map(|&tag| self.split.tag_names[tag as usize].as_str())
    }
}

/// The place of a sentence: the number of its file and its number in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The number of the file.
    pub file: u32,
    /// The number of the sentence in the file, from 0.
    pub at: u32,
}

/// A sentence as a check sees it.
pub struct Sight<'a> {
    /// Where it is.
    pub place: Place,
    /// The file that it is in.
    pub file: &'a File,
    /// The sentence.
    pub sentence: &'a Sentence,
    /// The entities in it.
    pub spans: Vec<Span<&'a str>>,
}

impl Sight<'_> {
    /// Returns a finding about some words of the sentence.
    pub fn finding(&self, words: Range<usize>, what: impl Into<String>) -> Finding {
        finding(self.file, self.sentence, words, what)
    }

    /// Returns the words of an entity as one text.
    pub fn mention(&self, span: &Span<&str>) -> String {
        self.sentence.words[span.start..span.end].join(" ")
    }
}

/// Returns a finding about some words of a sentence.
pub fn finding(file: &File, sentence: &Sentence, words: Range<usize>, what: impl Into<String>) -> Finding {
    let place = format!("{}:{}", file.split.source, sentence.line);
    Finding { place, words: excerpt(&sentence.words, words), what: what.into() }
}

/// Words that an excerpt shows on either side.
const AROUND: usize = 4;
/// The most words and letters that an excerpt shows of what it is about.
const INSIDE: usize = 12;
const LETTERS: usize = 40;

/// Returns some words with those around.
fn excerpt(words: &[String], about: Range<usize>) -> Excerpt {
    let about = about.start.min(words.len())..about.end.min(words.len());
    // Where the whole sentence is meant, its beginning is shown.
    let after = if about.is_empty() { INSIDE } else { AROUND };
    let (from, to) = (about.start.saturating_sub(AROUND), (about.end + after).min(words.len()));
    let shown = |word: &String| -> String {
        let mut text: String = word.chars().take(LETTERS).flat_map(visible).collect();
        if word.chars().nth(LETTERS).is_some() {
            text.push('…');
        }
        text
    };
    let part = |before: bool, words: &[String], after: bool| {
        let dots = |there: bool| there.then(|| "…".to_owned());
        dots(before).into_iter().chain(words.iter().map(shown)).chain(dots(after)).collect::<Vec<_>>().join(" ")
    };
    let cut = about.end.min(about.start + INSIDE);
    Excerpt {
        before: part(from > 0, &words[from..about.start], false),
        about: part(false, &words[about.start..cut], cut < about.end),
        after: part(false, &words[about.end..to], to < words.len()),
    }
}

/// Returns a letter, or its number where nobody would see it.
fn visible(letter: char) -> Vec<char> {
    match is_hidden(letter) {
        true => letter.escape_unicode().collect(),
        false => vec![letter],
    }
}

impl Corpus {
    /// Hands every sentence to `each`.
    ///
    /// # Errors
    /// A file of sentences cannot be read.
    pub fn for_each(&self, mut each: impl FnMut(&Sight<'_>)) -> Result<()> {
        for (number, file) in self.files.iter().enumerate() {
            let mut at = 0;
            file.split.sentences.for_each(|sentence| {
                let place = Place { file: number as u32, at };
                each(&Sight { place, file, sentence: &sentence, spans: file.spans(&sentence) });
                at += 1;
                true
            })?;
        }
        Ok(())
    }

    /// Returns a sentence and its file.
    ///
    /// # Errors
    /// The file of sentences cannot be read.
    pub fn get(&self, place: Place) -> Result<(&File, Sentence)> {
        let file = &self.files[place.file as usize];
        Ok((file, file.split.sentences.get(place.at as usize)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_shows_what_it_is_about() {
        let words: Vec<String> = "a b c d e f g h i j k".split(' ').map(str::to_owned).collect();
        assert_eq!(excerpt(&words, 5..7).to_string(), "… b c d e [f g] h i j k");
        assert_eq!(excerpt(&words, 0..1).to_string(), "[a] b c d e …");
        assert_eq!(excerpt(&words[..3], 0..0).to_string(), "a b c");
        assert_eq!(excerpt(&["x\u{200B}y".to_owned()], 0..1).to_string(), "[x\\u{200b}y]");
        assert_eq!(excerpt(&["y".repeat(99)], 0..9).to_string(), format!("[{}…]", "y".repeat(40)));
    }
}
