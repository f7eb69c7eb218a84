//! Whole runs over a tiny BERT.

mod harness;
mod learns;
mod resume;
mod trainer;
