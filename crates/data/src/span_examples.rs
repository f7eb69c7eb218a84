//! The input of span taggers: texts or words with gold entities.

use crate::bytes::lines::Limit;
use crate::dataset::files::{self, Input};
use crate::dataset::saved_shards;
use crate::error::Error;
use crate::format::arrow::ClassNames;
use crate::format::{self, Format, Opened, Request};
use crate::read_options::{ReadOptions, Wanted};
use crate::rows::row::Row;
use crate::rows::tag_names::TagNames;
use std::path::Path;
use tagsmith_message::{Note, Remedy, Setting};
use tagsmith_text::example::{AnnotationFormat, Entity, Example};
use tagsmith_text::labels::reading::Rules;
use tagsmith_text::labels::scheme::{self, Span, Style, UNTYPED};
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
/// first of `splits` that it has. Entities come from spans where the records have them, and elsewhere from tags, which
/// are read by `rules`.
///
/// # Errors
/// A pattern that matches nothing; a record that is not what it should be.
pub fn load(
    patterns: &[String],
    format: AnnotationFormat,
    splits: &[&str],
    rules: Rules,
) -> Result<SpanExamples, Error> {
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
            of_tags |= read(file, asked, &names, (format, rules), &mut all)?;
        }
        if of_tags {
            all.notes.push(Note::once(format!("{}: spans are made of its tags", path.display())));
        }
        if all.examples.len() == before {
            all.notes.push(Note::once(format!("{}: holds no text", path.display())).important());
        }
    }
    Ok(all)
}

/// Reads one file. Returns whether its entities come from tags.
fn read(
    path: &Path,
    asked: Option<Format>,
    class_names: &ClassNames,
    (format, rules): (AnnotationFormat, Rules),
    all: &mut SpanExamples,
) -> Result<bool, Error> {
    let options = ReadOptions::default();
    let wanted = Wanted::Spans(format);
    let request = Request { wanted, options: &options, limit: Limit::Item, format: asked, class_names };
    let Opened { mut reader, note, .. } = format::open(path, &request)?;
    all.notes.extend(note);
    let mut tagged = Vec::new();
    while let Some(row) = reader.next()? {
        match row {
            Row { number, id, content, spans: Some(entities), .. } => {
                all.examples.push((reader.place(number), Example { id, content, entities }));
            }
            row => tagged.push(row),
        }
    }
    all.notes.extend(reader.notes().into_iter().filter(|note| note.count > 0));
    let names = reader.take_tags();
    names.refuse_webanno()?;
    let is_tagged = !tagged.is_empty();
    let mut of_tags = OfTags::new(format, rules);
    for row in tagged {
        let place = reader.place(row.number);
        let example = of_tags.example(&|number| reader.place(number), row, &names)?;
        all.examples.push((place, example));
    }
    all.notes.extend(of_tags.notes());
    Ok(is_tagged)
}

/// Examples that words and their tags make.
struct OfTags {
    format: AnnotationFormat,
    rules: Rules,
    /// Words whose label is not a tag.
    bare: Note,
    /// Entities that the original's reading of tags does not have.
    lost: Note,
}

impl OfTags {
    fn new(format: AnnotationFormat, rules: Rules) -> OfTags {
        OfTags {
            format,
            rules,
            bare: Note::new("{word has|words have} a label that is not a tag with a type, and {is|are} outside every entity")
                .important(),
            lost: Note::new(
                "{entity is|entities are} read otherwise: the original ignores the types of inner tags and does not know `M`",
            )
            .important(),
        }
    }

    /// Returns the example of a row. Running text is the words with a space between them. `place` shows a line.
    ///
    /// # Errors
    /// A label that is not of the scheme that is asked for.
    fn example(&mut self, place: &dyn Fn(u64) -> String, row: Row, names: &TagNames) -> Result<Example, Error> {
        let tags: Vec<&str> = row.tags.iter().flatten().map(|&tag| names.name(tag)).collect();
        let entities = self.entities(&|word| place(row.line_of(word)), &tags)?;
        let Row { id, content, .. } = row;
        let Content::Words(words) = content else { return Ok(Example { id, content, entities: Vec::new() }) };
        if self.format == AnnotationFormat::Tokens {
            return Ok(Example { id, content: Content::Words(words), entities });
        }
        let (text, places) = joined(&words);
        let entity = |e: Entity| Entity { start: places[e.start].0, end: places[e.end - 1].1, label: e.label };
        let entities = entities.into_iter().map(entity).collect();
        Ok(Example { id, content: Content::Text(text), entities })
    }

    /// Returns the entities of a sentence's tags, and counts what they leave out. `place` shows a word's line.
    ///
    /// # Errors
    /// A label that is not of the scheme that is asked for.
    fn entities(&mut self, place: &dyn Fn(usize) -> String, tags: &[&str]) -> Result<Vec<Entity>, Error> {
        if let Rules::Strict(scheme) = self.rules
            && let Some(word) = tags.iter().position(|tag| !scheme.has(tag, Style::Prefix))
        {
            let problem = scheme::Error::Letter { tag: tags[word].to_owned(), scheme }.to_string();
            return Err(Error::content(place(word), problem).with_remedy(Remedy::Unset(Setting::LabelScheme)));
        }
        let typed = |rules: Rules| -> Vec<Span<&str>> {
            rules.spans(tags, Style::Prefix).into_iter().filter(|span| span.kind != UNTYPED).collect()
        };
        let has_type = |tag: &str| self.rules.tag(tag, Style::Prefix).is_some_and(|tag| tag.kind != UNTYPED);
        for (word, tag) in tags.iter().enumerate().filter(|(_, tag)| **tag != "O" && !has_type(tag)) {
            self.bare.add(|| format!("{} `{tag}`", place(word)));
        }
        let spans = typed(self.rules);
        if self.rules == Rules::OriginalSpans {
            for span in typed(Rules::AnyScheme).iter().filter(|span| !spans.contains(span)) {
                self.lost.add(|| format!("{} {span}", place(span.start)));
            }
        }
        let entity = |span: Span<&str>| Entity { start: span.start, end: span.end, label: span.kind.to_owned() };
        Ok(spans.into_iter().map(entity).collect())
    }

    /// Returns notes about words outside every entity, and about entities that were lost.
    fn notes(self) -> impl Iterator<Item = Note> {
        [self.bare, self.lost].into_iter().filter(|note| note.count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tagsmith_text::labels::scheme::Scheme;

    /// The entities of a sentence's tags in short, and the notes about them.
    fn read(tags: &str, rules: Rules) -> (String, Vec<String>) {
        let mut of_tags = OfTags::new(AnnotationFormat::Tokens, rules);
        let tags: Vec<&str> = tags.split(' ').collect();
        let entities = of_tags.entities(&|_| "f:1".into(), &tags).expect("no scheme is asked for");
        let shown: Vec<String> = entities.iter().map(|it| format!("{} {}..{}", it.label, it.start, it.end)).collect();
        (shown.join(", "), of_tags.notes().map(|note| note.to_string()).collect())
    }

    /// What the tags mean by the definitions of BMES, BIOES, BILOU and by the rules of conlleval; beside it what the
    /// original makes of them.
    #[test]
    fn entities_of_tags_follow_their_scheme() {
        for (tags, want, original) in [
            ("B-a M-a E-a O S-a", "a 0..3, a 4..5", "a 0..1, a 2..3, a 4..5"),
            ("B-a E-a U-b L-b", "a 0..2, b 2..3, b 3..4", "a 0..2, b 2..4"),
            ("B-a I-b O I-c B-c", "a 0..1, b 1..2, c 3..4, c 4..5", "a 0..2, c 3..4, c 4..5"),
            ("O B-x B-x I-x", "x 1..2, x 2..4", "x 1..2, x 2..4"),
            ("S-a E-a", "a 0..1, a 1..2", "a 0..2"),
        ] {
            assert_eq!(read(tags, Rules::AnyScheme), (want.to_owned(), Vec::new()), "{tags}");
            let (found, notes) = read(tags, Rules::OriginalSpans);
            assert_eq!((found, notes.len()), (original.to_owned(), usize::from(want != original)), "{tags}: {notes:?}");
        }
        let (_, notes) = read("B-a M-a E-a O S-a B-a I-b", Rules::OriginalSpans);
        let said = "entities are read otherwise: the original ignores the types of inner tags and does not know `M`";
        assert_eq!(notes, [format!("3 {said} (f:1 a 0..3, f:1 a 5..6, f:1 b 6..7)")]);
    }

    #[test]
    fn labels_that_are_not_tags_are_told() {
        let (found, notes) = read("0 B-a PER O I", Rules::AnyScheme);
        let said = "words have a label that is not a tag with a type, and are outside every entity";
        assert_eq!((&*found, notes), ("a 1..2", vec![format!("3 {said} (f:1 `0`, f:1 `PER`, f:1 `I`)")]));
    }

    /// By an asked-for scheme gold entities are those that `score` counts, and a label of another scheme is an error.
    #[test]
    fn an_asked_scheme_decides() {
        assert_eq!(read("I-a O B-a I-a", Rules::Strict(Scheme::Iob2)), ("a 2..4".into(), Vec::new()));
        assert_eq!(read("B-a PER O", Rules::Words), ("B-a 0..1, PER 1..2".into(), Vec::new()));
        let mut of_tags = OfTags::new(AnnotationFormat::Tokens, Rules::Strict(Scheme::Iob2));
        let error = of_tags.entities(&|word| format!("f:{}", word + 1), &["O", "M-a"]).expect_err("it has no M");
        assert_eq!(error.to_string(), "f:2: the tag `M-a` does not belong to IOB2, whose letters are I O B");
    }
}
