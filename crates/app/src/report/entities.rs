//! What became of the entities of a split: classes of errors with their sentences, confusion, intervals, calibration.

use std::num::NonZero;
use std::ops::Range;
use std::thread;
use tagsmith_text::labels::scheme::Span;
use tagsmith_text::score::analysis::{Analysis, Analyzer};
use tagsmith_text::score::bootstrap::{Interval, Resampling, intervals};
use tagsmith_text::score::calibration::Calibration;
use tagsmith_text::score::error_classes::ErrorClass;
use tagsmith_text::score::matching::Found;
use tagsmith_text::score::semeval::Pairing;
use tagsmith_text::score::units::{UnitCounts, Units};
use tagsmith_text::score::{Method, Scorer, ZeroDivision};

/// Sentences that are shown of each class of errors.
const SHOWN: usize = 5;
/// How intervals are drawn; the page names these numbers.
const CONFIDENCE: f64 = 0.95;
const RESAMPLES: usize = 1000;
const SEED: u64 = 42;

/// What became of the entities of a split.
#[derive(Debug)]
pub struct Entities {
    /// Classes of errors, confusion, figures by length.
    pub analysis: Analysis,
    /// The types, and the counts of each sentence.
    pub units: Units,
    /// The figures, in the order of [`Figure::all`](tagsmith_text::score::units::Figure::all).
    pub values: Vec<f64>,
    /// The 95 % interval of each.
    pub intervals: Vec<Option<Interval>>,
    /// Errors of each class, with their sentences.
    pub samples: Vec<Sample>,
    /// How far probabilities of words mean what they say, where the model gave any.
    pub calibration: Option<Calibration>,
}

/// An error and its sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The class of the error.
    pub class: ErrorClass,
    /// The number of the sentence in its split.
    pub sentence: usize,
    /// The words and the type of the gold entity, if there is one.
    pub gold: Option<(Range<usize>, String)>,
    /// The words and the type of the predicted entity, if there is one.
    pub predicted: Option<(Range<usize>, String)>,
}

/// The entities of a split in the making.
pub struct Gatherer {
    scorer: Scorer,
    analyzer: Analyzer<'static>,
    units: Vec<UnitCounts>,
    samples: Vec<Sample>,
    calibration: Calibration,
}

/// The words of a sentence that count: the number, the gold label and the predicted label of each.
pub type Counted = (usize, usize, usize);

impl Gatherer {
    /// Returns a gatherer before its first sentence; none where words are scored.
    pub fn new(method: Method, labels: &[String]) -> Option<Gatherer> {
        method.reading()?;
        Some(Gatherer {
            scorer: Scorer::with_labels(method, labels),
            analyzer: Analyzer::new(Pairing::Passes, None, ZeroDivision::Zero),
            units: Vec::new(),
            samples: Vec::new(),
            calibration: Calibration::default(),
        })
    }

    /// Takes in a sentence, and the probability of each predicted label where there are any.
    pub fn add(&mut self, sentence: usize, words: &[Counted], probabilities: Option<&[f32]>) {
        let ids = |of: fn(&Counted) -> usize| -> Vec<u32> { words.iter().map(|word| of(word) as u32).collect() };
        let (gold, predicted) = (ids(|word| word.1), ids(|word| word.2));
        self.scorer.add_ids(&gold, &predicted).expect("one label a word on both sides, each of the scheme");
        let found = self.scorer.found();
        self.units.push(UnitCounts::of(&found));
        self.analyzer.add(&self.scorer, &found, &[]);
        for (class, gold, predicted) in errors(&found) {
            if self.samples.iter().filter(|sample| sample.class == class).count() == SHOWN {
                continue;
            }
            let kinds = self.scorer.kinds();
            let named = |span: Option<&Span<u32>>| {
                let span = span?;
                let number = |at: usize| words[at].0;
                Some((number(span.start)..number(span.end - 1) + 1, kinds[span.kind as usize].clone()))
            };
            let (gold, predicted) = (named(gold), named(predicted));
            self.samples.push(Sample { class, sentence, gold, predicted });
        }
        for (probability, word) in probabilities.into_iter().flatten().zip(words) {
            self.calibration.add(f64::from(*probability), word.1 == word.2);
        }
    }

    /// Returns what became of all entities.
    pub fn finish(mut self) -> Entities {
        let analysis = self.analyzer.finish(&self.scorer);
        let units = Units::new(self.units, self.scorer.kinds(), &[]);
        let resampling = Resampling {
            confidence: CONFIDENCE,
            resamples: RESAMPLES,
            seed: SEED,
            zero_division: ZeroDivision::Zero,
            threads: thread::available_parallelism().map_or(1, NonZero::get),
        };
        let intervals = intervals(&units, &resampling);
        self.samples.sort_by_key(|sample| sample.class);
        Entities {
            analysis,
            values: units.sums().figures(ZeroDivision::Zero),
            intervals,
            units,
            samples: self.samples,
            calibration: Some(self.calibration).filter(|curve| curve.count() > 0),
        }
    }
}

/// An error: its class, the gold entity and the predicted one.
type Error<'f> = (ErrorClass, Option<&'f Span<u32>>, Option<&'f Span<u32>>);

/// Returns the errors of a sentence.
fn errors<'f>(found: &'f Found<'_>) -> impl Iterator<Item = Error<'f>> {
    let pair = |&(at, guess): &(usize, usize)| {
        let (gold, predicted) = (&found.gold[at], &found.predicted[guess]);
        (ErrorClass::of(gold, predicted), Some(gold), Some(predicted))
    };
    let matched = found.pairs.matched.iter().map(pair).filter(|(class, ..)| *class != ErrorClass::Right);
    let missed = found.pairs.missed.iter().map(|&at| (ErrorClass::Missed, Some(&found.gold[at]), None));
    let invented =
        found.pairs.invented.iter().map(|&guess| (ErrorClass::Invented, None, Some(&found.predicted[guess])));
    matched.chain(missed).chain(invented)
}
