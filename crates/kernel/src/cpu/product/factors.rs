//! Lanes of 32 bits: the factors that they hold, and how they are multiplied.

use crate::cpu::simd::Lanes;
#[cfg(target_arch = "x86_64")]
pub(crate) use native::NativeBf16;

/// A kind of lane: the factors that it holds, and how two lanes are multiplied.
///
/// # Safety
/// As for [`Lanes`].
pub(crate) trait Factors<L: Lanes> {
    /// Neighbors along k in a lane.
    const PER_LANE: usize;
    /// Returns lanes of N · PER_LANE consecutive floats, which come in one vector or two.
    unsafe fn along(first: L::V, second: L::V) -> L::V;
    /// Returns lanes of N floats each of one or two consecutive k.
    unsafe fn across(low: L::V, high: L::V) -> L::V;
    /// Returns sum + a · b, summed over what a lane holds.
    unsafe fn multiply_add(a: L::V, b: L::V, sum: L::V) -> L::V;
}

/// Lanes of one f32.
pub(crate) struct F32;

#[rustfmt::skip]
impl<L: Lanes> Factors<L> for F32 {
    const PER_LANE: usize = 1;
    #[inline(always)] unsafe fn along(first: L::V, _: L::V) -> L::V { first }
    #[inline(always)] unsafe fn across(low: L::V, _: L::V) -> L::V { low }
    // SAFETY (here and below): the caller's promise is the callee's.
    #[inline(always)] unsafe fn multiply_add(a: L::V, b: L::V, sum: L::V) -> L::V { unsafe { L::fma(a, b, sum) } }
}

/// Lanes of two bf16, multiplied as f32: for processors without an instruction of their own.
pub(crate) struct Bf16;

#[rustfmt::skip]
impl<L: Lanes> Factors<L> for Bf16 {
    const PER_LANE: usize = 2;
    // SAFETY (here and below): the caller's promise is the callee's.
    #[inline(always)] unsafe fn along(first: L::V, second: L::V) -> L::V { unsafe { L::bf16_neighbors(first, second) } }
    #[inline(always)] unsafe fn across(low: L::V, high: L::V) -> L::V { unsafe { L::bf16_pairs(low, high) } }
    #[inline(always)] unsafe fn multiply_add(a: L::V, b: L::V, sum: L::V) -> L::V {
        unsafe { L::fma(L::low_bf16(a), L::low_bf16(b), L::fma(L::high_bf16(a), L::high_bf16(b), sum)) }
    }
}

#[cfg(target_arch = "x86_64")]
mod native {
    use super::Factors;
    use crate::cpu::simd::Avx512;
    use std::arch::x86_64::*;

    /// Lanes of two bf16, made and multiplied by AVX512-BF16, which takes subnormal numbers for 0.
    pub(crate) struct NativeBf16;

    #[rustfmt::skip]
    impl Factors<Avx512> for NativeBf16 {
        const PER_LANE: usize = 2;
        // SAFETY (of the casts): vectors of 512 bits, whatever is in them.
        #[inline(always)] unsafe fn along(first: __m512, second: __m512) -> __m512 { unsafe { std::mem::transmute(_mm512_cvtne2ps_pbh(second, first)) } }
        #[inline(always)] unsafe fn across(low: __m512, high: __m512) -> __m512 {
            unsafe {
                let halves: __m512i = std::mem::transmute(_mm512_cvtne2ps_pbh(high, low));
                let order = _mm512_setr_epi32(0x10_0000, 0x11_0001, 0x12_0002, 0x13_0003, 0x14_0004, 0x15_0005, 0x16_0006, 0x17_0007, 0x18_0008, 0x19_0009, 0x1a_000a, 0x1b_000b, 0x1c_000c, 0x1d_000d, 0x1e_000e, 0x1f_000f);
                _mm512_castsi512_ps(_mm512_permutexvar_epi16(order, halves))
            }
        }
        #[inline(always)] unsafe fn multiply_add(a: __m512, b: __m512, sum: __m512) -> __m512 { unsafe { _mm512_dpbf16_ps(sum, std::mem::transmute::<__m512, __m512bh>(a), std::mem::transmute::<__m512, __m512bh>(b)) } }
    }
}
