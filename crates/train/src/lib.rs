//! Time passes here: steps, schedules, checkpoints, the loop.
