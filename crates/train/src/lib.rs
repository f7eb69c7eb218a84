//! Time passes here: steps, schedules, checkpoints, the loop.
//!
//! # What this crate does not do
//! It prints nothing: progress and warnings are [`trainer::Event`]s. It knows no metric: evaluation is a closure
//! that returns a record. It computes nothing but learning rates: a step is [`step::Learner::step`].

pub mod checkpoint;
pub mod error;
mod feed;
pub mod learner;
pub mod memory;
pub mod schedule;
pub mod trainer;
