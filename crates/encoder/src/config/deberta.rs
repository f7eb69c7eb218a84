//! DeBERTa-v2's and v3's settings.

use crate::config::{Config, Family, Reader, bert};
use serde_json::Value;
use tagsmith_kernel::op::activation::Activation;
use tagsmith_kernel::op::disentangled::Buckets;
use tagsmith_weights::error::Error;

/// What DeBERTa-v2 and v3 alone compute with.
#[derive(Clone, Debug, PartialEq)]
pub struct Deberta {
    /// Which distances share an embedding.
    pub buckets: Buckets,
    /// Whether scores compare queries with distances (`c2p`).
    pub of_queries: bool,
    /// Whether they compare keys with distances (`p2c`).
    pub of_keys: bool,
    /// Whether distances are projected by the weights that project content.
    pub shared: bool,
    /// Whether embeddings of distances are normalised.
    pub normalised: bool,
    /// Whether positions are added to the embeddings too.
    pub positions_added: bool,
    /// The convolution beside the first layer.
    pub convolution: Option<Convolution>,
}

/// What the first layer's output is added to: a convolution of what went into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convolution {
    /// Over how many neighbours, an odd number.
    pub width: usize,
    /// What it goes through.
    pub activation: Activation,
}

pub(super) fn settings(reader: &Reader) -> Result<Deberta, Error> {
    if !reader.flag_or("relative_attention", false)? {
        return Err(reader.refuse("relative_attention", "is not true; nothing else is implemented"));
    }
    if let Some(value) = reader.json.get("z_steps").filter(|value| !value.is_null() && value.as_i64() != Some(0)) {
        return Err(reader.refuse("z_steps", format!("is {value}; only 0 is implemented")));
    }
    let width = reader.size("hidden_size")? / reader.size("num_attention_heads")?;
    if let Some(value) = reader.json.get("attention_head_size").filter(|value| !value.is_null())
        && value.as_u64() != Some(width as u64)
    {
        return Err(reader.refuse("attention_head_size", format!("is {value}; only {width} is implemented")));
    }
    let terms = terms(reader)?;
    let has = |term: &str| terms.iter().any(|own| own == term);
    Ok(Deberta {
        buckets: buckets(reader)?,
        of_queries: has("c2p"),
        of_keys: has("p2c"),
        shared: reader.flag_or("share_att_key", false)?,
        normalised: match reader.json.get("norm_rel_ebd") {
            None => false,
            Some(_) => reader.text("norm_rel_ebd")?.to_lowercase().split('|').any(|norm| norm.trim() == "layer_norm"),
        },
        positions_added: reader.flag_or("position_biased_input", true)?,
        convolution: convolution(reader)?,
    })
}

/// Neighbours of one convolution at most.
const WIDTH_MAX: usize = 63;

fn convolution(reader: &Reader) -> Result<Option<Convolution>, Error> {
    match reader.json.get("conv_kernel_size") {
        None | Some(Value::Null) => return Ok(None),
        Some(value) if value.as_i64().is_some_and(|number| number < 1) => return Ok(None),
        Some(_) => (),
    }
    let width = reader.size("conv_kernel_size")?;
    if width % 2 == 0 || width > WIDTH_MAX {
        return Err(reader.refuse("conv_kernel_size", format!("is {width}, not an odd number up to {WIDTH_MAX}")));
    }
    if let Some(groups) = reader.json.get("conv_groups").filter(|value| !value.is_null() && value.as_i64() != Some(1)) {
        return Err(reader.refuse("conv_groups", format!("is {groups}; only 1 is implemented")));
    }
    Ok(Some(Convolution { width, activation: reader.activation_or("conv_act", Activation::Tanh)? }))
}

pub(super) fn config(reader: &Reader, settings: Deberta) -> Result<Config, Error> {
    let hidden_size = reader.size("hidden_size")?;
    let hidden_dropout = reader.number_or("hidden_dropout_prob", 0.1, 1.0)?;
    Ok(Config {
        embedding_size: reader.size_or("embedding_size", hidden_size)?,
        layer_norm_eps: reader.number_or("layer_norm_eps", 1e-7, 1.0)?,
        // The classifier has the hidden states' dropout; `classifier_dropout` is not read.
        classifier_dropout: hidden_dropout,
        ..bert(reader, Family::Deberta(settings))?
    })
}

/// `pos_att_type`: a list, or its terms with bars between.
fn terms(reader: &Reader) -> Result<Vec<String>, Error> {
    let terms: Option<Vec<String>> = match reader.json.get("pos_att_type") {
        Some(Value::String(terms)) => Some(terms.to_lowercase().split('|').map(|term| term.trim().into()).collect()),
        Some(Value::Array(terms)) => terms.iter().map(|term| term.as_str().map(str::to_owned)).collect(),
        _ => None,
    };
    terms.filter(|terms| !terms.is_empty() && terms.iter().all(|term| term == "c2p" || term == "p2c")).ok_or_else(
        || {
            let found = reader.json.get("pos_att_type").cloned().unwrap_or_default();
            reader.refuse("pos_att_type", format!("is {found}; implemented are \"c2p\", \"p2c\" and both"))
        },
    )
}

fn buckets(reader: &Reader) -> Result<Buckets, Error> {
    let unless_negative = |key: &str| match reader.json.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) if value.as_i64().is_some_and(|number| number < 1) => Ok(None),
        Some(_) => reader.size(key).map(Some),
    };
    let largest = match unless_negative("max_relative_positions")? {
        Some(largest) => largest,
        None => reader.size("max_position_embeddings")?,
    };
    let Some(span) = unless_negative("position_buckets")? else {
        return Ok(Buckets { span: largest, logarithmic: None });
    };
    if span < 2 || largest <= span / 2 + 1 {
        let problem = format!("is {span}, which leaves no logarithm of distances up to {largest}");
        return Err(reader.refuse("position_buckets", problem));
    }
    Ok(Buckets { span, logarithmic: Some(largest - 1) })
}
