//! Data files become examples: JSON lines with spans, saved data sets, and whatever has words and tags.

use crate::decode::Mode;
use crate::error::Error;
use serde_json::{Map, Value};
use std::cmp::Reverse;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use tagsmith_data::format::arrow_json::arrow_rows;
use tagsmith_data::split_builder::ReadOptions;
use tagsmith_files::strict_json::Object;
use tagsmith_text::example::{AnnotationFormat, Entity, Example};
use tagsmith_text::sentence::Split;
use tagsmith_text::tagged::Content;

/// What was read.
#[derive(Clone, Debug, Default)]
pub struct Data {
    /// The examples, file after file.
    pub examples: Vec<Example>,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// What becomes of texts whose entities cannot all be found, because they share pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlapping {
    /// They are refused where this decoding never finds all of their entities.
    Refused(Mode),
    /// They are taken, and a note counts them: [`Parity::overlapping`](crate::config::parity::Parity).
    Taken,
}

/// The splits of a saved data set that are evaluated, the first that there is.
pub const EVALUATED: &[&str] = &["test", "dev", "validation"];

/// Reads files, folders of saved data sets and globs of either, in this order. Of a data set with several splits, the
/// first of `splits` that it has.
///
/// # Errors
/// A pattern that matches nothing; a record that is not what it should be, with its line.
pub fn load(
    patterns: &[String],
    format: AnnotationFormat,
    splits: &[&str],
    overlapping: Overlapping,
) -> Result<Data, Error> {
    let mut data = Data::default();
    for path in expand(patterns)? {
        let before = data.examples.len();
        let overlaps = Overlaps { rule: overlapping, count: 0, first: String::new() };
        if path.is_dir() {
            saved(&path, format, splits, overlaps, &mut data)?;
        } else {
            file(&path, format, overlaps, &mut data)?;
        }
        if data.examples.len() == before {
            data.notes.push(format!("{}: holds no text", path.display()));
        }
    }
    Ok(data)
}

fn expand(patterns: &[String]) -> Result<Vec<PathBuf>, Error> {
    let mut paths = Vec::new();
    for pattern in patterns {
        let path = Path::new(pattern);
        if path.exists() || !pattern.contains(['*', '?', '[']) {
            paths.push(path.to_owned());
            continue;
        }
        let refuse = |problem: String| Error::at(path, problem);
        let matches = glob::glob(pattern).map_err(|error| refuse(format!("this is no glob pattern ({error})")))?;
        let before = paths.len();
        for path in matches {
            paths.push(path.map_err(|error| refuse(error.to_string()))?);
        }
        if paths.len() == before {
            return Err(refuse("no file matches: correct the pattern".into()));
        }
    }
    Ok(paths)
}

fn open(path: &Path) -> Result<BufReader<File>, Error> {
    File::open(path).map(BufReader::new).map_err(|source| Error::Io { path: path.into(), source })
}

/// Keys of spans, the newer first, and the key of what they count in.
fn keys(format: AnnotationFormat) -> ([&'static str; 2], &'static str) {
    match format {
        AnnotationFormat::Text => (["char_spans", "spans_char"], "text"),
        AnnotationFormat::Tokens => (["token_spans", "spans_tokens"], "tokens"),
    }
}

fn has_spans(row: &Map<String, Value>) -> bool {
    [AnnotationFormat::Text, AnnotationFormat::Tokens]
        .iter()
        .any(|&format| keys(format).0.iter().any(|key| row.contains_key(*key)))
}

fn file(path: &Path, format: AnnotationFormat, mut overlaps: Overlaps, data: &mut Data) -> Result<(), Error> {
    let source = path.display().to_string();
    let is_json = path.extension().is_some_and(|extension| extension == "jsonl" || extension == "json");
    if is_json {
        let mut first = true;
        for (number, line) in open(path)?.lines().enumerate() {
            let number = number as u64 + 1;
            let line = line.map_err(|source| Error::Io { path: path.into(), source })?;
            if line.trim().is_empty() {
                continue;
            }
            let row = match serde_json::from_str(line.trim_start_matches('\u{FEFF}')) {
                Ok(Object(row)) => row,
                // One array, or one object over several lines: the other reader knows them.
                Err(_) if first => return tagged(path, format, data),
                Err(error) => {
                    return Err(Error::line(&source, number, format!("is not a JSON object ({error}): one a line")));
                }
            };
            if first && !has_spans(&row) {
                return tagged(path, format, data);
            }
            first = false;
            let example = record(&row, format).map_err(|problem| Error::line(&source, number, problem))?;
            overlaps.look(&example, || format!("{source}:{number}"))?;
            data.examples.push(example);
        }
        overlaps.note(data);
        return Ok(());
    }
    tagged(path, format, data)
}

/// A folder that `save_to_disk` wrote: its spans if it has them, its tags otherwise.
fn saved(
    folder: &Path,
    format: AnnotationFormat,
    splits: &[&str],
    mut overlaps: Overlaps,
    data: &mut Data,
) -> Result<(), Error> {
    let split = match folder.join("dataset_dict.json").exists() {
        false => folder.to_owned(),
        true => match splits.iter().find(|split| folder.join(split).is_dir()) {
            Some(split) => folder.join(split),
            None => return Err(Error::at(folder, format!("holds no split called {}", splits.join(" or ")))),
        },
    };
    let state_file = split.join("state.json");
    let state = tagsmith_files::json_fields::read_object(&state_file)?;
    let files = state.get("_data_files").and_then(Value::as_array);
    let names: Option<Vec<&str>> = files.and_then(|files| files.iter().map(|file| file["filename"].as_str()).collect());
    let names = names.ok_or_else(|| Error::at(&state_file, "`_data_files` does not list files: save it again"))?;
    for name in names {
        let path = split.join(name);
        let source = path.display().to_string();
        let rows = arrow_rows(open(&path)?, &source)?;
        if rows.first().is_some_and(|row| !has_spans(row)) {
            return tagged(&split, format, data);
        }
        for (number, row) in rows.iter().enumerate() {
            let place = || format!("{source}: row {}", number + 1);
            let example = record(row, format).map_err(|problem| Error::Content { place: place(), problem })?;
            overlaps.look(&example, place)?;
            data.examples.push(example);
        }
    }
    overlaps.note(data);
    Ok(())
}

/// Texts whose entities share pieces.
struct Overlaps {
    rule: Overlapping,
    count: usize,
    first: String,
}

impl Overlaps {
    fn look(&mut self, example: &Example, place: impl FnOnce() -> String) -> Result<(), Error> {
        let mode = match self.rule {
            Overlapping::Refused(mode) => mode,
            Overlapping::Taken => Mode::Flat,
        };
        let Some(pair) = clash(example.entities.iter().collect(), mode) else { return Ok(()) };
        if self.rule != Overlapping::Taken {
            return Err(Error::Content { place: place(), problem: never_found(pair, mode) });
        }
        if self.count == 0 {
            self.first = place();
        }
        self.count += 1;
        Ok(())
    }

    fn note(self, data: &mut Data) {
        if self.count > 0 {
            data.notes.push(format!(
                "{}: entities overlap here and in {} more texts: flat decoding finds one of them at most",
                self.first,
                self.count - 1
            ));
        }
    }
}

/// Two entities of which `mode` finds one at most. Sorted so, one of them is the last before the other that touches it.
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

/// What is wrong with a text that has both, and what to do.
fn never_found([a, b]: [&Entity; 2], mode: Mode) -> String {
    let name = |mode| Mode::NAMES[mode as usize];
    let remedy = match [Mode::Nested, Mode::PerType].into_iter().find(|&other| clash(vec![a, b], other).is_none()) {
        Some(other) => format!("remove one, or use `--decoding {}`", name(other)),
        None => "remove one".into(),
    };
    let show = |it: &Entity| format!("`{}` from {} to {}", it.label, it.start, it.end);
    let (a, b, mode) = (show(a), show(b), name(mode).replace('_', "-"));
    format!("entities overlap, {a} and {b}, and {mode} decoding finds one of them at most: {remedy}")
}

/// One record; the error says what is wrong and what to do.
fn record(row: &Map<String, Value>, format: AnnotationFormat) -> Result<Example, String> {
    let (spans, content) = keys(format);
    let input = match (format, row.get(content)) {
        (AnnotationFormat::Text, Some(Value::String(text))) => Content::Text(text.clone()),
        (AnnotationFormat::Tokens, Some(Value::Array(words))) => {
            let words = words.iter().map(|word| word.as_str().map(str::to_owned)).collect::<Option<_>>();
            Content::Words(words.ok_or("`tokens` holds something that is no string: make it a list of strings")?)
        }
        (_, None | Some(Value::Null)) => {
            let other = if format == AnnotationFormat::Text { "tokens" } else { "text" };
            return Err(format!("there is no `{content}`: add it, or use the format `{other}`"));
        }
        (AnnotationFormat::Text, Some(other)) => return Err(format!("`text` is {other}, not a string: quote it")),
        (AnnotationFormat::Tokens, Some(other)) => {
            return Err(format!("`tokens` is {other}, not a list of strings: write [\"…\", …]"));
        }
    };
    let id = match row.get("id") {
        None | Some(Value::Null) => None,
        Some(Value::String(id)) => Some(id.clone()),
        Some(Value::Number(id)) if id.is_i64() || id.is_u64() => Some(id.to_string()),
        Some(other) => {
            return Err(format!("`id` is {other}, neither a string nor a whole number: correct or remove it"));
        }
    };
    let found = spans.iter().find_map(|key| Some((*key, row.get(*key)?)));
    let (key, spans) =
        found.ok_or_else(|| format!("there is no `{}`: give an empty list where nothing is marked", spans[0]))?;
    let length = input.len();
    let mut entities = Vec::new();
    let list = listed(spans).ok_or_else(|| {
        format!("`{key}` is {spans}, no list of objects: write [{{\"start\": 0, \"end\": 1, \"label\": \"…\"}}]")
    })?;
    for (number, span) in list.iter().enumerate() {
        let entity = entity(span, length).map_err(|problem| format!("`{key}` {}: {problem}", number + 1))?;
        entities.push(entity);
    }
    Ok(Example { id, content: input, entities })
}

/// A list of objects; older data sets have an object of lists.
fn listed(spans: &Value) -> Option<Vec<Map<String, Value>>> {
    match spans {
        Value::Null => Some(Vec::new()),
        Value::Array(spans) => spans.iter().map(|span| span.as_object().cloned()).collect(),
        Value::Object(columns) => {
            let count = columns.values().next()?.as_array()?.len();
            if columns.values().any(|column| column.as_array().map(Vec::len) != Some(count)) {
                return None;
            }
            let row = |number: usize| {
                let cell = |(key, column): (&String, &Value)| Some((key.clone(), column.get(number)?.clone()));
                columns.iter().map(cell).collect::<Option<Map<_, _>>>()
            };
            (0..count).map(row).collect()
        }
        _ => None,
    }
}

fn entity(span: &Map<String, Value>, length: usize) -> Result<Entity, String> {
    let number = |key: &str| match span.get(key) {
        Some(value) => {
            let problem = || format!("`{key}` is {value}, not a whole number: count from 0");
            value.as_u64().map(|n| n as usize).ok_or_else(problem)
        }
        None => Err(format!("there is no `{key}`: add it, or remove the span")),
    };
    let (start, end) = (number("start")?, number("end")?);
    if start >= end || end > length {
        return Err(format!("{start} to {end} is empty or outside 0 to {length}: `end` is one past the last"));
    }
    let label = span.get("label").or_else(|| span.get("tag"));
    match label {
        Some(Value::String(label)) if !label.trim().is_empty() => Ok(Entity { start, end, label: label.clone() }),
        Some(Value::String(_)) => Err("the label is empty: name it, or remove the span".into()),
        Some(other) => Err(format!("the label is {other}, not a string: quote it")),
        None => Err("there is no `label`: name it, or remove the span".into()),
    }
}

/// Words with tags, by the readers of token classification.
fn tagged(path: &Path, format: AnnotationFormat, data: &mut Data) -> Result<(), Error> {
    let split = tagsmith_data::dataset::load_files(&[path.display().to_string()], &ReadOptions::default())?;
    data.notes.extend(split.notes.iter().map(ToString::to_string));
    data.notes.push(format!("{}: spans are made of its tags", path.display()));
    data.examples.extend(of_tags(&split, format));
    Ok(())
}

/// Examples of words and tags. Running text is the words with a space between them.
pub fn of_tags(split: &Split, format: AnnotationFormat) -> Vec<Example> {
    let example = |sentence: &tagsmith_text::sentence::Sentence| {
        let tags: Vec<&str> = sentence.tags.iter().map(|&tag| split.tag_names[tag as usize].as_str()).collect();
        let entities = bio(&tags);
        match format {
            AnnotationFormat::Tokens => Example { id: None, content: Content::Words(sentence.words.clone()), entities },
            AnnotationFormat::Text => {
                let mut at = 0;
                let mut places = Vec::new();
                for word in &sentence.words {
                    let end = at + word.chars().count();
                    places.push((at, end));
                    at = end + 1;
                }
                let entity = |e: Entity| Entity { start: places[e.start].0, end: places[e.end - 1].1, label: e.label };
                let text = sentence.words.join(" ");
                Example { id: None, content: Content::Text(text), entities: entities.into_iter().map(entity).collect() }
            }
        }
    };
    split.sentences.iter().map(example).collect()
}

/// The original's reading of tags: `B` opens, `I` goes on with whatever is open or opens, anything else closes. `E` and
/// `L` go on as `I` does, `S` and `U` open as `B` does.
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

/// A mapping of label names, from a JSON object.
///
/// # Errors
/// A file that is no object of strings.
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

    fn read(lines: &str, format: AnnotationFormat) -> Result<Data, String> {
        read_with(lines, format, Overlapping::Refused(Mode::Flat))
    }

    fn read_with(lines: &str, format: AnnotationFormat, overlapping: Overlapping) -> Result<Data, String> {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let path = folder.path().join("data.jsonl");
        fs::write(&path, lines).expect("it is written");
        let at = path.display().to_string();
        load(std::slice::from_ref(&at), format, EVALUATED, overlapping)
            .map_err(|error| error.to_string().replace(&at, "F"))
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
        refused(
            "[1",
            "F:2: is not a JSON object (invalid type: sequence, expected an object at line 1 column 0): one a line",
        );
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
             remove one, or use `--decoding nested`"
        );
        assert!(refusal(&crossing[..2], Mode::Nested).ends_with("remove one, or use `--decoding per_type`"));
        assert!(refusal(&same, Mode::PerType).ends_with("per-type decoding finds one of them at most: remove one"));
        let lines = line(&inside) + &line(&apart) + &line(&crossing);
        let data = read_with(&lines, AnnotationFormat::Text, Overlapping::Taken).expect("it reads");
        assert_eq!((data.examples.len(), data.notes.len()), (3, 1));
        assert!(data.notes[0].contains("data.jsonl:1: entities overlap here and in 1 more texts"), "{:?}", data.notes);
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

    /// What `save_to_disk` wrote (golden/spans, by oracle/spans.py): lists of structures, in both spellings.
    #[test]
    fn saved_data_sets() {
        let golden = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../golden/spans");
        for name in ["dataset", "dataset_dev"] {
            let folder = golden.join(name).display().to_string();
            let read = |format| {
                let nested = Overlapping::Refused(Mode::Nested);
                load(std::slice::from_ref(&folder), format, EVALUATED, nested).expect("it reads").examples
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
        let error = load(&[folder], AnnotationFormat::Text, &["dev"], Overlapping::Taken)
            .expect_err("there is none")
            .to_string();
        assert!(error.ends_with("holds no split called dev"), "{error}");
    }

    #[test]
    fn tags_become_spans_by_the_originals_machine() {
        let entity = |start, end, label: &str| Entity { start, end, label: label.into() };
        assert_eq!(bio(&["B-a", "I-b", "O", "I-c", "B-c"]), [entity(0, 2, "a"), entity(3, 4, "c"), entity(4, 5, "c")]);
        assert_eq!(bio(&["O", "B-x", "B-x"]), [entity(1, 2, "x"), entity(2, 3, "x")]);
    }
}
