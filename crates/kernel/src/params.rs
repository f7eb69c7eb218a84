//! All dense parameters in one buffer, addressed by slot; all their gradients in another.

use crate::floats::Floats;
use crate::op::embedding::RowGradients;
use crate::table::{Origin, Table};
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
    fn read(&self, _first: usize, out: &mut [f32]) {
        out.fill(0.0);
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

    /// A copy of one parameter, whichever it is.
    pub fn copy(&self, id: SlotId) -> Vec<f32> {
        match &self.tables[id.0] {
            Some(table) => table.blocks().flatten().collect(),
            None => self.get(id).to_vec(),
        }
    }

    /// A copy of all numbers, in the order of the slots.
    pub fn to_vec(&self) -> Vec<f32> {
        (0..self.slots.len()).flat_map(|number| self.copy(SlotId(number))).collect()
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

/// Runs the stages of a backward pass one after the other. Between two of them others may look at what was written.
pub trait Stages {
    /// Runs one.
    fn run(&mut self, stage: &mut dyn FnMut(&mut Grads));
}

impl dyn Stages + '_ {
    /// Runs one that returns something.
    pub fn stage<T>(&mut self, stage: impl FnOnce(&mut Grads) -> T) -> T {
        let (mut stage, mut result) = (Some(stage), None);
        self.run(&mut |grads| result = stage.take().map(|stage| stage(grads)));
        result.expect("a stage runs, and once")
    }
}

/// Nobody looks.
impl Stages for Grads {
    fn run(&mut self, stage: &mut dyn FnMut(&mut Grads)) {
        stage(self);
    }
}

/// A step's gradients. A slot that was not written this step holds anything; writing it first overwrites.
#[derive(Debug)]
pub struct Grads {
    values: Floats,
    offsets: Vec<usize>,
    written: Vec<bool>,
    /// How often each slot was written since that was last forgotten.
    writes: Vec<u32>,
    frozen: Vec<bool>,
    sparse: Vec<Option<RowGradients>>,
}

impl Grads {
    /// Room for the gradients of `params`; sparse slots take none.
    pub fn new(params: &Params) -> Grads {
        let mut offsets = vec![0];
        for slot in &params.slots {
            offsets.push(offsets[offsets.len() - 1] + slot.room());
        }
        let sparse = params.slots.iter().map(|slot| (slot.sparse && !slot.frozen).then(RowGradients::default));
        Grads {
            values: Floats::zeros(offsets[offsets.len() - 1]),
            written: vec![false; params.slots.len()],
            writes: vec![0; params.slots.len()],
            frozen: params.slots.iter().map(|slot| slot.frozen).collect(),
            sparse: sparse.collect(),
            offsets,
        }
    }

    /// Forgets what was written.
    pub fn clear(&mut self) {
        self.written.fill(false);
        self.sparse.iter_mut().flatten().for_each(RowGradients::clear);
    }

    /// Several slots side by side, as one: where to write, and whether to add to what is there. `None` if all of
    /// them are frozen; a frozen one beside others is written and not used.
    ///
    /// # Panics
    /// If some were written and some were not.
    pub fn span(&mut self, first: SlotId, count: usize) -> (Option<&mut [f32]>, bool) {
        let (range, accumulates) = self.mark(first, count);
        (range.map(|range| &mut self.values[range]), accumulates)
    }

    /// Two spans at once, the first before the second.
    #[allow(clippy::type_complexity)]
    pub fn two_spans(
        &mut self,
        (a, a_count): (SlotId, usize),
        (b, b_count): (SlotId, usize),
    ) -> ((Option<&mut [f32]>, bool), (Option<&mut [f32]>, bool)) {
        assert!(a.0 + a_count <= b.0, "grads: the first span comes first");
        let (a_range, a_accumulates) = self.mark(a, a_count);
        let (b_range, b_accumulates) = self.mark(b, b_count);
        let (low, high) = self.values.split_at_mut(self.offsets[b.0]);
        let one = a_range.map(|range| &mut low[range]);
        let two = b_range.map(|range| &mut high[..range.len()]);
        ((one, a_accumulates), (two, b_accumulates))
    }

    fn mark(&mut self, first: SlotId, count: usize) -> (Option<Range<usize>>, bool) {
        let slots = first.0..first.0 + count;
        let accumulates = self.written[first.0];
        assert!(
            self.written[slots.clone()].iter().all(|&mark| mark == accumulates),
            "grads: slots of one span are written together"
        );
        self.written[slots.clone()].fill(true);
        self.writes[slots.clone()].iter_mut().for_each(|writes| *writes += 1);
        let learns = self.frozen[slots.clone()].contains(&false);
        (learns.then_some(self.offsets[slots.start]..self.offsets[slots.end]), accumulates)
    }

    /// A sparse slot's rows, to add to; `None` if frozen.
    pub fn rows(&mut self, id: SlotId) -> Option<&mut RowGradients> {
        self.written[id.0] = true;
        self.sparse[id.0].as_mut()
    }

    /// How often each slot was written since the last call: what a backward pass writes as often as ever is complete.
    pub fn take_writes(&mut self) -> Vec<u32> {
        let none = vec![0; self.writes.len()];
        std::mem::replace(&mut self.writes, none)
    }

    /// How often each slot was written since [`Grads::take_writes`].
    pub fn writes(&self) -> &[u32] {
        &self.writes
    }

    /// A dense slot's gradient, to be replaced as a whole by what all ranks' together are. Where nothing was written
    /// it is 0.
    ///
    /// # Panics
    /// If the slot is sparse.
    pub fn dense_mut(&mut self, id: SlotId) -> &mut [f32] {
        assert!(self.sparse[id.0].is_none(), "grads: a table's gradients are rows");
        let values = &mut self.values[self.offsets[id.0]..self.offsets[id.0 + 1]];
        if !std::mem::replace(&mut self.written[id.0], true) {
            values.fill(0.0);
        }
        values
    }

    /// A dense slot's gradient, `None` if it is sparse or frozen.
    ///
    /// # Panics
    /// If nothing was written to it: a parameter that training does not reach is our mistake.
    pub fn dense(&self, params: &Params, id: SlotId) -> Option<&[f32]> {
        if self.frozen[id.0] || self.sparse[id.0].is_some() {
            return None;
        }
        let range = self.offsets[id.0]..self.offsets[id.0 + 1];
        assert!(self.written[id.0], "grads: nothing wrote the gradient of `{}`", params.slots[id.0].name);
        Some(&self.values[range])
    }

    /// A copy of the gradient of one parameter as a whole, rows that have none as zeros; `None` if it is frozen.
    pub fn copy(&self, params: &Params, id: SlotId) -> Option<Vec<f32>> {
        let Some(rows) = self.sparse(id) else { return self.dense(params, id).map(<[f32]>::to_vec) };
        let slot = &params.slots[id.0];
        let mut table = vec![0.0; slot.len()];
        for (&row, values) in rows.rows.iter().zip(rows.values.chunks_exact(slot.shape[1])) {
            table[row as usize * slot.shape[1]..][..slot.shape[1]].copy_from_slice(values);
        }
        Some(table)
    }

    /// A sparse slot's rows, `None` if it is dense or frozen.
    pub fn sparse(&self, id: SlotId) -> Option<&RowGradients> {
        self.sparse[id.0].as_ref()
    }
}

/// AdamW's two moments of every parameter that learns, but for sparse ones.
#[derive(Clone, Debug)]
pub struct Moments {
    /// First moments (`exp_avg`), in the order of the slots; frozen and sparse ones take no room.
    pub first: Floats,
    /// Second moments (`exp_avg_sq`).
    pub second: Floats,
}

impl Moments {
    /// Zeros.
    pub fn new(params: &Params) -> Moments {
        let len = params.slots.iter().filter(|slot| !slot.frozen).map(Slot::room).sum();
        Moments { first: Floats::zeros(len), second: Floats::zeros(len) }
    }
}
