//! Where words meet numbers: batches, tagging, evaluation.
//!
//! # What this crate does not do
//! It trains nothing and prints nothing. It keeps no scores longer than it takes to read a label or a probability
//! off them.

pub mod batch;
pub mod error;
pub mod evaluate;
pub mod folder;
pub mod layout;
pub mod model;
pub mod tag;
