//! One optimizer step: micro-batches forward and backward, one clip, one update.

pub mod exchange;
mod freeze;
pub mod optimizer;
pub mod peers;

use crate::error::Error;
use crate::learner::exchange::Exchange;
pub use crate::learner::freeze::freeze;
use crate::learner::optimizer::Optimizer;
use crate::learner::peers::{Linked, Peers};
use crate::trainable::{MicroBatch, Pass, Totals, Trainable, Update};
use crate::trainer::same_on_all_ranks;
use std::path::Path;
use tagsmith_kernel::Device;
use tagsmith_kernel::op::adamw::AdamW;
use tagsmith_kernel::params::{Grads, SlotId};
use tagsmith_kernel::random::stream::Stream;
use tagsmith_ranks::World;

/// The options that change the numbers of a step, apart from the loss, the data and the rate.
#[derive(Clone, Debug)]
pub struct StepOptions {
    /// AdamW's β₁.
    pub beta1: f64,
    /// AdamW's β₂.
    pub beta2: f64,
    /// AdamW's ε.
    pub epsilon: f64,
    /// Decoupled weight decay λ on the slots that decay.
    pub weight_decay: f64,
    /// Global L2 clip; 0 or less does not clip.
    pub max_grad_norm: f64,
    /// Keep only layer inputs and compute the rest again in backward.
    pub gradient_checkpointing: bool,
    /// Seed of the dropout masks.
    pub seed: u64,
}

/// The Trainer's own: no decay, clipping at 1.
impl Default for StepOptions {
    fn default() -> StepOptions {
        StepOptions {
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
            max_grad_norm: 1.0,
            gradient_checkpointing: false,
            seed: 42,
        }
    }
}

/// The learning rate of one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// The rate of every parameter that has none of its own.
    pub learning_rate: f64,
    /// The schedule's multiplier, for parameters with a rate of their own.
    pub multiplier: f64,
}

impl Rate {
    /// The run's rate times the schedule's multiplier.
    pub fn scheduled(learning_rate: f64, multiplier: f64) -> Rate {
        Rate { learning_rate: learning_rate * multiplier, multiplier }
    }

    /// The rate of a parameter whose own rate is `own`.
    fn of(self, own: Option<f64>) -> f64 {
        own.map_or(self.learning_rate, |own| own * self.multiplier)
    }
}

/// What a step did.
#[derive(Clone, Copy, Debug)]
pub struct StepReport {
    /// The loss as the model's trainer would report it; not a number if nothing was counted.
    pub loss: f64,
    /// The gradients' global L2 norm before clipping.
    pub grad_norm: f64,
    /// What the loss counted: see [`crate::trainable::Totals::counted`].
    pub counted: usize,
    /// Pieces read, special ones included.
    pub pieces: usize,
    /// Seconds that this rank waited for others.
    pub waited: f64,
}

/// A model in training: weights, gradients, AdamW's moments, the number of updates made.
///
/// Rows of tables that no batch has read lately have updates to make. Whoever asks for the model gets it up to date.
pub struct Learner<M> {
    model: M,
    /// Updates made so far.
    pub updates: u64,
    options: StepOptions,
    grads: Grads,
    exchange: Exchange,
    optimizer: Optimizer,
}

impl<M: Trainable> Learner<M> {
    /// Starts with zero moments, where the model lies. What matches a pattern of `frozen` does not learn: see [`freeze`].
    /// Returns its notes.
    ///
    /// # Errors
    /// A pattern that matches nothing.
    pub fn new(mut model: M, options: StepOptions, frozen: &[String]) -> Result<(Learner<M>, Vec<String>), Error> {
        let notes = freeze(model.params_mut(), frozen)?;
        let (grads, optimizer) = (Grads::new(model.params()), Optimizer::new(model.params()));
        Ok((Learner { model, updates: 0, options, grads, exchange: Exchange::default(), optimizer }, notes))
    }

    /// The model after all updates made so far.
    pub fn model(&mut self) -> &M {
        self.optimizer.settle(self.model.params_mut());
        &self.model
    }

    /// The model alone, after all updates.
    pub fn into_model(mut self) -> M {
        self.optimizer.settle(self.model.params_mut());
        self.model
    }

    /// Where the model lies and learns.
    pub fn device(&self) -> Device {
        self.model.params().device()
    }

    /// Parameters in all, and those in embedding tables.
    pub fn parameter_counts(&self) -> (usize, usize) {
        (self.model.params().len(), self.model.embedding_parameters())
    }

    /// Bytes of moments and of updates that wait; they grow with the words met.
    pub fn optimizer_bytes(&self) -> usize {
        self.optimizer.bytes()
    }

    /// Takes the weights of a checkpoint of this model, with moments of 0; what is frozen stays so.
    ///
    /// # Errors
    /// See [`Trainable::reload`].
    pub fn reload(&mut self, folder: &Path) -> Result<(), M::Error> {
        self.model.reload(folder)?;
        self.optimizer.clear(self.model.params());
        Ok(())
    }

    /// Makes one update from all ranks' micro-batches, of which this rank has its share. Afterwards all ranks have the
    /// same weights, to the bit.
    ///
    /// An update that counts nothing has a loss that is not a number, as the Trainer's, and changes nothing.
    ///
    /// # Errors
    /// Rows of a table that cannot be read, or a device that failed. The weights are then not those of any step.
    pub fn step(&mut self, world: &World, update: &Update<M::Batch>, rate: Rate) -> Result<StepReport, Error> {
        let (counted, pieces) = (update.totals.counted, update.totals.pieces);
        if counted == 0 {
            self.updates += 1;
            return Ok(StepReport { loss: f64::NAN, grad_norm: 0.0, counted, pieces, waited: 0.0 });
        }
        let before = world.waited();
        self.grads.clear();
        for part in &update.micro_batches {
            for (table, rows) in self.model.rows_read(&part.batch) {
                self.optimizer.catch_up(self.model.params_mut(), table, rows)?;
            }
        }
        let loss = self.accumulate(world, update)?;
        let grad_norm = self.update(rate)?;
        Ok(StepReport { loss, grad_norm, counted, pieces, waited: world.waited() - before })
    }

    /// Returns the name of a parameter that holds something other than finite numbers after all updates, if one does.
    ///
    /// # Errors
    /// The first error of the device.
    pub fn not_finite(&mut self) -> Result<Option<&str>, Error> {
        let params = self.model().params();
        Ok(params.first_not_finite()?.map(|id| &*params.slots[id.0].name))
    }

    /// Returns the loss of a micro-batch that was learned from in the last step, with the weights after that step. Nothing
    /// is learned, and the gradients of the step are forgotten.
    ///
    /// # Errors
    /// The first error of the device.
    pub fn loss_again(&mut self, part: &MicroBatch<M::Batch>, totals: Totals) -> Result<f64, Error> {
        self.optimizer.settle(self.model.params_mut());
        let stream = Stream::new(self.options.seed).child(self.updates);
        let pass = Pass { stream, place: part.place, totals, checkpoint_layers: self.options.gradient_checkpointing };
        self.grads.clear();
        let loss = self.model.learn(&part.batch, &pass, &mut self.grads);
        self.grads.clear();
        Ok(loss?)
    }

    /// Sums the gradients of the update, and returns its loss. The last micro-batch's backward pass overlaps the exchange
    /// with other ranks.
    fn accumulate(&mut self, world: &World, update: &Update<M::Batch>) -> Result<f64, Error> {
        let stream = Stream::new(self.options.seed).child(self.updates);
        let (totals, checkpoint_layers) = (update.totals, self.options.gradient_checkpointing);
        let linked = Linked(world);
        let peers: &dyn Peers = if self.device().is_linked() { &linked } else { world };
        let mut loss = 0.0;
        let last = update.micro_batches.len().saturating_sub(1);
        for (number, part) in update.micro_batches.iter().enumerate() {
            let pass = Pass { stream, place: part.place, totals, checkpoint_layers };
            if number < last || world.size() == 1 {
                loss += self.model.learn(&part.batch, &pass, &mut self.grads)?;
            } else {
                let mut reduction = self.exchange.begin(peers, self.model.params(), &mut self.grads);
                loss += self.model.learn(&part.batch, &pass, &mut reduction)?;
                loss = reduction.finish(loss);
            }
        }
        if update.micro_batches.is_empty() {
            // The other ranks have something to learn from.
            loss = self.exchange.begin(peers, self.model.params(), &mut self.grads).finish(loss);
        }
        Ok(loss)
    }

    /// Clips the gradients and updates every parameter that learns. Returns the gradients' norm before clipping.
    fn update(&mut self, rate: Rate) -> Result<f64, Error> {
        self.updates += 1;
        let StepOptions { beta1, beta2, epsilon, weight_decay, max_grad_norm, .. } = self.options;
        // The optimizer changes the parameters while it asks for rates.
        let own: Vec<Option<f64>> = self.model.params().slots.iter().map(|slot| self.model.own_rate(slot)).collect();
        let updates = self.updates;
        self.optimizer.update(self.model.params_mut(), &self.grads, max_grad_norm, |id, slot| AdamW {
            rate: rate.of(own[id.0]),
            beta1,
            beta2,
            epsilon,
            decay: if slot.decays { weight_decay } else { 0.0 },
            update: updates,
        })
    }

    /// See [`same_on_all_ranks::checksum`].
    ///
    /// # Errors
    /// The first error of the device.
    pub fn checksum(&self) -> Result<u64, Error> {
        Ok(same_on_all_ranks::checksum(self.model.params(), &self.grads)?)
    }

    /// The gradient of one parameter after the last step, before clipping, as a whole table; `None` if it has none.
    ///
    /// # Errors
    /// The first error of the device.
    pub fn gradient(&self, name: &str) -> Result<Option<Vec<f32>>, Error> {
        let params = self.model.params();
        let number = params.slots.iter().position(|slot| slot.name == name);
        let gradient = number.map(|number| self.grads.copy(params, SlotId(number))).transpose();
        Ok(gradient?.flatten())
    }

    /// Writes the moments and the update count to one safetensors file.
    ///
    /// # Errors
    /// What the system says of the file.
    pub fn save_state(&mut self, file: &Path) -> Result<(), Error> {
        self.optimizer.settle(self.model.params_mut());
        self.optimizer.save(self.model.params(), self.updates, file)
    }

    /// Reads them back; the weights are those that were there when they were written.
    ///
    /// # Errors
    /// A file that is missing, damaged, or of another model or another choice of frozen parameters.
    pub fn load_state(&mut self, file: &Path) -> Result<(), Error> {
        self.updates = self.optimizer.load(self.model.params(), file)?;
        Ok(())
    }
}
