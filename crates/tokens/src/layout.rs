//! The table of a token classifier's parameters: an encoder's, then its head's.

use std::ops::Range;
use tagsmith_encoder::config::{Config, Family};
use tagsmith_encoder::layout::{Affine, EncoderLayout, Table, prefix};
use tagsmith_kernel::params::Slot;

/// Where a token classifier's parameters are.
#[derive(Clone, Debug)]
pub struct Layout {
    /// All slots, in memory order.
    pub slots: Vec<Slot>,
    /// The part of a name that a checkpoint of the encoder alone leaves out: `bert.`.
    pub prefix: &'static str,
    /// Where the encoder's parameters are.
    pub encoder: EncoderLayout,
    /// Numbers of the head's slots: those that a checkpoint of the encoder alone lacks.
    pub head: Range<usize>,
    /// ModernBERT's layer before the classifier.
    pub prediction: Option<Prediction>,
    /// The classifier (K, H).
    pub classifier: Affine,
}

/// A dense layer and the norm behind its activation.
#[derive(Clone, Copy, Debug)]
pub struct Prediction {
    /// The dense layer (H, H).
    pub dense: Affine,
    /// The norm (H).
    pub norm: Affine,
}

impl Layout {
    /// Makes the table of the model that `config` describes.
    pub fn new(config: &Config) -> Layout {
        let prefix = prefix(&config.family);
        let mut slots = Vec::new();
        let encoder = EncoderLayout::new(config, prefix, &mut slots);
        let start = slots.len();
        let mut table = Table { slots };
        let hidden = config.hidden_size;
        let prediction = match &config.family {
            Family::ModernBert(settings) => Some(Prediction {
                dense: table.linear("head.dense", hidden, hidden, settings.classifier_bias),
                norm: table.norm("head.norm", hidden, settings.norm_bias),
            }),
            _ => None,
        };
        let classifier = table.linear("classifier", config.labels.len(), hidden, true);
        let head = start..table.slots.len();
        Layout { slots: table.slots, prefix, encoder, head, prediction, classifier }
    }
}
