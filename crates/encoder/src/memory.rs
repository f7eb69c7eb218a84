//! Numbers that an encoder holds while it runs: R rows in a micro-batch, H hidden, F feed-forward, L layers, E embedding
//! width. Each family states the terms of its layers as [`LayerMemory`].
//!
//! | what | numbers |
//! |---|---|
//! | kept by a layer for backward | R × (8H + F + 4): its input, queries, keys and values, context, the sums before both norms with their means and deviations, what goes into the feed-forward's first product and into the activation |
//! | kept by a layer of ModernBERT | R × (8H + 3F + 4): of the gated part both halves and what the gate makes of them |
//! | kept by a layer of DeBERTa too | D × 3H, D being the distances that occur: at most twice the longest sentence |
//! | kept by a layer with a convolution over w neighbors too | R × ((w + 2) × H + 2): those, the sum before the norm, and what goes into the activation |
//! | kept by embeddings and the last states | R × (2E + 2H + 2) |
//! | kept by a layer with `gradient_checkpointing` | R × H, and one layer at a time in full |
//! | at work in backward | R × (3H + 2F) (DeBERTa 7H + 2F, ModernBERT 3H), and twice the largest weight, packed |
//! | at work in evaluation | R × (8H + 3F), as no layer keeps anything |

use crate::config::Config;
use crate::family::facts::LayerMemory;

/// Numbers in use at the beginning of backward, when there are the most.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    /// Numbers that forward left.
    pub kept: u64,
    /// Numbers that backward takes besides.
    pub at_work: u64,
}

/// Counts the numbers in use in training, for so many rows in sentences of at most `longest` pieces.
pub fn training(config: &Config, rows: u64, longest: usize, checkpointing: bool) -> Held {
    let shape = &config.shape;
    let LayerMemory { kept, kept_once, kept_per_distance, distances, backward, largest_weight, .. } =
        config.facts.memory;
    let [h, e, layers] = [shape.hidden_size, shape.embedding_size, shape.layers].map(|number| number as u64);
    let layers_in_full = if checkpointing { 1 } else { layers };
    let inputs = if checkpointing { layers * h } else { 0 };
    let ends = 2 * e + 2 * h + 2;
    let distances = 2 * longest.min(distances) as u64;
    Held {
        kept: rows * (inputs + layers_in_full * kept + ends + kept_once)
            + layers_in_full * distances * kept_per_distance,
        at_work: rows * backward + 2 * largest_weight,
    }
}

/// Counts the numbers in use inside one layer, with nothing kept.
pub fn evaluation(config: &Config, rows: u64) -> u64 {
    let LayerMemory { inference, largest_weight, .. } = config.facts.memory;
    rows * inference + largest_weight
}
