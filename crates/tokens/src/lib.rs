//! Token classifiers: model and folder, what they learn by, tagging, evaluation.
//!
//! # What this crate does not do
//! It prints nothing, and holds no training loop: `tagsmith_train` trains a [`learn::TokenTask`]. It keeps no scores longer than it takes to read a label or a probability
//! off them.

pub mod batch;
pub mod error;
pub mod evaluate;
pub mod examples;
pub mod feed;
pub mod folder;
pub mod layout;
pub mod learn;
pub mod memory;
pub mod model;
pub mod tag;
