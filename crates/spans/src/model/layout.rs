//! The table of a span tagger's parameters, with the original's names.

use crate::config::{Architecture, Config};
use tagsmith_encoder::config::Config as EncoderConfig;
use tagsmith_encoder::family::slots::SlotTable;
use tagsmith_encoder::layout::EncoderLayout;
use tagsmith_kernel::params::{Slot, SlotId};

/// Where a span tagger's parameters are.
#[derive(Clone, Debug)]
pub struct Layout {
    /// All slots, in memory order.
    pub slots: Vec<Slot>,
    /// Where the text encoder's parameters are.
    pub token_encoder: EncoderLayout,
    /// Where the label encoder's parameters are, in a bi-encoder.
    pub type_encoder: Option<EncoderLayout>,
    /// The projection of labels to width E.
    pub labels: Mlp,
    /// The projection of positions, as starts, to width E.
    pub starts: Mlp,
    /// The projection of positions, as ends, to width E.
    pub ends: Mlp,
    /// The projection of start, end and width to width E.
    pub spans: Mlp,
    /// Width embeddings. Row 0 belongs to no span.
    pub widths: SlotId,
    /// Logarithms of the factors of start, end and span scores.
    pub scales: [SlotId; 3],
}

/// Weights of linear, dropout, ReLU, linear. The bias of each follows it.
#[derive(Clone, Copy, Debug)]
pub struct Mlp {
    /// The first weight (E, inputs).
    pub first: SlotId,
    /// The second weight (E, E).
    pub second: SlotId,
}

/// The part of a name that stands before a text encoder's parameters.
pub(crate) const TOKEN_ENCODER: &str = "token_encoder.";
/// The part of a name that stands before a label encoder's parameters.
pub(crate) const TYPE_ENCODER: &str = "type_encoder.";

impl Layout {
    /// Makes the table of a model with these encoders.
    ///
    /// Some parameters of the original's checkpoints are never read by its computation: `pooler`, `fusion_linear`. They
    /// have frozen slots, so that they can be read and written. Weight decay applies to all others.
    pub fn new(config: &Config, token: &EncoderConfig, kinds: Option<&EncoderConfig>) -> Layout {
        let mut table = SlotTable::default();
        let token_encoder = EncoderLayout::new(token, TOKEN_ENCODER, &mut table);
        pooler(token, TOKEN_ENCODER, &mut table);
        let type_encoder = kinds.map(|kinds| {
            let layout = EncoderLayout::new(kinds, TYPE_ENCODER, &mut table);
            pooler(kinds, TYPE_ENCODER, &mut table);
            layout
        });
        // Backward begins with the head.
        table.stage = token.shape.layers.max(kinds.map_or(0, |kinds| kinds.shape.layers)) + 1;
        let (hidden, width) = (config.hidden, config.width_size);
        let label_width = kinds.unwrap_or(token).shape.hidden_size;
        let mut mlp = |name: &str, inputs: usize| Mlp {
            first: table.linear(&format!("{name}.0"), hidden, inputs, true).weight,
            second: table.linear(&format!("{name}.3"), hidden, hidden, true).weight,
        };
        let (labels, starts) = (mlp("type_linear", label_width), mlp("token_start_linear", token.shape.hidden_size));
        let ends = mlp("token_end_linear", token.shape.hidden_size);
        let spans = mlp("token_span_linear", 2 * hidden + width);
        if config.architecture == Architecture::BiEncoder && !config.contrastive() {
            frozen_linear("fusion_linear.0", hidden, 2 * hidden, &mut table);
            frozen_linear("fusion_linear.3", hidden, hidden, &mut table);
        }
        let widths = table.add("width_embedding.weight".into(), vec![config.width_rows(), width], true, false);
        let scales = ["start", "end", "span"].map(|part| table.add(format!("{part}_logit_scale"), vec![], true, false));
        let mut slots = table.slots;
        slots.iter_mut().for_each(|slot| slot.decays = true);
        Layout { slots, token_encoder, type_encoder, labels, starts, ends, spans, widths, scales }
    }
}

/// Adds the pooler of an encoder that has one in transformers, used or not.
fn pooler(config: &EncoderConfig, prefix: &str, table: &mut SlotTable) {
    if config.facts.has_pooler {
        let hidden = config.shape.hidden_size;
        frozen_linear(&format!("{prefix}pooler.dense"), hidden, hidden, table);
    }
}

fn frozen_linear(name: &str, outputs: usize, inputs: usize, table: &mut SlotTable) {
    let first = table.slots.len();
    table.linear(name, outputs, inputs, true);
    table.slots[first..].iter_mut().for_each(|slot| slot.frozen = true);
}
