//! Which operations, in which order, with which weights.
//!
//! # What this crate does not do
//! It knows no words and no devices; it reads and writes Hugging Face folders and nothing else. There is one path
//! through an encoder: `infer` is `forward` with what backward would need dropped at once.

pub mod batch;
pub mod config;
pub mod encoder;
pub mod folder;
pub mod layout;
pub mod memory;
