//! Packing: operands of a product in the order in which register tiles read them, converted on the way.
//!
//! Packing reads a weight from memory once a product, and writes a panel that is in the first-level cache. A copy that
//! is kept in packed form would have to be written by each update, and would be read just as often.

use crate::cpu::level::Level;
#[cfg(target_arch = "x86_64")]
use crate::cpu::product::factors::NativeBf16;
use crate::cpu::product::factors::{Bf16, F32, Factors};
use crate::cpu::product::operand::{Operand, Precision};
use crate::cpu::product::tile::{MOST_LANES, TILE, on_tiles, panel_width};
use crate::cpu::simd::{Lanes, multiversion};
use crate::memory::tensor::Tensor;
use crate::threads::Shared;
use std::ops::Range;

/// The left operand, in place or packed: element (row, lane) lies at row · row_stride + lane · lane_stride.
#[derive(Clone, Copy)]
pub(crate) struct LeftView {
    pub data: *const f32,
    pub row_stride: usize,
    pub lane_stride: usize,
}

// SAFETY: it is only read.
unsafe impl Sync for LeftView {}

impl LeftView {
    /// Views an operand of f32 where it lies.
    pub fn in_place(a: &Operand) -> LeftView {
        let (row_stride, lane_stride) = a.strides();
        LeftView { data: a.pointer(), row_stride, lane_stride }
    }
}

/// Calls the closure for each number below the first argument, on all threads or on one.
pub(crate) type Each<'a> = dyn Fn(usize, &(dyn Fn(usize) + Sync)) + 'a;

/// A left operand in lanes.
pub(crate) struct Left {
    data: Tensor,
    row_stride: usize,
    lane_stride: usize,
}

/// Rows of A, or of what is stored, that one task packs.
const LEFT_BLOCK: usize = 32;

impl Left {
    /// Packs A (m × k) along the direction in which it lies. For a matrix unit it is always packed in rows, since the
    /// unit reads rows of a tile from every row on.
    pub fn pack(precision: Precision, a: Operand, m: usize, k: usize, each: &Each) -> Left {
        let lanes = k.div_ceil(precision.per_lane());
        let room = lanes.next_multiple_of(MOST_LANES);
        let tiled = on_tiles(precision);
        // A tile reads this many rows past the last row.
        let spare = if tiled { TILE - 1 } else { 0 };
        match a {
            Operand::Rows(data, stride) => {
                let mut packed = Tensor::unfilled_with(m, spare, room);
                let out = Shared::new(packed.data_mut());
                each(m.div_ceil(LEFT_BLOCK), &|block| {
                    for row in block * LEFT_BLOCK..m.min((block + 1) * LEFT_BLOCK) {
                        // SAFETY: each row belongs to one task.
                        let to = unsafe { out.slice(row * room, room) };
                        pack_along(precision, &data[row * stride..][..k], to);
                    }
                });
                Left { data: packed, row_stride: room, lane_stride: 1 }
            }
            Operand::Columns(data, stride) if tiled => {
                // k is the rows of a batch here. With the lanes as rows, the largest batch decides the size of the buffer.
                let mut packed = Tensor::unfilled(room, m + spare);
                let out = Shared::new(packed.data_mut());
                each(m.div_ceil(LEFT_BLOCK), &|block| {
                    let rows = block * LEFT_BLOCK..m.min((block + 1) * LEFT_BLOCK);
                    // SAFETY: each row belongs to one task.
                    let to = unsafe { out.slice(rows.start * room, rows.len() * room) };
                    pack_down(precision, data, stride, k, rows, to, room);
                });
                Left { data: packed, row_stride: room, lane_stride: 1 }
            }
            Operand::Columns(data, stride) => {
                let room = m.next_multiple_of(MOST_LANES);
                let mut packed = Tensor::unfilled(lanes, room);
                let out = Shared::new(packed.data_mut());
                each(lanes.div_ceil(LEFT_BLOCK), &|block| {
                    let lanes = block * LEFT_BLOCK..lanes.min((block + 1) * LEFT_BLOCK);
                    // SAFETY: each row belongs to one task.
                    let to = unsafe { out.slice(lanes.start * room, lanes.len() * room) };
                    let part = lanes.start * precision.per_lane()..k.min(lanes.end * precision.per_lane());
                    pack_across(precision, data, stride, part, 0..m, to, room);
                });
                Left { data: packed, row_stride: 1, lane_stride: room }
            }
        }
    }

    pub fn view(&self) -> LeftView {
        LeftView { data: self.data.data().as_ptr(), row_stride: self.row_stride, lane_stride: self.lane_stride }
    }
}

/// Packs rows `k` and columns `columns` of B as a panel: lane by lane, the panel's columns, and zeros beyond them. For a
/// matrix unit the last tile of lanes is filled up with zeros.
pub(crate) fn pack_right(precision: Precision, b: Operand, k: Range<usize>, columns: Range<usize>, out: &mut [f32]) {
    let width = panel_width();
    if on_tiles(precision) {
        let lanes = k.len().div_ceil(precision.per_lane());
        out[lanes * width..lanes.next_multiple_of(TILE) * width].fill(0.0);
    }
    match b {
        Operand::Rows(data, stride) => pack_across(precision, data, stride, k, columns, out, width),
        Operand::Columns(data, stride) => pack_turned(precision, data, stride, k, columns, out, width),
    }
}

/// Makes `fn name(precision, args)` from `fn body<L, F>(args)`, compiled for each level and each kind of lane.
macro_rules! for_each_precision {
    ($(#[$meta:meta])* fn $name:ident = $body:ident($($arg:ident: $ty:ty),* $(,)?)) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments)]
        fn $name(precision: Precision, $($arg: $ty),*) {
            multiversion! {
                #[allow(clippy::too_many_arguments)]
                fn f32<L>($($arg: $ty),*) {
                    $body::<L, F32>($($arg),*)
                }
            }
            multiversion! {
                #[allow(clippy::too_many_arguments)]
                fn bf16<L>($($arg: $ty),*) {
                    $body::<L, Bf16>($($arg),*)
                }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw,avx512bf16,avx2,fma")]
            unsafe fn native($($arg: $ty),*) {
                // SAFETY: as for the body.
                unsafe { $body::<crate::cpu::simd::Avx512, NativeBf16>($($arg),*) }
            }
            match precision {
                Precision::F32 => f32($($arg),*),
                #[cfg(target_arch = "x86_64")]
                // SAFETY: the level says that the processor has the instructions.
                Precision::Bf16 if Level::in_use() >= Level::Avx512Bf16 => unsafe { native($($arg),*) },
                Precision::Bf16 => bf16($($arg),*),
            }
        }
    };
}

for_each_precision! {
    /// Packs consecutive floats; zeros up to the end of `to`.
    fn pack_along = along(from: &[f32], to: &mut [f32])
}

for_each_precision! {
    /// Packs rows `k` of what is stored, neighbors along k in a lane. `to` gets a row of `room` lanes for each lane of k.
    fn pack_across = across(
        data: &[f32], stride: usize, k: Range<usize>, columns: Range<usize>, to: &mut [f32], room: usize,
    )
}

for_each_precision! {
    /// Packs from the transpose: what is stored has a row for each of `columns`, and k runs along it. `to` gets a row of
    /// `room` lanes for each lane of k.
    fn pack_turned = turned(
        data: &[f32], stride: usize, k: Range<usize>, columns: Range<usize>, to: &mut [f32], room: usize,
    )
}

for_each_precision! {
    /// Packs k elements of each of these columns of what is stored. `to` gets a row of `room` lanes for each column, with
    /// zeros up to its end.
    fn pack_down = down(data: &[f32], stride: usize, k: usize, columns: Range<usize>, to: &mut [f32], room: usize)
}

/// Loads `count` floats, then zeros; `count` may be negative.
#[inline(always)]
unsafe fn load_some<L: Lanes>(from: *const f32, count: isize) -> L::V {
    // SAFETY: the caller promises `count` floats.
    unsafe {
        match usize::try_from(count) {
            Ok(count) if count >= L::N => L::load(from),
            Ok(count) => L::load_first(from, count),
            Err(_) => L::zero(),
        }
    }
}

/// Returns N lanes of `left` consecutive floats, zeros beyond them.
#[inline(always)]
unsafe fn lanes_along<L: Lanes, F: Factors<L>>(from: *const f32, left: isize) -> L::V {
    // SAFETY: the caller promises `left` floats.
    unsafe {
        let second = match F::PER_LANE {
            2 => load_some::<L>(from.wrapping_add(L::N), left - L::N as isize),
            _ => L::zero(),
        };
        F::along(load_some::<L>(from, left), second)
    }
}

#[inline(always)]
unsafe fn along<L: Lanes, F: Factors<L>>(from: &[f32], to: &mut [f32]) {
    assert!(to.len().is_multiple_of(L::N) && from.len() <= to.len() * F::PER_LANE);
    for (i, to) in to.chunks_exact_mut(L::N).enumerate() {
        let at = i * L::N * F::PER_LANE;
        let left = from.len() as isize - at as isize;
        // SAFETY: `left` floats are there from `at`.
        unsafe {
            let start = from.as_ptr().wrapping_add(at);
            L::store(to.as_mut_ptr(), lanes_along::<L, F>(start, left));
        }
    }
}

#[inline(always)]
unsafe fn across<L: Lanes, F: Factors<L>>(
    data: &[f32],
    stride: usize,
    k: Range<usize>,
    columns: Range<usize>,
    to: &mut [f32],
    room: usize,
) {
    let lanes = k.len().div_ceil(F::PER_LANE);
    assert!(room.is_multiple_of(L::N) && columns.len() <= room && lanes * room <= to.len());
    assert!(k.is_empty() || (k.end - 1) * stride + columns.end <= data.len());
    for lane in 0..lanes {
        let first = k.start + lane * F::PER_LANE;
        let low = data.as_ptr().wrapping_add(first * stride + columns.start);
        let to = to[lane * room..].as_mut_ptr();
        let (two, second) = (F::PER_LANE == 2 && first + 1 < k.end, low.wrapping_add(stride));
        for column in (0..room).step_by(L::N) {
            let left = columns.len() as isize - column as isize;
            // SAFETY: `left` floats are there from `column` in both rows; `to` has `room` floats.
            unsafe {
                let high = if two { load_some::<L>(second.wrapping_add(column), left) } else { L::zero() };
                L::store(to.add(column), F::across(load_some::<L>(low.wrapping_add(column), left), high));
            }
        }
    }
}

#[inline(always)]
unsafe fn turned<L: Lanes, F: Factors<L>>(
    data: &[f32],
    stride: usize,
    k: Range<usize>,
    columns: Range<usize>,
    to: &mut [f32],
    room: usize,
) {
    let lanes = k.len().div_ceil(F::PER_LANE);
    assert!(room.is_multiple_of(L::N) && columns.len() <= room && lanes.next_multiple_of(L::N) * room <= to.len());
    assert!(columns.is_empty() || (columns.end - 1) * stride + k.end <= data.len());
    let mut square = Square([0.0; MOST_LANES * MOST_LANES]);
    for column in (0..room).step_by(L::N) {
        for lane in (0..lanes).step_by(L::N) {
            let left = k.len() as isize - (lane * F::PER_LANE) as isize;
            for (i, row) in square.0.chunks_exact_mut(L::N).take(L::N).enumerate() {
                let here = columns.start + column + i;
                let left = if here < columns.end { left } else { 0 };
                let from = data.as_ptr().wrapping_add(here * stride + k.start + lane * F::PER_LANE);
                // SAFETY: `left` floats are there; a row of the square has N.
                unsafe {
                    L::store(row.as_mut_ptr(), lanes_along::<L, F>(from, left));
                }
            }
            // SAFETY: the square is N × N; `to` has rows of `room` lanes, N of them from `lane` by the assert.
            unsafe { L::transpose(square.0.as_ptr(), L::N, to.as_mut_ptr().add(lane * room + column), room) };
        }
    }
}

#[inline(always)]
unsafe fn down<L: Lanes, F: Factors<L>>(
    data: &[f32],
    stride: usize,
    k: usize,
    columns: Range<usize>,
    to: &mut [f32],
    room: usize,
) {
    assert!(room.is_multiple_of(L::N) && k <= room * F::PER_LANE && columns.len() * room <= to.len());
    assert!(k == 0 || (k - 1) * stride + columns.end <= data.len());
    let (mut square, mut turned) = (Square([0.0; MOST_LANES * MOST_LANES]), Square([0.0; MOST_LANES * MOST_LANES]));
    for first in (0..columns.len()).step_by(L::N) {
        let left = (columns.len() - first) as isize;
        for lane in (0..room).step_by(L::N) {
            for (i, row) in square.0.chunks_exact_mut(L::N).take(L::N).enumerate() {
                let at = (lane + i) * F::PER_LANE;
                let some = |at: usize| {
                    let left = if at < k { left } else { 0 };
                    // SAFETY: `left` floats of row `at` are there by the assert.
                    unsafe { load_some::<L>(data.as_ptr().wrapping_add(at * stride + columns.start + first), left) }
                };
                // SAFETY: a row of the square has N floats.
                unsafe {
                    let high = if F::PER_LANE == 2 { some(at + 1) } else { L::zero() };
                    L::store(row.as_mut_ptr(), F::across(some(at), high));
                }
            }
            // SAFETY: both squares are N × N.
            unsafe { L::transpose(square.0.as_ptr(), L::N, turned.0.as_mut_ptr(), L::N) };
            for (to, row) in to[first * room..].chunks_mut(room).zip(turned.0.chunks_exact(L::N)).take(left as usize) {
                to[lane..lane + L::N].copy_from_slice(row);
            }
        }
    }
}

/// N × N lanes on the way from rows to columns.
#[repr(align(64))]
struct Square([f32; MOST_LANES * MOST_LANES]);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{at_every_level, random};

    #[test]
    fn columns_become_rows_of_lanes() {
        at_every_level(|level| {
            for precision in [Precision::F32, Precision::Bf16] {
                for (k, m) in [(1_usize, 1), (2, 16), (31, 17), (33, 15), (64, 33), (70, 5)] {
                    let (stride, first, room) =
                        (m + 4, 3, k.div_ceil(precision.per_lane()).next_multiple_of(MOST_LANES));
                    let data = random(1, k * stride, 1.0);
                    let mut got = vec![f32::NAN; m * room];
                    pack_down(precision, &data, stride, k, first..first + m, &mut got, room);
                    // Rows of the transpose, packed along.
                    let mut want = vec![f32::NAN; m * room];
                    for (column, to) in want.chunks_exact_mut(room).enumerate() {
                        let row: Vec<f32> = (0..k).map(|p| data[p * stride + first + column]).collect();
                        pack_along(precision, &row, to);
                    }
                    let same = got.iter().zip(&want).all(|(got, want)| got.to_bits() == want.to_bits());
                    assert!(same, "{level:?} {precision:?}: {m} columns of {k}");
                }
            }
        });
    }
}
