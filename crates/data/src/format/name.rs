//! The formats: one row each, with its names, its extensions and what it is.

use crate::bytes::input::is_packed;
use std::fmt;
use std::path::Path;

/// What a format is called and used for.
struct Facts {
    /// The name by which a user asks for the format, and other names.
    names: &'static [&'static str],
    /// The extensions of its files.
    extensions: &'static [&'static str],
    /// The words by which messages call it.
    shown: &'static str,
    /// What it holds.
    holds: Holds,
    /// Whether the file is not text, and cannot be read as a stream of lines.
    is_binary: bool,
}

/// What a format holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    /// Texts without labels.
    Texts,
    /// Words or texts, and labels perhaps.
    Both,
    /// Labels without words.
    Labels,
}

/// Defines the formats from their rows.
macro_rules! formats {
    ($($(#[$doc:meta])* $format:ident: $names:expr, $extensions:expr, $shown:literal, $holds:ident, $is_binary:literal;)*) => {
        /// The formats that are read.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Format {
            $($(#[$doc])* $format,)*
        }

        impl Format {
            /// All formats.
            pub const ALL: &'static [Format] = &[$(Format::$format),*];

            fn facts(self) -> Facts {
                match self {
                    $(Format::$format => Facts {
                        names: &$names,
                        extensions: &$extensions,
                        shown: $shown,
                        holds: Holds::$holds,
                        is_binary: $is_binary,
                    },)*
                }
            }
        }
    };
}

#[rustfmt::skip]
formats! {
    // Names, extensions, the words of messages, what it holds, whether it is binary.
    /// A document a line.
    Text: ["text"], [], "lines of text", Texts, false;
    /// JSON objects, one after another or in one array.
    Json: ["jsonl", "json"], ["json", "jsonl", "ndjson"], "JSON", Both, false;
    /// Rows of cells that commas or semicolons part, under a header.
    Csv: ["csv"], ["csv"], "CSV", Both, false;
    /// Rows of cells that tabs part, under a header.
    Tsv: ["tsv"], ["tsv"], "TSV", Both, false;
    /// A word and its labels a line, a blank line between sentences.
    Conll: ["conll", "columns"], ["conll", "conll03", "conllup", "iob", "iob1", "iob2", "bio", "bio2"], "CoNLL columns", Both, false;
    /// The ten columns of Universal Dependencies.
    Conllu: ["conllu"], ["conllu"], "CoNLL-U", Both, false;
    /// Apache Parquet.
    Parquet: ["parquet"], ["parquet"], "Parquet", Both, true;
    /// An Arrow IPC stream or file.
    Arrow: ["arrow"], ["arrow"], "Arrow", Both, true;
    /// A sentence a line, its labels parted by spaces: `predictions.txt`.
    LabelLines: ["lines"], [], "lines of labels", Labels, false;
    /// A label a line, a blank line between sentences.
    Labels: ["labels"], [], "a label a line", Labels, false;
}

impl Format {
    /// Returns the formats of documents to tag.
    pub fn of_documents() -> impl Iterator<Item = Format> {
        Format::ALL.iter().copied().filter(|format| format.facts().holds != Holds::Labels)
    }

    /// Returns the formats of labels to score.
    pub fn of_labels() -> impl Iterator<Item = Format> {
        Format::ALL.iter().copied().filter(|format| format.facts().holds != Holds::Texts)
    }

    /// Returns the name by which a user asks for the format.
    pub fn name(self) -> &'static str {
        self.facts().names[0]
    }

    /// Returns other names of the format.
    pub fn aliases(self) -> &'static [&'static str] {
        &self.facts().names[1..]
    }

    /// Returns the format of this name or alias.
    pub fn named(name: &str) -> Option<Format> {
        Format::ALL.iter().copied().find(|format| format.facts().names.contains(&name))
    }

    /// Returns the format that a file's name says.
    pub fn of_name(path: &Path) -> Option<Format> {
        by_extension(&extension(path))
    }

    /// Returns whether the file is not text, and cannot be read as a stream of lines.
    pub(crate) fn is_binary(self) -> bool {
        self.facts().is_binary
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.facts().shown)
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
    Format::ALL.iter().copied().find(|format| format.facts().extensions.contains(&extension))
}

/// Returns all extensions of data files, for messages: `.json, .jsonl`.
pub(crate) fn all_extensions() -> String {
    let all = Format::ALL.iter().flat_map(|format| format.facts().extensions);
    all.map(|extension| format!(".{extension}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_extensions_are_distinct() {
        let names: Vec<&str> = Format::ALL.iter().flat_map(|format| format.facts().names).copied().collect();
        let extensions: Vec<&str> = Format::ALL.iter().flat_map(|format| format.facts().extensions).copied().collect();
        for all in [names, extensions] {
            for (place, name) in all.iter().enumerate() {
                assert!(!all[..place].contains(name), "{name} is there twice");
                assert_eq!(*name, name.to_lowercase());
            }
        }
    }
}
