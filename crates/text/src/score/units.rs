//! What is drawn by chance in intervals and tests: sentences or documents, each with its counts.

use crate::score::matching::Found;
use crate::score::metrics::ratio;
use crate::score::{Count, Metrics, ZeroDivision, numpy_sum};
use std::collections::BTreeMap;

/// Counts of all types, by their numbers, and of words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitCounts {
    /// Types that occur, with their counts.
    pub kinds: Vec<(u32, Count)>,
    /// Words.
    pub words: u64,
    /// Words whose label is right.
    pub correct_words: u64,
}

impl UnitCounts {
    /// Returns the counts of a sentence.
    pub fn of(found: &Found<'_>) -> UnitCounts {
        let mut kinds: BTreeMap<u32, Count> = BTreeMap::new();
        found.gold.iter().for_each(|span| kinds.entry(span.kind).or_default().gold += 1);
        for (span, right) in found.judged() {
            let count = kinds.entry(span.kind).or_default();
            count.predicted += 1;
            count.correct += u64::from(right);
        }
        let (words, correct_words) = (found.words as u64, found.correct_words as u64);
        UnitCounts { kinds: kinds.into_iter().collect(), words, correct_words }
    }

    /// Adds the counts of another sentence of the same document.
    pub fn absorb(&mut self, other: &UnitCounts) {
        for (kind, more) in &other.kinds {
            match self.kinds.binary_search_by_key(kind, |(kind, _)| *kind) {
                Ok(at) => self.kinds[at].1.add(*more),
                Err(at) => self.kinds.insert(at, (*kind, *more)),
            }
        }
        self.words += other.words;
        self.correct_words += other.correct_words;
    }
}

/// Sums over units, from which figures are computed. Types are places in a list in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sums {
    /// The count of each type.
    pub kinds: Vec<Count>,
    /// Words.
    pub words: u64,
    /// Words whose label is right.
    pub correct_words: u64,
}

impl Sums {
    /// Returns sums of nothing over `kinds` types.
    pub fn new(kinds: usize) -> Sums {
        Sums { kinds: vec![Count::default(); kinds], words: 0, correct_words: 0 }
    }

    /// Adds a unit, whose types are places in `kinds`.
    pub fn add(&mut self, unit: &UnitCounts) {
        unit.kinds.iter().for_each(|(kind, count)| self.kinds[*kind as usize].add(*count));
        self.words += unit.words;
        self.correct_words += unit.correct_words;
    }

    /// Takes a unit away that was added.
    pub fn take(&mut self, unit: &UnitCounts) {
        for (kind, count) in &unit.kinds {
            let sum = &mut self.kinds[*kind as usize];
            sum.correct -= count.correct;
            sum.predicted -= count.predicted;
            sum.gold -= count.gold;
        }
        self.words -= unit.words;
        self.correct_words -= unit.correct_words;
    }

    /// Returns all figures, in the order of [`Figure::all`]. A type that does not occur has none (not a number). It is not a part
    /// of the mean, as in a score of these sentences alone.
    pub fn figures(&self, zero_division: ZeroDivision) -> Vec<f64> {
        let occurs = |count: &&Count| **count != Count::default();
        let of_types: Vec<Metrics> =
            self.kinds.iter().filter(occurs).map(|count| Metrics::of(*count, zero_division)).collect();
        let mut total = Count::default();
        self.kinds.iter().for_each(|count| total.add(*count));
        let mean = match of_types.is_empty() {
            true => Metrics::all(zero_division.value()),
            false => Metrics::map(|get| {
                let values: Vec<f64> = of_types.iter().map(get).collect();
                numpy_sum::sum(&values) / values.len() as f64
            }),
        };
        let three = |metrics: Metrics| [metrics.precision, metrics.recall, metrics.f1];
        let mut figures = Vec::with_capacity(7 + 3 * self.kinds.len());
        figures.extend(three(Metrics::of(total, zero_division)));
        figures.extend(three(mean));
        figures.push(ratio(self.correct_words, self.words, zero_division));
        let mut of_types = of_types.into_iter();
        for count in &self.kinds {
            let metrics = if occurs(&count) { of_types.next() } else { None };
            figures.extend(metrics.map_or([f64::NAN; 3], three));
        }
        figures
    }
}

/// A figure that has an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// One of the three figures over all types.
    Micro(Part),
    /// One of the three means over types.
    Macro(Part),
    /// The share of words with the right label.
    Accuracy,
    /// One of the three figures of a type, by its place.
    Of(usize, Part),
}

/// One of the three figures of counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The share of what was predicted that is right.
    Precision,
    /// The share of the gold that was found.
    Recall,
    /// The harmonic mean of both.
    F1,
}

impl Part {
    /// All parts, in their order.
    pub const ALL: [Part; 3] = [Part::Precision, Part::Recall, Part::F1];

    /// Returns the name, which is the key in JSON too.
    pub fn name(self) -> &'static str {
        match self {
            Part::Precision => "precision",
            Part::Recall => "recall",
            Part::F1 => "f1",
        }
    }
}

impl Figure {
    /// Returns the figures of `kinds` types in order.
    pub fn all(kinds: usize) -> Vec<Figure> {
        let overall =
            Part::ALL.map(Figure::Micro).into_iter().chain(Part::ALL.map(Figure::Macro)).chain([Figure::Accuracy]);
        overall.chain((0..kinds).flat_map(|kind| Part::ALL.map(|part| Figure::Of(kind, part)))).collect()
    }
}

/// The units of one prediction, and the types that their counts name by place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Units {
    /// The names of the types, in code point order.
    pub kinds: Vec<String>,
    /// The counts of each unit.
    pub units: Vec<UnitCounts>,
}

impl Units {
    /// Returns units whose counts name types by places in `kinds`. Types that do not occur are left out, unless `also` has them.
    pub fn new(mut units: Vec<UnitCounts>, kinds: &[String], also: &[String]) -> Units {
        let mut occurs = vec![false; kinds.len()];
        units.iter().flat_map(|unit| &unit.kinds).for_each(|(kind, _)| occurs[*kind as usize] = true);
        let names = kinds.iter().zip(&occurs).filter(|(_, occurs)| **occurs).map(|(name, _)| name.clone());
        let mut sorted: Vec<String> = names.chain(also.iter().cloned()).collect();
        sorted.sort();
        sorted.dedup();
        let place = |name: &String| sorted.binary_search(name).map_or(u32::MAX, |at| at as u32);
        let places: Vec<u32> = kinds.iter().map(place).collect();
        for unit in &mut units {
            unit.kinds.iter_mut().for_each(|(kind, _)| *kind = places[*kind as usize]);
            unit.kinds.sort_unstable_by_key(|(kind, _)| *kind);
        }
        Units { kinds: sorted, units }
    }

    /// Returns the sums over all units.
    pub fn sums(&self) -> Sums {
        let mut sums = Sums::new(self.kinds.len());
        self.units.iter().for_each(|unit| sums.add(unit));
        sums
    }
}
