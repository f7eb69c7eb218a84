//! Encoders, a head over positions, spans and labels, and scores: ⟨span, label⟩ times a learned factor.

pub mod layout;
pub mod loss;

use crate::batch::{LabelInput, SpanBatch};
use crate::config::Config;
use crate::model::layout::{Layout, Mlp};
use std::ops::Range;
use tagsmith_encoder::batch::Batch;
use tagsmith_encoder::config::Config as EncoderConfig;
use tagsmith_encoder::encoder::{self, Encoder};
use tagsmith_encoder::family::architecture::Pass;
use tagsmith_encoder::family::slots::next;
use tagsmith_kernel::memory::tensor::Tensor;
use tagsmith_kernel::memory::values::View;
use tagsmith_kernel::op::activation::{self, Activation};
use tagsmith_kernel::op::dropout::{self, Dropout};
use tagsmith_kernel::op::pair_scores::{self, Group};
use tagsmith_kernel::op::sequences::Sequences;
use tagsmith_kernel::op::span_sum::{self, Span};
use tagsmith_kernel::op::{add, embedding, linear, normalize, pool, rows};
use tagsmith_kernel::params::table::UnreadableRows;
use tagsmith_kernel::params::{Grads, Params, SlotId, Stages};
use tagsmith_kernel::random::stream::Stream;
use tagsmith_kernel::{Device, Error, Precision};

/// Start, end, span: places in arrays of three.
pub const START: usize = 0;
/// The last position of a span.
pub const END: usize = 1;
/// The span itself.
pub const SPAN: usize = 2;

/// A span tagger and its weights.
///
/// ```
/// use tagsmith_encoder::config::Config as EncoderConfig;
/// use tagsmith_files::json_fields::Fields;
/// use tagsmith_hub::{Hub, Settings};
/// use tagsmith_ranks::World;
/// use tagsmith_spans::batch::encode::{Encoding, Masking};
/// use tagsmith_spans::config::{Architecture, Config};
/// use tagsmith_spans::find::decode::Mode;
/// use tagsmith_spans::{evaluate, folder};
/// use tagsmith_text::example::{Entity, Example};
/// use tagsmith_text::tagged::{Content, UNWATCHED};
/// use tagsmith_text::tokenizer::Tokenizer;
///
/// // An encoder in a folder: here a new one, as small as can be.
/// let place = tempfile::tempdir()?;
/// let json = serde_json::json!({
///     "model_type": "bert", "vocab_size": 4, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
///     "intermediate_size": 16, "hidden_act": "gelu", "max_position_embeddings": 16, "type_vocab_size": 2,
///     "layer_norm_eps": 1e-12, "initializer_range": 0.02, "hidden_dropout_prob": 0.1,
///     "attention_probs_dropout_prob": 0.1, "pad_token_id": 0,
/// });
/// let (encoder, _) = EncoderConfig::from_json("config.json".into(), json.as_object().unwrap().clone())?;
/// tagsmith_tokens::model::Model::new(encoder, 42).save(place.path())?;
/// let tokenizer = br#"{
///     "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
///     "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null, "decoder": null,
///     "model": {"type": "WordLevel", "vocab": {"[UNK]": 0, "Jo": 1, "sings": 2, "person": 3}, "unk_token": "[UNK]"}
/// }"#;
/// Tokenizer::from_bytes(tokenizer, b"{}")?.save(place.path())?;
///
/// // A bi-encoder with a new head reads texts and labels with it.
/// let json = serde_json::json!({"token_encoder": place.path(), "type_encoder": place.path()});
/// let mut fields = Fields::new("run.json".as_ref(), json.as_object().unwrap().clone());
/// let config = Config::take(&mut fields, Architecture::BiEncoder, Some(false))?;
/// let hub = Hub::new(Settings::offline(place.path(), "everything is here"), |_| {});
/// let (model, tokenizers, _) = folder::assemble(config, 42, &hub, None)?;
///
/// let words = ["Jo", "sings"].map(String::from).to_vec();
/// let entities = vec![Entity { start: 0, end: 1, label: "person".into() }];
/// let examples = [Example { id: None, content: Content::Words(words), entities }];
/// let encoding = Encoding { max_length: 16, masking: Masking::Subwords };
/// let evaluation = evaluate::assess((&model, &tokenizers), encoding, &examples, Mode::Flat, &World::alone(), UNWATCHED)?;
/// assert_eq!(evaluation.gold, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
    /// The values of the parameters.
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
    labels: Option<(Sequences, encoder::Saved)>,
    heads: Heads,
}

/// Saved state of everything above the encoders.
#[must_use]
struct Heads {
    kinds: MlpSaved,
    starts: MlpSaved,
    ends: MlpSaved,
    spans: SpanSaved,
    pairs: [Option<pair_scores::Saved>; 3],
}

/// Saved state of an MLP: linear, dropout, ReLU, linear, dropout, normalization.
#[must_use]
struct MlpSaved {
    first: linear::Saved,
    tail: MlpTailSaved,
}

/// Saved state of an MLP after its first linear layer.
#[must_use]
struct MlpTailSaved {
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
    tail: MlpTailSaved,
}

/// Spans whose vectors are computed at once where nobody learns from them. The vectors stay in the cache, and of a long
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

    /// Returns a copy of the model on a device, in its precision.
    ///
    /// # Errors
    /// Rows of a word table that cannot be read; a device without enough memory.
    pub fn to(&self, device: &Device) -> Result<Model, Error> {
        let params = self.params.to(device, self.precision)?;
        let Model { config, token_encoder, type_encoder, layout, precision, params: _ } = self;
        Ok(Model {
            config: config.clone(),
            token_encoder: token_encoder.clone(),
            type_encoder: type_encoder.clone(),
            layout: layout.clone(),
            params,
            precision: *precision,
        })
    }

    /// Moves the model to a device, in its precision. On the processor it stays as it is.
    ///
    /// # Errors
    /// The errors of [`Model::to`].
    pub fn moved(self, device: &Device) -> Result<Model, Error> {
        match device {
            Device::Processor => Ok(self),
            Device::Gpu(_) => self.to(device),
        }
    }

    /// The most pieces a text may have.
    pub fn positions_max(&self) -> usize {
        self.token_encoder.shape.positions_max
    }

    /// Brings the rows of word tables that `batch` reads into memory.
    ///
    /// # Errors
    /// Rows that cannot be read from the checkpoint any more.
    pub fn fetch(&self, batch: &SpanBatch) -> Result<(), UnreadableRows> {
        self.text_encoder().fetch(&batch.text)?;
        match &batch.labels {
            LabelInput::OwnEncoder(labels) => self.label_encoder().fetch(labels),
            LabelInput::InPrompt { .. } => Ok(()),
        }
    }

    /// Returns scores, and what backward needs. `parts` says which of start, end and span are wanted; with
    /// `checkpoint_layers` the encoders keep their layers' inputs alone.
    ///
    /// # Shapes
    /// P positions, N spans, C labels → (P, C), (P, C), (N, C).
    /// # Precision
    /// Encoders and layers as `precision` says; scores are f32 products of vectors of length 1.
    /// # Panics
    /// If a text is longer than the encoder's positions, the batch is of the other architecture, or the rows of its
    /// words were not fetched. Training's optimizer fetches them, and [`Model::fetch`].
    pub fn forward(
        &self,
        batch: &SpanBatch,
        stream: Option<Stream>,
        checkpoint_layers: bool,
        parts: [bool; 3],
    ) -> (Scores, Saved) {
        let before = batch.before;
        let pass =
            |place, first_row| Pass { dropout: stream.map(|stream| stream.child(place)), first_row, checkpoint_layers };
        let (states, text) = self.text_encoder().forward(&batch.text, pass(TEXT, before.rows));
        let (labels, label_saved) = match &batch.labels {
            LabelInput::OwnEncoder(labels) => {
                let (states, saved) = self.label_encoder().forward(labels, pass(LABELS, 0));
                let sequences = Sequences::new(&labels.starts);
                (pool::forward(&states, &sequences, self.config.pooling), Some((sequences, saved)))
            }
            LabelInput::InPrompt { marker_rows, .. } => (rows::take(&states, marker_rows), None),
        };
        let rows = states.rows();
        let positions = positions(&states, batch);
        drop(states);
        let labels_before = match batch.labels {
            LabelInput::OwnEncoder(_) => 0,
            LabelInput::InPrompt { count, .. } => before.texts * count,
        };
        let draws = |first, first_row| stream.map(|stream| Draws { stream, first, first_row });
        let kinds = self.mlp(labels, self.layout.labels, draws(HEAD[0], labels_before));
        let starts = self.mlp(positions.clone(), self.layout.starts, draws(HEAD[1], before.positions));
        let ends = self.mlp(positions, self.layout.ends, draws(HEAD[2], before.positions));
        let parts_of_spans = self.span_parts(&starts.tail.y, &ends.tail.y);
        let h = self.span_sums(&parts_of_spans, &batch.spans);
        let spans = SpanSaved {
            widths: parts_of_spans.widths,
            tail: self.mlp_tail(h, self.layout.spans, draws(HEAD[3], before.spans)),
        };
        let scored = self.scores(&kinds.tail.y, [&starts.tail.y, &ends.tail.y, &spans.tail.y], batch, parts);
        let [(starts_scores, starts_pairs), (ends_scores, ends_pairs), (spans_scores, spans_pairs)] =
            scored.map(Option::unzip);
        let scores = [starts_scores, ends_scores, spans_scores];
        let pairs = [starts_pairs, ends_pairs, spans_pairs];
        let heads = Heads { kinds, starts, ends, spans, pairs };
        let saved = Saved { text, states: rows, labels: label_saved, heads };
        (scores, saved)
    }

    /// Returns vectors of length 1 (C, E) of a bi-encoder's labels. They depend on no text.
    ///
    /// # Errors
    /// Rows of the label encoder's word table that cannot be read.
    pub fn label_vectors(&self, labels: &Batch) -> Result<Tensor, UnreadableRows> {
        let states = self.label_encoder().infer(labels)?;
        let pooled = pool::forward(&states, &Sequences::new(&labels.starts), self.config.pooling);
        Ok(self.mlp(pooled, self.layout.labels, None).tail.y)
    }

    /// Returns span scores (N, C) without dropout, in the memory of the process. A bi-encoder is given its label vectors.
    ///
    /// # Errors
    /// Rows of a word table that cannot be read; the first error of the device that the model lies on.
    pub fn infer(&self, batch: &SpanBatch, label_vectors: Option<&Tensor>) -> Result<Tensor, Error> {
        let states = self.text_encoder().infer(&batch.text)?;
        let kinds = match (&batch.labels, label_vectors) {
            (_, Some(vectors)) => vectors.clone(),
            (LabelInput::OwnEncoder(labels), None) => self.label_vectors(labels)?,
            (LabelInput::InPrompt { marker_rows, .. }, None) => {
                self.mlp(rows::take(&states, marker_rows), self.layout.labels, None).tail.y
            }
        };
        let positions = positions(&states, batch);
        drop(states);
        let starts = self.mlp(positions.clone(), self.layout.starts, None).tail.y;
        let ends = self.mlp(positions, self.layout.ends, None).tail.y;
        let parts = self.span_parts(&starts, &ends);
        let c = batch.labels.count();
        let groups = groups(batch, SPAN);
        let mut scores = Tensor::on(&self.params.device(), batch.spans.len(), c, &vec![0.0; batch.spans.len() * c]);
        for first in (0..batch.spans.len()).step_by(BLOCK) {
            let rows = first..batch.spans.len().min(first + BLOCK);
            let h = self.span_sums(&parts, &batch.spans[rows.clone()]);
            let vectors = self.mlp_tail(h, self.layout.spans, None).y;
            let (block, _) = self.score(SPAN, &vectors, &kinds, groups_among(&groups, &rows), batch);
            scores.view_mut().part(rows.start * c..rows.end * c).copy_from(block.view());
        }
        Ok(scores.here()?)
    }

    fn mlp(&self, x: Tensor, mlp: Mlp, draws: Option<Draws>) -> MlpSaved {
        let (weight, bias) = (self.params.get(mlp.first), self.params.get(next(mlp.first)));
        let (h, first) = linear::forward(x, weight, bias, self.precision);
        MlpSaved { first, tail: self.mlp_tail(h, mlp, draws) }
    }

    fn mlp_tail(&self, h: Tensor, mlp: Mlp, draws: Option<Draws>) -> MlpTailSaved {
        let rate = self.config.dropout;
        let draws = draws.filter(|_| rate > 0.0);
        let dropout = |number| draws.map(|draws| draws.dropout(number, rate));
        let (first, last_dropout) = (dropout(0), dropout(1));
        let dropped = dropout::apply(&h, first);
        drop(h);
        let x = activation::forward(&dropped, Activation::Relu);
        let (weight, bias) = (self.params.get(mlp.second), self.params.get(next(mlp.second)));
        let (y, _) = linear::forward(x, weight, bias, self.precision);
        let (y, norm) = normalize::forward(&dropout::apply(&y, last_dropout));
        MlpTailSaved { y, dropped, dropout: first, last_dropout, norm }
    }

    /// The first layer over [start; end; width] is linear in each of the three. Each is therefore multiplied once, and
    /// the products are added span by span.
    fn span_parts(&self, starts: &Tensor, ends: &Tensor) -> SpanParts {
        let e = self.config.hidden;
        let table = self.params.rows(self.layout.widths);
        let widths = embedding::forward(self.config.width_size, &[(table, &self.width_rows())]);
        let products = [(starts, 0), (ends, e), (&widths, 2 * e)]
            .map(|(x, column)| span_sum::project(x, self.span_weight(), e, column, self.precision));
        SpanParts { widths, products }
    }

    /// Returns the numbers of all rows of the table of widths.
    fn width_rows(&self) -> Vec<u32> {
        (0..self.config.width_rows() as u32).collect()
    }

    fn span_sums(&self, parts: &SpanParts, spans: &[Span]) -> Tensor {
        let [a, z, k] = &parts.products;
        span_sum::forward(a, z, k, self.params.get(next(self.layout.spans.first)), spans)
    }

    /// The first weight of the span layer, shape (E, 2E + W).
    fn span_weight(&self) -> View<'_> {
        self.params.get(self.layout.spans.first)
    }

    fn scores(
        &self,
        kinds: &Tensor,
        vectors: [&Tensor; 3],
        batch: &SpanBatch,
        parts: [bool; 3],
    ) -> [Option<Scored>; 3] {
        std::array::from_fn(|part| {
            let x = parts[part].then_some(vectors[part])?;
            Some(self.score(part, x, kinds, groups(batch, part), batch))
        })
    }

    fn score(&self, part: usize, x: &Tensor, kinds: &Tensor, groups: Vec<Group>, batch: &SpanBatch) -> Scored {
        pair_scores::forward(x, kinds, groups, batch.labels.count(), self.scale(part))
    }

    /// The log of the factor of one part's scores.
    fn scale(&self, part: usize) -> View<'_> {
        self.params.get(self.layout.scales[part])
    }
}

/// Random numbers of a layer's dropouts.
#[derive(Clone, Copy)]
struct Draws {
    /// The stream of the whole forward pass.
    stream: Stream,
    /// The place of the layer's first dropout in the stream.
    first: u64,
    /// The number of the layer's first row in the whole batch.
    first_row: usize,
}

impl Draws {
    /// Returns the layer's dropout of that number.
    fn dropout(self, number: u64, rate: f32) -> Dropout {
        Dropout { rate, stream: self.stream.child(self.first + number), first_row: self.first_row }
    }
}

/// Scores of one part, and what their backward needs.
type Scored = (Tensor, pair_scores::Saved);

/// The rows of positions (or of spans) that are scored together, and their label vectors.
fn groups(batch: &SpanBatch, part: usize) -> Vec<Group> {
    let group = |(text, first_vector): (crate::batch::Text, usize)| {
        let rows = if part == SPAN { text.spans } else { text.positions };
        Group { rows, first_vector }
    };
    batch.groups().into_iter().map(group).collect()
}

/// The groups' rows that are among `rows`, counted from the first of them.
fn groups_among(groups: &[Group], rows: &Range<usize>) -> Vec<Group> {
    let inside = |group: &Group| {
        let (start, end) = (group.rows.start.max(rows.start), group.rows.end.min(rows.end));
        (start < end).then(|| Group { rows: start - rows.start..end - rows.start, ..*group })
    };
    groups.iter().filter_map(inside).collect()
}

impl Saved {
    /// Every learning parameter's gradient goes to `grads`; `dscores` are the gradients of the scores that there are.
    ///
    /// # Panics
    /// If there are gradients of scores that were not computed, or the other way round.
    pub fn backward(self, model: &Model, batch: &SpanBatch, dscores: &Scores, grads: &mut dyn Stages) {
        let heads = self.heads;
        let [dpositions, dlabels] = grads.stage(|grads| heads.backward(model, batch, dscores, grads));
        let mut dstates = match &batch.rows {
            Some(index) => {
                let mut dstates = dpositions.zeros_beside(self.states, dpositions.columns());
                rows::add_taken(index, &dpositions, &mut dstates);
                dstates
            }
            None => dpositions,
        };
        match (&batch.labels, self.labels) {
            (LabelInput::OwnEncoder(labels), Some((sequences, saved))) => {
                let dx = pool::backward(&sequences, model.config.pooling, &dlabels);
                model.label_encoder().backward(saved, labels, dx, 0, grads);
            }
            (LabelInput::InPrompt { marker_rows, .. }, None) => {
                rows::add_taken(marker_rows, &dlabels, &mut dstates);
            }
            _ => unreachable!("spans: labels have an encoder of their own, or stand in the prompt"),
        }
        model.text_encoder().backward(self.text, &batch.text, dstates, 0, grads);
    }
}

impl Heads {
    /// The gradients of positions and of labels.
    fn backward(self, model: &Model, batch: &SpanBatch, dscores: &Scores, grads: &mut Grads) -> [Tensor; 2] {
        let layout = &model.layout;
        let zeros = |like: &Tensor| like.zeros_beside(like.rows(), like.columns());
        let mut dkinds = zeros(&self.kinds.tail.y);
        let vectors = [&self.starts.tail.y, &self.ends.tail.y, &self.spans.tail.y];
        let mut pairs = self.pairs;
        let [dstarts, dends, dspans] = std::array::from_fn(|part| {
            let dscale = grads.span(layout.scales[part], 1);
            match (pairs[part].take(), &dscores[part]) {
                (Some(saved), Some(dscores)) => saved.backward(model.scale(part), dscale, dscores, &mut dkinds),
                (None, None) => {
                    if let Some(slot) = dscale {
                        slot.put(View::Host(&[0.0]));
                    }
                    zeros(vectors[part])
                }
                _ => panic!("spans: gradients of what was not scored"),
            }
        });
        let (da, dz) = self.spans.backward(model, batch, dspans, [&self.starts.tail.y, &self.ends.tail.y], grads);
        let dpositions = self.starts.backward(model, layout.starts, sum(dstarts, &da), grads, None);
        let dpositions = self.ends.backward(model, layout.ends, sum(dends, &dz), grads, Some(dpositions));
        let dlabels = self.kinds.backward(model, layout.labels, dkinds, grads, None);
        [dpositions, dlabels]
    }
}

impl MlpSaved {
    fn backward(self, model: &Model, mlp: Mlp, dy: Tensor, grads: &mut Grads, onto: Option<Tensor>) -> Tensor {
        let dh = self.tail.backward(model, mlp, dy, grads);
        self.first.backward(model.params.get(mlp.first), into(grads, mlp.first), &dh, onto)
    }
}

impl MlpTailSaved {
    fn backward(self, model: &Model, mlp: Mlp, dy: Tensor, grads: &mut Grads) -> Tensor {
        let MlpTailSaved { y, dropped, dropout, last_dropout, norm } = self;
        drop(y);
        let dy = dropout::apply(&norm.backward(dy.unshared()), last_dropout);
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
        batch: &SpanBatch,
        dy: Tensor,
        [starts, ends]: [&Tensor; 2],
        grads: &mut Grads,
    ) -> (Tensor, Tensor) {
        let (first, e) = (model.layout.spans.first, model.config.hidden);
        let dh = self.tail.backward(model, model.layout.spans, dy, grads);
        let [Some(mut weight), Some(bias)] = grads.two_spans((first, 1), (next(first), 1)) else {
            panic!("spans: the head always learns")
        };
        let (positions, widths) = (starts.rows(), self.widths.rows());
        let summands = span_sum::backward(positions, widths, &batch.spans, &dh, bias);
        let mut part = |x: &Tensor, column, dy: &Tensor| {
            span_sum::project_backward(x, model.span_weight(), column, model.precision, dy, &mut weight)
        };
        let da = part(starts, 0, &summands.starts);
        let dz = part(ends, e, &summands.ends);
        let dwidths = part(&self.widths, 2 * e, &summands.widths);
        if let Some(table) = grads.span(model.layout.widths, 1) {
            // The row of no span never learns, as PyTorch's `padding_idx` has it.
            embedding::backward(&model.width_rows(), &dwidths, Some(0), table);
        }
        (da, dz)
    }
}

/// Where the gradients of a weight and of the bias after it go.
fn into(grads: &mut Grads, weight: SlotId) -> linear::ParamGrads<'_> {
    let [weight, bias] = grads.two_spans((weight, 1), (next(weight), 1));
    linear::ParamGrads { weight, bias }
}

fn sum(mut a: Tensor, b: &Tensor) -> Tensor {
    add::onto(b, &mut a);
    a
}

/// Returns the rows of the text that are positions.
fn positions(states: &Tensor, batch: &SpanBatch) -> Tensor {
    batch.rows.as_ref().map_or_else(|| states.clone(), |index| rows::take(states, index))
}
