//! An encoder with a token head and its weights.

pub use crate::checkpoint::Head;
pub use crate::error::Error;

use crate::batch::Batch;
use crate::config::Config;
use crate::encoder::{self, Encoder, HEAD, Pass};
use crate::layout::{EncoderLayout, Layout};
use crate::origin::drawn_table;
use tagsmith_kernel::Precision;
use tagsmith_kernel::op::dropout::{self, Dropout};
use tagsmith_kernel::op::linear;
use tagsmith_kernel::params::{Params, Slot, SlotId, Stages};
use tagsmith_kernel::rng::Stream;
use tagsmith_kernel::tensor::Tensor;

/// An encoder with a token head and its weights.
#[derive(Clone, Debug)]
pub struct Model {
    /// Its configuration, labels included.
    pub config: Config,
    /// Where its parameters are.
    pub layout: Layout,
    /// Their values.
    pub params: Params,
    /// How the factors of its products are rounded.
    pub precision: Precision,
}

/// What backward needs.
#[must_use]
pub struct Saved {
    encoder: encoder::Saved,
    head_dropout: Option<Dropout>,
    head: linear::Saved,
}

impl Model {
    /// Random weights, a function of `seed`: BERT's initialisation, normal of `initializer_range`, biases 0, norms 1.
    pub fn new(config: Config, seed: u64) -> Model {
        let layout = Layout::new(&config);
        let params = Params::zeros(layout.slots.clone());
        let mut model = Model { params, config, layout, precision: Precision::F32 };
        for number in 0..model.params.slots.len() {
            model.initialise(number, seed);
        }
        model
    }

    /// Draws one parameter.
    fn initialise(&mut self, number: usize, seed: u64) {
        let slot: Slot = self.params.slots[number].clone();
        let deviation = self.config.initializer_range;
        let columns = slot.shape[slot.shape.len() - 1];
        let (id, stream) = (SlotId(number), Stream::new(seed).child(number as u64));
        if slot.sparse {
            *self.params.table_mut(id) = drawn_table(stream, deviation, slot.shape[0], columns);
            return;
        }
        let values = self.params.get_mut(id);
        match (slot.shape.len(), slot.name.ends_with("bias")) {
            (_, true) => values.fill(0.0),
            (1, false) => values.fill(1.0),
            _ => {
                for (i, value) in values.iter_mut().enumerate() {
                    *value = deviation * stream.normal(i / columns, i % columns);
                }
            }
        }
    }

    fn encoder(&self) -> Encoder<'_> {
        Encoder { config: &self.config, layout: &self.layout.encoder, params: &self.params, precision: self.precision }
    }

    /// Scores (R, K), and what backward needs.
    ///
    /// # Panics
    /// If a sequence is longer than `positions_max`, or an id lies outside its table.
    pub fn forward(&self, batch: &Batch, pass: Pass) -> (Tensor, Saved) {
        let encoder = self.encoder();
        let (x, saved) = encoder.forward(batch, pass);
        let head_dropout = pass.dropout(HEAD, 0, self.config.classifier_dropout);
        let x = dropout::apply(&x, head_dropout);
        let (scores, head) = encoder.linear(x, self.layout.classifier);
        (scores, Saved { encoder: saved, head_dropout, head })
    }

    /// Scores (logits), R × K row-major, without dropout.
    pub fn infer(&self, batch: &Batch) -> Vec<f32> {
        let encoder = self.encoder();
        encoder.linear(encoder.infer(batch), self.layout.classifier).0.data().to_vec()
    }

    /// The hidden states (R, H) after the embeddings and after each layer.
    pub fn hidden_states(&self, batch: &Batch) -> Vec<Tensor> {
        let encoder = self.encoder();
        let pass = Pass { dropout: None, first_row: 0, checkpoint_layers: false };
        let mut states = vec![encoder.embed(batch, pass).0];
        for number in 0..self.config.layers {
            let x = states[number].clone();
            states.push(encoder.layer(number, x, batch, pass).0);
        }
        states
    }

    /// Parameters in all, and those in embedding tables.
    pub fn parameter_counts(&self) -> (usize, usize) {
        let EncoderLayout { words, positions, types, .. } = self.layout.encoder;
        let tables = [Some(words), Some(positions), types];
        let embeddings = tables.into_iter().flatten().map(|id| self.params.slots[id.0].len()).sum();
        (self.params.len(), embeddings)
    }

    /// The first stage of backward's reverse order that nothing below needs: layers from here up have learners at or
    /// below them. 0 is the embeddings, i + 1 layer i, and the head comes last.
    fn first_learning(&self) -> usize {
        let stage = |name: &str| {
            let inside = name.strip_prefix(self.layout.prefix).unwrap_or(name);
            let layer = inside.split_once("layer.").and_then(|(_, rest)| rest.split('.').next()?.parse::<usize>().ok());
            match layer {
                Some(layer) => layer + 1,
                None if inside.starts_with("classifier") => self.config.layers + 1,
                None => 0,
            }
        };
        let learning = self.params.slots.iter().filter(|slot| !slot.frozen);
        learning.map(|slot| stage(&slot.name)).min().unwrap_or(self.config.layers + 1)
    }
}

impl Saved {
    /// Every learning parameter's gradient goes to `grads`.
    pub fn backward(self, model: &Model, batch: &Batch, dscores: &Tensor, grads: &mut dyn Stages) {
        let encoder = model.encoder();
        let first = model.first_learning();
        let (mut head, mut dx) = (Some(self.head), None);
        grads.run(&mut |grads| {
            let head = head.take().expect("a stage runs once");
            dx = Some(encoder.linear_backward(head, model.layout.classifier, dscores, grads));
        });
        let dx = dropout::apply(&dx.expect("the stage ran"), self.head_dropout);
        encoder.backward(self.encoder, batch, dx, first, grads);
    }
}
