//! Encoded examples become a batch and its gold.

use crate::batch::encode::Encoded;
use crate::batch::{LabelInput, SpanBatch, Text};
use crate::config::{Architecture, Config};
use crate::error::Error;
use crate::model::SPAN;
use crate::model::loss::{Gold, Mention};
use tagsmith_encoder::batch::Batch;
use tagsmith_kernel::op::span_sum::Span;
use tagsmith_text::tokenizer::Tokenizer;

/// A text's spans that can be entities, and where their scores are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// Both ends inclusive, in pieces, in order.
    pub spans: Vec<(usize, usize)>,
    /// The row of each one's scores.
    pub rows: Vec<usize>,
}

/// Returns a batch of encoded examples, and the spans of each. `labels` are a bi-encoder's, as its label encoder reads them; a cross-encoder's are in
/// the prompt of each.
///
/// # Panics
/// If a cross-encoder's examples have prompts of different numbers of labels.
pub fn batch(config: &Config, examples: &[&Encoded], labels: Option<Batch>) -> (SpanBatch, Vec<Listed>) {
    let cross = config.architecture == Architecture::CrossEncoder;
    let mut batch = SpanBatch::default();
    let (mut rows, mut markers, mut listed) = (Vec::new(), Vec::new(), Vec::new());
    for example in examples {
        let base = batch.text.rows() as u32;
        batch.text.push(&example.ids, &example.types, &[]);
        let first_piece = first_position(cross, example);
        let first = rows.len();
        if config.threshold_in_prompt() {
            rows.push(base + example.threshold as u32);
        }
        let extra = rows.len() - first;
        rows.extend((first_piece..example.ids.len()).map(|piece| base + piece as u32));
        markers.extend(example.markers.iter().map(|&piece| base + piece as u32));
        let spans = example.spans(config.longest_enumerated());
        let first_span = batch.spans.len();
        let mut rows_of_spans = Vec::with_capacity(spans.len());
        let push = |batch: &mut SpanBatch, i: usize, j: usize| {
            batch.spans.push(Span { start: (first + i) as u32, end: (first + j) as u32, width: (j - i + 1) as u32 });
        };
        // Places count the text's positions.
        let at = |piece: usize| extra + piece - first_piece;
        if config.contrastive() && config.parity.softmax_mask {
            let unreached = usize::from(config.parity.last_piece && config.threshold_in_prompt());
            for (i, j) in enumerated(rows.len() - first - unreached, config.longest_enumerated()) {
                if spans.get(rows_of_spans.len()).is_some_and(|&(a, b)| (at(a), at(b)) == (i, j)) {
                    rows_of_spans.push(batch.spans.len());
                }
                push(&mut batch, i, j);
            }
        } else {
            if config.contrastive() {
                push(&mut batch, 0, 0);
            }
            for &(i, j) in &spans {
                rows_of_spans.push(batch.spans.len());
                push(&mut batch, at(i), at(j));
            }
        }
        assert_eq!(rows_of_spans.len(), spans.len(), "spans: a row a span");
        batch.texts.push(Text { positions: first..rows.len(), spans: first_span..batch.spans.len() });
        listed.push(Listed { spans, rows: rows_of_spans });
    }
    batch.labels = match labels {
        Some(labels) => LabelInput::OwnEncoder(labels),
        None => {
            let count = examples.first().map_or(0, |example| example.markers.len());
            assert_eq!(markers.len(), count * examples.len(), "spans: prompts of different numbers of labels");
            LabelInput::InPrompt { count, marker_rows: markers }
        }
    };
    batch.rows = cross.then_some(rows);
    (batch, listed)
}

/// Returns what the scores of that batch should be: `entities` are pieces and label numbers, example by example.
///
/// # Panics
/// If an entity is not a span of its text.
pub fn gold(
    config: &Config,
    examples: &[&Encoded],
    entities: &[Vec<(usize, usize, usize)>],
    listed: &[Listed],
    batch: &SpanBatch,
) -> Gold {
    let cross = config.architecture == Architecture::CrossEncoder;
    let extra = usize::from(config.threshold_in_prompt());
    let (mut mentions, mut masks) = (Vec::new(), <[Vec<bool>; 3]>::default());
    for (number, (example, listed)) in examples.iter().zip(listed).enumerate() {
        let (first, positions) = (first_position(cross, example), batch.texts[number].positions.clone());
        for (mask, edge) in masks.iter_mut().zip([&example.begins, &example.ends]) {
            mask.extend(std::iter::repeat_n(false, extra));
            let inside = |piece: usize| example.text.as_ref().is_some_and(|text| text.contains(&piece));
            mask.extend((first..example.ids.len()).map(|piece| edge[piece] && inside(piece)));
            assert_eq!(mask.len(), positions.end, "spans: a mark a position");
        }
        for &(i, j, kind) in &entities[number] {
            let span = listed.spans.binary_search(&(i, j)).expect("an entity is a span of its text");
            let at = |piece: usize| positions.start + extra + piece - first;
            mentions.push(Mention { text: number, kind, places: [at(i), at(j), listed.rows[span]] });
        }
        masks[SPAN].resize(batch.texts[number].spans.end, false);
        for (&span, &row) in listed.spans.iter().zip(&listed.rows) {
            masks[SPAN][row] = example.findable(config, span);
        }
    }
    Gold::of_all(mentions, masks, examples.len(), padded(config, examples))
}

/// Elements of the original's padded tensors of positions and of spans for one label.
pub fn padded(config: &Config, examples: &[&Encoded]) -> [usize; 2] {
    let cross = config.architecture == Architecture::CrossEncoder;
    let longest = examples.iter().map(|example| example.ids.len()).max().unwrap_or(0);
    let first = examples.iter().map(|example| first_position(cross, example)).min().unwrap_or(0);
    let width = longest - first + usize::from(config.threshold_in_prompt());
    let enumerated = enumerated(width, config.longest_enumerated()).count();
    [examples.len() * width, examples.len() * enumerated]
}

/// All spans of at most `longest` of some positions, as the original lists them.
fn enumerated(positions: usize, longest: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..positions).flat_map(move |i| (i..positions.min(i + longest)).map(move |j| (i, j)))
}

/// The first piece that is a position: in a cross-encoder the text's.
fn first_position(cross: bool, example: &Encoded) -> usize {
    let text = || example.text.as_ref().map_or(example.ids.len(), |text| *text.start());
    if cross { text() } else { 0 }
}

/// A bi-encoder's labels as its encoder reads them: each alone, at most [`LABEL_PIECES`] pieces. Returns how many
/// labels were longer.
///
/// # Errors
/// What the tokenizer says.
pub fn labels(tokenizer: &Tokenizer, labels: &[String]) -> Result<(Batch, usize), Error> {
    let mut batch = Batch::default();
    let mut cut = 0;
    for label in labels {
        let pieces = tokenizer.encode_running(label)?;
        let content = pieces.content();
        let kept = content.start..content.end.min(content.start + pieces.room(LABEL_PIECES)?);
        cut += usize::from(kept.end < content.end);
        batch.push(&pieces.around(&pieces.ids, kept.clone()), &pieces.around(&pieces.types, kept), &[]);
    }
    Ok((batch, cut))
}

/// Pieces of a label that are read, as in the original.
pub const LABEL_PIECES: usize = 64;
