//! The table of an encoder's parameters, whichever its family.

use crate::bert::layout::BertLayout;
use crate::config::{Config, Family};
use crate::family::facts::Initial;
use crate::family::slots::{CommonSlots, SlotTable};
use crate::modernbert::layout::ModernBertLayout;
use tagsmith_kernel::params::SlotId;

/// Where an encoder's parameters are, in a table that may hold other parameters too.
#[derive(Clone, Debug)]
pub struct EncoderLayout {
    /// The places that every family has.
    pub common: CommonSlots,
    /// The places of one family.
    pub parts: Parts,
}

/// Where the parameters of one family are.
#[derive(Clone, Debug)]
pub enum Parts {
    /// BERT and its relatives, including DeBERTa.
    Bert(BertLayout),
    /// ModernBERT.
    ModernBert(ModernBertLayout),
}

impl EncoderLayout {
    /// Adds `config`'s encoder to a table of slots; `prefix` precedes each of its names.
    pub fn new(config: &Config, prefix: &str, table: &mut SlotTable) -> EncoderLayout {
        let shape = &config.shape;
        let (common, parts) = match &config.family {
            Family::Bert(settings) => {
                let (common, layout) = BertLayout::new(shape, settings, prefix, table);
                (common, Parts::Bert(layout))
            }
            Family::ModernBert(settings) => {
                let (common, layout) = ModernBertLayout::new(shape, settings, prefix, table);
                (common, Parts::ModernBert(layout))
            }
        };
        EncoderLayout { common, parts }
    }

    /// Returns the slot of the word embeddings.
    pub fn words(&self) -> SlotId {
        self.common.words
    }

    /// Returns the standard deviation that a new weight of the encoder has.
    pub fn deviation(&self, id: SlotId, initial: &Initial) -> f32 {
        if self.common.residual.contains(&id) { initial.residual_deviation } else { initial.deviation }
    }
}
