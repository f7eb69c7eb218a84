//! GPUs: memory on them, kernels to launch and products to compute. Nothing here knows what an operation means.
//!
//! Our kernels are written in CUDA C (`kernels/*/*.cu`), compiled to PTX text while developing, and carried as text in the
//! binary. A real GPU ([`cuda`]) gets that text through the driver. The emulated one ([`emulator`]) runs the same text on
//! the processor, instruction by instruction, and checks every access: so tests need no GPU. A third one ([`recorder`])
//! does nothing and counts: so the work of real sizes is known without a GPU.
//!
//! # What this crate does not do
//! It does not know tensors, shapes, gradients or ranks: addresses, bytes and numbers of threads only. Where a GPU is linked
//! to others, it knows them by number.

#![allow(unsafe_code)]

pub mod asked;
pub mod cuda;
pub mod emulator;
pub mod gpu;
pub mod kernels;
pub mod launch;
pub mod link;
pub mod multiply;
pub mod recorder;
pub mod traffic;

mod error;

pub use error::Error;
