//! Whole runs over a tiny BERT.

mod cuts;
mod harness;
mod learns;
mod resume;
mod trainer;
