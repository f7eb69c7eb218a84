//! Parameters of a model, addressed by slot: dense ones in one buffer, sparse ones in tables.

pub mod grads;
pub mod moments;
pub mod row_gradients;
pub mod table;

use crate::cpu::product::operand::Precision;
use crate::device::{self, Device};
use crate::error::Error;
use crate::memory::values::{Values, View, ViewMut};
use crate::params::table::{Origin, Rows, Table, UnreadableRows};
pub use grads::{GradSlot, Grads, NonzeroRows, Stages, TableGradient};
pub use moments::Moments;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

/// Place and treatment of one parameter. The table of slots drives sizes, file keys, decay groups and gradients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Name in the checkpoint.
    pub name: String,
    /// Shape, outermost dimension first.
    pub shape: Vec<usize>,
    /// Offset in the buffer of dense parameters. A sparse one takes no room there.
    pub offset: usize,
    /// Stage of backward that writes the gradient, counted from the input. Backward stops at the lowest stage that
    /// learns.
    pub stage: usize,
    /// Whether weight decay applies.
    pub decays: bool,
    /// Whether the parameter is an embedding table, of which few rows have a gradient in a step. On the processor it then
    /// is a [`Table`]; on a device it is dense like all others.
    pub sparse: bool,
    /// Whether training leaves the parameter as it is.
    pub frozen: bool,
}

impl Slot {
    /// Returns a parameter of stage 0 that learns and does not decay, in the buffer of dense parameters.
    pub fn dense(name: impl Into<String>, shape: &[usize], offset: usize) -> Slot {
        let (name, shape) = (name.into(), shape.to_vec());
        Slot { name, shape, offset, stage: 0, decays: false, sparse: false, frozen: false }
    }

    /// Returns how many numbers the parameter has.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether the parameter has no numbers.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns how many numbers stand in the processor's buffer of dense parameters.
    pub fn room(&self) -> usize {
        if self.sparse { 0 } else { self.len() }
    }
}

/// Number of a parameter in the table of slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotId(pub usize);

/// A model's parameters: dense ones in one buffer, each sparse one in a table.
#[derive(Clone, Debug)]
pub struct Params {
    /// The table of slots, in the order of the buffer.
    pub slots: Vec<Slot>,
    values: Values,
    /// On a device, all numbers rounded to bf16, if products round their factors.
    rounded: Option<Values>,
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
    /// Makes parameters of zeros, one for each slot.
    ///
    /// # Panics
    /// If a slot does not begin where the one before it ends, or a sparse one is not a matrix.
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
        Params { slots, values: Values::zeros(&Device::Processor, end), rounded: None, tables }
    }

    /// Returns a copy of the parameters on a device, of the same slots. There, every parameter is dense: tables are whole.
    /// With bf16 a GPU holds the parameters rounded, too, and computes activations in bf16.
    ///
    /// # Errors
    /// Rows of a table that cannot be read from their origin; a device without enough memory.
    ///
    /// # Panics
    /// If these lie on a device.
    pub fn to(&self, device: &Device, precision: Precision) -> Result<Params, Error> {
        let mut slots = self.slots.clone();
        let mut end = 0;
        for slot in &mut slots {
            slot.offset = end;
            end += slot.len();
        }
        let mut values = Values::zeros(device, end);
        for (number, slot) in slots.iter().enumerate() {
            let mut at = slot.offset;
            let mut put = |part: &[f32]| {
                values.view_mut(at..at + part.len()).copy_from(View::Host(part));
                at += part.len();
            };
            match &self.tables[number] {
                Some(table) => table.blocks().try_for_each(|block| block.map(|block| put(&block)))?,
                None => put(self.get(SlotId(number)).host()),
            }
        }
        let rounded = match (device, precision) {
            (Device::Gpu(gpu), Precision::Bf16) => Some(values.rounded(gpu)),
            _ => None,
        };
        device.check()?;
        let tables = slots.iter().map(|_| None).collect();
        Ok(Params { slots, values, rounded, tables })
    }

    /// Makes the parameters ready to be read from files, which are read on the processor: those of a device become zeros
    /// there. Returns the device, for [`Params::end_reading`].
    pub fn begin_reading(&mut self) -> Device {
        let device = self.device();
        if let Device::Gpu(_) = device {
            let mut slots = self.slots.clone();
            let mut end = 0;
            for slot in &mut slots {
                slot.offset = end;
                end += slot.room();
            }
            *self = Params::zeros(slots);
        }
        device
    }

    /// Moves the parameters back to their device, after [`Params::begin_reading`].
    ///
    /// # Errors
    /// The errors of [`Params::to`].
    pub fn end_reading(&mut self, device: &Device, precision: Precision) -> Result<(), Error> {
        if let Device::Gpu(_) = device {
            *self = self.to(device, precision)?;
        }
        Ok(())
    }

    /// Returns where the parameters lie.
    pub fn device(&self) -> Device {
        self.values.device()
    }

    /// Returns a dense parameter.
    pub fn get(&self, id: SlotId) -> View<'_> {
        self.view(self.dense(id))
    }

    /// Returns whether a parameter is a table, of which rows come into memory when they are needed.
    pub fn is_table(&self, id: SlotId) -> bool {
        self.tables[id.0].is_some()
    }

    /// Returns how many numbers of a parameter stand in the buffer of dense ones.
    pub(crate) fn room(&self, id: SlotId) -> usize {
        if self.is_table(id) { 0 } else { self.slots[id.0].len() }
    }

    /// Returns a dense parameter, to write.
    ///
    /// # Panics
    /// If the parameters lie on a device.
    pub fn get_mut(&mut self, id: SlotId) -> &mut [f32] {
        let range = self.dense(id);
        &mut self.values.host_mut()[range]
    }

    fn dense(&self, id: SlotId) -> Range<usize> {
        let slot = &self.slots[id.0];
        assert!(!self.is_table(id), "params: `{}` is a table", slot.name);
        slot.offset..slot.offset + slot.len()
    }

    /// Returns an embedding table, dense or sparse, as an operation reads it.
    pub fn rows(&self, id: SlotId) -> Rows<'_> {
        self.tables[id.0].as_ref().map_or_else(|| Rows::Dense(self.get(id)), Rows::Table)
    }

    /// Brings these rows of an embedding table into memory. Those of a dense table are there.
    ///
    /// # Errors
    /// Rows that cannot be read from their origin.
    pub fn fetch(&self, id: SlotId, rows: &[u32]) -> Result<(), UnreadableRows> {
        self.tables[id.0].as_ref().map_or(Ok(()), |table| table.fetch(rows))
    }

    /// Returns a sparse parameter.
    pub fn table(&self, id: SlotId) -> &Table {
        self.tables[id.0].as_ref().unwrap_or_else(|| panic!("params: `{}` is not a table", self.slots[id.0].name))
    }

    /// Returns a sparse parameter, to change.
    pub fn table_mut(&mut self, id: SlotId) -> &mut Table {
        self.tables[id.0].as_mut().unwrap_or_else(|| panic!("params: `{}` is not a table", self.slots[id.0].name))
    }

    /// Returns every dense parameter, to write, with its number. Who writes one that a device holds rounded, too, rounds it
    /// anew.
    pub fn each_dense_mut(&mut self) -> impl Iterator<Item = (SlotId, ViewMut<'_>)> {
        let len = self.values.len();
        let mut rest = Some(self.values.view_mut(0..len).with_rounded(self.rounded.as_ref()));
        let dense = self.slots.iter().zip(&self.tables).enumerate().filter(|(_, (_, table))| table.is_none());
        dense.map(move |(number, (slot, _))| {
            let (values, after) = rest.take().expect("each call leaves the rest").split_at(slot.len());
            rest = Some(after);
            (SlotId(number), values)
        })
    }

    /// Returns a parameter in consecutive blocks, dense or sparse, wherever it lies.
    ///
    /// # Errors
    /// An item that is one: rows of a table that cannot be read from their origin, or the first error of the device.
    pub fn blocks(&self, id: SlotId) -> Box<dyn Iterator<Item = Result<Cow<'_, [f32]>, Error>> + '_> {
        match &self.tables[id.0] {
            Some(table) => Box::new(table.blocks().map(|block| Ok(Cow::Owned(block?)))),
            None => Box::new(std::iter::once_with(move || Ok(self.get(id).read()?))),
        }
    }

    /// Returns a copy of one parameter, dense or sparse, wherever it lies.
    ///
    /// # Errors
    /// Rows of a table that cannot be read from their origin; the first error of the device.
    pub fn copy(&self, id: SlotId) -> Result<Vec<f32>, Error> {
        Ok(self.blocks(id).collect::<Result<Vec<_>, _>>()?.concat())
    }

    /// Returns a copy of all numbers, in the order of the slots.
    ///
    /// # Errors
    /// The errors of [`Params::copy`].
    pub fn to_vec(&self) -> Result<Vec<f32>, Error> {
        let copies: Result<Vec<_>, _> = (0..self.slots.len()).map(|number| self.copy(SlotId(number))).collect();
        Ok(copies?.concat())
    }

    /// Returns the first parameter that holds an infinity or something that is not a number. Rows of tables that are still
    /// at their origin are not looked at.
    ///
    /// # Errors
    /// The first error of the device that the parameters lie on.
    pub fn first_not_finite(&self) -> Result<Option<SlotId>, device::Error> {
        let is_bad = |values: &[f32]| !values.iter().all(|value| value.is_finite());
        for id in (0..self.slots.len()).map(SlotId) {
            let holds = match &self.tables[id.0] {
                Some(table) => table.held().any(is_bad),
                None => is_bad(&self.get(id).read()?),
            };
            if holds {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// Returns `count` parameters that lie side by side, as one.
    pub fn span(&self, first: SlotId, count: usize) -> View<'_> {
        let last = &self.slots[first.0 + count - 1];
        self.view(self.slots[first.0].offset..last.offset + last.len())
    }

    fn view(&self, range: Range<usize>) -> View<'_> {
        self.values.view(range).with_rounded(self.rounded.as_ref())
    }

    /// Returns how many numbers there are.
    pub fn len(&self) -> usize {
        self.slots.iter().map(Slot::len).sum()
    }

    /// Whether there are no numbers.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the bytes that are held.
    pub fn bytes(&self) -> usize {
        let rounded = size_of::<u16>() * self.rounded.as_ref().map_or(0, Values::len);
        size_of::<f32>() * self.values.len() + rounded + self.tables.iter().flatten().map(Table::bytes).sum::<usize>()
    }
}
