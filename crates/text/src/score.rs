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

pub mod analysis;
pub mod bootstrap;
pub mod calibration;
pub mod confusion;
mod draws;
pub mod error_classes;
pub mod error_detection;
pub mod lengths;
pub mod matching;
mod method;
mod metrics;
pub mod numpy_sum;
pub mod paired;
pub mod seen;
pub mod semeval;
pub mod table;
#[cfg(test)]
mod tests;
pub mod units;

use crate::labels::reading::SpanReader;
use crate::labels::scheme::{self, Span, Tag, UNTYPED};
use std::collections::HashMap;
use tagsmith_message::{Note, counted};

use crate::score::matching::Found;
pub use crate::score::method::Method;
pub use crate::score::metrics::{Count, Counts, Metrics, Score, TypeScore, ZeroDivision};

/// The reason why a sentence cannot be scored.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// Gold and prediction have different numbers of labels.
    #[error("{} but {}", counted(*.gold, "gold label"), counted(*.predicted, "predicted label"))]
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
    /// Words, and right ones, of the last sentence.
    last: (usize, usize),
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

    /// Counts the words of entities from the sentence's first, which has `before` places before it. Odd letters can end an
    /// entity that never began. Such an entity then begins where the one before it ends.
    fn count_from_the_sentence(&mut self, before: usize) {
        let mut free = 0;
        for span in &mut self.spans {
            (span.start, span.end) = (span.start.saturating_sub(before).max(free), span.end - before);
            free = span.end;
        }
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
            last: (0, 0),
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

    /// Returns a scorer that has counted nothing yet, with this scorer's numbers of labels and types.
    #[must_use]
    pub fn emptied(&self) -> Scorer {
        Scorer {
            labels: self.labels.clone(),
            tags: self.tags.clone(),
            kinds: self.kinds.clone(),
            counts: vec![Count::default(); self.counts.len()],
            ..Scorer::new(self.method)
        }
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
        let correct = gold.iter().zip(predicted).filter(|(gold, predicted)| gold == predicted).count();
        let before = match self.method {
            Method::Conlleval(_) => (self.words + self.sentences) as usize,
            Method::Strict(..) | Method::Words => 0,
        };
        self.gold.count_from_the_sentence(before);
        self.predicted.count_from_the_sentence(before);
        self.last = (gold.len(), correct);
        self.words += gold.len() as u64;
        self.correct_words += correct as u64;
        self.sentences += 1;
        Ok(())
    }

    /// Returns the entities of the sentence that was counted last, with types as places in [`Scorer::kinds`].
    pub fn found(&self) -> Found<'_> {
        let (words, correct) = self.last;
        Found::new(&self.gold.spans, &self.predicted.spans, words, correct)
    }

    /// Returns the names of the types so far.
    pub fn kinds(&self) -> &[String] {
        &self.kinds.names
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
        let mut misread = Note::new(
            "{label is not a B, I, E, S or O tag|labels are not B, I, E, S or O tags}, and the conlleval rules misread \
             {it|them}",
        )
        .important();
        let mut unknown = Note::new(
            "{label has|labels have} a letter that the conlleval rules lack: neighbors merge or get lost, score strictly",
        )
        .important();
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
