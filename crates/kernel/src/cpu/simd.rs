//! Vector instructions behind one trait: each kernel is written once and compiled for every level.
//!
//! [`multiversion!`] makes a function for each [`Level`](crate::cpu::level::Level) from one generic body, and picks at
//! run time what the processor has. The portable level is plain Rust and the reference for the others.

/// `N` floats in one register, or in an array that stands in for one.
///
/// # Safety
/// A method may be called only where the level's instructions are available: [`multiversion!`] sees to that. Pointers
/// must be valid for the floats that are read or written.
pub(crate) trait Lanes: Copy {
    /// Floats in a vector.
    const N: usize;
    /// Rows of a product's register tile; with two vectors a row the tile fills the register file.
    const TILE_ROWS: usize;
    type V: Copy;
    type U: Copy;

    unsafe fn splat(x: f32) -> Self::V;
    unsafe fn load(from: *const f32) -> Self::V;
    unsafe fn store(to: *mut f32, x: Self::V);
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn div(a: Self::V, b: Self::V) -> Self::V;
    /// Returns a · b + c.
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn min(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sqrt(x: Self::V) -> Self::V;
    /// Rounds to the nearest integer, ties to even.
    unsafe fn round(x: Self::V) -> Self::V;
    /// Returns 2ⁿ for an integral n in −126 ..= 127.
    unsafe fn exp2_integral(n: Self::V) -> Self::V;
    /// Returns `yes` where a < b, else `no`.
    unsafe fn select_less(a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V;

    /// Returns start, start + 1, …
    unsafe fn count_from(start: u32) -> Self::U;
    unsafe fn splat_u32(x: u32) -> Self::U;
    unsafe fn add_u32(a: Self::U, b: Self::U) -> Self::U;
    unsafe fn mul_u32(a: Self::U, b: Self::U) -> Self::U;
    unsafe fn xor_u32(a: Self::U, b: Self::U) -> Self::U;
    unsafe fn shift_right<const BITS: u32>(a: Self::U) -> Self::U;
    /// Returns `yes` where a ≥ b as unsigned integers, else 0.
    unsafe fn keep_if_at_least(a: Self::U, b: Self::U, yes: Self::V) -> Self::V;

    /// Returns each lane's lower half as the upper half of an f32: the first of two bf16.
    unsafe fn low_bf16(x: Self::V) -> Self::V;
    /// Returns each lane's upper half: the second of two bf16.
    unsafe fn high_bf16(x: Self::V) -> Self::V;

    /// Returns lanes that hold element i of `low` and of `high` as bf16, that of `low` in the lower half.
    #[inline(always)]
    unsafe fn bf16_pairs(low: Self::V, high: Self::V) -> Self::V {
        let (mut lows, mut highs) = ([0f32; 16], [0f32; 16]);
        unsafe {
            Self::store(lows.as_mut_ptr(), low);
            Self::store(highs.as_mut_ptr(), high);
            for (low, high) in lows.iter_mut().zip(highs).take(Self::N) {
                *low = f32::from_bits(bf16_bits(*low) | bf16_bits(high) << 16);
            }
            Self::load(lows.as_ptr())
        }
    }

    /// Returns lanes that hold elements 2i and 2i + 1 of `first` followed by `second`, as bf16.
    #[inline(always)]
    unsafe fn bf16_neighbors(first: Self::V, second: Self::V) -> Self::V {
        let mut both = [0f32; 32];
        unsafe {
            Self::store(both.as_mut_ptr(), first);
            Self::store(both.as_mut_ptr().add(Self::N), second);
            for i in 0..Self::N {
                both[i] = f32::from_bits(bf16_bits(both[2 * i]) | bf16_bits(both[2 * i + 1]) << 16);
            }
            Self::load(both.as_ptr())
        }
    }

    /// Asks for a cache line that will be used soon.
    #[inline(always)]
    unsafe fn prefetch(_: *const f32) {}

    /// Asks for a cache line that will be used later: it comes into the second-level cache.
    #[inline(always)]
    unsafe fn prefetch_later(_: *const f32) {}

    /// Stores past the caches to where a vector is aligned; [`Lanes::arrive`] comes after.
    #[inline(always)]
    unsafe fn store_past(to: *mut f32, x: Self::V) {
        unsafe { Self::store(to, x) }
    }

    /// Waits until what was stored past the caches is there for all threads.
    #[inline(always)]
    unsafe fn arrive() {}

    /// Copies N rows of N lanes to N columns.
    #[inline(always)]
    unsafe fn transpose(from: *const f32, stride: usize, to: *mut f32, to_stride: usize) {
        for i in 0..Self::N {
            for j in 0..Self::N {
                unsafe { *to.add(j * to_stride + i) = *from.add(i * stride + j) };
            }
        }
    }

    #[inline(always)]
    unsafe fn zero() -> Self::V {
        unsafe { Self::splat(0.0) }
    }

    /// Loads the first `n` floats, then zeros.
    #[inline(always)]
    unsafe fn load_first(from: *const f32, n: usize) -> Self::V {
        let mut lanes = [0f32; 16];
        unsafe {
            std::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), n);
            Self::load(lanes.as_ptr())
        }
    }

    /// Stores the first `n` floats.
    #[inline(always)]
    unsafe fn store_first(to: *mut f32, x: Self::V, n: usize) {
        let mut lanes = [0f32; 16];
        unsafe {
            Self::store(lanes.as_mut_ptr(), x);
            std::ptr::copy_nonoverlapping(lanes.as_ptr(), to, n);
        }
    }

    /// Returns the lanes' sum, in a fixed order.
    #[inline(always)]
    unsafe fn sum(x: Self::V) -> f32 {
        let mut lanes = [0f32; 16];
        unsafe { Self::store(lanes.as_mut_ptr(), x) };
        let mut width = Self::N;
        while width > 1 {
            width /= 2;
            for i in 0..width {
                lanes[i] += lanes[i + width];
            }
        }
        lanes[0]
    }

    /// Returns the lanes' maximum.
    #[inline(always)]
    unsafe fn maximum(x: Self::V) -> f32 {
        let mut lanes = [f32::NEG_INFINITY; 16];
        unsafe { Self::store(lanes.as_mut_ptr(), x) };
        lanes[..Self::N].iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b))
    }

    /// Returns eˣ; 0 below −87.3, and the largest power above 88.
    ///
    /// x is reduced by ln 2 in two parts. On |x| ≤ ½ ln 2 follows the Taylor polynomial to x⁷, whose remainder is
    /// below 5e-9.
    #[inline(always)]
    unsafe fn exp(x: Self::V) -> Self::V {
        unsafe {
            let bounded = Self::min(Self::max(x, Self::splat(-87.3)), Self::splat(88.3));
            let n = Self::round(Self::mul(bounded, Self::splat(std::f32::consts::LOG2_E)));
            let n = Self::min(n, Self::splat(127.0));
            // ln 2 = 0.693359375 (exact in few bits) − 0.000212194440054690583.
            let r = Self::fma(n, Self::splat(-0.693_359_4), bounded);
            let r = Self::fma(n, Self::splat(0.000_212_194_44), r);
            let mut p = Self::splat(1.0 / 5040.0);
            for c in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
                p = Self::fma(p, r, Self::splat(c));
            }
            let y = Self::mul(p, Self::exp2_integral(n));
            Self::select_less(x, Self::splat(-87.3), Self::zero(), y)
        }
    }
}

/// Returns the bits of the nearest bf16, ties to even. NaN stays NaN.
#[inline(always)]
pub(crate) fn bf16_bits(x: f32) -> u32 {
    let bits = x.to_bits();
    if x.is_nan() { bits >> 16 | 0x40 } else { bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16 }
}

/// The portable level's vectors.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

impl Portable {
    #[inline(always)]
    fn map2(a: [f32; 8], b: [f32; 8], f: impl Fn(f32, f32) -> f32) -> [f32; 8] {
        std::array::from_fn(|i| f(a[i], b[i]))
    }

    #[inline(always)]
    fn map2_u32(a: [u32; 8], b: [u32; 8], f: impl Fn(u32, u32) -> u32) -> [u32; 8] {
        std::array::from_fn(|i| f(a[i], b[i]))
    }
}

#[rustfmt::skip]
impl Lanes for Portable {
    const N: usize = 8;
    const TILE_ROWS: usize = 4;
    type V = [f32; 8];
    type U = [u32; 8];
    #[inline(always)] unsafe fn splat(x: f32) -> [f32; 8] { [x; 8] }
    // SAFETY: the caller promises eight floats; an array of floats has a float's alignment.
    #[inline(always)] unsafe fn load(from: *const f32) -> [f32; 8] { unsafe { *from.cast() } }
    // SAFETY: as for load.
    #[inline(always)] unsafe fn store(to: *mut f32, x: [f32; 8]) { unsafe { *to.cast() = x } }
    #[inline(always)] unsafe fn add(a: [f32; 8], b: [f32; 8]) -> [f32; 8] { Self::map2(a, b, |a, b| a + b) }
    #[inline(always)] unsafe fn sub(a: [f32; 8], b: [f32; 8]) -> [f32; 8] { Self::map2(a, b, |a, b| a - b) }
    #[inline(always)] unsafe fn mul(a: [f32; 8], b: [f32; 8]) -> [f32; 8] { Self::map2(a, b, |a, b| a * b) }
    #[inline(always)] unsafe fn div(a: [f32; 8], b: [f32; 8]) -> [f32; 8] { Self::map2(a, b, |a, b| a / b) }
    #[inline(always)] unsafe fn fma(a: [f32; 8], b: [f32; 8], c: [f32; 8]) -> [f32; 8] { std::array::from_fn(|i| a[i] * b[i] + c[i]) }
    #[inline(always)] unsafe fn max(a: [f32; 8], b: [f32; 8]) -> [f32; 8] { Self::map2(a, b, |a, b| if a > b { a } else { b }) }
    #[inline(always)] unsafe fn min(a: [f32; 8], b: [f32; 8]) -> [f32; 8] { Self::map2(a, b, |a, b| if a < b { a } else { b }) }
    #[inline(always)] unsafe fn sqrt(x: [f32; 8]) -> [f32; 8] { x.map(f32::sqrt) }
    #[inline(always)] unsafe fn round(x: [f32; 8]) -> [f32; 8] { x.map(f32::round_ties_even) }
    #[inline(always)] unsafe fn exp2_integral(n: [f32; 8]) -> [f32; 8] { n.map(|n| f32::from_bits(((n as i32 + 127) << 23) as u32)) }
    #[inline(always)] unsafe fn select_less(a: [f32; 8], b: [f32; 8], yes: [f32; 8], no: [f32; 8]) -> [f32; 8] { std::array::from_fn(|i| if a[i] < b[i] { yes[i] } else { no[i] }) }
    #[inline(always)] unsafe fn low_bf16(x: [f32; 8]) -> [f32; 8] { x.map(|x| f32::from_bits(x.to_bits() << 16)) }
    #[inline(always)] unsafe fn high_bf16(x: [f32; 8]) -> [f32; 8] { x.map(|x| f32::from_bits(x.to_bits() & 0xffff_0000)) }
    #[inline(always)] unsafe fn count_from(start: u32) -> [u32; 8] { std::array::from_fn(|i| start.wrapping_add(i as u32)) }
    #[inline(always)] unsafe fn splat_u32(x: u32) -> [u32; 8] { [x; 8] }
    #[inline(always)] unsafe fn add_u32(a: [u32; 8], b: [u32; 8]) -> [u32; 8] { Self::map2_u32(a, b, u32::wrapping_add) }
    #[inline(always)] unsafe fn mul_u32(a: [u32; 8], b: [u32; 8]) -> [u32; 8] { Self::map2_u32(a, b, u32::wrapping_mul) }
    #[inline(always)] unsafe fn xor_u32(a: [u32; 8], b: [u32; 8]) -> [u32; 8] { Self::map2_u32(a, b, |a, b| a ^ b) }
    #[inline(always)] unsafe fn shift_right<const BITS: u32>(a: [u32; 8]) -> [u32; 8] { a.map(|a| a >> BITS) }
    #[inline(always)] unsafe fn keep_if_at_least(a: [u32; 8], b: [u32; 8], yes: [f32; 8]) -> [f32; 8] { std::array::from_fn(|i| if a[i] >= b[i] { yes[i] } else { 0.0 }) }
}

// SAFETY (the three blocks below): each method is one instruction of its level, called only from a function compiled
// for that level (`multiversion!`); loads and stores are unaligned and the caller promises the memory.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Lanes;
    use std::arch::x86_64::*;

    #[derive(Clone, Copy)]
    pub(crate) struct Avx512;

    #[rustfmt::skip]
    impl Lanes for Avx512 {
        const N: usize = 16;
        const TILE_ROWS: usize = 12;
        type V = __m512;
        type U = __m512i;
        #[inline(always)] unsafe fn splat(x: f32) -> __m512 { unsafe { _mm512_set1_ps(x) } }
        #[inline(always)] unsafe fn load(from: *const f32) -> __m512 { unsafe { _mm512_loadu_ps(from) } }
        #[inline(always)] unsafe fn store(to: *mut f32, x: __m512) { unsafe { _mm512_storeu_ps(to, x) } }
        #[inline(always)] unsafe fn load_first(from: *const f32, n: usize) -> __m512 { unsafe { _mm512_maskz_loadu_ps(((1u32 << n) - 1) as u16, from) } }
        #[inline(always)] unsafe fn store_first(to: *mut f32, x: __m512, n: usize) { unsafe { _mm512_mask_storeu_ps(to, ((1u32 << n) - 1) as u16, x) } }
        #[inline(always)] unsafe fn add(a: __m512, b: __m512) -> __m512 { unsafe { _mm512_add_ps(a, b) } }
        #[inline(always)] unsafe fn sub(a: __m512, b: __m512) -> __m512 { unsafe { _mm512_sub_ps(a, b) } }
        #[inline(always)] unsafe fn mul(a: __m512, b: __m512) -> __m512 { unsafe { _mm512_mul_ps(a, b) } }
        #[inline(always)] unsafe fn div(a: __m512, b: __m512) -> __m512 { unsafe { _mm512_div_ps(a, b) } }
        #[inline(always)] unsafe fn fma(a: __m512, b: __m512, c: __m512) -> __m512 { unsafe { _mm512_fmadd_ps(a, b, c) } }
        #[inline(always)] unsafe fn max(a: __m512, b: __m512) -> __m512 { unsafe { _mm512_max_ps(a, b) } }
        #[inline(always)] unsafe fn min(a: __m512, b: __m512) -> __m512 { unsafe { _mm512_min_ps(a, b) } }
        #[inline(always)] unsafe fn sqrt(x: __m512) -> __m512 { unsafe { _mm512_sqrt_ps(x) } }
        #[inline(always)] unsafe fn round(x: __m512) -> __m512 { unsafe { _mm512_roundscale_ps::<0>(x) } }
        #[inline(always)] unsafe fn sum(x: __m512) -> f32 {
            unsafe {
                // The tree of additions is the plain one: halves, quarters, and so on.
                let eight = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps::<1>(x));
                let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
                let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
                _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
            }
        }
        #[inline(always)] unsafe fn prefetch(at: *const f32) { unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) } }
        #[inline(always)] unsafe fn prefetch_later(at: *const f32) { unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) } }
        #[inline(always)] unsafe fn store_past(to: *mut f32, x: __m512) { unsafe { _mm512_stream_ps(to, x) } }
        #[inline(always)] unsafe fn arrive() { unsafe { _mm_sfence() } }
        #[inline(always)] unsafe fn maximum(x: __m512) -> f32 { unsafe { _mm512_reduce_max_ps(x) } }
        #[inline(always)] unsafe fn exp2_integral(n: __m512) -> __m512 { unsafe { _mm512_castsi512_ps(_mm512_slli_epi32::<23>(_mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127)))) } }
        #[inline(always)] unsafe fn select_less(a: __m512, b: __m512, yes: __m512, no: __m512) -> __m512 { unsafe { _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b), no, yes) } }
        #[inline(always)] unsafe fn low_bf16(x: __m512) -> __m512 { unsafe { _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_castps_si512(x))) } }
        #[inline(always)] unsafe fn high_bf16(x: __m512) -> __m512 { unsafe { _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0xffff_0000_u32 as i32))) } }
        #[inline(always)] unsafe fn bf16_pairs(low: __m512, high: __m512) -> __m512 { unsafe { _mm512_castsi512_ps(_mm512_or_si512(_mm512_srli_epi32::<16>(rounded_to_bf16(low)), _mm512_and_si512(rounded_to_bf16(high), _mm512_set1_epi32(0xffff_0000_u32 as i32)))) } }
        #[inline(always)] unsafe fn bf16_neighbors(first: __m512, second: __m512) -> __m512 {
            unsafe {
                let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
                let odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
                Self::bf16_pairs(_mm512_permutex2var_ps(first, even, second), _mm512_permutex2var_ps(first, odd, second))
            }
        }
        #[inline(always)] unsafe fn transpose(from: *const f32, stride: usize, to: *mut f32, to_stride: usize) {
            unsafe {
                let row = |i: usize| _mm512_loadu_ps(from.add(i * stride));
                // Pairs of rows, then quads: vector 4q + c holds column 4b + c of rows 4q .. 4q + 4 in its block b.
                let mut quads = [_mm512_setzero_ps(); 16];
                for q in 0..4 {
                    let (a, b, c, d) = (row(4 * q), row(4 * q + 1), row(4 * q + 2), row(4 * q + 3));
                    let (ab, cd) = (_mm512_castps_pd(_mm512_unpacklo_ps(a, b)), _mm512_castps_pd(_mm512_unpacklo_ps(c, d)));
                    quads[4 * q] = _mm512_castpd_ps(_mm512_unpacklo_pd(ab, cd));
                    quads[4 * q + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(ab, cd));
                    let (ab, cd) = (_mm512_castps_pd(_mm512_unpackhi_ps(a, b)), _mm512_castps_pd(_mm512_unpackhi_ps(c, d)));
                    quads[4 * q + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(ab, cd));
                    quads[4 * q + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(ab, cd));
                }
                for c in 0..4 {
                    let (a, b, e, f) = (quads[c], quads[4 + c], quads[8 + c], quads[12 + c]);
                    let (low, high) = (_mm512_shuffle_f32x4::<0x88>(a, b), _mm512_shuffle_f32x4::<0xdd>(a, b));
                    let (low_2, high_2) = (_mm512_shuffle_f32x4::<0x88>(e, f), _mm512_shuffle_f32x4::<0xdd>(e, f));
                    _mm512_storeu_ps(to.add(c * to_stride), _mm512_shuffle_f32x4::<0x88>(low, low_2));
                    _mm512_storeu_ps(to.add((8 + c) * to_stride), _mm512_shuffle_f32x4::<0xdd>(low, low_2));
                    _mm512_storeu_ps(to.add((4 + c) * to_stride), _mm512_shuffle_f32x4::<0x88>(high, high_2));
                    _mm512_storeu_ps(to.add((12 + c) * to_stride), _mm512_shuffle_f32x4::<0xdd>(high, high_2));
                }
            }
        }
        #[inline(always)] unsafe fn count_from(start: u32) -> __m512i { unsafe { _mm512_add_epi32(_mm512_set1_epi32(start as i32), _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)) } }
        #[inline(always)] unsafe fn splat_u32(x: u32) -> __m512i { unsafe { _mm512_set1_epi32(x as i32) } }
        #[inline(always)] unsafe fn add_u32(a: __m512i, b: __m512i) -> __m512i { unsafe { _mm512_add_epi32(a, b) } }
        #[inline(always)] unsafe fn mul_u32(a: __m512i, b: __m512i) -> __m512i { unsafe { _mm512_mullo_epi32(a, b) } }
        #[inline(always)] unsafe fn xor_u32(a: __m512i, b: __m512i) -> __m512i { unsafe { _mm512_xor_si512(a, b) } }
        #[inline(always)] unsafe fn shift_right<const BITS: u32>(a: __m512i) -> __m512i { unsafe { _mm512_srli_epi32::<BITS>(a) } }
        #[inline(always)] unsafe fn keep_if_at_least(a: __m512i, b: __m512i, yes: __m512) -> __m512 { unsafe { _mm512_maskz_mov_ps(_mm512_cmpge_epu32_mask(a, b), yes) } }
    }

    /// Returns the bits of x rounded to bf16 in each lane's upper half, and anything in the lower.
    #[inline(always)]
    unsafe fn rounded_to_bf16(x: __m512) -> __m512i {
        unsafe {
            let bits = _mm512_castps_si512(x);
            let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
            let rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
            let not_a_number = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(x, x);
            _mm512_mask_or_epi32(rounded, not_a_number, bits, _mm512_set1_epi32(0x0040_0000))
        }
    }

    #[derive(Clone, Copy)]
    pub(crate) struct Avx2;

    #[rustfmt::skip]
    impl Lanes for Avx2 {
        const N: usize = 8;
        const TILE_ROWS: usize = 6;
        type V = __m256;
        type U = __m256i;
        #[inline(always)] unsafe fn splat(x: f32) -> __m256 { unsafe { _mm256_set1_ps(x) } }
        #[inline(always)] unsafe fn load(from: *const f32) -> __m256 { unsafe { _mm256_loadu_ps(from) } }
        #[inline(always)] unsafe fn store(to: *mut f32, x: __m256) { unsafe { _mm256_storeu_ps(to, x) } }
        #[inline(always)] unsafe fn add(a: __m256, b: __m256) -> __m256 { unsafe { _mm256_add_ps(a, b) } }
        #[inline(always)] unsafe fn sub(a: __m256, b: __m256) -> __m256 { unsafe { _mm256_sub_ps(a, b) } }
        #[inline(always)] unsafe fn mul(a: __m256, b: __m256) -> __m256 { unsafe { _mm256_mul_ps(a, b) } }
        #[inline(always)] unsafe fn div(a: __m256, b: __m256) -> __m256 { unsafe { _mm256_div_ps(a, b) } }
        #[inline(always)] unsafe fn fma(a: __m256, b: __m256, c: __m256) -> __m256 { unsafe { _mm256_fmadd_ps(a, b, c) } }
        #[inline(always)] unsafe fn max(a: __m256, b: __m256) -> __m256 { unsafe { _mm256_max_ps(a, b) } }
        #[inline(always)] unsafe fn min(a: __m256, b: __m256) -> __m256 { unsafe { _mm256_min_ps(a, b) } }
        #[inline(always)] unsafe fn sqrt(x: __m256) -> __m256 { unsafe { _mm256_sqrt_ps(x) } }
        #[inline(always)] unsafe fn round(x: __m256) -> __m256 { unsafe { _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x) } }
        #[inline(always)] unsafe fn exp2_integral(n: __m256) -> __m256 { unsafe { _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)))) } }
        #[inline(always)] unsafe fn select_less(a: __m256, b: __m256, yes: __m256, no: __m256) -> __m256 { unsafe { _mm256_blendv_ps(no, yes, _mm256_cmp_ps::<_CMP_LT_OQ>(a, b)) } }
        #[inline(always)] unsafe fn prefetch(at: *const f32) { unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) } }
        #[inline(always)] unsafe fn prefetch_later(at: *const f32) { unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) } }
        #[inline(always)] unsafe fn store_past(to: *mut f32, x: __m256) { unsafe { _mm256_stream_ps(to, x) } }
        #[inline(always)] unsafe fn arrive() { unsafe { _mm_sfence() } }
        #[inline(always)] unsafe fn low_bf16(x: __m256) -> __m256 { unsafe { _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_castps_si256(x))) } }
        #[inline(always)] unsafe fn high_bf16(x: __m256) -> __m256 { unsafe { _mm256_castsi256_ps(_mm256_and_si256(_mm256_castps_si256(x), _mm256_set1_epi32(0xffff_0000_u32 as i32))) } }
        #[inline(always)] unsafe fn count_from(start: u32) -> __m256i { unsafe { _mm256_add_epi32(_mm256_set1_epi32(start as i32), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)) } }
        #[inline(always)] unsafe fn splat_u32(x: u32) -> __m256i { unsafe { _mm256_set1_epi32(x as i32) } }
        #[inline(always)] unsafe fn add_u32(a: __m256i, b: __m256i) -> __m256i { unsafe { _mm256_add_epi32(a, b) } }
        #[inline(always)] unsafe fn mul_u32(a: __m256i, b: __m256i) -> __m256i { unsafe { _mm256_mullo_epi32(a, b) } }
        #[inline(always)] unsafe fn xor_u32(a: __m256i, b: __m256i) -> __m256i { unsafe { _mm256_xor_si256(a, b) } }
        #[inline(always)] unsafe fn shift_right<const BITS: u32>(a: __m256i) -> __m256i { unsafe { _mm256_srl_epi32(a, _mm_cvtsi32_si128(BITS as i32)) } }
        #[inline(always)] unsafe fn keep_if_at_least(a: __m256i, b: __m256i, yes: __m256) -> __m256 { unsafe { _mm256_and_ps(yes, _mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_max_epu32(a, b), a))) } }
    }
}
#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512};

#[cfg(target_arch = "aarch64")]
mod arm {
    use super::Lanes;
    use std::arch::aarch64::*;

    #[derive(Clone, Copy)]
    pub(crate) struct Neon;

    #[rustfmt::skip]
    impl Lanes for Neon {
        const N: usize = 4;
        const TILE_ROWS: usize = 12;
        type V = float32x4_t;
        type U = uint32x4_t;
        #[inline(always)] unsafe fn splat(x: f32) -> float32x4_t { unsafe { vdupq_n_f32(x) } }
        #[inline(always)] unsafe fn load(from: *const f32) -> float32x4_t { unsafe { vld1q_f32(from) } }
        #[inline(always)] unsafe fn store(to: *mut f32, x: float32x4_t) { unsafe { vst1q_f32(to, x) } }
        #[inline(always)] unsafe fn add(a: float32x4_t, b: float32x4_t) -> float32x4_t { unsafe { vaddq_f32(a, b) } }
        #[inline(always)] unsafe fn sub(a: float32x4_t, b: float32x4_t) -> float32x4_t { unsafe { vsubq_f32(a, b) } }
        #[inline(always)] unsafe fn mul(a: float32x4_t, b: float32x4_t) -> float32x4_t { unsafe { vmulq_f32(a, b) } }
        #[inline(always)] unsafe fn div(a: float32x4_t, b: float32x4_t) -> float32x4_t { unsafe { vdivq_f32(a, b) } }
        #[inline(always)] unsafe fn fma(a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t { unsafe { vfmaq_f32(c, a, b) } }
        #[inline(always)] unsafe fn max(a: float32x4_t, b: float32x4_t) -> float32x4_t { unsafe { vmaxq_f32(a, b) } }
        #[inline(always)] unsafe fn min(a: float32x4_t, b: float32x4_t) -> float32x4_t { unsafe { vminq_f32(a, b) } }
        #[inline(always)] unsafe fn sqrt(x: float32x4_t) -> float32x4_t { unsafe { vsqrtq_f32(x) } }
        #[inline(always)] unsafe fn round(x: float32x4_t) -> float32x4_t { unsafe { vrndnq_f32(x) } }
        #[inline(always)] unsafe fn exp2_integral(n: float32x4_t) -> float32x4_t { unsafe { vreinterpretq_f32_s32(vshlq_n_s32::<23>(vaddq_s32(vcvtnq_s32_f32(n), vdupq_n_s32(127)))) } }
        #[inline(always)] unsafe fn select_less(a: float32x4_t, b: float32x4_t, yes: float32x4_t, no: float32x4_t) -> float32x4_t { unsafe { vbslq_f32(vcltq_f32(a, b), yes, no) } }
        #[inline(always)] unsafe fn low_bf16(x: float32x4_t) -> float32x4_t { unsafe { vreinterpretq_f32_u32(vshlq_n_u32::<16>(vreinterpretq_u32_f32(x))) } }
        #[inline(always)] unsafe fn high_bf16(x: float32x4_t) -> float32x4_t { unsafe { vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(x), vdupq_n_u32(0xffff_0000))) } }
        #[inline(always)] unsafe fn count_from(start: u32) -> uint32x4_t { unsafe { vaddq_u32(vdupq_n_u32(start), vld1q_u32([0, 1, 2, 3].as_ptr())) } }
        #[inline(always)] unsafe fn splat_u32(x: u32) -> uint32x4_t { unsafe { vdupq_n_u32(x) } }
        #[inline(always)] unsafe fn add_u32(a: uint32x4_t, b: uint32x4_t) -> uint32x4_t { unsafe { vaddq_u32(a, b) } }
        #[inline(always)] unsafe fn mul_u32(a: uint32x4_t, b: uint32x4_t) -> uint32x4_t { unsafe { vmulq_u32(a, b) } }
        #[inline(always)] unsafe fn xor_u32(a: uint32x4_t, b: uint32x4_t) -> uint32x4_t { unsafe { veorq_u32(a, b) } }
        #[inline(always)] unsafe fn shift_right<const BITS: u32>(a: uint32x4_t) -> uint32x4_t { unsafe { vshlq_u32(a, vdupq_n_s32(-(BITS as i32))) } }
        #[inline(always)] unsafe fn keep_if_at_least(a: uint32x4_t, b: uint32x4_t, yes: float32x4_t) -> float32x4_t { unsafe { vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(yes), vcgeq_u32(a, b))) } }
    }
}
#[cfg(target_arch = "aarch64")]
pub(crate) use arm::Neon;

/// Makes `fn name(args)` from `fn name<L>(args) { body }`, where the body is written over `L: Lanes`. The function runs
/// the body at [`Level::in_use`](crate::cpu::level::Level::in_use). The body is an unsafe context: its author owes the
/// pointers' validity.
macro_rules! multiversion {
    ($(#[$meta:meta])* $vis:vis fn $name:ident<$L:ident>($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments, unused_unsafe)]
        $vis fn $name($($arg: $ty),*) $(-> $ret)? {
            #[inline(always)]
            unsafe fn body<$L: $crate::cpu::simd::Lanes>($($arg: $ty),*) $(-> $ret)? { unsafe { $body } }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw,avx2,fma")]
            unsafe fn avx512($($arg: $ty),*) $(-> $ret)? { unsafe { body::<$crate::cpu::simd::Avx512>($($arg),*) } }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            unsafe fn avx2($($arg: $ty),*) $(-> $ret)? { unsafe { body::<$crate::cpu::simd::Avx2>($($arg),*) } }
            // SAFETY: `in_use` is a level that this processor has; the body's own duties are argued where it stands.
            unsafe {
                match $crate::cpu::level::Level::in_use() {
                    #[cfg(target_arch = "x86_64")]
                    $crate::cpu::level::Level::Avx512 | $crate::cpu::level::Level::Avx512Bf16 | $crate::cpu::level::Level::Amx => {
                        avx512($($arg),*)
                    }
                    #[cfg(target_arch = "x86_64")]
                    $crate::cpu::level::Level::Avx2 => avx2($($arg),*),
                    #[cfg(target_arch = "aarch64")]
                    $crate::cpu::level::Level::Neon => body::<$crate::cpu::simd::Neon>($($arg),*),
                    _ => body::<$crate::cpu::simd::Portable>($($arg),*),
                }
            }
        }
    };
}
pub(crate) use multiversion;
