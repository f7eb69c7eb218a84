//! GPUs: memory on them, kernels to launch and products to compute. Nothing here knows what an operation means.
//!
//! Our kernels are written in CUDA C (`kernels/*.cu`), compiled to PTX text while developing, and carried as text in the
//! binary. A real GPU ([`cuda`]) gets that text through the driver. The emulated one ([`emulator`]) runs the same text on
//! the processor, instruction by instruction, and checks every access: so tests need no GPU.
//!
//! # What this crate does not do
//! It does not know tensors, shapes or gradients: addresses, bytes and numbers of threads only.

#![allow(unsafe_code)]

pub mod cuda;
pub mod gpu;
pub mod launch;
pub mod multiply;
pub mod plans;

mod error;

pub use error::Error;
