//! JSON read strictly and written as Python does, files written whole, folders that one process writes to, and records
//! that need not fit in memory.
//!
//! # What this crate does not do
//! It does not know formats of data or settings of a program.

pub mod atomic_write;
mod error;
pub mod fleeting;
pub mod json_fields;
pub mod lock;
pub mod python_json;
pub mod records;
pub mod strict_json;
pub mod together;

pub use error::Error;
