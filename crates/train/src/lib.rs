//! The training engine: steps, schedules, checkpoints and the loop, for anything that is [`trainable::Trainable`].
//!
//! # What this crate does not do
//! It knows no model and no text: a model with its loss is a [`trainable::Trainable`], its data a
//! [`trainable::Feed`]. It prints nothing: progress and warnings are [`trainer::Event`]s. It knows no metric:
//! evaluation is a closure that returns a record.

pub mod checkpoint;
pub mod error;
pub mod learner;
pub mod memory;
pub mod schedule;
pub mod trainable;
pub mod trainer;
