//! A token classifier: an encoder, its head, and the weights of both.

use crate::layout::{ChainSlots, DenseSlots, HeadKind, Layout};
use tagsmith_encoder::batch::Batch;
use tagsmith_encoder::config::Config;
use tagsmith_encoder::encoder::{self, Encoder};
use tagsmith_encoder::family::architecture::{HEAD, Pass};
use tagsmith_encoder::new_weights;
use tagsmith_kernel::memory::tensor::Tensor;
use tagsmith_kernel::op::dropout::{self, Dropout};
use tagsmith_kernel::op::{activation, crf, layer_norm, linear};
use tagsmith_kernel::params::table::UnreadableRows;
use tagsmith_kernel::params::{Grads, Params, SlotId, Stages};
use tagsmith_kernel::{Device, Precision};
use tagsmith_text::decode::chain::Chain;

/// An encoder with a token head, and the weights of both.
///
/// ```
/// use tagsmith_encoder::batch::Batch;
/// use tagsmith_encoder::config::Config;
/// use tagsmith_tokens::model::Model;
///
/// // A new model of a small shape; `Model::load` reads one from a folder.
/// let json = serde_json::json!({
///     "model_type": "bert", "vocab_size": 3, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
///     "intermediate_size": 16, "hidden_act": "gelu", "max_position_embeddings": 16, "type_vocab_size": 2,
///     "layer_norm_eps": 1e-12, "initializer_range": 0.02, "hidden_dropout_prob": 0.1,
///     "attention_probs_dropout_prob": 0.1, "pad_token_id": 0,
/// });
/// let (config, _notes) = Config::from_json("config.json".into(), json.as_object().unwrap().clone())?;
/// let model = Model::new(config.with_labels(&["B-PER", "I-PER", "O"].map(String::from)), 42);
///
/// let mut batch = Batch::default();
/// batch.push(&[1, 2], &[0, 0], &[]);
/// let scores = model.infer(&batch)?;
/// assert_eq!(scores.len(), 2 * 3, "a score for each piece and label");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Model {
    /// The configuration, including the labels.
    pub config: Config,
    /// Where the parameters are.
    pub layout: Layout,
    /// The values of the parameters.
    pub params: Params,
    /// How the factors of products are rounded.
    pub precision: Precision,
}

/// Values that backward needs.
#[must_use]
pub struct Saved {
    encoder: encoder::Saved,
    dense: Option<DenseSaved>,
    head_dropout: Option<Dropout>,
    head: linear::Saved,
}

struct DenseSaved {
    dense: linear::Saved,
    before_activation: Tensor,
    norm: layer_norm::Saved,
}

impl Model {
    /// Makes a model with new weights, a function of `seed`.
    pub fn new(config: Config, seed: u64) -> Model {
        let layout = Layout::new(&config);
        let params = Params::zeros(layout.slots.clone());
        let mut model = Model { params, config, layout, precision: Precision::F32 };
        for number in 0..model.params.slots.len() {
            model.draw(SlotId(number), seed);
        }
        model
    }

    /// Returns a copy of the model on a device, in its precision.
    ///
    /// # Errors
    /// Rows of the word table that cannot be read; a device without enough memory.
    pub fn to(&self, device: &Device) -> Result<Model, tagsmith_kernel::Error> {
        let Model { config, layout, precision, .. } = self;
        let params = self.params.to(device, self.precision)?;
        Ok(Model { config: config.clone(), layout: layout.clone(), params, precision: *precision })
    }

    /// Moves the model to a device, in its precision. On the processor it stays as it is.
    ///
    /// # Errors
    /// The errors of [`Model::to`].
    ///
    /// # Panics
    /// As [`Model::to`].
    pub fn moved(self, device: &Device) -> Result<Model, tagsmith_kernel::Error> {
        match device {
            Device::Processor => Ok(self),
            Device::Gpu(_) => self.to(device),
        }
    }

    /// Draws one parameter.
    pub(crate) fn draw(&mut self, id: SlotId, seed: u64) {
        // A chain that knows nothing adds 0 everywhere: its likelihood is then the softmax's.
        if self.params.slots[id.0].name.starts_with(HeadKind::CHAIN) {
            return self.params.get_mut(id).fill(0.0);
        }
        let facts = &self.config.facts;
        let deviation = if id == self.layout.classifier.weight {
            facts.head.deviation
        } else if self.layout.head.contains(&id.0) {
            facts.initial.residual_deviation
        } else {
            self.layout.encoder.deviation(id, &facts.initial)
        };
        new_weights::draw(&mut self.params, id, seed, deviation, facts.initial.cutoff);
    }

    fn encoder(&self) -> Encoder<'_> {
        Encoder { config: &self.config, layout: &self.layout.encoder, params: &self.params, precision: self.precision }
    }

    /// Brings the rows of the word table that `batch` reads into memory.
    ///
    /// # Errors
    /// Rows that cannot be read from the checkpoint any more.
    pub fn fetch(&self, batch: &Batch) -> Result<(), UnreadableRows> {
        self.encoder().fetch(batch)
    }

    /// Returns scores (R, K), and what backward needs. The caller has fetched the batch's rows: training's optimizer does,
    /// and [`Model::fetch`].
    ///
    /// # Panics
    /// If a sequence is longer than `positions_max`, an id lies outside its table, or its row was not fetched.
    pub fn forward(&self, batch: &Batch, pass: Pass) -> (Tensor, Saved) {
        let encoder = self.encoder();
        let (x, saved) = encoder.forward(batch, pass);
        let (x, dense) = self.dense(x);
        let head_dropout = pass.dropout(HEAD, 0, self.config.facts.head.dropout);
        let x = dropout::apply(&x, head_dropout);
        let (scores, head) = encoder.context().linear(x, self.layout.classifier);
        (scores, Saved { encoder: saved, dense, head_dropout, head })
    }

    /// Applies the dense layer, activation and norm before the classifier. Returns `x` for a family without them.
    fn dense(&self, x: Tensor) -> (Tensor, Option<DenseSaved>) {
        let (Some(DenseSlots { weight, norm }), Some(layer)) = (self.layout.dense, self.config.facts.head.dense) else {
            return (x, None);
        };
        let context = self.encoder().context();
        let (before_activation, dense) = context.linear(x, weight);
        let x = activation::forward(&before_activation, layer.activation);
        let (x, norm) = context.norm(x, norm);
        (x, Some(DenseSaved { dense, before_activation, norm }))
    }

    fn dense_backward(&self, saved: Option<DenseSaved>, dx: Tensor, grads: &mut Grads) -> Tensor {
        let (Some(saved), Some(DenseSlots { weight, norm }), Some(layer)) =
            (saved, self.layout.dense, self.config.facts.head.dense)
        else {
            return dx;
        };
        let context = self.encoder().context();
        let dx = context.norm_backward(saved.norm, norm, &dx, None, grads);
        let dx = activation::backward(&saved.before_activation, layer.activation, dx);
        context.linear_backward(saved.dense, weight, &dx, None, grads)
    }

    /// Returns scores (logits), R × K row-major, without dropout.
    ///
    /// # Errors
    /// Rows of the word table that cannot be read.
    ///
    /// # Panics
    /// If a sequence is longer than `positions_max`, or an id lies outside its table.
    pub fn infer(&self, batch: &Batch) -> Result<Vec<f32>, tagsmith_kernel::Error> {
        let encoder = self.encoder();
        let (x, _) = self.dense(encoder.infer(batch)?);
        Ok(encoder.context().linear(x, self.layout.classifier).0.to_vec()?)
    }

    /// Returns the hidden states (R, H) after the embeddings and after each layer. The last are those that leave the
    /// encoder.
    ///
    /// # Errors
    /// Rows of the word table that cannot be read.
    pub fn hidden_states(&self, batch: &Batch) -> Result<Vec<Tensor>, UnreadableRows> {
        self.encoder().hidden_states(batch)
    }

    /// Returns what the head has learned of neighbors; none for a head that looks at each row by itself.
    ///
    /// # Errors
    /// A device that has failed.
    pub fn chain(&self) -> Result<Option<Chain>, tagsmith_kernel::Error> {
        let Some(ChainSlots { start, end, transitions }) = self.layout.chain else { return Ok(None) };
        let numbers = |id| Ok(self.params.copy(id)?.into_iter().map(f64::from).collect());
        let chain = |id| -> Result<Vec<f64>, tagsmith_kernel::Error> { numbers(id) };
        Ok(Some(Chain { start: chain(start)?, transitions: chain(transitions)?, end: chain(end)? }))
    }

    /// Returns the number of parameters, and how many of them are in embedding tables.
    pub fn parameter_counts(&self) -> (usize, usize) {
        let tables = &self.layout.encoder.common.tables;
        let embeddings = tables.iter().map(|id| self.params.slots[id.0].len()).sum();
        (self.params.len(), embeddings)
    }

    /// Returns the lowest stage with a parameter that learns. Backward stops there.
    fn lowest_learning_stage(&self) -> usize {
        let learning = self.params.slots.iter().filter(|slot| !slot.frozen);
        learning.map(|slot| slot.stage).min().unwrap_or(self.config.shape.layers + 1)
    }
}

impl Saved {
    /// Writes the gradient of every parameter that learns to `grads`. `of_chain` holds those of a chain.
    pub fn backward(
        self,
        model: &Model,
        batch: &Batch,
        dscores: &Tensor,
        of_chain: Option<crf::Saved>,
        grads: &mut dyn Stages,
    ) {
        let encoder = model.encoder();
        let dx = grads.stage(|grads| {
            if let (Some(ChainSlots { start, end, transitions }), Some(of_chain)) = (model.layout.chain, of_chain) {
                of_chain.backward(crf::Part::Start, grads.span(start, 1));
                of_chain.backward(crf::Part::Transitions, grads.span(transitions, 1));
                of_chain.backward(crf::Part::End, grads.span(end, 1));
            }
            let dx = encoder.context().linear_backward(self.head, model.layout.classifier, dscores, None, grads);
            let dx = dropout::apply(&dx, self.head_dropout);
            model.dense_backward(self.dense, dx, grads)
        });
        encoder.backward(self.encoder, batch, dx, model.lowest_learning_stage(), grads);
    }
}
