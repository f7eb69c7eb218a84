//! ModernBERT's settings, in the spelling of transformers 4 and of transformers 5.

use crate::config::{Config, Family, MOST_LAYERS, Reader};
use serde_json::{Map, Value};
use tagsmith_kernel::op::activation::Activation;
use tagsmith_weights::error::Error;

/// What ModernBERT alone computes with.
#[derive(Clone, Debug, PartialEq)]
pub struct ModernBert {
    /// Each layer's rows seen to either side; without a number it sees the whole sequence.
    pub windows: Vec<Option<usize>>,
    /// θ of rotary positions in layers that see the whole sequence.
    pub global_theta: f32,
    /// θ in the others.
    pub local_theta: f32,
    /// Whether norms have a bias.
    pub norm_bias: bool,
    /// Whether the attention's products have one.
    pub attention_bias: bool,
    /// Whether the feed-forward products have one.
    pub mlp_bias: bool,
    /// Whether the dense layer before the classifier has one.
    pub classifier_bias: bool,
    /// Behind that layer.
    pub classifier_activation: Activation,
    /// Dropout behind the gate.
    pub mlp_dropout: f32,
    /// New weights lie within so many standard deviations.
    pub initializer_cutoff: f32,
}

const LOCAL: &str = "sliding_attention";
const GLOBAL: &str = "full_attention";

/// More than any real θ.
const LARGEST_THETA: f64 = 1e12;

pub(super) fn settings(reader: &Reader) -> Result<ModernBert, Error> {
    Ok(ModernBert {
        windows: windows(reader)?,
        global_theta: theta(reader, GLOBAL, "global_rope_theta", 160_000.0)?,
        local_theta: theta(reader, LOCAL, "local_rope_theta", 10_000.0)?,
        norm_bias: reader.flag_or("norm_bias", false)?,
        attention_bias: reader.flag_or("attention_bias", false)?,
        mlp_bias: reader.flag_or("mlp_bias", false)?,
        classifier_bias: reader.flag_or("classifier_bias", false)?,
        classifier_activation: reader.activation_or("classifier_activation", Activation::Gelu)?,
        mlp_dropout: reader.number_or("mlp_dropout", 0.0, 1.0)?,
        initializer_cutoff: match reader.number_or("initializer_cutoff_factor", no_cutoff_said(reader), 1e3)? {
            cutoff if cutoff >= 1.0 => cutoff,
            cutoff => {
                return Err(reader.refuse("initializer_cutoff_factor", format!("is {cutoff}, not a number from 1")));
            }
        },
    })
}

/// The original's default, and what it takes null for.
fn no_cutoff_said(reader: &Reader) -> f64 {
    if reader.json.contains_key("initializer_cutoff_factor") { 3.0 } else { 2.0 }
}

pub(super) fn config(reader: &Reader, settings: ModernBert) -> Result<Config, Error> {
    let hidden_size = reader.size("hidden_size")?;
    let heads = reader.size("num_attention_heads")?;
    if !(hidden_size / heads).is_multiple_of(2) {
        let problem =
            format!("is {heads}, which leaves {} columns a head: rotary positions turn pairs", hidden_size / heads);
        return Err(reader.refuse("num_attention_heads", problem));
    }
    let positions = reader.size("max_position_embeddings")?;
    Ok(Config {
        json: Map::new(),
        model_type: String::new(),
        vocab_size: reader.size("vocab_size")?,
        hidden_size,
        embedding_size: hidden_size,
        layers: settings.windows.len(),
        heads,
        intermediate_size: reader.size("intermediate_size")?,
        activation: reader.activation_or("hidden_activation", Activation::Gelu)?,
        layer_norm_eps: reader.number_or("norm_eps", 1e-5, 1.0)?,
        position_rows: positions,
        first_position: 0,
        pad_id: reader.pad_id(50_283, false)?,
        positions_max: positions,
        type_vocab_size: 0,
        hidden_dropout: reader.number_or("embedding_dropout", 0.0, 1.0)?,
        attention_dropout: reader.number_or("attention_dropout", 0.0, 1.0)?,
        classifier_dropout: reader.number_or("classifier_dropout", 0.0, 1.0)?,
        initializer_range: reader.number_or("initializer_range", 0.02, 1e3)?,
        labels: reader.labels()?,
        family: Family::ModernBert(settings),
    })
}

/// `layer_types` names each layer's; without it every n-th layer from the first on sees everything.
fn windows(reader: &Reader) -> Result<Vec<Option<usize>>, Error> {
    let layers = reader.size("num_hidden_layers")?;
    if layers > MOST_LAYERS {
        let problem = format!("is {layers}; more than {MOST_LAYERS} is taken for a mistake");
        return Err(reader.refuse("num_hidden_layers", problem));
    }
    let window = reader.size_or("local_attention", 128)? / 2;
    if let Some(given) = reader.json.get("sliding_window").filter(|value| !value.is_null())
        && given.as_u64() != Some(window as u64)
    {
        let problem = format!("is {given}; only half of `local_attention`, {window}, is implemented");
        return Err(reader.refuse("sliding_window", problem));
    }
    let Some(types) = reader.json.get("layer_types").filter(|value| !value.is_null()) else {
        let every = reader.size_or("global_attn_every_n_layers", 3)?;
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
        reader.refuse("layer_types", format!("is not {layers} times \"{LOCAL}\" or \"{GLOBAL}\", one a layer"))
    })
}

/// θ of one kind of layer: in `rope_parameters`, or under the older name.
fn theta(reader: &Reader, kind: &str, older: &str, default: f64) -> Result<f32, Error> {
    let parameters = match reader.json.get("rope_parameters") {
        None | Some(Value::Null) => None,
        Some(value) => Some(value.as_object().ok_or_else(|| reader.refuse("rope_parameters", "is not an object"))?),
    };
    if let Some(parameters) = parameters
        && let Some(other) = parameters.keys().find(|&key| key != LOCAL && key != GLOBAL)
    {
        return Err(reader.refuse("rope_parameters", format!("has `{other}`; known are {LOCAL} and {GLOBAL}")));
    }
    let own = parameters.and_then(|all| all.get(kind)).filter(|own| !own.is_null());
    if let Some(own) = own {
        let own = own.as_object().ok_or_else(|| reader.refuse("rope_parameters", format!("`{kind}` is no object")))?;
        for (key, value) in own {
            let known = match key.as_str() {
                "rope_type" => value == "default",
                "rope_theta" => true,
                _ => false,
            };
            if !known {
                let problem =
                    format!("has `{key}` {value} for {kind}; implemented is rope_type \"default\" with a rope_theta");
                return Err(reader.refuse("rope_parameters", problem));
            }
        }
        if let Some(theta) = own.get("rope_theta") {
            let read = theta.as_f64().filter(|theta| (1.0..LARGEST_THETA).contains(theta));
            let problem = format!("has rope_theta {theta} for {kind}, not a number from 1 to below {LARGEST_THETA}");
            return read.map(|theta| theta as f32).ok_or_else(|| reader.refuse("rope_parameters", problem));
        }
    }
    if reader.json.get(older).is_some_and(Value::is_null) {
        return Err(reader.refuse(older, "is null; give a number"));
    }
    match reader.number_or(older, default, LARGEST_THETA)? {
        theta if theta >= 1.0 => Ok(theta),
        theta => Err(reader.refuse(older, format!("is {theta}, not a number from 1"))),
    }
}
