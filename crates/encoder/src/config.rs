//! config.json of each family, read strictly: what would change the computation and is not implemented is refused.

mod deberta;
mod modernbert;

pub use crate::config::deberta::{Convolution, Deberta};
pub use crate::config::modernbert::ModernBert;

use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use tagsmith_kernel::op::activation::Activation;
use tagsmith_weights::error::Error;

/// Which parameter names and which places of dropout a checkpoint has.
#[derive(Clone, Debug, PartialEq)]
pub enum Family {
    /// BERT.
    Bert,
    /// RoBERTa, XLM-RoBERTa and CamemBERT: positions begin after the padding id.
    Roberta,
    /// DistilBERT: no token types, no dropout after the attention's output.
    DistilBert,
    /// ELECTRA: embeddings may be narrower than the encoder.
    Electra,
    /// ModernBERT, and what it alone computes with.
    ModernBert(ModernBert),
    /// DeBERTa-v2 and v3, and what they alone compute with.
    Deberta(Deberta),
}

/// Everything config.json says that the computation depends on.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file as it was read, for writing it back.
    pub json: Map<String, Value>,
    /// `bert`, `roberta`, …
    pub model_type: String,
    /// How `model_type` is computed.
    pub family: Family,
    /// V.
    pub vocab_size: usize,
    /// H.
    pub hidden_size: usize,
    /// Width of the embedding tables (H except for ELECTRA and some DeBERTas).
    pub embedding_size: usize,
    /// Layers.
    pub layers: usize,
    /// N.
    pub heads: usize,
    /// F.
    pub intermediate_size: usize,
    /// Between the feed-forward products.
    pub activation: Activation,
    /// ε of every layer norm.
    pub layer_norm_eps: f32,
    /// Rows of the position table, or positions there may be where there is none.
    pub position_rows: usize,
    /// Number of the first position: 0, or the padding id plus one.
    pub first_position: usize,
    /// The padding id: its rows of the word table, and of RoBERTa's position table, never learn.
    pub pad_id: Option<u32>,
    /// The longest sequence the position table allows (512 for BERT and for RoBERTa's table of 514).
    pub positions_max: usize,
    /// Rows the token-type table has; 0 without one.
    pub type_vocab_size: usize,
    /// Dropout of hidden states; of ModernBERT's embeddings alone.
    pub hidden_dropout: f32,
    /// Dropout of attention weights; in ModernBERT of the attention's output too.
    pub attention_dropout: f32,
    /// Dropout before the head.
    pub classifier_dropout: f32,
    /// Standard deviation of new weights.
    pub initializer_range: f32,
    /// `id2label` in id order; `LABEL_0`, `LABEL_1` when the file names none, as transformers has it.
    pub labels: Vec<String>,
}

/// Settings that must have the one value given, because any other changes the computation.
const FIXED: &[(&str, &[&str])] = &[
    ("position_embedding_type", &["\"absolute\"", "null"]),
    ("is_decoder", &["false", "null"]),
    ("is_causal", &["false", "null"]),
    ("add_cross_attention", &["false", "null"]),
    ("is_encoder_decoder", &["false", "null"]),
    ("pruned_heads", &["{}", "null"]),
    ("quantization_config", &["null"]),
    ("embedding_projection", &["null"]),
    ("rope_scaling", &["null"]),
    ("head_dim", &["null"]),
];

/// Settings that change no score of a token classifier.
const WITHOUT_EFFECT: &[&str] = &[
    "_name_or_path",
    "_attn_implementation_autoset",
    "attn_implementation",
    "architectures",
    "bos_token_id",
    "eos_token_id",
    "sep_token_id",
    "cls_token_id",
    "mask_token_id",
    "pad_token_id",
    "decoder_start_token_id",
    "use_cache",
    "transformers_version",
    "torch_dtype",
    "dtype",
    "gradient_checkpointing",
    "finetuning_task",
    "task_specific_params",
    "output_past",
    "output_hidden_states",
    "output_attentions",
    "return_dict",
    "qa_dropout",
    "seq_classif_dropout",
    "summary_activation",
    "summary_last_dropout",
    "summary_type",
    "summary_use_proj",
    "summary_proj_to_labels",
    "summary_first_dropout",
    "tie_word_embeddings",
    "tie_weights_",
    "directionality",
    "pooler_fc_size",
    "pooler_num_attention_heads",
    "pooler_num_fc_layers",
    "pooler_size_per_head",
    "pooler_type",
    "problem_type",
    "label2id",
    "num_labels",
    "chunk_size_feed_forward",
    "sinusoidal_pos_embds",
    "tokenizer_class",
    "prefix",
    "cross_attention_hidden_size",
    "torchscript",
    "tf_legacy_loss",
    "use_bfloat16",
    "language",
    "name",
    "vocab_file",
    "model_max_length",
    "auto_map",
    "custom_pipelines",
    "reference_compile",
    "decoder_bias",
    "classifier_pooling",
    "deterministic_flash_attn",
    "sparse_prediction",
    "sparse_pred_ignore_index",
    "repad_logits_with_grad",
    "legacy",
    "pooler_dropout",
    "pooler_hidden_act",
    "pooler_hidden_size",
];

/// The settings that some family computes with.
const COMPUTED: &[&str] = &[
    "model_type",
    "vocab_size",
    "hidden_size",
    "dim",
    "embedding_size",
    "num_hidden_layers",
    "n_layers",
    "num_attention_heads",
    "n_heads",
    "intermediate_size",
    "hidden_dim",
    "hidden_act",
    "activation",
    "layer_norm_eps",
    "max_position_embeddings",
    "type_vocab_size",
    "hidden_dropout_prob",
    "dropout",
    "attention_probs_dropout_prob",
    "attention_dropout",
    "classifier_dropout",
    "initializer_range",
    "id2label",
    "norm_eps",
    "norm_bias",
    "hidden_activation",
    "attention_bias",
    "mlp_bias",
    "classifier_bias",
    "classifier_activation",
    "embedding_dropout",
    "mlp_dropout",
    "local_attention",
    "sliding_window",
    "layer_types",
    "global_attn_every_n_layers",
    "rope_parameters",
    "global_rope_theta",
    "local_rope_theta",
    "initializer_cutoff_factor",
    "relative_attention",
    "max_relative_positions",
    "position_buckets",
    "norm_rel_ebd",
    "share_att_key",
    "pos_att_type",
    "position_biased_input",
    "conv_kernel_size",
    "conv_act",
    "conv_groups",
    "attention_head_size",
    "z_steps",
];

/// More than any real model has, little enough that sizes multiply without overflow.
const LARGEST: u64 = 1 << 24;

/// As with sizes: a table of that many layers still fits any memory.
const MOST_LAYERS: usize = 1024;

struct Reader {
    path: PathBuf,
    json: Map<String, Value>,
}

impl Reader {
    fn refuse(&self, key: &str, problem: impl Into<String>) -> Error {
        Error::Setting { path: self.path.clone(), key: key.into(), problem: problem.into() }
    }

    fn size(&self, key: &str) -> Result<usize, Error> {
        match self.json.get(key).map(|value| (value, value.as_u64())) {
            Some((_, Some(n @ 1..=LARGEST))) => Ok(n as usize),
            Some((value, _)) => Err(self.refuse(key, format!("is {value}, not a size from 1 to {LARGEST}"))),
            None => Err(self.refuse(key, "is missing")),
        }
    }

    fn size_or(&self, key: &str, default: usize) -> Result<usize, Error> {
        if self.json.get(key).is_none_or(Value::is_null) { Ok(default) } else { self.size(key) }
    }

    fn number_or(&self, key: &str, default: f64, below: f64) -> Result<f32, Error> {
        match self.json.get(key) {
            None | Some(Value::Null) => Ok(default as f32),
            Some(value) => match value.as_f64() {
                Some(x) if (0.0..below).contains(&x) => Ok(x as f32),
                _ => Err(self.refuse(key, format!("is {value}, not a number from 0 to below {below}"))),
            },
        }
    }

    fn flag_or(&self, key: &str, default: bool) -> Result<bool, Error> {
        match self.json.get(key) {
            None | Some(Value::Null) => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(value) => Err(self.refuse(key, format!("is {value}, neither true nor false"))),
        }
    }

    fn text(&self, key: &str) -> Result<&str, Error> {
        match self.json.get(key) {
            Some(Value::String(text)) => Ok(text),
            Some(value) => Err(self.refuse(key, format!("is {value}, not a string"))),
            None => Err(self.refuse(key, "is missing")),
        }
    }

    fn activation(&self, key: &str) -> Result<Activation, Error> {
        match self.text(key)? {
            "gelu" => Ok(Activation::Gelu),
            "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" => Ok(Activation::GeluTanh),
            "relu" => Ok(Activation::Relu),
            "silu" | "swish" => Ok(Activation::Silu),
            "tanh" => Ok(Activation::Tanh),
            other => Err(self.refuse(
                key,
                format!("is `{other}`; implemented are gelu, gelu_new, gelu_pytorch_tanh, gelu_fast, relu, silu, tanh"),
            )),
        }
    }

    fn activation_or(&self, key: &str, default: Activation) -> Result<Activation, Error> {
        if self.json.get(key).is_none_or(Value::is_null) { Ok(default) } else { self.activation(key) }
    }

    fn pad_id(&self, default: u64, required: bool) -> Result<Option<u32>, Error> {
        let vocab_size = self.size("vocab_size")?;
        let id = match self.json.get("pad_token_id") {
            None => Some(default),
            Some(Value::Null) if !required => None,
            Some(value) => Some(value.as_u64().unwrap_or(u64::MAX)),
        };
        match id {
            Some(id) if id >= vocab_size as u64 => {
                let found = self.json.get("pad_token_id").cloned().unwrap_or_default();
                Err(self.refuse("pad_token_id", format!("is {found}, not an id below the vocabulary's {vocab_size}")))
            }
            id => Ok(id.map(|id| id as u32)),
        }
    }

    fn labels(&self) -> Result<Vec<String>, Error> {
        let Some(map) = self.json.get("id2label").filter(|value| !value.is_null()) else {
            let count = self.size_or("num_labels", 2)?;
            return Ok((0..count).map(|i| format!("LABEL_{i}")).collect());
        };
        let map = map.as_object().ok_or_else(|| self.refuse("id2label", "is not an object of id to name"))?;
        let mut labels = vec![None; map.len()];
        for (id, name) in map {
            let place = id.parse::<usize>().ok().and_then(|id| labels.get_mut(id));
            match (place, name.as_str()) {
                (Some(place @ None), Some(name)) => *place = Some(name.to_owned()),
                _ => {
                    return Err(self.refuse("id2label", format!("maps `{id}` to {name}; ids run from 0 without gaps")));
                }
            }
        }
        labels
            .into_iter()
            .collect::<Option<Vec<_>>>()
            .filter(|labels| !labels.is_empty())
            .ok_or_else(|| self.refuse("id2label", "has gaps or no labels"))
    }

    fn check_fixed(&self) -> Result<(), Error> {
        for (key, allowed) in FIXED {
            if let Some(value) = self.json.get(*key)
                && !allowed.contains(&value.to_string().as_str())
            {
                return Err(self.refuse(key, format!("is {value}; only {} is implemented", allowed[0])));
            }
        }
        Ok(())
    }

    fn unknown(&self) -> Vec<&str> {
        let known = |key: &str| {
            COMPUTED.contains(&key) || WITHOUT_EFFECT.contains(&key) || FIXED.iter().any(|(fixed, _)| *fixed == key)
        };
        self.json.keys().map(String::as_str).filter(|key| !known(key)).collect()
    }
}

impl Config {
    /// Reads `folder/config.json`; returns what was noteworthy beside it.
    ///
    /// # Errors
    /// A file that cannot be read, is not JSON, lacks a setting, or asks for a computation that is not implemented.
    pub fn read(folder: &Path) -> Result<(Config, Vec<String>), Error> {
        let path = folder.join("config.json");
        let text = std::fs::read(&path).map_err(|source| Error::Io { path: path.clone(), source })?;
        let value: Value =
            serde_json::from_slice(&text).map_err(|source| Error::Json { path: path.clone(), source })?;
        let Value::Object(json) = value else {
            return Err(Error::Setting { path, key: "config".into(), problem: "is not a JSON object".into() });
        };
        Config::from_json(path, json)
    }

    /// The configuration that `json` describes; `path` is for messages.
    ///
    /// # Errors
    /// As for [`Config::read`], but for the file.
    pub fn from_json(path: PathBuf, json: Map<String, Value>) -> Result<(Config, Vec<String>), Error> {
        let reader = Reader { path, json };
        let model_type = reader.text("model_type")?.to_owned();
        let family = match model_type.as_str() {
            "bert" => Family::Bert,
            "roberta" | "xlm-roberta" | "camembert" => Family::Roberta,
            "distilbert" => Family::DistilBert,
            "electra" => Family::Electra,
            "modernbert" => Family::ModernBert(modernbert::settings(&reader)?),
            "deberta-v2" => Family::Deberta(deberta::settings(&reader)?),
            other => {
                let implemented = "bert, roberta, xlm-roberta, camembert, distilbert, electra, modernbert, deberta-v2";
                return Err(reader.refuse("model_type", format!("is `{other}`; implemented are {implemented}")));
            }
        };
        reader.check_fixed()?;
        let config = match family {
            Family::DistilBert => distilbert(&reader)?,
            Family::ModernBert(settings) => modernbert::config(&reader, settings)?,
            Family::Deberta(settings) => deberta::config(&reader, settings)?,
            family => bert(&reader, family)?,
        };
        let config = Config { model_type, ..config };
        if !config.hidden_size.is_multiple_of(config.heads) {
            return Err(reader.refuse(
                "num_attention_heads",
                format!("is {}, which does not divide {}", config.heads, config.hidden_size),
            ));
        }
        if config.layers > MOST_LAYERS {
            let key = if config.family == Family::DistilBert { "n_layers" } else { "num_hidden_layers" };
            return Err(
                reader.refuse(key, format!("is {}; more than {MOST_LAYERS} is taken for a mistake", config.layers))
            );
        }
        if config.position_rows <= config.first_position {
            return Err(reader.refuse("max_position_embeddings", "leaves no position for a token"));
        }
        let unknown = reader.unknown();
        let mut notes = Vec::new();
        if !unknown.is_empty() {
            notes.push(format!(
                "{}: settings that tagsmith does not know, taken to change no score: {}",
                reader.path.display(),
                unknown.join(", ")
            ));
        }
        Ok((Config { json: reader.json, ..config }, notes))
    }

    /// transformers' name of the family, which its class names begin with: `Bert`.
    pub fn class_name(&self) -> &'static str {
        match (&self.family, self.model_type.as_str()) {
            (Family::ModernBert(_), _) => "ModernBert",
            (Family::Deberta(_), _) => "DebertaV2",
            (Family::Bert, _) => "Bert",
            (Family::DistilBert, _) => "DistilBert",
            (Family::Electra, _) => "Electra",
            (Family::Roberta, "xlm-roberta") => "XLMRoberta",
            (Family::Roberta, "camembert") => "Camembert",
            (Family::Roberta, _) => "Roberta",
        }
    }

    /// The same model with these labels.
    #[must_use]
    pub fn with_labels(mut self, labels: &[String]) -> Config {
        self.labels = labels.to_vec();
        let id2label = labels.iter().enumerate().map(|(i, label)| (i.to_string(), label.clone().into())).collect();
        let mut by_label: Vec<_> = labels.iter().enumerate().collect();
        by_label.sort_by_key(|&(_, label)| label);
        let label2id = by_label.into_iter().map(|(i, label)| (label.clone(), i.into())).collect();
        self.json.insert("id2label".into(), Value::Object(id2label));
        self.json.insert("label2id".into(), Value::Object(label2id));
        self.json.remove("num_labels");
        self
    }
}

fn bert(reader: &Reader, family: Family) -> Result<Config, Error> {
    let hidden_size = reader.size("hidden_size")?;
    let hidden_dropout = reader.number_or("hidden_dropout_prob", 0.1, 1.0)?;
    let position_rows = reader.size("max_position_embeddings")?;
    let default_pad = u64::from(family == Family::Roberta);
    let pad_id = reader.pad_id(default_pad, family == Family::Roberta)?;
    let first_position = if family == Family::Roberta { pad_id.map_or(0, |id| id as usize + 1) } else { 0 };
    Ok(Config {
        json: Map::new(),
        model_type: String::new(),
        vocab_size: reader.size("vocab_size")?,
        hidden_size,
        embedding_size: if family == Family::Electra { reader.size_or("embedding_size", 128)? } else { hidden_size },
        layers: reader.size("num_hidden_layers")?,
        heads: reader.size("num_attention_heads")?,
        intermediate_size: reader.size("intermediate_size")?,
        activation: reader.activation("hidden_act")?,
        layer_norm_eps: reader.number_or("layer_norm_eps", 1e-12, 1.0)?,
        position_rows,
        first_position,
        pad_id,
        positions_max: position_rows.saturating_sub(first_position),
        type_vocab_size: match family {
            // Without token types where the file says so, or says nothing.
            Family::Deberta(_) if reader.json.get("type_vocab_size").is_none_or(|value| value == 0) => 0,
            _ => reader.size_or("type_vocab_size", 2)?,
        },
        hidden_dropout,
        attention_dropout: reader.number_or("attention_probs_dropout_prob", 0.1, 1.0)?,
        classifier_dropout: reader.number_or("classifier_dropout", f64::from(hidden_dropout), 1.0)?,
        initializer_range: reader.number_or("initializer_range", 0.02, 1e3)?,
        labels: reader.labels()?,
        family,
    })
}

fn distilbert(reader: &Reader) -> Result<Config, Error> {
    let hidden_size = reader.size("dim")?;
    let hidden_dropout = reader.number_or("dropout", 0.1, 1.0)?;
    let position_rows = reader.size("max_position_embeddings")?;
    Ok(Config {
        json: Map::new(),
        model_type: String::new(),
        family: Family::DistilBert,
        vocab_size: reader.size("vocab_size")?,
        hidden_size,
        embedding_size: hidden_size,
        layers: reader.size("n_layers")?,
        heads: reader.size("n_heads")?,
        intermediate_size: reader.size("hidden_dim")?,
        activation: reader.activation("activation")?,
        layer_norm_eps: 1e-12,
        position_rows,
        first_position: 0,
        pad_id: reader.pad_id(0, false)?,
        positions_max: position_rows,
        type_vocab_size: 0,
        hidden_dropout,
        attention_dropout: reader.number_or("attention_dropout", 0.1, 1.0)?,
        classifier_dropout: hidden_dropout,
        initializer_range: reader.number_or("initializer_range", 0.02, 1e3)?,
        labels: reader.labels()?,
    })
}
