//! The optimizer's moments of all parameters but tables.

use crate::memory::values::{Values, View, ViewMut};
use crate::params::{Params, SlotId};
use std::ops::Range;

/// AdamW's two moments of every parameter that learns. Tables have theirs elsewhere: see
/// [`Deferred`](crate::op::deferred::Deferred).
#[derive(Clone, Debug)]
pub struct Moments {
    /// Where the moments of each slot begin, in the order of the slots, and their end. Frozen slots and tables take no room.
    offsets: Vec<usize>,
    /// First moments (`exp_avg`).
    first: Values,
    /// Second moments (`exp_avg_sq`).
    second: Values,
}

impl Moments {
    /// Makes moments of zeros, where the parameters lie.
    pub fn new(params: &Params) -> Moments {
        let mut offsets = vec![0];
        for (number, slot) in params.slots.iter().enumerate() {
            let room = if slot.frozen { 0 } else { params.room(SlotId(number)) };
            offsets.push(offsets[number] + room);
        }
        let (device, len) = (params.device(), offsets[offsets.len() - 1]);
        Moments { offsets, first: Values::zeros(&device, len), second: Values::zeros(&device, len) }
    }

    /// Makes all of them 0.
    pub fn clear(&mut self) {
        for moments in [&mut self.first, &mut self.second] {
            moments.view_mut(0..moments.len()).clear();
        }
    }

    /// Returns first and second moments of a slot.
    pub fn of(&self, id: SlotId) -> [View<'_>; 2] {
        let range = self.range(id);
        [self.first.view(range.clone()), self.second.view(range)]
    }

    /// Returns first and second moments of a slot, to write.
    pub fn of_mut(&mut self, id: SlotId) -> [ViewMut<'_>; 2] {
        let range = self.range(id);
        [self.first.view_mut(range.clone()), self.second.view_mut(range)]
    }

    /// Returns first and second moments of each slot, to write, in the order of the slots.
    pub fn each_mut(&mut self) -> impl Iterator<Item = [ViewMut<'_>; 2]> {
        let len = self.first.len();
        let mut rest = Some([self.first.view_mut(0..len), self.second.view_mut(0..len)]);
        self.offsets.windows(2).map(move |range| {
            let [first, second] = rest.take().expect("each call leaves the rest");
            let (first, first_rest) = first.split_at(range[1] - range[0]);
            let (second, second_rest) = second.split_at(range[1] - range[0]);
            rest = Some([first_rest, second_rest]);
            [first, second]
        })
    }

    fn range(&self, id: SlotId) -> Range<usize> {
        self.offsets[id.0]..self.offsets[id.0 + 1]
    }

    /// Returns the bytes that are held.
    pub fn bytes(&self) -> usize {
        size_of::<f32>() * (self.first.len() + self.second.len())
    }
}
