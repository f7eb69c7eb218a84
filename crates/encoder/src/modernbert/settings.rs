//! config.json of ModernBERT, in the spelling of transformers 4 and in that of transformers 5.

use crate::family::facts::{DenseLayer, Facts, Initial, LayerMemory, TokenHead};
use crate::family::setting;
use crate::family::shape::Shape;
use serde_json::{Map, Value};
use tagsmith_files::Error;
use tagsmith_files::json_fields::Fields;
use tagsmith_kernel::op::activation::Activation;

/// What ModernBERT computes with, in addition to a [`Shape`].
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// For each layer, how many rows to either side it sees. A layer without a number sees the whole sequence.
    pub windows: Vec<Option<usize>>,
    /// θ of rotary positions in layers that see the whole sequence.
    pub global_theta: f32,
    /// θ of rotary positions in layers that see a window.
    pub local_theta: f32,
    /// Whether norms have a bias.
    pub norm_bias: bool,
    /// Whether the attention's products have a bias.
    pub attention_bias: bool,
    /// Whether the feed-forward products have a bias.
    pub mlp_bias: bool,
    /// Dropout rate after the gate.
    pub mlp_dropout: f32,
}

const LOCAL: &str = "sliding_attention";
const GLOBAL: &str = "full_attention";

/// A θ that is larger than any real one.
const LARGEST_THETA: f64 = 1e12;

/// Takes ModernBERT's settings.
pub(crate) fn read(fields: &mut Fields) -> Result<(Shape, Facts, Settings), Error> {
    // Published configurations also carry BERT's name of `norm_eps`.
    fields.take("layer_norm_eps");
    let hidden_size = setting::size(fields, "hidden_size")?;
    let heads = setting::heads(fields, "num_attention_heads", hidden_size)?;
    if !(hidden_size / heads).is_multiple_of(2) {
        let problem =
            format!("is {heads}, which leaves {} columns a head: rotary positions turn pairs", hidden_size / heads);
        return Err(fields.refuse("num_attention_heads", problem));
    }
    let layers = setting::layers(fields, "num_hidden_layers")?;
    let vocab_size = setting::size(fields, "vocab_size")?;
    let shape = Shape {
        vocab_size,
        hidden_size,
        embedding_size: hidden_size,
        layers,
        heads,
        intermediate_size: setting::size(fields, "intermediate_size")?,
        activation: setting::activation(fields, "hidden_activation")?.unwrap_or(Activation::Gelu),
        layer_norm_eps: setting::rate(fields, "norm_eps", 1e-5)?,
        pad_id: setting::pad_id(fields, vocab_size, 50_283, false)?,
        positions_max: setting::size(fields, "max_position_embeddings")?,
        type_vocab_size: 0,
        hidden_dropout: setting::rate(fields, "embedding_dropout", 0.0)?,
        attention_dropout: setting::rate(fields, "attention_dropout", 0.0)?,
    };
    let parameters = rope_parameters(fields)?;
    let settings = Settings {
        windows: windows(fields, layers)?,
        global_theta: theta(fields, &parameters, GLOBAL, "global_rope_theta", 160_000.0)?,
        local_theta: theta(fields, &parameters, LOCAL, "local_rope_theta", 10_000.0)?,
        norm_bias: fields.flag("norm_bias", false)?,
        attention_bias: fields.flag("attention_bias", false)?,
        mlp_bias: fields.flag("mlp_bias", false)?,
        mlp_dropout: setting::rate(fields, "mlp_dropout", 0.0)?,
    };
    let facts = facts(fields, &shape, &settings)?;
    Ok((shape, facts, settings))
}

fn facts(fields: &mut Fields, shape: &Shape, settings: &Settings) -> Result<Facts, Error> {
    const CUTOFF: &str = "initializer_cutoff_factor";
    let deviation = setting::deviation(fields)?;
    // transformers' default is 2, and it reads null as 3.
    let cutoff_default = if fields.is_null(CUTOFF) { 3.0 } else { 2.0 };
    let (h, f) = (shape.hidden_size as u64, shape.intermediate_size as u64);
    Ok(Facts {
        prefix: "model.",
        class_name: "ModernBert",
        has_pooler: false,
        initial: Initial {
            deviation,
            residual_deviation: deviation / (2.0 * shape.layers as f32).sqrt(),
            cutoff: fields.number(CUTOFF, cutoff_default, 1.0..1e3)? as f32,
        },
        head: TokenHead {
            dropout: setting::rate(fields, "classifier_dropout", 0.0)?,
            deviation: (shape.hidden_size as f32).sqrt().recip(),
            dense: Some(DenseLayer {
                biased: fields.flag("classifier_bias", false)?,
                activation: setting::activation(fields, "classifier_activation")?.unwrap_or(Activation::Gelu),
                norm_biased: settings.norm_bias,
            }),
        },
        memory: LayerMemory {
            kept: 8 * h + 3 * f + 4,
            kept_once: 0,
            kept_per_distance: 0,
            distances: 0,
            backward: 3 * h,
            inference: 8 * h + 3 * f,
            largest_weight: h * (2 * f).max(3 * h),
        },
    })
}

/// Takes each layer's window. `layer_types` names the layers' types; without it every n-th layer, starting with the
/// first, sees the whole sequence.
fn windows(fields: &mut Fields, layers: usize) -> Result<Vec<Option<usize>>, Error> {
    let window = setting::size_or(fields, "local_attention", 128)? / 2;
    if let Some(given) = fields.take("sliding_window")
        && given.as_u64() != Some(window as u64)
    {
        let problem = format!("is {given}; only half of `local_attention`, {window}, is implemented");
        return Err(fields.refuse("sliding_window", problem));
    }
    let every = setting::size_or(fields, "global_attn_every_n_layers", 3);
    let Some(types) = fields.take("layer_types") else {
        let every = every?;
        return Ok((0..layers).map(|layer| (!layer.is_multiple_of(every)).then_some(window)).collect());
    };
    let types = types.as_array().map_or(&[][..], Vec::as_slice);
    let of_type = |name: &Value| match name.as_str() {
        Some(LOCAL) => Some(Some(window)),
        Some(GLOBAL) => Some(None),
        _ => None,
    };
    let windows: Option<Vec<_>> = types.iter().map(of_type).collect();
    windows.filter(|windows| windows.len() == layers).ok_or_else(|| {
        fields.refuse("layer_types", format!("is not {layers} times \"{LOCAL}\" or \"{GLOBAL}\", one a layer"))
    })
}

/// Takes `rope_parameters`: settings for one or both types of layers.
fn rope_parameters(fields: &mut Fields) -> Result<Map<String, Value>, Error> {
    const KEY: &str = "rope_parameters";
    let parameters = match fields.take(KEY) {
        None => return Ok(Map::new()),
        Some(Value::Object(parameters)) => parameters,
        Some(_) => return Err(fields.refuse(KEY, "is not an object")),
    };
    match parameters.keys().find(|&key| key != LOCAL && key != GLOBAL) {
        Some(other) => Err(fields.refuse(KEY, format!("has `{other}`; known are {LOCAL} and {GLOBAL}"))),
        None => Ok(parameters),
    }
}

/// Returns θ of one type of layers: from `rope_parameters`, or from the key with the older name.
fn theta(
    fields: &mut Fields,
    parameters: &Map<String, Value>,
    layers: &str,
    older: &str,
    default: f64,
) -> Result<f32, Error> {
    const KEY: &str = "rope_parameters";
    let older_is_null = fields.is_null(older);
    let older_theta = fields.number(older, default, 1.0..LARGEST_THETA);
    if let Some(own) = parameters.get(layers).filter(|own| !own.is_null()) {
        let own = own.as_object().ok_or_else(|| fields.refuse(KEY, format!("`{layers}` is not an object")))?;
        for (key, value) in own {
            let known = match key.as_str() {
                "rope_type" => value == "default",
                "rope_theta" => true,
                _ => false,
            };
            if !known {
                let implemented = "implemented is rope_type \"default\" with a rope_theta";
                return Err(fields.refuse(KEY, format!("has `{key}` {value} for {layers}; {implemented}")));
            }
        }
        if let Some(theta) = own.get("rope_theta") {
            let read = theta.as_f64().filter(|theta| (1.0..LARGEST_THETA).contains(theta));
            let problem = format!("has rope_theta {theta} for {layers}, not a number from 1 to below {LARGEST_THETA}");
            return read.map(|theta| theta as f32).ok_or_else(|| fields.refuse(KEY, problem));
        }
    }
    if older_is_null {
        return Err(fields.refuse(older, "is null; give a number"));
    }
    Ok(older_theta? as f32)
}
