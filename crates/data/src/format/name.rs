//! The formats, and their names.

use crate::bytes::input::is_packed;
use std::fmt;
use std::path::Path;

/// The formats that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// A document a line.
    Text,
    /// JSON objects, one after another or in one array.
    Json,
    /// Rows of cells that commas part, under a header.
    Csv,
    /// Rows of cells that tabs part, under a header.
    Tsv,
    /// A word and its labels a line, a blank line between sentences.
    Conll,
    /// The ten columns of Universal Dependencies.
    Conllu,
    /// Apache Parquet.
    Parquet,
    /// An Arrow IPC stream or file.
    Arrow,
    /// A sentence a line, its labels parted by spaces: `predictions.txt`.
    LabelLines,
    /// A label a line, a blank line between sentences.
    Labels,
}

impl Format {
    /// The formats of documents to tag.
    pub const OF_DOCUMENTS: [Format; 8] = [
        Format::Text,
        Format::Json,
        Format::Conll,
        Format::Conllu,
        Format::Csv,
        Format::Tsv,
        Format::Parquet,
        Format::Arrow,
    ];

    /// The formats of labels to score.
    pub const OF_LABELS: [Format; 9] = [
        Format::Conll,
        Format::Conllu,
        Format::Json,
        Format::Csv,
        Format::Tsv,
        Format::Parquet,
        Format::Arrow,
        Format::LabelLines,
        Format::Labels,
    ];

    /// Returns the name by which a user asks for the format.
    pub fn name(self) -> &'static str {
        match self {
            Format::Text => "text",
            Format::Json => "jsonl",
            Format::Csv => "csv",
            Format::Tsv => "tsv",
            Format::Conll => "conll",
            Format::Conllu => "conllu",
            Format::Parquet => "parquet",
            Format::Arrow => "arrow",
            Format::LabelLines => "lines",
            Format::Labels => "labels",
        }
    }

    /// Returns other names of the format.
    pub fn aliases(self) -> &'static [&'static str] {
        match self {
            Format::Json => &["json"],
            Format::Conll => &["columns"],
            _ => &[],
        }
    }

    /// Returns the format of this name or alias.
    pub fn named(name: &str) -> Option<Format> {
        let all = Format::OF_DOCUMENTS.into_iter().chain(Format::OF_LABELS);
        all.into_iter().find(|format| format.name() == name || format.aliases().contains(&name))
    }

    /// Returns the format that a file's name says.
    pub fn of_name(path: &Path) -> Option<Format> {
        by_extension(&extension(path))
    }

    /// Returns whether the file is not text, and cannot be read as a stream of lines.
    pub(crate) fn is_binary(self) -> bool {
        matches!(self, Format::Parquet | Format::Arrow)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Text => "lines of text",
            Format::Json => "JSON",
            Format::Csv => "CSV",
            Format::Tsv => "TSV",
            Format::Conll => "CoNLL columns",
            Format::Conllu => "CoNLL-U",
            Format::Parquet => "Parquet",
            Format::Arrow => "Arrow",
            Format::LabelLines => "lines of labels",
            Format::Labels => "a label a line",
        })
    }
}

/// Returns the extension in lower case without `.gz`.
pub(crate) fn extension(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let name = if is_packed(path) { &name[..name.len() - ".gz".len()] } else { &name };
    name.rsplit_once('.').map_or("", |(_, extension)| extension).to_owned()
}

/// Returns the format that a file name's extension says.
pub(crate) fn by_extension(extension: &str) -> Option<Format> {
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
