//! Sums over rows: of columns, of segments, and of sequences.

use super::{WORD, blocks, boundaries, flag, int, kernel_of};
use crate::launch::{Arg, Launch};
use crate::multiply::Element;
use crate::traffic::Traffic;

/// Rows that a block sums.
pub(super) const ROWS_A_BLOCK: usize = 64;
/// Threads that share a column: `COLUMN_THREADS` in `kernels/shared/sum.cuh`.
const COLUMN_THREADS: u32 = 8;
/// Threads that share a column of a segment: `SEGMENT_THREADS`.
const SEGMENT_THREADS: u32 = 16;
/// Blocks along x whose arrivals can be counted: `ARRIVALS`.
const ARRIVALS: u32 = 4096;

/// Returns the number of blocks of rows. Where there are several, their sums need room.
pub fn sum_blocks(rows: usize) -> usize {
    rows.div_ceil(ROWS_A_BLOCK).max(1)
}

/// Sums of so many columns over rows: by blocks of rows, whose sums the last block to come adds in their order.
pub(super) struct OverRows {
    pub rows: usize,
    pub columns: usize,
}

impl OverRows {
    /// Returns the grid and the block.
    pub fn shape(&self) -> ([u32; 3], [u32; 3]) {
        let sum_blocks = u32::try_from(sum_blocks(self.rows)).expect("blocks fit 32 bits");
        assert!(sum_blocks <= 65_535, "sums: {sum_blocks} blocks of rows");
        let along_columns = blocks(self.columns, 32);
        assert!(along_columns <= ARRIVALS, "sums: {} columns", self.columns);
        ([along_columns, sum_blocks, 1], [32, COLUMN_THREADS, 1])
    }

    /// Returns the words that are written and read again, where blocks have `sums` sums a column: these, and the numbers of
    /// blocks that arrived.
    pub fn between(&self, sums: usize) -> usize {
        match sum_blocks(self.rows) {
            1 => 0,
            several => sums * several * self.columns + self.columns.div_ceil(32),
        }
    }
}

/// Computes `out[c]` (+)= Σ over rows of `x[row][c]`: first over blocks of rows, then over the blocks.
///
/// # Shapes
/// x (rows, columns) → out (columns).
#[derive(Clone, Copy, Debug)]
pub struct ColumnSums {
    /// The type of x.
    pub element: Element,
    /// The matrix; read.
    pub x: u64,
    /// Room for the sums of blocks: [`sum_blocks`] · columns floats; written and read. One block needs none.
    pub partials: u64,
    /// The sums, f32; written or added to.
    pub out: u64,
    /// Rows of x.
    pub rows: usize,
    /// Columns of x.
    pub columns: usize,
    /// Whether the sums are added to what is there.
    pub onto: bool,
}

impl ColumnSums {
    /// Returns the launch.
    pub fn launch(&self) -> Launch {
        let over_rows = OverRows { rows: self.rows, columns: self.columns };
        let (grid, block) = over_rows.shape();
        let addresses = [self.x, self.partials, self.out].map(Arg::Address);
        let sizes = [int(self.rows), int(self.columns), int(ROWS_A_BLOCK), flag(self.onto)];
        let between = over_rows.between(1);
        Launch {
            kernel: kernel_of!(self.element, "column_sums"),
            grid,
            block,
            args: addresses.into_iter().chain(sizes).collect(),
            traffic: Traffic::of(
                &[
                    (self.rows * self.columns, self.element.bytes()),
                    (between + if self.onto { self.columns } else { 0 }, WORD),
                ],
                &[(between + self.columns, WORD)],
            ),
        }
    }
}

/// Computes `table[rows[s]]` (+)= Σ of `x[order[i]]` for i from `starts[s]` to `starts[s + 1]`.
///
/// It is the gradient of rows that were taken from a table: of an embedding, or of spans' summands. The host sorts what was
/// taken by its row of the table, and keeps the order within a row.
///
/// # Shapes
/// x (any, columns); table (any, columns); starts (segments + 1). No two segments have the same row of the table.
#[derive(Clone, Copy, Debug)]
pub struct SegmentSums {
    /// The type of x.
    pub element: Element,
    /// The rows that are added; read.
    pub x: u64,
    /// Numbers of rows of x, segment after segment, i32; read.
    pub order: u64,
    /// Boundaries of the segments in `order`, i32; read.
    pub starts: u64,
    /// The row of the table that each segment is added to, i32; read.
    pub rows: u64,
    /// The table, f32; its rows of segments are written or added to.
    pub table: u64,
    /// Number of segments.
    pub segments: usize,
    /// Number of rows of x that are added: the length of `order`.
    pub added: usize,
    /// Columns of x.
    pub columns: usize,
    /// Whether the sums are added to what is there.
    pub onto: bool,
}

impl SegmentSums {
    /// Returns the launch.
    pub fn launch(&self) -> Launch {
        let addresses = [self.x, self.order, self.starts, self.rows, self.table].map(Arg::Address);
        let numbers = self.added + boundaries(self.segments) + self.segments;
        let table = (self.segments * self.columns, WORD);
        Launch {
            kernel: kernel_of!(self.element, "segment_sums"),
            grid: [blocks(self.segments, 1), blocks(self.columns, 32), 1],
            block: [32, SEGMENT_THREADS, 1],
            args: addresses.into_iter().chain([int(self.segments), int(self.columns), flag(self.onto)]).collect(),
            traffic: Traffic::of(
                &[
                    (self.added * self.columns, self.element.bytes()),
                    (numbers, WORD),
                    if self.onto { table } else { (0, WORD) },
                ],
                &[table],
            ),
        }
    }
}

/// Numbers sorted into segments, as [`SegmentSums`] reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segments {
    /// Places, segment after segment, in their order within a segment.
    pub order: Vec<i32>,
    /// Boundaries of the segments in `order`.
    pub starts: Vec<i32>,
    /// The number that each segment's places hold, in rising order.
    pub rows: Vec<i32>,
}

impl Segments {
    /// Sorts the places of `index` by the numbers there. Places that hold `fixed` are left out. Each of `others` has a
    /// segment too, without places if the index does not hold it.
    pub fn new(index: &[u32], fixed: Option<u32>, others: &[u32]) -> Segments {
        let number = |i: i32| index[i as usize];
        let mut order: Vec<i32> = (0..index.len() as i32).filter(|&i| Some(number(i)) != fixed).collect();
        order.sort_by_key(|&i| number(i));
        let mut numbers: Vec<u32> = order.iter().map(|&i| number(i)).chain(others.iter().copied()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let ends = numbers.iter().map(|&end| order.partition_point(|&i| number(i) <= end) as i32);
        let starts = std::iter::once(0).chain(ends).collect();
        Segments { starts, rows: numbers.into_iter().map(u32::cast_signed).collect(), order }
    }
}

/// Computes one row a sequence: its first row, or the mean of its rows.
///
/// # Shapes
/// x (rows, columns); starts (sequences + 1) → y (sequences, columns). No sequence is empty.
/// # Source
/// `kernel/op/pool.rs`.
#[derive(Clone, Copy, Debug)]
pub struct Pool {
    /// The type of both matrices.
    pub element: Element,
    /// Where to read: x forward, dy (sequences, columns) backward.
    pub from: u64,
    /// Boundaries of the sequences, i32; read.
    pub starts: u64,
    /// Where to write: y forward, dx (rows, columns) backward.
    pub to: u64,
    /// Number of sequences.
    pub sequences: usize,
    /// Number of rows of x.
    pub rows: usize,
    /// Columns of both.
    pub columns: usize,
    /// Whether it is the mean.
    pub mean: bool,
}

impl Pool {
    fn launch(&self, kernel: &'static str, read: usize, written: usize) -> Launch {
        let addresses = [self.from, self.starts, self.to].map(Arg::Address);
        let size = self.element.bytes();
        Launch {
            kernel,
            grid: [blocks(self.sequences, 1), blocks(self.columns, 128), 1],
            block: [128, 1, 1],
            args: addresses.into_iter().chain([int(self.sequences), int(self.columns), flag(self.mean)]).collect(),
            traffic: Traffic::of(
                &[(read * self.columns, size), (boundaries(self.sequences), WORD)],
                &[(written * self.columns, size)],
            ),
        }
    }

    /// Returns the launch of forward.
    pub fn forward(&self) -> Launch {
        let read = if self.mean { self.rows } else { self.sequences };
        self.launch(kernel_of!(self.element, "pool"), read, self.sequences)
    }

    /// Returns the launch of backward, which writes every row of dx.
    pub fn backward(&self) -> Launch {
        self.launch(kernel_of!(self.element, "pool_backward"), self.sequences, self.rows)
    }
}
