//! Time passes here: steps, schedules, checkpoints, the loop.
//!
//! # What this crate does not do
//! It prints nothing: progress and warnings are [`trainer::Event`]s. It knows no metric: evaluation is a closure
//! that returns a record. It computes nothing but learning rates: a step is [`step::Learner::step`].

pub mod agenda;
pub mod agreement;
pub mod best;
pub mod card;
pub mod checkpoint;
pub mod durable;
pub mod error;
pub mod exchange;
mod feed;
mod keywords;
pub mod memory;
pub mod optimizer;
pub mod options;
pub mod order;
pub mod outputs;
pub mod plan;
pub mod plateau;
pub mod python;
pub mod random;
pub mod schedule;
pub mod snapshot;
pub mod state;
pub mod step;
pub mod tracking;
pub mod trainer;

#[cfg(test)]
mod golden;
