//! An encoder with a token head and its weights.
//! (signatures; the bodies are being written)
use crate::{batch::Batch, config::Config};
use std::path::Path;

/// What can be wrong with a checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Placeholder.
    #[error("{0}")]
    Invalid(String),
}

/// An encoder with a token head and its weights.
pub struct Model {
    /// Its configuration, labels included.
    pub config: Config,
}

impl Model {
    /// Random weights (BERT's initialisation), a function of `seed`.
    pub fn new(_config: Config, _seed: u64) -> Model {
        unimplemented!()
    }

    /// Reads `folder`'s safetensors as `config` says. A missing head is drawn from `seed` (and said in the notes);
    /// a head of another size is an error unless `ignore_mismatched_sizes`.
    pub fn load(
        _folder: &Path,
        _config: Config,
        _ignore_mismatched_sizes: bool,
        _seed: u64,
    ) -> Result<(Model, Vec<String>), Error> {
        unimplemented!()
    }

    /// Writes config.json and model.safetensors into an existing folder.
    pub fn save(&self, _folder: &Path) -> Result<(), Error> {
        unimplemented!()
    }

    /// Scores (logits), R × K row-major, without dropout.
    pub fn infer(&self, _batch: &Batch) -> Vec<f32> {
        unimplemented!()
    }

    /// Parameters in all, and those in embedding tables.
    pub fn parameter_counts(&self) -> (usize, usize) {
        unimplemented!()
    }
}
