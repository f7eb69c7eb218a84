//! Which operations, in which order, with which weights.
//!
//! # What this crate does not do
//! It knows no words and no devices; it reads and writes Hugging Face folders and nothing else. There is one path
//! through an encoder: `infer` is `forward` with what backward would need dropped at once.

pub mod batch;
pub mod checkpoint;
pub mod config;
pub mod encoder;
mod error;
pub mod layout;
pub mod model;
pub mod origin;
mod pickle;
pub mod tensors;
mod torch_file;
