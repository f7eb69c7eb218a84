//! What is to be scored, and how.

use tagsmith_data::format::Format;
use tagsmith_text::labels::label_scheme::LabelScheme;
use tagsmith_text::score::ZeroDivision;

/// The name of a stream in the place of a file.
pub const STREAM: &str = "-";

/// A request to score.
#[derive(Clone, Debug, Default)]
pub struct ScoreRequest {
    /// The file with the gold labels; [`STREAM`] is the stream.
    pub gold: String,
    /// The file with the predicted labels; without it, `gold` holds both.
    pub pred: Option<String>,
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
}

impl Mode {
    /// Names of the modes, in the order of the variants.
    pub const NAMES: [&str; 4] = ["conlleval", "strict", "words", "ged"];

    /// Returns the mode of a name.
    pub fn named(name: &str) -> Option<Mode> {
        let modes = [Mode::Conlleval, Mode::Strict, Mode::Words, Mode::ErrorDetection];
        modes.into_iter().find(|mode| mode.name() == name)
    }

    /// Returns the mode's name.
    pub fn name(self) -> &'static str {
        Mode::NAMES[self as usize]
    }
}
