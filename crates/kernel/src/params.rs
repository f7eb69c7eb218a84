//! All dense parameters in one buffer, addressed by slot; all their gradients in another.

pub mod table;

use crate::memory::floats::Floats;
use crate::op::embedding::RowGradients;
use crate::params::table::{Origin, Table};
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
    /// Slots whose gradients somebody else has: see [`Grads::lend`].
    lent: Vec<bool>,
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
            lent: vec![false; params.slots.len()],
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
        (range.map(|range| self.part(range)), accumulates)
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
        let one = a_range.map(|range| std::ptr::from_mut(self.part(range)));
        let two = b_range.map(|range| self.part(range));
        // SAFETY: the first span ends before the second begins, and both are borrowed as long as `self` is.
        let one = one.map(|one| unsafe { &mut *one });
        ((one, a_accumulates), (two, b_accumulates))
    }

    /// Part of the buffer, of slots that are not lent.
    fn part(&mut self, range: Range<usize>) -> &mut [f32] {
        assert!(range.start <= range.end && range.end <= self.values.len(), "grads: {range:?} is outside");
        // SAFETY: inside the buffer. Whoever asks has looked that no slot in it is lent.
        unsafe { std::slice::from_raw_parts_mut(self.values.pointer().add(range.start), range.len()) }
    }

    /// Runs `work`, which has the gradients of these spans of slots, each as one, and may write those of all others
    /// meanwhile. Where nothing was written they are 0.
    ///
    /// # Panics
    /// If a slot is in two spans, or `work` asks for one of them.
    pub fn lend<T>(
        &mut self,
        spans: &[Range<usize>],
        work: impl for<'l> FnOnce(Vec<&'l mut [f32]>, &'l mut Grads) -> T,
    ) -> T {
        for slot in spans.iter().cloned().flatten() {
            assert!(self.sparse[slot].is_none(), "grads: a table's gradients are rows");
            assert!(!self.lent[slot], "grads: slot {slot} is lent");
            if !std::mem::replace(&mut self.written[slot], true) {
                self.part(self.offsets[slot]..self.offsets[slot + 1]).fill(0.0);
            }
            self.lent[slot] = true;
        }
        let lend = |slots: &Range<usize>| {
            let range = self.offsets[slots.start]..self.offsets[slots.end];
            // SAFETY: inside the buffer. Each slot is in one span, and until `work` ends `self` gives none of them
            // to anybody else.
            unsafe { std::slice::from_raw_parts_mut(self.values.pointer().add(range.start), range.len()) }
        };
        let lent = spans.iter().map(lend).collect();
        let value = work(lent, self);
        spans.iter().cloned().flatten().for_each(|slot| self.lent[slot] = false);
        value
    }

    fn mark(&mut self, first: SlotId, count: usize) -> (Option<Range<usize>>, bool) {
        let slots = first.0..first.0 + count;
        assert!(!self.lent[slots.clone()].contains(&true), "grads: slots {slots:?} are lent");
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

    /// A dense slot's gradient, `None` if it is sparse or frozen.
    ///
    /// # Panics
    /// If nothing was written to it: a parameter that training does not reach is our mistake.
    pub fn dense(&self, params: &Params, id: SlotId) -> Option<&[f32]> {
        if self.frozen[id.0] || self.sparse[id.0].is_some() {
            return None;
        }
        let range = self.offsets[id.0]..self.offsets[id.0 + 1];
        assert!(!self.lent[id.0], "grads: slot {} is lent", id.0);
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::slice::from_ref;

    fn grads() -> (Params, Grads) {
        let slot = |number: usize| Slot {
            name: format!("slot {number}"),
            shape: vec![20],
            offset: 20 * number,
            decays: false,
            sparse: false,
            frozen: false,
        };
        let params = Params::zeros((0..4).map(slot).collect());
        let grads = Grads::new(&params);
        (params, grads)
    }

    #[test]
    fn what_is_lent_is_whole_and_comes_back() {
        let (params, mut grads) = grads();
        grads.span(SlotId(1), 1).0.unwrap().fill(1.0);
        grads.lend(&[1..3, 0..1], |mut lent, grads| {
            // What was not written is 0.
            assert!(lent[0][..20] == [1.0; 20] && lent[0][20..] == [0.0; 20] && lent[1] == [0.0; 20]);
            lent[0].fill(2.0);
            grads.span(SlotId(3), 1).0.unwrap().fill(3.0);
        });
        let values = |slot| grads.dense(&params, SlotId(slot)).unwrap()[19];
        assert_eq!([0, 1, 2, 3].map(values), [0.0, 2.0, 2.0, 3.0]);
        assert_eq!(grads.two_spans((SlotId(0), 2), (SlotId(3), 1)).0.0.map(|span| span.len()), Some(40));
    }

    #[test]
    fn nobody_else_gets_what_is_lent() {
        type Asks = fn(&Params, &mut Grads);
        let asks: [Asks; 4] = [
            |_, grads| _ = grads.span(SlotId(0), 2),
            |_, grads| _ = grads.two_spans((SlotId(0), 1), (SlotId(1), 1)),
            |params, grads| _ = grads.dense(params, SlotId(1)),
            |_, grads| grads.lend(from_ref(&(1..2)), |_, _| ()),
        ];
        for ask in asks {
            let (params, mut grads) = grads();
            let asked = || grads.lend(from_ref(&(1..2)), |_, grads| ask(&params, grads));
            assert!(catch_unwind(AssertUnwindSafe(asked)).is_err());
        }
        let (_, mut grads) = grads();
        assert!(catch_unwind(AssertUnwindSafe(|| grads.lend(&[0..2, 1..2], |_, _| ()))).is_err());
    }
}
