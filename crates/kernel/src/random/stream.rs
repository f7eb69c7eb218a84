//! Random numbers of this project: a function of the place, not of the time.

use crate::cpu::simd::{Lanes, multiversion};
use crate::memory::tensor::Area;

/// A stream of random numbers: element (row, column) is a pure function of the key and of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    key: u64,
}

/// Mixes 64 bits (the finalizer of SplitMix64: Steele, Lea and Flood, 2014).
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

impl Stream {
    /// Returns the stream of a seed.
    pub fn new(seed: u64) -> Stream {
        Stream { key: mix(seed.wrapping_add(0x9E37_79B9_7F4A_7C15)) }
    }

    /// Returns the number that decides all numbers of the stream.
    pub(crate) fn key(self) -> u64 {
        self.key
    }

    /// Returns the stream numbered `number` under this one: that of a step, a layer or a place in the layer.
    #[must_use]
    pub fn child(self, number: u64) -> Stream {
        Stream { key: mix(self.key ^ mix(number.wrapping_add(0x9E37_79B9_7F4A_7C15))) }
    }

    /// Returns 32 random bits at (row, column); the scalar twin of dropout's vectors.
    pub fn bits(self, row: usize, column: usize) -> u32 {
        let (a, b) = self.row_keys(row);
        scramble(scramble((column as u32).wrapping_mul(0x9E37_79B9).wrapping_add(a)) ^ b)
    }

    /// Returns a number in [0, 1) with 24 random bits.
    pub fn uniform(self, row: usize, column: usize) -> f32 {
        (self.bits(row, column) >> 8) as f32 * (1.0 / 16_777_216.0)
    }

    /// Returns a normal number of mean 0 and deviation 1 (Box and Muller, 1958), computed in f64.
    pub fn normal(self, row: usize, column: usize) -> f32 {
        let u = (f64::from(self.bits(row, 2 * column)) + 1.0) / 4_294_967_296.0;
        let v = f64::from(self.bits(row, 2 * column + 1)) / 4_294_967_296.0;
        ((-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()) as f32
    }

    fn row_keys(self, row: usize) -> (u32, u32) {
        let key = mix(self.key.wrapping_add((row as u64).wrapping_mul(0xD1B5_4A32_D192_ED03)));
        (key as u32, (key >> 32) as u32)
    }
}

/// Returns the least bits that keep an element.
pub(crate) fn threshold(rate: f32) -> u32 {
    (f64::from(rate) * 4_294_967_296.0) as u32
}

/// Maps 32 bits to 32 bits, one to one and with little bias (multipliers found by Wellons, 2018).
fn scramble(mut x: u32) -> u32 {
    x = (x ^ (x >> 16)).wrapping_mul(0x7FEB_352D);
    x = (x ^ (x >> 15)).wrapping_mul(0x846C_A68B);
    x ^ (x >> 16)
}

#[inline(always)]
unsafe fn scramble_lanes<L: Lanes>(x: L::U) -> L::U {
    // SAFETY: called from a multiversion body only.
    unsafe {
        let x = L::mul_u32(L::xor_u32(x, L::shift_right::<16>(x)), L::splat_u32(0x7FEB_352D));
        let x = L::mul_u32(L::xor_u32(x, L::shift_right::<15>(x)), L::splat_u32(0x846C_A68B));
        L::xor_u32(x, L::shift_right::<16>(x))
    }
}

multiversion! {
    /// Computes `to` = mask · `from` / (1 − rate), plus `residual`. Their first element is (`first_row`, `first_column`).
    pub(crate) fn mask_area<L>(
        stream: Stream, rate: f32, first_row: usize, first_column: usize, from: Area, residual: Option<Area>, to: Area,
    ) {
        from.assert_like(&to);
        residual.iter().for_each(|residual| residual.assert_like(&to));
        let (threshold, scale) = (L::splat_u32(threshold(rate)), L::splat(1.0 / (1.0 - rate)));
        for row in 0..to.rows {
            let (a, b) = stream.row_keys(first_row + row);
            let (from, to_row) = (from.row(row), to.row(row));
            for c in (0..to.columns).step_by(L::N) {
                let count = L::N.min(to.columns - c);
                let column = L::mul_u32(L::count_from((first_column + c) as u32), L::splat_u32(0x9E37_79B9));
                let bits = scramble_lanes::<L>(L::add_u32(column, L::splat_u32(a)));
                let bits = scramble_lanes::<L>(L::xor_u32(bits, L::splat_u32(b)));
                let factor = L::keep_if_at_least(bits, threshold, scale);
                // SAFETY: `count` floats from `c` are inside the rows.
                let (from, to) = (from.add(c), to_row.add(c));
                let mut y = L::mul(if count == L::N { L::load(from) } else { L::load_first(from, count) }, factor);
                if let Some(residual) = residual {
                    let at = residual.row(row).add(c);
                    y = L::add(y, if count == L::N { L::load(at) } else { L::load_first(at, count) });
                }
                if count == L::N { L::store(to, y) } else { L::store_first(to, y, count) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::tensor::Tensor;

    #[test]
    fn vectors_drop_what_the_scalar_twin_drops() {
        let stream = Stream::new(3).child(9);
        let (first_row, first_column, rows) = (5, 32, 3);
        for columns in [1, 7, 8, 9, 15, 16, 17, 33] {
            let x = Tensor::from_slice(rows, columns, &vec![1.0; rows * columns]);
            let mut y = Tensor::unfilled(rows, columns);
            mask_area(stream, 0.4, first_row, first_column, x.area(), Some(x.area()), y.area_mut());
            for (i, &value) in y.data().iter().enumerate() {
                let kept = stream.bits(first_row + i / columns, first_column + i % columns) >= threshold(0.4);
                assert_eq!(value, if kept { 1.0 / (1.0 - 0.4) + 1.0 } else { 1.0 }, "element {i} of {columns} a row");
            }
        }
    }

    #[test]
    fn the_share_kept_is_the_rate_asked_for_and_streams_differ() {
        let (rows, columns, rate) = (200, 384, 0.1f32);
        let kept = |stream: Stream| -> Vec<bool> {
            (0..rows * columns).map(|i| stream.bits(i / columns, i % columns) >= threshold(rate)).collect()
        };
        let (one, two) = (kept(Stream::new(1)), kept(Stream::new(1).child(0)));
        let n = (rows * columns) as f64;
        let share = one.iter().filter(|&&k| k).count() as f64 / n;
        // Five standard deviations of a binomial share.
        assert!((share - 0.9).abs() < 5.0 * (0.09 / n).sqrt(), "{share}");
        let both = one.iter().zip(&two).filter(|(a, b)| **a && **b).count() as f64 / n;
        assert!((both - 0.81).abs() < 5.0 * (0.81 * 0.19 / n).sqrt(), "{both}");
    }

    #[test]
    fn normal_numbers_have_mean_nought_and_deviation_one() {
        let n = 100_000;
        let values: Vec<f64> = (0..n).map(|i| f64::from(Stream::new(7).normal(i / 100, i % 100))).collect();
        let mean = values.iter().sum::<f64>() / n as f64;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n as f64;
        assert!(mean.abs() < 5.0 / (n as f64).sqrt(), "{mean}");
        assert!((variance - 1.0).abs() < 5.0 * (2.0 / n as f64).sqrt(), "{variance}");
    }
}
