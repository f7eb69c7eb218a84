//! The names of parameters of BERT and its relatives in their files.

/// The names that a family gives to the parts of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names {
    /// The part before a layer's number.
    pub layer: &'static str,
    /// The projection of queries.
    pub query: &'static str,
    /// The projection of keys.
    pub key: &'static str,
    /// The projection of values.
    pub value: &'static str,
    /// The attention's output.
    pub output: &'static str,
    /// The norm after the attention.
    pub attention_norm: &'static str,
    /// The first feed-forward product.
    pub up: &'static str,
    /// The second feed-forward product.
    pub down: &'static str,
    /// The norm after the feed-forward part.
    pub feed_forward_norm: &'static str,
}

/// BERT's names.
pub const BERT: Names = Names {
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

/// DeBERTa's names.
pub const DEBERTA: Names = Names {
    query: "attention.self.query_proj",
    key: "attention.self.key_proj",
    value: "attention.self.value_proj",
    ..BERT
};

/// DistilBERT's names.
pub const DISTILBERT: Names = Names {
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
