//! A token classifier in training: its loss, and what the engine asks of it.

pub mod weights;

use crate::error::Error;
use crate::learn::weights::weight_of;
use crate::model::Model;
use std::path::Path;
use tagsmith_encoder::batch::Batch;
use tagsmith_encoder::config::Config;
use tagsmith_encoder::family::architecture;
use tagsmith_kernel::op::label_loss::{self, Form, Loss, Objective};
use tagsmith_kernel::params::{Params, Slot, SlotId, Stages};
use tagsmith_train::checkpoint;
use tagsmith_train::trainable::{MicroBatch, Pass, Totals, Trainable, Update};

/// How micro-batch losses become one gradient: the exact way, and both of the original's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossScaling {
    /// Sum over the step's counted labels, divided once by the sum of their weights: without weights, by their number.
    Token,
    /// Mean of the micro-batches' means, as in transformers 4.
    MeanOfMeans,
    /// Sum of the micro-batches' means, as in transformers 5.23 (for parity tests only).
    SumOfMeans,
}

/// The options of a token classifier's loss.
#[derive(Clone, Debug, PartialEq)]
pub struct LossOptions {
    /// The loss of a label.
    pub form: Form,
    /// The weight of each label of the model; empty where each has the weight 1.
    pub weights: Vec<f64>,
    /// How micro-batches combine.
    pub scaling: LossScaling,
}

impl LossOptions {
    /// Cross-entropy without weights, divided once by the step's counted labels.
    pub const PLAIN: LossOptions =
        LossOptions { form: Form::CrossEntropy { smoothing: 0.0 }, weights: Vec::new(), scaling: LossScaling::Token };
}

/// A token classifier with its loss.
#[derive(Clone, Debug)]
pub struct TokenTask {
    /// The classifier.
    pub model: Model,
    /// The loss that it learns by.
    pub loss: LossOptions,
}

impl TokenTask {
    /// Writes the model into an existing folder, and files that belong beside it (the tokenizer's): names and contents.
    ///
    /// # Errors
    /// What the system says of a file.
    pub fn save(&self, folder: &Path, attachments: &[(String, Vec<u8>)]) -> Result<(), Error> {
        self.model.save(folder)?;
        for (name, bytes) in attachments {
            let path = folder.join(name);
            std::fs::write(&path, bytes).map_err(|source| tagsmith_files::Error::Io { path, source })?;
        }
        Ok(())
    }

    /// The factor of a micro-batch's summed loss.
    fn factor(&self, batch: &Batch, update: Totals) -> f64 {
        let mean = || match weight_of(&batch.labels, &self.loss.weights) {
            // A micro-batch without a counted label adds nothing, whatever it is multiplied by.
            0.0 => 1.0,
            weight => 1.0 / weight,
        };
        match self.loss.scaling {
            LossScaling::Token => 1.0 / update.weight,
            LossScaling::MeanOfMeans => mean() / update.batches as f64,
            LossScaling::SumOfMeans => mean(),
        }
    }
}

impl Trainable for TokenTask {
    type Batch = Batch;
    type Error = Error;

    fn params(&self) -> &Params {
        &self.model.params
    }

    fn params_mut(&mut self) -> &mut Params {
        &mut self.model.params
    }

    fn rows_read<'b>(&self, batch: &'b Batch) -> Vec<(SlotId, &'b [u32])> {
        vec![(self.model.layout.encoder.words(), &batch.ids)]
    }

    fn learn(&self, batch: &Batch, pass: &Pass, grads: &mut dyn Stages) -> Result<f64, tagsmith_kernel::device::Error> {
        let Pass { stream, place, totals, checkpoint_layers } = *pass;
        let forward = architecture::Pass { dropout: Some(stream), first_row: place as usize, checkpoint_layers };
        let (scores, saved) = self.model.forward(batch, forward);
        let factor = self.factor(batch, totals);
        let loss = Objective { form: self.loss.form, weights: &self.loss.weights };
        let Loss { sum, dscores } = label_loss::forward(&scores, &batch.labels, &loss, factor)?;
        saved.backward(&self.model, batch, &dscores, grads);
        // A device is asked for the loss when it has all its work.
        Ok(sum.read()? * factor)
    }

    fn own_rate(&self, _slot: &Slot) -> Option<f64> {
        None
    }

    fn embedding_parameters(&self) -> usize {
        self.model.parameter_counts().1
    }

    fn reload(&mut self, folder: &Path) -> Result<(), Error> {
        let (config, _) = Config::read(folder)?;
        let labels = &self.model.config.labels;
        if config.labels != *labels {
            let problem = format!("its labels are {}, the data's are {}", config.labels.join(" "), labels.join(" "));
            return Err(checkpoint::refusal(folder, problem).into());
        }
        self.model.reload(folder)
    }
}

/// The update that one rank makes alone of these micro-batches, where no label has a weight.
pub fn update(batches: Vec<Batch>) -> Update<Batch> {
    weighted_update(batches, &[])
}

/// The update that one rank makes alone of these micro-batches. `weights` are those of [`LossOptions`].
pub fn weighted_update(batches: Vec<Batch>, weights: &[f64]) -> Update<Batch> {
    let mut totals = Totals { batches: batches.len(), ..Totals::default() };
    let mut micro_batches = Vec::with_capacity(batches.len());
    for batch in batches {
        let place = totals.pieces as u64;
        totals.pieces += batch.rows();
        totals.counted += batch.counted();
        totals.weight += weight_of(&batch.labels, weights);
        micro_batches.push(MicroBatch { batch, place });
    }
    let batches_done = totals.batches as u64;
    Update { micro_batches, totals, batches_done, padded_pieces: totals.pieces, notes: Vec::new() }
}
