//! All four span taggers against PyTorch in f64 (golden/spans, written by oracle/spans.py).

mod batches;
mod harness;
mod learning;
mod results;
mod scores;
