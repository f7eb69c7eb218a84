//! The one table of parameters: names in the file, shapes, decay, order in memory.
//!
//! A layer's query, key and value lie side by side, so that one product computes all three.

use crate::config::{Config, Family};
use tagsmith_kernel::params::{Slot, SlotId};

/// Where a token classifier's parameters are.
#[derive(Clone, Debug)]
pub struct Layout {
    /// All slots, in memory order.
    pub slots: Vec<Slot>,
    /// What a base checkpoint's names lack: `bert.`.
    pub prefix: &'static str,
    /// The encoder's.
    pub encoder: EncoderLayout,
    /// The head's weight (K, H); its bias follows.
    pub classifier: SlotId,
}

/// Where an encoder's parameters are, in a table that may hold others too.
#[derive(Clone, Debug)]
pub struct EncoderLayout {
    /// Word embeddings (V, E).
    pub words: SlotId,
    /// Position embeddings.
    pub positions: SlotId,
    /// Token-type embeddings, where the family has them.
    pub types: Option<SlotId>,
    /// Gain of the embeddings' layer norm; its bias follows.
    pub embedding_norm: SlotId,
    /// ELECTRA's projection to the encoder's width; its bias follows.
    pub projection: Option<SlotId>,
    /// Each layer's parameters.
    pub layers: Vec<LayerLayout>,
}

/// Where one layer's parameters are; a bias follows its weight unless said otherwise.
#[derive(Clone, Copy, Debug)]
pub struct LayerLayout {
    /// Query, key and value weights side by side: (3H, H).
    pub qkv_weight: SlotId,
    /// Their biases side by side: (3H).
    pub qkv_bias: SlotId,
    /// The attention's output (H, H).
    pub output: SlotId,
    /// Layer norm after the attention.
    pub attention_norm: SlotId,
    /// Feed-forward up (F, H).
    pub up: SlotId,
    /// Feed-forward down (H, F).
    pub down: SlotId,
    /// Layer norm after the feed-forward part.
    pub feed_forward_norm: SlotId,
}

/// A family's names for the parts of a layer.
struct Names {
    prefix: &'static str,
    layer: &'static str,
    query: &'static str,
    key: &'static str,
    value: &'static str,
    output: &'static str,
    attention_norm: &'static str,
    up: &'static str,
    down: &'static str,
    feed_forward_norm: &'static str,
}

const BERT: Names = Names {
    prefix: "bert.",
    layer: "encoder.layer.",
    query: "attention.self.query",
    key: "attention.self.key",
    value: "attention.self.value",
    output: "attention.output.dense",
    attention_norm: "attention.output.LayerNorm",
    up: "intermediate.dense",
    down: "output.dense",
    feed_forward_norm: "output.LayerNorm",
};

const DISTILBERT: Names = Names {
    prefix: "distilbert.",
    layer: "transformer.layer.",
    query: "attention.q_lin",
    key: "attention.k_lin",
    value: "attention.v_lin",
    output: "attention.out_lin",
    attention_norm: "sa_layer_norm",
    up: "ffn.lin1",
    down: "ffn.lin2",
    feed_forward_norm: "output_layer_norm",
};

struct Table {
    slots: Vec<Slot>,
}

impl Table {
    fn add(&mut self, name: String, shape: Vec<usize>, decays: bool, sparse: bool) -> SlotId {
        let offset = self.slots.last().map_or(0, |slot| slot.offset + slot.room());
        self.slots.push(Slot { name, shape, offset, decays, sparse, frozen: false });
        SlotId(self.slots.len() - 1)
    }

    fn linear(&mut self, name: &str, outputs: usize, inputs: usize) -> SlotId {
        let weight = self.add(format!("{name}.weight"), vec![outputs, inputs], true, false);
        self.add(format!("{name}.bias"), vec![outputs], false, false);
        weight
    }

    fn norm(&mut self, name: &str, width: usize) -> SlotId {
        let gain = self.add(format!("{name}.weight"), vec![width], false, false);
        self.add(format!("{name}.bias"), vec![width], false, false);
        gain
    }

    fn layer(&mut self, name: &str, names: &Names, hidden: usize, intermediate: usize) -> LayerLayout {
        let projections = [names.query, names.key, names.value];
        let weights =
            projections.map(|part| self.add(format!("{name}{part}.weight"), vec![hidden, hidden], true, false));
        let biases = projections.map(|part| self.add(format!("{name}{part}.bias"), vec![hidden], false, false));
        LayerLayout {
            qkv_weight: weights[0],
            qkv_bias: biases[0],
            output: self.linear(&format!("{name}{}", names.output), hidden, hidden),
            attention_norm: self.norm(&format!("{name}{}", names.attention_norm), hidden),
            up: self.linear(&format!("{name}{}", names.up), intermediate, hidden),
            down: self.linear(&format!("{name}{}", names.down), hidden, intermediate),
            feed_forward_norm: self.norm(&format!("{name}{}", names.feed_forward_norm), hidden),
        }
    }
}

fn names(family: Family) -> Names {
    match family {
        Family::Bert => BERT,
        Family::Roberta => Names { prefix: "roberta.", ..BERT },
        Family::Electra => Names { prefix: "electra.", ..BERT },
        Family::DistilBert => DISTILBERT,
    }
}

impl Layout {
    /// The table of `config`'s model.
    pub fn new(config: &Config) -> Layout {
        let prefix = names(config.family).prefix;
        let mut slots = Vec::new();
        let encoder = EncoderLayout::new(config, prefix, &mut slots);
        let mut table = Table { slots };
        let classifier = table.linear("classifier", config.labels.len(), config.hidden_size);
        Layout { slots: table.slots, prefix, encoder, classifier }
    }
}

impl EncoderLayout {
    /// Adds `config`'s encoder to a table of slots; `prefix` stands before each of its names.
    pub fn new(config: &Config, prefix: &str, slots: &mut Vec<Slot>) -> EncoderLayout {
        let names = names(config.family);
        let Config { hidden_size: hidden, embedding_size: width, .. } = *config;
        let mut table = Table { slots: std::mem::take(slots) };
        let inside = |name: &str| format!("{prefix}{name}");
        let embedding = |name: &str| inside(&format!("embeddings.{name}_embeddings.weight"));
        let words = table.add(embedding("word"), vec![config.vocab_size, width], true, true);
        let positions = table.add(embedding("position"), vec![config.position_rows, width], true, false);
        let types = (config.type_vocab_size > 0)
            .then(|| table.add(embedding("token_type"), vec![config.type_vocab_size, width], true, false));
        let embedding_norm = table.norm(&inside("embeddings.LayerNorm"), width);
        let projection = (width != hidden).then(|| table.linear(&inside("embeddings_project"), hidden, width));
        let layers = (0..config.layers)
            .map(|i| table.layer(&inside(&format!("{}{i}.", names.layer)), &names, hidden, config.intermediate_size))
            .collect();
        *slots = table.slots;
        EncoderLayout { words, positions, types, embedding_norm, projection, layers }
    }
}

/// What stands before the names of a family's encoder in a checkpoint with a head: `bert.`.
pub fn prefix(family: Family) -> &'static str {
    names(family).prefix
}

/// The slot after this one: a weight's bias.
pub fn next(id: SlotId) -> SlotId {
    SlotId(id.0 + 1)
}
