//! The input of prediction: documents one after another, so that memory does not grow with the input.

use crate::bytes::input::Input as Bytes;
use crate::bytes::lines::Limit;
use crate::error::Error;
use crate::format::arrow::ClassNames;
use crate::format::{self, Format, Opened, Request};
use crate::read_options::{ReadOptions, Wanted};
use crate::rows::row::Reader;
use std::io::Read;
use std::path::PathBuf;
use tagsmith_message::Note;
use tagsmith_message::{Remedy, Setting};
use tagsmith_text::tagged::{Content, Input};

/// A place that documents come from.
pub enum Source {
    /// A file, unpacked if its name ends in `.gz`.
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
    format: Format,
    reader: Box<dyn Reader>,
    note: Option<Note>,
}

impl Documents {
    /// Opens a source. Without a `format`, the content and the name decide it; of a stream the bytes that come first.
    ///
    /// # Errors
    /// The source cannot be read, or does not have the columns that `options` name.
    pub fn open(source: Source, format: Option<Format>, options: &ReadOptions) -> Result<Documents, Error> {
        let request = Request {
            wanted: Wanted::Content,
            options,
            limit: Limit::Document,
            format,
            class_names: &ClassNames::default(),
        };
        let (source, opened) = match source {
            Source::File(file) => (file.display().to_string(), format::open(&file, &request)?),
            Source::Stream { name, bytes } => {
                let opened = format::open_input(Bytes::new(bytes), None, &name, &request)?;
                (name, opened)
            }
        };
        let Opened { format, reader, note } = opened;
        if format == Format::Text && options.text_column.is_some() {
            let problem = "a column is named, but lines of text have no columns";
            return Err(Error::path(source, problem).with_remedy(Remedy::set(Setting::InputFormat)));
        }
        Ok(Documents { format, reader, note })
    }

    /// Returns the format of the documents.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Returns the next document and its size in bytes, or `None` at the end.
    ///
    /// # Errors
    /// Content that cannot be read. The documents before it are good; there are none after it.
    pub fn read(&mut self) -> Result<Option<(Input, usize)>, Error> {
        let Some(row) = self.reader.next()? else { return Ok(None) };
        let bytes = match &row.content {
            Content::Text(text) => text.len(),
            Content::Words(words) => words.iter().map(|word| word.len() + 1).sum(),
        };
        let place = self.reader.place(row.number);
        match bytes > Limit::Document.bytes() {
            true => Err(Limit::Document.exceeded(place, "document")),
            false => Ok(Some((Input { place, content: row.content }, bytes))),
        }
    }

    /// Returns what was decided, skipped or guessed so far.
    pub fn notes(&self) -> Vec<Note> {
        self.note.iter().cloned().chain(self.reader.notes()).filter(|note| note.count > 0).collect()
    }

    /// Returns whether more bytes are there without waiting for a file or a person.
    pub fn has_more_at_hand(&self) -> bool {
        self.reader.has_more_at_hand()
    }
}
