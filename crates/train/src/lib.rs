//! Time passes here: steps, schedules, checkpoints, the loop.

pub mod step;
