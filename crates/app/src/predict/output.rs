//! Tagged documents as JSON lines, columns, or text with brackets; anonymized ones as JSON lines or text.

use super::anonymize::anonymizer::{Anonymizer, Counts};
use super::entity::bracketed;
use crate::error::refusal;
use crate::events::Events;
use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::ops::Add;
use std::path::{Path, PathBuf};
use tagsmith_data::write::parquet::Table;
use tagsmith_data::write::{conll, json_lines};
use tagsmith_files::fleeting::Fleeting;
use tagsmith_files::lock;
use tagsmith_message::{Note, Remedy, Setting, Wording, counted, quote_all};
use tagsmith_text::tagged::{ABSTAINED, Tagged};

/// A place for tagged documents.
pub enum Destination {
    /// A file that appears when it is whole.
    File(PathBuf),
    /// A stream, which gets what is written so far as soon as it is written.
    Stream(Box<dyn Write + Send>),
}

/// A format of tagged documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputFormat {
    /// An object a line.
    Jsonl,
    /// A word and its label a line.
    Conll,
    /// Text with each entity in brackets.
    Text {
        /// Whether entities are colored for a terminal.
        color: bool,
    },
    /// A Parquet file.
    Parquet,
}

impl OutputFormat {
    /// Returns the ending of a file of this format.
    pub fn extension(self) -> &'static str {
        match self {
            OutputFormat::Jsonl => "jsonl",
            OutputFormat::Conll => "conll",
            OutputFormat::Text { .. } => "txt",
            OutputFormat::Parquet => "parquet",
        }
    }
}

/// A format of anonymized documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnonymizedFormat {
    /// The text.
    Text,
    /// An object a line: the text, and what stands where something was found.
    Jsonl,
}

/// What is written of a document.
pub enum Form {
    /// The document with its entities.
    Tagged(OutputFormat),
    /// The document with something else in their place. Without a format, the source's decides it.
    Anonymized(Box<Anonymizer>, Option<AnonymizedFormat>),
}

/// A writer of documents that were tagged.
pub struct Output {
    sink: Sink,
    /// What errors of the system are about.
    place: String,
    writing: Writing,
}

/// What is written, and what was written so far.
enum Writing {
    Tagged(OutputFormat, Brackets),
    Anonymized(Box<Anonymizer>, AnonymizedFormat, Counts),
}

/// Texts with entities in brackets, and what they could not show.
struct Brackets {
    color: bool,
    /// Entities that overlap others and are not shown.
    hidden: usize,
}

impl Output {
    /// Opens a stream, or a file that appears when [`Output::finish`] says so. `of_lines` says whether the source is
    /// lines of text.
    pub fn open(destination: Destination, form: Form, of_lines: bool) -> Result<Output> {
        let place = match &destination {
            Destination::File(file) => file.display().to_string(),
            Destination::Stream(_) => "standard output".to_owned(),
        };
        let is_table = matches!(form, Form::Tagged(OutputFormat::Parquet));
        let sink = match destination {
            Destination::File(file) if is_table => Sink::Table(Box::new(Table::new(Staged::create(file)?)?)),
            Destination::Stream(_) if is_table => {
                return Err(refusal(
                    "a Parquet file cannot be a stream",
                    Remedy::set(Setting::Output).so_as("to name it"),
                ));
            }
            Destination::File(file) => Sink::File(Staged::create(file)?),
            Destination::Stream(stream) => Sink::Stream(BufWriter::new(stream)),
        };
        let writing = match form {
            Form::Tagged(format) => {
                let color = format == OutputFormat::Text { color: true };
                Writing::Tagged(format, Brackets { color, hidden: 0 })
            }
            Form::Anonymized(anonymizer, format) => {
                let default = if of_lines { AnonymizedFormat::Text } else { AnonymizedFormat::Jsonl };
                Writing::Anonymized(anonymizer, format.unwrap_or(default), Counts::default())
            }
        };
        Ok(Output { sink, place, writing })
    }

    /// Writes one document. `labels` names the labels of words.
    pub fn write(&mut self, tagged: &Tagged, labels: &[String]) -> Result<()> {
        let names = || tagged.label_names(labels);
        if let Sink::Table(table) = &mut self.sink {
            return table.write(tagged, &names()).with_context(|| self.place.clone());
        }
        let text = match &mut self.writing {
            Writing::Tagged(OutputFormat::Jsonl | OutputFormat::Parquet, _) => json_lines::line(tagged, &names()),
            Writing::Tagged(OutputFormat::Conll, _) => conll::lines(tagged, &names())?,
            Writing::Tagged(OutputFormat::Text { .. }, brackets) => brackets.text(tagged) + "\n",
            Writing::Anonymized(anonymizer, format, counts) => {
                let rewritten = anonymizer.anonymize(tagged, counts)?;
                match format {
                    AnonymizedFormat::Text => rewritten.text,
                    AnonymizedFormat::Jsonl => serde_json::to_string(&rewritten)?,
                }
                .add("\n")
            }
        };
        self.sink.write_all(&text).with_context(|| self.place.clone())
    }

    /// Passes on what was written so far, so that a reader of a stream sees it.
    pub fn flush(&mut self) -> Result<()> {
        let flushed = match &mut self.sink {
            Sink::Stream(writer) => writer.flush(),
            Sink::File(staged) => staged.flush(),
            // A table cannot be read before its end.
            Sink::Table(_) => Ok(()),
        };
        flushed.with_context(|| self.place.clone())
    }

    /// Returns whether each word has a line of its own.
    pub fn is_columns(&self) -> bool {
        matches!(self.writing, Writing::Tagged(OutputFormat::Conll, _))
    }

    /// Ends the output. Returns notes about what the text could not show or what became of entities, and the counts of
    /// the latter.
    pub fn finish(mut self) -> Result<(Vec<Note>, Counts)> {
        self.flush()?;
        match self.sink {
            Sink::Stream(_) => {}
            Sink::File(staged) => staged.publish()?,
            Sink::Table(table) => table.finish().with_context(|| self.place.clone())?.publish()?,
        }
        Ok(match self.writing {
            Writing::Tagged(_, brackets) => (brackets.note().into_iter().collect(), Counts::default()),
            Writing::Anonymized(.., counts) => (counts.notes(), counts),
        })
    }
}

enum Sink {
    Stream(BufWriter<Box<dyn Write + Send>>),
    File(Staged),
    Table(Box<Table<Staged>>),
}

impl Sink {
    fn write_all(&mut self, text: &str) -> io::Result<()> {
        match self {
            Sink::Stream(writer) => writer.write_all(text.as_bytes()),
            Sink::File(staged) => staged.write_all(text.as_bytes()),
            Sink::Table(_) => unreachable!("rows of a table are not text"),
        }
    }
}

/// A file under another name until it is whole. If it is dropped before, it is gone.
pub struct Staged {
    path: PathBuf,
    stage: Fleeting,
    writer: BufWriter<File>,
}

impl Write for Staged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl Staged {
    /// Creates the file.
    pub fn create(path: PathBuf) -> Result<Staged> {
        // The target of a link is replaced, not the link.
        let path = fs::canonicalize(&path).unwrap_or(path);
        if fs::metadata(&path).is_ok_and(|there| !there.is_file()) {
            bail!("{}: this is not an ordinary file: redirect standard output to it instead", path.display());
        }
        let name = path.file_name().with_context(|| format!("{}: not a file's name", path.display()))?;
        let stage = path.with_file_name(format!(".{}.{}.part", name.to_string_lossy(), std::process::id()));
        let file = File::create(&stage).with_context(|| format!("{}: cannot write here", path.display()))?;
        lock::hold(&file);
        let stage = Fleeting::new(stage, Vec::new());
        Ok(Staged { path, stage, writer: BufWriter::new(file) })
    }

    /// Gives the file its name.
    pub fn publish(mut self) -> Result<()> {
        self.writer
            .flush()
            .and_then(|()| self.writer.get_ref().sync_all())
            .and_then(|()| self.stage.keep(&self.path))
            .with_context(|| self.path.display().to_string())
    }
}

/// Removes what killed predictions left of a file, or of all files of a folder. Says so.
pub fn sweep(folder: &Path, file: Option<&OsStr>, events: &mut dyn Events) -> Result<()> {
    let is_left = |name: &str| {
        let stage = name.strip_prefix('.').and_then(|name| name.strip_suffix(".part")?.rsplit_once('.'));
        stage.is_some_and(|(of, process)| {
            process.bytes().all(|byte| byte.is_ascii_digit()) && file.is_none_or(|file| of == file.to_string_lossy())
        })
    };
    let swept = lock::sweep(folder, is_left)?;
    if !swept.is_empty() {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let (names, files) = (quote_all(swept.iter().map(String::as_str)), counted(swept.len(), "unfinished file"));
        events.say(format!("removed {files} that killed predictions left in {}: {names}", folder.display()));
    }
    Ok(())
}

impl Brackets {
    /// Returns how many entities the text could not show.
    fn note(&self) -> Option<Note> {
        let what = "{} {overlaps another|overlap others} and cannot be shown as text";
        let said = Wording::new(what, &[&counted(self.hidden, "entity")]);
        let note = Note::once(said.of(self.hidden)).important();
        (self.hidden > 0).then(|| note.with_remedy(Remedy::SetTo(Setting::OutputFormat, "jsonl".into())))
    }

    /// Returns the text with each entity in brackets: `Jo moved to [Zürich LOC]`.
    fn text(&mut self, tagged: &Tagged) -> String {
        let mut out = String::new();
        let mut letters = tagged.text.chars();
        let mut at = 0;
        for found in &tagged.entities {
            // Pieces of one letter overlap, and entities may overlap by the decoding: each letter is shown once.
            if found.start < at || found.end <= found.start {
                self.hidden += usize::from(found.end > found.start);
                continue;
            }
            out.extend(letters.by_ref().take((found.start - at) as usize));
            let inside: String = letters.by_ref().take((found.end - found.start) as usize).collect();
            at = found.end;
            let doubt = if tagged.is_abstained(found.score) { ABSTAINED } else { "" };
            out += &bracketed(&inside, &format!("{}{doubt}", found.label), self.color);
        }
        out.extend(letters);
        out
    }
}
