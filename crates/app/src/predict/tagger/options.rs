//! What may be chosen of a tagger, for all inputs or for some.

use crate::machine::device::DeviceArgs;
use serde_json::Value;
use tagsmith_spans::find::decode::Mode;
use tagsmith_text::align::aggregate::Strategy;
use tagsmith_text::decode;
use tagsmith_text::labels::label_scheme::LabelScheme;

/// The way from scores to labels or entities, for either kind of model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoding {
    /// A token classifier's: how words get labels.
    Words(decode::Decoding),
    /// A span tagger's: which entities may share pieces.
    Spans(Mode),
}

impl Decoding {
    /// Names of all ways, those of token classifiers first.
    pub const NAMES: [&str; 5] =
        [decode::Decoding::NAMES[0], decode::Decoding::NAMES[1], Mode::NAMES[0], Mode::NAMES[1], Mode::NAMES[2]];

    /// Returns the way of that name.
    pub fn named(name: &str) -> Option<Decoding> {
        decode::Decoding::named(name).map(Decoding::Words).or_else(|| Mode::named(name).map(Decoding::Spans))
    }

    /// Returns the way's name.
    pub fn name(self) -> &'static str {
        match self {
            Decoding::Words(way) => way.name(),
            Decoding::Spans(mode) => mode.name(),
        }
    }

    /// Returns a token classifier's way.
    pub fn of_words(self) -> Option<decode::Decoding> {
        match self {
            Decoding::Words(way) => Some(way),
            Decoding::Spans(_) => None,
        }
    }

    /// Returns a span tagger's way.
    pub fn of_spans(self) -> Option<Mode> {
        match self {
            Decoding::Words(_) => None,
            Decoding::Spans(mode) => Some(mode),
        }
    }
}

/// The choices of a tagger. A choice that the model's kind does not have is refused.
#[derive(Clone, Debug, Default)]
pub struct TaggerOptions {
    /// The branch, tag or commit of a name on the hub.
    pub revision: Option<String>,
    /// The longest window in pieces; without it, the model's.
    pub max_seq_length: Option<usize>,
    /// Pieces that neighboring windows share at most; without it, a quarter of a window.
    pub stride: Option<usize>,
    /// Pieces that the model reads at once, at most; without it, [`BATCH_TOKENS`].
    pub batch_tokens: Option<usize>,
    /// The way in which a token classifier's pieces become entities; without it, [`Strategy::First`].
    pub strategy: Option<Strategy>,
    /// The way in which a token classifier's tags are read; without it, [`LabelScheme::Auto`].
    pub label_scheme: Option<LabelScheme>,
    /// Whether a token classifier's entities show their pieces too.
    pub in_pieces: bool,
    /// Whether a token classifier gives what is in no entity as well, under the label `O`.
    pub outside: bool,
    /// Labels that a span tagger looks for: an array of names, or an object of names and descriptions.
    pub labels: Option<Value>,
    /// Whether a span tagger may be loaded without labels, because its inputs bring their own.
    pub may_lack_labels: bool,
    /// The lowest score of an entity: a number, or a span tagger's `cls` or `label_token`. Without it, a span tagger has its
    /// model's, and a token classifier none.
    pub threshold: Option<String>,
    /// The way from scores to labels or entities. Without it, a word has its most probable label, and a span tagger's
    /// entities are [`Mode::Flat`].
    pub decoding: Option<Decoding>,
    /// The operating point of a token classifier's decoding.
    pub operating_point: Option<String>,
    /// What a token classifier's scores are divided by; without it, the operating point's, or 1.
    pub temperature: Option<f64>,
    /// The probability below which a token classifier abstains.
    pub abstain_below: Option<f32>,
    /// Whether the factors of products are rounded to bf16.
    pub bf16: bool,
    /// Where the model runs.
    pub device: DeviceArgs,
}

/// Pieces that a model reads at once where the options do not say.
pub const BATCH_TOKENS: usize = 2048;

/// What may differ from input to input. What is not chosen is as the tagger was loaded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Choices {
    /// The way in which a token classifier's pieces become entities.
    pub strategy: Option<Strategy>,
    /// Whether a token classifier's entities show their pieces too.
    pub in_pieces: Option<bool>,
    /// Whether a token classifier gives what is in no entity as well, under the label `O`.
    pub outside: Option<bool>,
    /// Pieces that neighboring windows share at most.
    pub stride: Option<usize>,
    /// Labels that a span tagger looks for: an array of names, or an object of names and descriptions.
    pub labels: Option<Value>,
    /// The lowest score of an entity: a number, or a span tagger's `cls` or `label_token`.
    pub threshold: Option<String>,
    /// The way from scores to labels or entities.
    pub decoding: Option<Decoding>,
    /// The operating point of a token classifier's decoding.
    pub operating_point: Option<String>,
}
