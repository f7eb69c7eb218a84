//! Counts, and the figures that they give.

use crate::score::numpy_sum;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use tagsmith_message::{Note, Wording};

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
    pub(super) fn value(self) -> f64 {
        match self {
            ZeroDivision::Zero => 0.0,
            ZeroDivision::One => 1.0,
        }
    }
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
    /// Adds the count of other sentences.
    pub fn add(&mut self, other: Count) {
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

impl Counts {
    /// Adds the counts of other sentences.
    ///
    /// Parts counted apart equal the whole counted at once, as long as the labels are tags: see
    /// [`Conlleval`](crate::labels::conlleval::Conlleval).
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
                count: *count,
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
            correct_words: self.correct_words,
            sentences: self.sentences,
            notes: self.notes(zero_division),
            types,
        }
    }

    /// Returns notes about ratios without a denominator.
    fn notes(&self, zero_division: ZeroDivision) -> Vec<Note> {
        if self.words == 0 {
            return vec![Note::once("no word was scored").important()];
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
                notes.push(Note::once(format!("nothing is {side}, so {ratio} counts as {value}")).important());
            } else if !absent.is_empty() {
                let names = absent.join(", ");
                let what = "{type|types} never {}, whose {} counts as {}: {}";
                let said = Wording::new(what, &[&side, &ratio, &value, &names]);
                notes.push(Note::once(said.of(absent.len())).important());
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
    /// Returns the figures of a count.
    pub fn of(count: Count, zero_division: ZeroDivision) -> Self {
        Metrics::of_credit(count.correct as f64, count.predicted, count.gold, zero_division)
    }

    /// Returns the figures of things found, of which a part may count by a half.
    pub(crate) fn of_credit(credit: f64, predicted: u64, gold: u64, zero_division: ZeroDivision) -> Self {
        let ratio = |whole: u64| if whole == 0 { zero_division.value() } else { credit / whole as f64 };
        let (precision, recall) = (ratio(predicted), ratio(gold));
        let sum = precision + recall;
        let f1 = 2.0 * precision * recall / if sum == 0.0 { 1.0 } else { sum };
        Metrics { precision, recall, f1 }
    }

    pub(crate) fn map(get: impl Fn(fn(&Metrics) -> f64) -> f64) -> Self {
        Metrics { precision: get(|m| m.precision), recall: get(|m| m.recall), f1: get(|m| m.f1) }
    }

    pub(crate) fn all(value: f64) -> Self {
        Metrics { precision: value, recall: value, f1: value }
    }
}

/// The metrics of one type.
#[derive(Clone, Debug, PartialEq)]
pub struct TypeScore {
    /// The type's name; with `Method::Words` the label.
    pub name: String,
    /// The type's precision, recall and F1.
    pub metrics: Metrics,
    /// The type's entities: right, predicted, gold.
    pub count: Count,
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
    /// Words whose label is right.
    pub correct_words: u64,
    /// Sentences scored.
    pub sentences: u64,
    /// Ratios without a denominator, labels read in an unexpected way.
    pub notes: Vec<Note>,
}

impl Score {
    /// The metrics that run_ner.py reports, in its order and without a prefix: `precision`, `recall`, `f1`, `accuracy`.
    /// At entity level they are four for each type and then the same with `overall_` before them. `f1_macro`, the plain
    /// mean of the types' F1, comes last.
    pub fn metrics(&self, entity_level: bool) -> Map<String, Value> {
        let mut map = Map::new();
        let overall = if entity_level { "overall_" } else { "" };
        if entity_level {
            for TypeScore { name, metrics, count } in &self.types {
                map.insert(format!("{name}_precision"), metrics.precision.into());
                map.insert(format!("{name}_recall"), metrics.recall.into());
                map.insert(format!("{name}_f1"), metrics.f1.into());
                map.insert(format!("{name}_number"), count.gold.into());
            }
        }
        map.insert(format!("{overall}precision"), self.micro.precision.into());
        map.insert(format!("{overall}recall"), self.micro.recall.into());
        map.insert(format!("{overall}f1"), self.micro.f1.into());
        map.insert(format!("{overall}accuracy"), self.accuracy.into());
        map.insert("f1_macro".into(), self.macro_average.f1.into());
        map
    }
}

pub(crate) fn ratio(part: u64, whole: u64, zero_division: ZeroDivision) -> f64 {
    if whole == 0 { zero_division.value() } else { part as f64 / whole as f64 }
}

/// Returns the plain mean over types; without any, what `zero_division` says.
pub(crate) fn macro_average(types: &[TypeScore], zero_division: ZeroDivision) -> Metrics {
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
        let values: Vec<f64> = types.iter().map(|kind| get(&kind.metrics) * kind.count.gold as f64).collect();
        numpy_sum::sum(&values) / total.gold as f64
    })
}
