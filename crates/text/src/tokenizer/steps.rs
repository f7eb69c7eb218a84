//! A tokenizer's steps, with bounded searches for its expressions.
//!
//! The library searches with the crate fancy-regex. An expression with look-around or back references can take a step
//! back very often. After a million of them the library stops, and leaves the rest of the text uncut without a word.
//! Here the limit is lower and an error: a text is cut as the expression says, or refused.

use crate::tokenizer::error::Error;
use crate::tokenizer::soundness::{as_json, guarded};
use fancy_regex::{Regex, RegexBuilder};
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};
use tagsmith_message::quote;
use tokenizers::pattern::{Invert, Pattern};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::split::SplitPattern;
use tokenizers::{
    Encoding, Model, NormalizedString, Normalizer, NormalizerWrapper, OffsetType, PreTokenizedString, PreTokenizer,
    PreTokenizerWrapper, SplitDelimiterBehavior,
};

/// Steps back that a search from one place may take. Published expressions take some ten.
const STEPS_BACK_MAX: usize = 10_000;

/// Bytes of a text or a word that expressions cut. Some read what follows anew at each letter.
const TEXT_MAX: usize = 1 << 20;

/// The expression of byte-level tokenizers, which GPT-2's encoder.py has and the library does not show.
const GPT_2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

/// The result type of the library.
type Outcome<T> = tokenizers::Result<T>;

/// A tokenizer of the library with its steps.
pub(super) struct Stepped {
    inner: tokenizers::Tokenizer,
    normalizer: Option<Normalization>,
    cutter: Option<Cut>,
    /// Whether expressions are among the steps.
    has_expressions: bool,
}

impl Stepped {
    /// Takes the steps from a tokenizer. They must not be changed later.
    ///
    /// # Errors
    /// An expression that cannot be compiled.
    pub(super) fn new(inner: tokenizers::Tokenizer) -> Result<Stepped, Error> {
        let invalid = |error: tokenizers::Error| Error::Invalid { file: "tokenizer.json", message: error.to_string() };
        let normalizer = inner.get_normalizer().map(Normalization::new).transpose().map_err(invalid)?;
        let cutter = inner.get_pre_tokenizer().map(Cut::new).transpose().map_err(invalid)?;
        let has_expressions = normalizer.as_ref().is_some_and(Normalization::has_expressions)
            || cutter.as_ref().is_some_and(Cut::has_expressions);
        Ok(Stepped { inner, normalizer, cutter, has_expressions })
    }

    /// Returns the pieces of running text, with offsets in code points.
    ///
    /// # Errors
    /// The tokenizer refuses it.
    pub(super) fn encode_text(&self, text: &str) -> Result<Encoding, Error> {
        self.finish(|| self.encode_part(text, None))
    }

    /// Returns the pieces of words, with offsets in code points of each word.
    ///
    /// # Errors
    /// The tokenizer refuses one.
    pub(super) fn encode_words(&self, words: &[String]) -> Result<Encoding, Error> {
        self.finish(|| (0..).zip(words).map(|(number, word)| self.encode_part(word, Some(number))).collect())
    }

    fn finish(&self, encode: impl FnOnce() -> Outcome<Encoding>) -> Result<Encoding, Error> {
        let encoded = guarded(|| self.inner.post_process(encode()?, None, true));
        let gave_up = || Error::Encode { message: "the library that cuts it gave up".into() };
        encoded.ok_or_else(gave_up)?.map_err(|error| Error::Encode { message: error.to_string() })
    }

    /// Does what `TokenizerImpl::encode_char_offsets` of the library does with one sequence, or one word of it.
    fn encode_part(&self, text: &str, word: Option<u32>) -> Outcome<Encoding> {
        if self.has_expressions && text.len() > TEXT_MAX {
            let (most, bytes) = (TEXT_MAX >> 20, text.len());
            let part = if word.is_some() { "word" } else { "text" };
            let long = format!(
                "it cuts with expressions, and a {part} of at most {most} MiB: {} has {bytes} bytes: split it",
                quote(text)
            );
            return Err(long.into());
        }
        let watched = self.normalizer.as_ref().map(|steps| Watched { steps, failed: Mutex::new(None) });
        let mut cut = self.inner.get_added_vocabulary().extract_and_normalize(watched.as_ref(), text);
        let failed = watched.and_then(|watched| watched.failed.into_inner().unwrap_or_else(PoisonError::into_inner));
        if let Some(error) = failed {
            return Err(error);
        }
        if let Some(cutter) = &self.cutter {
            cutter.pre_tokenize(&mut cut)?;
        }
        self.inner.get_model().tokenize_in_pretokenized(&mut cut, None)?;
        cut.into_encoding(word, 0, OffsetType::Char)
    }
}

impl Deref for Stepped {
    type Target = tokenizers::Tokenizer;

    fn deref(&self) -> &tokenizers::Tokenizer {
        &self.inner
    }
}

impl DerefMut for Stepped {
    fn deref_mut(&mut self) -> &mut tokenizers::Tokenizer {
        &mut self.inner
    }
}

/// An expression whose search ends after a bounded number of steps back.
struct Expression(Regex);

impl Expression {
    fn new(text: &str) -> Outcome<Expression> {
        Ok(Expression(RegexBuilder::new(text).backtrack_limit(STEPS_BACK_MAX).build()?))
    }
}

impl Pattern for &Expression {
    /// Returns what the library returns for its expressions, or an error where the library stops.
    fn find_matches(&self, inside: &str) -> Outcome<Vec<((usize, usize), bool)>> {
        if inside.is_empty() {
            return Ok(vec![((0, 0), false)]);
        }
        let (mut parts, mut before) = (Vec::with_capacity(inside.len()), 0);
        for found in self.0.find_iter(inside) {
            let found = found.map_err(|_| {
                let pattern = quote(self.0.as_str());
                format!(
                    "its expression {pattern} goes back more than {STEPS_BACK_MAX} steps at one place of {}: use the \
                     tokenizer.json of a published model, or shorten the text",
                    quote(inside)
                )
            })?;
            if before != found.start() {
                parts.push(((before, found.start()), false));
            }
            parts.push(((found.start(), found.end()), true));
            before = found.end();
        }
        if before != inside.len() {
            parts.push(((before, inside.len()), false));
        }
        Ok(parts)
    }
}

/// What is done to a text before it is cut.
enum Normalization {
    Sequence(Vec<Normalization>),
    Replace(Expression, String),
    Library(NormalizerWrapper),
}

impl Normalization {
    fn new(step: &NormalizerWrapper) -> Outcome<Normalization> {
        Ok(match step {
            NormalizerWrapper::Sequence(steps) => {
                Normalization::Sequence(steps.as_ref().iter().map(Normalization::new).collect::<Outcome<_>>()?)
            }
            NormalizerWrapper::Replace(step) => match as_json(step)["pattern"]["Regex"].as_str() {
                Some(pattern) => Normalization::Replace(Expression::new(pattern)?, step.content.clone()),
                None => Normalization::Library(NormalizerWrapper::Replace(step.clone())),
            },
            other => Normalization::Library(other.clone()),
        })
    }
}

impl Normalization {
    fn has_expressions(&self) -> bool {
        match self {
            Normalization::Sequence(steps) => steps.iter().any(Normalization::has_expressions),
            Normalization::Replace(..) => true,
            Normalization::Library(_) => false,
        }
    }
}

impl Normalizer for Normalization {
    fn normalize(&self, text: &mut NormalizedString) -> Outcome<()> {
        match self {
            Normalization::Sequence(steps) => steps.iter().try_for_each(|step| step.normalize(text)),
            Normalization::Replace(pattern, content) => text.replace(pattern, content),
            Normalization::Library(step) => step.normalize(text),
        }
    }
}

/// Steps of normalization whose error is kept, because the library drops it.
struct Watched<'s> {
    steps: &'s Normalization,
    failed: Mutex<Option<tokenizers::Error>>,
}

impl Normalizer for Watched<'_> {
    fn normalize(&self, text: &mut NormalizedString) -> Outcome<()> {
        let done = self.steps.normalize(text);
        if let Err(error) = done {
            self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
        Ok(())
    }
}

/// How a text is cut before the model of pieces reads it.
enum Cut {
    Sequence(Vec<Cut>),
    Split {
        at: Expression,
        behavior: SplitDelimiterBehavior,
        invert: bool,
    },
    /// GPT-2's way, where a space may be put before a text.
    Bytes {
        at: Expression,
        add_prefix_space: bool,
    },
    Library(PreTokenizerWrapper),
}

impl Cut {
    fn new(step: &PreTokenizerWrapper) -> Outcome<Cut> {
        Ok(match step {
            PreTokenizerWrapper::Sequence(steps) => {
                Cut::Sequence(steps.as_ref().iter().map(Cut::new).collect::<Outcome<_>>()?)
            }
            PreTokenizerWrapper::Split(split) => match &split.pattern {
                SplitPattern::Regex(pattern) => {
                    Cut::Split { at: Expression::new(pattern)?, behavior: split.behavior, invert: split.invert }
                }
                SplitPattern::String(_) => Cut::Library(step.clone()),
            },
            PreTokenizerWrapper::ByteLevel(bytes) if bytes.use_regex => {
                Cut::Bytes { at: Expression::new(GPT_2)?, add_prefix_space: bytes.add_prefix_space }
            }
            other => Cut::Library(other.clone()),
        })
    }
}

impl Cut {
    fn has_expressions(&self) -> bool {
        match self {
            Cut::Sequence(steps) => steps.iter().any(Cut::has_expressions),
            Cut::Split { .. } | Cut::Bytes { .. } => true,
            Cut::Library(_) => false,
        }
    }
}

impl PreTokenizer for Cut {
    fn pre_tokenize(&self, text: &mut PreTokenizedString) -> Outcome<()> {
        match self {
            Cut::Sequence(steps) => steps.iter().try_for_each(|step| step.pre_tokenize(text)),
            Cut::Split { at, behavior, invert: true } => text.split(|_, part| part.split(Invert(at), *behavior)),
            Cut::Split { at, behavior, invert: false } => text.split(|_, part| part.split(at, *behavior)),
            Cut::Bytes { at, add_prefix_space } => {
                text.split(|_, mut part| {
                    if *add_prefix_space && !part.get().starts_with(' ') {
                        part.prepend(" ");
                    }
                    part.split(at, SplitDelimiterBehavior::Isolated)
                })?;
                // What is left to do is to write bytes as characters.
                ByteLevel::new(false, true, false).pre_tokenize(text)
            }
            Cut::Library(step) => step.pre_tokenize(text),
        }
    }
}
