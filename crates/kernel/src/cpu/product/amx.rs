//! Products of bf16 by Intel's matrix unit (AMX), whose registers are tiles of 16 rows of 16 lanes.
//!
//! Two tiles of A times two of B add to four of C. So all eight registers are in use, and each loaded tile is multiplied
//! twice. A part of C that is not a whole number of tiles is computed in a buffer and copied.
//!
//! # Source
//! Intel 64 and IA-32 Architectures Software Developer's Manual, volumes 1 (chapter 18) and 2 (TDPBF16PS).

use crate::cpu::product::tile::{Job, StartAt, TILE};
use crate::cpu::simd::multiversion;
use std::mem::MaybeUninit;

/// Rows and columns of C that are computed at a time.
const ROWS: usize = 2 * TILE;

/// Four tiles of C: what they start from, what they sum and where they go. Strides are in floats or lanes.
#[derive(Clone, Copy)]
struct Tiles {
    /// What C starts from; where the stride is 0, all rows are one.
    from: *const f32,
    from_stride: usize,
    a: *const f32,
    a_stride: usize,
    /// A panel of B, in rows of [`ROWS`] lanes.
    b: *const f32,
    /// How many tiles of A lie in a row.
    steps: usize,
    to: *mut f32,
    to_stride: usize,
    /// Whether there is a second row of tiles.
    two: bool,
}

/// A buffer for a part of C.
#[repr(align(64))]
struct Beside([f32; ROWS * ROWS]);

static ZEROS: Beside = Beside([0.0; ROWS * ROWS]);

/// Multiplies rows `row .. row_end` of a job, at most [`ROWS`]. The left operand lies in rows of whole tiles, and there
/// is memory for a tile's rows from every row on.
///
/// # Safety
/// The job's memory is there, its part of C is the caller's, and the processor has the unit.
pub(crate) unsafe fn rows(job: &Job, row: usize, row_end: usize) {
    // SAFETY: the caller's promise; this thread's tiles have their shape when they multiply.
    unsafe {
        unit::configure();
        rows_by(job, row, row_end, |tiles| unit::multiply(tiles));
    }
}

/// Multiplies rows by `multiply`, which does what [`Tiles`] says.
///
/// # Safety
/// As for [`rows`].
unsafe fn rows_by(job: &Job, row: usize, row_end: usize, multiply: impl Fn(Tiles)) {
    let (rows, columns) = (row_end - row, job.columns);
    assert!(rows <= ROWS && columns <= ROWS && job.lane_stride == 1, "amx: {rows} rows of {columns} columns at once");
    let c = job.c.wrapping_add(row * job.ldc);
    let mut beside = MaybeUninit::<Beside>::uninit();
    let beside = beside.as_mut_ptr().cast::<f32>();
    let mut bias = [0.0; ROWS];
    let whole = rows.is_multiple_of(TILE) && columns == ROWS;
    let (from, from_stride) = match job.start {
        StartAt::Zero | StartAt::Unread => (ZEROS.0.as_ptr(), 0),
        StartAt::Bias(numbers) => {
            // SAFETY: there is one a column.
            unsafe { std::ptr::copy_nonoverlapping(numbers, bias.as_mut_ptr(), columns) };
            (bias.as_ptr(), 0)
        }
        StartAt::Accumulate if whole => (c.cast_const(), job.ldc),
        StartAt::Accumulate => {
            copy(c, job.ldc, beside, ROWS, rows, columns, false);
            (beside.cast_const(), ROWS)
        }
    };
    let in_place = whole && job.start != StartAt::Unread;
    let (to, to_stride) = if in_place { (c, job.ldc) } else { (beside, ROWS) };
    let (a, a_stride) = (job.a.wrapping_add(row * job.row_stride), job.row_stride);
    let (steps, two) = (job.depth.div_ceil(TILE), rows > TILE);
    multiply(Tiles { from, from_stride, a, a_stride, b: job.b, steps, to, to_stride, two });
    if !in_place {
        copy(beside, ROWS, c, job.ldc, rows, columns, job.start == StartAt::Unread);
    }
}

multiversion! {
    /// Copies a matrix; past the caches if `past` asks for that and the target's rows are whole vectors.
    fn copy<L>(from: *const f32, stride: usize, to: *mut f32, to_stride: usize, rows: usize, columns: usize, past: bool) {
        for row in 0..rows {
            let (from, to) = (from.wrapping_add(row * stride), to.wrapping_add(row * to_stride));
            for column in (0..columns).step_by(L::N) {
                let left = columns - column;
                // SAFETY: both matrices are the caller's.
                match (left >= L::N, past) {
                    (true, true) => L::store_past(to.add(column), L::load(from.add(column))),
                    (true, false) => L::store(to.add(column), L::load(from.add(column))),
                    (false, _) => L::store_first(to.add(column), L::load_first(from.add(column), left), left),
                }
            }
        }
    }
}

/// Instructions for which Rust has no stable names.
mod unit {
    use super::{ROWS, Tiles};
    use std::arch::asm;
    use std::cell::Cell;

    /// The shapes of the eight tiles, as LDTILECFG reads them.
    #[repr(C, align(64))]
    struct Shapes {
        palette: u8,
        start_row: u8,
        reserved: [u8; 14],
        row_bytes: [u16; 16],
        rows: [u8; 16],
    }

    static SHAPES: Shapes = {
        let (mut row_bytes, mut rows) = ([0; 16], [0; 16]);
        let mut tile = 0;
        while tile < 8 {
            (row_bytes[tile], rows[tile]) = (64, 16);
            tile += 1;
        }
        Shapes { palette: 1, start_row: 0, reserved: [0; 14], row_bytes, rows }
    };

    /// Gives this thread's tiles their shape for as long as the thread lives: nothing else in the process uses them.
    ///
    /// # Safety
    /// The unit is available.
    pub(super) unsafe fn configure() {
        thread_local! {
            static DONE: Cell<bool> = const { Cell::new(false) };
        }
        if !DONE.replace(true) {
            // SAFETY: the caller's promise; the shapes are valid.
            unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const SHAPES, options(nostack, readonly)) };
        }
    }

    /// Computes C = from + A·B.
    ///
    /// # Safety
    /// All of what `tiles` points at is there, and this thread's tiles are configured.
    pub(super) unsafe fn multiply(tiles: Tiles) {
        let Tiles { from, from_stride, a, a_stride, b, steps, to, to_stride, two } = tiles;
        let bytes = |lanes: usize| lanes * size_of::<f32>();
        // SAFETY: the caller's promise; tiles are used by nobody else.
        unsafe {
            if two {
                let below = |stride: usize| 16 * stride;
                asm!(
                    "tileloadd tmm0, [{from} + {from_stride}]",
                    "tileloadd tmm1, [{from} + {from_stride} + 64]",
                    "tileloadd tmm2, [{from_below} + {from_stride}]",
                    "tileloadd tmm3, [{from_below} + {from_stride} + 64]",
                    "test {steps}, {steps}",
                    "jz 3f",
                    "2:",
                    "tileloadd tmm4, [{a} + {a_stride}]",
                    "tileloadd tmm6, [{b} + {b_stride}]",
                    "tileloadd tmm7, [{b} + {b_stride} + 64]",
                    "tileloadd tmm5, [{a_below} + {a_stride}]",
                    "tdpbf16ps tmm0, tmm4, tmm6",
                    "tdpbf16ps tmm1, tmm4, tmm7",
                    "tdpbf16ps tmm2, tmm5, tmm6",
                    "tdpbf16ps tmm3, tmm5, tmm7",
                    "add {a}, 64",
                    "add {a_below}, 64",
                    "add {b}, 2048",
                    "dec {steps}",
                    "jnz 2b",
                    "3:",
                    "tilestored [{to} + {to_stride}], tmm0",
                    "tilestored [{to} + {to_stride} + 64], tmm1",
                    "tilestored [{to_below} + {to_stride}], tmm2",
                    "tilestored [{to_below} + {to_stride} + 64], tmm3",
                    from = in(reg) from,
                    from_below = in(reg) from.wrapping_add(below(from_stride)),
                    from_stride = in(reg) bytes(from_stride),
                    a = inout(reg) a => _,
                    a_below = inout(reg) a.wrapping_add(below(a_stride)) => _,
                    a_stride = in(reg) bytes(a_stride),
                    b = inout(reg) b => _,
                    b_stride = in(reg) bytes(ROWS),
                    steps = inout(reg) steps => _,
                    to = in(reg) to,
                    to_below = in(reg) to.wrapping_add(below(to_stride)),
                    to_stride = in(reg) bytes(to_stride),
                    options(nostack),
                );
            } else {
                asm!(
                    "tileloadd tmm0, [{from} + {from_stride}]",
                    "tileloadd tmm1, [{from} + {from_stride} + 64]",
                    "test {steps}, {steps}",
                    "jz 3f",
                    "2:",
                    "tileloadd tmm4, [{a} + {a_stride}]",
                    "tileloadd tmm6, [{b} + {b_stride}]",
                    "tileloadd tmm7, [{b} + {b_stride} + 64]",
                    "tdpbf16ps tmm0, tmm4, tmm6",
                    "tdpbf16ps tmm1, tmm4, tmm7",
                    "add {a}, 64",
                    "add {b}, 2048",
                    "dec {steps}",
                    "jnz 2b",
                    "3:",
                    "tilestored [{to} + {to_stride}], tmm0",
                    "tilestored [{to} + {to_stride} + 64], tmm1",
                    from = in(reg) from,
                    from_stride = in(reg) bytes(from_stride),
                    a = inout(reg) a => _,
                    a_stride = in(reg) bytes(a_stride),
                    b = inout(reg) b => _,
                    b_stride = in(reg) bytes(ROWS),
                    steps = inout(reg) steps => _,
                    to = in(reg) to,
                    to_stride = in(reg) bytes(to_stride),
                    options(nostack),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{assert_close, assert_far, at_every_level, random};

    /// Does what the unit does, by its manual's formula but for the order of sums.
    fn plainly(tiles: Tiles) {
        let Tiles { from, from_stride, a, a_stride, b, steps, to, to_stride, two } = tiles;
        let halves = |lane: f32| [lane.to_bits() << 16, lane.to_bits() & 0xffff_0000].map(f32::from_bits);
        for row in 0..if two { ROWS } else { TILE } {
            for column in 0..ROWS {
                // SAFETY: `rows_by` hands over what is there, as the caller below lays it out.
                unsafe {
                    let mut sum = *from.add(row * from_stride + column);
                    for lane in 0..steps * TILE {
                        let (x, y) = (halves(*a.add(row * a_stride + lane)), halves(*b.add(lane * ROWS + column)));
                        sum += x[0] * y[0] + x[1] * y[1];
                    }
                    *to.add(row * to_stride + column) = sum;
                }
            }
        }
    }

    /// Whole numbers that bf16 holds, so that every order of sums gives the same.
    fn whole_numbers(seed: u64, len: usize) -> Vec<f32> {
        random(seed, len, 8.0).into_iter().map(f32::round).collect()
    }

    /// Pairs of neighbors along k in lanes, zeros up to whole tiles.
    fn lanes(x: &dyn Fn(usize) -> f32, k: usize) -> Vec<f32> {
        let at = |i: usize| if i < k { x(i).to_bits() } else { 0 };
        (0..k.div_ceil(2).next_multiple_of(TILE))
            .map(|lane| f32::from_bits(at(2 * lane) >> 16 | at(2 * lane + 1) & 0xffff_0000))
            .collect()
    }

    /// Every x86 machine tests what surrounds the unit; one that has it tests the unit too, in tests/products.rs.
    #[test]
    fn parts_of_tiles_start_and_end_where_they_should() {
        at_every_level(|level| {
            for (m, k, n) in
                [(1, 1, 1), (15, 31, 17), (16, 32, 32), (17, 33, 31), (31, 70, 32), (32, 64, 32), (32, 2, 5)]
            {
                let (a, b) = (whole_numbers(1, m * k), whole_numbers(2, k * n));
                let (before, bias) = (whole_numbers(3, m * n), whole_numbers(4, n));
                let products: Vec<f64> = (0..m * n)
                    .map(|at| (0..k).map(|p| f64::from(a[at / n * k + p]) * f64::from(b[p * n + at % n])).sum())
                    .collect();
                let row_stride = k.div_ceil(2).next_multiple_of(TILE);
                let mut left: Vec<f32> = (0..m).flat_map(|i| lanes(&|p| a[i * k + p], k)).collect();
                // No sum may see these rows.
                left.resize((m + TILE - 1) * row_stride, f32::NAN);
                let columns: Vec<Vec<f32>> = (0..n).map(|j| lanes(&|p| b[p * n + j], k)).collect();
                let panel: Vec<f32> = (0..row_stride * ROWS)
                    .map(|at| columns.get(at % ROWS).map_or(0.0, |column| column[at / ROWS]))
                    .collect();
                let starts = [StartAt::Zero, StartAt::Unread, StartAt::Bias(bias.as_ptr()), StartAt::Accumulate];
                for (number, start) in starts.into_iter().enumerate() {
                    let what = format!("{level:?} {m} × {k} × {n}, start {number}");
                    let want: Vec<f64> = (0..m * n)
                        .map(|at| {
                            let first = [0.0, 0.0, bias[at % n], before[at]][number];
                            f64::from(first) + products[at]
                        })
                        .collect();
                    // A row of C is followed by what belongs to others.
                    let ldc = n + 3;
                    let mut c = crate::memory::floats::Floats::zeros(m * ldc + TILE);
                    c.fill(-1.0);
                    (0..m * n).for_each(|at| c[at / n * ldc + at % n] = before[at]);
                    let start = if start == StartAt::Unread && n != ROWS { StartAt::Zero } else { start };
                    let ldc = if start == StartAt::Unread { ROWS } else { ldc };
                    let job = Job {
                        a: left.as_ptr(),
                        row_stride,
                        lane_stride: 1,
                        b: panel.as_ptr(),
                        depth: k.div_ceil(2),
                        start,
                        c: c.as_mut_ptr(),
                        ldc,
                        columns: n,
                    };
                    let run = |multiply: &dyn Fn(Tiles)| {
                        // SAFETY: the job's memory is what was laid out above.
                        unsafe { rows_by(&job, 0, m, multiply) }
                    };
                    run(&plainly);
                    let got: Vec<f32> = (0..m * n).map(|at| c[at / n * ldc + at % n]).collect();
                    assert_close(&what, &got, &want, 0.0, 1);
                    if number == 2 {
                        assert_far(&what, &got, &products, 0.0, 1);
                    }
                    let others = (0..m * ldc).filter(|at| at % ldc >= n).chain(m * ldc..m * ldc + TILE);
                    assert!(others.into_iter().all(|at| ldc == ROWS || c[at] == -1.0), "{what}: outside");
                }
            }
        });
    }
}
