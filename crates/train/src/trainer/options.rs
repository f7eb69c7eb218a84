//! The options of a training run, resolved; nothing here has a default.

use crate::error::Error;
use crate::schedule::plateau;
use crate::trainer::agenda::{Every, Saving, Times};
use crate::trainer::best::Criterion;
use crate::trainer::order::Sampling;
use crate::trainer::plan::{Amount, Extent};
use serde_json::{Map, Value};
use std::path::PathBuf;
use tagsmith_message::{Remedy, Setting};

/// The options of a training run, apart from those of a single step ([`crate::learner::StepOptions`]).
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder of the checkpoints.
    pub output: PathBuf,
    /// Examples a batch.
    pub batch_size: usize,
    /// Batches an update.
    pub accumulation: usize,
    /// Rows of a micro-batch at most (a longer example is one of its own); without it a batch is one. It bounds memory
    /// and changes no number where the loss is a sum over examples that is divided once.
    pub batch_tokens: Option<usize>,
    /// Whether an epoch's last, smaller batch is left out.
    pub drop_last: bool,
    /// How an epoch's order is drawn.
    pub sampling: Sampling,
    /// Seed of the data's order.
    pub data_seed: u64,
    /// Passes over the data.
    pub epochs: f64,
    /// Updates, instead of epochs.
    pub max_steps: Option<u64>,
    /// The rate that the schedule multiplies.
    pub learning_rate: f64,
    /// The schedule's name, as `lr_scheduler_type` has it.
    pub schedule: String,
    /// The schedule's keyword arguments, as `lr_scheduler_kwargs` has them.
    pub schedule_keywords: Map<String, Value>,
    /// Steps of warm-up.
    pub warmup: Amount,
    /// When to log, evaluate and save.
    pub times: Times,
    /// The metric that makes a model the best.
    pub best: Option<Criterion>,
    /// When to give up waiting for a better one.
    pub early_stopping: Option<EarlyStopping>,
    /// Which checkpoints to keep.
    pub keep: Keep,
    /// Whether checkpoints leave out what only resuming needs.
    pub save_only_model: bool,
}

/// Which checkpoints a run keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// All of them.
    All,
    /// The newest ones, so many; the best stays too.
    Newest(usize),
    /// The best ones, so many; the newest stays too.
    Best(usize),
}

/// When to give up waiting for a better model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EarlyStopping {
    /// Evaluations without improvement.
    pub patience: u64,
    /// Improvements up to this do not count.
    pub threshold: f64,
}

impl Options {
    /// What decides the length of a run over so many examples on so many ranks.
    pub fn extent(&self, examples: usize, ranks: usize) -> Extent {
        Extent {
            examples,
            batch_size: self.batch_size,
            accumulation: self.accumulation,
            drop_last: self.drop_last,
            epochs: self.epochs,
            max_steps: self.max_steps,
            ranks,
        }
    }

    /// Refuses options that follow a metric where there is none.
    pub fn check(&self) -> Result<(), Error> {
        let follows = [
            ("loading the best model", self.times.load_best_at_end),
            ("saving the best models alone", self.times.saving == Saving::Best),
            ("early stopping", self.early_stopping.is_some()),
            ("the schedule `reduce_lr_on_plateau`", self.schedule == plateau::NAME),
        ];
        let Some((what, _)) = follows.into_iter().find(|&(_, set)| set) else { return Ok(()) };
        let (missing, setting) = if self.best.is_none() {
            ("none is named", Setting::Metric)
        } else if self.times.evaluation == Every::Never {
            ("no evaluation computes it", Setting::EvalStrategy)
        } else {
            return Ok(());
        };
        Err(Error::with_remedy(format!("{what} follows a metric, and {missing}"), Remedy::set(setting)))
    }
}
