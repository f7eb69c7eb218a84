//! A token classifier in training: its loss, and what the engine asks of it.

use crate::error::Error;
use crate::model::Model;
use std::path::Path;
use tagsmith_encoder::batch::Batch;
use tagsmith_encoder::config::Config;
use tagsmith_encoder::family::architecture;
use tagsmith_kernel::op::cross_entropy::{self, Loss};
use tagsmith_kernel::params::{Params, Slot, SlotId, Stages};
use tagsmith_text::align::IGNORE;
use tagsmith_train::checkpoint;
use tagsmith_train::trainable::{MicroBatch, Pass, Totals, Trainable, Update};

/// How micro-batch losses become one gradient: the exact way, and both of the original's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossScaling {
    /// Sum over the step's counted labels, divided once by their number.
    Token,
    /// Mean of the micro-batches' means, as in transformers 4.
    MeanOfMeans,
    /// Sum of the micro-batches' means, as in transformers 5.23 (for parity tests only).
    SumOfMeans,
}

/// The options of a token classifier's loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossOptions {
    /// ε of label smoothing, from 0 to 1.
    pub label_smoothing: f64,
    /// How micro-batches combine.
    pub scaling: LossScaling,
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
    fn factor(&self, counted: usize, update: Totals) -> f64 {
        // A micro-batch without a counted label adds nothing, whatever it is multiplied by.
        let mean = 1.0 / counted.max(1) as f64;
        match self.loss.scaling {
            LossScaling::Token => 1.0 / update.counted as f64,
            LossScaling::MeanOfMeans => mean / update.batches as f64,
            LossScaling::SumOfMeans => mean,
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
        let factor = self.factor(batch.counted(), totals);
        let Loss { sum, dscores } = cross_entropy::forward(&scores, &batch.labels, self.loss.label_smoothing, factor);
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

/// The update that one rank makes alone of these micro-batches.
pub fn update(batches: Vec<Batch>) -> Update<Batch> {
    let mut totals = Totals { batches: batches.len(), ..Totals::default() };
    let mut micro_batches = Vec::with_capacity(batches.len());
    for batch in batches {
        let place = totals.pieces as u64;
        totals.pieces += batch.rows();
        totals.counted += batch.labels.iter().filter(|&&label| label != IGNORE).count();
        micro_batches.push(MicroBatch { batch, place });
    }
    let batches_done = totals.batches as u64;
    Update { micro_batches, totals, batches_done, padded_pieces: totals.pieces, notes: Vec::new() }
}
