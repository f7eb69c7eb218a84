//! Tagged documents as JSON lines, columns, or text with brackets.

use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use tagsmith_text::tagged::Tagged;

use super::table::Table;

/// Colours of entity types, in order of appearance. The type is always written out beside them.
const COLOURS: [u8; 6] = [36, 33, 35, 32, 34, 31];

/// Where tagged documents go.
pub struct Output {
    sink: Sink,
    format: Format,
}

#[derive(Clone, Copy, PartialEq)]
enum Layout {
    Parquet,
    Json,
    Columns,
    Text,
}

struct Format {
    layout: Layout,
    colour: bool,
    types: Vec<String>,
    /// Entities that are not shown as text.
    hidden: usize,
}

impl Output {
    /// Standard output, or a file that appears when [`Output::finish`] says so. Without a `format` a terminal gets
    /// text.
    pub fn open(file: Option<PathBuf>, format: Option<&str>) -> Result<Output> {
        let terminal = file.is_none() && io::stdout().is_terminal();
        let layout = match format {
            Some("parquet") => Layout::Parquet,
            Some("jsonl") => Layout::Json,
            Some("conll") => Layout::Columns,
            Some(_) => Layout::Text,
            None if terminal => Layout::Text,
            None => Layout::Json,
        };
        let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let sink = match file {
            Some(file) if layout == Layout::Parquet => Sink::Table(Box::new(Table::new(Staged::create(file)?)?)),
            None if layout == Layout::Parquet => bail!("a Parquet file cannot be a stream: name it with `--output`"),
            Some(file) => Sink::File(Staged::create(file)?),
            None => Sink::Standard(BufWriter::new(io::stdout())),
        };
        Ok(Output { sink, format: Format { layout, colour, types: Vec::new(), hidden: 0 } })
    }

    /// Writes one document. `labels` names the labels.
    pub fn write(&mut self, tagged: &Tagged, labels: &[String]) -> Result<()> {
        let names: Vec<&str> = tagged.labels.iter().map(|word| labels[word.label as usize].as_str()).collect();
        if let Sink::Table(table) = &mut self.sink {
            return table.write(tagged, &names);
        }
        let mut text = match self.format.layout {
            Layout::Json | Layout::Parquet => json(tagged, &names),
            Layout::Columns => {
                if let Some(word) = tagged.words.iter().find(|word| word.contains(['\t', '\n', '\r'])) {
                    bail!(
                        "the word {word:?} holds a tab or a line break, which columns cannot: pass `--output-format jsonl`"
                    );
                }
                tagged.words.iter().zip(&names).map(|(word, label)| format!("{word}\t{label}\n")).collect()
            }
            Layout::Text => self.format.brackets(tagged),
        };
        text.push('\n');
        self.sink.write_all(&text)
    }

    /// Writes a document of which entities alone are known: JSON or text.
    pub fn write_entities(&mut self, tagged: &Tagged) -> Result<()> {
        if let Sink::Table(table) = &mut self.sink {
            return table.write(tagged, &[]);
        }
        let mut text = match self.format.layout {
            Layout::Text => self.format.brackets(tagged),
            _ => serde_json::to_string(&JsonEntities { text: &tagged.text, entities: json_entities(tagged) })?,
        };
        text.push('\n');
        self.sink.write_all(&text)
    }

    /// Whoever reads standard output sees what was written so far.
    pub fn flush(&mut self) -> Result<()> {
        match &mut self.sink {
            Sink::Standard(writer) => Ok(writer.flush()?),
            Sink::File(staged) => Ok(staged.flush()?),
            // Nobody reads a table before its end.
            Sink::Table(_) => Ok(()),
        }
    }

    /// Everything is written.
    pub fn finish(mut self) -> Result<()> {
        self.flush()?;
        if self.format.hidden > 0 {
            let hidden = self.format.hidden;
            eprintln!(
                "note: {hidden} entities overlap others, and are not shown as text: pass `--output-format jsonl`"
            );
        }
        match self.sink {
            Sink::Standard(_) => Ok(()),
            Sink::File(staged) => staged.publish(),
            Sink::Table(table) => table.finish()?.publish(),
        }
    }
}

enum Sink {
    Standard(BufWriter<io::Stdout>),
    File(Staged),
    Table(Box<Table<Staged>>),
}

impl Sink {
    fn write_all(&mut self, text: &str) -> Result<()> {
        match self {
            Sink::Standard(writer) => writer.write_all(text.as_bytes())?,
            Sink::File(staged) => staged.write_all(text.as_bytes())?,
            Sink::Table(_) => unreachable!("rows of a table are no text"),
        }
        Ok(())
    }
}

/// A file under another name until it is whole; dropped before, it is gone.
pub struct Staged {
    path: PathBuf,
    stage: PathBuf,
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
    /// Opens it.
    pub fn create(path: PathBuf) -> Result<Staged> {
        // A link's target is what becomes another file, not the link.
        let path = fs::canonicalize(&path).unwrap_or(path);
        if fs::metadata(&path).is_ok_and(|there| !there.is_file()) {
            bail!("{}: no ordinary file, which `--output` writes: pass it standard output instead", path.display());
        }
        let mut name = std::ffi::OsString::from(".");
        name.push(path.file_name().with_context(|| format!("{}: not a file's name", path.display()))?);
        name.push(format!(".{}.part", std::process::id()));
        let stage = path.with_file_name(name);
        let file = File::create(&stage).with_context(|| format!("{}: cannot write here", path.display()))?;
        Ok(Staged { path, stage, writer: BufWriter::new(file) })
    }

    /// Gives it its name.
    pub fn publish(mut self) -> Result<()> {
        self.writer
            .flush()
            .and_then(|()| self.writer.get_ref().sync_all())
            .and_then(|()| fs::rename(&self.stage, &self.path))
            .with_context(|| self.path.display().to_string())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // After `publish` there is nothing under this name, and before it nobody can be told that removing failed.
        let _ = fs::remove_file(&self.stage);
    }
}

#[derive(Serialize)]
struct JsonEntity<'t> {
    text: &'t str,
    label: &'t str,
    score: f32,
    start: u32,
    end: u32,
}

#[derive(Serialize)]
struct JsonDocument<'t> {
    text: &'t str,
    entities: Vec<JsonEntity<'t>>,
    words: &'t [String],
    labels: &'t [&'t str],
}

#[derive(Serialize)]
struct JsonEntities<'t> {
    text: &'t str,
    entities: Vec<JsonEntity<'t>>,
}

fn json_entities(tagged: &Tagged) -> Vec<JsonEntity<'_>> {
    let entities = tagged.entities.iter().map(|found| JsonEntity {
        text: &found.text,
        label: &found.label,
        score: found.score,
        start: found.start,
        end: found.end,
    });
    entities.collect()
}

fn json(tagged: &Tagged, labels: &[&str]) -> String {
    let entities = json_entities(tagged);
    let document = JsonDocument { text: &tagged.text, entities, words: &tagged.words, labels };
    serde_json::to_string(&document).expect("strings and numbers are JSON")
}

impl Format {
    /// The text with each entity in brackets: `Jo moved to [Zürich LOC]`.
    fn brackets(&mut self, tagged: &Tagged) -> String {
        let mut out = String::new();
        let mut letters = tagged.text.chars();
        let mut at = 0;
        for found in &tagged.entities {
            // Pieces of one letter overlap, and so may entities by `--decoding`: each letter is shown once.
            if found.start < at || found.end <= found.start {
                self.hidden += usize::from(found.end > found.start);
                continue;
            }
            out.extend(letters.by_ref().take((found.start - at) as usize));
            let inside: String = letters.by_ref().take((found.end - found.start) as usize).collect();
            at = found.end;
            let inside = format!("[{inside} {}]", found.label);
            out += &if self.colour { format!("\x1b[{}m{inside}\x1b[0m", self.colour_of(&found.label)) } else { inside };
        }
        out.extend(letters);
        out
    }

    fn colour_of(&mut self, label: &str) -> u8 {
        let known = self.types.iter().position(|it| it == label);
        let at = known.unwrap_or_else(|| {
            self.types.push(label.to_owned());
            self.types.len() - 1
        });
        COLOURS[at % COLOURS.len()]
    }
}
