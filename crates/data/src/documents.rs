//! The input of prediction: documents one after another, so that memory does not grow with the input.

use crate::bytes::input::Input as Bytes;
use crate::bytes::lines::Limit;
use crate::dataset::files::{self, Input, no_data};
use crate::dataset::saved_shards;
use crate::error::Error;
use crate::format::arrow::ClassNames;
use crate::format::{self, Format, Opened, Request};
use crate::read_options::{ReadOptions, Wanted};
use crate::rows::row::Reader;
use crate::span_examples::EVALUATED;
use std::collections::VecDeque;
use std::io::Read;
use std::path::{Path, PathBuf};
use tagsmith_message::Note;
use tagsmith_message::{Remedy, Setting};
use tagsmith_text::tagged::{self, Content};

/// A place that documents come from.
pub enum Source {
    /// A file, unpacked if its name ends in `.gz`; or a folder: a data set that `save_to_disk` wrote, or one split's files.
    File(PathBuf),
    /// A stream.
    Stream {
        /// The name of the stream in messages.
        name: String,
        /// The bytes.
        bytes: Box<dyn Read + Send>,
    },
}

/// The documents of a source, one after another.
pub struct Documents {
    reader: Box<dyn Reader>,
    /// Notes about the source as a whole, and about its files before this one.
    notes: Vec<Note>,
    /// Files that come after this one.
    rest: VecDeque<Part>,
    /// The format of the first file.
    format: Format,
    options: ReadOptions,
}

/// One file of a source.
struct Part {
    path: PathBuf,
    format: Option<Format>,
    class_names: ClassNames,
}

impl Documents {
    /// Opens a source. Without a `format`, the content and the name decide it; of a stream the bytes that come first.
    ///
    /// # Errors
    /// The source cannot be read, or does not have the columns that `options` name.
    pub fn open(source: Source, format: Option<Format>, options: &ReadOptions) -> Result<Documents, Error> {
        let (source, opened, rest, note) = match source {
            Source::File(file) => {
                let (mut parts, note) = parts(&file, format)?;
                let first = parts.pop_front().ok_or_else(|| no_data(&file))?;
                (first.path.display().to_string(), open(first, options)?, parts, note)
            }
            Source::Stream { name, bytes } => {
                let class_names = ClassNames::default();
                let opened =
                    format::open_input(Bytes::new(bytes), None, &name, &request(format, options, &class_names))?;
                (name, opened, VecDeque::new(), None)
            }
        };
        let Opened { format, reader, note: decided } = opened;
        if format == Format::Text && options.text_column.is_some() {
            let problem = "a column is named, but lines of text have no columns";
            return Err(Error::path(source, problem).with_remedy(Remedy::set(Setting::InputFormat)));
        }
        let notes = note.into_iter().chain(decided).collect();
        Ok(Documents { reader, notes, rest, format, options: options.clone() })
    }

    /// Returns the next document and its size in bytes, or `None` at the end.
    ///
    /// # Errors
    /// Content that cannot be read. The documents before it are good; there are none after it.
    pub fn read(&mut self) -> Result<Option<(tagged::Input, usize)>, Error> {
        let row = loop {
            if let Some(row) = self.reader.next()? {
                break row;
            }
            let Some(next) = self.rest.pop_front() else { return Ok(None) };
            let before = self.reader.notes();
            let Opened { reader, note, .. } = open(next, &self.options)?;
            self.reader = reader;
            self.notes.extend(before.into_iter().chain(note));
        };
        let bytes = match &row.content {
            Content::Text(text) => text.len(),
            Content::Words(words) => words.iter().map(|word| word.len() + 1).sum(),
        };
        let place = self.reader.place(row.number);
        match bytes > Limit::Document.bytes() {
            true => Err(Limit::Document.exceeded(place, "document")),
            false => Ok(Some((tagged::Input { place, content: row.content }, bytes))),
        }
    }

    /// Returns the format of the source, or of its first file.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Returns what was decided, skipped or guessed so far.
    pub fn notes(&self) -> Vec<Note> {
        self.notes.iter().cloned().chain(self.reader.notes()).filter(|note| note.count > 0).collect()
    }

    /// Returns whether more bytes are there without waiting for a file or a person.
    pub fn has_more_at_hand(&self) -> bool {
        self.reader.has_more_at_hand() || !self.rest.is_empty()
    }
}

fn request<'r>(format: Option<Format>, options: &'r ReadOptions, class_names: &'r ClassNames) -> Request<'r> {
    Request { wanted: Wanted::Content, options, limit: Limit::Document, format, class_names }
}

fn open(part: Part, options: &ReadOptions) -> Result<Opened, Error> {
    format::open(&part.path, &request(part.format, options, &part.class_names))
}

/// Returns the files of a path, and the note which split of a data set they are.
fn parts(path: &Path, format: Option<Format>) -> Result<(VecDeque<Part>, Option<Note>), Error> {
    let part = |path, format| Part { path, format, class_names: ClassNames::default() };
    if !path.is_dir() {
        return Ok((VecDeque::from([part(path.to_owned(), format)]), None));
    }
    let (mut parts, mut note) = (VecDeque::new(), None);
    for input in files::expand(&[path.display().to_string()], EVALUATED)? {
        match input {
            Input::File(file) => parts.push_back(part(file, format)),
            Input::Saved(folder) => {
                if folder != path {
                    note =
                        Some(Note::once(format!("of the data set {}, {} is read", path.display(), folder.display())));
                }
                let (shards, names) = saved_shards(&folder)?;
                let of_shard = |path| Part { path, format: Some(Format::Arrow), class_names: names.clone() };
                parts.extend(shards.into_iter().map(of_shard));
            }
        }
    }
    Ok((parts, note))
}
