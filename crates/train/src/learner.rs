//! One optimizer step: micro-batches forward and backward, one division, one clip, one update.

pub mod exchange;
pub mod optimizer;

use crate::learner::exchange::Exchange;
use crate::learner::optimizer::Optimizer;
use crate::trainer::same_on_all_ranks;
use std::path::Path;
use tagsmith_encoder::architecture::Pass;
use tagsmith_encoder::batch::Batch;
use tagsmith_encoder::config::Config;
use tagsmith_kernel::op::adamw::AdamW;
use tagsmith_kernel::op::cross_entropy;
use tagsmith_kernel::params::Grads;
use tagsmith_kernel::random::stream::Stream;
use tagsmith_ranks::World;
use tagsmith_tokens::model::Model;
use tagsmith_weights::Error;

/// How micro-batch losses become one gradient: the exact way, and both of the original's.
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

/// The Trainer's own: no decay, no smoothing, clipping at 1.
impl Default for StepOptions {
    fn default() -> StepOptions {
        StepOptions {
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
            max_grad_norm: 1.0,
            label_smoothing: 0.0,
            loss_scaling: LossScaling::Token,
            gradient_checkpointing: false,
            seed: 42,
        }
    }
}

/// What a step did.
#[derive(Clone, Copy, Debug)]
pub struct StepReport {
    /// The loss as the Trainer would report it; not a number if no label was counted.
    pub loss: f64,
    /// The gradients' global L2 norm before clipping.
    pub grad_norm: f64,
    /// Labels counted.
    pub counted: usize,
    /// Sub-tokens read, special ones included.
    pub pieces: usize,
    /// Seconds that this rank waited for others.
    pub waited: f64,
}

/// What one rank computes of an update, and what it has to know of all ranks'.
#[derive(Clone, Copy, Debug)]
pub struct Share<'a> {
    /// Its micro-batches.
    pub micro_batches: &'a [Batch],
    /// Of each the number of its first row in the whole update: dropout is a function of it.
    pub first_rows: &'a [usize],
    /// Micro-batches of all ranks.
    pub micro_batches_of_all: usize,
    /// Labels counted in them.
    pub counted: usize,
    /// Their pieces.
    pub pieces: usize,
}

/// A model in training: weights, gradients, AdamW's moments, the number of updates made.
///
/// Rows of the word embeddings that no batch has read lately have updates to make. Whoever asks for the model gets it
/// up to date.
pub struct Learner {
    model: Model,
    /// Updates made so far.
    pub updates: u64,
    options: StepOptions,
    grads: Grads,
    exchange: Exchange,
    optimizer: Optimizer,
}

impl Learner {
    /// Starts with zero moments. `frozen` are glob patterns over parameter names; `embeddings` alone means every
    /// embedding table and their norm. Returns the notes: which pattern froze how many parameters.
    ///
    /// # Errors
    /// A pattern that matches nothing.
    pub fn new(mut model: Model, options: StepOptions, frozen: &[String]) -> Result<(Learner, Vec<String>), Error> {
        let mut notes = Vec::new();
        for pattern in frozen {
            notes.push(freeze(&mut model, pattern)?);
        }
        let (grads, optimizer) = (Grads::new(&model.params), Optimizer::new(&model.params));
        let exchange = Exchange::default();
        Ok((Learner { model, updates: 0, options, grads, exchange, optimizer }, notes))
    }

    /// The model after all updates made so far.
    pub fn model(&mut self) -> &Model {
        self.optimizer.settle(&mut self.model.params);
        &self.model
    }

    /// The model alone, after all updates.
    pub fn into_model(mut self) -> Model {
        self.optimizer.settle(&mut self.model.params);
        self.model
    }

    /// Its configuration.
    pub fn config(&self) -> &Config {
        &self.model.config
    }

    /// Parameters in all, and those in embedding tables.
    pub fn parameter_counts(&self) -> (usize, usize) {
        self.model.parameter_counts()
    }

    /// Bytes of moments and of updates that wait; they grow with the words met.
    pub fn optimizer_bytes(&self) -> usize {
        self.optimizer.bytes()
    }

    /// Takes the weights of a checkpoint of this model, with moments of 0; what is frozen stays so.
    ///
    /// # Errors
    /// As [`Model::reload`].
    pub fn reload(&mut self, folder: &Path) -> Result<(), tagsmith_tokens::error::Error> {
        self.model.reload(folder)?;
        self.optimizer = Optimizer::new(&self.model.params);
        Ok(())
    }

    /// One update from the step's micro-batches at this learning rate.
    ///
    /// A step whose labels are all ignored has a loss that is not a number, as the original's, and changes nothing.
    pub fn step(&mut self, micro_batches: &[Batch], learning_rate: f64) -> StepReport {
        let rows = micro_batches.iter().scan(0, |end, batch| {
            *end += batch.rows();
            Some(*end - batch.rows())
        });
        let share = Share {
            micro_batches,
            first_rows: &rows.collect::<Vec<_>>(),
            micro_batches_of_all: micro_batches.len(),
            counted: micro_batches.iter().map(Batch::counted).sum(),
            pieces: micro_batches.iter().map(Batch::rows).sum(),
        };
        self.step_among(&World::alone(), share, learning_rate)
    }

    /// One update from all ranks' micro-batches, of which this rank has its share. Afterwards all ranks have the same
    /// weights, to the bit.
    pub fn step_among(&mut self, world: &World, share: Share<'_>, learning_rate: f64) -> StepReport {
        let Share { micro_batches, counted, pieces, .. } = share;
        let before = world.waited();
        if counted == 0 {
            self.updates += 1;
            return StepReport { loss: f64::NAN, grad_norm: 0.0, counted, pieces, waited: 0.0 };
        }
        self.grads.clear();
        let words = self.model.layout.encoder.words();
        for batch in micro_batches {
            self.optimizer.catch_up(&mut self.model.params, words, &batch.ids);
        }
        let stream = Stream::new(self.options.seed).child(self.updates);
        let mut loss = 0.0;
        for (number, (batch, &first_row)) in micro_batches.iter().zip(share.first_rows).enumerate() {
            let factor = self.loss_factor(batch.counted(), counted, share.micro_batches_of_all);
            let pass =
                Pass { dropout: Some(stream), first_row, checkpoint_layers: self.options.gradient_checkpointing };
            let (scores, saved) = self.model.forward(batch, pass);
            let own = cross_entropy::forward(&scores, &batch.labels, self.options.label_smoothing);
            loss += own.sum * factor;
            let dscores = own.backward(factor);
            if number + 1 < micro_batches.len() || world.size() == 1 {
                saved.backward(&self.model, batch, &dscores, &mut self.grads);
            } else {
                let mut reduction = self.exchange.begin(world, &self.model.params, &mut self.grads);
                saved.backward(&self.model, batch, &dscores, &mut reduction);
                loss = reduction.finish(loss);
            }
        }
        let grad_norm = optimizer::norm(&self.model.params, &self.grads);
        let limit = self.options.max_grad_norm;
        let clip = if limit > 0.0 { (limit / (grad_norm + 1e-6)).min(1.0) } else { 1.0 };
        self.updates += 1;
        let StepOptions { beta1, beta2, epsilon, weight_decay, .. } = self.options;
        let adamw = AdamW {
            rate: learning_rate,
            beta1,
            beta2,
            epsilon,
            decay: weight_decay,
            update: self.updates,
            gradient_scale: clip,
        };
        self.optimizer.update(&mut self.model.params, &self.grads, |slot| AdamW {
            decay: if slot.decays { weight_decay } else { 0.0 },
            ..adamw
        });
        StepReport { loss, grad_norm, counted, pieces, waited: world.waited() - before }
    }

    /// What a micro-batch's summed loss is multiplied by.
    fn loss_factor(&self, counted: usize, counted_in_step: usize, micro_batches: usize) -> f64 {
        // A micro-batch without a counted label adds nothing, whatever it is multiplied by.
        let mean = 1.0 / counted.max(1) as f64;
        match self.options.loss_scaling {
            LossScaling::Token => 1.0 / counted_in_step as f64,
            LossScaling::MeanOfMeans => mean / micro_batches as f64,
            LossScaling::SumOfMeans => mean,
        }
    }

    /// See [`same_on_all_ranks::checksum`].
    pub fn checksum(&self) -> u64 {
        same_on_all_ranks::checksum(&self.model.params, &self.grads)
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
    /// A file that is missing, damaged, or of another model or another choice of frozen parameters.
    pub fn load_state(&mut self, file: &Path) -> Result<(), Error> {
        self.updates = self.optimizer.load(&self.model.params, file)?;
        Ok(())
    }
}

/// Freezes what the pattern matches; says how much.
fn freeze(model: &mut Model, pattern: &str) -> Result<String, Error> {
    let mut parameters = 0;
    for slot in &mut model.params.slots {
        let matches = match pattern {
            "embeddings" => slot.name.split('.').any(|part| part == "embeddings"),
            _ => glob_matches(pattern.as_bytes(), slot.name.as_bytes()),
        };
        if matches {
            slot.frozen = true;
            parameters += slot.len();
        }
    }
    if parameters == 0 {
        let example = model.params.slots[model.params.slots.len() / 2].name.clone();
        return Err(Error::Freeze { pattern: pattern.into(), example });
    }
    Ok(format!("--freeze `{pattern}`: {parameters} of {} parameters do not learn", model.params.len()))
}

/// `*` stands for any characters, `?` for one; the pattern covers the whole name. Linear in name × stars.
fn glob_matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&c) if c == b'?' || c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (p, n) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

#[cfg(test)]
mod tests {
    use super::glob_matches;

    #[test]
    fn patterns_cover_whole_names() {
        let check = |pattern: &str, name: &str, want| {
            assert_eq!(glob_matches(pattern.as_bytes(), name.as_bytes()), want, "{pattern} on {name}");
        };
        check("bert.encoder.layer.0.*", "bert.encoder.layer.0.output.dense.bias", true);
        check("bert.encoder.layer.0.*", "bert.encoder.layer.10.output.dense.bias", false);
        check("*.bias", "classifier.bias", true);
        check("*.bias", "classifier.bias.more", false);
        check("*layer.?.*LayerNorm*", "bert.encoder.layer.3.output.LayerNorm.weight", true);
        check("classifier", "classifier.weight", false);
    }
}
