//! Computation on the processor: products, vector instructions, sums of rows.

pub(crate) mod product;
pub mod reduce;
pub(crate) mod simd;
