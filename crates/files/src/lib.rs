//! JSON read strictly or written as Python writes it, and files written whole.
//!
//! # What this crate does not do
//! It knows no format of data and no setting of a program.

pub mod atomic_write;
mod error;
pub mod json_fields;
pub mod python_json;
pub mod strict_json;

pub use error::Error;
