//! Numbers that an encoder holds while it runs: R rows in a micro-batch, H hidden, F feed-forward, L layers, E embedding
//! width.
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

use crate::config::{Config, Family};

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
    let [h, f, e, layers] = [config.hidden_size, config.intermediate_size, config.embedding_size, config.layers]
        .map(|number| number as u64);
    let gated = is_gated(config);
    let layer = 8 * h + if gated { 3 * f } else { f } + 4;
    let kept = if checkpointing { layers * h + layer } else { layers * layer };
    let ends = 2 * e + 2 * h + 2;
    let distances = distances(config, longest);
    let at_work = if distances.is_some() { 7 * h } else { 3 * h } + if gated { 0 } else { 2 * f };
    let of_distances = distances.unwrap_or(0) * 3 * h * if checkpointing { 1 } else { layers };
    let convolution = neighbors(config).map_or(0, |width| (width + 2) * h + 2);
    Held {
        kept: rows * (kept + ends + convolution) + of_distances,
        at_work: rows * at_work + 2 * largest_weight(config),
    }
}

/// Counts the numbers in use inside one layer, with nothing kept.
pub fn evaluation(config: &Config, rows: u64) -> u64 {
    let [h, f] = [config.hidden_size, config.intermediate_size].map(|number| number as u64);
    rows * (8 * h + 3 * f) + largest_weight(config)
}

/// Returns how many embeddings of distances a sentence of so many pieces needs, where there are any.
fn distances(config: &Config, longest: usize) -> Option<u64> {
    let Family::Deberta(settings) = &config.family else { return None };
    Some(2 * longest.min(settings.buckets.span) as u64)
}

/// Returns how many neighbors a convolution goes over, where there is one.
fn neighbors(config: &Config) -> Option<u64> {
    let Family::Deberta(settings) = &config.family else { return None };
    settings.convolution.map(|convolution| convolution.width as u64)
}

/// Counts the numbers of the largest weight of a product, which is packed before it is multiplied with.
fn largest_weight(config: &Config) -> u64 {
    let (h, f) = (config.hidden_size as u64, config.intermediate_size as u64);
    let up = if is_gated(config) { 2 * f } else { f };
    h * up.max(3 * h).max(neighbors(config).unwrap_or(0) * h)
}

/// Whether the feed-forward part has a gate, as wide as what it lets through.
fn is_gated(config: &Config) -> bool {
    matches!(config.family, Family::ModernBert(_))
}
