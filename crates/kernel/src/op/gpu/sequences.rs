//! Sequences on a GPU: what kernels read instead of looking for boundaries.

use super::integers;
use tagsmith_device::gpu::{Gpu, Room};
use tagsmith_device::kernels::attention::tiles;

/// Boundaries, tiles and positions, in one room.
#[derive(Debug)]
pub struct Sequences {
    room: Room,
    /// Number of sequences.
    pub count: usize,
    /// Number of tiles of attention.
    pub tile_count: usize,
}

impl Sequences {
    /// Copies sequences to a GPU.
    pub fn new(gpu: &Gpu, starts: &[u32]) -> Sequences {
        let (count, mut all) = (starts.len() - 1, tiles(starts));
        let tile_count = all.len() / 3;
        all.extend(starts.iter().copied().map(u32::cast_signed));
        all.extend(starts.windows(2).flat_map(|bounds| (0..bounds[1] - bounds[0]).map(u32::cast_signed)));
        Sequences { room: integers(gpu, &all), count, tile_count }
    }

    /// Returns where the tiles of attention lie: see [`tiles`].
    pub fn tiles(&self) -> u64 {
        self.room.address()
    }

    /// Returns where the boundaries lie.
    pub fn starts(&self) -> u64 {
        self.at(3 * self.tile_count)
    }

    /// Returns where the position of each row in its sequence lies.
    pub fn positions(&self) -> u64 {
        self.at(3 * self.tile_count + self.count + 1)
    }

    fn at(&self, integers: usize) -> u64 {
        self.room.address() + size_of::<i32>() as u64 * integers as u64
    }
}
