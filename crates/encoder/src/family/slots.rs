//! The table of slots while a layout fills it, and the places that every family names in it.

use tagsmith_kernel::params::{Slot, SlotId};

/// A weight, or a norm's gain, and the bias that may follow it.
#[derive(Clone, Copy, Debug)]
pub struct Affine {
    /// The weight or gain.
    pub weight: SlotId,
    /// Whether a bias follows the weight.
    pub biased: bool,
}

impl Affine {
    /// Returns the slot of the bias, if there is a bias.
    pub fn bias(self) -> Option<SlotId> {
        self.biased.then(|| next(self.weight))
    }
}

/// Places in the table that the driver, the loader and the optimizer ask every family for.
#[derive(Clone, Debug)]
pub struct CommonSlots {
    /// The word embeddings (V, E).
    pub words: SlotId,
    /// Every embedding table, the word embeddings first.
    pub tables: Vec<SlotId>,
    /// Weights whose product is added to the hidden states and that start smaller than the others.
    pub residual: Vec<SlotId>,
    /// The norm after the last layer, for a family that has one.
    pub final_norm: Option<Affine>,
}

/// A table of slots that grows. It is the one list of names, shapes, weight decay and order in memory.
#[derive(Debug, Default)]
pub struct SlotTable {
    /// The slots so far, in memory order.
    pub slots: Vec<Slot>,
    /// The stage of backward that the next slots belong to: 0 is the embeddings, i + 1 is layer i.
    pub stage: usize,
}

impl SlotTable {
    /// Adds one parameter. A `sparse` one is an embedding table of which a batch reads few rows.
    pub fn add(&mut self, name: String, shape: Vec<usize>, decays: bool, sparse: bool) -> SlotId {
        let offset = self.slots.last().map_or(0, |slot| slot.offset + slot.room());
        let stage = self.stage;
        self.slots.push(Slot { name, shape, offset, stage, decays, sparse, frozen: false });
        SlotId(self.slots.len() - 1)
    }

    /// Adds a linear layer: a weight (outputs, inputs) and perhaps a bias (outputs).
    pub fn linear(&mut self, name: &str, outputs: usize, inputs: usize, biased: bool) -> Affine {
        self.affine(name, vec![outputs, inputs], true, biased)
    }

    /// Adds a layer norm: a gain (width) and perhaps a bias (width).
    pub fn norm(&mut self, name: &str, width: usize, biased: bool) -> Affine {
        self.affine(name, vec![width], false, biased)
    }

    /// Adds a weight of this shape and perhaps a bias as long as its first dimension.
    pub fn affine(&mut self, name: &str, shape: Vec<usize>, decays: bool, biased: bool) -> Affine {
        let outputs = shape[0];
        let weight = self.add(format!("{name}.weight"), shape, decays, false);
        if biased {
            self.add(format!("{name}.bias"), vec![outputs], false, false);
        }
        Affine { weight, biased }
    }

    /// Adds square matrices side by side, then their biases, so that one product computes them all. Returns the first
    /// weight and the first bias.
    pub fn side_by_side(&mut self, name: &str, parts: &[&str], hidden: usize) -> (SlotId, SlotId) {
        let (weight, bias) = (SlotId(self.slots.len()), SlotId(self.slots.len() + parts.len()));
        for part in parts {
            self.add(format!("{name}{part}.weight"), vec![hidden, hidden], true, false);
        }
        for part in parts {
            self.add(format!("{name}{part}.bias"), vec![hidden], false, false);
        }
        (weight, bias)
    }
}

/// Returns the slot after `id`: a weight's bias.
pub fn next(id: SlotId) -> SlotId {
    SlotId(id.0 + 1)
}
