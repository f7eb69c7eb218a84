//! Settings that DeBERTa-v2 and v3 have and BERT does not: distances, and a convolution.

use crate::family::setting;
use crate::family::shape::Shape;
use serde_json::Value;
use tagsmith_files::Error;
use tagsmith_files::json_fields::Fields;
use tagsmith_kernel::op::activation::Activation;
use tagsmith_kernel::op::disentangled::Buckets;

/// What DeBERTa-v2 and v3 alone compute with.
#[derive(Clone, Debug, PartialEq)]
pub struct Deberta {
    /// Which distances share an embedding.
    pub buckets: Buckets,
    /// Whether scores compare queries with distances (`c2p`).
    pub compares_queries: bool,
    /// Whether scores compare keys with distances (`p2c`).
    pub compares_keys: bool,
    /// Whether the weights that project content project distances too.
    pub shared: bool,
    /// Whether embeddings of distances are normalized.
    pub normalized: bool,
    /// Whether positions are added to the embeddings too.
    pub positions_added: bool,
    /// The convolution beside the first layer.
    pub convolution: Option<ConvolutionSettings>,
}

/// A convolution of the first layer's input, which is added to the layer's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvolutionSettings {
    /// The number of neighbors, the row itself included: an odd number.
    pub width: usize,
    /// The function of the convolution's result.
    pub activation: Activation,
}

/// The largest width of a convolution.
const WIDTH_MAX: usize = 63;

/// Takes DeBERTa's own settings.
pub(crate) fn read(fields: &mut Fields, shape: &Shape) -> Result<Deberta, Error> {
    if !fields.flag("relative_attention", false)? {
        return Err(fields.refuse("relative_attention", "is not true; nothing else is implemented"));
    }
    setting::only(fields, "z_steps", &["0"])?;
    let width = shape.hidden_size / shape.heads;
    setting::only(fields, "attention_head_size", &[&width.to_string()])?;
    let terms = terms(fields)?;
    let has = |term: &str| terms.iter().any(|own| own == term);
    Ok(Deberta {
        buckets: buckets(fields, shape)?,
        compares_queries: has("c2p"),
        compares_keys: has("p2c"),
        shared: fields.flag("share_att_key", false)?,
        normalized: fields
            .text("norm_rel_ebd")?
            .is_some_and(|norms| norms.to_lowercase().split('|').any(|norm| norm.trim() == "layer_norm")),
        positions_added: fields.flag("position_biased_input", true)?,
        convolution: convolution(fields)?,
    })
}

fn convolution(fields: &mut Fields) -> Result<Option<ConvolutionSettings>, Error> {
    let width = setting::size_above_zero(fields, "conv_kernel_size")?;
    let activation = setting::activation(fields, "conv_act")?.unwrap_or(Activation::Tanh);
    let groups = fields.take("conv_groups");
    let Some(width) = width else { return Ok(None) };
    if width % 2 == 0 || width > WIDTH_MAX {
        return Err(fields.refuse("conv_kernel_size", format!("is {width}, not an odd number up to {WIDTH_MAX}")));
    }
    match groups {
        Some(groups) if groups != 1 => Err(fields.refuse("conv_groups", format!("is {groups}; only 1 is implemented"))),
        _ => Ok(Some(ConvolutionSettings { width, activation })),
    }
}

/// Takes `pos_att_type`: a list, or its terms with bars between them.
fn terms(fields: &mut Fields) -> Result<Vec<String>, Error> {
    let found = fields.take("pos_att_type").unwrap_or_default();
    let terms: Option<Vec<String>> = match &found {
        Value::String(terms) => Some(terms.to_lowercase().split('|').map(|term| term.trim().into()).collect()),
        Value::Array(terms) => terms.iter().map(|term| term.as_str().map(str::to_owned)).collect(),
        _ => None,
    };
    let known = |terms: &Vec<String>| !terms.is_empty() && terms.iter().all(|term| term == "c2p" || term == "p2c");
    terms
        .filter(known)
        .ok_or_else(|| fields.refuse("pos_att_type", format!("is {found}; implemented are \"c2p\", \"p2c\" and both")))
}

fn buckets(fields: &mut Fields, shape: &Shape) -> Result<Buckets, Error> {
    let largest = setting::size_above_zero(fields, "max_relative_positions")?.unwrap_or(shape.positions_max);
    let Some(span) = setting::size_above_zero(fields, "position_buckets")? else {
        return Ok(Buckets { span: largest, logarithmic: None });
    };
    if span < 2 || largest <= span / 2 + 1 {
        let problem = format!("is {span}, which leaves no logarithm of distances up to {largest}");
        return Err(fields.refuse("position_buckets", problem));
    }
    Ok(Buckets { span, logarithmic: Some(largest - 1) })
}
