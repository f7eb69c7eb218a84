//! Which operations, in which order, with which weights.

pub mod batch;
pub mod config;
pub mod model;
