//! Matrix products: the one place where most of the time goes.
//!
//! C (m × n) = A (m × k) · B (k × n), sums in f32. A task takes a panel of B, two vectors wide, and packs it as it comes
//! into the cache. It runs register tiles of `TILE_ROWS` rows of A over the panel, k in order. An element's sum
//! therefore has one order, whatever the blocks and threads.
//!
//! The unit of a packed operand is a lane of 32 bits: one f32, or two bf16 that are neighbors along k.

#[cfg(target_arch = "x86_64")]
mod amx;
mod factors;
pub(crate) mod operand;
mod pack;
mod tile;

#[cfg(target_arch = "x86_64")]
use crate::cpu::level::Level;
use crate::cpu::product::factors::{Bf16, F32};
use crate::cpu::product::operand::{Operand, Precision, Start};
use crate::cpu::product::pack::{Left, LeftView, pack_right};
use crate::cpu::product::tile::{Job, MOST_LANES, StartAt, TILE, on_tiles, panel_width, share};
use crate::cpu::simd::multiversion;
use crate::memory::floats::{Floats, LINE};
use crate::memory::tensor::Area;
use crate::threads::{for_each, threads};
use std::cell::RefCell;
use std::ops::Range;

/// Lanes of k that are multiplied before C is stored. A panel's share then fits the first-level cache.
const BLOCK_LANES: usize = 384;

/// Rows of C that a task computes at least. Packing a panel of B is then a small part of it.
const LEAST_ROWS: usize = 96;

/// Lanes of A that a task reads at most at a time. They fit the second-level cache, or nearly.
const MOST_LEFT: usize = 768 * BLOCK_LANES;

/// Rows of a panel of C that the first-level cache holds, wherever they lie: two tiles.
const FINISHED_ROWS: usize = 24;

/// Products below this many multiply-adds run on the calling thread.
const PARALLEL_FROM: usize = 64 * 1024;

/// Computes C = start + A·B on all threads; A is m × k, B k × n, C m × n row-major without gaps.
///
/// # Precision
/// Factors as `precision` says; an element's sum is f32, over k in order. Products of bf16 sum two neighbors at a time;
/// AMX sums 32, even and odd ones apart.
/// # Panics
/// If a shape does not fit.
pub fn product(
    precision: Precision,
    shape: (usize, usize, usize),
    a: Operand,
    b: Operand,
    start: Start,
    c: &mut [f32],
) {
    product_then(Product { precision, shape, a, b, start }, c, None, |_, _, _| ());
}

/// A product to compute.
#[derive(Clone, Copy)]
pub(crate) struct Product<'a> {
    /// How factors are rounded.
    pub precision: Precision,
    /// (m, k, n).
    pub shape: (usize, usize, usize),
    /// The left operand, m × k.
    pub a: Operand<'a>,
    /// The right operand, k × n.
    pub b: Operand<'a>,
    /// The value that sums start from.
    pub start: Start<'a>,
}

/// Computes a product, and calls `finish` with parts of C that are complete and still in the cache, each element once.
///
/// `finish` gets the rows, the columns, and that part of C to read and write. It may read the same part of `beside`,
/// which comes into the cache meanwhile.
pub(crate) fn product_then(
    Product { precision, shape: (m, k, n), a, b, start }: Product,
    c: &mut [f32],
    beside: Option<Area>,
    finish: impl Fn(Range<usize>, Range<usize>, Area) + Sync,
) {
    assert_eq!(c.len(), m * n, "product: C is {m} × {n}");
    a.assert_holds(m, k);
    b.assert_holds(k, n);
    if let Start::Bias(bias) = start {
        assert_eq!(bias.len(), n, "product: one bias a column");
    }
    if m == 0 || n == 0 {
        return;
    }
    let alone = threads() == 1 || m * n * k < PARALLEL_FROM;
    let each = |count: usize, work: &(dyn Fn(usize) + Sync)| {
        if alone { (0..count).for_each(work) } else { for_each(count, work) }
    };
    // f32 is read where it lies.
    let packed = (precision == Precision::Bf16).then(|| Left::pack(precision, a, m, k, &each));
    let left = packed.as_ref().map_or_else(|| LeftView::in_place(&a), Left::view);
    // SAFETY: C is m × n.
    let c = unsafe { Area::new(c.as_mut_ptr(), n, m, n) };
    let width = panel_width();
    let panels = n.div_ceil(width);
    let lanes = k.div_ceil(precision.per_lane());
    // Rows are cut where A would not stay in the cache, and where panels are too few to keep all threads busy.
    let most = (m * lanes.min(BLOCK_LANES)).div_ceil(MOST_LEFT);
    let blocks = (4 * threads()).div_ceil(panels).min(m.div_ceil(LEAST_ROWS)).max(most);
    // Only what is written once and in whole cache lines can go past the caches.
    let once =
        lanes <= BLOCK_LANES && n.is_multiple_of(LINE) && c.row(0).addr().is_multiple_of(size_of::<[f32; LINE]>());
    each(panels * blocks, &|task| {
        let (column, block) = (task % panels * width, task / panels);
        let rows = share(m, blocks, block)..share(m, blocks, block + 1);
        let columns = column..n.min(column + width);
        let start = match start {
            Start::Unread if once => StartAt::Unread,
            Start::Zero | Start::Unread => StartAt::Zero,
            Start::Bias(bias) => StartAt::Bias(bias[column..].as_ptr()),
            Start::Accumulate => StartAt::Accumulate,
        };
        // The task that this thread takes next, if the threads go on in turn.
        let next = (task + threads() < panels * blocks).then(|| {
            let column = (task + threads()) % panels * width;
            column..n.min(column + width)
        });
        // SAFETY: A, B and C hold these rows and columns, and no other task has these elements of C.
        unsafe {
            let panel = Panel { precision, k, left, b, start, rows, columns: columns.clone(), c, beside, next };
            panel.multiply(|rows| finish(rows.clone(), columns.clone(), c.part(rows, columns.clone())));
        }
    });
}

/// Computes C (+)= A·B in f32 on the calling thread; A has k columns.
pub(crate) fn product_here(k: usize, a: Operand, b: Operand, accumulate: bool, c: Area) {
    let (m, n) = (c.rows, c.columns);
    a.assert_holds(m, k);
    b.assert_holds(k, n);
    let start = if accumulate { StartAt::Accumulate } else { StartAt::Zero };
    for column in (0..n).step_by(panel_width()) {
        let columns = column..n.min(column + panel_width());
        // SAFETY: the asserts above; the area is the caller's to write.
        unsafe {
            let (precision, left) = (Precision::F32, LeftView::in_place(&a));
            let panel = Panel { precision, k, left, b, start, rows: 0..m, columns, c, beside: None, next: None };
            panel.multiply(|_| ());
        }
    }
}

thread_local! {
    /// A thread's panel of B.
    static PANEL: RefCell<Floats> = RefCell::new(Floats::zeros(0));
}

/// One task of a product: some rows of C in the columns of one panel.
struct Panel<'a> {
    precision: Precision,
    /// Columns of A.
    k: usize,
    left: LeftView,
    b: Operand<'a>,
    start: StartAt,
    rows: Range<usize>,
    columns: Range<usize>,
    /// All of C.
    c: Area,
    /// A matrix of C's shape that is read when rows are complete.
    beside: Option<Area>,
    /// Columns of the panel that this thread takes next.
    next: Option<Range<usize>>,
}

impl Panel<'_> {
    /// Computes the task's part of C, and calls `finish` with rows that are complete and still in the cache.
    ///
    /// Meanwhile the caches are asked for what is packed after each block: the panel's next block, then the first of
    /// `next`.
    ///
    /// # Safety
    /// A holds the rows, B the columns, C both, and nobody else touches these elements of C.
    unsafe fn multiply(self, finish: impl Fn(Range<usize>)) {
        let Panel { precision, k, left, b, start, rows, columns, c, beside, next } = self;
        let per_lane = precision.per_lane();
        let lanes = k.div_ceil(per_lane);
        // Vectors have tiles of every height, a matrix unit of one.
        let whole_tiles = on_tiles(precision);
        let finished = if whole_tiles { 2 * TILE } else { FINISHED_ROWS };
        let edge = |parts, i| if whole_tiles { rows.len().min(i * finished) } else { share(rows.len(), parts, i) };
        let block = |lane: usize| k.min(lane * per_lane)..k.min((lane + BLOCK_LANES) * per_lane);
        PANEL.with_borrow_mut(|panel| {
            let room = BLOCK_LANES.next_multiple_of(MOST_LANES) * panel_width();
            if panel.len() < room {
                *panel = Floats::zeros(room);
            }
            let mut lane = 0;
            loop {
                pack_right(precision, b, block(lane), columns.clone(), panel);
                let job = Job {
                    a: left.data.wrapping_add(lane * left.lane_stride),
                    row_stride: left.row_stride,
                    lane_stride: left.lane_stride,
                    b: panel.as_ptr(),
                    depth: BLOCK_LANES.min(lanes - lane),
                    start: if lane == 0 { start } else { StartAt::Accumulate },
                    c: c.row(0).wrapping_add(columns.start),
                    ldc: c.stride(),
                    columns: columns.len(),
                };
                lane += job.depth;
                let complete = lane == lanes;
                let ahead = match &next {
                    _ if !complete => Some(b.area(block(lane), columns.clone())),
                    Some(next) => Some(b.area(block(0), next.clone())),
                    None => None,
                };
                let parts = rows.len().div_ceil(finished);
                for i in 0..parts {
                    let part = edge(parts, i)..edge(parts, i + 1);
                    let part = rows.start + part.start..rows.start + part.end;
                    if let Some(ahead) = ahead {
                        let rows = share(ahead.rows, parts, i)..share(ahead.rows, parts, i + 1);
                        ask_for(ahead.part(rows, 0..ahead.columns), Used::Later);
                    }
                    if let (Some(beside), true) = (beside, complete) {
                        ask_for(beside.part(part.clone(), columns.clone()), Used::Soon);
                    }
                    // SAFETY: the caller's promise; the panel was packed above.
                    unsafe { tiles(precision, &job, part.start, part.end) };
                    if complete {
                        finish(part);
                    }
                }
                if complete {
                    break;
                }
            }
            if start == StartAt::Unread {
                arrive();
            }
        });
    }
}

/// The time when an area's cache lines are used.
#[derive(Clone, Copy)]
enum Used {
    /// Next: they come into the first-level cache.
    Soon,
    /// Later: they wait in the second-level cache, since the first has no room for them.
    Later,
}

multiversion! {
    /// Asks for an area's cache lines.
    fn ask_for<L>(area: Area, used: Used) {
        for row in 0..area.rows {
            for column in (0..area.columns).step_by(LINE) {
                let at = area.row(row).wrapping_add(column);
                // SAFETY: nothing is read.
                match used {
                    Used::Soon => L::prefetch(at),
                    Used::Later => L::prefetch_later(at),
                }
            }
        }
    }
}

multiversion! {
    /// Waits until everything that went past the caches is in memory.
    fn arrive<L>() {
        L::arrive();
    }
}

/// Multiplies rows of a job in register tiles.
///
/// # Safety
/// The job's memory is there, and its part of C is the caller's.
unsafe fn tiles(precision: Precision, job: &Job, row: usize, row_end: usize) {
    match precision {
        Precision::F32 => tiles_f32(job, row, row_end),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the level says that the processor has the unit; for it, A was packed in rows.
        Precision::Bf16 if on_tiles(precision) => unsafe { amx::rows(job, row, row_end) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the level says that the processor has the instructions.
        Precision::Bf16 if Level::in_use() == Level::Avx512Bf16 => unsafe { tiles_bf16_native(job, row, row_end) },
        Precision::Bf16 => tiles_bf16(job, row, row_end),
    }
}

multiversion! {
    fn tiles_f32<L>(job: &Job, row: usize, row_end: usize) {
        job.run::<L, F32>(row, row_end);
    }
}

multiversion! {
    fn tiles_bf16<L>(job: &Job, row: usize, row_end: usize) {
        job.run::<L, Bf16>(row, row_end);
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw,avx512bf16,avx2,fma")]
unsafe fn tiles_bf16_native(job: &Job, row: usize, row_end: usize) {
    // SAFETY: the caller's promise.
    unsafe { job.run::<crate::cpu::simd::Avx512, factors::NativeBf16>(row, row_end) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{at_every_level, random};
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn every_element_is_finished_once_and_complete() {
        // The level must not change between the two products that are compared.
        at_every_level(|level| {
            for (m, k, n) in [(1, 1, 1), (13, 800, 33), (1600, 3, 70)] {
                let (a, b, mut c) = (random(1, m * k, 1.0), random(2, k * n, 1.0), vec![f32::NAN; m * n]);
                let mut plain = c.clone();
                let (left, right) = (Operand::Rows(&a, k), Operand::Rows(&b, n));
                product(Precision::F32, (m, k, n), left, right, Start::Zero, &mut plain);
                let finished: Vec<AtomicU32> = (0..m * n).map(|_| AtomicU32::new(0)).collect();
                let product =
                    Product { precision: Precision::F32, shape: (m, k, n), a: left, b: right, start: Start::Zero };
                product_then(product, &mut c, None, |rows, columns, part| {
                    for (i, row) in rows.enumerate() {
                        for (j, column) in columns.clone().enumerate() {
                            finished[row * n + column].fetch_add(1, Ordering::Relaxed);
                            // SAFETY: the part is there and ours.
                            unsafe { assert_eq!(*part.row(i).add(j), plain[row * n + column]) };
                        }
                    }
                });
                assert!(finished.iter().all(|times| times.load(Ordering::Relaxed) == 1), "{level:?} {m} × {k} × {n}");
            }
        });
    }
}
