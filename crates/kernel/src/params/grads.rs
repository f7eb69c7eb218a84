//! All gradients of a step in one buffer, addressed by slot.

use crate::device::Error;
use crate::memory::values::{Values, View, ViewMut};
use crate::params::row_gradients::RowGradients;
use crate::params::{Params, Slot, SlotId};
use std::ops::Range;

/// One parameter's gradient buffer.
#[derive(Debug)]
pub enum GradSlot<'a> {
    /// The buffer holds unspecified values: overwrite it.
    Overwrite(ViewMut<'a>),
    /// The buffer holds a partial sum: add to it.
    Add(ViewMut<'a>),
}

impl<'a> GradSlot<'a> {
    fn new(buffer: ViewMut<'a>, holds_sum: bool) -> GradSlot<'a> {
        if holds_sum { GradSlot::Add(buffer) } else { GradSlot::Overwrite(buffer) }
    }

    /// Returns the buffer, and whether it holds a sum to add to.
    pub fn into_parts(self) -> (ViewMut<'a>, bool) {
        match self {
            GradSlot::Overwrite(buffer) => (buffer, false),
            GradSlot::Add(buffer) => (buffer, true),
        }
    }

    /// Returns how many numbers the gradient has.
    fn len(&self) -> usize {
        let (GradSlot::Overwrite(buffer) | GradSlot::Add(buffer)) = self;
        buffer.len()
    }

    /// Returns the processor's buffer, and whether it holds a sum to add to.
    ///
    /// # Panics
    /// If the gradients lie on a device.
    pub(crate) fn into_host(self) -> (&'a mut [f32], bool) {
        let (buffer, holds_sum) = self.into_parts();
        (buffer.into_host(), holds_sum)
    }

    /// Splits the slot of two parameters that lie side by side; the second begins at element `middle`.
    pub fn split_at(self, middle: usize) -> (GradSlot<'a>, GradSlot<'a>) {
        let (buffer, holds_sum) = self.into_parts();
        let (first, second) = buffer.split_at(middle);
        (GradSlot::new(first, holds_sum), GradSlot::new(second, holds_sum))
    }

    /// Writes or adds a gradient that was computed elsewhere.
    ///
    /// # Panics
    /// If it has another length.
    pub fn put(self, gradient: View) {
        assert_eq!(self.len(), gradient.len(), "grads: a gradient of another length");
        match self {
            GradSlot::Overwrite(buffer) => buffer.copy_from(gradient),
            GradSlot::Add(buffer) => buffer.add(gradient),
        }
    }
}

/// The gradient of an embedding table, to add to.
#[derive(Debug)]
pub enum TableGradient<'a> {
    /// The rows that were read, of a table on the processor.
    Rows(&'a mut RowGradients),
    /// All rows, of a dense table.
    Whole(GradSlot<'a>),
    /// All rows, of a table on a device. Who writes them keeps the list of rows.
    OnDevice(GradSlot<'a>, &'a mut NonzeroRows),
}

/// The rows outside of which a table's gradient holds zeros. `None`: it may hold anything.
pub type NonzeroRows = Option<Vec<u32>>;

impl<'a> From<GradSlot<'a>> for TableGradient<'a> {
    fn from(slot: GradSlot<'a>) -> TableGradient<'a> {
        TableGradient::Whole(slot)
    }
}

/// Runs the stages of a backward pass, one after the other. Between two stages, others may look at what was written.
pub trait Stages {
    /// Runs one stage.
    fn run(&mut self, stage: &mut dyn FnMut(&mut Grads));
}

impl dyn Stages + '_ {
    /// Runs one stage that returns something.
    pub fn stage<T>(&mut self, stage: impl FnOnce(&mut Grads) -> T) -> T {
        let (mut stage, mut result) = (Some(stage), None);
        self.run(&mut |grads| result = stage.take().map(|stage| stage(grads)));
        result.expect("a stage runs, and once")
    }
}

/// Runs the stages, between which nobody looks.
impl Stages for Grads {
    fn run(&mut self, stage: &mut dyn FnMut(&mut Grads)) {
        stage(self);
    }
}

/// Gradients of a step. A slot that was not written in this step holds unspecified values.
#[derive(Debug)]
pub struct Grads {
    values: Values,
    offsets: Vec<usize>,
    written: Vec<bool>,
    /// Number of writes of each slot since [`Grads::take_writes`].
    writes: Vec<u32>,
    frozen: Vec<bool>,
    /// Whether each slot is lent: see [`Grads::lend`].
    lent: Vec<bool>,
    sparse: Vec<Option<RowGradients>>,
    /// For each slot, the rows of a table on a device, also while nothing was written in this step.
    nonzero: Vec<NonzeroRows>,
}

impl Grads {
    /// Makes room for the gradients of `params`. Sparse slots take none before rows have a gradient.
    pub fn new(params: &Params) -> Grads {
        let mut offsets = vec![0];
        for number in 0..params.slots.len() {
            offsets.push(offsets[number] + params.room(SlotId(number)));
        }
        let learns = |(number, slot): (usize, &Slot)| params.is_table(SlotId(number)) && !slot.frozen;
        let sparse = params.slots.iter().enumerate().map(|slot| learns(slot).then(RowGradients::default));
        Grads {
            values: Values::zeros(&params.device(), offsets[offsets.len() - 1]),
            written: vec![false; params.slots.len()],
            writes: vec![0; params.slots.len()],
            frozen: params.slots.iter().map(|slot| slot.frozen).collect(),
            lent: vec![false; params.slots.len()],
            sparse: sparse.collect(),
            nonzero: vec![Some(Vec::new()); params.slots.len()],
            offsets,
        }
    }

    /// Forgets everything that was written.
    pub fn clear(&mut self) {
        self.written.fill(false);
        self.sparse.iter_mut().flatten().for_each(RowGradients::clear);
    }

    /// Returns the gradient buffer of `count` slots side by side, as one; `None` if all of them are frozen. A frozen slot
    /// beside others is written and not used.
    ///
    /// # Panics
    /// If some were written and some were not.
    pub fn span(&mut self, first: SlotId, count: usize) -> Option<GradSlot<'_>> {
        let (range, holds_sum) = self.mark(first, count);
        range.map(|range| GradSlot::new(self.part(range), holds_sum))
    }

    /// Returns two spans at once. The first lies before the second.
    ///
    /// # Panics
    /// As [`Grads::span`], and if the first does not lie before the second.
    pub fn two_spans(
        &mut self,
        (a, a_count): (SlotId, usize),
        (b, b_count): (SlotId, usize),
    ) -> [Option<GradSlot<'_>>; 2] {
        assert!(a.0 + a_count <= b.0, "grads: the first span comes first");
        let (a_range, a_holds_sum) = self.mark(a, a_count);
        let (b_range, b_holds_sum) = self.mark(b, b_count);
        // SAFETY: the first span ends before the second begins, and both are borrowed as long as `self` is.
        let mut part = |range| unsafe { self.values.detached(range) };
        let (one, two) = (a_range.map(&mut part), b_range.map(&mut part));
        [one.map(|one| GradSlot::new(one, a_holds_sum)), two.map(|two| GradSlot::new(two, b_holds_sum))]
    }

    /// Returns a part of the buffer whose slots are not lent.
    fn part(&mut self, range: Range<usize>) -> ViewMut<'_> {
        // SAFETY: `self` is borrowed as long as the part is. Whoever asks has looked that no slot in it is lent.
        unsafe { self.values.detached(range) }
    }

    /// Runs `work` with the gradients of these spans of slots, each as one. Meanwhile it may write those of all other
    /// slots. A slot that was not written is filled with zeros.
    ///
    /// # Panics
    /// If a slot is in two spans, or `work` asks for one of them.
    pub fn lend<T>(
        &mut self,
        spans: &[Range<usize>],
        work: impl for<'l> FnOnce(Vec<ViewMut<'l>>, &'l mut Grads) -> T,
    ) -> T {
        for slot in spans.iter().cloned().flatten() {
            assert!(self.sparse[slot].is_none(), "grads: a table's gradients are rows");
            assert!(!self.lent[slot], "grads: slot {slot} is lent");
            if !std::mem::replace(&mut self.written[slot], true) {
                self.part(self.offsets[slot]..self.offsets[slot + 1]).clear();
            }
            self.lent[slot] = true;
            self.nonzero[slot] = None;
        }
        let (offsets, values) = (&self.offsets, &mut self.values);
        let part = |slots: &Range<usize>| {
            // SAFETY: each slot is in one span, and until `work` ends `self` gives none of them to anybody else.
            unsafe { values.detached(offsets[slots.start]..offsets[slots.end]) }
        };
        let parts: Vec<ViewMut> = spans.iter().map(part).collect();
        let value = work(parts, self);
        spans.iter().cloned().flatten().for_each(|slot| self.lent[slot] = false);
        value
    }

    /// Counts a write of these slots. Returns their place in the buffer, unless all are frozen, and whether they hold sums.
    fn mark(&mut self, first: SlotId, count: usize) -> (Option<Range<usize>>, bool) {
        let slots = first.0..first.0 + count;
        assert!(!self.lent[slots.clone()].contains(&true), "grads: slots {slots:?} are lent");
        let holds_sum = self.written[first.0];
        assert!(
            self.written[slots.clone()].iter().all(|&mark| mark == holds_sum),
            "grads: slots of one span are written together"
        );
        self.written[slots.clone()].fill(true);
        self.nonzero[slots.clone()].fill(None);
        self.writes[slots.clone()].iter_mut().for_each(|writes| *writes += 1);
        let learns = self.frozen[slots.clone()].contains(&false);
        (learns.then_some(self.offsets[slots.start]..self.offsets[slots.end]), holds_sum)
    }

    /// Returns the gradient of an embedding table, to add to; `None` if it is frozen.
    pub fn table(&mut self, id: SlotId) -> Option<TableGradient<'_>> {
        if self.sparse[id.0].is_some() {
            return self.rows(id).map(TableGradient::Rows);
        }
        let nonzero = self.nonzero[id.0].take();
        let (range, holds_sum) = self.mark(id, 1);
        self.nonzero[id.0] = nonzero;
        // SAFETY: `self` is borrowed as long as the part is, and `mark` has looked that the slot is not lent.
        let slot = GradSlot::new(unsafe { self.values.detached(range?) }, holds_sum);
        Some(match self.values {
            Values::Host(_) => TableGradient::Whole(slot),
            Values::Device(..) => TableGradient::OnDevice(slot, &mut self.nonzero[id.0]),
        })
    }

    /// Returns the rows of a sparse slot, to add to; `None` if it is dense or frozen.
    pub fn rows(&mut self, id: SlotId) -> Option<&mut RowGradients> {
        self.written[id.0] = true;
        self.sparse[id.0].as_mut()
    }

    /// Returns how often each slot was written since the last call. A slot that a backward pass wrote as often as in the
    /// pass before is complete.
    pub fn take_writes(&mut self) -> Vec<u32> {
        let none = vec![0; self.writes.len()];
        std::mem::replace(&mut self.writes, none)
    }

    /// Returns how often each slot was written since [`Grads::take_writes`].
    pub fn writes(&self) -> &[u32] {
        &self.writes
    }

    /// Returns the gradient of a dense slot; `None` if the slot is sparse or frozen.
    ///
    /// # Panics
    /// If the slot was not written: a parameter that training does not reach is our mistake.
    pub fn dense(&self, params: &Params, id: SlotId) -> Option<View<'_>> {
        if self.frozen[id.0] || self.sparse[id.0].is_some() {
            return None;
        }
        let range = self.offsets[id.0]..self.offsets[id.0 + 1];
        assert!(!self.lent[id.0], "grads: slot {} is lent", id.0);
        assert!(self.written[id.0], "grads: nothing wrote the gradient of `{}`", params.slots[id.0].name);
        Some(self.values.view(range))
    }

    /// Returns a copy of a parameter's whole gradient; `None` if it is frozen. Rows without a gradient are zeros.
    ///
    /// # Errors
    /// The first error of the device that the gradients lie on.
    pub fn copy(&self, params: &Params, id: SlotId) -> Result<Option<Vec<f32>>, Error> {
        let Some(rows) = self.sparse(id) else { return self.dense(params, id).map(View::to_vec).transpose() };
        let slot = &params.slots[id.0];
        let mut table = vec![0.0; slot.len()];
        for (&row, values) in rows.rows.iter().zip(rows.values.chunks_exact(slot.shape[1])) {
            table[row as usize * slot.shape[1]..][..slot.shape[1]].copy_from_slice(values);
        }
        Ok(Some(table))
    }

    /// Returns the rows of a sparse slot; `None` if it is dense or frozen.
    pub fn sparse(&self, id: SlotId) -> Option<&RowGradients> {
        self.sparse[id.0].as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::Slot;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::slice::from_ref;

    fn grads() -> (Params, Grads) {
        let slot = |number: usize| Slot::dense(format!("slot {number}"), &[20], 20 * number);
        let params = Params::zeros((0..4).map(slot).collect());
        let grads = Grads::new(&params);
        (params, grads)
    }

    #[test]
    fn what_is_lent_is_whole_and_comes_back() {
        let (params, mut grads) = grads();
        grads.span(SlotId(1), 1).unwrap().put(View::Host(&[1.0; 20]));
        grads.lend(&[1..3, 0..1], |lent, grads| {
            let lent: Vec<&mut [f32]> = lent.into_iter().map(ViewMut::into_host).collect();
            // What was not written is 0.
            assert!(lent[0][..20] == [1.0; 20] && lent[0][20..] == [0.0; 20] && lent[1] == [0.0; 20]);
            lent.into_iter().next().expect("two are lent").fill(2.0);
            grads.span(SlotId(3), 1).unwrap().put(View::Host(&[3.0; 20]));
        });
        let values = |slot| grads.dense(&params, SlotId(slot)).unwrap().host()[19];
        assert_eq!([0, 1, 2, 3].map(values), [0.0, 2.0, 2.0, 3.0]);
        let spans = grads.two_spans((SlotId(0), 2), (SlotId(3), 1));
        let lengths = spans.map(|slot| match slot {
            Some(GradSlot::Add(buffer)) => buffer.len(),
            other => panic!("{other:?}"),
        });
        assert_eq!(lengths, [40, 20]);
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
