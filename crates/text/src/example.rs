//! Texts with entities: what a span tagger learns from and is evaluated on.

use crate::tagged::Content;

/// A text or a list of words, and its gold entities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// The `id` of its record, where the data has one.
    pub id: Option<String>,
    /// The text or the words that the model reads.
    pub content: Content,
    /// The entities that the model must find.
    pub entities: Vec<Entity>,
}

/// A half-open range with a label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entity {
    /// The first code point or word.
    pub start: usize,
    /// One past the last code point or word.
    pub end: usize,
    /// The name of the entity's kind.
    pub label: String,
}

/// The unit in which entities count: `annotation_format` of a span tagger's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnnotationFormat {
    /// Code points of running text.
    Text,
    /// Words.
    Tokens,
}

impl AnnotationFormat {
    /// Returns the format called `text` or `tokens`.
    pub fn named(name: &str) -> Option<AnnotationFormat> {
        match name {
            "text" => Some(AnnotationFormat::Text),
            "tokens" => Some(AnnotationFormat::Tokens),
            _ => None,
        }
    }

    /// Returns the format's name.
    pub fn name(self) -> &'static str {
        match self {
            AnnotationFormat::Text => "text",
            AnnotationFormat::Tokens => "tokens",
        }
    }
}

/// Returns all labels of some examples, sorted: an order that depends on nothing but the set of labels.
pub fn labels_of<'a>(examples: impl IntoIterator<Item = &'a Example>) -> Vec<String> {
    let mut labels: Vec<String> =
        examples.into_iter().flat_map(|example| &example.entities).map(|entity| entity.label.clone()).collect();
    labels.sort();
    labels.dedup();
    labels
}
