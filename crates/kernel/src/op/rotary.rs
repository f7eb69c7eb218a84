//! Rotary positions: each head's pairs (x, y) of queries and keys are turned by an angle that grows with the position.
//!
//! A pair is an element of the head's first half and the same element of its second half.

use super::gpu;
use super::sequences::Sequences;
use crate::cpu::simd::multiversion;
use crate::device::Device;
use crate::memory::tensor::{Area, Tensor};
use std::sync::OnceLock;

/// Rows that one task works on.
const BLOCK: usize = 16;

/// Cosines and sines of every position's angles.
#[derive(Clone, Debug)]
pub struct Angles {
    /// D / 2 cosines of each position, then their sines, shape (positions, D).
    table: Tensor,
    /// The table on the GPU that first asked for it.
    on_gpu: OnceLock<Tensor>,
}

impl Angles {
    /// Computes the angles of all positions: angle i of position t is t · θ^(−2i / D).
    ///
    /// # Precision
    /// Frequencies and angles are rounded to f32, like PyTorch's. At position 8,000 that alone is 2.4e-4 of a radian, and
    /// exact angles would be another function. Cosines and sines of the rounded angles are f32's nearest.
    /// # Panics
    /// If D is odd.
    /// # Source
    /// Su et al., 2021; halves instead of neighbors as in GPT-NeoX.
    pub fn new(positions: usize, width: usize, theta: f32) -> Angles {
        assert!(width.is_multiple_of(2), "rotary: {width} columns a head");
        let half = width / 2;
        let power = |i: usize| f64::from(theta).powf(f64::from((2 * i) as f32 / width as f32)) as f32;
        let frequencies: Vec<f32> = (0..half).map(|i| 1.0 / power(i)).collect();
        let mut table = Tensor::unfilled(positions, width);
        for (position, row) in table.data_mut().chunks_exact_mut(width.max(1)).enumerate() {
            let (cosines, sines) = row.split_at_mut(half);
            for ((cosine, sine), frequency) in cosines.iter_mut().zip(sines).zip(&frequencies) {
                let (s, c) = f64::from(position as f32 * frequency).sin_cos();
                (*cosine, *sine) = (c as f32, s as f32);
            }
        }
        Angles { table, on_gpu: OnceLock::new() }
    }
}

/// Turns queries and keys in place, and leaves values as they are.
///
/// # Shapes
/// qkv (R, 3H): queries, keys and values side by side, each N heads of D.
/// # Panics
/// If a shape does not fit, or a sequence has more positions than `angles`.
pub fn forward(qkv: Tensor, sequences: &Sequences, heads: usize, angles: &Angles) -> Tensor {
    turn_all(qkv, sequences, heads, angles, 1.0)
}

/// Returns the gradient of qkv before it was turned: dqkv turned back.
pub fn backward(dqkv: Tensor, sequences: &Sequences, heads: usize, angles: &Angles) -> Tensor {
    turn_all(dqkv, sequences, heads, angles, -1.0)
}

fn turn_all(mut qkv: Tensor, sequences: &Sequences, heads: usize, angles: &Angles, sign: f32) -> Tensor {
    let (h, d) = (qkv.columns() / 3, angles.table.columns());
    assert_eq!(h, heads * d, "rotary: {h} columns for {heads} heads of {d}");
    sequences.assert_rows("rotary", qkv.rows());
    if let Some(gpu) = qkv.gpu() {
        let longest = sequences.longest();
        assert!(longest <= angles.table.rows(), "rotary: {longest} positions, {} angles", angles.table.rows());
        let sequences = sequences.on_gpu(gpu);
        let table = angles
            .on_gpu
            .get_or_init(|| Tensor::on(&Device::Gpu(gpu.clone()), angles.table.rows(), d, angles.table.data()));
        gpu::rotary::turn(&mut qkv, sequences, heads, table, sign < 0.0);
        return qkv;
    }
    let all = qkv.area_mut();
    for rows in sequences.each() {
        let sequence = all.part(rows, 0..2 * h);
        sequence.for_each_block(BLOCK, |rows, block| turn(angles.table.area().part(rows, 0..d), sign, block));
    }
    qkv
}

multiversion! {
    /// Replaces each head's (x, y) by (x cos α ∓ y sin α, y cos α ± x sin α).
    fn turn<L>(angles: Area, sign: f32, x: Area) {
        let half = angles.columns / 2;
        assert!(angles.rows == x.rows && (half == 0 || x.columns.is_multiple_of(2 * half)));
        for row in 0..x.rows {
            let (cosines, sines) = (angles.row(row), angles.row(row).add(half));
            for i in (0..half).step_by(L::N) {
                let count = L::N.min(half - i);
                // SAFETY (for all loads and stores): `count` floats from `i` are inside each half of each head.
                let cosine = L::load_first(cosines.add(i), count);
                let sine = L::mul(L::load_first(sines.add(i), count), L::splat(sign));
                let back = L::sub(L::zero(), sine);
                for head in (0..x.columns).step_by(2 * half) {
                    let (first, second) = (x.row(row).add(head + i), x.row(row).add(head + half + i));
                    let (a, b) = (L::load_first(first, count), L::load_first(second, count));
                    L::store_first(first, L::fma(b, back, L::mul(a, cosine)), count);
                    L::store_first(second, L::fma(a, sine, L::mul(b, cosine)), count);
                }
            }
        }
    }
}
