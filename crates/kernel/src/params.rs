//! All parameters in one buffer, addressed by slot; all gradients in another.

use crate::op::embedding::RowGradients;
use std::ops::Range;

/// One parameter's place and treatment. The table of slots drives sizes, file keys, decay groups and gradients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The name in the checkpoint.
    pub name: String,
    /// Its shape, outermost first.
    pub shape: Vec<usize>,
    /// Where it begins in the buffer.
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
}

/// A parameter's number in the table of slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotId(pub usize);

/// A model's parameters.
#[derive(Clone, Debug)]
pub struct Params {
    /// The table, in the order of the buffer.
    pub slots: Vec<Slot>,
    values: Vec<f32>,
}

impl Params {
    /// Zeros for every slot.
    ///
    /// # Panics
    /// If a slot does not begin where the one before it ends.
    pub fn zeros(slots: Vec<Slot>) -> Params {
        let mut end = 0;
        for slot in &slots {
            assert_eq!(slot.offset, end, "params: `{}` begins elsewhere", slot.name);
            end += slot.len();
        }
        Params { slots, values: vec![0.0; end] }
    }

    /// One parameter.
    pub fn get(&self, id: SlotId) -> &[f32] {
        let slot = &self.slots[id.0];
        &self.values[slot.offset..][..slot.len()]
    }

    /// One parameter, to write.
    pub fn get_mut(&mut self, id: SlotId) -> &mut [f32] {
        let slot = &self.slots[id.0];
        &mut self.values[slot.offset..][..slot.len()]
    }

    /// Every parameter, to write, in the order of the slots.
    pub fn each_mut(&mut self) -> impl Iterator<Item = (&Slot, &mut [f32])> {
        let mut rest = &mut self.values[..];
        self.slots.iter().map(move |slot| {
            let (values, after) = std::mem::take(&mut rest).split_at_mut(slot.len());
            rest = after;
            (slot, values)
        })
    }

    /// Several parameters that lie side by side, as one.
    pub fn span(&self, first: SlotId, count: usize) -> &[f32] {
        let last = &self.slots[first.0 + count - 1];
        &self.values[self.slots[first.0].offset..last.offset + last.len()]
    }

    /// All numbers, in the order of the slots.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// How many numbers there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

/// A step's gradients. A slot that was not written this step holds anything; writing it first overwrites.
#[derive(Debug)]
pub struct Grads {
    values: Vec<f32>,
    offsets: Vec<usize>,
    written: Vec<bool>,
    frozen: Vec<bool>,
    sparse: Vec<Option<RowGradients>>,
}

impl Grads {
    /// Room for the gradients of `params`; sparse slots take none.
    pub fn new(params: &Params) -> Grads {
        let mut offsets = vec![0];
        for slot in &params.slots {
            let room = if slot.sparse { 0 } else { slot.len() };
            offsets.push(offsets[offsets.len() - 1] + room);
        }
        let sparse = params.slots.iter().map(|slot| (slot.sparse && !slot.frozen).then(RowGradients::default));
        Grads {
            values: vec![0.0; offsets[offsets.len() - 1]],
            written: vec![false; params.slots.len()],
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
        let learns = self.frozen[slots.clone()].contains(&false);
        (learns.then_some(self.offsets[slots.start]..self.offsets[slots.end]), accumulates)
    }

    /// A sparse slot's rows, to add to; `None` if frozen.
    pub fn rows(&mut self, id: SlotId) -> Option<&mut RowGradients> {
        self.written[id.0] = true;
        self.sparse[id.0].as_mut()
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

    /// A sparse slot's rows, `None` if it is dense or frozen.
    pub fn sparse(&self, id: SlotId) -> Option<&RowGradients> {
        self.sparse[id.0].as_ref()
    }
}

/// AdamW's two moments of every parameter that learns, but for sparse ones.
#[derive(Clone, Debug)]
pub struct Moments {
    /// First moments (`exp_avg`), in the order of the slots; frozen and sparse ones take no room.
    pub first: Vec<f32>,
    /// Second moments (`exp_avg_sq`).
    pub second: Vec<f32>,
}

impl Moments {
    /// Zeros.
    pub fn new(params: &Params) -> Moments {
        let len = params.slots.iter().filter(|slot| !slot.frozen && !slot.sparse).map(Slot::len).sum();
        Moments { first: vec![0.0; len], second: vec![0.0; len] }
    }
}
