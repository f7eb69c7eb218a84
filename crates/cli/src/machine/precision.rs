//! How products are rounded, and by which instructions.

use tagsmith_kernel::{Level, Precision};
use tagsmith_model::model::Model;

/// From now on the model's products are of factors rounded to bf16; says how this processor computes them.
pub fn use_bf16(model: &mut Model) {
    model.precision = Precision::Bf16;
    eprintln!("note: products in bf16, {}", Level::in_use().bf16_path());
}
