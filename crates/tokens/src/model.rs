//! An encoder with a token head and its weights.

use crate::layout::{Layout, Prediction};
use tagsmith_encoder::batch::Batch;
use tagsmith_encoder::config::{Config, Family};
use tagsmith_encoder::encoder::{self, Encoder, HEAD, Pass};
use tagsmith_kernel::Precision;
use tagsmith_kernel::memory::tensor::Tensor;
use tagsmith_kernel::op::dropout::{self, Dropout};
use tagsmith_kernel::op::{activation, layer_norm, linear};
use tagsmith_kernel::params::{Grads, Params, Slot, SlotId, Stages};
use tagsmith_kernel::random::stream::Stream;
use tagsmith_weights::origin::drawn_table;

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

/// Draws of one number at most; a cutoff of one deviation is missed so often once in 10³¹ numbers.
const LAST_ATTEMPT: usize = 64;

/// What backward needs.
#[must_use]
pub struct Saved {
    encoder: encoder::Saved,
    prediction: Option<PredictionSaved>,
    head_dropout: Option<Dropout>,
    head: linear::Saved,
}

struct PredictionSaved {
    dense: linear::Saved,
    before_activation: Tensor,
    norm: layer_norm::Saved,
}

impl Model {
    /// Random weights, a function of `seed`: normal of `initializer_range`, biases 0, norms 1.
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
    pub(crate) fn initialise(&mut self, number: usize, seed: u64) {
        let slot: Slot = self.params.slots[number].clone();
        let deviation = self.deviation(&slot.name);
        let cutoff = match &self.config.family {
            Family::ModernBert(settings) => settings.initializer_cutoff,
            _ => f32::INFINITY,
        };
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
                    // What lies beyond the cutoff is drawn again.
                    let attempts = (0..).map(|attempt| match attempt {
                        0 => stream.normal(i / columns, i % columns),
                        _ => stream.child(attempt).normal(i / columns, i % columns),
                    });
                    let normal = attempts.take(LAST_ATTEMPT).find(|normal| normal.abs() <= cutoff);
                    *value = deviation * normal.unwrap_or(0.0);
                }
            }
        }
    }

    /// Standard deviation of a new weight: transformers gives ModernBERT's last products others than the rest.
    fn deviation(&self, name: &str) -> f32 {
        let Config { initializer_range, layers, hidden_size, .. } = self.config;
        match self.config.family {
            Family::ModernBert(_) if name.starts_with("classifier.") => (hidden_size as f32).sqrt().recip(),
            Family::ModernBert(_) if name.ends_with("Wo.weight") || name.starts_with("head.") => {
                initializer_range / (2.0 * layers as f32).sqrt()
            }
            _ => initializer_range,
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
        let (x, prediction) = self.predict(x);
        let head_dropout = pass.dropout(HEAD, 0, self.config.classifier_dropout);
        let x = dropout::apply(&x, head_dropout);
        let (scores, head) = encoder.linear(x, self.layout.classifier);
        (scores, Saved { encoder: saved, prediction, head_dropout, head })
    }

    /// ModernBERT's dense layer, activation and norm before the classifier; x itself elsewhere.
    fn predict(&self, x: Tensor) -> (Tensor, Option<PredictionSaved>) {
        let (Some(Prediction { dense, norm }), Family::ModernBert(settings)) =
            (self.layout.prediction, &self.config.family)
        else {
            return (x, None);
        };
        let encoder = self.encoder();
        let (before_activation, dense) = encoder.linear(x, dense);
        let x = activation::forward(&before_activation, settings.classifier_activation);
        let (x, norm) = encoder.norm(x, norm);
        (x, Some(PredictionSaved { dense, before_activation, norm }))
    }

    fn predict_backward(&self, saved: Option<PredictionSaved>, dx: Tensor, grads: &mut Grads) -> Tensor {
        let (Some(saved), Some(Prediction { dense, norm }), Family::ModernBert(settings)) =
            (saved, self.layout.prediction, &self.config.family)
        else {
            return dx;
        };
        let encoder = self.encoder();
        let dx = encoder.norm_backward(saved.norm, norm, &dx, None, grads);
        let dx = activation::backward(&saved.before_activation, settings.classifier_activation, dx);
        encoder.linear_backward(saved.dense, dense, &dx, None, grads)
    }

    /// Scores (logits), R × K row-major, without dropout.
    pub fn infer(&self, batch: &Batch) -> Vec<f32> {
        let encoder = self.encoder();
        encoder.linear(self.predict(encoder.infer(batch)).0, self.layout.classifier).0.data().to_vec()
    }

    /// The hidden states (R, H) after the embeddings and after each layer; the last as it leaves the encoder.
    pub fn hidden_states(&self, batch: &Batch) -> Vec<Tensor> {
        self.encoder().hidden_states(batch)
    }

    /// Parameters in all, and those in embedding tables.
    pub fn parameter_counts(&self) -> (usize, usize) {
        let tables = self.layout.encoder.tables();
        let embeddings = tables.into_iter().map(|id| self.params.slots[id.0].len()).sum();
        (self.params.len(), embeddings)
    }

    /// The first stage of backward's reverse order that nothing below needs: layers from here up have learners at or
    /// below them. 0 is the embeddings, i + 1 layer i, and the head comes last.
    fn first_learning(&self) -> usize {
        let stage = |number: usize, name: &str| {
            let inside = name.strip_prefix(self.layout.prefix).unwrap_or(name);
            let of_layer = inside.split_once("layer.").or_else(|| inside.split_once("layers."));
            let layer = of_layer.and_then(|(_, rest)| rest.split('.').next()?.parse::<usize>().ok());
            match layer {
                Some(layer) => layer + 1,
                None if self.layout.head.contains(&number) => self.config.layers + 1,
                // Behind the last layer.
                None if inside.starts_with("final_norm.") => self.config.layers,
                None => 0,
            }
        };
        let learning = self.params.slots.iter().enumerate().filter(|(_, slot)| !slot.frozen);
        learning.map(|(number, slot)| stage(number, &slot.name)).min().unwrap_or(self.config.layers + 1)
    }
}

impl Saved {
    /// Every learning parameter's gradient goes to `grads`.
    pub fn backward(self, model: &Model, batch: &Batch, dscores: &Tensor, grads: &mut dyn Stages) {
        let encoder = model.encoder();
        let first = model.first_learning();
        let dx = grads.stage(|grads| {
            let dx = encoder.linear_backward(self.head, model.layout.classifier, dscores, None, grads);
            let dx = dropout::apply(&dx, self.head_dropout);
            model.predict_backward(self.prediction, dx, grads)
        });
        encoder.backward(self.encoder, batch, dx, first, grads);
    }
}
