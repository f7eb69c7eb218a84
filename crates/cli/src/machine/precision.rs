//! How products are rounded, and by which instructions.

use tagsmith_kernel::{Level, Precision};

/// Products of factors rounded to bf16; says how this processor computes them.
pub fn bf16() -> Precision {
    eprintln!("note: products in bf16, {}", Level::in_use().bf16_path());
    Precision::Bf16
}
