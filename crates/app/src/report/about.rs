//! What a run was made of: its model, its data, its labels, and when it ended.

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
    /// Names of files with the SHA-256 of each.
    pub hashes: Vec<(String, String)>,
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
