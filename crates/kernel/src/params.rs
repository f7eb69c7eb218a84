//! All dense parameters in one buffer, addressed by slot; all their gradients in another.

pub mod grads;
pub mod moments;
pub mod row_gradients;
pub mod table;

use crate::memory::floats::Floats;
use crate::params::table::{Origin, Table, UnreadableRows};
pub use grads::{GradSlot, Grads, Stages};
pub use moments::Moments;
use std::ops::Range;
use std::sync::Arc;

/// One parameter's place and treatment. The table of slots drives sizes, file keys, decay groups and gradients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The name in the checkpoint.
    pub name: String,
    /// Its shape, outermost first.
    pub shape: Vec<usize>,
    /// Where it begins in the buffer of dense ones; a sparse one has no place there.
    pub offset: usize,
    /// The stage of backward that writes its gradient, counted from the input. Backward stops at the lowest stage that
    /// learns.
    pub stage: usize,
    /// Whether weight decay applies.
    pub decays: bool,
    /// Whether it is an embedding table: few rows of it have a gradient in a step.
    pub sparse: bool,
    /// Whether training leaves it as it is.
    pub frozen: bool,
}

impl Slot {
    /// How many numbers it has.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many of them stand in the buffer of dense ones.
    pub fn room(&self) -> usize {
        if self.sparse { 0 } else { self.len() }
    }
}

/// A parameter's number in the table of slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotId(pub usize);

/// A model's parameters: dense ones in one buffer, each sparse one in a table.
#[derive(Clone, Debug)]
pub struct Params {
    /// The table of slots, in the order of the buffer.
    pub slots: Vec<Slot>,
    values: Floats,
    tables: Vec<Option<Table>>,
}

/// The origin of a table of zeros.
#[derive(Debug)]
struct Zeros;

impl Origin for Zeros {
    fn read(&self, _first: usize, out: &mut [f32]) -> Result<(), UnreadableRows> {
        out.fill(0.0);
        Ok(())
    }
}

impl Params {
    /// Zeros for every slot.
    ///
    /// # Panics
    /// If a slot does not begin where the one before it ends, or a sparse one is no matrix.
    pub fn zeros(slots: Vec<Slot>) -> Params {
        let mut end = 0;
        let mut tables = Vec::with_capacity(slots.len());
        for slot in &slots {
            assert_eq!(slot.offset, end, "params: `{}` begins elsewhere", slot.name);
            end += slot.room();
            tables.push(slot.sparse.then(|| {
                assert_eq!(slot.shape.len(), 2, "params: the table `{}` is a matrix", slot.name);
                Table::new(slot.shape[0], slot.shape[1], Arc::new(Zeros))
            }));
        }
        Params { slots, values: Floats::zeros(end), tables }
    }

    /// One dense parameter.
    pub fn get(&self, id: SlotId) -> &[f32] {
        &self.values[self.dense(id)]
    }

    /// One dense parameter, to write.
    pub fn get_mut(&mut self, id: SlotId) -> &mut [f32] {
        let range = self.dense(id);
        &mut self.values[range]
    }

    fn dense(&self, id: SlotId) -> Range<usize> {
        let slot = &self.slots[id.0];
        assert!(!slot.sparse, "params: `{}` is a table", slot.name);
        slot.offset..slot.offset + slot.len()
    }

    /// One sparse parameter.
    pub fn table(&self, id: SlotId) -> &Table {
        self.tables[id.0].as_ref().unwrap_or_else(|| panic!("params: `{}` is no table", self.slots[id.0].name))
    }

    /// One sparse parameter, to change.
    pub fn table_mut(&mut self, id: SlotId) -> &mut Table {
        self.tables[id.0].as_mut().unwrap_or_else(|| panic!("params: `{}` is no table", self.slots[id.0].name))
    }

    /// Every dense parameter, to write, with its slot.
    pub fn each_dense_mut(&mut self) -> impl Iterator<Item = (&Slot, &mut [f32])> {
        let mut rest = &mut self.values[..];
        self.slots.iter().filter(|slot| !slot.sparse).map(move |slot| {
            let (values, after) = std::mem::take(&mut rest).split_at_mut(slot.len());
            rest = after;
            (slot, values)
        })
    }

    /// Returns a copy of one parameter, dense or sparse.
    ///
    /// # Errors
    /// Rows of a table that cannot be read from their origin.
    pub fn copy(&self, id: SlotId) -> Result<Vec<f32>, UnreadableRows> {
        match &self.tables[id.0] {
            Some(table) => Ok(table.blocks().collect::<Result<Vec<_>, _>>()?.concat()),
            None => Ok(self.get(id).to_vec()),
        }
    }

    /// Returns a copy of all numbers, in the order of the slots.
    ///
    /// # Errors
    /// Rows of a table that cannot be read from their origin.
    pub fn to_vec(&self) -> Result<Vec<f32>, UnreadableRows> {
        let copies: Result<Vec<_>, _> = (0..self.slots.len()).map(|number| self.copy(SlotId(number))).collect();
        Ok(copies?.concat())
    }

    /// Several parameters that lie side by side, as one.
    pub fn span(&self, first: SlotId, count: usize) -> &[f32] {
        let last = &self.slots[first.0 + count - 1];
        &self.values[self.slots[first.0].offset..last.offset + last.len()]
    }

    /// How many numbers there are.
    pub fn len(&self) -> usize {
        self.slots.iter().map(Slot::len).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        size_of_val(&self.values[..]) + self.tables.iter().flatten().map(Table::bytes).sum::<usize>()
    }
}
