//! Figures of SemEval-2013's task 9: how much of an entity must be right is one of four answers.
//!
//! | scheme | right | wrong | partly right |
//! |---|---|---|---|
//! | strict | words and type | a pair that is not right | – |
//! | exact | words | a pair that is not right | – |
//! | partial | words | – | any other pair |
//! | type | type | a pair that is not right | – |
//!
//! A pair is a gold entity and a predicted one that have a word in common. What is in no pair is missed or spurious.

use crate::labels::scheme::Span;
use crate::score::matching::{each_overlap, left_over, pairs};
use crate::score::{Metrics, ZeroDivision};
use std::collections::BTreeMap;

/// An answer to how much of an entity must be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Words and type.
    Strict,
    /// Words.
    Exact,
    /// Words, and half of a pair that has some in common.
    Partial,
    /// The type, and at least one word.
    Type,
}

impl Answer {
    /// All answers, in the order of the variants.
    pub const ALL: [Answer; 4] = [Answer::Strict, Answer::Exact, Answer::Partial, Answer::Type];

    /// Returns the answer's name.
    pub fn name(self) -> &'static str {
        match self {
            Answer::Strict => "strict",
            Answer::Exact => "exact",
            Answer::Partial => "partial",
            Answer::Type => "type",
        }
    }
}

/// The way in which gold and predicted entities find each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pairing {
    /// In passes, the best pairs first: see [`pairs`].
    #[default]
    Passes,
    /// The way of nervaluate 1.2.1. Each predicted entity in turn takes what is right by the answer at hand, or else the first
    /// overlap. A later prediction may equal that. An overlap below a hundredth of the gold entity is none.
    Nervaluate,
}

/// Numbers of entities by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Pairs that are right (COR).
    pub correct: u64,
    /// Pairs that are wrong (INC).
    pub incorrect: u64,
    /// Pairs that are partly right (PAR).
    pub partial: u64,
    /// Gold entities in no pair (MIS).
    pub missed: u64,
    /// Predicted entities in no pair (SPU).
    pub spurious: u64,
}

impl Tally {
    /// Returns the number of gold entities (POS).
    pub fn possible(&self) -> u64 {
        self.correct + self.incorrect + self.partial + self.missed
    }

    /// Returns the number of predicted entities (ACT).
    pub fn actual(&self) -> u64 {
        self.correct + self.incorrect + self.partial + self.spurious
    }

    /// Returns precision, recall and F1. A pair that is partly right counts half.
    pub fn metrics(&self, zero_division: ZeroDivision) -> Metrics {
        Metrics::of_credit(
            self.correct as f64 + 0.5 * self.partial as f64,
            self.actual(),
            self.possible(),
            zero_division,
        )
    }

    fn add(&mut self, other: &Tally) {
        self.correct += other.correct;
        self.incorrect += other.incorrect;
        self.partial += other.partial;
        self.missed += other.missed;
        self.spurious += other.spurious;
    }
}

/// Tallies in the order of [`Answer::ALL`].
pub type Tallies = [Tally; 4];

/// Tallies of all entities, and of the entities of each type by themselves.
#[derive(Clone, Debug, Default)]
pub struct SemEval {
    pairing: Pairing,
    all: Tallies,
    kinds: BTreeMap<u32, Tallies>,
}

impl SemEval {
    /// Returns tallies without a sentence.
    pub fn new(pairing: Pairing) -> SemEval {
        SemEval { pairing, ..SemEval::default() }
    }

    /// Counts the entities of a sentence, whose types are numbers.
    pub fn add(&mut self, gold: &[Span<u32>], predicted: &[Span<u32>]) {
        add(&mut self.all, &tallies(self.pairing, gold, predicted));
        let mut kinds: BTreeMap<u32, [Vec<Span<u32>>; 2]> = BTreeMap::new();
        for (side, spans) in [gold, predicted].into_iter().enumerate() {
            spans.iter().for_each(|span| kinds.entry(span.kind).or_default()[side].push(*span));
        }
        for (kind, [gold, predicted]) in kinds {
            add(self.kinds.entry(kind).or_default(), &tallies(self.pairing, &gold, &predicted));
        }
    }

    /// Returns the tallies of all entities.
    pub fn all(&self) -> &Tallies {
        &self.all
    }

    /// Returns the tallies of the entities of one type, as if there were no others.
    pub fn of_kind(&self, kind: u32) -> Tallies {
        self.kinds.get(&kind).copied().unwrap_or_default()
    }
}

fn add(sum: &mut Tallies, more: &Tallies) {
    sum.iter_mut().zip(more).for_each(|(sum, more)| sum.add(more));
}

/// Returns the tallies of one sentence.
pub fn tallies<K: Copy + PartialEq>(pairing: Pairing, gold: &[Span<K>], predicted: &[Span<K>]) -> Tallies {
    match pairing {
        Pairing::Passes => {
            let found = pairs(gold, predicted);
            Answer::ALL.map(|answer| tally(answer, &found.matched, gold, predicted))
        }
        Pairing::Nervaluate => {
            let mut overlaps = vec![Vec::new(); predicted.len()];
            each_overlap(gold, predicted, |at, guess, words| {
                // In percent, in the order of nervaluate's operations.
                if words as f64 / gold[at].words().max(1) as f64 * 100.0 >= 1.0 {
                    overlaps[guess].push(at);
                }
            });
            overlaps.iter_mut().for_each(|places| places.sort_unstable());
            Answer::ALL.map(|answer| tally(answer, &in_turn(answer, gold, predicted, &overlaps), gold, predicted))
        }
    }
}

fn tally<K: PartialEq>(answer: Answer, matched: &[(usize, usize)], gold: &[Span<K>], predicted: &[Span<K>]) -> Tally {
    let mut tally = Tally {
        missed: (gold.len() - matched.len()) as u64,
        spurious: (predicted.len() - matched.len()) as u64,
        ..Tally::default()
    };
    for &(at, guess) in matched {
        match is_right(answer, &gold[at], &predicted[guess]) {
            true => tally.correct += 1,
            false if answer == Answer::Partial => tally.partial += 1,
            false => tally.incorrect += 1,
        }
    }
    tally
}

fn is_right<K: PartialEq>(answer: Answer, gold: &Span<K>, predicted: &Span<K>) -> bool {
    let same_words = (gold.start, gold.end) == (predicted.start, predicted.end);
    match answer {
        Answer::Strict => same_words && gold.kind == predicted.kind,
        Answer::Exact | Answer::Partial => same_words,
        Answer::Type => gold.kind == predicted.kind,
    }
}

/// Returns the pairs as nervaluate finds them by one answer. `overlaps` holds the gold entities that each predicted one overlaps.
fn in_turn<K: PartialEq>(
    answer: Answer,
    gold: &[Span<K>],
    predicted: &[Span<K>],
    overlaps: &[Vec<usize>],
) -> Vec<(usize, usize)> {
    let mut taken = vec![false; gold.len()];
    let mut matched = Vec::new();
    for (guess, (span, overlaps)) in predicted.iter().zip(overlaps).enumerate() {
        let free = || overlaps.iter().copied().filter(|&at| !taken[at]);
        // Of those that are right the closest counts; by all answers but the type's these are equal.
        let distance = |at: &usize| gold[*at].start.abs_diff(span.start) + gold[*at].end.abs_diff(span.end);
        let right = free().filter(|&at| is_right(answer, &gold[at], span)).min_by_key(distance);
        if let Some(at) = right.or_else(|| free().next()) {
            taken[at] = true;
            matched.push((at, guess));
        }
    }
    debug_assert_eq!(left_over(&taken).len(), gold.len() - matched.len());
    matched
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(kind: char, start: usize, end: usize) -> Span<char> {
        Span { kind, start, end }
    }

    fn tally(counts: [u64; 5]) -> Tally {
        let [correct, incorrect, partial, missed, spurious] = counts;
        Tally { correct, incorrect, partial, missed, spurious }
    }

    /// The example of the task's own description and of nervaluate's page: a prediction that comes too early takes what a
    /// later one equals.
    #[test]
    fn passes_find_what_one_turn_loses() {
        let gold = [span('A', 0, 3)];
        let predicted = [span('A', 0, 1), span('A', 0, 3)];
        let passes = tallies(Pairing::Passes, &gold, &predicted);
        assert_eq!(passes, [tally([1, 0, 0, 0, 1]); 4]);
        let turns = tallies(Pairing::Nervaluate, &gold, &predicted);
        let wrong = tally([0, 1, 0, 0, 1]);
        assert_eq!(turns, [wrong, wrong, tally([0, 0, 1, 0, 1]), tally([1, 0, 0, 0, 1])]);
    }

    #[test]
    fn figures_are_those_of_the_definition() {
        let metrics = tally([2, 1, 3, 4, 6]).metrics(ZeroDivision::Zero);
        // POS = 10, ACT = 12, credit 3.5.
        assert_eq!((metrics.precision, metrics.recall), (3.5 / 12.0, 0.35));
        assert!((metrics.f1 - 2.0 * 3.5 / 22.0).abs() < 1e-15);
        assert_eq!(tally([0; 5]).metrics(ZeroDivision::Zero), Metrics::all(0.0));
        assert_eq!(tally([0; 5]).metrics(ZeroDivision::One), Metrics::all(1.0));
    }
}
