//! Values of config.json that more than one family reads.

use serde_json::Value;
use tagsmith_files::Error;
use tagsmith_files::json_fields::Fields;
use tagsmith_kernel::op::activation::Activation;

/// The largest size. It is larger than any real model's, and small enough that sizes multiply without overflow.
pub const LARGEST: u64 = 1 << 24;

/// The largest number of layers. A table of the parameters of so many layers still fits any memory.
const LAYERS_MAX: usize = 1024;

/// Takes a size that must be there.
pub(crate) fn size(fields: &mut Fields, key: &str) -> Result<usize, Error> {
    let size = fields.size_up_to(key, LARGEST)?;
    size.ok_or_else(|| fields.refuse(key, "is missing: it has no default"))
}

/// Takes a size that has a default.
pub(crate) fn size_or(fields: &mut Fields, key: &str, default: usize) -> Result<usize, Error> {
    Ok(fields.size_up_to(key, LARGEST)?.unwrap_or(default))
}

/// Takes a size that the original leaves out by a number below 1.
pub(crate) fn size_above_zero(fields: &mut Fields, key: &str) -> Result<Option<usize>, Error> {
    match fields.take(key) {
        None => Ok(None),
        Some(value) if value.as_i64().is_some_and(|number| number < 1) => Ok(None),
        Some(value) => match value.as_u64() {
            Some(size) if size <= LARGEST => Ok(Some(size as usize)),
            _ => Err(fields.refuse(key, format!("is {value}, not a whole number from 1 to {LARGEST}"))),
        },
    }
}

/// Takes the number of layers.
pub(crate) fn layers(fields: &mut Fields, key: &str) -> Result<usize, Error> {
    let layers = size(fields, key)?;
    if layers > LAYERS_MAX {
        return Err(fields.refuse(key, format!("is {layers}; more than {LAYERS_MAX} is taken for a mistake")));
    }
    Ok(layers)
}

/// Takes the number of attention heads, which divides the width of the hidden states.
pub(crate) fn heads(fields: &mut Fields, key: &str, hidden_size: usize) -> Result<usize, Error> {
    let heads = size(fields, key)?;
    if !hidden_size.is_multiple_of(heads) {
        return Err(fields.refuse(key, format!("is {heads}, which does not divide {hidden_size}")));
    }
    Ok(heads)
}

/// Takes a rate, from 0 to below 1.
pub(crate) fn rate(fields: &mut Fields, key: &str, default: f32) -> Result<f32, Error> {
    Ok(fields.number(key, f64::from(default), 0.0..1.0)? as f32)
}

/// Takes the standard deviation of new weights.
pub(crate) fn deviation(fields: &mut Fields) -> Result<f32, Error> {
    Ok(fields.number("initializer_range", 0.02, 0.0..1e3)? as f32)
}

/// Takes the name of an activation function, if there is one.
pub(crate) fn activation(fields: &mut Fields, key: &str) -> Result<Option<Activation>, Error> {
    let Some(name) = fields.text(key)? else { return Ok(None) };
    let activation = match name.as_str() {
        "gelu" => Activation::Gelu,
        "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" => Activation::GeluTanh,
        "relu" => Activation::Relu,
        "silu" | "swish" => Activation::Silu,
        "tanh" => Activation::Tanh,
        other => {
            let implemented = "gelu, gelu_new, gelu_pytorch_tanh, gelu_fast, relu, silu, tanh";
            return Err(fields.refuse(key, format!("is `{other}`; implemented are {implemented}")));
        }
    };
    Ok(Some(activation))
}

/// Takes the padding id. Only a family that does not require one may set it to null.
pub(crate) fn pad_id(
    fields: &mut Fields,
    vocab_size: usize,
    default: u32,
    required: bool,
) -> Result<Option<u32>, Error> {
    const KEY: &str = "pad_token_id";
    if fields.is_null(KEY) && !required {
        fields.take(KEY);
        return Ok(None);
    }
    let found = match fields.is_null(KEY) {
        true => Value::Null,
        false => fields.take(KEY).unwrap_or_else(|| default.into()),
    };
    match found.as_u64() {
        Some(id) if id < vocab_size as u64 => Ok(Some(id as u32)),
        _ => Err(fields.refuse(KEY, format!("is {found}, not an id below the vocabulary's {vocab_size}"))),
    }
}

/// Takes a value that must be one of `allowed`, as JSON writes them. Any other would change the computation.
pub(crate) fn only(fields: &mut Fields, key: &str, allowed: &[&str]) -> Result<(), Error> {
    match fields.take(key) {
        Some(value) if !allowed.contains(&value.to_string().as_str()) => {
            Err(fields.refuse(key, format!("is {value}; only {} is implemented", allowed[0])))
        }
        _ => Ok(()),
    }
}

/// Takes the labels: `id2label` in the order of ids. Without names they are `LABEL_0`, `LABEL_1`, …, as in transformers.
pub(crate) fn labels(fields: &mut Fields) -> Result<Vec<String>, Error> {
    let count = size_or(fields, "num_labels", 2);
    let Some(map) = fields.take("id2label") else {
        return Ok((0..count?).map(|i| format!("LABEL_{i}")).collect());
    };
    let Value::Object(map) = map else {
        return Err(fields.refuse("id2label", "is not an object of id to name"));
    };
    let mut labels = vec![None; map.len()];
    for (id, name) in &map {
        let place = id.parse::<usize>().ok().and_then(|id| labels.get_mut(id));
        match (place, name.as_str()) {
            (Some(place @ None), Some(name)) => *place = Some(name.to_owned()),
            _ => {
                return Err(fields.refuse("id2label", format!("maps `{id}` to {name}; ids run from 0 without gaps")));
            }
        }
    }
    let labels = labels.into_iter().collect::<Option<Vec<_>>>().filter(|labels| !labels.is_empty());
    labels.ok_or_else(|| fields.refuse("id2label", "has gaps or no labels"))
}
