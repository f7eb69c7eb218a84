//! Operations, one a file: forward, backward, and tests that hold both to numbers from outside.

pub mod activation;
pub mod adamw;
pub mod add;
pub mod attention;
pub mod clip;
pub mod convolution;
pub mod crf;
pub mod deferred;
pub mod disentangled;
pub mod distillation;
pub mod dropout;
pub mod embedding;
pub mod gated;
mod gpu;
pub mod label_loss;
pub mod layer_norm;
pub mod linear;
pub mod normalize;
pub mod pair_scores;
pub mod pool;
pub mod rotary;
pub mod rows;
pub mod sequences;
pub mod span_sum;
