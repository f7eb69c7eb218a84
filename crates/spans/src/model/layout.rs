//! The table of a span tagger's parameters, with the original's names.

use crate::config::{Architecture, Config};
use tagsmith_encoder::config::{Config as EncoderConfig, Family};
use tagsmith_encoder::layout::EncoderLayout;
use tagsmith_kernel::params::{Slot, SlotId};

/// Where everything is.
#[derive(Clone, Debug)]
pub struct Layout {
    /// All slots, in memory order.
    pub slots: Vec<Slot>,
    /// The text's encoder.
    pub token_encoder: EncoderLayout,
    /// The labels' encoder, in a bi-encoder.
    pub type_encoder: Option<EncoderLayout>,
    /// Labels → E.
    pub labels: Mlp,
    /// Positions as starts → E.
    pub starts: Mlp,
    /// Positions as ends → E.
    pub ends: Mlp,
    /// Start, end and width → E.
    pub spans: Mlp,
    /// Width embeddings; row 0 is of no span.
    pub widths: SlotId,
    /// Logarithms of the factors of start, end and span scores.
    pub scales: [SlotId; 3],
}

/// Linear, dropout, ReLU, linear; each weight's bias follows it.
#[derive(Clone, Copy, Debug)]
pub struct Mlp {
    /// (E, inputs).
    pub first: SlotId,
    /// (E, E).
    pub second: SlotId,
}

/// Names in the file.
pub(crate) const TOKEN_ENCODER: &str = "token_encoder.";
pub(crate) const TYPE_ENCODER: &str = "type_encoder.";

impl Layout {
    /// The table of a model with these encoders.
    ///
    /// What the original's checkpoints hold and its computation never reads (`pooler`, `fusion_linear`) has slots that
    /// are frozen, so that it can be read and written. Weight decay applies to everything else.
    pub fn new(config: &Config, token: &EncoderConfig, kinds: Option<&EncoderConfig>) -> Layout {
        let mut slots = Vec::new();
        let token_encoder = EncoderLayout::new(token, TOKEN_ENCODER, &mut slots);
        pooler(token, TOKEN_ENCODER, &mut slots);
        let type_encoder = kinds.map(|kinds| {
            let layout = EncoderLayout::new(kinds, TYPE_ENCODER, &mut slots);
            pooler(kinds, TYPE_ENCODER, &mut slots);
            layout
        });
        let (hidden, width) = (config.hidden, config.width_size);
        let of_kinds = kinds.unwrap_or(token).hidden_size;
        let mut mlp = |name: &str, inputs: usize| Mlp {
            first: linear(&mut slots, &format!("{name}.0"), hidden, inputs, false),
            second: linear(&mut slots, &format!("{name}.3"), hidden, hidden, false),
        };
        let (labels, starts) = (mlp("type_linear", of_kinds), mlp("token_start_linear", token.hidden_size));
        let ends = mlp("token_end_linear", token.hidden_size);
        let spans = mlp("token_span_linear", 2 * hidden + width);
        if config.architecture == Architecture::BiEncoder && !config.contrastive() {
            linear(&mut slots, "fusion_linear.0", hidden, 2 * hidden, true);
            linear(&mut slots, "fusion_linear.3", hidden, hidden, true);
        }
        let widths = add(&mut slots, "width_embedding.weight", vec![config.width_rows(), width], false);
        let scales =
            ["start", "end", "span"].map(|part| add(&mut slots, &format!("{part}_logit_scale"), vec![], false));
        slots.iter_mut().for_each(|slot| slot.decays = true);
        Layout { slots, token_encoder, type_encoder, labels, starts, ends, spans, widths, scales }
    }
}

/// BERT's and RoBERTa's models of transformers have one, used or not.
fn pooler(config: &EncoderConfig, prefix: &str, slots: &mut Vec<Slot>) {
    if matches!(config.family, Family::Bert | Family::Roberta) {
        let hidden = config.hidden_size;
        linear(slots, &format!("{prefix}pooler.dense"), hidden, hidden, true);
    }
}

fn linear(slots: &mut Vec<Slot>, name: &str, outputs: usize, inputs: usize, frozen: bool) -> SlotId {
    let weight = add(slots, &format!("{name}.weight"), vec![outputs, inputs], frozen);
    add(slots, &format!("{name}.bias"), vec![outputs], frozen);
    weight
}

fn add(slots: &mut Vec<Slot>, name: &str, shape: Vec<usize>, frozen: bool) -> SlotId {
    let offset = slots.last().map_or(0, |slot| slot.offset + slot.room());
    slots.push(Slot { name: name.to_owned(), shape, offset, decays: true, sparse: false, frozen });
    SlotId(slots.len() - 1)
}
