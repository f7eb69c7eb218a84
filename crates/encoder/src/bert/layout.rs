//! The parameters of BERT and its relatives: names in the file, shapes, order in memory.

use crate::bert::deberta::Deberta;
use crate::bert::settings::Settings;
use crate::family::shape::Shape;
use crate::family::slots::{Affine, CommonSlots, SlotTable, next};
use tagsmith_kernel::params::SlotId;

/// Where the parameters of a BERT or one of its relatives are.
#[derive(Clone, Debug)]
pub struct BertLayout {
    /// Position embeddings, where they are added to the words'.
    pub positions: Option<SlotId>,
    /// Token-type embeddings, for a family that has them.
    pub types: Option<SlotId>,
    /// The norm of the embeddings.
    pub embedding_norm: Affine,
    /// The projection of embeddings that are narrower than the encoder.
    pub projection: Option<Affine>,
    /// DeBERTa's embeddings of distances.
    pub distances: Option<DistanceSlots>,
    /// DeBERTa's convolution beside the first layer.
    pub convolution: Option<ConvolutionSlots>,
    /// The parameters of each layer.
    pub layers: Vec<BertLayer>,
}

/// Embeddings of distances, one table for all layers.
#[derive(Clone, Copy, Debug)]
pub struct DistanceSlots {
    /// The table (2S, H).
    pub table: SlotId,
    /// The norm of its rows.
    pub norm: Option<Affine>,
}

/// A convolution over neighbors.
#[derive(Clone, Copy, Debug)]
pub struct ConvolutionSlots {
    /// The kernel (H, H, width) and its bias.
    pub kernel: Affine,
    /// The norm after the sum with the layer's output.
    pub norm: Affine,
}

/// A layer's projections of distances: the one that keys are compared with, then the one that queries are compared with.
#[derive(Clone, Copy, Debug)]
pub struct DistanceProjections {
    /// The first weight (H, H).
    pub weight: SlotId,
    /// The first bias (H).
    pub bias: SlotId,
    /// How many projections stand side by side: one or two.
    pub count: usize,
}

/// Where the parameters of one layer are.
#[derive(Clone, Copy, Debug)]
pub struct BertLayer {
    /// Query, key and value weights side by side: (3H, H).
    pub qkv_weight: SlotId,
    /// Query, key and value biases side by side: (3H).
    pub qkv_bias: SlotId,
    /// DeBERTa's projections of distances. They may be those of content.
    pub distances: Option<DistanceProjections>,
    /// The attention's output (H, H).
    pub output: Affine,
    /// The norm after the attention.
    pub attention_norm: Affine,
    /// The first feed-forward product (F, H).
    pub up: Affine,
    /// The second feed-forward product (H, F).
    pub down: Affine,
    /// The norm after the feed-forward part.
    pub feed_forward_norm: Affine,
}

impl BertLayout {
    /// Adds the encoder to `table`; `prefix` precedes each of its names.
    pub(crate) fn new(
        shape: &Shape,
        settings: &Settings,
        prefix: &str,
        table: &mut SlotTable,
    ) -> (CommonSlots, BertLayout) {
        let Shape { hidden_size: hidden, embedding_size: width, .. } = *shape;
        let deberta = settings.deberta.as_ref();
        let inside = |name: &str| format!("{prefix}{name}");
        let embedding = |name: &str| inside(&format!("embeddings.{name}_embeddings.weight"));
        table.stage = 0;
        let words = table.add(embedding("word"), vec![shape.vocab_size, width], true, true);
        let positions = deberta
            .is_none_or(|deberta| deberta.positions_added)
            .then(|| table.add(embedding("position"), vec![settings.position_rows, width], true, false));
        let types = (shape.type_vocab_size > 0)
            .then(|| table.add(embedding("token_type"), vec![shape.type_vocab_size, width], true, false));
        let normalized = if deberta.is_some() { hidden } else { width };
        let embedding_norm = table.norm(&inside("embeddings.LayerNorm"), normalized, true);
        let (name, biased) = match deberta {
            Some(_) => ("embeddings.embed_proj", false),
            None => ("embeddings_project", true),
        };
        let projection = (width != hidden).then(|| table.linear(&inside(name), hidden, width, biased));
        let distances = deberta.map(|deberta| DistanceSlots {
            table: table.add(
                inside("encoder.rel_embeddings.weight"),
                vec![2 * deberta.buckets.span, hidden],
                true,
                false,
            ),
            norm: deberta.normalized.then(|| table.norm(&inside("encoder.LayerNorm"), hidden, true)),
        });
        // Layer 0 computes the convolution.
        table.stage = 1;
        let convolution = deberta.and_then(|deberta| deberta.convolution).map(|convolution| ConvolutionSlots {
            kernel: table.affine(&inside("encoder.conv.conv"), vec![hidden, hidden, convolution.width], true, true),
            norm: table.norm(&inside("encoder.conv.LayerNorm"), hidden, true),
        });
        let layers = (0..shape.layers)
            .map(|number| {
                table.stage = number + 1;
                BertLayer::new(shape, settings, &inside(&format!("{}{number}.", settings.names.layer)), table)
            })
            .collect();
        let tables = [Some(words), positions, types, distances.map(|distances| distances.table)];
        let tables = tables.into_iter().flatten().collect();
        let common = CommonSlots { words, tables, residual: Vec::new(), final_norm: None };
        (common, BertLayout { positions, types, embedding_norm, projection, distances, convolution, layers })
    }
}

impl BertLayer {
    fn new(shape: &Shape, settings: &Settings, name: &str, table: &mut SlotTable) -> BertLayer {
        let Shape { hidden_size: hidden, intermediate_size: intermediate, .. } = *shape;
        let names = &settings.names;
        let inside = |part: &str| format!("{name}{part}");
        let (qkv_weight, qkv_bias) = table.side_by_side(name, &[names.query, names.key, names.value], hidden);
        let of_content = (qkv_weight, qkv_bias);
        let distances =
            settings.deberta.as_ref().map(|deberta| DistanceProjections::new(deberta, of_content, name, hidden, table));
        BertLayer {
            qkv_weight,
            qkv_bias,
            distances,
            output: table.linear(&inside(names.output), hidden, hidden, true),
            attention_norm: table.norm(&inside(names.attention_norm), hidden, true),
            up: table.linear(&inside(names.up), intermediate, hidden, true),
            down: table.linear(&inside(names.down), hidden, intermediate, true),
            feed_forward_norm: table.norm(&inside(names.feed_forward_norm), hidden, true),
        }
    }
}

impl DistanceProjections {
    /// Among shared weights, those of queries precede those of keys. Weights of distances alone have the same order.
    fn new(
        deberta: &Deberta,
        (qkv_weight, qkv_bias): (SlotId, SlotId),
        name: &str,
        hidden: usize,
        table: &mut SlotTable,
    ) -> DistanceProjections {
        let sides = [
            (deberta.compares_keys, "attention.self.pos_query_proj"),
            (deberta.compares_queries, "attention.self.pos_key_proj"),
        ];
        let parts: Vec<&str> = sides.into_iter().filter(|(computed, _)| *computed).map(|(_, part)| part).collect();
        let (weight, bias) = match deberta.shared {
            true if deberta.compares_keys => (qkv_weight, qkv_bias),
            true => (next(qkv_weight), next(qkv_bias)),
            false => table.side_by_side(name, &parts, hidden),
        };
        DistanceProjections { weight, bias, count: parts.len() }
    }
}
