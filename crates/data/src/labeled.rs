//! The input of scoring: the labels of a file, sentence by sentence, with their words where it has them.

use crate::bytes::input::Input;
use crate::bytes::lines::{Limit, Lines};
use crate::dataset::load_of;
use crate::error::{Error, at_line};
use crate::format::arrow::ClassNames;
use crate::format::decide::decide;
use crate::format::{self, Format, Opened, Request};
use crate::read_options::{Meter, ReadOptions, Wanted};
use crate::rows::split_builder::collect;
use crate::rules::sentence_ends::is_document_start;
use crate::span_examples::EVALUATED;
use std::fs;
use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};
use tagsmith_message::Note;
use tagsmith_message::{Remedy, Setting};
use tagsmith_text::sentence::{Split, TagKind};

/// The labels of a file.
#[derive(Clone, Debug)]
pub struct Labeled {
    /// The file, for messages.
    pub source: String,
    /// The sentences in the file's order.
    pub sentences: Vec<LabeledSentence>,
    /// What the reader skipped, converted or guessed.
    pub notes: Vec<Note>,
}

/// The labels of one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabeledSentence {
    /// The line or row where it begins, from 1.
    pub line: u64,
    /// The labels, one for each word.
    pub labels: Vec<String>,
    /// The words; empty where the file has only labels.
    pub words: Vec<String>,
}

/// A file of labels whose format is known.
pub struct LabelFile {
    path: PathBuf,
    /// The content of what can be read once only, such as a pipe.
    content: Option<Vec<u8>>,
    format: Format,
    note: Option<Note>,
}

impl LabelFile {
    /// Opens a file. Without a `format`, the content and the name decide it.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn open(path: &Path, format: Option<Format>) -> Result<LabelFile, Error> {
        let source = path.display().to_string();
        if path.is_dir() {
            return Ok(LabelFile { path: path.to_owned(), content: None, format: Format::Arrow, note: None });
        }
        let open = || Input::open(path, &Meter::default());
        let is_file = fs::metadata(path).map_err(Error::open(path))?.is_file();
        let content = (!is_file).then(|| read_stream(open()?, &source)).transpose()?;
        let (format, note) = match (format, &content) {
            (Some(format), _) => (format, None),
            (None, Some(content)) => decide(Some(path), content, &source, Wanted::Labels),
            (None, None) => {
                let mut input = open()?;
                let (beginning, whole) = input.beginning().map_err(Error::read(&source))?;
                let lines = if whole { beginning } else { whole_lines(beginning) };
                decide(Some(path), lines, &source, Wanted::Labels)
            }
        };
        Ok(LabelFile { path: path.to_owned(), content, format, note })
    }

    /// Takes the content of a stream that messages call `name`. Without a `format`, the content decides it.
    pub fn of_stream(name: &str, content: Vec<u8>, format: Option<Format>) -> LabelFile {
        let (format, note) = match format {
            Some(format) => (format, None),
            None => decide(None, &content, name, Wanted::Labels),
        };
        LabelFile { path: name.into(), content: Some(content), format, note }
    }

    /// Returns the format of the file.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Reads the labels of one column, which the caller calls `setting`. In columns, a word without a label gets
    /// `missing_label`.
    ///
    /// # Errors
    /// There is no such column, or the content is not what it must be.
    pub fn read(&self, column: Option<&str>, setting: Setting, missing_label: Option<&str>) -> Result<Labeled, Error> {
        let source = self.path.display().to_string();
        let is_bare = matches!(self.format, Format::LabelLines | Format::Labels);
        if is_bare && column.is_some() {
            let problem = format!("a column is named, but the file is read as `{}`", self.format.name());
            return Err(Error::path(source, problem).with_remedy(Remedy::Unset(setting)));
        }
        let options = ReadOptions {
            label_column: column.map(str::to_owned),
            missing_label: missing_label.map(str::to_owned),
            ..ReadOptions::default()
        };
        if self.path.is_dir() {
            let split = load_of(&[source], EVALUATED, &options);
            return of_split(split.map_err(|error| error.with_setting(Setting::LabelColumn, setting))?, None, setting);
        }
        let opened =
            self.opened(&source, &options).map_err(|error| error.with_setting(Setting::LabelColumn, setting))?;
        if is_bare {
            return bare(opened, source);
        }
        let split = collect(opened.reader, &source, &options.room)
            .map_err(|error| error.with_setting(Setting::LabelColumn, setting))?;
        of_split(split, self.note.clone(), setting)
    }

    /// Returns the lines at which documents begin: `-DOCSTART-` lines of columns, `# newdoc` comments of CoNLL-U. Other
    /// formats have none. What is before the first is a document too.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn document_starts(&self) -> Result<Vec<u64>, Error> {
        let begins: fn(&str) -> bool = match self.format {
            Format::Conll => |line| line.split_whitespace().next().is_some_and(is_document_start),
            Format::Conllu => |line| line.strip_prefix('#').is_some_and(|rest| rest.trim_start().starts_with("newdoc")),
            _ => return Ok(Vec::new()),
        };
        let source = self.path.display().to_string();
        let input = match &self.content {
            None => Input::open(&self.path, &Meter::default())?,
            Some(content) => Input::from_bytes(content.clone()),
        };
        let mut lines = Lines::new(input, &source, Limit::Item);
        let mut starts = Vec::new();
        while let Some((number, line)) = lines.next()? {
            if begins(line) {
                starts.push(number);
            }
        }
        Ok(starts)
    }

    fn opened(&self, source: &str, options: &ReadOptions) -> Result<Opened, Error> {
        let request = Request {
            wanted: Wanted::Labels,
            options,
            limit: Limit::Item,
            format: Some(self.format),
            class_names: &ClassNames::default(),
        };
        match &self.content {
            None => format::open(&self.path, &request),
            Some(content) => format::open_input(Input::from_bytes(content.clone()), Some(&self.path), source, &request),
        }
    }
}

/// Returns the lines of a file's beginning that are there whole.
fn whole_lines(beginning: &[u8]) -> &[u8] {
    let end = beginning.iter().rposition(|&byte| byte == b'\n');
    end.map_or(beginning, |end| &beginning[..=end])
}

/// Reads all of a stream.
///
/// # Errors
/// The stream cannot be read, or has a line that no file may have.
fn read_stream(mut input: Input, source: &str) -> Result<Vec<u8>, Error> {
    let (mut content, mut number) = (Vec::new(), 1);
    let most = Limit::Item.bytes() as u64 + 1;
    loop {
        let count = (&mut input).take(most).read_until(b'\n', &mut content).map_err(Error::read(source))?;
        match count as u64 {
            0 => return Ok(content),
            count if count == most => return Err(Limit::Item.exceeded(at_line(source, number), "line")),
            _ => number += 1,
        }
    }
}

/// Returns the labels of a split, whose column the caller calls `setting`.
fn of_split(split: Split, note: Option<Note>, setting: Setting) -> Result<Labeled, Error> {
    let source = split.source;
    if split.tag_kind == TagKind::Absent {
        return Err(Error::path(source, "there are no labels").with_remedy(Remedy::set(setting)));
    }
    let sentences = split.sentences.to_vec()?.into_iter().map(|sentence| LabeledSentence {
        line: sentence.line,
        labels: sentence.tags.iter().map(|&tag| split.tag_names[tag as usize].clone()).collect(),
        words: sentence.words,
    });
    let notes = note.into_iter().chain(split.notes).map(|note| with_setting(note, setting)).collect();
    Ok(Labeled { source, sentences: sentences.collect(), notes })
}

/// Reads labels that stand without words.
fn bare(opened: Opened, source: String) -> Result<Labeled, Error> {
    let Opened { format, mut reader, .. } = opened;
    let mut rows = Vec::new();
    while let Some(row) = reader.next()? {
        rows.push((row.number, row.tags.unwrap_or_default()));
    }
    let names = reader.take_tags();
    names.refuse_webanno()?;
    let sentences: Vec<LabeledSentence> = rows
        .into_iter()
        .map(|(line, tags)| LabeledSentence {
            line,
            labels: tags.into_iter().map(|tag| names.name(tag).to_owned()).collect(),
            words: Vec::new(),
        })
        .collect();
    let note = format!(
        "{source} is read as `{}`: {} of labels",
        format.name(),
        tagsmith_message::counted(sentences.len(), "sentence")
    );
    Ok(Labeled { source, sentences, notes: vec![Note::once(note)] })
}

/// Returns the note with a remedy that names the caller's setting.
fn with_setting(mut note: Note, setting: Setting) -> Note {
    note.remedy = note.remedy.map(|remedy| remedy.with_setting(Setting::LabelColumn, setting));
    note
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::input::BEGINNING_BYTES;
    use std::io::Write;

    /// Reads a file of this content under a name that says nothing.
    fn read(content: &[u8]) -> Result<Labeled, String> {
        let mut file = tempfile::NamedTempFile::new().expect("a scratch file");
        file.write_all(content).expect("it is written");
        let opened = LabelFile::open(file.path(), None).expect("it is there");
        let shown = file.path().display().to_string();
        opened.read(None, Setting::GoldColumn, None).map_err(|error| error.to_string().replace(&shown, "F"))
    }

    /// The limit is that of training, and no more of the file is read than shows it.
    #[test]
    fn a_line_that_no_file_has_is_refused() {
        let file = tempfile::NamedTempFile::new().expect("a scratch file");
        file.as_file().set_len(Limit::Item.bytes() as u64 + 1).expect("a file with a hole");
        let opened = LabelFile::open(file.path(), None).expect("it is there");
        let error = opened.read(None, Setting::GoldColumn, None).expect_err("it is one line").to_string();
        assert!(
            error.ends_with(":1: the line is longer than 64 MiB: is this the right file? Split it if it is"),
            "{error}"
        );
        let stream = Input::open(file.path(), &Meter::default()).expect("it is there");
        let error = read_stream(stream, "F").expect_err("it is one line").to_string();
        assert_eq!(error, "F:1: the line is longer than 64 MiB: is this the right file? Split it if it is");
    }

    /// The format is told from the beginning, whose last line is cut off.
    #[test]
    fn a_long_file_is_told_from_its_beginning() {
        let sentences = 12_000;
        let lines = "B-A I-A O O\n".repeat(sentences);
        assert!(lines.len() > 2 * BEGINNING_BYTES);
        assert_eq!(read(lines.as_bytes()).expect("labels").sentences.len(), sentences);
        let columns = "Jo\tB-A\nran\tO\n\n".repeat(sentences);
        let read = read(columns.as_bytes()).expect("columns");
        assert_eq!((read.sentences.len(), read.sentences[0].words.len()), (sentences, 2));
    }
}
