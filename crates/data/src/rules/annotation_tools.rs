//! What annotation tools write and no reader of words takes: entities that count characters, and numbered labels.

use crate::error::Error;
use serde_json::{Map, Value};
use tagsmith_message::{Remedy, quote};
use tagsmith_text::labels::scheme::{Style, is_stray};

/// Returns what a record is and how it can be read, if a known tool writes such records.
pub(crate) fn recognized(record: &Map<String, Value>) -> Option<(String, &'static str)> {
    let has = |key: &str| record.contains_key(key);
    let is_text = |key: &str| record.get(key).is_some_and(Value::is_string);
    let objects = |key: &str, fields: &[&str]| {
        let Some(items) = record.get(key).and_then(Value::as_array) else { return false };
        let fits = |item: &Value| fields.iter().all(|field| item.get(field).is_some());
        !items.is_empty() && items.iter().all(fits)
    };
    let is_triple = |item: &Value| {
        let is_number = |place: usize| item.get(place).is_some_and(Value::is_u64);
        item.as_array().is_some_and(|item| item.len() >= 3) && is_number(0) && is_number(1)
    };
    let triples = |key: &str| {
        let items = record.get(key).and_then(Value::as_array);
        items.is_some_and(|items| !items.is_empty() && items.iter().all(is_triple))
    };
    let empty = |key: &str| record.get(key).and_then(Value::as_array).is_some_and(Vec::is_empty);
    let of_triples = record.keys().map(String::as_str).find(|key| triples(key)).unwrap_or_default();
    let is_some_text = record.values().any(Value::is_string);
    let (tool, key, counts) = if is_text("text") && objects("entities", &["start_offset", "end_offset"]) {
        ("doccano's JSON", "entities", CHARACTERS)
    } else if is_text("text") && (triples("label") || triples("labels")) {
        ("doccano's JSON", if has("label") { "label" } else { "labels" }, CHARACTERS)
    } else if is_text("text") && has("relations") && empty("entities") {
        ("doccano's JSON", "entities", CHARACTERS)
    } else if is_text("text") && triples("entities") {
        ("spaCy's older JSON", "entities", CHARACTERS)
    } else if is_text("text") && objects("annotations", &["start_offset", "end_offset"]) {
        ("doccano's JSON", "annotations", CHARACTERS)
    } else if objects("documents", &["passages"]) {
        ("BioC's JSON", "documents", CHARACTERS)
    } else if objects("paragraphs", &["sentences"]) || objects("paragraphs", &["raw"]) {
        ("spaCy's training JSON", "paragraphs", NESTED)
    } else if objects("annotations", &["result"]) || has("data") && has("annotations") {
        ("Label Studio's JSON", "annotations", CHARACTERS)
    } else if is_text("text") && objects("label", &["start", "end"]) {
        ("Label Studio's JSON_MIN", "label", CHARACTERS)
    } else if is_text("text") && (objects("spans", &["start", "end"]) || has("spans") && objects("tokens", &["text"])) {
        ("Prodigy's JSON", "spans", CHARACTERS)
    } else if is_text("text") && objects("entities", &["start", "end"]) {
        ("a text with entities", "entities", CHARACTERS)
    } else if has("tokenized_text") && (triples("ner") || empty("ner")) {
        ("GLiNER's JSON", "ner", WORDS)
    } else if has("tokens") && objects("entities", &["start", "end", "type"]) {
        ("SpERT's JSON (CoNLL-04)", "entities", WORDS)
    } else if has("sentences") && has("ner") {
        ("DyGIE's JSON (SciERC)", "ner", WORDS)
    } else if is_some_text && !of_triples.is_empty() && !has("tokens") {
        ("a text with entities", of_triples, CHARACTERS)
    } else if has("text") && (has("char_spans") || has("spans_char")) && !has("tokens") {
        ("the data of a span tagger", "char_spans", CHARACTERS)
    } else {
        return None;
    };
    let (what, remedy) = counts;
    Some((format!("this is {tool}: `{key}` {what}, and words with a tag each are needed"), remedy))
}

/// What spans of characters are, and what to do.
const CHARACTERS: (&str, &str) = (
    "marks entities by places of characters",
    "cut each text into words, and write {\"tokens\": [\"Jo\", \"ran\"], \"ner_tags\": [\"B-PER\", \"O\"]}",
);

/// What tokens in nested objects are, and what to do.
const NESTED: (&str, &str) = (
    "holds an object for each token",
    "write an object for each sentence, {\"tokens\": [\"Jo\", \"ran\"], \"ner_tags\": [\"B-PER\", \"O\"]}",
);

/// What spans of words are, and what to do.
const WORDS: (&str, &str) = (
    "marks entities by places of words",
    "write {\"tokens\": [\"Jo\", \"ran\"], \"token_spans\": [{\"start\": 0, \"end\": 1, \"label\": \"PER\"}]}, where `end` is one past the last word",
);

/// What a file of WebAnno's and INCEpTION's own format begins with.
///
/// # Source
/// INCEpTION's description of WebAnno TSV 3: every file begins with this header.
const WEBANNO: &str = "#FORMAT=WebAnno TSV";

/// Returns whether a comment says that the file is one of WebAnno or INCEpTION.
pub(crate) fn is_webanno(comment: &str) -> bool {
    comment.starts_with(WEBANNO)
}

/// WebAnno's marks of words without an annotation, and of annotations without a value.
const MARKS: [&str; 2] = ["_", "*"];

/// Returns the number in `names` of the first label that only WebAnno writes. The file says that it is WebAnno's.
pub(crate) fn label_of_webanno<S: AsRef<str>>(names: &[S]) -> Option<usize> {
    names.iter().map(AsRef::as_ref).position(|name| MARKS.contains(&name) || is_numbered(name))
}

/// Returns the number in `names` of the first label such as `PER[1]`, if the labels are WebAnno's in a file without its
/// header. There is a mark of words outside, too, as classes of words have none.
pub(crate) fn numbered_label<S: AsRef<str>>(names: &[S]) -> Option<usize> {
    let mut names = names.iter().map(AsRef::as_ref);
    let has_outside = names.clone().any(|name| name == "O" || MARKS.contains(&name));
    names.position(is_numbered).filter(|_| has_outside)
}

/// Returns whether a label ends in a number in brackets.
///
/// # Source
/// The WebAnno TSV 3 format: an annotation of several words, or one of several at a word, has such a number.
fn is_numbered(name: &str) -> bool {
    let number = name.strip_suffix(']').and_then(|name| name.rsplit_once('['));
    let is_number = |number: &str| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    number.is_some_and(|(kind, number)| !kind.is_empty() && is_number(number)) && is_stray(name, Style::Prefix)
}

/// Returns the error of a label that WebAnno or INCEpTION wrote.
pub(crate) fn of_webanno(place: impl Into<String>, label: &str) -> Error {
    let what = match label {
        "" => "a label is empty".to_owned(),
        "_" => "the label `_` marks words without an annotation".to_owned(),
        "*" => "the label `*` marks an annotation without a value".to_owned(),
        label => format!("the label {} has a number, which all words of an annotation share", quote(label)),
    };
    let act = "export as CoNLL 2002 instead, or write `B-PER` at an annotation's first word, `I-PER` at the others and \
               `O` for `_`";
    Error::content(place, format!("{what}: the file is WebAnno TSV, as WebAnno and INCEpTION write it"))
        .with_remedy(Remedy::to_do(act))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The labels of the examples in INCEpTION's description of the format, and labels that only look like them.
    #[test]
    fn numbered_labels_are_those_of_webanno() {
        for (labels, want) in [
            (&["_", "PER", "LOC[1]"][..], Some(2)),
            (&["PER[1]", "O", "PER[2]"], Some(0)),
            (&["*", "PER[3]|PERpart[4]", "_"], Some(1)),
            (&["_", "PER"], None),
            // No mark of words outside: classes of words may be called anything.
            (&["NOUN[1]", "VERB[2]"], None),
            (&["O", "B-PER[1]"], None),
            (&["O", "PER[a]", "[1]", "PER[]", "PER[1", "1]"], None),
        ] {
            assert_eq!(numbered_label(labels), want, "{labels:?}");
        }
    }
}
