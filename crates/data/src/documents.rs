//! The input of prediction: documents one after another, so that memory does not grow with the input.

use crate::error::Error;
use crate::format::arrow::ClassNames;
use crate::format::{self, Format, Opened, Request};
use crate::input::Input;
use crate::lines::Limit;
use crate::read_options::{ReadOptions, Wanted};
use crate::row::Reader;
use std::io::Read;
use std::path::Path;
use tagsmith_message::Note;
use tagsmith_message::{Remedy, Setting};
use tagsmith_text::example::Input as Content;

/// A text or the words of a sentence, to be tagged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The file and line where it begins.
    pub place: String,
    /// The text or the words.
    pub content: Content,
    /// The size of the content in bytes.
    pub bytes: usize,
}

/// A source of documents.
pub struct Documents {
    format: Format,
    reader: Box<dyn Reader>,
    note: Option<Note>,
}

impl Documents {
    /// Opens a file. Without a `format`, the content and the name decide it.
    ///
    /// # Errors
    /// The file cannot be opened, or has not the columns that `options` name.
    pub fn open(file: &Path, format: Option<Format>, options: &ReadOptions) -> Result<Documents, Error> {
        Documents::checked(format::open(file, &request(format, options, &ClassNames::default()))?, options)
    }

    /// Takes a stream, which messages call `source`. Without a `format`, the first bytes decide it.
    ///
    /// # Errors
    /// The stream cannot be read, or has not the columns that `options` name.
    pub fn of_stream(
        stream: Box<dyn Read + Send>,
        source: &str,
        format: Option<Format>,
        options: &ReadOptions,
    ) -> Result<Documents, Error> {
        let class_names = ClassNames::default();
        let request = request(format, options, &class_names);
        Documents::checked(format::open_input(Input::new(stream), None, source, &request)?, options)
    }

    fn checked(opened: Opened, options: &ReadOptions) -> Result<Documents, Error> {
        let Opened { format, reader, note } = opened;
        if format == Format::Text && options.text_column.is_some() {
            let remedy = Remedy::set(Setting::InputFormat);
            return Err(Error::content(reader.place(1), "a column is named, but lines of text have no columns")
                .with_remedy(remedy));
        }
        Ok(Documents { format, reader, note })
    }

    /// Returns the format of the documents.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Returns the next document, or `None` at the end.
    ///
    /// # Errors
    /// Content that cannot be read. The documents before it are good; there are none after it.
    pub fn next(&mut self) -> Result<Option<Document>, Error> {
        let Some(row) = self.reader.next()? else { return Ok(None) };
        let bytes = match &row.content {
            Content::Text(text) => text.len(),
            Content::Words(words) => words.iter().map(|word| word.len() + 1).sum(),
        };
        let place = self.reader.place(row.number);
        match bytes > Limit::Document.bytes() {
            true => Err(Limit::Document.exceeded(place, "document")),
            false => Ok(Some(Document { place, content: row.content, bytes })),
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

fn request<'r>(format: Option<Format>, options: &'r ReadOptions, class_names: &'r ClassNames) -> Request<'r> {
    Request { wanted: Wanted::Content, options, limit: Limit::Document, format, class_names }
}
