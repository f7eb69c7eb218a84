//! config.json of each family, read strictly.
//! (signatures; the bodies are being written)
use std::path::Path;

/// A checkpoint's configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file as it was read, for writing it back.
    pub json: serde_json::Map<String, serde_json::Value>,
    /// `bert`, `roberta`, …
    pub model_type: String,
    /// V.
    pub vocab_size: usize,
    /// The longest sequence the position table allows (512 for BERT and for RoBERTa's table of 514).
    pub positions_max: usize,
    /// `id2label` in id order; `LABEL_0`… when the file names none.
    pub labels: Vec<String>,
    /// Rows the token-type table has; type ids at or above it are refused.
    pub type_vocab_size: usize,
}

impl Config {
    /// Reads `folder/config.json`. Returns what was noteworthy beside it.
    pub fn read(_folder: &Path) -> Result<(Config, Vec<String>), crate::model::Error> {
        unimplemented!()
    }

    /// The same model with these labels.
    pub fn with_labels(self, _labels: &[String]) -> Config {
        unimplemented!()
    }
}
