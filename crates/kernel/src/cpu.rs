//! Computation on the processor: products, vector instructions, sums of rows.

pub(crate) mod add;
pub(crate) mod decay;
#[cfg(target_arch = "x86_64")]
mod features;
pub(crate) mod level;
pub(crate) mod product;
pub mod reduce;
pub(crate) mod simd;
