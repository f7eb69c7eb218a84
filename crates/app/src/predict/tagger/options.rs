//! What may be chosen of a tagger, for all inputs or for some.

use crate::machine::device::DeviceArgs;
use serde_json::Value;
use tagsmith_spans::find::decode::Mode;
use tagsmith_text::align::aggregate::Strategy;
use tagsmith_text::labels::label_scheme::LabelScheme;

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
    /// A span tagger's threshold: a number, `cls` or `label_token`; without it, the model's.
    pub threshold: Option<String>,
    /// Which of a span tagger's entities may share pieces; without it, [`Mode::Flat`].
    pub decoding: Option<Mode>,
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
    /// A span tagger's threshold: a number, `cls` or `label_token`.
    pub threshold: Option<String>,
    /// Which of a span tagger's entities may share pieces.
    pub decoding: Option<Mode>,
}
