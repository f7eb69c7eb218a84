//! Which format a file has, and the file opened and read accordingly.

pub mod arrow;
pub mod arrow_json;
pub mod conll;
pub mod conllu;
pub mod csv;
pub mod json;
pub mod label_list;
pub mod parquet_texts;

use crate::error::Error;
use crate::format::arrow::ClassNames;
use crate::split_builder::ReadOptions;
use flate2::bufread::MultiGzDecoder;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;
use tagsmith_message::Note;
use tagsmith_text::sentence::Split;

/// Bytes looked at when the name does not say the format.
const PEEK_BYTES: u64 = 64 << 10;

/// The formats that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Format {
    Json,
    Csv,
    Tsv,
    Conll,
    Conllu,
    Parquet,
    Arrow,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Json => "JSON",
            Format::Csv => "CSV",
            Format::Tsv => "TSV",
            Format::Conll => "CoNLL columns",
            Format::Conllu => "CoNLL-U",
            Format::Parquet => "Parquet",
            Format::Arrow => "Arrow",
        })
    }
}

/// The extension in lower case without `.gz`, and whether there was one.
fn extension(path: &Path) -> (String, bool) {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let (name, gzipped) = name.strip_suffix(".gz").map_or((name.as_str(), false), |name| (name, true));
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    (extension.to_owned(), gzipped)
}

fn by_extension(extension: &str) -> Option<Format> {
    Some(match extension {
        "json" | "jsonl" | "ndjson" => Format::Json,
        "csv" => Format::Csv,
        "tsv" => Format::Tsv,
        "conll" | "conll03" | "conllup" | "iob" | "iob1" | "iob2" | "bio" | "bio2" => Format::Conll,
        "conllu" => Format::Conllu,
        "parquet" => Format::Parquet,
        "arrow" => Format::Arrow,
        _ => return None,
    })
}

/// Whether a file in a folder is taken for data: by its extension, unless its name says that it is about the data.
pub(crate) fn is_data_file(path: &Path) -> bool {
    const ABOUT: [&str; 6] = ["readme", "license", "licence", "notice", "changelog", "citation"];
    const FILES: [&str; 6] =
        ["config.json", "dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json", "labels.txt"];
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let stem = name.split('.').next().unwrap_or_default();
    if FILES.contains(&name.as_str()) || ABOUT.contains(&stem) {
        return false;
    }
    let (extension, gzipped) = extension(path);
    match by_extension(&extension) {
        Some(Format::Parquet | Format::Arrow) => !gzipped,
        Some(_) => true,
        None => extension == "txt",
    }
}

/// Opens a file of text, unpacked if its name ends in `.gz`.
pub fn open(path: &Path) -> Result<Box<dyn Read + Send>, Error> {
    let file = File::open(path).map_err(Error::open(path))?;
    Ok(match extension(path) {
        (_, true) => Box::new(Gunzip { decoder: MultiGzDecoder::new(BufReader::new(file)) }),
        (_, false) => Box::new(file),
    })
}

/// Reads one file in the format that its extension, or else its beginning, says.
pub(crate) fn read(path: &Path, options: &ReadOptions) -> Result<(Format, Split), Error> {
    let source = path.display().to_string();
    let (extension, gzipped) = extension(path);
    let named = by_extension(&extension);
    match named {
        Some(Format::Parquet | Format::Arrow) if gzipped => {
            return Err(Error::path(source, "Parquet and Arrow files are read as they are: unpack it with `gunzip`"));
        }
        Some(Format::Parquet) => {
            let file = File::open(path).map_err(Error::open(path))?;
            return Ok((Format::Parquet, arrow::read_parquet(file, &source, options)?));
        }
        _ => {}
    }
    let mut input: Box<dyn BufRead> = Box::new(BufReader::new(open(path)?));
    let (format, note) = match named {
        Some(format) if format != Format::Tsv => (format, None),
        _ => {
            let mut beginning = Vec::new();
            (&mut input)
                .take(PEEK_BYTES)
                .read_to_end(&mut beginning)
                .map_err(|error| crate::error::Error::Read { place: source.clone(), source: error })?;
            let (format, why) = if named.is_some() { sniff_tsv(&beginning) } else { sniff(&beginning) };
            input = Box::new(Cursor::new(beginning).chain(input));
            let note = Note::once(format!("{source} was read as {format}, because {why}"));
            (format, (named != Some(format)).then_some(note))
        }
    };
    let mut split = match format {
        Format::Json => json::read(input, &source, options),
        Format::Csv => csv::read(input, &source, options),
        Format::Tsv => csv::read_tabs(input, &source, options),
        Format::Conll => conll::read(input, &source, options),
        Format::Conllu => conllu::read(input, &source, options),
        Format::Arrow => arrow::read_arrow(input, &ClassNames::default(), &source, options),
        // Only a file without the extension comes here; Parquet cannot be read front to back.
        Format::Parquet => return Err(Error::path(source, "this is a Parquet file: name it `.parquet`")),
    }?;
    split.notes.splice(0..0, note);
    Ok((format, split))
}

/// The format that a file's beginning shows, with the reason.
fn sniff(beginning: &[u8]) -> (Format, &'static str) {
    if beginning.starts_with(b"PAR1") {
        return (Format::Parquet, "it begins with `PAR1`");
    }
    if beginning.starts_with(b"ARROW1") || beginning.starts_with(b"\xFF\xFF\xFF\xFF") {
        return (Format::Arrow, "it begins as Arrow does");
    }
    let text = String::from_utf8_lossy(beginning);
    let text = text.trim_start_matches('\u{FEFF}').trim_start();
    let after = |open: char| text.strip_prefix(open).map(str::trim_start);
    if after('{').is_some_and(|rest| rest.is_empty() || rest.starts_with(['"', '}']))
        || after('[').is_some_and(|rest| rest.starts_with('{'))
    {
        return (Format::Json, "it begins with a JSON object");
    }
    let line = text.lines().find(|line| !line.starts_with('#') && !line.trim().is_empty()).unwrap_or_default();
    let cells: Vec<&str> = line.split('\t').collect();
    if cells.len() == 10 && cells[0].starts_with(|char: char| char.is_ascii_digit()) {
        return (Format::Conllu, "its lines have ten columns and begin with a number");
    }
    if line.contains(',') && !line.contains(char::is_whitespace) && line.split(',').all(|name| !name.is_empty()) {
        return (Format::Csv, "its first line is names and commas");
    }
    (Format::Conll, "it is neither JSON, CoNLL-U nor CSV")
}

/// `.tsv` names both tables with a header and column files; only the latter have blank lines between lines.
fn sniff_tsv(beginning: &[u8]) -> (Format, &'static str) {
    let text = String::from_utf8_lossy(beginning);
    let blank_inside = text.trim().lines().any(|line| line.trim().is_empty());
    if blank_inside {
        (Format::Conll, "blank lines part its lines into sentences")
    } else {
        (Format::Tsv, "it has no blank lines")
    }
}

/// A gzip stream whose errors say what happened to the file.
struct Gunzip<R> {
    decoder: MultiGzDecoder<R>,
}

impl<R: BufRead> Read for Gunzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.decoder.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                io::Error::new(error.kind(), "the gzip stream is cut off: fetch or compress the file again")
            }
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => io::Error::new(
                error.kind(),
                format!("the gzip stream is damaged or none ({error}): fetch or compress the file again, or drop `.gz` from its name"),
            ),
            _ => error,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_by_name() {
        let check = |name: &str, want: bool| assert_eq!(is_data_file(Path::new(name)), want, "{name}");
        for name in ["a.json", "a.JSONL", "a.csv.gz", "a.iob2", "a.b.conllu", "a.txt", "a.txt.gz", "x/a.arrow", "a.bio"]
        {
            check(name, true);
        }
        for name in [
            "README.txt",
            "LICENSE.txt",
            "labels.txt",
            "dataset_info.json",
            "state.json",
            "a.md",
            "a",
            "a.parquet.gz",
            "a.gz",
        ] {
            check(name, false);
        }
    }

    #[test]
    fn formats_by_content() {
        let check = |text: &str, want: Format| assert_eq!(sniff(text.as_bytes()).0, want, "{text:?}");
        check("{\"a\": 1}", Format::Json);
        check("\u{FEFF}\n {\n  \"a\": 1}", Format::Json);
        check("[\n{\"a\": 1}]", Format::Json);
        check("[ O\n", Format::Conll);
        check("{ O\n", Format::Conll);
        check("[\tO\n", Format::Conll);
        check("# text\n1\ta\tb\tX\t_\t_\t0\troot\t_\t_\n", Format::Conllu);
        check("1-2\ta\tb\tX\t_\t_\t0\troot\t_\t_\n", Format::Conllu);
        check("10\ta\tb\tX\n", Format::Conll);
        check("tokens,ner_tags\na b,O O\n", Format::Csv);
        check(", O\n", Format::Conll);
        check("EU\tB-ORG\n", Format::Conll);
        check("", Format::Conll);
        check("PAR1..", Format::Parquet);
        assert_eq!(sniff(b"\xFF\xFF\xFF\xFF\x10").0, Format::Arrow);
        assert_eq!(sniff(b"ARROW1\0\0").0, Format::Arrow);
    }

    #[test]
    fn tables_and_columns_both_end_in_tsv() {
        let check = |text: &str, want: Format| assert_eq!(sniff_tsv(text.as_bytes()).0, want, "{text:?}");
        check("tokens\tner_tags\na b\tO O\n\n", Format::Tsv);
        check("a\tc\nb\ti\n\nc\tc\n", Format::Conll);
        check("a\tc\r\n\t\r\nc\tc\r\n", Format::Conll);
    }
}
