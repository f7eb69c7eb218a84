//! Floats that travel between ranks, and the part of each rank.

use std::ops::Range;

/// Floats that travel while something else is computed. They are cut into a part for each rank:
/// [`World::part`](crate::World::part).
#[derive(Debug)]
pub enum Transfer<'a> {
    /// Each rank receives its part from every other rank.
    Exchange {
        /// The floats of this rank, whose own part stays.
        parts: &'a [f32],
        /// This rank's part as the other ranks have it, in their order.
        receive: &'a mut [f32],
    },
    /// Each rank's part goes to every other rank.
    Gather {
        /// All parts: this rank's is sent, and the others' are received.
        parts: &'a mut [f32],
    },
}

/// Floats in a cache line, which no two ranks' parts share.
const LINE: usize = 16;

/// Returns the part of one rank: all but the last have equally many floats, in whole cache lines.
pub(crate) fn part(len: usize, rank: usize, ranks: usize) -> Range<usize> {
    let size = len.div_ceil(ranks).next_multiple_of(LINE);
    (rank * size).min(len)..((rank + 1) * size).min(len)
}
