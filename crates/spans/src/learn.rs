//! A span tagger in training: its loss, and what the engine asks of it.

use crate::batch::{LabelInput, SpanBatch};
use crate::error::Error;
use crate::folder;
use crate::model::Model;
use crate::model::layout::{TOKEN_ENCODER, TYPE_ENCODER};
use crate::model::loss::{Gold, Normalization, loss};
use std::path::Path;
use tagsmith_kernel::params::{Params, Slot, SlotId, Stages};
use tagsmith_train::trainable::{MicroBatch, Pass, Totals, Trainable, Update};

/// Learning rates of parts of a span tagger; the text encoder has the run's.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// Rate of a bi-encoder's label encoder, if another.
    pub type_encoder: Option<f64>,
    /// Rate of the head, if another.
    pub head: Option<f64>,
}

/// A span tagger with its loss.
#[derive(Clone, Debug)]
pub struct SpanTask {
    /// The tagger; its configuration says which loss it learns by.
    pub model: Model,
    /// The divisor of classification losses.
    pub normalization: Normalization,
    /// Rates of parts.
    pub rates: Rates,
}

/// A micro-batch with what its scores should be.
pub type GoldBatch = (SpanBatch, Gold);

impl Trainable for SpanTask {
    type Batch = GoldBatch;
    type Error = Error;

    fn params(&self) -> &Params {
        &self.model.params
    }

    fn params_mut(&mut self) -> &mut Params {
        &mut self.model.params
    }

    fn rows_read<'b>(&self, (batch, _): &'b GoldBatch) -> Vec<(SlotId, &'b [u32])> {
        let mut rows = vec![(self.model.layout.token_encoder.words(), &batch.text.ids[..])];
        if let (LabelInput::OwnEncoder(labels), Some(layout)) = (&batch.labels, &self.model.layout.type_encoder) {
            rows.push((layout.words(), &labels.ids));
        }
        rows
    }

    /// The update's batches have equal weight.
    fn learn(
        &self,
        (batch, gold): &GoldBatch,
        pass: &Pass,
        grads: &mut dyn Stages,
    ) -> Result<f64, tagsmith_kernel::device::Error> {
        let mut config = self.model.config.loss.clone();
        let wanted = config.weights.map(|part| part != 0.0);
        let stream = pass.stream.child(pass.place);
        let (scores, saved) = self.model.forward(batch, Some(stream), pass.checkpoint_layers, wanted);
        let weight = 1.0 / pass.totals.batches as f64;
        config.weights = config.weights.map(|part| part * weight);
        let loss = loss(&config, self.normalization, &scores, batch, gold)?;
        saved.backward(&self.model, batch, &loss.dscores, grads);
        Ok(loss.value)
    }

    fn own_rate(&self, slot: &Slot) -> Option<f64> {
        match &slot.name {
            name if name.starts_with(TOKEN_ENCODER) => None,
            name if name.starts_with(TYPE_ENCODER) => self.rates.type_encoder,
            _ => self.rates.head,
        }
    }

    fn embedding_parameters(&self) -> usize {
        let layout = &self.model.layout;
        let tables = layout.token_encoder.common.tables.iter();
        let tables = tables.chain(layout.type_encoder.iter().flat_map(|encoder| &encoder.common.tables));
        tables.map(|id| self.model.params.slots[id.0].len()).sum()
    }

    fn reload(&mut self, folder: &Path) -> Result<(), Error> {
        folder::reload(&mut self.model, folder)
    }
}

/// The update that one rank makes alone of these batches.
pub fn update(batches: Vec<GoldBatch>) -> Update<GoldBatch> {
    let totals = Totals {
        batches: batches.len(),
        counted: batches.iter().map(|(batch, _)| batch.texts.len()).sum(),
        weight: batches.iter().map(|(batch, _)| batch.texts.len() as f64).sum(),
        pieces: batches.iter().map(|(batch, _)| batch.text.rows()).sum(),
    };
    let place = |(place, batch)| MicroBatch { batch, place: place as u64 };
    let micro_batches = batches.into_iter().enumerate().map(place).collect();
    Update {
        micro_batches,
        totals,
        batches_done: totals.batches as u64,
        padded_pieces: totals.pieces,
        notes: Vec::new(),
    }
}
