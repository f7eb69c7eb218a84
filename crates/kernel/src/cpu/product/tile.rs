//! Register tiles: rows of A times one packed panel of B.

use crate::cpu::level::Level;
use crate::cpu::product::factors::Factors;
use crate::cpu::product::operand::Precision;
use crate::cpu::simd::Lanes;

/// Floats in the widest vector.
pub(crate) const MOST_LANES: usize = 16;

/// Rows of a matrix unit's tile, and lanes of a row.
pub(crate) const TILE: usize = 16;

/// Whether products of this precision run on a matrix unit. A then lies in rows of whole tiles, and B's panels end in
/// whole tiles.
pub(crate) fn on_tiles(precision: Precision) -> bool {
    precision == Precision::Bf16 && Level::in_use() == Level::Amx
}

/// Returns the columns of a panel of B: two vectors.
pub(crate) fn panel_width() -> usize {
    match Level::in_use() {
        Level::Amx | Level::Avx512Bf16 | Level::Avx512 => 32,
        Level::Avx2 | Level::Portable => 16,
        Level::Neon => 8,
    }
}

/// Returns where part `i` of `parts` nearly equal parts of `total` begins.
pub(crate) fn share(total: usize, parts: usize, i: usize) -> usize {
    total * i / parts
}

/// The value that the sums of one panel start from; see [`Start`](crate::cpu::product::operand::Start).
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum StartAt {
    Zero,
    Unread,
    Bias(*const f32),
    Accumulate,
}

// SAFETY: a bias is only read.
unsafe impl Sync for StartAt {}

/// Rows of A times one packed panel.
pub(crate) struct Job {
    pub a: *const f32,
    pub row_stride: usize,
    pub lane_stride: usize,
    pub b: *const f32,
    pub depth: usize,
    pub start: StartAt,
    pub c: *mut f32,
    pub ldc: usize,
    pub columns: usize,
}

impl Job {
    /// Multiplies the rows in tiles of nearly equal height, none lower than half the highest.
    ///
    /// # Safety
    /// The job's memory is there, its part of C is the caller's, and L is available.
    #[inline(always)]
    pub(crate) unsafe fn run<L: Lanes, F: Factors<L>>(&self, row: usize, row_end: usize) {
        let count = (row_end - row).div_ceil(L::TILE_ROWS);
        for i in 0..count {
            let (first, end) = (row + share(row_end - row, count, i), row + share(row_end - row, count, i + 1));
            // SAFETY: the caller's promise.
            unsafe {
                match end - first {
                    12 => self.tile::<L, F, 12>(first),
                    11 => self.tile::<L, F, 11>(first),
                    10 => self.tile::<L, F, 10>(first),
                    9 => self.tile::<L, F, 9>(first),
                    8 => self.tile::<L, F, 8>(first),
                    7 => self.tile::<L, F, 7>(first),
                    6 => self.tile::<L, F, 6>(first),
                    5 => self.tile::<L, F, 5>(first),
                    4 => self.tile::<L, F, 4>(first),
                    3 => self.tile::<L, F, 3>(first),
                    2 => self.tile::<L, F, 2>(first),
                    _ => self.tile::<L, F, 1>(first),
                }
            }
        }
    }

    /// Multiplies one register tile: ROWS rows of A, from `row` on, times the panel.
    ///
    /// # Safety
    /// As for `run`.
    #[inline(always)]
    unsafe fn tile<L: Lanes, F: Factors<L>, const ROWS: usize>(&self, row: usize) {
        if ROWS > L::TILE_ROWS {
            return;
        }
        // SAFETY: the caller's promise; the two vectors of a row are read and written in full only where the
        // panel is full.
        unsafe {
            let mut sums = [[L::zero(); 2]; ROWS];
            let (first, second) = (self.columns.min(L::N), self.columns.saturating_sub(L::N));
            let c = self.c.add(row * self.ldc);
            match self.start {
                StartAt::Zero | StartAt::Unread => {}
                StartAt::Bias(bias) => {
                    let bias = [L::load_first(bias, first), L::load_first(bias.wrapping_add(L::N), second)];
                    sums = [bias; ROWS];
                }
                StartAt::Accumulate => {
                    for (i, sum) in sums.iter_mut().enumerate() {
                        let at = c.add(i * self.ldc);
                        *sum = if second == L::N {
                            [L::load(at), L::load(at.add(L::N))]
                        } else {
                            [L::load_first(at, first), L::load_first(at.wrapping_add(L::N), second)]
                        };
                    }
                }
            }
            let (mut a, mut b) = (self.a.wrapping_add(row * self.row_stride), self.b);
            for _ in 0..self.depth {
                let (b0, b1) = (L::load(b), L::load(b.add(L::N)));
                for (i, sum) in sums.iter_mut().enumerate() {
                    let x = L::splat(*a.add(i * self.row_stride));
                    sum[0] = F::multiply_add(x, b0, sum[0]);
                    sum[1] = F::multiply_add(x, b1, sum[1]);
                }
                a = a.wrapping_add(self.lane_stride);
                b = b.add(2 * L::N);
            }
            if self.start == StartAt::Unread && second == L::N {
                // This is a loop of its own: a choice inside would keep the sums out of registers.
                for (i, sum) in sums.iter().enumerate() {
                    let at = c.add(i * self.ldc);
                    L::store_past(at, sum[0]);
                    L::store_past(at.add(L::N), sum[1]);
                }
                return;
            }
            for (i, sum) in sums.iter().enumerate() {
                let at = c.add(i * self.ldc);
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
