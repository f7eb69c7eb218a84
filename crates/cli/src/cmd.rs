//! The commands. Each exports `command()`, its arguments, and `run()`, which returns the exit status.

pub mod compare;
pub mod demo;
pub mod env;
pub mod predict;
pub mod score;
pub mod spans;
pub mod train;
