//! Documents one after the other, from lines of text, JSON lines, columns or CSV.

use crate::error::refusal;
use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use tagsmith_data::format::parquet_texts::{Cell, Column};
use tagsmith_files::strict_json::Distinct;
use tagsmith_message::{Note, Remedy, Setting};
use tagsmith_text::tagged::{Content, Input};

/// The longest document in bytes: its pieces, windows and scores are held at once, 300 to 700 times as much.
const DOCUMENT_BYTES_MAX: usize = 1 << 20;

const BUFFER_BYTES: usize = 256 << 10;

type Bytes = BufReader<Box<dyn Read + Send>>;

/// A place that documents come from.
pub enum Source {
    /// A file, unpacked if its name ends in `.gz`.
    File(PathBuf),
    /// A stream.
    Stream {
        /// Its name in messages.
        name: String,
        /// Its bytes.
        bytes: Box<dyn Read + Send>,
    },
}

/// Documents of a source, one after the other.
pub struct Documents {
    source: String,
    format: Format,
    column: Option<String>,
    marks: Note,
}

enum Format {
    Text(Lines),
    Json(Lines),
    Columns(Lines),
    Csv { rows: Box<csv::Reader<Rationed>>, column: usize },
    Parquet(Box<Column>),
}

impl Documents {
    /// Opens a source. `format` is `auto` or a format's name; `column` is the one that holds the text.
    pub fn open(source: Source, format: &str, column: Option<&str>) -> Result<Documents> {
        let (source, file, input) = match source {
            Source::File(file) => (file.display().to_string(), Some(file), None),
            Source::Stream { name, bytes } => (name, None, Some(bytes)),
        };
        let marks = Note::new("lines with `-DOCSTART-` or a `# key = …` comment were skipped");
        if let Some(file) = file.as_deref().filter(|file| is_parquet(file, format)) {
            let rows = File::open(file).with_context(|| source.clone())?;
            let rows = Column::open(rows, &source, &column.map_or(KEYS.to_vec(), |column| vec![column]))?;
            return Ok(Documents { source, format: Format::Parquet(Box::new(rows)), column: None, marks });
        }
        let input: Box<dyn Read + Send> = match (&file, input) {
            (Some(file), _) => tagsmith_data::format::open(file)?,
            (None, input) => input.expect("a source is a file or a stream"),
        };
        let mut input = BufReader::with_capacity(BUFFER_BYTES, input);
        let format = match format {
            "auto" => guess(file.as_deref(), &mut input).with_context(|| source.clone())?,
            named => named,
        };
        let lines = |input| Lines { input, number: 0 };
        let format = match format {
            "jsonl" => Format::Json(lines(input)),
            "conll" => Format::Columns(lines(input)),
            "csv" => open_csv(input, &source, column)?,
            _ => Format::Text(lines(input)),
        };
        if matches!(format, Format::Text(_)) && column.is_some() {
            let message = format!("{source}: a column is named, but lines of text have no columns");
            return Err(refusal(message, Remedy::set(Setting::InputFormat)));
        }
        Ok(Documents { source, format, column: column.map(str::to_owned), marks })
    }

    /// The next document and its size in bytes.
    pub fn next(&mut self) -> Result<Option<(Input, usize)>> {
        let (source, column) = (self.source.as_str(), self.column.as_deref());
        let found = match &mut self.format {
            Format::Text(lines) => lines.next(source)?.map(|(number, line)| (number, line.len(), Content::Text(line))),
            Format::Json(lines) => next_json(lines, source, column)?,
            Format::Columns(lines) => next_sentence(lines, source, column, &mut self.marks)?,
            Format::Csv { rows, column } => next_row(rows, *column, source)?,
            Format::Parquet(rows) => next_cell(rows, source)?,
        };
        Ok(found.map(|(line, size, content)| (Input { place: format!("{source}:{line}"), content }, size)))
    }

    /// What was skipped, if anything was.
    pub fn notes(&self) -> impl Iterator<Item = &Note> {
        Some(&self.marks).filter(|note| note.count > 0).into_iter()
    }

    /// Whether more bytes are there without waiting for a file or a person.
    pub fn has_more_at_hand(&self) -> bool {
        match &self.format {
            Format::Text(lines) | Format::Json(lines) | Format::Columns(lines) => !lines.input.buffer().is_empty(),
            Format::Csv { .. } | Format::Parquet(_) => true,
        }
    }
}

/// The error for what is not held at once.
fn too_long(place: &str) -> anyhow::Error {
    let most = DOCUMENT_BYTES_MAX >> 20;
    anyhow!("{place}: the document is longer than {most} MiB, the most that is tagged in one piece: split it")
}

/// By the file's ending, or by whether the first character opens a JSON object.
fn guess(file: Option<&Path>, input: &mut Bytes) -> io::Result<&'static str> {
    let packed = file.is_some_and(|file| file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gz")));
    let file = if packed { file.and_then(Path::file_stem).map(Path::new) } else { file };
    let ending = file.and_then(|file| file.extension()).and_then(|ending| ending.to_str()).unwrap_or_default();
    Ok(match ending.to_ascii_lowercase().as_str() {
        "jsonl" | "json" | "ndjson" => "jsonl",
        "conll" | "iob" | "iob2" | "bio" | "tsv" => "conll",
        "csv" => "csv",
        "txt" | "md" => "text",
        _ => match input.fill_buf()?.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'{') => "jsonl",
            _ => "text",
        },
    })
}

/// Lines without their ends.
struct Lines {
    input: Bytes,
    number: u64,
}

impl Lines {
    fn next(&mut self, source: &str) -> Result<Option<(u64, String)>> {
        self.number += 1;
        let place = || format!("{source}:{}", self.number);
        let mut bytes = Vec::new();
        let most = DOCUMENT_BYTES_MAX as u64 + 1;
        let count = (&mut self.input).take(most).read_until(b'\n', &mut bytes).with_context(place)?;
        if count == 0 {
            return Ok(None);
        }
        if count > DOCUMENT_BYTES_MAX {
            return Err(too_long(&place()));
        }
        if self.number == 1 && bytes.starts_with(b"\xEF\xBB\xBF") {
            bytes.drain(..3);
        }
        while matches!(bytes.last(), Some(b'\n' | b'\r')) {
            bytes.pop();
        }
        match String::from_utf8(bytes) {
            Ok(line) => Ok(Some((self.number, line))),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                bail!("{}: byte {} of the line is not UTF-8: convert the input first", place(), at + 1)
            }
        }
    }
}

/// Keys and columns of what is to be tagged, if none is named.
const KEYS: [&str; 3] = ["text", "tokens", "words"];

/// By the format that is asked for, or the file's name.
pub fn is_parquet(file: &Path, format: &str) -> bool {
    format == "parquet" || format == "auto" && file.extension().is_some_and(|it| it.eq_ignore_ascii_case("parquet"))
}

fn next_cell(rows: &mut Column, source: &str) -> Result<Found> {
    let Some((number, cell)) = rows.read()? else { return Ok(None) };
    let (size, content) = match cell {
        Cell::Text(text) => (text.len(), Content::Text(text)),
        Cell::Words(words) => (words.iter().map(|word| word.len() + 1).sum(), Content::Words(words)),
    };
    match size > DOCUMENT_BYTES_MAX {
        true => Err(too_long(&format!("{source}:{number}"))),
        false => Ok(Some((number, size, content))),
    }
}

type Found = Option<(u64, usize, Content)>;

fn next_json(lines: &mut Lines, source: &str, column: Option<&str>) -> Result<Found> {
    loop {
        let Some((number, line)) = lines.next(source)? else { return Ok(None) };
        if line.trim().is_empty() {
            continue;
        }
        let place = || format!("{source}:{number}");
        let Distinct(object) = serde_json::from_str(&line).map_err(|error| match error.is_data() {
            true => anyhow!("{}: {error}: write it once", place()),
            false => anyhow!("{}: not JSON from column {} on: write one object a line", place(), error.column()),
        })?;
        let Value::Object(object) = object else { bail!("{}: not a JSON object: write one a line", place()) };
        let keys = column.map_or(KEYS.to_vec(), |column| vec![column]);
        let Some((key, value)) = keys.iter().find_map(|key| Some((key, object.get(*key)?))) else {
            let wanted = keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
            let message = format!("{}: the object has none of {wanted}", place());
            return Err(refusal(message, Remedy::set(Setting::TextColumn).so_as("to name its key")));
        };
        let content = match value {
            Value::String(text) => Some(Content::Text(text.clone())),
            Value::Array(words) => {
                let words: Option<Vec<String>> = words.iter().map(|word| Some(word.as_str()?.to_owned())).collect();
                words.map(Content::Words)
            }
            _ => None,
        };
        let Some(content) = content else { bail!("{}: `{key}` is neither a string nor a list of strings", place()) };
        return Ok(Some((number, line.len(), content)));
    }
}

/// A word a line, sentences apart by blank lines.
fn next_sentence(lines: &mut Lines, source: &str, column: Option<&str>, marks: &mut Note) -> Result<Found> {
    let column = match column.unwrap_or("0").parse::<usize>() {
        Ok(column) => column,
        Err(_) => {
            let message = format!("{source}: the column `{}` is not a number", column.unwrap_or_default());
            return Err(refusal(message, Remedy::set(Setting::TextColumn).so_as("as a number from 0 on")));
        }
    };
    let (mut first, mut size, mut words) = (0, 0, Vec::new());
    while let Some((number, line)) = lines.next(source)? {
        if line.starts_with("-DOCSTART-") || line.starts_with("# ") && line.contains(" = ") {
            marks.add(|| format!("{source}:{number}"));
            continue;
        }
        if line.trim().is_empty() {
            if words.is_empty() {
                continue;
            }
            break;
        }
        let cell = if line.contains('\t') { line.split('\t').nth(column) } else { line.split_whitespace().nth(column) };
        let Some(word) = cell else { bail!("{source}:{number}: the line has no column {column}") };
        if words.is_empty() {
            first = number;
        }
        size += line.len();
        if size > DOCUMENT_BYTES_MAX {
            return Err(too_long(&format!("{source}:{first}")));
        }
        words.push(word.to_owned());
    }
    Ok((!words.is_empty()).then_some((first, size, Content::Words(words))))
}

fn open_csv(input: Bytes, source: &str, column: Option<&str>) -> Result<Format> {
    let mut rows = Box::new(csv::Reader::from_reader(Rationed { input, left: ROW_BYTES_MAX }));
    let header = rows.headers().map_err(|error| csv_error(error, &format!("{source}:1")))?.clone();
    let name = column.unwrap_or("text");
    match header.iter().position(|cell| cell.trim_start_matches('\u{feff}') == name) {
        Some(column) => Ok(Format::Csv { rows, column }),
        None => {
            let names = header.iter().map(|cell| format!("`{cell}`")).collect::<Vec<_>>().join(", ");
            let message = format!("{source}:1: there is no column `{name}` among {names}");
            Err(refusal(message, Remedy::set(Setting::TextColumn).so_as("to name one")))
        }
    }
}

fn next_row(rows: &mut csv::Reader<Rationed>, column: usize, source: &str) -> Result<Found> {
    let line = rows.position().line();
    let mut row = csv::StringRecord::new();
    rows.get_mut().left = ROW_BYTES_MAX;
    if !rows.read_record(&mut row).map_err(|error| csv_error(error, &format!("{source}:{line}")))? {
        return Ok(None);
    }
    let line = row.position().map_or(line, csv::Position::line);
    let text = row.get(column).unwrap_or_default().to_owned();
    if text.len() > DOCUMENT_BYTES_MAX {
        return Err(too_long(&format!("{source}:{line}")));
    }
    Ok(Some((line, text.len(), Content::Text(text))))
}

/// What is read for one CSV row at most: its document, the other columns, and the reader's own buffer.
const ROW_BYTES_MAX: usize = 2 * DOCUMENT_BYTES_MAX;

/// Bytes of which each CSV row may take so many: a quote that is never closed would take all.
struct Rationed {
    input: Bytes,
    left: usize,
}

impl Read for Rationed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let most = buffer.len().min(self.left);
        let count = self.input.read(&mut buffer[..most])?;
        self.left -= count;
        Ok(count)
    }
}

fn csv_error(error: csv::Error, place: &str) -> anyhow::Error {
    match error.kind() {
        csv::ErrorKind::Io(io) if io.kind() == io::ErrorKind::FileTooLarge => too_long(place),
        _ => anyhow::Error::new(error).context(format!("{place}: not a CSV row")),
    }
}
