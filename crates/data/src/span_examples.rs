//! The input of span taggers: texts or words with gold entities.

use crate::dataset::files::{self, Input};
use crate::dataset::saved_shards;
use crate::error::Error;
use crate::format::arrow::ClassNames;
use crate::format::{self, Format, Opened, Request};
use crate::lines::Limit;
use crate::read_options::{ReadOptions, Wanted};
use crate::row::Row;
use crate::tag_names::TagNames;
use std::path::Path;
use tagsmith_message::Note;
use tagsmith_text::example::{AnnotationFormat, Entity, Example};
use tagsmith_text::tagged::{Content, joined};

/// The examples of some files.
#[derive(Clone, Debug, Default)]
pub struct SpanExamples {
    /// The examples, file after file, each with the place where it begins.
    pub examples: Vec<(String, Example)>,
    /// What the user should know.
    pub notes: Vec<Note>,
}

/// The splits of a saved data set that are evaluated: the first that it has.
pub const EVALUATED: &[&str] = &["test", "dev", "validation"];

/// Reads files, folders of saved data sets and globs of either, in this order. Of a data set with several splits, the
/// first of `splits` that it has. Entities come from spans where the records have them, and from tags elsewhere.
///
/// # Errors
/// A pattern that matches nothing; a record that is not what it should be.
pub fn load(patterns: &[String], format: AnnotationFormat, splits: &[&str]) -> Result<SpanExamples, Error> {
    let mut all = SpanExamples::default();
    for input in files::expand(patterns, splits)? {
        let before = all.examples.len();
        let (path, paths, asked, names) = match input {
            Input::File(path) => (path.clone(), vec![path], None, ClassNames::default()),
            Input::Saved(folder) => {
                let (shards, names) = saved_shards(&folder)?;
                (folder, shards, Some(Format::Arrow), names)
            }
        };
        let mut of_tags = false;
        for file in &paths {
            of_tags |= read(file, asked, &names, format, &mut all)?;
        }
        if of_tags {
            all.notes.push(Note::once(format!("{}: spans are made of its tags", path.display())));
        }
        if all.examples.len() == before {
            all.notes.push(Note::once(format!("{}: holds no text", path.display())));
        }
    }
    Ok(all)
}

/// Reads one file. Returns whether its entities come from tags.
fn read(
    path: &Path,
    asked: Option<Format>,
    class_names: &ClassNames,
    format: AnnotationFormat,
    all: &mut SpanExamples,
) -> Result<bool, Error> {
    let options = ReadOptions::default();
    let wanted = Wanted::Spans(format);
    let request = Request { wanted, options: &options, limit: Limit::Item, format: asked, class_names };
    let Opened { mut reader, note, .. } = format::open(path, &request)?;
    all.notes.extend(note);
    let mut tagged = Vec::new();
    while let Some(row) = reader.next()? {
        let place = reader.place(row.number);
        match row {
            Row { id, content, spans: Some(entities), .. } => {
                all.examples.push((place, Example { id, content, entities }));
            }
            row => tagged.push((place, row)),
        }
    }
    all.notes.extend(reader.notes().into_iter().filter(|note| note.count > 0));
    let names = reader.take_tags();
    let is_tagged = !tagged.is_empty();
    all.examples.extend(tagged.into_iter().map(|(place, row)| (place, of_tags(row, &names, format))));
    Ok(is_tagged)
}

/// Returns the example that words and their tags make. Running text is the words with a space between them.
fn of_tags(row: Row, names: &TagNames, format: AnnotationFormat) -> Example {
    let Row { id, content, tags, .. } = row;
    let Content::Words(words) = content else { return Example { id, content, entities: Vec::new() } };
    let tags: Vec<&str> = tags.iter().flatten().map(|&tag| names.name(tag)).collect();
    let entities = bio(&tags);
    if format == AnnotationFormat::Tokens {
        return Example { id, content: Content::Words(words), entities };
    }
    let (text, places) = joined(&words);
    let entity = |e: Entity| Entity { start: places[e.start].0, end: places[e.end - 1].1, label: e.label };
    let entities = entities.into_iter().map(entity).collect();
    Example { id, content: Content::Text(text), entities }
}

/// Returns the entities that tags spell, as the original reads them: `B` opens, `I` goes on with whatever is open or
/// opens, anything else closes. `E` and `L` go on as `I` does, `S` and `U` open as `B` does.
pub fn bio(tags: &[&str]) -> Vec<Entity> {
    let mut entities: Vec<Entity> = Vec::new();
    let mut open = false;
    for (at, tag) in tags.iter().enumerate() {
        let (letter, label) = tag.split_once('-').unwrap_or((tag, ""));
        match letter {
            "B" | "S" | "U" | "I" | "E" | "L" if !label.is_empty() => {
                if open && matches!(letter, "I" | "E" | "L") {
                    entities.last_mut().expect("one is open").end = at + 1;
                } else {
                    entities.push(Entity { start: at, end: at + 1, label: label.to_owned() });
                }
                open = true;
            }
            _ => open = false,
        }
    }
    entities
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_become_spans_by_the_originals_machine() {
        let entity = |start, end, label: &str| Entity { start, end, label: label.into() };
        assert_eq!(bio(&["B-a", "I-b", "O", "I-c", "B-c"]), [entity(0, 2, "a"), entity(3, 4, "c"), entity(4, 5, "c")]);
        assert_eq!(bio(&["O", "B-x", "B-x"]), [entity(1, 2, "x"), entity(2, 3, "x")]);
    }
}
