//! Runs of the trainer on a few texts.

mod cuts;
mod harness;
mod settings;
mod training;
