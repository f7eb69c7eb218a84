//! What the tests of several crates need.
//!
//! # What this crate does not do
//! It is never a part of a program: other crates name it among their dev-dependencies only.
#![allow(missing_docs)]

pub mod fake_gpu;
pub mod golden;
pub mod hub_server;
pub mod program;
pub mod scratch;
