//! The examples that a span tagger learns from or is evaluated on, and what its decoding never finds among them.

use crate::error::Error;
use crate::find::decode::Mode;
use serde_json::Value;
use std::cmp::Reverse;
use std::path::Path;
use tagsmith_data::error::Error as DataError;
use tagsmith_data::span_examples;
use tagsmith_message::{Note, Remedy, Setting, counted};
use tagsmith_text::example::{AnnotationFormat, Entity, Example};
use tagsmith_text::labels::reading::Rules;

pub use tagsmith_data::span_examples::EVALUATED;

/// Examples, and what happened to their files.
#[derive(Clone, Debug, Default)]
pub struct Data {
    /// The examples, file after file.
    pub examples: Vec<Example>,
    /// What the user should know.
    pub notes: Vec<Note>,
}

/// What becomes of texts whose entities cannot all be found, because they share pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlapping {
    /// They are refused where this decoding never finds all of their entities.
    Refused(Mode),
    /// They are taken, and a note counts them: [`Parity::overlapping`](crate::config::parity::Parity).
    Taken,
}

/// Reads files, folders of saved data sets and globs of either, in this order. Of a data set with several splits, the
/// first of `splits` that it has. Tags become entities by the rules `tags`.
///
/// # Errors
/// A pattern that matches nothing; a record that is not what it should be, with its line.
pub fn load(
    patterns: &[String],
    format: AnnotationFormat,
    splits: &[&str],
    overlapping: Overlapping,
    tags: Rules,
) -> Result<Data, Error> {
    let read = span_examples::load(patterns, format, splits, tags)?;
    let mut overlaps = Overlaps { rule: overlapping, count: 0, first: String::new() };
    let mut examples = Vec::with_capacity(read.examples.len());
    for (place, example) in read.examples {
        overlaps.look(&example, place)?;
        examples.push(example);
    }
    Ok(Data { examples, notes: read.notes.into_iter().chain(overlaps.note()).collect() })
}

/// Texts whose entities share pieces.
struct Overlaps {
    rule: Overlapping,
    count: usize,
    first: String,
}

impl Overlaps {
    fn look(&mut self, example: &Example, place: String) -> Result<(), Error> {
        let mode = match self.rule {
            Overlapping::Refused(mode) => mode,
            Overlapping::Taken => Mode::Flat,
        };
        let Some(pair) = clash(example.entities.iter().collect(), mode) else { return Ok(()) };
        if self.rule != Overlapping::Taken {
            return Err(never_found(place, pair, mode).into());
        }
        if self.count == 0 {
            self.first = place;
        }
        self.count += 1;
        Ok(())
    }

    fn note(self) -> Option<Note> {
        let others = match self.count.checked_sub(1)? {
            0 => String::new(),
            more => format!(" and in {}", counted(more, "more text")),
        };
        let first = self.first;
        let said = format!("{first}: entities overlap here{others}: flat decoding finds one of them at most");
        Some(Note::once(said).important())
    }
}

/// Returns two entities of which `mode` finds one at most, if there are such. Sorted so, one of them is the last before
/// the other that touches it.
fn clash(mut entities: Vec<&Entity>, mode: Mode) -> Option<[&Entity; 2]> {
    let by_label = mode == Mode::PerType;
    entities.sort_by_key(|it| (by_label.then_some(&it.label), it.start, Reverse(it.end)));
    let mut around: Vec<&Entity> = Vec::new();
    for it in entities {
        while around.last().is_some_and(|last| last.end <= it.start) {
            around.pop();
        }
        if let Some(&last) = around.last()
            && mode.excludes(last.start..last.end, it.start..it.end, last.label == it.label)
        {
            return Some([last, it]);
        }
        around.push(it);
    }
    None
}

/// Returns the error for a text with two entities of which `mode` finds one at most.
fn never_found(place: String, [a, b]: [&Entity; 2], mode: Mode) -> DataError {
    let other = [Mode::Nested, Mode::PerType].into_iter().find(|&other| clash(vec![a, b], other).is_none());
    let show = |it: &Entity| format!("`{}` from {} to {}", it.label, it.start, it.end);
    let (a, b, name) = (show(a), show(b), mode.name().replace('_', "-"));
    let problem = format!("entities overlap, {a} and {b}, and {name} decoding finds one of them at most");
    let remove = Remedy::to_do("remove one");
    let remedy = match other {
        Some(other) => Remedy::AnyOf(vec![remove, Remedy::SetTo(Setting::Decoding, other.name().into())]),
        None => remove,
    };
    DataError::Content { place, problem, remedy: Some(Box::new(remedy)) }
}

/// Renames labels as a JSON object says.
///
/// # Errors
/// A file that is not an object of strings.
pub fn rename_labels(examples: &mut [Example], map: &Path) -> Result<(), Error> {
    let names = tagsmith_files::json_fields::read_object(map)?;
    for entity in examples.iter_mut().flat_map(|example| &mut example.entities) {
        match names.get(&entity.label) {
            Some(Value::String(name)) if !name.trim().is_empty() => entity.label.clone_from(name),
            Some(other) => {
                return Err(Error::at(map, format!("`{}` is mapped to {other}, not to a name", entity.label)));
            }
            None => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use tagsmith_text::tagged::Content;

    fn read(lines: &str, format: AnnotationFormat) -> Result<Data, String> {
        read_with(lines, format, Overlapping::Refused(Mode::Flat))
    }

    fn read_with(lines: &str, format: AnnotationFormat, overlapping: Overlapping) -> Result<Data, String> {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let path = folder.path().join("data.jsonl");
        fs::write(&path, lines).expect("it is written");
        let at = path.display().to_string();
        load(std::slice::from_ref(&at), format, EVALUATED, overlapping, Rules::AnyScheme).map_err(|error| {
            let spell = |setting: Setting, value: Option<&str>| format!("<{setting:?}={}>", value.unwrap_or_default());
            let remedy = error.remedy().map(|remedy| format!(": {}", remedy.clause(&spell))).unwrap_or_default();
            format!("{error}{remedy}").replace(&at, "F")
        })
    }

    fn refused(line: &str, want: &str) {
        let error = read(&format!("{{\"text\": \"ok\", \"char_spans\": []}}\n{line}\n"), AnnotationFormat::Text)
            .expect_err(line);
        assert_eq!(error, want);
    }

    #[test]
    fn records_of_both_forms_and_their_aliases() {
        let line = r#"{"id": "deu_1-s0", "text": "Jo, Zürich", "tokens": ["Jo", ",", "Zürich"], "extra": 1,
            "spans_char": [{"start": 4, "end": 10, "tag": "city"}], "token_spans": [{"start": 2, "end": 3, "label": "city", "tag": "x"}]}"#
            .replace('\n', " ");
        let text = &read(&line, AnnotationFormat::Text).expect("it reads").examples[0];
        assert_eq!(text.id.as_deref(), Some("deu_1-s0"));
        assert_eq!(text.entities, [Entity { start: 4, end: 10, label: "city".into() }]);
        let tokens = &read(&line, AnnotationFormat::Tokens).expect("it reads").examples[0];
        assert_eq!(tokens.entities, [Entity { start: 2, end: 3, label: "city".into() }]);
        assert_eq!(tokens.content.len(), 3);
    }

    #[test]
    fn bad_records_are_refused_in_one_line() {
        refused(
            r#"{"text": "Zürich", "char_spans": [{"start": 0, "end": 7, "label": "city"}]}"#,
            "F:2: `char_spans` 1: 0 to 7 is empty or outside 0 to 6: `end` is one past the last",
        );
        refused(
            r#"{"text": "Zürich", "char_spans": [{"start": 0, "end": 6, "label": " "}]}"#,
            "F:2: `char_spans` 1: the label is empty: name it, or remove the span",
        );
        refused(
            r#"{"id": [1], "text": "a", "char_spans": []}"#,
            "F:2: `id` is [1], neither a string nor a whole number: correct or remove it",
        );
        refused(
            r#"{"tokens": ["a"], "token_spans": []}"#,
            "F:2: there is no `text`: add it, or use the format `tokens`",
        );
        refused(r#"{"text": "a"}"#, "F:2: there is no `char_spans`: give an empty list where nothing is marked");
        refused("[1", "F:2: column 1: `[` is not expected here: every row must be an object `{…}`");
    }

    #[test]
    fn what_a_decoding_never_finds_is_refused_or_told() {
        let line = |spans: &[(usize, usize, &str)]| {
            let span = |(start, end, label): &(usize, usize, &str)| {
                format!(r#"{{"start": {start}, "end": {end}, "label": "{label}"}}"#)
            };
            let spans: Vec<String> = spans.iter().map(span).collect();
            format!("{{\"text\": \"New York City Hall\", \"char_spans\": [{}]}}\n", spans.join(", "))
        };
        let apart = [(0, 3, "a"), (9, 13, "b"), (4, 8, "a")];
        let inside = [(4, 8, "b"), (0, 13, "a"), (14, 18, "a"), (0, 3, "a")];
        let crossing = [(0, 8, "a"), (4, 13, "b"), (0, 18, "c")];
        let twice = [(0, 3, "a"), (4, 8, "c"), (4, 8, "b")];
        let same = [(0, 8, "a"), (4, 13, "a")];
        let all: [(&[_], [bool; 3]); 5] = [
            (&apart, [true; 3]),
            (&inside, [false, true, false]),
            (&crossing, [false, false, true]),
            (&twice, [false, false, true]),
            (&same, [false; 3]),
        ];
        for (spans, taken) in all {
            for (mode, taken) in [Mode::Flat, Mode::Nested, Mode::PerType].into_iter().zip(taken) {
                let read = read_with(&line(spans), AnnotationFormat::Text, Overlapping::Refused(mode));
                assert_eq!(read.is_ok(), taken, "{spans:?} {mode:?}: {read:?}");
            }
        }
        let refusal = |spans: &[_], mode| {
            let lines = line(&apart) + &line(spans);
            read_with(&lines, AnnotationFormat::Text, Overlapping::Refused(mode)).expect_err("they overlap")
        };
        assert_eq!(
            refusal(&inside[..2], Mode::Flat),
            "F:2: entities overlap, `a` from 0 to 13 and `b` from 4 to 8, and flat decoding finds one of them at most: \
             remove one, or pass <Decoding=nested>"
        );
        assert!(refusal(&crossing[..2], Mode::Nested).ends_with("remove one, or pass <Decoding=per_type>"));
        assert!(refusal(&same, Mode::PerType).ends_with("per-type decoding finds one of them at most: remove one"));
        let lines = line(&inside) + &line(&apart) + &line(&crossing);
        let data = read_with(&lines, AnnotationFormat::Text, Overlapping::Taken).expect("it reads");
        assert_eq!((data.examples.len(), data.notes.len()), (3, 1));
        assert!(
            data.notes[0].what.plural().contains("data.jsonl:1: entities overlap here and in 1 more text:"),
            "{:?}",
            data.notes
        );
    }

    #[test]
    fn columns_of_spans_have_one_length() {
        let line = |ends: &str| {
            format!(r#"{{"text": "Jo in Rome", "char_spans": {{"start": [0], "end": {ends}, "label": ["a"]}}}}"#)
        };
        assert_eq!(
            read(&(line("[2]") + "\n"), AnnotationFormat::Text).expect("it reads").examples[0].entities.len(),
            1
        );
        for ends in ["[]", "[2, 10]"] {
            assert!(read(&(line(ends) + "\n"), AnnotationFormat::Text).is_err(), "{ends}");
        }
    }

    /// One text in four notations. Its entities are those of the definition of each.
    #[test]
    fn tags_of_every_scheme_are_the_same_entities() {
        let words = ["Ann", "van", "Lee", "left", "Rome", "for", "New", "York"];
        let folder = tempfile::tempdir().expect("a scratch folder");
        for (name, tags) in [
            ("bio2", "B-PER I-PER I-PER O B-LOC O B-LOC I-LOC"),
            ("bioes", "B-PER I-PER E-PER O S-LOC O B-LOC E-LOC"),
            ("bmes", "B-PER M-PER E-PER O S-LOC O B-LOC E-LOC"),
            ("bilou", "B-PER I-PER L-PER O U-LOC O B-LOC L-LOC"),
        ] {
            let path = folder.path().join(name).with_extension("conll");
            let lines = words.iter().zip(tags.split(' ')).map(|(word, tag)| format!("{word}\t{tag}\n"));
            fs::write(&path, lines.collect::<String>()).expect("it is written");
            let read = |rules: Rules| {
                let patterns = [path.display().to_string()];
                let overlapping = Overlapping::Refused(Mode::Flat);
                load(&patterns, AnnotationFormat::Tokens, EVALUATED, overlapping, rules).expect("it reads")
            };
            let entity = |start, end, label: &str| Entity { start, end, label: label.into() };
            let want = [entity(0, 3, "PER"), entity(4, 5, "LOC"), entity(6, 8, "LOC")];
            assert_eq!(read(Rules::AnyScheme).examples[0].entities, want, "{name}");
            // The original's reading, which knows no `M`, is the wrong twin, and says what it loses.
            let original = read(Rules::OriginalSpans);
            let loses = original.notes.iter().any(|note| note.what.plural().contains("the original ignores the types"));
            assert_eq!(loses, original.examples[0].entities != want, "{name}");
            assert_eq!(name == "bmes", loses, "{name}");
        }
    }

    /// What `save_to_disk` wrote (golden/spans, by oracle/spans.py): lists of structures, in both spellings.
    #[test]
    fn saved_data_sets() {
        let golden = tagsmith_testkit::golden::path("spans");
        for name in ["dataset", "dataset_dev"] {
            let folder = golden.join(name).display().to_string();
            let read = |format| {
                let nested = Overlapping::Refused(Mode::Nested);
                load(std::slice::from_ref(&folder), format, EVALUATED, nested, Rules::AnyScheme)
                    .expect("it reads")
                    .examples
            };
            let (text, tokens) = (read(AnnotationFormat::Text), read(AnnotationFormat::Tokens));
            assert_eq!((text.len(), tokens.len()), (3, 3), "{name}");
            assert_eq!(text[0].id.as_deref(), Some("eng_0"));
            assert_eq!(text[0].content, Content::Text("Jo lives in New York City".into()));
            let entity = |start, end, label: &str| Entity { start, end, label: label.into() };
            assert_eq!(text[0].entities, [entity(0, 2, "person"), entity(12, 25, "place")], "{name}");
            assert_eq!(tokens[0].entities, [entity(0, 1, "person"), entity(3, 6, "place")], "{name}");
            assert!(text[2].entities.is_empty() && tokens[2].entities.is_empty(), "{name}");
        }
        let folder = golden.join("dataset").display().to_string();
        let error = load(&[folder], AnnotationFormat::Text, &["dev"], Overlapping::Taken, Rules::AnyScheme)
            .expect_err("there is none")
            .to_string();
        assert!(error.ends_with("holds no split called dev"), "{error}");
    }
}
