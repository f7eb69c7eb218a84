//! A token classifier in training: its loss, and what the engine asks of it.

pub mod teacher;
pub mod weights;

use crate::error::Error;
use crate::learn::teacher::Distillation;
use crate::learn::weights::weight_of;
use crate::model::Model;
use std::path::Path;
use tagsmith_encoder::batch::Batch;
use tagsmith_encoder::config::Config;
use tagsmith_encoder::family::architecture;
use tagsmith_kernel::op::crf;
use tagsmith_kernel::op::label_loss::{self, Form, Loss, Objective};
use tagsmith_kernel::op::{add, distillation};
use tagsmith_kernel::params::{Params, Slot, SlotId, Stages};
use tagsmith_text::decode::chain::Chain;
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
    /// How much of the loss is the distance from a teacher, where there is a teacher.
    pub teacher: Option<Distillation>,
    /// How micro-batches combine.
    pub scaling: LossScaling,
}

impl LossOptions {
    /// Cross-entropy without weights, divided once by the step's counted labels.
    pub const PLAIN: LossOptions = LossOptions {
        form: Form::CrossEntropy { smoothing: 0.0 },
        weights: Vec::new(),
        teacher: None,
        scaling: LossScaling::Token,
    };
}

/// Learning rates of parts of a token classifier.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// The rate of the head.
    pub head: f64,
    /// The rate that layers' are parts of.
    pub encoder: f64,
    /// The part of the rate above it that each layer has. The last layer has this part of `encoder`, the embeddings this part
    /// of the first layer's.
    pub layer_decay: f64,
}

impl Rates {
    /// Returns the rate of a parameter whose gradient `stage` of backward writes, in a model of `layers` layers.
    fn of(self, stage: usize, layers: usize) -> f64 {
        match (layers + 1).checked_sub(stage) {
            None | Some(0) => self.head,
            Some(depth) => self.encoder * self.layer_decay.powi(depth as i32),
        }
    }

    /// Returns a sentence with the rates in a model of `layers` layers.
    pub fn tell(self, layers: usize) -> String {
        let rate = |stage: usize| format!("{:.3e}", self.of(stage, layers));
        let (head, last, first) = (rate(layers + 1), rate(layers), rate(1));
        format!("learning rates: head {head}, last layer {last}, first layer {first}, embeddings {}", rate(0))
    }
}

/// A token classifier with its loss.
#[derive(Clone, Debug)]
pub struct TokenTask {
    /// The classifier.
    pub model: Model,
    /// The loss that it learns by.
    pub loss: LossOptions,
    /// Rates of parts, where they have other rates than the run's.
    pub rates: Option<Rates>,
}

impl TokenTask {
    /// A classifier all of which learns at the run's rate.
    pub fn new(model: Model, loss: LossOptions) -> TokenTask {
        TokenTask { model, loss, rates: None }
    }

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

    /// The factor of a micro-batch's summed loss, which counts labels by `weights`; the update's sum of them is `all`.
    fn factor(&self, batch: &Batch, weights: &[f64], all: f64, update: Totals) -> f64 {
        let mean = || match weight_of(&batch.labels, weights) {
            // A micro-batch without a counted label adds nothing, whatever it is multiplied by.
            0.0 => 1.0,
            weight => 1.0 / weight,
        };
        match self.loss.scaling {
            LossScaling::Token => 1.0 / all,
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
        if let Some(chain) = self.model.chain().map_err(of_device)? {
            let factor = self.factor(batch, &[], totals.counted as f64, totals);
            let (loss, of_chain) = crf::forward(&scores, &batch.labels, &batch.starts, numbers(&chain), factor);
            let crf::Loss { sum, dscores } = loss;
            saved.backward(&self.model, batch, &dscores, Some(of_chain), grads);
            return Ok(sum.read()? * factor);
        }
        let of_labels = 1.0 - self.loss.teacher.map_or(0.0, |teacher| teacher.alpha);
        let factor = of_labels * self.factor(batch, &self.loss.weights, totals.weight, totals);
        let loss = Objective { form: self.loss.form, weights: &self.loss.weights };
        let Loss { sum, mut dscores } = label_loss::forward(&scores, &batch.labels, &loss, factor)?;
        let mut of_teacher = 0.0;
        if let Some(Distillation { alpha, temperature }) = self.loss.teacher {
            // Every word has the same weight in what the teacher says.
            let factor = alpha * self.factor(batch, &[], totals.counted as f64, totals);
            let soft = distillation::forward(&scores, &batch.labels, &batch.teacher, temperature, factor)?;
            add::onto(&soft.dscores, &mut dscores);
            of_teacher = soft.sum.read()? * factor;
        }
        saved.backward(&self.model, batch, &dscores, None, grads);
        // A device is asked for the loss when it has all its work.
        Ok(sum.read()? * factor + of_teacher)
    }

    fn own_rate(&self, slot: &Slot) -> Option<f64> {
        Some(self.rates?.of(slot.stage, self.model.config.shape.layers))
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

/// Returns a chain as operations take it.
pub(crate) fn numbers(chain: &Chain) -> crf::Chain<'_> {
    crf::Chain { start: &chain.start, transitions: &chain.transitions, end: &chain.end }
}

/// The numbers of a chain are never rows of a word table.
fn of_device(error: tagsmith_kernel::Error) -> tagsmith_kernel::device::Error {
    match error {
        tagsmith_kernel::Error::Device(error) => error,
        tagsmith_kernel::Error::Rows(error) => unreachable!("a chain is in memory: {error}"),
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
