//! The table of a token classifier's parameters: an encoder's, then its head's.

use std::ops::Range;
use tagsmith_encoder::config::Config;
use tagsmith_encoder::family::slots::{Affine, SlotTable};
use tagsmith_encoder::layout::EncoderLayout;
use tagsmith_kernel::params::{Slot, SlotId};

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
    /// What a chain of labels has, for a head that is one.
    pub chain: Option<ChainSlots>,
}

/// The parameters of a linear-chain conditional random field, under the names that pytorch-crf has.
#[derive(Clone, Copy, Debug)]
pub struct ChainSlots {
    /// The numbers of first labels (K).
    pub start: SlotId,
    /// The numbers of last labels (K).
    pub end: SlotId,
    /// The numbers of pairs (K, K); the label before is the row.
    pub transitions: SlotId,
}

/// What makes labels of a classifier's scores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeadKind {
    /// Each row by itself.
    #[default]
    Softmax,
    /// A linear-chain conditional random field over the words of a sentence.
    Crf,
}

impl HeadKind {
    /// Names of all kinds, in the order of the variants.
    pub const NAMES: [&str; 2] = ["softmax", "crf"];

    /// The key of config.json that names the kind. transformers takes no notice of it.
    pub const KEY: &str = "tagsmith_head";

    /// What the names of a chain's parameters begin with.
    pub const CHAIN: &str = "crf.";

    /// Returns the kind of that name.
    pub fn named(name: &str) -> Option<HeadKind> {
        [HeadKind::Softmax, HeadKind::Crf].into_iter().find(|kind| kind.name() == name)
    }

    /// Returns the kind's name.
    pub fn name(self) -> &'static str {
        HeadKind::NAMES[self as usize]
    }

    /// Returns the kind that a configuration asks for; none where it names another.
    pub fn of(config: &Config) -> Option<HeadKind> {
        match config.json.get(HeadKind::KEY) {
            None => Some(HeadKind::Softmax),
            Some(name) => name.as_str().and_then(HeadKind::named),
        }
    }

    /// Returns the configuration of a model with this kind of head.
    #[must_use]
    pub fn in_config(self, mut config: Config) -> Config {
        match self {
            HeadKind::Softmax => config.json.remove(HeadKind::KEY),
            HeadKind::Crf => config.json.insert(HeadKind::KEY.into(), self.name().into()),
        };
        config
    }
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
        let labels = config.labels.len();
        let classifier = table.linear("classifier", labels, hidden, true);
        let chain = (HeadKind::of(config) == Some(HeadKind::Crf)).then(|| {
            let mut slot = |name, shape| table.add(format!("{}{name}", HeadKind::CHAIN), shape, false, false);
            ChainSlots {
                start: slot("start_transitions", vec![labels]),
                end: slot("end_transitions", vec![labels]),
                transitions: slot("transitions", vec![labels, labels]),
            }
        });
        let head = start..table.slots.len();
        Layout { slots: table.slots, prefix, encoder, head, dense, classifier, chain }
    }
}
