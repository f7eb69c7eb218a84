//! Files of texts and tags: each format is read in one place, for training, prediction, scoring and span taggers.
//!
//! A [`mod@format`] yields the sentences or documents of a file one by one. [`dataset`] collects them into splits,
//! [`documents`] hands them to prediction, [`labeled`] to scoring and [`span_examples`] to span taggers. [`mod@write`]
//! holds the formats of tagged documents.
//!
//! # What this crate does not do
//! It knows no model and no option of a command line, and prints nothing. What happened to the input comes back as a
//! [`tagsmith_message::Note`] or an [`error::Error`].

mod bytes;
pub mod dataset;
pub mod documents;
pub mod error;
pub mod format;
pub mod labeled;
mod read_options;
mod rows;
mod rules;
pub mod span_examples;
pub mod write;

pub use read_options::{Meter, ReadOptions};
