//! What of the figures may be chance: intervals, and the comparison of two predictions.

use super::judge::Judged;
use super::request::{Chance, STREAM, ScoreRequest, Unit};
use crate::error::refusal;
use crate::machine::threads;
use std::path::Path;
use tagsmith_data::labeled::{LabelFile, Labeled};
use tagsmith_message::{Remedy, Setting};
use tagsmith_ranks::World;
use tagsmith_text::score::Score;
use tagsmith_text::score::analysis::Analysis;
use tagsmith_text::score::bootstrap::{self, Interval, Resampling};
use tagsmith_text::score::paired::{self, Randomization, Tested};
use tagsmith_text::score::units::{UnitCounts, Units};

/// The intervals of a prediction's figures.
#[derive(Clone, Debug)]
pub struct Intervals {
    /// What was drawn, and how often.
    pub chance: Chance,
    /// How many units the data have.
    pub units: usize,
    /// The types, and the counts of each unit.
    pub counts: Units,
    /// The figures of the data themselves.
    pub values: Vec<f64>,
    /// The interval of each.
    pub intervals: Vec<Option<Interval>>,
}

/// Two predictions of the same words.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The names of both.
    pub names: [String; 2],
    /// The second prediction's figures.
    pub second: Score,
    /// What became of the entities in the second prediction, where entities are scored.
    pub analysis: Option<Analysis>,
    /// What was drawn, and how often.
    pub chance: Chance,
    /// The types, and the counts of each unit of the first prediction.
    pub counts: Units,
    /// The figures of both.
    pub values: [Vec<f64>; 2],
    /// The interval of each difference.
    pub intervals: Vec<Option<Interval>>,
    /// Differences, and how likely each is by chance.
    pub tested: Tested,
}

impl Intervals {
    pub(super) fn of(
        request: &ScoreRequest,
        chance: &Chance,
        documents: Option<&[usize]>,
        sentences: Vec<UnitCounts>,
        kinds: &[String],
    ) -> Intervals {
        let counts = Units::new(together(sentences, documents), kinds, &[]);
        let intervals = bootstrap::intervals(&counts, &resampling(request, chance));
        let values = counts.sums().figures(request.zero_division);
        Intervals { chance: *chance, units: counts.units.len(), values, intervals, counts }
    }
}

impl Comparison {
    pub(super) fn of(
        request: &ScoreRequest,
        chance: &Chance,
        documents: Option<&[usize]>,
        (first_file, first): (&Labeled, Judged),
        (second_file, second): (&Labeled, Judged),
        kinds: &[String],
    ) -> Comparison {
        let [first_units, second_units] = [first.units, second.units].map(|units| together(units, documents));
        let (first_units, second_units) = alike(first_units, second_units, kinds);
        let resampling = resampling(request, chance);
        let randomization = Randomization {
            swaps: chance.swaps,
            seed: chance.seed,
            zero_division: request.zero_division,
            threads: resampling.threads,
        };
        Comparison {
            names: [first_file, second_file].map(|file| file.source.clone()),
            second: second.score,
            analysis: second.analysis,
            chance: *chance,
            values: [&first_units, &second_units].map(|units| units.sums().figures(request.zero_division)),
            intervals: bootstrap::differences(&first_units, &second_units, &resampling),
            tested: paired::test(&first_units, &second_units, &randomization),
            counts: first_units,
        }
    }
}

/// Returns the units of two predictions over the types of both.
pub(crate) fn alike(first: Vec<UnitCounts>, second: Vec<UnitCounts>, kinds: &[String]) -> (Units, Units) {
    let both: Vec<UnitCounts> = first.iter().chain(&second).cloned().collect();
    let also = Units::new(both, kinds, &[]).kinds;
    (Units::new(first, kinds, &also), Units::new(second, kinds, &also))
}

fn resampling(request: &ScoreRequest, chance: &Chance) -> Resampling {
    Resampling {
        confidence: chance.confidence,
        resamples: chance.resamples,
        seed: chance.seed,
        zero_division: request.zero_division,
        threads: threads::choose(request.draw_threads, &World::alone()).0,
    }
}

/// Returns the document of each sentence, where documents are what is drawn.
///
/// # Errors
/// A file that says nothing of documents, or that is not there twice.
pub(super) fn documents(request: &ScoreRequest, gold: &Labeled) -> anyhow::Result<Option<Vec<usize>>> {
    if request.chance.is_none_or(|chance| chance.unit == Unit::Sentence) {
        return Ok(None);
    }
    let by_sentence = || Remedy::SetTo(Setting::Unit, Unit::Sentence.name().into());
    if request.stream.is_some() && request.gold == STREAM {
        return Err(refusal("documents are found in a file, and the gold labels are a stream", by_sentence()));
    }
    let starts = LabelFile::open(Path::new(&request.gold), request.gold_format)?.document_starts()?;
    let of: Vec<usize> =
        gold.sentences.iter().map(|sentence| starts.partition_point(|&start| start < sentence.line)).collect();
    if of.first() == of.last() {
        let message = format!("{}: nothing says where documents begin, or there is one", gold.source);
        return Err(refusal(message, by_sentence()));
    }
    Ok(Some(of))
}

/// Returns the counts of documents, or of sentences where there are none. A document is a run of sentences.
fn together(sentences: Vec<UnitCounts>, documents: Option<&[usize]>) -> Vec<UnitCounts> {
    let Some(documents) = documents else { return sentences };
    let mut units: Vec<UnitCounts> = Vec::new();
    let mut last = None;
    for (counts, document) in sentences.into_iter().zip(documents) {
        match units.last_mut().filter(|_| last == Some(document)) {
            Some(unit) => unit.absorb(&counts),
            None => units.push(counts),
        }
        last = Some(document);
    }
    units
}
