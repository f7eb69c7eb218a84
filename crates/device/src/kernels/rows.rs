//! Rows of tables, spans, neighbors of a convolution, and rows of length 1.

use super::{WORD, blocks, boundaries, by_row, for_rows, if_given, int, kernel_of};
use crate::launch::{Arg, Launch};
use crate::multiply::Element;
use crate::traffic::Traffic;

/// Rows of a table that are added.
#[derive(Clone, Copy, Debug)]
pub struct Rows {
    /// The table (any, columns), f32; read. 0: none.
    pub table: u64,
    /// The row of the table for each row of the result, i32; read.
    pub index: u64,
}

impl Rows {
    /// No table.
    pub const NONE: Rows = Rows { table: 0, index: 0 };
}

/// Computes y = words + positions + types, each a row of a table, added in this order.
///
/// # Source
/// `kernel/op/embedding.rs`; its gradient is [`super::sums::SegmentSums`].
#[derive(Clone, Copy, Debug)]
pub struct Embedding {
    /// The type of y.
    pub element: Element,
    /// The first table, which must be there.
    pub words: Rows,
    /// The second table.
    pub positions: Rows,
    /// The third table.
    pub types: Rows,
    /// The sum (rows, columns); written.
    pub y: u64,
    /// Rows of y.
    pub rows: usize,
    /// Columns of y.
    pub columns: usize,
}

impl Embedding {
    /// Returns the launch.
    pub fn launch(&self) -> Launch {
        let (grid, block) = by_row(self.rows);
        let tables = [self.words, self.positions, self.types].into_iter();
        let addresses = tables.clone().flat_map(|rows| [rows.table, rows.index]).chain([self.y]).map(Arg::Address);
        let taken: usize = tables.map(|rows| if_given(rows.table, self.rows)).sum();
        Launch {
            kernel: kernel_of!(self.element, "embedding"),
            grid,
            block,
            args: addresses.chain([int(self.rows), int(self.columns)]).collect(),
            traffic: Traffic::of(
                &[(taken * self.columns, WORD), (taken, WORD)],
                &[(self.rows * self.columns, self.element.bytes())],
            ),
        }
    }
}

/// Computes `y[n] = x[index[n]]`. Its gradient is [`super::sums::SegmentSums`].
#[derive(Clone, Copy, Debug)]
pub struct TakeRows {
    /// The type of x and y.
    pub element: Element,
    /// Where rows are taken from (any, columns); read.
    pub x: u64,
    /// Numbers of rows, i32; read.
    pub index: u64,
    /// The rows (rows, columns); written.
    pub y: u64,
    /// Rows of y.
    pub rows: usize,
    /// Columns of y.
    pub columns: usize,
}

impl TakeRows {
    /// Returns the launch.
    pub fn launch(&self) -> Launch {
        let (grid, block) = by_row(self.rows);
        let addresses = [self.x, self.index, self.y].map(Arg::Address);
        let rows = (self.rows * self.columns, self.element.bytes());
        Launch {
            kernel: kernel_of!(self.element, "take_rows"),
            grid,
            block,
            args: addresses.into_iter().chain([int(self.rows), int(self.columns)]).collect(),
            traffic: Traffic::of(&[rows, (self.rows, WORD)], &[rows]),
        }
    }
}

/// Computes `y[n] = starts[span.start] + ends[span.end] + widths[span.width] + bias`.
///
/// # Source
/// `kernel/op/span_sum.rs`; the gradients are [`super::sums::SegmentSums`] and [`super::sums::ColumnSums`].
#[derive(Clone, Copy, Debug)]
pub struct SpanSum {
    /// The type of all but the bias.
    pub element: Element,
    /// Summands of first positions (positions, columns); read.
    pub starts: u64,
    /// Summands of last positions (positions, columns); read.
    pub ends: u64,
    /// Summands of widths (widths, columns); read.
    pub widths: u64,
    /// The bias, f32; read.
    pub bias: u64,
    /// Start, end and width of each span, i32; read.
    pub spans: u64,
    /// The sums (count, columns); written.
    pub y: u64,
    /// Number of spans.
    pub count: usize,
    /// Columns of y.
    pub columns: usize,
}

impl SpanSum {
    /// Returns the launch.
    pub fn launch(&self) -> Launch {
        let (grid, block) = by_row(self.count);
        let addresses = [self.starts, self.ends, self.widths, self.bias, self.spans, self.y].map(Arg::Address);
        let (n, size) = (self.count * self.columns, self.element.bytes());
        Launch {
            kernel: kernel_of!(self.element, "span_sum"),
            grid,
            block,
            args: addresses.into_iter().chain([int(self.count), int(self.columns)]).collect(),
            traffic: Traffic::of(
                &[(3 * n, size), (3 * self.count + for_rows(self.count, self.columns), WORD)],
                &[(n, size)],
            ),
        }
    }
}

/// Lays the k neighbors of each row side by side, or adds the transposed map.
///
/// # Shapes
/// x (rows, columns); starts (sequences + 1) → y (rows, columns · k).
/// # Source
/// `kernel/op/convolution.rs`.
#[derive(Clone, Copy, Debug)]
pub struct Neighbors {
    /// The type of both matrices.
    pub element: Element,
    /// Where to read: x forward, dy backward.
    pub from: u64,
    /// Boundaries of the sequences, i32; read.
    pub starts: u64,
    /// What is written (y forward) or added to (dx backward).
    pub to: u64,
    /// Number of sequences.
    pub sequences: usize,
    /// Rows of x.
    pub rows: usize,
    /// Columns of x.
    pub columns: usize,
    /// Neighbors k, an odd number.
    pub neighbors: usize,
}

impl Neighbors {
    fn launch(&self, kernel: &'static str, read: usize, written: usize) -> Launch {
        assert!(!self.neighbors.is_multiple_of(2), "convolution: {} neighbors have no middle", self.neighbors);
        let addresses = [self.from, self.starts, self.to].map(Arg::Address);
        let (n, size) = (self.rows * self.columns, self.element.bytes());
        Launch {
            kernel,
            grid: [blocks(self.sequences, 1), blocks(self.columns, 128), 1],
            block: [128, 1, 1],
            args: addresses.into_iter().chain([self.sequences, self.columns, self.neighbors].map(int)).collect(),
            traffic: Traffic::of(&[(read * n, size), (boundaries(self.sequences), WORD)], &[(written * n, size)]),
        }
    }

    /// Returns the launch that lays neighbors side by side.
    pub fn unfold(&self) -> Launch {
        self.launch(kernel_of!(self.element, "unfold"), 1, self.neighbors)
    }

    /// Returns the launch that adds the gradient of x to dx. Its traffic counts all of dy; what lies beyond a sequence's ends
    /// is not read.
    pub fn fold_onto(&self) -> Launch {
        self.launch(kernel_of!(self.element, "fold_onto"), 1 + self.neighbors, 1)
    }
}

/// Computes y = x / max(‖x‖₂, 10⁻¹²), row by row.
///
/// # Source
/// `kernel/op/normalize.rs`.
#[derive(Clone, Copy, Debug)]
pub struct Normalize {
    /// The type of x and y.
    pub element: Element,
    /// The input (rows, columns); read.
    pub x: u64,
    /// The result; written, and may be x.
    pub y: u64,
    /// What each row was divided by, f32; written.
    pub lengths: u64,
    /// Rows of x.
    pub rows: usize,
    /// Columns of x.
    pub columns: usize,
}

impl Normalize {
    /// Returns the launch.
    pub fn launch(&self) -> Launch {
        let (grid, block) = by_row(self.rows);
        let addresses = [self.x, self.y, self.lengths].map(Arg::Address);
        let matrix = (self.rows * self.columns, self.element.bytes());
        Launch {
            kernel: kernel_of!(self.element, "normalize"),
            grid,
            block,
            args: addresses.into_iter().chain([int(self.rows), int(self.columns)]).collect(),
            traffic: Traffic::of(&[matrix], &[matrix, (self.rows, WORD)]),
        }
    }
}

/// Computes dx = (dy − y · ⟨y, dy⟩) / length, row by row.
#[derive(Clone, Copy, Debug)]
pub struct NormalizeBackward {
    /// The type of y, dy and dx.
    pub element: Element,
    /// The result of forward; read.
    pub y: u64,
    /// The lengths of forward, f32; read.
    pub lengths: u64,
    /// The gradient of y; read.
    pub dy: u64,
    /// The gradient of x; written, and may be dy.
    pub dx: u64,
    /// Rows of y.
    pub rows: usize,
    /// Columns of y.
    pub columns: usize,
}

impl NormalizeBackward {
    /// Returns the launch.
    pub fn launch(&self) -> Launch {
        let (grid, block) = by_row(self.rows);
        let addresses = [self.y, self.lengths, self.dy, self.dx].map(Arg::Address);
        let matrix = (self.rows * self.columns, self.element.bytes());
        Launch {
            kernel: kernel_of!(self.element, "normalize_backward"),
            grid,
            block,
            args: addresses.into_iter().chain([int(self.rows), int(self.columns)]).collect(),
            traffic: Traffic::of(&[matrix, matrix, (self.rows, WORD)], &[matrix]),
        }
    }
}
