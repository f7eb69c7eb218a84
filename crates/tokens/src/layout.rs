//! The table of a token classifier's parameters: an encoder's, then its head's.

use std::ops::Range;
use tagsmith_encoder::config::Config;
use tagsmith_encoder::family::slots::{Affine, SlotTable};
use tagsmith_encoder::layout::EncoderLayout;
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
    /// The layer before the classifier, for a family that has one.
    pub dense: Option<DenseSlots>,
    /// The classifier (K, H).
    pub classifier: Affine,
}

/// A dense layer of the head, and the norm after its activation.
#[derive(Clone, Copy, Debug)]
pub struct DenseSlots {
    /// The dense layer (H, H).
    pub weight: Affine,
    /// The norm (H).
    pub norm: Affine,
}

impl Layout {
    /// Makes the table of the model that `config` describes.
    pub fn new(config: &Config) -> Layout {
        let (prefix, hidden) = (config.facts.prefix, config.shape.hidden_size);
        let mut table = SlotTable::default();
        let encoder = EncoderLayout::new(config, prefix, &mut table);
        let start = table.slots.len();
        // Backward begins with the head.
        table.stage = config.shape.layers + 1;
        let dense = config.facts.head.dense.map(|dense| DenseSlots {
            weight: table.linear("head.dense", hidden, hidden, dense.biased),
            norm: table.norm("head.norm", hidden, dense.norm_biased),
        });
        let classifier = table.linear("classifier", config.labels.len(), hidden, true);
        let head = start..table.slots.len();
        Layout { slots: table.slots, prefix, encoder, head, dense, classifier }
    }
}
