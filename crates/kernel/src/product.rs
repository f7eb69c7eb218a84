//! Matrix products: the one place where most of the time goes.
//!
//! C (m × n) = A (m × k) · B (k × n), f32 throughout. B is packed into panels two vectors wide; a register tile of
//! `TILE_ROWS` rows of A times one panel runs over k in order. An element's sum therefore has one order, whatever
//! the blocks and threads.

use crate::simd::{Lanes, Level, multiversion};
use crate::tensor::Tensor;
use crate::threads::{Shared, for_each};

/// How many of k are multiplied before C is stored: a panel's share then fits the second-level cache.
const BLOCK_K: usize = 512;

/// Rows of C that one task computes at least; fewer would read B's panels too often.
const BLOCK_ROWS: usize = 96;

/// Products below this many multiply-adds run on the calling thread.
const PARALLEL_FROM: usize = 64 * 1024;

/// A matrix as it lies in memory; `stride` is the distance between its rows (or columns).
#[derive(Clone, Copy, Debug)]
pub enum Operand<'a> {
    /// Element (i, j) at i · stride + j.
    Rows(&'a [f32], usize),
    /// Element (i, j) at j · stride + i: the transpose of what is stored.
    Columns(&'a [f32], usize),
}

impl Operand<'_> {
    /// Pointer, distance between rows, distance between columns.
    fn strides(&self) -> (*const f32, usize, usize) {
        match *self {
            Operand::Rows(data, stride) => (data.as_ptr(), stride, 1),
            Operand::Columns(data, stride) => (data.as_ptr(), 1, stride),
        }
    }

    fn assert_holds(&self, rows: usize, columns: usize) {
        let (len, stride, outer, inner) = match *self {
            Operand::Rows(data, stride) => (data.len(), stride, rows, columns),
            Operand::Columns(data, stride) => (data.len(), stride, columns, rows),
        };
        let needed = if outer == 0 { 0 } else { (outer - 1) * stride + inner };
        assert!(
            inner <= stride.max(inner * usize::from(outer <= 1)) && needed <= len,
            "product: {rows} × {columns} with stride {stride} does not fit {len} floats"
        );
    }
}

/// The panel width at a level: two vectors.
fn panel_width() -> usize {
    match Level::in_use() {
        Level::Avx512 => 32,
        Level::Avx2 | Level::Portable => 16,
        Level::Neon => 8,
    }
}

/// A right-hand side B (k × n) in panels: for each panel, for each of k, the panel's columns, the last one
/// padded with zeros.
#[derive(Clone, Debug)]
pub struct Packed {
    panels: Tensor,
    k: usize,
    n: usize,
    width: usize,
}

impl Packed {
    /// Packs `b`, which is k × n, on all threads.
    pub fn new(b: Operand, k: usize, n: usize) -> Packed {
        b.assert_holds(k, n);
        let width = panel_width();
        let mut panels = Tensor::unfilled(n.div_ceil(width), k * width);
        if k > 0 {
            crate::threads::for_each_block(panels.data_mut(), k * width, 1, |panel, out| {
                pack_panel(b, k, panel * width, width.min(n - panel * width), width, out);
            });
        }
        Packed { panels, k, n, width }
    }

    /// Packs on the calling thread, into `scratch`, as a part of a larger task.
    pub(crate) fn pack_into(scratch: &mut Vec<f32>, b: Operand, k: usize, n: usize) -> usize {
        b.assert_holds(k, n);
        let width = panel_width();
        scratch.resize(n.div_ceil(width) * k * width, 0.0);
        for (panel, out) in scratch.chunks_exact_mut((k * width).max(1)).enumerate() {
            pack_panel(b, k, panel * width, width.min(n - panel * width), width, out);
        }
        width
    }
}

/// Copies columns `first..first + count` of `b` into `out` (k × width).
fn pack_panel(b: Operand, k: usize, first: usize, count: usize, width: usize, out: &mut [f32]) {
    match b {
        Operand::Rows(data, stride) => {
            for (i, row) in out.chunks_exact_mut(width).enumerate() {
                row[..count].copy_from_slice(&data[i * stride + first..][..count]);
                row[count..].fill(0.0);
            }
        }
        Operand::Columns(data, stride) => {
            // Sixteen of k at a time: a cache line of each column, and a destination that stays in the first level.
            for start in (0..k).step_by(16) {
                let length = 16.min(k - start);
                let block = &mut out[start * width..][..length * width];
                for column in 0..count {
                    let source = &data[(first + column) * stride + start..][..length];
                    for (i, &value) in source.iter().enumerate() {
                        block[i * width + column] = value;
                    }
                }
                if count < width {
                    block.chunks_exact_mut(width).for_each(|row| row[count..].fill(0.0));
                }
            }
        }
    }
}

/// What C starts from.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a> {
    /// C = A·B.
    Zero,
    /// C = A·B + bias, one number a column.
    Bias(&'a [f32]),
    /// C += A·B.
    Accumulate,
}

/// C = start + A·B on all threads; A is m × k, C is m × n row-major without gaps.
///
/// # Panics
/// If a shape does not fit.
pub fn product(m: usize, a: Operand, b: &Packed, start: Start, c: &mut [f32]) {
    let Packed { panels, k, n, width } = b;
    assert_eq!(c.len(), m * n, "product: C is {m} × {n}");
    a.assert_holds(m, *k);
    if let Start::Bias(bias) = start {
        assert_eq!(bias.len(), *n, "product: one bias a column");
    }
    let panel_count = n.div_ceil(*width);
    let job = Job {
        a: a.strides(),
        b: panels.data().as_ptr(),
        k: *k,
        n: *n,
        start: StartAt::new(start),
        c: Shared::new(c),
        ldc: *n,
    };
    let threads = rayon::current_num_threads();
    if threads == 1 || m * n * k < PARALLEL_FROM {
        return tiles(&job, 0, m, 0, panel_count);
    }
    let row_blocks = (m / BLOCK_ROWS).clamp(1, 4 * threads);
    let groups = (2 * threads).div_ceil(row_blocks).min(panel_count);
    for_each(row_blocks * groups, |task| {
        let (block, group) = (task % row_blocks, task / row_blocks);
        let (row, row_end) = (share(m, row_blocks, block), share(m, row_blocks, block + 1));
        let (panel, panel_end) = (share(panel_count, groups, group), share(panel_count, groups, group + 1));
        tiles(&job, row, row_end, panel, panel_end);
    });
}

/// Where part `i` of `parts` nearly equal parts of `total` begins.
fn share(total: usize, parts: usize, i: usize) -> usize {
    total * i / parts
}

/// C = start + A·B on the calling thread, with B packed by [`Packed::pack_into`] and a distance between C's rows.
pub(crate) fn product_here(
    (m, k, n): (usize, usize, usize),
    a: Operand,
    b: &[f32],
    accumulate: bool,
    c: &mut [f32],
    ldc: usize,
) {
    a.assert_holds(m, k);
    assert!(m == 0 || n == 0 || (n <= ldc && (m - 1) * ldc + n <= c.len()), "product: C is {m} × {n}, stride {ldc}");
    let panels = n.div_ceil(panel_width());
    assert!(b.len() >= panels * panel_width() * k, "product: B is packed for another shape");
    let start = if accumulate { StartAt::Accumulate } else { StartAt::Zero };
    let job = Job { a: a.strides(), b: b.as_ptr(), k, n, start, c: Shared::new(c), ldc };
    tiles(&job, 0, m, 0, panels);
}

#[derive(Clone, Copy)]
enum StartAt {
    Zero,
    Bias(*const f32),
    Accumulate,
}

impl StartAt {
    fn new(start: Start) -> StartAt {
        match start {
            Start::Zero => StartAt::Zero,
            Start::Bias(bias) => StartAt::Bias(bias.as_ptr()),
            Start::Accumulate => StartAt::Accumulate,
        }
    }
}

struct Job {
    a: (*const f32, usize, usize),
    b: *const f32,
    k: usize,
    n: usize,
    start: StartAt,
    c: Shared<f32>,
    ldc: usize,
}

// SAFETY: a job's pointers are read by all threads and C is written in disjoint parts.
unsafe impl Sync for Job {}

multiversion! {
    fn tiles<L>(job: &Job, row: usize, row_end: usize, panel: usize, panel_end: usize) {
        let width = 2 * L::N;
        let (a, row_stride, column_stride) = job.a;
        let mut block = 0;
        loop {
            let depth = BLOCK_K.min(job.k - block);
            let start = if block == 0 { job.start } else { StartAt::Accumulate };
            for p in panel..panel_end {
                let columns = width.min(job.n - p * width);
                let mut i = row;
                while i < row_end {
                    let rows = L::TILE_ROWS.min(row_end - i);
                    // SAFETY: `product` checked that A, B and C hold these rows, panels and columns; row ranges and
                    // panel ranges of different tasks are disjoint.
                    let tile = Tile {
                        a: a.wrapping_add(i * row_stride + block * column_stride),
                        row_stride,
                        column_stride,
                        b: job.b.wrapping_add((p * job.k + block) * width),
                        depth,
                        start: match start {
                            StartAt::Bias(bias) => StartAt::Bias(bias.wrapping_add(p * width)),
                            other => other,
                        },
                        c: job.c.pointer().wrapping_add(i * job.ldc + p * width),
                        ldc: job.ldc,
                        columns,
                    };
                    match rows {
                        12 => tile.run::<L, 12>(),
                        11 => tile.run::<L, 11>(),
                        10 => tile.run::<L, 10>(),
                        9 => tile.run::<L, 9>(),
                        8 => tile.run::<L, 8>(),
                        7 => tile.run::<L, 7>(),
                        6 => tile.run::<L, 6>(),
                        5 => tile.run::<L, 5>(),
                        4 => tile.run::<L, 4>(),
                        3 => tile.run::<L, 3>(),
                        2 => tile.run::<L, 2>(),
                        _ => tile.run::<L, 1>(),
                    }
                    i += rows;
                }
            }
            block += depth;
            if block >= job.k {
                break;
            }
        }
    }
}

/// One register tile: up to `TILE_ROWS` rows of A times one panel.
struct Tile {
    a: *const f32,
    row_stride: usize,
    column_stride: usize,
    b: *const f32,
    depth: usize,
    start: StartAt,
    c: *mut f32,
    ldc: usize,
    columns: usize,
}

impl Tile {
    /// # Safety
    /// A holds ROWS × depth elements, B depth × two vectors, C ROWS × columns; L is available.
    #[inline(always)]
    unsafe fn run<L: Lanes, const ROWS: usize>(&self) {
        if ROWS > L::TILE_ROWS {
            return;
        }
        // SAFETY: the caller's promise; the two vectors of a row are read and written in full only where the
        // panel is full.
        unsafe {
            let mut sums = [[L::zero(); 2]; ROWS];
            let (first, second) = (self.columns.min(L::N), self.columns.saturating_sub(L::N));
            match self.start {
                StartAt::Zero => {}
                StartAt::Bias(bias) => {
                    let bias = [L::load_first(bias, first), L::load_first(bias.wrapping_add(L::N), second)];
                    sums = [bias; ROWS];
                }
                StartAt::Accumulate => {
                    for (i, sum) in sums.iter_mut().enumerate() {
                        let at = self.c.add(i * self.ldc);
                        *sum = if second == L::N {
                            [L::load(at), L::load(at.add(L::N))]
                        } else {
                            [L::load_first(at, first), L::load_first(at.wrapping_add(L::N), second)]
                        };
                    }
                }
            }
            let (mut a, mut b) = (self.a, self.b);
            for _ in 0..self.depth {
                let (b0, b1) = (L::load(b), L::load(b.add(L::N)));
                for (i, sum) in sums.iter_mut().enumerate() {
                    let x = L::splat(*a.add(i * self.row_stride));
                    sum[0] = L::fma(x, b0, sum[0]);
                    sum[1] = L::fma(x, b1, sum[1]);
                }
                a = a.wrapping_add(self.column_stride);
                b = b.add(2 * L::N);
            }
            for (i, sum) in sums.iter().enumerate() {
                let at = self.c.add(i * self.ldc);
                if second == L::N {
                    L::store(at, sum[0]);
                    L::store(at.add(L::N), sum[1]);
                } else {
                    L::store_first(at, sum[0], first);
                    L::store_first(at.wrapping_add(L::N), sum[1], second);
                }
            }
        }
    }
}
