//! DeBERTa's embeddings of distances: those that occur in a batch, normalised once, projected in each layer.

use crate::batch::Batch;
use crate::config::Deberta;
use crate::encoder::{Encoder, into_spans};
use crate::layout::{self, DistanceProjections};
use tagsmith_kernel::cpu::reduce;
use tagsmith_kernel::memory::tensor::Tensor;
use tagsmith_kernel::op::disentangled::{self, Relative};
use tagsmith_kernel::op::dropout::{self, Dropout};
use tagsmith_kernel::op::{embedding, layer_norm, linear};
use tagsmith_kernel::params::Grads;

/// Embeddings of the distances of a batch.
#[must_use]
pub(super) struct Distances {
    /// (P, H), normalised where that is done.
    embeddings: Tensor,
    norm: Option<layer_norm::Saved>,
    /// The table's row of the first.
    first: usize,
    /// Row in `embeddings` of distance i − j at place i − j + T − 1.
    rows: Vec<u32>,
    /// The gradient of `embeddings`, of the layers that backward has been through.
    gradient: Option<Tensor>,
}

/// What a layer's backward needs.
#[must_use]
pub(super) struct Saved {
    attention: disentangled::Saved,
    projected: Projected,
}

/// What the backward of a layer's projections needs.
#[must_use]
pub(super) struct Projected {
    projection: linear::Saved,
    dropout: Option<Dropout>,
}

impl Saved {
    /// The gradients of queries, keys and values, and of the projections.
    pub(super) fn backward(self, batch: &Batch, dcontext: &Tensor) -> (Tensor, Tensor, Projected) {
        let (dqkv, dtable) = self.attention.backward(&batch.starts, dcontext);
        (dqkv, dtable, self.projected)
    }
}

impl Distances {
    pub(super) fn new(encoder: &Encoder, settings: &Deberta, layout: layout::Distances, batch: &Batch) -> Distances {
        let longest = batch.starts.windows(2).map(|bounds| (bounds[1] - bounds[0]) as isize).max().unwrap_or(0).max(1);
        let rows: Vec<u32> = (1 - longest..longest).map(|distance| settings.buckets.row(distance) as u32).collect();
        // Rows rise with distances.
        let (first, last) = (rows[0] as usize, rows[rows.len() - 1] as usize);
        let hidden = encoder.config.hidden_size;
        let table = &encoder.params.get(layout.table)[first * hidden..(last + 1) * hidden];
        let embeddings = Tensor::from_slice(last + 1 - first, hidden, table);
        let (embeddings, norm) = encoder.norm_if(embeddings, layout.norm);
        let rows = rows.into_iter().map(|row| row - first as u32).collect();
        Distances { embeddings, norm, first, rows, gradient: None }
    }

    /// Attention that compares content with distances too. `dropout` is that of weights and that of embeddings.
    pub(super) fn attend(
        &self,
        encoder: &Encoder,
        settings: &Deberta,
        layout: DistanceProjections,
        qkv: Tensor,
        [of_weights, of_embeddings]: [Option<Dropout>; 2],
        batch: &Batch,
    ) -> (Tensor, Saved) {
        let Encoder { config, params, precision, .. } = *encoder;
        // Which elements are dropped is a matter of the table's row: one mask in all micro-batches of a step.
        let dropout = of_embeddings.map(|dropout| Dropout { first_row: self.first, ..dropout });
        let (weight, bias) = (params.span(layout.weight, layout.count), params.span(layout.bias, layout.count));
        let embeddings = dropout::apply(&self.embeddings, dropout);
        let (table, projection) = linear::forward(embeddings, weight, bias, precision);
        let queries = settings.of_keys.then_some(0);
        let keys = settings.of_queries.then_some(if settings.of_keys { config.hidden_size } else { 0 });
        let relative = Relative { table, keys, queries, rows: self.rows.clone() };
        let (context, attention) = disentangled::forward(qkv, relative, &batch.starts, config.heads, of_weights);
        (context, Saved { attention, projected: Projected { projection, dropout } })
    }

    /// The gradients of a layer's projections go to `grads`, behind those of content where the weights are the same.
    pub(super) fn project_backward(
        &mut self,
        saved: Projected,
        encoder: &Encoder,
        layout: DistanceProjections,
        dtable: &Tensor,
        grads: &mut Grads,
    ) {
        let into = into_spans(grads, (layout.weight, layout.count), (layout.bias, layout.count));
        let weight = encoder.params.span(layout.weight, layout.count);
        let dembeddings = dropout::apply(&saved.projection.backward(weight, into, dtable, None), saved.dropout);
        match &mut self.gradient {
            Some(sum) => reduce::add_tensor(&dembeddings, sum),
            None => self.gradient = Some(dembeddings),
        }
    }

    /// The table's gradient goes to `grads`.
    pub(super) fn backward(self, encoder: &Encoder, layout: layout::Distances, grads: &mut Grads) {
        let gradient = self.gradient.expect("backward went through all layers");
        let gradient = match (self.norm, layout.norm) {
            (Some(saved), Some(norm)) => encoder.norm_backward(saved, norm, &gradient, None, grads),
            _ => gradient,
        };
        if let Some(table) = grads.span(layout.table, 1) {
            let rows: Vec<u32> = (self.first..self.first + gradient.rows()).map(|row| row as u32).collect();
            embedding::backward(&rows, &gradient, None, table);
        }
    }
}
