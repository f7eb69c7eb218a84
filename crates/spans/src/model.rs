//! Encoders, a head over positions, spans and labels, and scores: ⟨span, label⟩ times a learned factor.

pub mod layout;
pub mod loss;

use crate::batch::{Kinds, Scene};
use crate::config::{Config, Pooling};
use crate::model::layout::{Layout, Mlp};
use std::ops::Range;
use tagsmith_encoder::architecture::Pass;
use tagsmith_encoder::batch::Batch;
use tagsmith_encoder::config::Config as EncoderConfig;
use tagsmith_encoder::encoder::{self, Encoder};
use tagsmith_encoder::slots::next;
use tagsmith_kernel::memory::tensor::Tensor;
use tagsmith_kernel::op::activation::{self, Activation};
use tagsmith_kernel::op::dropout::{self, Dropout};
use tagsmith_kernel::op::embedding::{self, Rows};
use tagsmith_kernel::op::span_sum::{self, Span};
use tagsmith_kernel::op::{linear, normalize};
use tagsmith_kernel::params::{Grads, Params, SlotId, Stages};
use tagsmith_kernel::product;
use tagsmith_kernel::random::stream::Stream;
use tagsmith_kernel::{Operand, Precision, Start};

/// Start, end, span: places in arrays of three.
pub const START: usize = 0;
/// The last position of a span.
pub const END: usize = 1;
/// The span itself.
pub const SPAN: usize = 2;

/// A span tagger and its weights.
#[derive(Clone, Debug)]
pub struct Model {
    /// The head's configuration.
    pub config: Config,
    /// The text encoder's.
    pub token_encoder: EncoderConfig,
    /// The label encoder's, in a bi-encoder.
    pub type_encoder: Option<EncoderConfig>,
    /// Where its parameters are.
    pub layout: Layout,
    /// Their values.
    pub params: Params,
    /// How the factors of its products are rounded.
    pub precision: Precision,
}

/// Scores (logits) of positions as starts and as ends (P, C), and of spans (N, C). What nobody needs is not computed.
pub type Scores = [Option<Tensor>; 3];

/// What backward needs.
#[must_use]
pub struct Saved {
    text: encoder::Saved,
    states: usize,
    labels: Option<encoder::Saved>,
    label_states: usize,
    heads: Heads,
}

/// Of all above the encoders.
#[must_use]
struct Heads {
    kinds: Unit,
    starts: Unit,
    ends: Unit,
    spans: SpanSaved,
    scores: Scores,
}

/// Of linear, dropout, ReLU, linear, dropout, normalisation.
#[must_use]
struct Unit {
    first: linear::Saved,
    tail: Tail,
}

/// Of the same after the first linear layer.
#[must_use]
struct Tail {
    y: Tensor,
    dropped: Tensor,
    dropout: Option<Dropout>,
    last_dropout: Option<Dropout>,
    norm: normalize::Saved,
}

/// Widths, and what of the span layer's first products belongs to starts, to ends and to widths.
struct SpanParts {
    widths: Tensor,
    products: [Tensor; 3],
}

#[must_use]
struct SpanSaved {
    widths: Tensor,
    tail: Tail,
}

/// Spans whose vectors are computed at once where nobody learns from them: they stay in the cache, and of a long
/// document's spans only the scores take memory.
pub(crate) const BLOCK: usize = 1024;

/// Places of dropout, each with two streams.
const TEXT: u64 = 0;
const LABELS: u64 = 1;
const HEAD: [u64; 4] = [2, 4, 6, 8];

impl Model {
    fn text_encoder(&self) -> Encoder<'_> {
        let Model { token_encoder, layout, params, precision, .. } = self;
        Encoder { config: token_encoder, layout: &layout.token_encoder, params, precision: *precision }
    }

    fn label_encoder(&self) -> Encoder<'_> {
        let (Some(config), Some(layout)) = (&self.type_encoder, &self.layout.type_encoder) else {
            panic!("spans: a cross-encoder reads labels in the prompt")
        };
        Encoder { config, layout, params: &self.params, precision: self.precision }
    }

    /// The most pieces a text may have.
    pub fn positions_max(&self) -> usize {
        self.token_encoder.shape.positions_max
    }

    /// Scores, and what backward needs. `parts` says which of start, end and span are wanted.
    ///
    /// # Shapes
    /// P positions, N spans, C labels → (P, C), (P, C), (N, C).
    /// # Precision
    /// Encoders and layers as `precision` says; scores are f32 products of vectors of length 1.
    /// # Panics
    /// If a text is longer than the encoder's positions, or the scene is of the other architecture.
    pub fn forward(&self, scene: &Scene, stream: Option<Stream>, parts: [bool; 3]) -> (Scores, Saved) {
        let pass =
            |place| Pass { dropout: stream.map(|stream| stream.child(place)), first_row: 0, checkpoint_layers: false };
        let (states, text) = self.text_encoder().forward(&scene.text, pass(TEXT));
        let (labels, label_states, label_saved) = match &scene.kinds {
            Kinds::Alone(batch) => {
                let (states, saved) = self.label_encoder().forward(batch, pass(LABELS));
                (self.pool(batch, &states), states.rows(), Some(saved))
            }
            Kinds::InPrompt { rows, .. } => (take_rows(&states, rows), 0, None),
        };
        let rows = states.rows();
        let positions = scene.rows.as_ref().map_or_else(|| states.clone(), |rows| take_rows(&states, rows));
        drop(states);
        let kinds = self.unit(labels, self.layout.kinds, HEAD[0], stream);
        let starts = self.unit(positions.clone(), self.layout.starts, HEAD[1], stream);
        let ends = self.unit(positions, self.layout.ends, HEAD[2], stream);
        let parts_of_spans = self.span_parts(&starts.tail.y, &ends.tail.y);
        let h = self.span_sums(&parts_of_spans, &scene.spans);
        let spans = SpanSaved { widths: parts_of_spans.widths, tail: self.tail(h, self.layout.spans, HEAD[3], stream) };
        let scores = self.scores(&kinds.tail.y, [&starts.tail.y, &ends.tail.y, &spans.tail.y], scene, parts);
        let heads = Heads { kinds, starts, ends, spans, scores: scores.clone() };
        let saved = Saved { text, states: rows, labels: label_saved, label_states, heads };
        (scores, saved)
    }

    /// Vectors of length 1 (C, E) of a bi-encoder's labels: they depend on no text.
    pub fn label_vectors(&self, labels: &Batch) -> Tensor {
        let states = self.label_encoder().infer(labels);
        self.unit(self.pool(labels, &states), self.layout.kinds, HEAD[0], None).tail.y
    }

    /// Span scores (N, C) without dropout; a bi-encoder is given its label vectors.
    pub fn infer(&self, scene: &Scene, label_vectors: Option<&Tensor>) -> Tensor {
        let states = self.text_encoder().infer(&scene.text);
        let kinds = match (&scene.kinds, label_vectors) {
            (_, Some(vectors)) => vectors.clone(),
            (Kinds::Alone(batch), None) => self.label_vectors(batch),
            (Kinds::InPrompt { rows, .. }, None) => {
                self.unit(take_rows(&states, rows), self.layout.kinds, HEAD[0], None).tail.y
            }
        };
        let positions = scene.rows.as_ref().map_or_else(|| states.clone(), |rows| take_rows(&states, rows));
        drop(states);
        let starts = self.unit(positions.clone(), self.layout.starts, HEAD[1], None).tail.y;
        let ends = self.unit(positions, self.layout.ends, HEAD[2], None).tail.y;
        let parts = self.span_parts(&starts, &ends);
        let c = scene.kinds.count();
        let mut scores = zeros(scene.spans.len(), c);
        for first in (0..scene.spans.len()).step_by(BLOCK) {
            let rows = first..scene.spans.len().min(first + BLOCK);
            let h = self.span_sums(&parts, &scene.spans[rows.clone()]);
            let vectors = self.tail(h, self.layout.spans, HEAD[3], None).y;
            self.score(SPAN, scene, &kinds, &vectors, &rows, &mut scores.data_mut()[rows.start * c..rows.end * c]);
        }
        scores
    }

    /// One row a label.
    fn pool(&self, batch: &Batch, states: &Tensor) -> Tensor {
        let sequences = || batch.starts.windows(2).map(|bounds| bounds[0] as usize..bounds[1] as usize);
        match self.config.pooling {
            Pooling::Cls => take_rows(states, &batch.starts[..batch.starts.len() - 1]),
            Pooling::Mean => {
                let width = states.columns();
                let mut means = vec![0.0; sequences().count() * width];
                for (rows, mean) in sequences().zip(means.chunks_exact_mut(width)) {
                    let share = 1.0 / rows.len() as f32;
                    for row in rows {
                        mean.iter_mut().zip(states.row(row)).for_each(|(mean, x)| *mean += share * x);
                    }
                }
                Tensor::from_slice(means.len() / width, width, &means)
            }
        }
    }

    fn pool_backward(&self, batch: &Batch, dy: &Tensor, rows: usize) -> Tensor {
        match self.config.pooling {
            Pooling::Cls => scatter_rows(rows, &batch.starts[..batch.starts.len() - 1], dy),
            Pooling::Mean => {
                let mut dx = zeros(rows, dy.columns());
                let width = dy.columns();
                for (label, bounds) in batch.starts.windows(2).enumerate() {
                    let sequence = bounds[0] as usize * width..bounds[1] as usize * width;
                    let share = 1.0 / (bounds[1] - bounds[0]) as f32;
                    for row in dx.data_mut()[sequence].chunks_exact_mut(width) {
                        row.iter_mut().zip(dy.row(label)).for_each(|(dx, dy)| *dx = share * dy);
                    }
                }
                dx
            }
        }
    }

    fn unit(&self, x: Tensor, mlp: Mlp, place: u64, stream: Option<Stream>) -> Unit {
        let (weight, bias) = (self.params.get(mlp.first), self.params.get(next(mlp.first)));
        let (h, first) = linear::forward(x, weight, bias, self.precision);
        Unit { first, tail: self.tail(h, mlp, place, stream) }
    }

    fn tail(&self, h: Tensor, mlp: Mlp, place: u64, stream: Option<Stream>) -> Tail {
        let rate = self.config.dropout;
        let stream = stream.filter(|_| rate > 0.0);
        let dropout = |place| stream.map(|stream| Dropout { rate, stream: stream.child(place), first_row: 0 });
        let (first, last_dropout) = (dropout(place), dropout(place + 1));
        let dropped = dropout::apply(&h, first);
        drop(h);
        let x = activation::forward(&dropped, Activation::Relu);
        let (weight, bias) = (self.params.get(mlp.second), self.params.get(next(mlp.second)));
        let (y, _) = linear::forward(x, weight, bias, self.precision);
        let (y, norm) = normalize::forward(&dropout::apply(&y, last_dropout));
        Tail { y, dropped, dropout: first, last_dropout, norm }
    }

    /// The first layer over [start; end; width] is linear in each of the three: each is multiplied once, and their
    /// products are added span by span.
    fn span_parts(&self, starts: &Tensor, ends: &Tensor) -> SpanParts {
        let e = self.config.hidden;
        let table = self.params.get(self.layout.widths);
        let widths = Tensor::from_slice(self.config.width_rows(), self.config.width_size, table);
        let products = [(starts, 0), (ends, e), (&widths, 2 * e)].map(|(x, column)| self.span_part(x, column));
        SpanParts { widths, products }
    }

    fn span_sums(&self, parts: &SpanParts, spans: &[Span]) -> Tensor {
        let [a, z, k] = &parts.products;
        span_sum::forward(a, z, k, self.params.get(next(self.layout.spans.first)), spans)
    }

    /// x times the columns of the span layer's first weight from `column` on, as many as x has.
    fn span_part(&self, x: &Tensor, column: usize) -> Tensor {
        let (weight, stride) = self.span_weight();
        let mut y = zeros(x.rows(), self.config.hidden);
        let (left, right) = (Operand::Rows(x.data(), x.columns()), Operand::Columns(&weight[column..], stride));
        let shape = (x.rows(), x.columns(), self.config.hidden);
        product(self.precision, shape, left, right, Start::Zero, y.data_mut());
        y
    }

    /// dx = dy times those columns; their gradient goes to the same columns of `dw`.
    fn span_part_backward(&self, x: &Tensor, column: usize, dy: &Tensor, accumulate: bool, dw: &mut [f32]) -> Tensor {
        let (weight, stride) = self.span_weight();
        let (e, k) = (self.config.hidden, x.columns());
        let mut dx = zeros(x.rows(), k);
        let (left, right) = (Operand::Rows(dy.data(), e), Operand::Rows(&weight[column..], stride));
        product(self.precision, (x.rows(), e, k), left, right, Start::Zero, dx.data_mut());
        let mut part = zeros(e, k);
        let (left, right) = (Operand::Columns(dy.data(), e), Operand::Rows(x.data(), k));
        product(self.precision, (e, x.rows(), k), left, right, Start::Zero, part.data_mut());
        for (row, part) in dw.chunks_exact_mut(stride).zip(part.data().chunks_exact(k)) {
            for (dw, part) in row[column..column + k].iter_mut().zip(part) {
                *dw = if accumulate { *dw + part } else { *part };
            }
        }
        dx
    }

    /// The span layer's first weight and its row length.
    fn span_weight(&self) -> (&[f32], usize) {
        (self.params.get(self.layout.spans.first), 2 * self.config.hidden + self.config.width_size)
    }

    fn factor(&self, part: usize) -> f32 {
        self.params.get(self.layout.scales[part])[0].exp()
    }

    fn scores(&self, kinds: &Tensor, vectors: [&Tensor; 3], scene: &Scene, parts: [bool; 3]) -> Scores {
        std::array::from_fn(|part| {
            let x = parts[part].then_some(vectors[part])?;
            let mut scores = zeros(x.rows(), scene.kinds.count());
            self.score(part, scene, kinds, x, &(0..x.rows()), scores.data_mut());
            Some(scores)
        })
    }

    /// Scores of those rows, whose vectors `x` are.
    fn score(&self, part: usize, scene: &Scene, kinds: &Tensor, x: &Tensor, rows: &Range<usize>, scores: &mut [f32]) {
        let (e, c) = (self.config.hidden, scene.kinds.count());
        for (group, first) in groups(scene, part) {
            let inside = group.start.max(rows.start)..group.end.min(rows.end);
            if inside.is_empty() {
                continue;
            }
            let inside = inside.start - rows.start..inside.end - rows.start;
            let left = Operand::Rows(&x.data()[inside.start * e..inside.end * e], e);
            let right = Operand::Columns(&kinds.data()[first * e..(first + c) * e], e);
            let out = &mut scores[inside.start * c..inside.end * c];
            product(Precision::F32, (inside.len(), e, c), left, right, Start::Zero, out);
        }
        let factor = self.factor(part);
        scores.iter_mut().for_each(|score| *score *= factor);
    }
}

/// The rows of positions (or spans) that are scored together, and the first of their label vectors.
fn groups(scene: &Scene, part: usize) -> Vec<(Range<usize>, usize)> {
    let of =
        |(text, first): (crate::batch::Text, usize)| (if part == SPAN { text.spans } else { text.positions }, first);
    scene.groups().into_iter().map(of).collect()
}

impl Saved {
    /// Every learning parameter's gradient goes to `grads`; `dscores` are the gradients of the scores that there are.
    ///
    /// # Panics
    /// If there are gradients of scores that were not computed, or the other way round.
    pub fn backward(self, model: &Model, scene: &Scene, dscores: &Scores, grads: &mut dyn Stages) {
        let heads = self.heads;
        let [dpositions, dlabels] = grads.stage(|grads| heads.backward(model, scene, dscores, grads));
        let mut dstates = match &scene.rows {
            Some(rows) => scatter_rows(self.states, rows, &dpositions),
            None => dpositions,
        };
        match (&scene.kinds, self.labels) {
            (Kinds::Alone(batch), Some(saved)) => {
                let dx = model.pool_backward(batch, &dlabels, self.label_states);
                model.label_encoder().backward(saved, batch, dx, 0, grads);
            }
            (Kinds::InPrompt { rows, .. }, None) => {
                embedding::backward(rows, &dlabels, None, true, dstates.data_mut());
            }
            _ => unreachable!("spans: labels are encoded where the scene has them alone"),
        }
        model.text_encoder().backward(self.text, &scene.text, dstates, 0, grads);
    }
}

impl Heads {
    /// The gradients of positions and of labels.
    fn backward(self, model: &Model, scene: &Scene, dscores: &Scores, grads: &mut Grads) -> [Tensor; 2] {
        let (e, layout) = (model.config.hidden, &model.layout);
        let mut dkinds = zeros(self.kinds.tail.y.rows(), e);
        let vectors = [&self.starts.tail.y, &self.ends.tail.y, &self.spans.tail.y];
        let [dstarts, dends, dspans] = std::array::from_fn(|part| {
            let (factor, dscores) = (model.factor(part), dscores[part].as_ref());
            assert_eq!(dscores.is_some(), self.scores[part].is_some(), "spans: gradients of what was not scored");
            let along = match (dscores, &self.scores[part]) {
                (Some(d), Some(s)) => d.data().iter().zip(s.data()).map(|(d, s)| f64::from(*d) * f64::from(*s)).sum(),
                _ => 0.0,
            };
            put(grads, layout.scales[part], &[along as f32]);
            let x = vectors[part];
            let mut dx = zeros(x.rows(), e);
            let Some(dscores) = dscores else { return dx };
            let c = scene.kinds.count();
            let scaled: Vec<f32> = dscores.data().iter().map(|d| factor * d).collect();
            for (rows, first) in groups(scene, part) {
                let d = &scaled[rows.start * c..rows.end * c];
                let kinds = first * e..(first + c) * e;
                let out = &mut dx.data_mut()[rows.start * e..rows.end * e];
                let u = Operand::Rows(&self.kinds.tail.y.data()[kinds.clone()], e);
                product(Precision::F32, (rows.len(), c, e), Operand::Rows(d, c), u, Start::Zero, out);
                let v = Operand::Rows(&x.data()[rows.start * e..rows.end * e], e);
                let out = &mut dkinds.data_mut()[kinds];
                product(Precision::F32, (c, rows.len(), e), Operand::Columns(d, c), v, Start::Accumulate, out);
            }
            dx
        });
        let (da, dz) = self.spans.backward(model, scene, dspans, [&self.starts.tail.y, &self.ends.tail.y], grads);
        let dpositions = self.starts.backward(model, layout.starts, &sum(&dstarts, &da), grads, None);
        let dpositions = self.ends.backward(model, layout.ends, &sum(&dends, &dz), grads, Some(dpositions));
        let dlabels = self.kinds.backward(model, layout.kinds, &dkinds, grads, None);
        [dpositions, dlabels]
    }
}

impl Unit {
    fn backward(self, model: &Model, mlp: Mlp, dy: &Tensor, grads: &mut Grads, onto: Option<Tensor>) -> Tensor {
        let dh = self.tail.backward(model, mlp, dy.clone(), grads);
        self.first.backward(model.params.get(mlp.first), into(grads, mlp.first), &dh, onto)
    }
}

impl Tail {
    fn backward(self, model: &Model, mlp: Mlp, dy: Tensor, grads: &mut Grads) -> Tensor {
        let Tail { y, dropped, dropout, last_dropout, norm } = self;
        drop(y);
        let mut own = zeros(dy.rows(), dy.columns());
        own.data_mut().copy_from_slice(dy.data());
        drop(dy);
        let dy = dropout::apply(&norm.backward(own), last_dropout);
        let weight = model.params.get(mlp.second);
        let into = into(grads, mlp.second);
        let dx = linear::backward_activated(weight, into, &dy, model.precision, Activation::Relu, &dropped);
        dropout::apply(&dx, dropout)
    }
}

impl SpanSaved {
    /// The gradients of the start and end vectors.
    fn backward(
        self,
        model: &Model,
        scene: &Scene,
        dy: Tensor,
        [starts, ends]: [&Tensor; 2],
        grads: &mut Grads,
    ) -> (Tensor, Tensor) {
        let (first, e) = (model.layout.spans.first, model.config.hidden);
        let dh = self.tail.backward(model, model.layout.spans, dy, grads);
        let ((weight, weight_accumulates), (bias, bias_accumulates)) = grads.two_spans((first, 1), (next(first), 1));
        let (Some(dw), Some(db)) = (weight, bias) else { panic!("spans: the head always learns") };
        let (positions, widths) = (starts.rows(), self.widths.rows());
        let parts = span_sum::backward(positions, widths, &scene.spans, &dh, bias_accumulates, db);
        let mut part =
            |x: &Tensor, column, dy: &Tensor| model.span_part_backward(x, column, dy, weight_accumulates, dw);
        let da = part(starts, 0, &parts.starts);
        let dz = part(ends, e, &parts.ends);
        let mut dwidths = part(&self.widths, 2 * e, &parts.widths);
        // The row of no span never learns, as PyTorch's `padding_idx` has it.
        dwidths.data_mut()[..model.config.width_size].fill(0.0);
        put(grads, model.layout.widths, dwidths.data());
        (da, dz)
    }
}

/// Where the gradients of a weight and of the bias after it go.
fn into(grads: &mut Grads, weight: SlotId) -> linear::Into<'_> {
    let ((dw, weight_accumulates), (db, bias_accumulates)) = grads.two_spans((weight, 1), (next(weight), 1));
    linear::Into { weight: dw, weight_accumulates, bias: db, bias_accumulates }
}

/// Writes or adds a gradient.
fn put(grads: &mut Grads, id: SlotId, values: &[f32]) {
    let (Some(span), accumulates) = grads.span(id, 1) else { return };
    assert_eq!(span.len(), values.len(), "spans: a gradient of another size");
    for (sum, value) in span.iter_mut().zip(values) {
        *sum = if accumulates { *sum + value } else { *value };
    }
}

fn zeros(rows: usize, columns: usize) -> Tensor {
    Tensor::from_slice(rows, columns, &vec![0.0; rows * columns])
}

fn sum(a: &Tensor, b: &Tensor) -> Tensor {
    let sums: Vec<f32> = a.data().iter().zip(b.data()).map(|(a, b)| a + b).collect();
    Tensor::from_slice(a.rows(), a.columns(), &sums)
}

fn take_rows(x: &Tensor, rows: &[u32]) -> Tensor {
    embedding::forward(x.columns(), &[(Rows::Dense(x.data()), rows)])
}

fn scatter_rows(count: usize, rows: &[u32], dy: &Tensor) -> Tensor {
    let mut dx = zeros(count, dy.columns());
    embedding::backward(rows, dy, None, true, dx.data_mut());
    dx
}
