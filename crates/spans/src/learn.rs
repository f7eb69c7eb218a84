//! One optimizer step of a span tagger.

use crate::batch::{Kinds, Scene};
use crate::config::Config;
use crate::model::Model;
use crate::model::loss::{Gold, Normalization, loss};
use std::path::Path;
use tagsmith_kernel::op::adamw::AdamW;
use tagsmith_kernel::params::{Grads, SlotId};
use tagsmith_kernel::random::stream::Stream;
use tagsmith_ranks::World;
use tagsmith_train::learner::exchange::Exchange;
use tagsmith_train::learner::optimizer::{self, Optimizer};
use tagsmith_train::trainer::same_on_all_ranks;
use tagsmith_weights::Error;

/// What changes the numbers of a step, apart from the data and the schedule.
#[derive(Clone, Debug)]
pub struct StepOptions {
    /// Seed of the dropout masks.
    pub seed: u64,
    /// What classification losses are divided by.
    pub normalization: Normalization,
    /// Of the text encoder.
    pub learning_rate: f64,
    /// Of the label encoder, if another.
    pub type_encoder_rate: Option<f64>,
    /// Of the head, if another.
    pub head_rate: Option<f64>,
}

/// The original's, and no key of its configuration: PyTorch's decay on every parameter, and its clip.
const WEIGHT_DECAY: f64 = 0.01;
const MAX_NORM: f64 = 10.0;

/// What a step did.
#[derive(Clone, Copy, Debug)]
pub struct StepReport {
    /// The mean of the micro-batches' losses.
    pub loss: f64,
    /// The gradients' global L2 norm before clipping.
    pub grad_norm: f64,
    /// Seconds that this rank waited for others.
    pub waited: f64,
}

/// A span tagger in training.
pub struct Learner {
    model: Model,
    /// Updates made so far.
    pub updates: u64,
    options: StepOptions,
    grads: Grads,
    exchange: Exchange,
    optimizer: Optimizer,
}

/// What one rank computes of an update.
#[derive(Clone, Copy, Debug)]
pub struct Share<'a> {
    /// Its micro-batches; there may be none.
    pub micro_batches: &'a [(Scene, Gold)],
    /// Of each its number in the whole update: dropout is a function of it.
    pub numbers: &'a [u64],
    /// Micro-batches of all ranks, whose losses have equal weight.
    pub micro_batches_of_all: usize,
}

impl Learner {
    /// Starts with zero moments.
    pub fn new(model: Model, options: StepOptions) -> Learner {
        let (grads, optimizer) = (Grads::new(&model.params), Optimizer::new(&model.params));
        Learner { model, updates: 0, options, grads, exchange: Exchange::default(), optimizer }
    }

    /// The model after all updates made so far.
    pub fn model(&mut self) -> &Model {
        self.optimizer.settle(&mut self.model.params);
        &self.model
    }

    /// Its configuration.
    pub fn config(&self) -> &Config {
        &self.model.config
    }

    /// The model alone, after all updates.
    pub fn into_model(mut self) -> Model {
        self.optimizer.settle(&mut self.model.params);
        self.model
    }

    /// One update from micro-batches, whose losses have equal weight; `multiplier` is the schedule's.
    pub fn step(&mut self, micro_batches: &[(Scene, Gold)], multiplier: f64) -> StepReport {
        let numbers: Vec<u64> = (0..micro_batches.len() as u64).collect();
        let share = Share { micro_batches, numbers: &numbers, micro_batches_of_all: micro_batches.len() };
        self.step_among(&World::alone(), share, multiplier)
    }

    /// One update from all ranks' micro-batches, of which this rank has its share. Afterwards all ranks have the same
    /// weights, to the bit.
    pub fn step_among(&mut self, world: &World, share: Share<'_>, multiplier: f64) -> StepReport {
        let Share { micro_batches, numbers, micro_batches_of_all } = share;
        self.grads.clear();
        for (scene, _) in micro_batches {
            let params = &mut self.model.params;
            self.optimizer.catch_up(params, self.model.layout.token_encoder.words, &scene.text.ids);
            if let (Kinds::Alone(labels), Some(layout)) = (&scene.kinds, &self.model.layout.type_encoder) {
                self.optimizer.catch_up(params, layout.words, &labels.ids);
            }
        }
        let stream = Stream::new(self.options.seed).child(self.updates);
        let weight = 1.0 / micro_batches_of_all as f64;
        let (before, mut total) = (world.waited(), 0.0);
        for (number, ((scene, gold), &place)) in micro_batches.iter().zip(numbers).enumerate() {
            let mut config = self.model.config.loss.clone();
            let wanted = config.weights.map(|part| part != 0.0);
            let (scores, saved) = self.model.forward(scene, Some(stream.child(place)), wanted);
            config.weights = config.weights.map(|part| part * weight);
            let loss = loss(&config, self.options.normalization, &scores, scene, gold);
            total += loss.value;
            if number + 1 < micro_batches.len() || world.size() == 1 {
                saved.backward(&self.model, scene, &loss.dscores, &mut self.grads);
            } else {
                let mut reduction = self.exchange.begin(world, &self.model.params, &mut self.grads);
                saved.backward(&self.model, scene, &loss.dscores, &mut reduction);
                total = reduction.finish(total);
            }
        }
        if micro_batches.is_empty() {
            // The others have something to learn from.
            total = self.exchange.begin(world, &self.model.params, &mut self.grads).finish(total);
        }
        let grad_norm = optimizer::norm(&self.model.params, &self.grads);
        self.updates += 1;
        let StepOptions { learning_rate, type_encoder_rate, head_rate, .. } = self.options;
        let adamw = AdamW {
            rate: learning_rate * multiplier,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            decay: WEIGHT_DECAY,
            update: self.updates,
            gradient_scale: (MAX_NORM / (grad_norm + 1e-6)).min(1.0),
        };
        self.optimizer.update(&mut self.model.params, &self.grads, |_, slot| {
            let rate = match &slot.name {
                name if name.starts_with(crate::model::layout::TOKEN_ENCODER) => learning_rate,
                name if name.starts_with(crate::model::layout::TYPE_ENCODER) => {
                    type_encoder_rate.unwrap_or(learning_rate)
                }
                _ => head_rate.unwrap_or(learning_rate),
            };
            AdamW { rate: rate * multiplier, ..adamw }
        });
        StepReport { loss: total, grad_norm, waited: world.waited() - before }
    }

    /// See [`same_on_all_ranks::checksum`].
    pub fn checksum(&self) -> u64 {
        same_on_all_ranks::checksum(&self.model.params, &self.grads)
    }

    /// The gradient of one parameter after the last step, before clipping, as a whole table; `None` if it has none.
    pub fn gradient(&self, name: &str) -> Option<Vec<f32>> {
        let params = &self.model.params;
        let number = params.slots.iter().position(|slot| slot.name == name)?;
        self.grads.copy(params, SlotId(number))
    }

    /// Writes the moments and the update count to one safetensors file.
    ///
    /// # Errors
    /// What the system says of the file.
    pub fn save_state(&mut self, file: &Path) -> Result<(), Error> {
        self.optimizer.settle(&mut self.model.params);
        self.optimizer.save(&self.model.params, self.updates, file)
    }

    /// Reads them back; the weights are those that were there when they were written.
    ///
    /// # Errors
    /// A file that is missing, damaged or of another model.
    pub fn load_state(&mut self, file: &Path) -> Result<(), Error> {
        self.updates = self.optimizer.load(&self.model.params, file)?;
        Ok(())
    }
}
