//! The one table of parameters: names in the file, shapes, decay, order in memory.
//!
//! A layer's query, key and value lie side by side, so that one product computes all three.

use crate::config::{Config, Deberta, Family, ModernBert};
use tagsmith_kernel::params::{Slot, SlotId};

/// A weight, or a norm's gain, and whether its bias follows it.
#[derive(Clone, Copy, Debug)]
pub struct Affine {
    /// The weight or gain.
    pub weight: SlotId,
    /// Whether it has a bias.
    pub biased: bool,
}

impl Affine {
    /// Its bias.
    pub fn bias(self) -> Option<SlotId> {
        self.biased.then(|| next(self.weight))
    }
}

/// Where an encoder's parameters are, in a table that may hold others too.
#[derive(Clone, Debug)]
pub struct EncoderLayout {
    /// Word embeddings (V, E).
    pub words: SlotId,
    /// The embeddings' layer norm.
    pub embedding_norm: Affine,
    /// Layers, and what else a kind of encoder has.
    pub parts: Parts,
    /// The norm behind the last layer, where the kind has one.
    pub final_norm: Option<Affine>,
}

/// What one kind of encoder has.
#[derive(Clone, Debug)]
pub enum Parts {
    /// BERT and its kin, DeBERTa among them.
    Bert(BertLayout),
    /// ModernBERT.
    ModernBert(ModernBertLayout),
}

/// What BERT and its kin have.
#[derive(Clone, Debug)]
pub struct BertLayout {
    /// Position embeddings, where they are added.
    pub positions: Option<SlotId>,
    /// Token-type embeddings, where the family has them.
    pub types: Option<SlotId>,
    /// The projection of narrower embeddings to the encoder's width.
    pub projection: Option<Affine>,
    /// DeBERTa's embeddings of distances.
    pub distances: Option<Distances>,
    /// DeBERTa's convolution beside the first layer.
    pub convolution: Option<Convolution>,
    /// Each layer's parameters.
    pub layers: Vec<BertLayer>,
}

/// Embeddings of distances, one table for all layers.
#[derive(Clone, Copy, Debug)]
pub struct Distances {
    /// (2S, H).
    pub table: SlotId,
    /// Their layer norm.
    pub norm: Option<Affine>,
}

/// A convolution over neighbours.
#[derive(Clone, Copy, Debug)]
pub struct Convolution {
    /// (H, H, width).
    pub weight: Affine,
    /// Layer norm after the sum with the layer's output.
    pub norm: Affine,
}

/// A layer's projections of distances: what keys are compared with before what queries are compared with.
#[derive(Clone, Copy, Debug)]
pub struct DistanceProjections {
    /// The first weight (H, H).
    pub weight: SlotId,
    /// The first bias (H).
    pub bias: SlotId,
    /// One, or two side by side.
    pub count: usize,
}

/// Where one layer's parameters are.
#[derive(Clone, Copy, Debug)]
pub struct BertLayer {
    /// Query, key and value weights side by side: (3H, H).
    pub qkv_weight: SlotId,
    /// Their biases side by side: (3H).
    pub qkv_bias: SlotId,
    /// DeBERTa's projections of distances, which may be those of content.
    pub distances: Option<DistanceProjections>,
    /// The attention's output (H, H).
    pub output: Affine,
    /// Layer norm after the attention.
    pub attention_norm: Affine,
    /// Feed-forward up (F, H).
    pub up: Affine,
    /// Feed-forward down (H, F).
    pub down: Affine,
    /// Layer norm after the feed-forward part.
    pub feed_forward_norm: Affine,
}

/// What ModernBERT has.
#[derive(Clone, Debug)]
pub struct ModernBertLayout {
    /// Each layer's parameters.
    pub layers: Vec<ModernBertLayer>,
}

/// Where one layer's parameters are.
#[derive(Clone, Copy, Debug)]
pub struct ModernBertLayer {
    /// Layer norm before the attention; the first layer has none, as the embeddings' stands before it.
    pub attention_norm: Option<Affine>,
    /// Query, key and value weights (3H, H).
    pub qkv: Affine,
    /// The attention's output (H, H).
    pub output: Affine,
    /// Layer norm before the feed-forward part.
    pub feed_forward_norm: Affine,
    /// Feed-forward up: what is activated and what it is multiplied with (2F, H).
    pub up: Affine,
    /// Feed-forward down (H, F).
    pub down: Affine,
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

const DEBERTA: Names = Names {
    prefix: "deberta.",
    query: "attention.self.query_proj",
    key: "attention.self.key_proj",
    value: "attention.self.value_proj",
    ..BERT
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

/// A table of slots that grows.
pub struct Table {
    /// The slots so far, in memory order.
    pub slots: Vec<Slot>,
}

impl Table {
    fn add(&mut self, name: String, shape: Vec<usize>, decays: bool, sparse: bool) -> SlotId {
        let offset = self.slots.last().map_or(0, |slot| slot.offset + slot.room());
        self.slots.push(Slot { name, shape, offset, decays, sparse, frozen: false });
        SlotId(self.slots.len() - 1)
    }

    /// Adds a linear layer: a weight (outputs, inputs) and perhaps a bias.
    pub fn linear(&mut self, name: &str, outputs: usize, inputs: usize, biased: bool) -> Affine {
        self.affine(name, vec![outputs, inputs], true, biased)
    }

    /// Adds a norm: a gain and perhaps a bias.
    pub fn norm(&mut self, name: &str, width: usize, biased: bool) -> Affine {
        self.affine(name, vec![width], false, biased)
    }

    fn affine(&mut self, name: &str, shape: Vec<usize>, decays: bool, biased: bool) -> Affine {
        let outputs = shape[0];
        let weight = self.add(format!("{name}.weight"), shape, decays, false);
        if biased {
            self.add(format!("{name}.bias"), vec![outputs], false, false);
        }
        Affine { weight, biased }
    }

    /// Square matrices side by side, then their biases; returns the first of each.
    fn side_by_side(&mut self, name: &str, parts: &[&str], hidden: usize) -> (SlotId, SlotId) {
        let (weight, bias) = (SlotId(self.slots.len()), SlotId(self.slots.len() + parts.len()));
        for part in parts {
            self.add(format!("{name}{part}.weight"), vec![hidden, hidden], true, false);
        }
        for part in parts {
            self.add(format!("{name}{part}.bias"), vec![hidden], false, false);
        }
        (weight, bias)
    }

    /// Of the shared weights those of queries come before those of keys, and so do others here.
    fn distance_projections(
        &mut self,
        name: &str,
        settings: &Deberta,
        (qkv_weight, qkv_bias): (SlotId, SlotId),
        hidden: usize,
    ) -> DistanceProjections {
        let sides =
            [(settings.of_keys, "attention.self.pos_query_proj"), (settings.of_queries, "attention.self.pos_key_proj")];
        let parts: Vec<&str> = sides.into_iter().filter(|(computed, _)| *computed).map(|(_, part)| part).collect();
        let (weight, bias) = match settings.shared {
            true if settings.of_keys => (qkv_weight, qkv_bias),
            true => (next(qkv_weight), next(qkv_bias)),
            false => self.side_by_side(name, &parts, hidden),
        };
        DistanceProjections { weight, bias, count: parts.len() }
    }

    fn layer(&mut self, name: &str, names: &Names, config: &Config) -> BertLayer {
        let Config { hidden_size: hidden, intermediate_size: intermediate, .. } = *config;
        let (qkv_weight, qkv_bias) = self.side_by_side(name, &[names.query, names.key, names.value], hidden);
        BertLayer {
            qkv_weight,
            qkv_bias,
            distances: match &config.family {
                Family::Deberta(settings) => {
                    Some(self.distance_projections(name, settings, (qkv_weight, qkv_bias), hidden))
                }
                _ => None,
            },
            output: self.linear(&format!("{name}{}", names.output), hidden, hidden, true),
            attention_norm: self.norm(&format!("{name}{}", names.attention_norm), hidden, true),
            up: self.linear(&format!("{name}{}", names.up), intermediate, hidden, true),
            down: self.linear(&format!("{name}{}", names.down), hidden, intermediate, true),
            feed_forward_norm: self.norm(&format!("{name}{}", names.feed_forward_norm), hidden, true),
        }
    }

    fn modernbert_layer(
        &mut self,
        number: usize,
        name: &str,
        config: &Config,
        settings: &ModernBert,
    ) -> ModernBertLayer {
        let Config { hidden_size: hidden, intermediate_size: intermediate, .. } = *config;
        let ModernBert { norm_bias, attention_bias, mlp_bias, .. } = *settings;
        let inside = |part: &str| format!("{name}{part}");
        ModernBertLayer {
            attention_norm: (number > 0).then(|| self.norm(&inside("attn_norm"), hidden, norm_bias)),
            qkv: self.linear(&inside("attn.Wqkv"), 3 * hidden, hidden, attention_bias),
            output: self.linear(&inside("attn.Wo"), hidden, hidden, attention_bias),
            feed_forward_norm: self.norm(&inside("mlp_norm"), hidden, norm_bias),
            up: self.linear(&inside("mlp.Wi"), 2 * intermediate, hidden, mlp_bias),
            down: self.linear(&inside("mlp.Wo"), hidden, intermediate, mlp_bias),
        }
    }
}

/// The names of BERT and its kin.
fn bert_names(family: &Family) -> Names {
    match family {
        Family::Bert => BERT,
        Family::Roberta => Names { prefix: "roberta.", ..BERT },
        Family::Electra => Names { prefix: "electra.", ..BERT },
        Family::DistilBert => DISTILBERT,
        Family::Deberta(_) => DEBERTA,
        Family::ModernBert(_) => unreachable!("ModernBERT has names of its own"),
    }
}

impl EncoderLayout {
    /// Adds `config`'s encoder to a table of slots; `prefix` stands before each of its names.
    pub fn new(config: &Config, prefix: &str, slots: &mut Vec<Slot>) -> EncoderLayout {
        let mut table = Table { slots: std::mem::take(slots) };
        let layout = match &config.family {
            Family::ModernBert(settings) => EncoderLayout::modernbert(config, settings, prefix, &mut table),
            _ => EncoderLayout::bert(config, prefix, &mut table),
        };
        *slots = table.slots;
        layout
    }

    fn bert(config: &Config, prefix: &str, table: &mut Table) -> EncoderLayout {
        let names = bert_names(&config.family);
        let Config { hidden_size: hidden, embedding_size: width, .. } = *config;
        let inside = |name: &str| format!("{prefix}{name}");
        let embedding = |name: &str| inside(&format!("embeddings.{name}_embeddings.weight"));
        let words = table.add(embedding("word"), vec![config.vocab_size, width], true, true);
        let settings = match &config.family {
            Family::Deberta(settings) => Some(settings),
            _ => None,
        };
        let positions = settings
            .is_none_or(|settings| settings.positions_added)
            .then(|| table.add(embedding("position"), vec![config.position_rows, width], true, false));
        let types = (config.type_vocab_size > 0)
            .then(|| table.add(embedding("token_type"), vec![config.type_vocab_size, width], true, false));
        let normalised = if settings.is_some() { hidden } else { width };
        let embedding_norm = table.norm(&inside("embeddings.LayerNorm"), normalised, true);
        let (name, biased) = match settings {
            Some(_) => ("embeddings.embed_proj", false),
            None => ("embeddings_project", true),
        };
        let projection = (width != hidden).then(|| table.linear(&inside(name), hidden, width, biased));
        let distances = settings.map(|settings| Distances {
            table: table.add(
                inside("encoder.rel_embeddings.weight"),
                vec![2 * settings.buckets.span, hidden],
                true,
                false,
            ),
            norm: settings.normalised.then(|| table.norm(&inside("encoder.LayerNorm"), hidden, true)),
        });
        let convolution = settings.and_then(|settings| settings.convolution).map(|convolution| Convolution {
            weight: table.affine(&inside("encoder.conv.conv"), vec![hidden, hidden, convolution.width], true, true),
            norm: table.norm(&inside("encoder.conv.LayerNorm"), hidden, true),
        });
        let layers =
            (0..config.layers).map(|i| table.layer(&inside(&format!("{}{i}.", names.layer)), &names, config)).collect();
        let parts = Parts::Bert(BertLayout { positions, types, projection, distances, convolution, layers });
        EncoderLayout { words, embedding_norm, parts, final_norm: None }
    }

    fn modernbert(config: &Config, settings: &ModernBert, prefix: &str, table: &mut Table) -> EncoderLayout {
        let (hidden, biased) = (config.hidden_size, settings.norm_bias);
        let inside = |name: &str| format!("{prefix}{name}");
        let words = table.add(inside("embeddings.tok_embeddings.weight"), vec![config.vocab_size, hidden], true, true);
        let embedding_norm = table.norm(&inside("embeddings.norm"), hidden, biased);
        let layers = (0..config.layers)
            .map(|i| table.modernbert_layer(i, &inside(&format!("layers.{i}.")), config, settings))
            .collect();
        let parts = Parts::ModernBert(ModernBertLayout { layers });
        EncoderLayout {
            words,
            embedding_norm,
            parts,
            final_norm: Some(table.norm(&inside("final_norm"), hidden, biased)),
        }
    }

    /// Every embedding table.
    pub fn tables(&self) -> Vec<SlotId> {
        let others = match &self.parts {
            Parts::Bert(BertLayout { positions, types, distances, .. }) => {
                [*positions, *types, distances.map(|distances| distances.table)]
            }
            Parts::ModernBert(_) => [None; 3],
        };
        [Some(self.words)].into_iter().chain(others).flatten().collect()
    }
}

/// What stands before the names of a family's encoder in a checkpoint with a head: `bert.`.
pub fn prefix(family: &Family) -> &'static str {
    match family {
        Family::ModernBert(_) => "model.",
        _ => bert_names(family).prefix,
    }
}

/// The slot after this one: a weight's bias.
pub fn next(id: SlotId) -> SlotId {
    SlotId(id.0 + 1)
}
