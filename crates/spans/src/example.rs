//! Texts with entities.

/// A text or a list of words, and its entities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// Its `id`, where the data has one.
    pub id: Option<String>,
    /// What is read.
    pub input: Input,
    /// What is to be found.
    pub entities: Vec<Entity>,
}

/// What a model reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Running text; entities count its code points.
    Text(String),
    /// Words; entities count them.
    Words(Vec<String>),
}

/// A half-open range with a label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entity {
    /// Its first code point or word.
    pub start: usize,
    /// One past its last.
    pub end: usize,
    /// What it is.
    pub label: String,
}

/// What entities count (`annotation_format`, `--evaluation_format`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Code points of running text.
    Text,
    /// Words.
    Tokens,
}

impl Format {
    /// `text` or `tokens`.
    pub fn named(name: &str) -> Option<Format> {
        match name {
            "text" => Some(Format::Text),
            "tokens" => Some(Format::Tokens),
            _ => None,
        }
    }
}

impl Input {
    /// How many code points or words it has.
    pub fn len(&self) -> usize {
        match self {
            Input::Text(text) => text.chars().count(),
            Input::Words(words) => words.len(),
        }
    }

    /// Whether there is nothing to read.
    pub fn is_empty(&self) -> bool {
        match self {
            Input::Text(text) => text.trim().is_empty(),
            Input::Words(words) => words.is_empty(),
        }
    }
}

/// All labels of some examples, sorted: an order that depends on nothing else.
pub fn labels_of<'a>(examples: impl IntoIterator<Item = &'a Example>) -> Vec<String> {
    let mut labels: Vec<String> =
        examples.into_iter().flat_map(|example| &example.entities).map(|entity| entity.label.clone()).collect();
    labels.sort();
    labels.dedup();
    labels
}
