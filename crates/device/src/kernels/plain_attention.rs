//! Attention in f32 arithmetic, with f32 or bf16 elements, and with terms of distances where they are wanted.
//!
//! score(i, j) = (qᵢ · kⱼ + qᵢ · K(i − j) + kⱼ · Q(i − j)) · scale. See `kernel/op/attention.rs` and
//! `kernel/op/disentangled.rs`.

use super::attention::{Attention, Gradient, TILE_ROWS};
use super::{WORD, blocks, boundaries, for_rows, int, kernel_of};
use crate::launch::{Arg, Launch};
use crate::multiply::Element;
use crate::traffic::Traffic;

/// Columns of a head that a block sums: `CHUNK` in `kernels/attention/plain.cu`.
const CHUNK: usize = 128;

/// Projected embeddings of distances.
#[derive(Clone, Copy, Debug)]
pub struct Distances {
    /// The table (any, `stride`) of the elements' type; read.
    pub table: u64,
    /// Columns of the table.
    pub stride: usize,
    /// The table's row of distance i − j at place i − j + longest − 1, i32; read.
    pub places: u64,
    /// Length of the longest sequence whose distances all have a place.
    pub longest: usize,
    /// The first column of the rows that queries are compared with, if they are.
    pub keys: Option<usize>,
    /// The first column of the rows that keys are compared with, if they are.
    pub queries: Option<usize>,
}

impl Distances {
    /// Returns how many terms of scores there are beside that of content.
    pub fn terms(&self) -> usize {
        usize::from(self.keys.is_some()) + usize::from(self.queries.is_some())
    }
}

/// The gradient of the table of distances.
#[derive(Clone, Copy, Debug)]
pub struct DistancesGradient {
    /// Boundaries of the sequences, i32; read.
    pub starts: u64,
    /// Number of sequences.
    pub sequences: usize,
    /// What [`ranges`] returned, i32; read.
    pub ranges: u64,
    /// Rows of the table.
    pub rows: usize,
    /// The gradient of the table; all columns of wanted terms are written.
    pub dtable: u64,
}

/// Returns where the places of each of `rows` rows begin, and the number of places. Rows must not fall from place to
/// place.
///
/// # Panics
/// If they do, or a place has another row.
pub fn ranges(places: &[u32], rows: usize) -> Vec<i32> {
    assert!(places.is_sorted(), "distances: rows fall from place to place");
    assert!(places.iter().all(|&place| (place as usize) < rows), "distances: a place has a row of {rows} or more");
    (0..=rows).map(|row| places.partition_point(|&place| (place as usize) < row) as i32).collect()
}

/// Attention with f32 arithmetic.
#[derive(Clone, Copy, Debug)]
pub struct PlainAttention {
    /// The type of qkv, context, their gradients and the tables.
    pub element: Element,
    /// What it shares with attention on tensor cores. Logs are natural ones here.
    pub attention: Attention,
    /// Terms of distances, where they are wanted; then there is no window.
    pub distances: Option<Distances>,
}

impl PlainAttention {
    /// Returns the arguments that describe the distances.
    fn distances(&self) -> [Arg; 6] {
        let first = |column: Option<usize>| column.map_or(Arg::I32(-1), int);
        match self.distances {
            Some(d) => [
                Arg::Address(d.table),
                Arg::Address(d.places),
                int(d.longest),
                int(d.stride),
                first(d.keys),
                first(d.queries),
            ],
            None => [Arg::Address(0), Arg::Address(0), int(0), int(0), Arg::I32(-1), Arg::I32(-1)],
        }
    }

    /// Returns the elements of the terms that a row of distances has.
    fn terms(&self) -> usize {
        let terms = self.distances.map_or(0, |distances| distances.terms());
        terms * self.attention.heads * self.attention.width
    }

    /// Returns what the places are, and a row of the table for each.
    fn distances_traffic(&self) -> Traffic {
        let places = self.distances.map_or(0, |d| for_rows(self.attention.count, 2 * d.longest - 1));
        Traffic::of(&[(places, WORD), (places * self.terms(), self.element.bytes())], &[])
    }

    fn launch(&self, kernel: &'static str, first: &[Arg], after_count: &[Arg], traffic: Traffic) -> Launch {
        let attention = &self.attention;
        assert!(self.distances.is_none() || attention.window.is_none(), "attention: distances in a window");
        let tiles = [Arg::Address(attention.tiles), int(attention.count)];
        let args = first.iter().copied().chain(tiles).chain(after_count.iter().copied());
        Launch {
            kernel,
            grid: [blocks(attention.count, 1), attention.heads_of_grid(), blocks(attention.width, CHUNK)],
            block: [32 * TILE_ROWS / 4, 1, 1],
            args: args.chain(attention.settings()).chain(self.distances()).collect(),
            traffic: traffic + attention.tiles_traffic() + self.distances_traffic(),
        }
    }

    /// Computes context (rows, H), and logs (rows, N) in f32: the natural log of each row's and head's sum of e^score.
    pub fn forward(&self, context: u64, logs: u64) -> Launch {
        let kernel = kernel_of!(self.element, "attention");
        let traffic = self.attention.forward_traffic(self.element);
        self.launch(kernel, &[Arg::Address(self.attention.qkv)], &[Arg::Address(context), Arg::Address(logs)], traffic)
    }

    /// Computes the gradient of qkv (rows, 3H), given that of the context, in the three launches' order.
    pub fn backward(&self, gradient: &Gradient) -> [Launch; 3] {
        let &Gradient { dcontext, logs, deltas, dqkv, .. } = gradient;
        let first = [self.attention.qkv, dcontext, logs, deltas].map(Arg::Address);
        let traffic = |written: usize| self.attention.traffic(self.element, 4, 2, written);
        [
            gradient.deltas(kernel_of!(self.element, "attention_deltas"), self.element, &self.attention),
            self.launch(
                kernel_of!(self.element, "attention_backward_queries"),
                &first,
                &[Arg::Address(dqkv)],
                traffic(1),
            ),
            self.launch(kernel_of!(self.element, "attention_backward_keys"), &first, &[Arg::Address(dqkv)], traffic(2)),
        ]
    }

    /// Computes the gradient of the table of distances. The launch comes after those of [`PlainAttention::backward`].
    ///
    /// # Panics
    /// If there are no distances.
    pub fn backward_distances(&self, gradient: &Gradient, table: &DistancesGradient) -> Launch {
        const WARPS: usize = 4;
        assert!(self.distances.is_some(), "attention: there are no distances");
        let attention = &self.attention;
        let addresses = [attention.qkv, gradient.dcontext, gradient.logs, gradient.deltas].map(Arg::Address);
        let sequences = [Arg::Address(table.starts), int(table.sequences)];
        let rows = [Arg::Address(table.ranges), int(table.rows), Arg::Address(table.dtable)];
        let settings = [int(attention.heads), int(attention.width), Arg::F32(attention.scale)];
        let args = addresses.into_iter().chain(sequences).chain(rows).chain(settings);
        let numbers = boundaries(table.sequences) + boundaries(table.rows);
        let gradients = (table.rows * self.terms(), self.element.bytes());
        Launch {
            kernel: kernel_of!(self.element, "attention_backward_distances"),
            grid: [blocks(table.rows, WARPS), attention.heads_of_grid(), blocks(attention.width, CHUNK)],
            block: [32 * WARPS as u32, 1, 1],
            args: args.chain(attention.mask.arguments()).chain(self.distances()).collect(),
            traffic: attention.traffic(self.element, 4, 2, 0)
                + self.distances_traffic()
                + Traffic::of(&[(numbers, WORD)], &[gradients]),
        }
    }
}
