//! DeBERTa's embeddings of distances: those that occur in a batch, normalized once, projected in each layer.

use crate::bert::deberta::Deberta;
use crate::bert::layout::{DistanceProjections, DistanceSlots};
use crate::family::architecture::{Context, into_spans};
use std::sync::Arc;
use tagsmith_kernel::memory::tensor::Tensor;
use tagsmith_kernel::op::disentangled::{self, Places, Relative};
use tagsmith_kernel::op::dropout::{self, Dropout};
use tagsmith_kernel::op::sequences::Sequences;
use tagsmith_kernel::op::{add, embedding, layer_norm, linear};
use tagsmith_kernel::params::Grads;

/// Embeddings of the distances that occur in a batch.
#[must_use]
pub(super) struct Distances {
    /// The embeddings (P, H), normalized where the model does that.
    embeddings: Tensor,
    norm: Option<layer_norm::Saved>,
    /// The table's row of each embedding: one after the other.
    rows: Vec<u32>,
    /// The row in `embeddings` of each distance.
    places: Arc<Places>,
    /// The gradient of `embeddings`, summed over the layers that backward has passed.
    gradient: Option<Tensor>,
}

/// Values that the backward of a layer's attention needs.
#[must_use]
pub(super) struct DistanceAttentionSaved {
    attention: disentangled::Saved,
    projected: ProjectedSaved,
}

/// Values that the backward of a layer's projections needs.
#[must_use]
pub(super) struct ProjectedSaved {
    projection: linear::Saved,
    dropout: Option<Dropout>,
}

impl DistanceAttentionSaved {
    /// Returns the gradients of queries, keys and values, those of the projected embeddings, and what remains to do.
    pub(super) fn backward(self, sequences: &Sequences, dcontext: &Tensor) -> (Tensor, Tensor, ProjectedSaved) {
        let (dqkv, dtable) = self.attention.backward(sequences, dcontext);
        (dqkv, dtable, self.projected)
    }
}

impl Distances {
    /// Looks up the embeddings of all distances in the longest sequence.
    pub(super) fn new(context: &Context, deberta: &Deberta, slots: DistanceSlots, longest: usize) -> Distances {
        let longest = longest.max(1) as isize;
        let row = |distance| deberta.buckets.row(distance) as u32;
        // Rows ascend with distances.
        let (first, last) = (row(1 - longest), row(longest - 1));
        let rows: Vec<u32> = (first..=last).collect();
        let places = Places::new((1 - longest..longest).map(|distance| row(distance) - first).collect(), rows.len());
        let embeddings = embedding::forward(context.shape.hidden_size, &[(context.params.rows(slots.table), &rows)]);
        let (embeddings, norm) = context.norm_if(embeddings, slots.norm);
        Distances { embeddings, norm, rows, places: Arc::new(places), gradient: None }
    }

    /// Runs attention that compares content with distances too. The dropouts are that of attention weights and that of
    /// embeddings.
    pub(super) fn attend(
        &self,
        context: &Context,
        deberta: &Deberta,
        projections: DistanceProjections,
        qkv: Tensor,
        [of_weights, of_embeddings]: [Option<Dropout>; 2],
        sequences: &Sequences,
    ) -> (Tensor, DistanceAttentionSaved) {
        let Context { shape, params, precision } = *context;
        // The table's row decides which elements are dropped, so that all micro-batches of a step have one mask.
        let dropout = of_embeddings.map(|dropout| Dropout { first_row: self.rows[0] as usize, ..dropout });
        let DistanceProjections { weight, bias, count } = projections;
        let (weight, bias) = (params.span(weight, count), params.span(bias, count));
        let embeddings = dropout::apply(&self.embeddings, dropout);
        let (table, projection) = linear::forward(embeddings, weight, bias, precision);
        let queries = deberta.compares_keys.then_some(0);
        let keys = deberta.compares_queries.then_some(if deberta.compares_keys { shape.hidden_size } else { 0 });
        let relative = Relative { table, keys, queries, places: self.places.clone() };
        let (attended, attention) = disentangled::forward(qkv, relative, sequences, shape.heads, of_weights);
        (attended, DistanceAttentionSaved { attention, projected: ProjectedSaved { projection, dropout } })
    }

    /// Writes the gradients of a layer's projections to `grads`. Where content has the same weights, its gradients come
    /// first.
    pub(super) fn project_backward(
        &mut self,
        saved: ProjectedSaved,
        context: &Context,
        projections: DistanceProjections,
        dtable: &Tensor,
        grads: &mut Grads,
    ) {
        let DistanceProjections { weight, bias, count } = projections;
        let into = into_spans(grads, (weight, count), (bias, count));
        let weight = context.params.span(weight, count);
        let dembeddings = dropout::apply(&saved.projection.backward(weight, into, dtable, None), saved.dropout);
        match &mut self.gradient {
            Some(sum) => add::onto(&dembeddings, sum),
            None => self.gradient = Some(dembeddings),
        }
    }

    /// Writes the table's gradient to `grads`.
    pub(super) fn backward(self, context: &Context, slots: DistanceSlots, grads: &mut Grads) {
        let gradient = self.gradient.expect("backward went through all layers");
        let gradient = match (self.norm, slots.norm) {
            (Some(saved), Some(norm)) => context.norm_backward(saved, norm, &gradient, None, grads),
            _ => gradient,
        };
        if let Some(table) = grads.table(slots.table) {
            embedding::backward(&self.rows, &gradient, None, table);
        }
    }
}
