//! Facts about a model that its encoder's computation does not need: names in files, new weights, memory, token head.

use tagsmith_kernel::op::activation::Activation;

/// Facts about a model. Its family states them when config.json is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// The part of a parameter's name that a checkpoint of the encoder alone leaves out: `bert.`.
    pub prefix: &'static str,
    /// The family's name in transformers, which its class names begin with: `Bert`.
    pub class_name: &'static str,
    /// Whether transformers' encoder of this family has a pooler, used or not.
    pub has_pooler: bool,
    /// The distribution of new weights.
    pub initial: Initial,
    /// The token-classification head that transformers puts on the encoder.
    pub head: TokenHead,
    /// The numbers that the encoder holds while it works.
    pub memory: LayerMemory,
}

/// Distribution of new weights: normal, with biases 0 and gains 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Initial {
    /// Standard deviation.
    pub deviation: f32,
    /// Standard deviation of weights whose product is added to the hidden states; see `EncoderLayout::residual`.
    pub residual_deviation: f32,
    /// The largest magnitude, in standard deviations. A larger number is drawn again.
    pub cutoff: f32,
}

/// A token-classification head.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TokenHead {
    /// Dropout rate before the classifier.
    pub dropout: f32,
    /// Standard deviation of a new classifier weight.
    pub deviation: f32,
    /// The dense layer, activation and norm before the classifier, for a family that has them.
    pub dense: Option<DenseLayer>,
}

/// A dense layer of a token head, with the activation and the norm after it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DenseLayer {
    /// Whether the dense layer has a bias.
    pub biased: bool,
    /// The function between the dense layer and the norm.
    pub activation: Activation,
    /// Whether the norm has a bias.
    pub norm_biased: bool,
}

/// Counts of numbers (4 bytes each) that the encoder holds. `memory.rs` explains the terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerMemory {
    /// Numbers that a layer keeps for backward, per row.
    pub kept: u64,
    /// Numbers that one layer keeps in addition, per row.
    pub kept_once: u64,
    /// Numbers that a layer keeps for each distance between two rows that occurs.
    pub kept_per_distance: u64,
    /// The largest number of distances to either side; 0 for a family without distances.
    pub distances: usize,
    /// Numbers at work in a layer's backward, per row.
    pub backward: u64,
    /// Numbers at work in a layer that keeps nothing, per row.
    pub inference: u64,
    /// Numbers in the largest weight of a product, which is packed first.
    pub largest_weight: u64,
}
