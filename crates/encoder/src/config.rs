//! config.json, read strictly: a setting that changes the computation in a way that is not implemented is refused.

use crate::bert;
use crate::family::facts::Facts;
use crate::family::setting;
use crate::family::shape::Shape;
use crate::modernbert;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use tagsmith_files::Error;
use tagsmith_files::json_fields::{Fields, read_object};

pub use crate::family::setting::LARGEST as LARGEST_SIZE;

/// The family of an encoder, and what it computes with in addition to a [`Shape`].
#[derive(Clone, Debug, PartialEq)]
pub enum Family {
    /// BERT and its relatives, including DeBERTa.
    Bert(bert::Settings),
    /// ModernBERT.
    ModernBert(modernbert::Settings),
}

/// The content of config.json.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file as it was read, for writing it back.
    pub json: Map<String, Value>,
    /// transformers' name of the architecture: `bert`, `xlm-roberta`, …
    pub model_type: String,
    /// The sizes and rates that every family has.
    pub shape: Shape,
    /// The family, with what it computes with.
    pub family: Family,
    /// Facts that the encoder's computation does not need.
    pub facts: Facts,
    /// The labels in the order of their ids. Without names they are `LABEL_0`, `LABEL_1`, as in transformers.
    pub labels: Vec<String>,
}

/// The names of the architectures that are implemented.
const IMPLEMENTED: &str = "bert, roberta, xlm-roberta, camembert, distilbert, electra, modernbert, deberta-v2";

/// Settings that must have one of these values, as JSON writes them, or be null. Another value changes the computation.
const FIXED: &[(&str, &[&str])] = &[
    ("position_embedding_type", &["\"absolute\""]),
    ("is_decoder", &["false"]),
    ("is_causal", &["false"]),
    ("add_cross_attention", &["false"]),
    ("is_encoder_decoder", &["false"]),
    ("pruned_heads", &["{}"]),
    ("quantization_config", &["null"]),
    ("embedding_projection", &["null"]),
    ("rope_scaling", &["null"]),
    ("head_dim", &["null"]),
];

/// Settings that change no score.
const WITHOUT_EFFECT: &[&str] = &[
    "_name_or_path",
    "tagsmith_head",
    "_attn_implementation_autoset",
    "attn_implementation",
    "architectures",
    "bos_token_id",
    "eos_token_id",
    "sep_token_id",
    "cls_token_id",
    "mask_token_id",
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

impl Config {
    /// Reads `folder/config.json`. Returns notes too.
    ///
    /// # Errors
    /// A file that cannot be read, is not JSON, lacks a setting, or asks for a computation that is not implemented.
    pub fn read(folder: &Path) -> Result<(Config, Vec<String>), Error> {
        let path = folder.join("config.json");
        let json = read_object(&path)?;
        Config::from_json(path, json)
    }

    /// Reads the configuration that `json` holds; `path` is for messages. Returns notes too.
    ///
    /// # Errors
    /// A setting that is missing, or that asks for a computation that is not implemented.
    pub fn from_json(path: PathBuf, json: Map<String, Value>) -> Result<(Config, Vec<String>), Error> {
        let mut fields = Fields::new(&path, json.clone());
        let model_type = fields.required_text("model_type")?;
        for (key, allowed) in FIXED {
            setting::only(&mut fields, key, allowed)?;
        }
        let (shape, facts, family) = match model_type.as_str() {
            "modernbert" => {
                let (shape, facts, settings) = modernbert::settings::read(&mut fields)?;
                (shape, facts, Family::ModernBert(settings))
            }
            other => match bert::settings::read(other, &mut fields)? {
                Some((shape, facts, settings)) => (shape, facts, Family::Bert(settings)),
                None => {
                    let problem = format!("is `{other}`; implemented are {IMPLEMENTED}");
                    return Err(fields.refuse("model_type", problem));
                }
            },
        };
        let labels = setting::labels(&mut fields)?;
        for key in WITHOUT_EFFECT {
            fields.take(key);
        }
        let unknown: Vec<&str> = fields.left_over().collect();
        if !unknown.is_empty() {
            let note =
                format!("settings that tagsmith does not know, taken to change no score: {}", unknown.join(", "));
            fields.note(note);
        }
        Ok((Config { json, model_type, shape, family, facts, labels }, fields.notes))
    }

    /// Returns the configuration of the same model with this rate for every dropout that its token classifier has.
    ///
    /// # Errors
    /// A rate that no dropout can have.
    pub fn with_dropout(self, rate: f64) -> Result<Config, Error> {
        const BERT: &[&str] = &["hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout"];
        let keys: &[&str] = match self.model_type.as_str() {
            "modernbert" => &["embedding_dropout", "attention_dropout", "mlp_dropout", "classifier_dropout"],
            "distilbert" => &["dropout", "attention_dropout"],
            "deberta-v2" => &BERT[..2],
            _ => BERT,
        };
        let mut json = self.json;
        json.extend(keys.iter().map(|&key| (key.to_owned(), rate.into())));
        Ok(Config::from_json("config.json".into(), json)?.0)
    }

    /// Returns the configuration of the same model with these labels.
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
