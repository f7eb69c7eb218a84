//! Inputs as a model will read them, and what makes them of texts and words.

use anyhow::Result;
use std::sync::Arc;
use tagsmith_spans::folder::Tokenizers;
use tagsmith_spans::tag as spans;
use tagsmith_text::tagged::Input;
use tagsmith_text::tokenizer::Tokenizer;
use tagsmith_tokens::tag as tokens;

/// The bug of a caller that mixes taggers.
pub(super) const OTHER: &str = "tag: an input of another tagger's encoder";

/// The part of a tagger that needs no model: inputs in, pieces and windows out. Other threads can have a clone.
#[derive(Clone)]
pub struct Encoder(pub(super) EncoderKind);

#[derive(Clone)]
pub(super) enum EncoderKind {
    Tokens(Arc<tokens::Reader>),
    Spans(spans::Reader),
}

/// An input as the model will read it, with the choices that it was encoded by.
pub struct Encoded(EncodedKind);

enum EncodedKind {
    Tokens(Box<tokens::Encoded>),
    Spans(spans::Encoded),
}

impl Encoder {
    /// Cuts an input into words, pieces and windows.
    ///
    /// # Errors
    /// An input that cannot be read, with its place.
    pub fn encode(&self, input: &Input) -> Result<Encoded> {
        Ok(Encoded(match &self.0 {
            EncoderKind::Tokens(reader) => EncodedKind::Tokens(Box::new(reader.encode(input)?)),
            EncoderKind::Spans(reader) => EncodedKind::Spans(reader.encode(input)?),
        }))
    }

    /// Returns the names of words' labels, in the order of their ids: a span tagger's are IOB2 tags of its labels.
    pub fn labels(&self) -> &[String] {
        match &self.0 {
            EncoderKind::Tokens(reader) => reader.labels(),
            EncoderKind::Spans(reader) => reader.word_labels(),
        }
    }

    /// Returns whether every word gets a label. Entities that may overlap have no label a word.
    pub fn labels_words(&self) -> bool {
        match &self.0 {
            EncoderKind::Tokens(_) => true,
            EncoderKind::Spans(reader) => reader.labels_words(),
        }
    }
}

impl Encoded {
    /// Counts the windows.
    pub fn windows(&self) -> usize {
        match &self.0 {
            EncodedKind::Tokens(input) => input.windows(),
            EncodedKind::Spans(input) => input.windows(),
        }
    }

    /// Counts the rows that the model reads of a window: its pieces, with the special ones around them.
    pub fn rows(&self, window: usize) -> usize {
        match &self.0 {
            EncodedKind::Tokens(input) => input.rows(window),
            EncodedKind::Spans(input) => input.rows(window),
        }
    }

    /// Counts the pieces; a span tagger's in overlapping windows count twice.
    pub fn pieces(&self) -> usize {
        match &self.0 {
            EncodedKind::Tokens(input) => input.pieces(),
            EncodedKind::Spans(input) => input.pieces(),
        }
    }

    /// Returns the code point where the first word begins whose end no window reads. A token classifier reads all of them.
    pub fn unread_from(&self) -> Option<u32> {
        match &self.0 {
            EncodedKind::Tokens(_) => None,
            EncodedKind::Spans(input) => input.unread_from(),
        }
    }

    /// Returns whether windows of both inputs can be read at once.
    pub fn shares_batches_with(&self, other: &Encoded) -> bool {
        match (&self.0, &other.0) {
            (EncodedKind::Tokens(_), EncodedKind::Tokens(_)) => true,
            (EncodedKind::Spans(one), EncodedKind::Spans(other)) => one.shares_batches_with(other),
            _ => false,
        }
    }

    pub(super) fn tokens(&self) -> &tokens::Encoded {
        match &self.0 {
            EncodedKind::Tokens(input) => input,
            EncodedKind::Spans(_) => panic!("{OTHER}"),
        }
    }

    pub(super) fn spans(&self) -> &spans::Encoded {
        match &self.0 {
            EncodedKind::Spans(input) => input,
            EncodedKind::Tokens(_) => panic!("{OTHER}"),
        }
    }

    pub(super) fn into_tokens(self) -> tokens::Encoded {
        match self.0 {
            EncodedKind::Tokens(input) => *input,
            EncodedKind::Spans(_) => panic!("{OTHER}"),
        }
    }

    pub(super) fn into_spans(self) -> spans::Encoded {
        match self.0 {
            EncodedKind::Spans(input) => input,
            EncodedKind::Tokens(_) => panic!("{OTHER}"),
        }
    }
}

/// The tokenizer of a tagger. Other threads can have it.
#[derive(Clone)]
pub struct Tokenizing(pub(super) TokenizingKind);

#[derive(Clone)]
pub(super) enum TokenizingKind {
    Tokens(Arc<tokens::Reader>),
    Spans(Arc<Tokenizers>),
}

impl Tokenizing {
    /// Returns the tokenizer of texts.
    pub fn of_texts(&self) -> &Tokenizer {
        match &self.0 {
            TokenizingKind::Tokens(reader) => reader.tokenizer(),
            TokenizingKind::Spans(tokenizers) => &tokenizers.text,
        }
    }
}
