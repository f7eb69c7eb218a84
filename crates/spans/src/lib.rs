//! Label-conditioned span tagging: entities of any labels, named when they are looked for.
//!
//! # What this crate does not do
//! It prints nothing, and holds no training loop: `tagsmith_train` trains a [`learn::SpanTask`]. It computes no matrix
//! itself. There is one path from a text to scores: `infer` is `forward` with
//! what backward would need dropped.

pub mod batch;
pub mod config;
pub mod error;
pub mod evaluate;
pub mod feed;
pub mod find;
pub mod folder;
pub mod learn;
pub mod memory;
pub mod model;
pub mod tag;

pub use error::Error;
