//! Which format a file has, and the reader of that format. Each format is read in one file of this folder.

pub mod arrow;
mod conll;
mod conllu;
mod csv;
pub(crate) mod decide;
mod json;
mod label_lines;
pub mod label_list;
mod name;
mod parquet;
mod record_batch;
mod span_fields;
mod text;

use crate::bytes::input::{Input, is_packed};
use crate::bytes::lines::Limit;
use crate::error::{Error, at_line};
use crate::format::arrow::ClassNames;
use crate::format::conll::ConllReader;
use crate::format::conllu::ConlluReader;
use crate::format::csv::CsvReader;
use crate::format::decide::decide;
use crate::format::json::JsonReader;
use crate::format::label_lines::{LabelReader, Layout};
use crate::format::name::extension;
use crate::format::text::TextReader;
use crate::read_options::{ReadOptions, Wanted};
use crate::rows::row::Reader;
use crate::rows::split_builder::collect;
use std::fs::File;
use std::path::Path;
use tagsmith_message::{Note, quote};
use tagsmith_text::sentence::Split;

pub use name::Format;
pub(crate) use name::all_extensions;

/// Returns whether a file in a folder is taken for data: by its extension, unless its name says that it is about the
/// data.
pub(crate) fn is_data_file(path: &Path) -> bool {
    const ABOUT: [&str; 6] = ["readme", "license", "licence", "notice", "changelog", "citation"];
    const FILES: [&str; 6] =
        ["config.json", "dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json", "labels.txt"];
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let stem = name.split('.').next().unwrap_or_default();
    if FILES.contains(&name.as_str()) || ABOUT.contains(&stem) {
        return false;
    }
    match Format::of_name(path) {
        Some(format) if format.is_binary() => !is_packed(path),
        Some(_) => true,
        None => extension(path) == "txt",
    }
}

/// What is asked of a file.
pub(crate) struct Request<'r> {
    /// What of each row is wanted.
    pub(crate) wanted: Wanted,
    /// The columns.
    pub(crate) options: &'r ReadOptions,
    /// The most bytes that are held of one item.
    pub(crate) limit: Limit,
    /// The format, if the user says it.
    pub(crate) format: Option<Format>,
    /// The names of integer labels that stand beside the file.
    pub(crate) class_names: &'r ClassNames,
}

/// A file whose format is known, before its first row.
pub(crate) struct Opened {
    /// The format.
    pub(crate) format: Format,
    /// The reader.
    pub(crate) reader: Box<dyn Reader>,
    /// The reason why it has this format, where the file's name does not say so.
    pub(crate) note: Option<Note>,
}

/// Opens a file in the format that its content, or else its name, says.
pub(crate) fn open(path: &Path, request: &Request) -> Result<Opened, Error> {
    let source = path.display().to_string();
    if request.format.or_else(|| Format::of_name(path)).is_some_and(Format::is_binary) && is_packed(path) {
        return Err(Error::path(source, "Parquet and Arrow files are read as they are: unpack it with `gunzip`"));
    }
    let mut input = Input::open(path, &request.options.meter)?;
    let (format, note) = match request.format {
        Some(format) => (format, None),
        None => {
            let (beginning, _) = input.beginning().map_err(Error::read(&source))?;
            decide(Some(path), beginning, &source, request.wanted)
        }
    };
    // Its reader goes to and fro in the file, and counts rows.
    if format == Format::Parquet {
        let file = File::open(path).map_err(Error::open(path))?;
        let counted = input.at_hand().len() as u64;
        let reader = Box::new(parquet::reader(file, counted, &source, request.options, request.wanted)?);
        return Ok(Opened { format, reader, note });
    }
    Ok(Opened { format, reader: reader(input, format, &source, request)?, note })
}

/// Opens a stream, or bytes in memory, that is called `source`; `path` is its name, if it has one.
pub(crate) fn open_input(
    mut input: Input,
    path: Option<&Path>,
    source: &str,
    request: &Request,
) -> Result<Opened, Error> {
    let (format, note) = match request.format {
        Some(format) => (format, None),
        None => {
            let (beginning, _) = input.beginning().map_err(Error::read(source))?;
            decide(path, beginning, source, request.wanted)
        }
    };
    Ok(Opened { format, reader: reader(input, format, source, request)?, note })
}

/// Returns the reader of a format that is read front to back.
fn reader(input: Input, format: Format, source: &str, request: &Request) -> Result<Box<dyn Reader>, Error> {
    let Request { wanted, options, limit, class_names, .. } = *request;
    Ok(match format {
        Format::Text => Box::new(TextReader::new(input, source, limit)),
        Format::Json => Box::new(JsonReader::new(input, source, options, wanted, limit)),
        Format::Csv => Box::new(CsvReader::new(input, ',', source, options, wanted, limit)),
        Format::Tsv => Box::new(CsvReader::new(input, '\t', source, options, wanted, limit)),
        Format::Conll => Box::new(ConllReader::new(input, source, options, wanted, limit)),
        Format::Conllu => Box::new(ConlluReader::new(input, source, options, wanted, limit)?),
        Format::Arrow => Box::new(arrow::reader(input, class_names, source, options, wanted)?),
        Format::LabelLines => Box::new(LabelReader::new(input, source, Layout::SentenceALine)),
        Format::Labels => Box::new(LabelReader::new(input, source, Layout::LabelALine)),
        Format::Parquet => {
            return Err(Error::path(source, "a Parquet file cannot be read as a stream: give the file by its name"));
        }
    })
}

/// Reads one file of words and labels.
pub(crate) fn read(path: &Path, options: &ReadOptions) -> Result<(Format, Split), Error> {
    let request = Request {
        wanted: Wanted::Tagged,
        options,
        limit: Limit::Item,
        format: None,
        class_names: &ClassNames::default(),
    };
    let Opened { format, reader, note } = open(path, &request)?;
    let mut split = collect(reader, &path.display().to_string(), &options.room)?;
    refuse_spaced_labels(&split)?;
    split.notes.splice(0..0, note);
    Ok((format, split))
}

/// Reads one Arrow file of words and labels, whose integer labels have these names.
pub(crate) fn read_arrow(path: &Path, names: &ClassNames, options: &ReadOptions) -> Result<Split, Error> {
    let request = Request {
        wanted: Wanted::Tagged,
        options,
        limit: Limit::Item,
        format: Some(Format::Arrow),
        class_names: names,
    };
    let split = collect(open(path, &request)?.reader, &path.display().to_string(), &options.room)?;
    refuse_spaced_labels(&split)?;
    Ok(split)
}

/// Refuses labels that hold white space: they could not be told apart in `predictions.txt` or in columns.
fn refuse_spaced_labels(split: &Split) -> Result<(), Error> {
    let spaced: Vec<bool> = split.tag_names.iter().map(|name| name.contains(char::is_whitespace)).collect();
    if !spaced.contains(&true) {
        return Ok(());
    }
    let mut found = None;
    split.sentences.for_each(|sentence| {
        let tag = sentence.tags.iter().find(|tag| spaced[**tag as usize]);
        found = tag.map(|tag| (sentence.line, *tag));
        found.is_none()
    })?;
    let Some((line, tag)) = found else { return Ok(()) };
    let label = &split.tag_names[tag as usize];
    let one_word = label.split_whitespace().collect::<Vec<_>>().join("_");
    let problem = format!(
        "the label {} holds white space, which parts the labels of predictions: write {}",
        quote(label),
        quote(&one_word)
    );
    Err(Error::content(at_line(&split.source, line), problem))
}
