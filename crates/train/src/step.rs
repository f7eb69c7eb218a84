//! One optimizer step over its micro-batches.
//! (signatures; the bodies are being written)
use std::path::Path;
use tagsmith_model::{batch::Batch, model::{Error, Model}};

/// How micro-batch losses become one gradient (run_ner spec 2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossScaling {
    /// Sum over the step's counted labels, divided once by their number.
    Token,
    /// transformers 4: mean of the micro-batches' means.
    MeanOfMeans,
    /// transformers 5.23's sum of means (for parity tests only).
    SumOfMeans,
}

/// What changes the numbers of a step, apart from the data and the rate.
#[derive(Clone, Debug)]
pub struct StepOptions {
    /// AdamW's β₁.
    pub beta1: f64,
    /// AdamW's β₂.
    pub beta2: f64,
    /// AdamW's ε.
    pub epsilon: f64,
    /// Decoupled weight decay λ on the decay group.
    pub weight_decay: f64,
    /// Global L2 clip; 0 or less does not clip.
    pub max_grad_norm: f64,
    /// Label smoothing ε.
    pub label_smoothing: f64,
    /// How micro-batches combine.
    pub loss_scaling: LossScaling,
    /// Keep only layer inputs and recompute the rest in backward.
    pub gradient_checkpointing: bool,
    /// Seed of the dropout masks.
    pub seed: u64,
}

/// What a step did.
#[derive(Clone, Copy, Debug)]
pub struct StepReport {
    /// The loss as the Trainer would report it.
    pub loss: f64,
    /// The gradients' global L2 norm before clipping.
    pub grad_norm: f64,
    /// Labels counted.
    pub counted: usize,
}

/// A model in training: weights, gradients, AdamW's moments, the number of updates made.
pub struct Learner {
    /// The model.
    pub model: Model,
    /// Updates made so far.
    pub updates: u64,
}

impl Learner {
    /// Starts with zero moments. `frozen` are glob patterns over parameter names (`embeddings` is the prefix
    /// of all embedding parameters); returns the notes (which pattern froze how many parameters), or an
    /// error for a pattern that matches nothing.
    pub fn new(_model: Model, _options: StepOptions, _frozen: &[String]) -> Result<(Learner, Vec<String>), Error> {
        unimplemented!()
    }

    /// One update from the step's micro-batches at this learning rate.
    pub fn step(&mut self, _micro_batches: &[Batch], _learning_rate: f64) -> StepReport {
        unimplemented!()
    }

    /// Writes the moments and the update count to one safetensors file.
    pub fn save_state(&self, _file: &Path) -> Result<(), Error> {
        unimplemented!()
    }

    /// Reads them back.
    pub fn load_state(&mut self, _file: &Path) -> Result<(), Error> {
        unimplemented!()
    }
}
