//! Operations on a GPU, one a file: each computes what the operation of its name computes on the processor.
//!
//! A body asks for room, and for launches of kernels and products in their order. Nothing waits, and nothing fails here:
//! see [`tagsmith_device::gpu`].

pub(super) mod activation;
pub(super) mod adamw;
pub(super) mod add;
pub(super) mod attention;
pub(super) mod clip;
pub(super) mod convolution;
pub(super) mod cross_entropy;
pub(super) mod disentangled;
pub(super) mod dropout;
pub(super) mod embedding;
pub(super) mod gated;
pub(super) mod layer_norm;
pub(super) mod linear;
pub(super) mod normalize;
pub(super) mod pair_scores;
pub(super) mod pool;
mod product;
pub(super) mod rotary;
pub(super) mod rows;
pub(super) mod sequences;
pub(super) mod span_sum;

use crate::memory::tensor::Tensor;
use tagsmith_device::gpu::{Gpu, Room};

/// Returns the GPU of a tensor that lies on one.
fn gpu(x: &Tensor) -> &Gpu {
    x.gpu().expect("an operation's first tensor says where it runs")
}

/// Copies integers to a GPU.
fn integers(gpu: &Gpu, values: &[i32]) -> Room {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_ne_bytes()).collect();
    let room = gpu.room(bytes.len() as u64);
    room.upload(0, &bytes);
    room
}

/// Copies numbers of rows to a GPU.
///
/// # Panics
/// If one is not below `rows`.
fn row_numbers(gpu: &Gpu, op: &str, numbers: &[u32], rows: usize) -> Room {
    let signed = numbers.iter().map(|&row| {
        assert!((row as usize) < rows, "{op}: row {row} of {rows}");
        row.cast_signed()
    });
    integers(gpu, &signed.collect::<Vec<_>>())
}
