//! All that is told of entities beside seqeval's figures, gathered sentence by sentence.

mod json;
mod text;

use crate::score::confusion::Confusion;
use crate::score::error_classes::{ClassCounts, ErrorClasses};
use crate::score::lengths::{self, Lengths};
use crate::score::matching::Found;
use crate::score::seen::{Known, SeenCounts};
use crate::score::semeval::{Pairing, SemEval};
use crate::score::{Count, Metrics, Scorer, ZeroDivision};

pub use json::{calibration, interval, intervals};
pub use text::{Columns, intervals_table};

/// What is told of the entities of a prediction.
#[derive(Clone, Debug)]
pub struct Analysis {
    /// The names of the types that occur, in code point order.
    pub kinds: Vec<String>,
    /// The number of each of them in the counts.
    ids: Vec<u32>,
    /// SemEval's tallies.
    pub semeval: SemEval,
    /// What is wrong with the entities of each type.
    pub classes: ErrorClasses,
    /// Which types are taken for which.
    pub confusion: Confusion,
    /// Counts by length.
    pub lengths: Lengths,
    /// Counts by what training had of a mention, where training data is known.
    pub seen: Option<SeenCounts>,
    zero_division: ZeroDivision,
}

/// An analysis in the making.
#[derive(Debug)]
pub struct Analyzer<'k> {
    known: Option<&'k Known>,
    analysis: Analysis,
}

impl<'k> Analyzer<'k> {
    /// Returns an analyzer before its first sentence.
    pub fn new(pairing: Pairing, known: Option<&'k Known>, zero_division: ZeroDivision) -> Analyzer<'k> {
        let analysis = Analysis {
            kinds: Vec::new(),
            ids: Vec::new(),
            semeval: SemEval::new(pairing),
            classes: ErrorClasses::default(),
            confusion: Confusion::default(),
            lengths: Lengths::default(),
            seen: known.map(|_| SeenCounts::default()),
            zero_division,
        };
        Analyzer { known, analysis }
    }

    /// Takes in the sentence that `scorer` counted last, which is `found` there, and its words.
    pub fn add(&mut self, scorer: &Scorer, found: &Found<'_>, words: &[String]) {
        self.analysis.semeval.add(found.gold, found.predicted);
        self.analysis.classes.add(found);
        self.analysis.confusion.add(found);
        self.analysis.lengths.add(found);
        if let (Some(known), Some(seen)) = (self.known, &mut self.analysis.seen) {
            seen.add(known, words, scorer.kinds(), found);
        }
    }

    /// Returns the analysis of all sentences that `scorer` counted.
    pub fn finish(mut self, scorer: &Scorer) -> Analysis {
        let names = scorer.kinds();
        let occurs = |at: &u32| self.analysis.classes.of_kind(*at).iter().any(|&count| count > 0);
        // A type that was never gold and always part of a pair has no class of its own.
        let tallied = |at: &u32| self.analysis.semeval.of_kind(*at)[0].actual() > 0;
        let mut ids: Vec<u32> = (0..names.len() as u32).filter(|at| occurs(at) || tallied(at)).collect();
        ids.sort_by_key(|&at| &names[at as usize]);
        self.analysis.kinds = ids.iter().map(|&at| names[at as usize].clone()).collect();
        self.analysis.ids = ids;
        self.analysis
    }
}

impl Analysis {
    /// Returns the types that occur, each with its number in the counts.
    fn types(&self) -> impl Iterator<Item = (&str, u32)> {
        self.kinds.iter().map(String::as_str).zip(self.ids.iter().copied())
    }

    /// Returns the classes of each type's entities.
    pub fn classes_by_type(&self) -> impl Iterator<Item = (&str, ClassCounts)> {
        self.types().map(|(name, kind)| (name, self.classes.of_kind(kind)))
    }

    /// Returns the confusion of the types, in their order and nothing last.
    pub fn confusion_rows(&self) -> Vec<Vec<u64>> {
        self.confusion.rows(&self.ids)
    }
}

/// Returns the lengths that entities have, each with its F1 and the number of gold entities.
pub fn lengths_of_entities(analysis: &Analysis) -> Vec<(String, f64, u64)> {
    let groups = lengths::names(&lengths::ENTITY_WORDS).into_iter().zip(analysis.lengths.entities);
    let used = groups.filter(|(_, count)| *count != Count::default());
    used.map(|(name, count)| (name, Metrics::of(count, analysis.zero_division).f1, count.gold)).collect()
}
