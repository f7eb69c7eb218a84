//! The input of scoring: the labels of a file, sentence by sentence, with their words where it has them.

use crate::bytes::input::Input;
use crate::bytes::lines::Limit;
use crate::dataset::load_of;
use crate::error::Error;
use crate::format::arrow::ClassNames;
use crate::format::{self, Format, Opened, Request};
use crate::read_options::{Meter, ReadOptions, Wanted};
use crate::rows::split_builder::collect;
use crate::span_examples::EVALUATED;
use std::io::Read;
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
    /// The content, unless the file is read where it is.
    content: Vec<u8>,
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
        let mut content = Vec::new();
        if path.is_dir() {
            return Ok(LabelFile { path: path.to_owned(), content, format: Format::Arrow, note: None });
        }
        if format != Some(Format::Parquet) {
            Input::open(path, &Meter::default())?.read_to_end(&mut content).map_err(Error::read(&source))?;
        }
        let (format, note) = match format {
            Some(format) => (format, None),
            None => format::decide::decide(Some(path), &content, &source, Wanted::Labels),
        };
        Ok(LabelFile { path: path.to_owned(), content, format, note })
    }

    /// Takes the content of a stream that messages call `name`. Without a `format`, the content decides it.
    pub fn of_stream(name: &str, content: Vec<u8>, format: Option<Format>) -> LabelFile {
        let (format, note) = match format {
            Some(format) => (format, None),
            None => format::decide::decide(None, &content, name, Wanted::Labels),
        };
        LabelFile { path: name.into(), content, format, note }
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
        let split =
            collect(opened.reader, &source).map_err(|error| error.with_setting(Setting::LabelColumn, setting))?;
        of_split(split, self.note.clone(), setting)
    }

    fn opened(&self, source: &str, options: &ReadOptions) -> Result<Opened, Error> {
        let request = Request {
            wanted: Wanted::Labels,
            options,
            limit: Limit::Item,
            format: Some(self.format),
            class_names: &ClassNames::default(),
        };
        match self.format {
            Format::Parquet => format::open(&self.path, &request),
            _ => format::open_input(Input::from_bytes(self.content.clone()), Some(&self.path), source, &request),
        }
    }
}

/// Returns the labels of a split, whose column the caller calls `setting`.
fn of_split(split: Split, note: Option<Note>, setting: Setting) -> Result<Labeled, Error> {
    let source = split.source;
    if split.tag_kind == TagKind::Absent {
        return Err(Error::path(source, "there are no labels").with_remedy(Remedy::set(setting)));
    }
    let sentences = split.sentences.into_iter().map(|sentence| LabeledSentence {
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
