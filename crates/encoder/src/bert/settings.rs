//! config.json of BERT and its relatives.

use crate::bert::deberta::{self, Deberta};
use crate::bert::names::{BERT, DEBERTA, DISTILBERT, Names};
use crate::family::facts::{Facts, Initial, LayerMemory, TokenHead};
use crate::family::setting;
use crate::family::shape::Shape;
use tagsmith_files::Error;
use tagsmith_files::json_fields::Fields;

/// What BERT and its relatives compute with, in addition to a [`Shape`].
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The names of parameters in the file.
    pub names: Names,
    /// How positions are counted.
    pub positions: Positions,
    /// The first position: 0, or the padding id plus one.
    pub first_position: usize,
    /// Rows of the position table. Without a table they are the positions that there may be.
    pub position_rows: usize,
    /// Whether the attention's output has dropout.
    pub drops_attention_output: bool,
    /// What DeBERTa alone computes with.
    pub deberta: Option<Deberta>,
}

/// How positions are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Positions {
    /// Every piece has the next position.
    EveryPiece,
    /// Positions begin after the padding id. A padding piece has the padding id's own position.
    AfterPadding,
}

/// A relative of BERT.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Relative {
    Bert,
    /// RoBERTa, XLM-RoBERTa and CamemBERT.
    Roberta,
    DistilBert,
    Electra,
    Deberta,
}

/// The keys that DistilBERT spells in another way than the others.
struct Keys {
    hidden_size: &'static str,
    layers: &'static str,
    heads: &'static str,
    intermediate_size: &'static str,
    activation: &'static str,
    hidden_dropout: &'static str,
    attention_dropout: &'static str,
}

const KEYS: Keys = Keys {
    hidden_size: "hidden_size",
    layers: "num_hidden_layers",
    heads: "num_attention_heads",
    intermediate_size: "intermediate_size",
    activation: "hidden_act",
    hidden_dropout: "hidden_dropout_prob",
    attention_dropout: "attention_probs_dropout_prob",
};

const DISTILBERT_KEYS: Keys = Keys {
    hidden_size: "dim",
    layers: "n_layers",
    heads: "n_heads",
    intermediate_size: "hidden_dim",
    activation: "activation",
    hidden_dropout: "dropout",
    attention_dropout: "attention_dropout",
};

/// Takes the settings of the family that `model_type` names; `None` if it names no relative of BERT.
pub(crate) fn read(model_type: &str, fields: &mut Fields) -> Result<Option<(Shape, Facts, Settings)>, Error> {
    let (relative, prefix, class_name, names) = match model_type {
        "bert" => (Relative::Bert, "bert.", "Bert", BERT),
        "roberta" => (Relative::Roberta, "roberta.", "Roberta", BERT),
        "xlm-roberta" => (Relative::Roberta, "roberta.", "XLMRoberta", BERT),
        "camembert" => (Relative::Roberta, "roberta.", "Camembert", BERT),
        "distilbert" => (Relative::DistilBert, "distilbert.", "DistilBert", DISTILBERT),
        "electra" => (Relative::Electra, "electra.", "Electra", BERT),
        "deberta-v2" => (Relative::Deberta, "deberta.", "DebertaV2", DEBERTA),
        _ => return Ok(None),
    };
    let keys = if relative == Relative::DistilBert { DISTILBERT_KEYS } else { KEYS };
    let positions = if relative == Relative::Roberta { Positions::AfterPadding } else { Positions::EveryPiece };
    let skips_padding = positions == Positions::AfterPadding;

    let vocab_size = setting::size(fields, "vocab_size")?;
    let hidden_size = setting::size(fields, keys.hidden_size)?;
    let heads = setting::heads(fields, keys.heads, hidden_size)?;
    let position_rows = setting::size(fields, "max_position_embeddings")?;
    let pad_id = setting::pad_id(fields, vocab_size, u32::from(skips_padding), skips_padding)?;
    let first_position = if skips_padding { pad_id.map_or(0, |id| id as usize + 1) } else { 0 };
    if position_rows <= first_position {
        return Err(fields.refuse("max_position_embeddings", "leaves no position for a token"));
    }
    let hidden_dropout = setting::rate(fields, keys.hidden_dropout, 0.1)?;
    let activation = setting::activation(fields, keys.activation)?;
    let activation = activation.ok_or_else(|| fields.refuse(keys.activation, "is missing: it has no default"))?;
    let shape = Shape {
        vocab_size,
        hidden_size,
        embedding_size: match relative {
            Relative::Electra => setting::size_or(fields, "embedding_size", 128)?,
            Relative::Deberta => setting::size_or(fields, "embedding_size", hidden_size)?,
            _ => hidden_size,
        },
        layers: setting::layers(fields, keys.layers)?,
        heads,
        intermediate_size: setting::size(fields, keys.intermediate_size)?,
        activation,
        layer_norm_eps: match relative {
            Relative::DistilBert => 1e-12,
            Relative::Deberta => setting::rate(fields, "layer_norm_eps", 1e-7)?,
            _ => setting::rate(fields, "layer_norm_eps", 1e-12)?,
        },
        pad_id,
        positions_max: position_rows - first_position,
        type_vocab_size: match relative {
            Relative::DistilBert => 0,
            Relative::Deberta => setting::size_above_zero(fields, "type_vocab_size")?.unwrap_or(0),
            _ => setting::size_or(fields, "type_vocab_size", 2)?,
        },
        hidden_dropout,
        attention_dropout: setting::rate(fields, keys.attention_dropout, 0.1)?,
    };
    let deberta = match relative {
        Relative::Deberta => Some(deberta::read(fields, &shape)?),
        _ => None,
    };
    let deviation = setting::deviation(fields)?;
    let facts = Facts {
        prefix,
        class_name,
        has_pooler: matches!(relative, Relative::Bert | Relative::Roberta),
        initial: Initial { deviation, residual_deviation: deviation, cutoff: f32::INFINITY },
        head: TokenHead {
            dropout: match relative {
                // Their classifiers have the dropout of hidden states; `classifier_dropout` is not read.
                Relative::DistilBert => hidden_dropout,
                Relative::Deberta => {
                    fields.take("classifier_dropout");
                    hidden_dropout
                }
                _ => setting::rate(fields, "classifier_dropout", hidden_dropout)?,
            },
            deviation,
            dense: None,
        },
        memory: memory(&shape, deberta.as_ref()),
    };
    let drops_attention_output = relative != Relative::DistilBert;
    let settings = Settings { names, positions, first_position, position_rows, drops_attention_output, deberta };
    Ok(Some((shape, facts, settings)))
}

fn memory(shape: &Shape, deberta: Option<&Deberta>) -> LayerMemory {
    let (h, f) = (shape.hidden_size as u64, shape.intermediate_size as u64);
    let neighbors = deberta.and_then(|deberta| deberta.convolution).map(|convolution| convolution.width as u64);
    LayerMemory {
        kept: 8 * h + f + 4,
        kept_once: neighbors.map_or(0, |width| (width + 2) * h + 2),
        kept_per_distance: 3 * h,
        distances: deberta.map_or(0, |deberta| deberta.buckets.span),
        backward: if deberta.is_some() { 7 * h } else { 3 * h } + 2 * f,
        inference: 8 * h + 3 * f,
        largest_weight: h * f.max(3 * h).max(neighbors.unwrap_or(0) * h),
    }
}
