//! The parameters of ModernBERT: names in the file, shapes, order in memory.

use crate::family::shape::Shape;
use crate::family::slots::{Affine, CommonSlots, SlotTable};
use crate::modernbert::settings::Settings;

/// Where the parameters of a ModernBERT are.
#[derive(Clone, Debug)]
pub struct ModernBertLayout {
    /// The norm of the embeddings.
    pub embedding_norm: Affine,
    /// The parameters of each layer.
    pub layers: Vec<ModernBertLayer>,
}

/// Where the parameters of one layer are.
#[derive(Clone, Copy, Debug)]
pub struct ModernBertLayer {
    /// The norm before the attention. The first layer has none: the norm of the embeddings precedes it.
    pub attention_norm: Option<Affine>,
    /// Query, key and value weights (3H, H).
    pub qkv: Affine,
    /// The attention's output (H, H).
    pub output: Affine,
    /// The norm before the feed-forward part.
    pub feed_forward_norm: Affine,
    /// The first feed-forward product (2F, H): the half that is activated, and the half it is multiplied with.
    pub up: Affine,
    /// The second feed-forward product (H, F).
    pub down: Affine,
}

impl ModernBertLayout {
    /// Adds the encoder to `table`; `prefix` precedes each of its names.
    pub(crate) fn new(
        shape: &Shape,
        settings: &Settings,
        prefix: &str,
        table: &mut SlotTable,
    ) -> (CommonSlots, ModernBertLayout) {
        let (hidden, biased) = (shape.hidden_size, settings.norm_bias);
        let inside = |name: &str| format!("{prefix}{name}");
        table.stage = 0;
        let words = table.add(inside("embeddings.tok_embeddings.weight"), vec![shape.vocab_size, hidden], true, true);
        let embedding_norm = table.norm(&inside("embeddings.norm"), hidden, biased);
        let layer = |number: usize| {
            table.stage = number + 1;
            ModernBertLayer::new(number, shape, settings, &inside(&format!("layers.{number}.")), table)
        };
        let layers: Vec<ModernBertLayer> = (0..shape.layers).map(layer).collect();
        // Backward reaches the final norm before the last layer, whose stage it shares.
        let final_norm = Some(table.norm(&inside("final_norm"), hidden, biased));
        let residual = layers.iter().flat_map(|layer| [layer.output.weight, layer.down.weight]).collect();
        let common = CommonSlots { words, tables: vec![words], residual, final_norm };
        (common, ModernBertLayout { embedding_norm, layers })
    }
}

impl ModernBertLayer {
    fn new(number: usize, shape: &Shape, settings: &Settings, name: &str, table: &mut SlotTable) -> ModernBertLayer {
        let Shape { hidden_size: hidden, intermediate_size: intermediate, .. } = *shape;
        let Settings { norm_bias, attention_bias, mlp_bias, .. } = *settings;
        let inside = |part: &str| format!("{name}{part}");
        ModernBertLayer {
            attention_norm: (number > 0).then(|| table.norm(&inside("attn_norm"), hidden, norm_bias)),
            qkv: table.linear(&inside("attn.Wqkv"), 3 * hidden, hidden, attention_bias),
            output: table.linear(&inside("attn.Wo"), hidden, hidden, attention_bias),
            feed_forward_norm: table.norm(&inside("mlp_norm"), hidden, norm_bias),
            up: table.linear(&inside("mlp.Wi"), 2 * intermediate, hidden, mlp_bias),
            down: table.linear(&inside("mlp.Wo"), hidden, intermediate, mlp_bias),
        }
    }
}
