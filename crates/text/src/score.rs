//! Precision, recall and F1 of predicted tags: per type, micro, macro, weighted; and accuracy.
//!
//! A [`Scorer`] reads sentence by sentence and keeps only [`Counts`]; [`Counts::score`] divides. Every figure equals that
//! of seqeval 1.2.2 to the last bit: the same operations in the same order, sums included.
//!
//! ```
//! use tagsmith_text::score::{Method, Scorer, ZeroDivision};
//! use tagsmith_text::labels::scheme::Style;
//!
//! let mut scorer = Scorer::new(Method::Conlleval(Style::Prefix));
//! scorer.add(&["B-PER", "O", "O", "B-LOC"], &["B-PER", "O", "O", "O"]).unwrap();
//! let score = scorer.score(ZeroDivision::Zero);
//! assert_eq!((score.micro.precision, score.micro.recall), (1.0, 0.5));
//! ```

pub mod error_detection;
pub mod numpy_sum;
pub mod table;

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde_json::{Map, Value};

use crate::labels::reading::{Rules, SpanReader};
use crate::labels::scheme::{self, Scheme, Span, Style, Tag, UNTYPED};
use tagsmith_message::Note;

/// The unit that is counted as one thing to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Entities by the forgiving rules of the CoNLL script, seqeval's default.
    Conlleval(Style),
    /// Entities by a scheme's strict rules.
    Strict(Scheme, Style),
    /// Words: a label is right or wrong by itself, as for parts of speech.
    Words,
}

impl Method {
    /// Returns conlleval where the labels are tags, and [`Method::Words`] with a note where they are not.
    pub fn for_labels<S: AsRef<str>>(labels: &[S], style: Style) -> (Method, Option<Note>) {
        let Some(label) = scheme::first_not_iob_like(labels, style) else { return (Method::Conlleval(style), None) };
        let note = format!(
            "the labels are not entity tags (`{label}` has no letter of a scheme), so words are scored, not entities"
        );
        (Method::Words, Some(Note::once(note)))
    }

    /// Returns the strict method of the scheme that the gold tags show, which the note names.
    ///
    /// # Errors
    /// Tags that show no scheme, or more than one.
    pub fn strict_detected<'a>(
        gold: impl IntoIterator<Item = &'a str>,
        style: Style,
    ) -> Result<(Method, Note), scheme::Error> {
        let scheme = Scheme::detect(gold, style)?;
        Ok((Method::Strict(scheme, style), Note::once(format!("the gold tags show the scheme {scheme}"))))
    }

    /// Returns how this method reads tags. `None` is for words, whose labels are not read as tags.
    pub fn reading(self) -> Option<(Rules, Style)> {
        match self {
            Method::Conlleval(style) => Some((Rules::Conlleval, style)),
            Method::Strict(scheme, style) => Some((Rules::Strict(scheme), style)),
            Method::Words => None,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Method::Conlleval(_) => f.write_str("conlleval"),
            Method::Strict(scheme, _) => write!(f, "strict {scheme}"),
            Method::Words => f.write_str("words"),
        }
    }
}

/// The value of a ratio without a denominator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ZeroDivision {
    /// 0, seqeval's default.
    #[default]
    Zero,
    /// 1.
    One,
}

impl ZeroDivision {
    fn value(self) -> f64 {
        match self {
            ZeroDivision::Zero => 0.0,
            ZeroDivision::One => 1.0,
        }
    }
}

/// The reason why a sentence cannot be scored.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// Gold and prediction have different numbers of labels.
    #[error("{gold} gold labels but {predicted} predicted ones")]
    Lengths {
        /// Gold labels of the sentence.
        gold: usize,
        /// Predicted labels of the sentence.
        predicted: usize,
    },
    /// The method cannot read a label.
    #[error(transparent)]
    Scheme(#[from] scheme::Error),
}

/// The numbers of right, predicted and gold entities of a type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Entities that are in prediction and gold alike.
    pub correct: u64,
    /// Entities in the prediction.
    pub predicted: u64,
    /// Entities in the gold.
    pub gold: u64,
}

impl Count {
    fn add(&mut self, other: Count) {
        self.correct += other.correct;
        self.predicted += other.predicted;
        self.gold += other.gold;
    }
}

/// The counts that a score is computed from. Counts of parts add up to the counts of the whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Types that occur in gold or prediction, by name in code point order.
    pub types: BTreeMap<String, Count>,
    /// Words scored.
    pub words: u64,
    /// Words whose label is right.
    pub correct_words: u64,
    /// Sentences scored.
    pub sentences: u64,
}

/// A reader of gold and predicted labels that counts.
#[derive(Clone, Debug)]
pub struct Scorer {
    method: Method,
    labels: Names,
    /// One tag a label, its type a number of `kinds`; in [`Method::Words`] the type is the label itself.
    tags: Vec<Option<Tag<u32>>>,
    kinds: Names,
    counts: Vec<Count>,
    words: u64,
    correct_words: u64,
    sentences: u64,
    gold: Side,
    predicted: Side,
}

/// Distinct texts, numbered as they come.
#[derive(Clone, Debug, Default)]
struct Names {
    names: Vec<String>,
    ids: HashMap<String, u32>,
}

impl Names {
    fn id(&mut self, name: &str) -> u32 {
        if let Some(id) = self.ids.get(name) {
            return *id;
        }
        let id = self.names.len() as u32;
        self.names.push(name.into());
        self.ids.insert(name.into(), id);
        id
    }
}

/// The number of [`UNTYPED`] among a scorer's kinds.
const UNTYPED_ID: u32 = 0;

/// The gold or the predicted half of a scorer, with buffers that outlive a sentence.
#[derive(Clone, Debug)]
struct Side {
    /// Reads tags; `None` where each word counts by itself.
    reader: Option<SpanReader<u32>>,
    tags: Vec<Tag<u32>>,
    spans: Vec<Span<u32>>,
}

impl Side {
    fn new(method: Method) -> Self {
        let reader = method.reading().map(|(rules, _)| SpanReader::new(rules, UNTYPED_ID));
        Side { reader, tags: Vec::new(), spans: Vec::new() }
    }

    /// Finds the sentence's entities; `Err` is the index of a label that the strict scheme does not know.
    fn read(&mut self) -> Result<(), usize> {
        self.spans.clear();
        let Some(reader) = &mut self.reader else {
            let word = |(start, tag): (usize, &Tag<u32>)| Span { kind: tag.kind, start, end: start + 1 };
            self.spans.extend(self.tags.iter().enumerate().map(word));
            return Ok(());
        };
        reader.sentence(&self.tags, &mut self.spans)
    }
}

impl Scorer {
    /// Returns a scorer that learns its labels as they come.
    pub fn new(method: Method) -> Self {
        let mut kinds = Names::default();
        assert_eq!(kinds.id(UNTYPED), UNTYPED_ID);
        Scorer {
            method,
            labels: Names::default(),
            tags: Vec::new(),
            kinds,
            counts: vec![Count::default()],
            words: 0,
            correct_words: 0,
            sentences: 0,
            gold: Side::new(method),
            predicted: Side::new(method),
        }
    }

    /// Returns a scorer whose label ids are indices into `labels`, which are distinct.
    pub fn with_labels<S: AsRef<str>>(method: Method, labels: &[S]) -> Self {
        let mut scorer = Scorer::new(method);
        for (index, label) in labels.iter().enumerate() {
            let id = scorer.label_id(label.as_ref());
            assert_eq!(id as usize, index, "scorer: the label `{}` is listed twice", label.as_ref());
        }
        scorer
    }

    /// Returns the method of this scorer.
    pub fn method(&self) -> Method {
        self.method
    }

    /// Returns the number of a label, for [`Scorer::add_ids`].
    pub fn label_id(&mut self, label: &str) -> u32 {
        let id = self.labels.id(label);
        if id as usize == self.tags.len() {
            let tag = match self.method.reading() {
                Some((rules, style)) => rules.tag(label, style),
                None => Some(Tag { letter: 'O', kind: label }),
            };
            self.tags.push(tag.map(|Tag { letter, kind }| Tag { letter, kind: self.kinds.id(kind) }));
            self.counts.resize(self.kinds.names.len(), Count::default());
        }
        id
    }

    /// Counts one sentence of label texts.
    ///
    /// # Errors
    /// Different numbers of labels; a label that the method cannot read.
    pub fn add<S: AsRef<str>>(&mut self, gold: &[S], predicted: &[S]) -> Result<(), Error> {
        let gold: Vec<u32> = gold.iter().map(|label| self.label_id(label.as_ref())).collect();
        let predicted: Vec<u32> = predicted.iter().map(|label| self.label_id(label.as_ref())).collect();
        self.add_ids(&gold, &predicted)
    }

    /// Counts one sentence of label ids. A sentence that is refused is not counted at all.
    ///
    /// # Errors
    /// Different numbers of labels; a label that the method cannot read.
    ///
    /// # Panics
    /// On an id that is not of this scorer.
    pub fn add_ids(&mut self, gold: &[u32], predicted: &[u32]) -> Result<(), Error> {
        if gold.len() != predicted.len() {
            return Err(Error::Lengths { gold: gold.len(), predicted: predicted.len() });
        }
        for (side, ids) in [(&mut self.gold, gold), (&mut self.predicted, predicted)] {
            side.tags.clear();
            for id in ids {
                side.tags.push(self.tags[*id as usize].ok_or(scheme::Error::Empty)?);
            }
        }
        self.gold.read().map_err(|at| self.foreign(gold[at]))?;
        self.predicted.read().map_err(|at| self.foreign(predicted[at]))?;
        self.count_spans();
        self.words += gold.len() as u64;
        self.correct_words += gold.iter().zip(predicted).filter(|(gold, predicted)| gold == predicted).count() as u64;
        self.sentences += 1;
        Ok(())
    }

    fn foreign(&self, label: u32) -> Error {
        let Method::Strict(scheme, _) = self.method else { unreachable!("only strict schemes refuse letters") };
        scheme::Error::Letter { tag: self.labels.names[label as usize].clone(), scheme }.into()
    }

    /// Counts the sentence's spans. No two spans of one side end at the same word, and each side is in order. One walk
    /// over both therefore finds the common ones.
    fn count_spans(&mut self) {
        for span in &self.gold.spans {
            self.counts[span.kind as usize].gold += 1;
        }
        let mut gold = self.gold.spans.iter().peekable();
        for span in &self.predicted.spans {
            let count = &mut self.counts[span.kind as usize];
            count.predicted += 1;
            while gold.next_if(|gold| gold.end < span.end).is_some() {}
            if gold.peek() == Some(&span) {
                count.correct += 1;
            }
        }
    }

    /// Returns the counts so far.
    pub fn counts(&self) -> Counts {
        let seen = |(name, count): (&String, &Count)| (*count != Count::default()).then(|| (name.clone(), *count));
        Counts {
            types: self.kinds.names.iter().zip(&self.counts).filter_map(seen).collect(),
            words: self.words,
            correct_words: self.correct_words,
            sentences: self.sentences,
        }
    }

    /// Returns the score of all sentences so far, with this scorer's notes.
    pub fn score(&self, zero_division: ZeroDivision) -> Score {
        let mut score = self.counts().score(zero_division);
        score.notes.extend(self.label_notes());
        score
    }

    /// Returns notes about labels that the conlleval rules read in another way than their writer meant.
    fn label_notes(&self) -> Vec<Note> {
        let Method::Conlleval(style) = self.method else { return Vec::new() };
        let mut misread = Note::new("labels are not B, I, E, S or O tags, and the conlleval rules misread them");
        let mut unknown = Note::new(
            "labels have a letter that the conlleval rules lack: neighbors merge or get lost, score strictly",
        );
        for label in &self.labels.names {
            let with_outside = [label.as_str(), "O"];
            let Some(tag) = Tag::conlleval(label, style).filter(|_| label != "O") else { continue };
            if !scheme::is_iob_like(&with_outside, style) {
                misread.add(|| match tag.letter {
                    'O' | '.' => format!("`{label}` never counts"),
                    letter => format!("`{label}` is letter `{letter}`, type `{}`", tag.kind),
                });
            } else if matches!(tag.letter, 'L' | 'U') {
                unknown.add(|| format!("`{label}`"));
            }
        }
        [misread, unknown].into_iter().filter(|note| note.count > 0).collect()
    }
}

impl Counts {
    /// Adds the counts of other sentences.
    ///
    /// Parts counted apart equal the whole counted at once, as long as the labels are tags: see
    /// [`Conlleval`](scheme::Conlleval).
    pub fn merge(&mut self, other: &Counts) {
        for (name, count) in &other.types {
            self.types.entry(name.clone()).or_default().add(*count);
        }
        self.words += other.words;
        self.correct_words += other.correct_words;
        self.sentences += other.sentences;
    }

    /// Returns the score of the counts.
    ///
    /// With no type at all, macro and weighted averages are what `zero_division` says (seqeval: not a number).
    pub fn score(&self, zero_division: ZeroDivision) -> Score {
        let types: Vec<TypeScore> = self
            .types
            .iter()
            .map(|(name, count)| TypeScore {
                name: name.clone(),
                metrics: Metrics::of(*count, zero_division),
                support: count.gold,
            })
            .collect();
        let mut total = Count::default();
        for count in self.types.values() {
            total.add(*count);
        }
        Score {
            micro: Metrics::of(total, zero_division),
            macro_average: macro_average(&types, zero_division),
            weighted: weighted_average(&types, total, zero_division),
            accuracy: ratio(self.correct_words, self.words, zero_division),
            support: total.gold,
            words: self.words,
            sentences: self.sentences,
            notes: self.notes(zero_division),
            types,
        }
    }

    /// Returns notes about ratios without a denominator.
    fn notes(&self, zero_division: ZeroDivision) -> Vec<Note> {
        if self.words == 0 {
            return vec![Note::once("no word was scored")];
        }
        type Number = fn(&Count) -> u64;
        let precision: (_, _, Number) = ("precision", "predicted", |count| count.predicted);
        let recall: (_, _, Number) = ("recall", "gold", |count| count.gold);
        let value = zero_division.value();
        let mut notes = Vec::new();
        for (ratio, side, number) in [precision, recall] {
            let absent: Vec<_> = self
                .types
                .iter()
                .filter(|(_, count)| number(count) == 0)
                .map(|(name, _)| format!("`{name}`"))
                .collect();
            if absent.len() == self.types.len() {
                notes.push(Note::once(format!("nothing is {side}, so {ratio} counts as {value}")));
            } else if !absent.is_empty() {
                let names = absent.join(", ");
                notes.push(Note::once(format!("types never {side}, whose {ratio} counts as {value}: {names}")));
            }
        }
        notes
    }
}

/// Precision, recall and F1, each from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metrics {
    /// The share of what was predicted that is right.
    pub precision: f64,
    /// The share of the gold that was found.
    pub recall: f64,
    /// The harmonic mean of both.
    pub f1: f64,
}

impl Metrics {
    fn of(count: Count, zero_division: ZeroDivision) -> Self {
        let precision = ratio(count.correct, count.predicted, zero_division);
        let recall = ratio(count.correct, count.gold, zero_division);
        let sum = precision + recall;
        let f1 = 2.0 * precision * recall / if sum == 0.0 { 1.0 } else { sum };
        Metrics { precision, recall, f1 }
    }

    fn map(get: impl Fn(fn(&Metrics) -> f64) -> f64) -> Self {
        Metrics { precision: get(|m| m.precision), recall: get(|m| m.recall), f1: get(|m| m.f1) }
    }

    fn all(value: f64) -> Self {
        Metrics { precision: value, recall: value, f1: value }
    }
}

/// The metrics of one type.
#[derive(Clone, Debug, PartialEq)]
pub struct TypeScore {
    /// The type's name; with [`Method::Words`] the label.
    pub name: String,
    /// The type's precision, recall and F1.
    pub metrics: Metrics,
    /// The number of entities in the gold.
    pub support: u64,
}

/// The figures of an evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// Types in gold or prediction, in code point order.
    pub types: Vec<TypeScore>,
    /// Figures from the sums over all types: the `overall_` figures.
    pub micro: Metrics,
    /// The plain mean over types.
    pub macro_average: Metrics,
    /// The mean over types, weighted by support.
    pub weighted: Metrics,
    /// The share of words with the right label.
    pub accuracy: f64,
    /// Things to find in the gold, all types together.
    pub support: u64,
    /// Words scored.
    pub words: u64,
    /// Sentences scored.
    pub sentences: u64,
    /// Ratios without a denominator, labels read in an unexpected way.
    pub notes: Vec<Note>,
}

impl Score {
    /// The metrics that run_ner.py reports, in its order and without a prefix: `precision`, `recall`, `f1`, `accuracy`.
    /// At entity level they are four for each type and then the same with `overall_` before them.
    pub fn metrics(&self, entity_level: bool) -> Map<String, Value> {
        let mut map = Map::new();
        let overall = if entity_level { "overall_" } else { "" };
        if entity_level {
            for TypeScore { name, metrics, support } in &self.types {
                map.insert(format!("{name}_precision"), metrics.precision.into());
                map.insert(format!("{name}_recall"), metrics.recall.into());
                map.insert(format!("{name}_f1"), metrics.f1.into());
                map.insert(format!("{name}_number"), (*support).into());
            }
        }
        map.insert(format!("{overall}precision"), self.micro.precision.into());
        map.insert(format!("{overall}recall"), self.micro.recall.into());
        map.insert(format!("{overall}f1"), self.micro.f1.into());
        map.insert(format!("{overall}accuracy"), self.accuracy.into());
        map
    }
}

fn ratio(part: u64, whole: u64, zero_division: ZeroDivision) -> f64 {
    if whole == 0 { zero_division.value() } else { part as f64 / whole as f64 }
}

fn macro_average(types: &[TypeScore], zero_division: ZeroDivision) -> Metrics {
    if types.is_empty() {
        return Metrics::all(zero_division.value());
    }
    Metrics::map(|get| {
        let values: Vec<f64> = types.iter().map(|kind| get(&kind.metrics)).collect();
        numpy_sum::sum(&values) / values.len() as f64
    })
}

fn weighted_average(types: &[TypeScore], total: Count, zero_division: ZeroDivision) -> Metrics {
    if total.gold == 0 {
        // seqeval: without gold, recall is what zero_division says, and so is the rest unless something was predicted.
        let rest = if total.predicted == 0 { zero_division.value() } else { 0.0 };
        return Metrics { precision: rest, recall: zero_division.value(), f1: rest };
    }
    Metrics::map(|get| {
        let values: Vec<f64> = types.iter().map(|kind| get(&kind.metrics) * kind.support as f64).collect();
        numpy_sum::sum(&values) / total.gold as f64
    })
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;
    use crate::score::table;

    /// Random corpora and what seqeval 1.2.2 (words: scikit-learn 1.9) says of them, written by `oracle/score.py`.
    const DEFAULT: &str = include_str!("../../../golden/score/default.jsonl");
    const STRICT: &str = include_str!("../../../golden/score/strict.jsonl");
    const WORDS: &str = include_str!("../../../golden/score/words.jsonl");

    fn cases(text: &str) -> Vec<Value> {
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn method(case: &Value) -> Method {
        let style = if case["style"] == "suffix" { Style::Suffix } else { Style::Prefix };
        match case["scheme"].as_str() {
            Some(name) => Method::Strict(Scheme::named(name).unwrap(), style),
            None if case["style"].is_null() => Method::Words,
            None => Method::Conlleval(style),
        }
    }

    fn zero_division(case: &Value) -> ZeroDivision {
        if case["zero_division"] == 1 { ZeroDivision::One } else { ZeroDivision::Zero }
    }

    type Sentences = Vec<(Vec<String>, Vec<String>)>;

    fn sentences(case: &Value) -> Sentences {
        let side = |name: &str| -> Vec<Vec<String>> {
            let lines = case[name].as_array().unwrap();
            lines.iter().map(|line| line.as_str().unwrap().split_whitespace().map(String::from).collect()).collect()
        };
        side("gold").into_iter().zip(side("predicted")).collect()
    }

    fn score(method: Method, sentences: &Sentences, zero_division: ZeroDivision) -> Score {
        let mut scorer = Scorer::new(method);
        for (gold, predicted) in sentences {
            scorer.add(gold, predicted).unwrap();
        }
        scorer.score(zero_division)
    }

    /// The first figure of the case that the score does not have, within `ulps` units in the last place.
    fn difference(case: &Value, score: &Score, ulps: u64) -> Option<String> {
        let same = |expected: &Value, found: f64| {
            let expected: f64 = expected.as_str().unwrap().parse().unwrap();
            expected.to_bits().abs_diff(found.to_bits()) <= ulps
        };
        let row = |expected: &[Value], metrics: Metrics, support: u64| {
            same(&expected[0], metrics.precision)
                && same(&expected[1], metrics.recall)
                && same(&expected[2], metrics.f1)
                && expected[3] == support
        };
        for (name, metrics) in [("micro", score.micro), ("macro", score.macro_average), ("weighted", score.weighted)] {
            if let Some(expected) = case[name].as_array()
                && !row(expected, metrics, score.support)
            {
                return Some(format!("{name}: {metrics:?} is not {expected:?}"));
            }
        }
        if let Some(expected) = case["types"].as_array() {
            let fits = |(expected, kind): (&Value, &TypeScore)| {
                expected[0] == kind.name && row(&expected.as_array().unwrap()[1..], kind.metrics, kind.support)
            };
            if expected.len() != score.types.len() || !expected.iter().zip(&score.types).all(fits) {
                return Some(format!("types: {:?} are not {expected:?}", score.types));
            }
        }
        if let Some(expected) = case["text"].as_str() {
            let found = table::table(score, case["digits"].as_u64().unwrap() as usize);
            if found != expected {
                return Some(format!("text: {found}"));
            }
        }
        (!same(&case["accuracy"], score.accuracy)).then(|| format!("accuracy: {}", score.accuracy))
    }

    fn check_all(text: &str, count: usize, ulps: u64) {
        let cases = cases(text);
        assert_eq!(cases.len(), count);
        for (index, case) in cases.iter().enumerate() {
            let score = score(method(case), &sentences(case), zero_division(case));
            assert_eq!(difference(case, &score, ulps), None, "line {}: {case}", index + 1);
        }
    }

    #[test]
    fn default_mode_equals_seqeval_to_the_last_bit() {
        check_all(DEFAULT, 151, 0);
    }

    #[test]
    fn strict_mode_equals_seqeval_to_the_last_bit() {
        check_all(STRICT, 150, 0);
    }

    #[test]
    fn words_are_scored_as_scikit_learn_scores_them() {
        // Its F1 is 2·tp / (predicted + gold), which rounds otherwise.
        check_all(WORDS, 40, 4);
    }

    /// How many cases tell that a wrong way of scoring is wrong.
    fn telling(text: &str, wrong: impl Fn(&Value) -> Score) -> usize {
        cases(text).iter().filter(|case| difference(case, &wrong(case), 4).is_some()).count()
    }

    #[test]
    fn the_corpora_reject_wrong_twins() {
        type Twin<'a> = &'a dyn Fn(&Value) -> Score;
        let twins: [(&str, &str, Twin); 6] = [
            ("strict falls back to default", STRICT, &|case| {
                let Method::Strict(.., style) = method(case) else { panic!("no strict case") };
                score(Method::Conlleval(style), &sentences(case), zero_division(case))
            }),
            ("entities cross sentences", DEFAULT, &|case| {
                let mut joined = (Vec::new(), Vec::new());
                for (gold, predicted) in sentences(case) {
                    joined.0.extend(gold);
                    joined.1.extend(predicted);
                }
                score(method(case), &vec![joined], zero_division(case))
            }),
            ("macro over the gold's types only", DEFAULT, &|case| {
                let mut score = score(method(case), &sentences(case), zero_division(case));
                let gold: Vec<_> = score.types.iter().filter(|kind| kind.support > 0).cloned().collect();
                score.macro_average = macro_average(&gold, zero_division(case));
                score
            }),
            ("the type is ignored", DEFAULT, &|case| {
                let untyped = |tags: Vec<String>| tags.iter().map(|tag| tag.replace("LOC", "PER")).collect();
                let merged = sentences(case).into_iter().map(|(a, b)| (untyped(a), untyped(b))).collect();
                score(method(case), &merged, zero_division(case))
            }),
            ("gold and prediction swapped", DEFAULT, &|case| {
                let swapped = sentences(case).into_iter().map(|(gold, predicted)| (predicted, gold)).collect();
                score(method(case), &swapped, zero_division(case))
            }),
            ("the other zero division", DEFAULT, &|case| {
                let other = if case["zero_division"] == 1 { ZeroDivision::Zero } else { ZeroDivision::One };
                score(method(case), &sentences(case), other)
            }),
        ];
        for (twin, text, wrong) in twins {
            let telling = telling(text, wrong);
            assert!(telling >= 10, "{twin}: only {telling} corpora tell");
        }
    }

    #[test]
    fn sums_are_in_numpys_order() {
        // A plain sum from left to right differs in the last bit on some corpora with eight or more types.
        let plain = |case: &Value| {
            let mut score = score(method(case), &sentences(case), zero_division(case));
            let types = &score.types;
            score.macro_average =
                Metrics::map(|get| types.iter().map(|kind| get(&kind.metrics)).sum::<f64>() / types.len() as f64);
            score
        };
        let telling = cases(DEFAULT).iter().filter(|case| difference(case, &plain(case), 0).is_some()).count();
        assert!(telling >= 2, "only {telling} corpora tell");
    }

    fn check(method: Method, gold: &str, predicted: &str, expected: Expect) {
        let split = |text: &str| -> Vec<Vec<String>> {
            text.split(" / ").map(|line| line.split_whitespace().map(String::from).collect()).collect()
        };
        let sentences: Sentences = split(gold).into_iter().zip(split(predicted)).collect();
        let score = score(method, &sentences, ZeroDivision::Zero);
        let Metrics { precision, recall, f1 } = score.micro;
        let notes: String = score.notes.iter().map(|note| format!("\n{note}")).collect();
        expected.assert_eq(&format!("{precision:.3} {recall:.3} {f1:.3} {:.3}{notes}", score.accuracy));
    }

    const CONLLEVAL: Method = Method::Conlleval(Style::Prefix);

    #[test]
    fn a_score_tells_what_it_could_not_measure() {
        // The figures follow from counting by hand.
        check(CONLLEVAL, "B-A O / B-A", "B-A O / I-A", expect!["1.000 1.000 1.000 0.667"]);
        check(
            CONLLEVAL,
            "O O",
            "O O",
            expect![[r#"
                0.000 0.000 0.000 1.000
                nothing is predicted, so precision counts as 0
                nothing is gold, so recall counts as 0"#]],
        );
        check(
            CONLLEVAL,
            "B-A B-A B-C",
            "B-A B-D O",
            expect![[r#"
                0.500 0.333 0.400 0.333
                types never predicted, whose precision counts as 0: `C`
                types never gold, whose recall counts as 0: `D`"#]],
        );
        check(
            CONLLEVAL,
            "NOUN U-A L-A ORG",
            "NOUN U-A L-A ORG",
            expect![[r#"
                1.000 1.000 1.000 1.000
                2 labels are not B, I, E, S or O tags, and the conlleval rules misread them (`NOUN` is letter `N`, type `OUN`, `ORG` never counts)
                2 labels have a letter that the conlleval rules lack: neighbors merge or get lost, score strictly (`U-A`, `L-A`)"#]],
        );
        check(CONLLEVAL, "", "", expect!["0.000 0.000 0.000 0.000\nno word was scored"]);
    }

    #[test]
    fn the_method_follows_the_labels() {
        assert_eq!(Method::for_labels(&["O", "B-A"], Style::Prefix), (CONLLEVAL, None));
        let (method, note) = Method::for_labels(&["NOUN", "O"], Style::Prefix);
        assert_eq!(method, Method::Words);
        expect!["the labels are not entity tags (`NOUN` has no letter of a scheme), so words are scored, not entities"]
            .assert_eq(&note.unwrap().to_string());
        let (method, note) = Method::strict_detected(["O", "S-A", "E-A", "B-A"], Style::Prefix).unwrap();
        assert_eq!(method, Method::Strict(Scheme::Iobes, Style::Prefix));
        expect!["the gold tags show the scheme IOBES"].assert_eq(&note.to_string());
        assert!(Method::strict_detected(["O", "I-A"], Style::Prefix).is_err());
    }

    #[test]
    fn a_refused_sentence_leaves_no_trace() {
        let mut scorer = Scorer::new(Method::Strict(Scheme::Iob2, Style::Prefix));
        assert_eq!(scorer.add(&["O", "O"], &["O"]), Err(Error::Lengths { gold: 2, predicted: 1 }));
        let error = scorer.add(&["B-A"], &["U-A"]).unwrap_err();
        expect!["the tag `U-A` does not belong to IOB2, whose letters are I O B"].assert_eq(&error.to_string());
        assert_eq!(scorer.add(&["O"], &[""]), Err(Error::Scheme(scheme::Error::Empty)));
        assert_eq!(scorer.counts(), Counts::default());
    }

    #[test]
    fn metrics_have_the_names_and_the_order_of_run_ner() {
        let mut scorer = Scorer::with_labels(CONLLEVAL, &["O", "B-PER", "B-LOC"]);
        scorer.add_ids(&[1, 0, 2, 2], &[1, 0, 0, 1]).unwrap();
        let score = scorer.score(ZeroDivision::Zero);
        let text = |entity_level| serde_json::to_string(&score.metrics(entity_level)).unwrap();
        expect![[r#"{"precision":0.5,"recall":0.3333333333333333,"f1":0.4,"accuracy":0.5}"#]].assert_eq(&text(false));
        expect![[r#"{"LOC_precision":0.0,"LOC_recall":0.0,"LOC_f1":0.0,"LOC_number":2,"PER_precision":0.5,"PER_recall":1.0,"PER_f1":0.6666666666666666,"PER_number":1,"overall_precision":0.5,"overall_recall":0.3333333333333333,"overall_f1":0.4,"overall_accuracy":0.5}"#]]
            .assert_eq(&text(true));
        expect![[r#"{"method":"conlleval","types":{"LOC":{"precision":0.0,"recall":0.0,"f1":0.0,"number":2},"PER":{"precision":0.5,"recall":1.0,"f1":0.6666666666666666,"number":1}},"overall_precision":0.5,"overall_recall":0.3333333333333333,"overall_f1":0.4,"overall_accuracy":0.5,"macro":{"precision":0.25,"recall":0.5,"f1":0.3333333333333333},"weighted":{"precision":0.16666666666666666,"recall":0.3333333333333333,"f1":0.2222222222222222},"number":3,"words":4,"sentences":1}"#]]
            .assert_eq(&table::json(&score, scorer.method()).to_string());
    }

    #[test]
    fn a_report_without_types_has_the_averages() {
        expect![[r#"
                          precision    recall  f1-score   support


               micro avg       0.00      0.00      0.00         0
               macro avg       0.00      0.00      0.00         0
            weighted avg       0.00      0.00      0.00         0
        "#]]
        .assert_eq(&table::table(&Counts::default().score(ZeroDivision::Zero), 2));
    }

    fn corpora() -> impl Strategy<Value = Sentences> {
        let tag = || prop::sample::select(vec!["O", "B-A", "I-A", "I-C", "E-C", "S-A"]).prop_map(String::from);
        let sentence = prop::collection::vec((tag(), tag()), 0..7).prop_map(|pairs| pairs.into_iter().unzip());
        prop::collection::vec(sentence, 0..6)
    }

    proptest! {
        #[test]
        fn counts_of_parts_add_up_in_any_order(sentences in corpora(), at in 0usize..6) {
            let counts = |sentences: &[(Vec<String>, Vec<String>)]| {
                let mut scorer = Scorer::new(CONLLEVAL);
                for (gold, predicted) in sentences {
                    scorer.add(gold, predicted).unwrap();
                }
                scorer.counts()
            };
            let (first, second) = sentences.split_at(at.min(sentences.len()));
            let mut merged = counts(second);
            merged.merge(&counts(first));
            prop_assert_eq!(merged, counts(&sentences));
        }

        #[test]
        fn a_perfect_prediction_scores_one(sentences in corpora()) {
            let perfect: Sentences = sentences.into_iter().map(|(gold, _)| (gold.clone(), gold)).collect();
            let score = score(CONLLEVAL, &perfect, ZeroDivision::One);
            prop_assert!(score.types.iter().all(|kind| kind.metrics == Metrics::all(1.0)));
            prop_assert_eq!(score.accuracy, 1.0);
        }
    }
}
