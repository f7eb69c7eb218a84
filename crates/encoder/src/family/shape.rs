//! The sizes and rates that encoders of every family have.

use tagsmith_kernel::op::activation::Activation;

/// Sizes and rates of an encoder.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// Rows of the word table, V.
    pub vocab_size: usize,
    /// Width of the hidden states, H.
    pub hidden_size: usize,
    /// Width of the embedding tables, E. It is H except for ELECTRA and some DeBERTas.
    pub embedding_size: usize,
    /// Number of layers, L.
    pub layers: usize,
    /// Number of attention heads, N.
    pub heads: usize,
    /// Width of the feed-forward part, F.
    pub intermediate_size: usize,
    /// Function between the two feed-forward products.
    pub activation: Activation,
    /// ε of every layer norm.
    pub layer_norm_eps: f32,
    /// The padding id, whose row of the word table never learns.
    pub pad_id: Option<u32>,
    /// The longest sequence in pieces: 512 for BERT and for RoBERTa's table of 514 positions.
    pub positions_max: usize,
    /// Rows of the token-type table; 0 without a table.
    pub type_vocab_size: usize,
    /// Dropout rate of hidden states. ModernBERT applies it to the embeddings only.
    pub hidden_dropout: f32,
    /// Dropout rate of attention weights. ModernBERT applies it to the attention's output too.
    pub attention_dropout: f32,
}
