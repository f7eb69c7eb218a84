//! What is to be scored, and how.

use tagsmith_data::format::Format;
use tagsmith_text::labels::label_scheme::LabelScheme;
use tagsmith_text::score::ZeroDivision;
use tagsmith_text::score::semeval::Pairing;

/// The name of a stream in the place of a file.
pub const STREAM: &str = "-";

/// A request to score.
#[derive(Clone, Debug, Default)]
pub struct ScoreRequest {
    /// The file with the gold labels; [`STREAM`] is the stream.
    pub gold: String,
    /// The file with the predicted labels; without it, `gold` holds both.
    pub pred: Option<String>,
    /// A second file with predicted labels, which is compared with the first.
    pub second: Option<String>,
    /// The content of the stream, where [`STREAM`] is one of the files.
    pub stream: Option<Vec<u8>>,
    /// The column or key of the gold labels.
    pub gold_column: Option<String>,
    /// The column or key of the predicted labels.
    pub pred_column: Option<String>,
    /// The format of `gold`; without it, the file shows it.
    pub gold_format: Option<Format>,
    /// The format of `pred`; without it, the file shows it.
    pub pred_format: Option<Format>,
    /// What is scored; without it, the gold labels show it.
    pub mode: Option<Mode>,
    /// How labels are read: by a scheme's strict rules, word by word, or as the gold labels show it.
    pub label_scheme: LabelScheme,
    /// Where error detection is scored, a file that lists the labels of the means; without it, those that occur.
    pub labels: Option<String>,
    /// Whether tags end in their letter: `PER-B`.
    pub suffix: bool,
    /// What a ratio without a denominator counts as.
    pub zero_division: ZeroDivision,
    /// How SemEval's figures pair entities.
    pub pairing: Pairing,
    /// The training data, where figures of seen and unseen mentions are asked for.
    pub known: Option<String>,
    /// Intervals of all figures, where they are asked for.
    pub chance: Option<Chance>,
    /// Threads that draw resamples; without them, as many as this process has physical cores.
    pub draw_threads: Option<usize>,
}

/// What chance draws, how often, and how much of it an interval holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chance {
    /// The share of resamples inside an interval, above 0 and below 1.
    pub confidence: f64,
    /// How many resamples are drawn.
    pub resamples: usize,
    /// How often a comparison swaps predictions.
    pub swaps: usize,
    /// What is drawn or swapped.
    pub unit: Unit,
    /// The seed of the draws.
    pub seed: u64,
}

impl Default for Chance {
    fn default() -> Self {
        Chance { confidence: 0.95, resamples: 1000, swaps: 10_000, unit: Unit::Sentence, seed: 42 }
    }
}

/// What chance draws as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unit {
    /// Sentences.
    #[default]
    Sentence,
    /// Documents, whose sentences are alike.
    Document,
}

impl Unit {
    /// Names of the units, in the order of the variants.
    pub const NAMES: [&str; 2] = ["sentence", "document"];

    /// Returns the unit of a name.
    pub fn named(name: &str) -> Option<Unit> {
        [Unit::Sentence, Unit::Document].into_iter().find(|unit| unit.name() == name)
    }

    /// Returns the unit's name.
    pub fn name(self) -> &'static str {
        Unit::NAMES[self as usize]
    }
}

/// What is scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Entities, by the forgiving rules.
    Conlleval,
    /// Entities, by a scheme's rules.
    Strict,
    /// Words.
    Words,
    /// Words of error detection.
    ErrorDetection,
    /// Entities, by how much of each is right.
    SemEval,
}

impl Mode {
    /// Names of the modes, in the order of the variants.
    pub const NAMES: [&str; 5] = ["conlleval", "strict", "words", "ged", "semeval"];

    /// Returns the mode of a name.
    pub fn named(name: &str) -> Option<Mode> {
        let modes = [Mode::Conlleval, Mode::Strict, Mode::Words, Mode::ErrorDetection, Mode::SemEval];
        modes.into_iter().find(|mode| mode.name() == name)
    }

    /// Returns the mode's name.
    pub fn name(self) -> &'static str {
        Mode::NAMES[self as usize]
    }
}
