//! Attention that compares content with distances, on a GPU.

use super::attention::{self, Kept, Settings};
use super::integers;
use super::sequences::Sequences;
use crate::memory::tensor::Tensor;
use tagsmith_device::gpu::{Gpu, Room};
use tagsmith_device::kernels::plain_attention::{Distances, DistancesGradient, ranges};

/// Which row of a table each distance has, and which distances each row has.
#[derive(Debug)]
pub struct Places {
    rows: Room,
    ranges: Room,
    longest: usize,
}

impl Places {
    /// Copies the rows of a table of `count` rows, place by place, to a GPU.
    pub fn new(gpu: &Gpu, rows: &[u32], count: usize) -> Places {
        let signed: Vec<i32> = rows.iter().copied().map(u32::cast_signed).collect();
        let longest = rows.len().div_ceil(2);
        Places { rows: integers(gpu, &signed), ranges: integers(gpu, &ranges(rows, count)), longest }
    }

    /// Returns the distances whose projected embeddings are the rows of a table. The columns are those that queries and
    /// that keys are compared with.
    pub fn distances(&self, table: &Tensor, [keys, queries]: [Option<usize>; 2]) -> Distances {
        let (stride, places) = (table.columns(), self.rows.address());
        Distances { table: table.address(), stride, places, longest: self.longest, keys, queries }
    }
}

/// Returns the gradients of qkv (R, 3H) and of the table of distances.
pub fn backward(
    qkv: &Tensor,
    kept: &Kept,
    sequences: &Sequences,
    settings: Settings,
    (places, table): (&Places, &Tensor),
    dcontext: &Tensor,
) -> (Tensor, Tensor) {
    let mut dtable = table.unfilled_beside(table.rows(), table.columns());
    let gradient = DistancesGradient {
        starts: sequences.starts(),
        sequences: sequences.count,
        ranges: places.ranges.address(),
        rows: table.rows(),
        dtable: dtable.address_mut(),
    };
    (attention::backward(qkv, kept, sequences, settings, dcontext, Some(gradient)), dtable)
}
