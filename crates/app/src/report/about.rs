//! What a run was made of: its model, its data, its labels, and when it ended.

use std::time::{SystemTime, UNIX_EPOCH};
use tagsmith_message::counted;
use tagsmith_text::example::{Example, labels_of};
use tagsmith_text::sentence::Split;

/// Facts about a run, for its page and its model card.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// The folder or name that the run started from.
    pub model: String,
    /// The splits that the run used.
    pub data: Vec<Part>,
    /// The labels that the model tells apart.
    pub labels: Vec<String>,
    /// The time at which the run ended, as text.
    pub ended: String,
}

/// One split that a run used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The split's role: `train`, `validation` or `test`.
    pub role: &'static str,
    /// The file or files that it came from.
    pub source: String,
    /// The split's size, as text.
    pub size: String,
}

impl Part {
    /// Describes a split of sentences.
    ///
    /// # Errors
    /// A file of sentences cannot be read.
    pub fn of_sentences(role: &'static str, split: &Split) -> Result<Part, tagsmith_files::Error> {
        let words = split.sentences.count_words()? as usize;
        let size = format!("{}, {}", counted(split.sentences.len(), "sentence"), counted(words, "word"));
        Ok(Part { role, source: split.source.clone(), size })
    }

    /// Describes a split of texts with entities.
    pub fn of_texts(role: &'static str, source: &str, examples: &[Example]) -> Part {
        let entities: usize = examples.iter().map(|example| example.entities.len()).sum();
        let entities = counted(entities, "entity");
        let [texts, labels] =
            [(examples.len(), "text"), (labels_of(examples).len(), "label")].map(|(n, noun)| counted(n, noun));
        Part { role, source: source.to_owned(), size: format!("{texts}, {entities}, {labels}") }
    }
}

/// Returns year, month, day, hour, minute and second of now, UTC.
pub fn now() -> [u64; 6] {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Days since 0000-03-01, by eras of 400 years (Hinnant, 2013).
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = 400 * era + year_of_era + u64::from(month <= 2);
    [year, month, day, rest / 3_600, rest / 60 % 60, rest % 60]
}

/// Returns the time of now as text, to the minute.
pub fn ended_now() -> String {
    let [year, month, day, hour, minute, _] = now();
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
}
