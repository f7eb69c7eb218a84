//! Files of texts and tags: each format is read in one place, for training, prediction, scoring and span taggers.
//!
//! # What this crate does not do
//! It knows no model and no option of a command line, and prints nothing: what happened to the input comes back as a
//! [`tagsmith_message::Note`] or an [`error::Error`].

mod choose_columns;
pub mod dataset;
pub mod error;
pub mod format;
mod lines;
pub mod split_builder;
