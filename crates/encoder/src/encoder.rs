//! Runs an encoder's layers forward and backward, whichever the family. The layers stand in one folder a family.

use crate::batch::Batch;
use crate::bert::layer::Bert;
use crate::config::{Config, Family};
use crate::family::architecture::{Architecture, Context, Pass};
use crate::layout::{EncoderLayout, Parts};
use crate::modernbert::layer::ModernBert;
use std::any::Any;
use tagsmith_kernel::Precision;
use tagsmith_kernel::memory::tensor::Tensor;
use tagsmith_kernel::op::layer_norm;
use tagsmith_kernel::params::table::UnreadableRows;
use tagsmith_kernel::params::{Params, Stages};

/// An encoder: its configuration, the places and values of its parameters, and its precision.
#[derive(Clone, Copy)]
pub struct Encoder<'a> {
    /// What to compute.
    pub config: &'a Config,
    /// Where the encoder's parameters are.
    pub layout: &'a EncoderLayout,
    /// The parameters of the whole model.
    pub params: &'a Params,
    /// How the factors of products are rounded.
    pub precision: Precision,
}

/// A pass without dropout, for a caller that keeps nothing.
const PLAIN: Pass = Pass { dropout: None, first_row: 0, checkpoint_layers: false };

/// Values that an encoder's backward needs.
#[must_use]
pub struct Saved {
    pass: Pass,
    /// [`SavedLayers`] of the encoder's family.
    layers: Box<dyn Any>,
    final_norm: Option<layer_norm::Saved>,
}

/// Values that the backward of all layers and of the embeddings needs.
struct SavedLayers<S, K> {
    shared: S,
    layers: Vec<SavedLayer<K>>,
}

/// Values that a layer's backward needs, or the input from which to compute them again.
enum SavedLayer<K> {
    Activations(Box<K>),
    Input(Tensor),
}

/// An architecture whose associated types are hidden, so that one place alone chooses the family.
trait AnyArchitecture {
    /// Returns hidden states (R, H), and what [`AnyArchitecture::backward`] needs.
    fn forward(&self, layers: usize, batch: &Batch, pass: Pass) -> (Tensor, Box<dyn Any>);

    /// Returns hidden states (R, H). `see` is given what leaves the embeddings and each layer.
    fn infer(&self, layers: usize, batch: &Batch, see: &mut dyn FnMut(&Tensor)) -> Tensor;

    /// Runs the stages from the last one down to `lowest`. `saved` comes from the same architecture.
    fn backward(
        &self,
        saved: Box<dyn Any>,
        batch: &Batch,
        pass: Pass,
        dx: Tensor,
        lowest: usize,
        grads: &mut dyn Stages,
    );
}

impl<A: Architecture> AnyArchitecture for A {
    fn forward(&self, layers: usize, batch: &Batch, pass: Pass) -> (Tensor, Box<dyn Any>) {
        let (mut x, shared) = self.embed(batch, pass);
        let mut saved = SavedLayers { shared, layers: Vec::with_capacity(layers) };
        for number in 0..layers {
            let input = pass.checkpoint_layers.then(|| x.clone());
            let (y, kept) = self.layer(number, x, &saved.shared, pass);
            saved.layers.push(input.map_or_else(|| SavedLayer::Activations(Box::new(kept)), SavedLayer::Input));
            x = y;
        }
        (x, Box::new(saved))
    }

    fn infer(&self, layers: usize, batch: &Batch, see: &mut dyn FnMut(&Tensor)) -> Tensor {
        let (mut x, shared) = self.embed(batch, PLAIN);
        see(&x);
        for number in 0..layers {
            x = self.layer(number, x, &shared, PLAIN).0;
            see(&x);
        }
        x
    }

    fn backward(
        &self,
        saved: Box<dyn Any>,
        batch: &Batch,
        pass: Pass,
        mut dx: Tensor,
        lowest: usize,
        grads: &mut dyn Stages,
    ) {
        let saved = saved.downcast::<SavedLayers<A::Shared, A::LayerActivations>>();
        let SavedLayers { mut shared, layers } = *saved.expect("the same family's forward saved it");
        for (number, layer) in layers.into_iter().enumerate().rev() {
            if number + 1 < lowest {
                return;
            }
            let kept = match layer {
                SavedLayer::Activations(kept) => *kept,
                SavedLayer::Input(x) => self.layer(number, x, &shared, pass).1,
            };
            dx = grads.stage(|grads| self.layer_backward(number, kept, &mut shared, dx, grads));
        }
        if lowest == 0 {
            grads.stage(|grads| self.embed_backward(shared, batch, dx, grads));
        }
    }
}

impl<'a> Encoder<'a> {
    /// Returns what the encoder's layers, and a head on it, compute with.
    pub fn context(&self) -> Context<'a> {
        Context { shape: &self.config.shape, params: self.params, precision: self.precision }
    }

    fn architecture(&self) -> Box<dyn AnyArchitecture + 'a> {
        let (context, words) = (self.context(), self.layout.words());
        match (&self.config.family, &self.layout.parts) {
            (Family::Bert(settings), Parts::Bert(layout)) => Box::new(Bert { context, words, settings, layout }),
            (Family::ModernBert(settings), Parts::ModernBert(layout)) => {
                Box::new(ModernBert { context, words, settings, layout })
            }
            _ => unreachable!("encoder: the layout was made from another configuration"),
        }
    }

    /// Brings the rows of the word table that `batch` reads into memory.
    ///
    /// # Errors
    /// Rows that cannot be read from the checkpoint any more.
    pub fn fetch(&self, batch: &Batch) -> Result<(), UnreadableRows> {
        self.params.fetch(self.layout.words(), &batch.ids)
    }

    /// Returns hidden states (R, H), and what backward needs. The caller has fetched the batch's rows: training's
    /// optimizer does, and [`Encoder::fetch`].
    ///
    /// # Panics
    /// If a sequence is longer than `positions_max`, an id lies outside its table, or its row was not fetched.
    pub fn forward(&self, batch: &Batch, pass: Pass) -> (Tensor, Saved) {
        let (x, layers) = self.architecture().forward(self.config.shape.layers, batch, pass);
        let (x, final_norm) = self.context().norm_if(x, self.layout.common.final_norm);
        (x, Saved { pass, layers, final_norm })
    }

    /// Returns hidden states (R, H) without dropout.
    ///
    /// # Errors
    /// Rows of the word table that cannot be read.
    ///
    /// # Panics
    /// If a sequence is longer than `positions_max`, or an id lies outside its table.
    pub fn infer(&self, batch: &Batch) -> Result<Tensor, UnreadableRows> {
        self.infer_seen(batch, &mut |_| ())
    }

    /// Returns the hidden states (R, H) after the embeddings and after each layer. The last are those that leave the
    /// encoder.
    ///
    /// # Errors
    /// Rows of the word table that cannot be read.
    pub fn hidden_states(&self, batch: &Batch) -> Result<Vec<Tensor>, UnreadableRows> {
        let mut states = Vec::new();
        let last = self.infer_seen(batch, &mut |x| states.push(x.clone()))?;
        states[self.config.shape.layers] = last;
        Ok(states)
    }

    fn infer_seen(&self, batch: &Batch, see: &mut dyn FnMut(&Tensor)) -> Result<Tensor, UnreadableRows> {
        self.fetch(batch)?;
        let x = self.architecture().infer(self.config.shape.layers, batch, see);
        Ok(self.context().norm_if(x, self.layout.common.final_norm).0)
    }

    /// Writes the gradients of the parameters that learn to `grads`. No parameter of a stage below `lowest` learns:
    /// stage 0 is the embeddings, i + 1 is layer i.
    pub fn backward(&self, saved: Saved, batch: &Batch, dx: Tensor, lowest: usize, grads: &mut dyn Stages) {
        let Saved { pass, layers, final_norm } = saved;
        let dx = match (final_norm, self.layout.common.final_norm) {
            (Some(saved), Some(norm)) => {
                grads.stage(|grads| self.context().norm_backward(saved, norm, &dx, None, grads))
            }
            _ => dx,
        };
        self.architecture().backward(layers, batch, pass, dx, lowest, grads);
    }
}
