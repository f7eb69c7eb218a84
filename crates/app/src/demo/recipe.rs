//! How much the demo makes of everything: chosen by experiment, so that two cores are done in well under two minutes.

use super::corpus::Sizes;
use serde_json::{Map, Value, json};

/// Everything about a demo run that is a number, apart from the seed.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    /// Sentences of each split.
    pub sizes: Sizes,
    /// Pieces in the vocabulary: few, so that the names of training too are mostly in pieces, as unknown ones will be.
    pub vocabulary: usize,
    /// H.
    pub hidden: usize,
    /// N.
    pub heads: usize,
    /// F.
    pub intermediate: usize,
    /// Encoder layers.
    pub layers: usize,
    /// Sentences an update.
    pub batch_size: usize,
    /// Passes over the training sentences.
    pub epochs: usize,
    /// The learning rate after warm-up; it then falls to 0 in a straight line.
    pub learning_rate: f64,
}

/// Positions of the model: several times the demo's longest sentence.
pub const POSITIONS: usize = 256;

impl Recipe {
    /// What everybody gets.
    pub const FULL: Recipe = Recipe {
        sizes: Sizes { train: 12_000, validation: 400, test: 1_000 },
        vocabulary: 700,
        hidden: 64,
        heads: 4,
        intermediate: 128,
        layers: 2,
        batch_size: 16,
        epochs: 6,
        learning_rate: 4e-3,
    };

    /// What tests get: seconds even without optimization.
    pub const TINY: Recipe = Recipe {
        sizes: Sizes { train: 2_000, validation: 100, test: 200 },
        vocabulary: 600,
        hidden: 48,
        heads: 3,
        intermediate: 96,
        layers: 2,
        batch_size: 16,
        epochs: 6,
        learning_rate: 6e-3,
    };

    /// config.json of a BERT of this size with `pieces` word pieces.
    pub fn config(&self, pieces: usize) -> Map<String, Value> {
        let config = json!({
            "architectures": ["BertForTokenClassification"],
            "model_type": "bert",
            "vocab_size": pieces,
            "hidden_size": self.hidden,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "intermediate_size": self.intermediate,
            "hidden_act": "gelu",
            "max_position_embeddings": POSITIONS,
            "type_vocab_size": 2,
            "layer_norm_eps": 1e-12,
            "initializer_range": 0.02,
            "hidden_dropout_prob": 0.1,
            "attention_probs_dropout_prob": 0.1,
            "pad_token_id": 0,
        });
        match config {
            Value::Object(config) => config,
            _ => unreachable!("an object was written"),
        }
    }
}
