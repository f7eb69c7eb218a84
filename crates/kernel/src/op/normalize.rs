//! Rows of length 1: y = x / ‖x‖.

use super::gpu;
use crate::cpu::simd::multiversion;
use crate::memory::tensor::Tensor;
use crate::threads::{Shared, for_each};

/// Rows that one task works on.
const BLOCK: usize = 32;

/// The least length that a row is divided by.
const LENGTH_MIN: f32 = 1e-12;

/// The result and the lengths that its rows were divided by, for backward.
#[must_use]
#[derive(Debug)]
pub struct Saved {
    y: Tensor,
    /// (R, 1).
    lengths: Tensor,
}

/// Returns y = x / max(‖x‖₂, 10⁻¹²), row by row.
///
/// # Shapes
/// x (R, E) → y (R, E).
/// # Source
/// PyTorch `functional.normalize(x, dim=-1)`.
pub fn forward(x: &Tensor) -> (Tensor, Saved) {
    let width = x.columns();
    if x.gpu().is_some() {
        let (y, lengths) = gpu::normalize::forward(x);
        return (y.clone(), Saved { y, lengths });
    }
    let mut y = Tensor::unfilled(x.rows(), width);
    let mut lengths = Tensor::unfilled(x.rows(), 1);
    let (out, per_row) = (Shared::new(y.data_mut()), Shared::new(lengths.data_mut()));
    for_each(x.rows().div_ceil(BLOCK), |block| {
        for row in block * BLOCK..x.rows().min((block + 1) * BLOCK) {
            // SAFETY: each row belongs to one task.
            let (y, length) = unsafe { (out.slice(row * width, width), &mut per_row.slice(row, 1)[0]) };
            *length = dot(x.row(row), x.row(row)).sqrt().max(LENGTH_MIN);
            let inverse = 1.0 / *length;
            y.iter_mut().zip(x.row(row)).for_each(|(y, x)| *y = x * inverse);
        }
    });
    (y.clone(), Saved { y, lengths })
}

impl Saved {
    /// Returns dx = (dy − y · ⟨y, dy⟩) / ‖x‖, in the memory of dy.
    ///
    /// # Panics
    /// If dy has another shape, or is shared.
    pub fn backward(self, mut dy: Tensor) -> Tensor {
        let width = self.y.columns();
        dy.assert_shape("normalize", "dy", self.y.rows(), width);
        if dy.gpu().is_some() {
            gpu::normalize::backward(&self.y, &self.lengths, &mut dy);
            return dy;
        }
        let rows = self.y.rows();
        let out = Shared::new(dy.data_mut());
        for_each(rows.div_ceil(BLOCK), |block| {
            for row in block * BLOCK..rows.min((block + 1) * BLOCK) {
                // SAFETY: each row belongs to one task.
                let dy = unsafe { out.slice(row * width, width) };
                let y = self.y.row(row);
                let (along, inverse) = (dot(y, dy), 1.0 / self.lengths.row(row)[0]);
                dy.iter_mut().zip(y).for_each(|(dy, y)| *dy = (*dy - along * y) * inverse);
            }
        });
        dy
    }
}

multiversion! {
    fn dot<L>(x: &[f32], y: &[f32]) -> f32 {
        assert_eq!(x.len(), y.len());
        let mut sum = L::zero();
        let mut i = 0;
        while i < x.len() {
            let count = L::N.min(x.len() - i);
            // SAFETY: `count` floats from `i` are inside both slices.
            let (x, y) = (x.as_ptr().add(i), y.as_ptr().add(i));
            sum = match count == L::N {
                true => L::fma(L::load(x), L::load(y), sum),
                false => L::fma(L::load_first(x, count), L::load_first(y, count), sum),
            };
            i += count;
        }
        L::sum(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{assert_close, assert_far, distance, finite_differences, on_every_device, random, read, wide};

    fn reference(x: &[f64], width: usize) -> Vec<f64> {
        x.chunks_exact(width)
            .flat_map(|row| {
                let length = row.iter().map(|x| x * x).sum::<f64>().sqrt().max(1e-12);
                row.iter().map(move |x| x / length).collect::<Vec<_>>()
            })
            .collect()
    }

    #[test]
    fn rows_have_length_one_and_their_gradient() {
        on_every_device(|device, place| {
            for (rows, width) in [(1, 1), (3, 5), (40, 16), (33, 37)] {
                let what = format!("{place} {rows} × {width}");
                let (x, dy) = (random(1, rows * width, 2.0), random(2, rows * width, 1.0));
                let (y, saved) = forward(&Tensor::on(device, rows, width, &x));
                assert_close(&what, &read(&y), &reference(&wide(&x), width), 2.0, width);
                let dx = saved.backward(Tensor::on(device, rows, width, &dy));
                let want = finite_differences(&wide(&x), &wide(&dy), |x| reference(x, width));
                // A single number has the gradient 0; what is left is rounding of its terms.
                let largest = want.iter().fold(1.0, |a: f64, b| a.max(b.abs()));
                let apart = distance(&read(&dx), &want);
                assert!(apart <= 1e-5 * largest, "{what}: {apart:.3e}");
                if width > 1 {
                    let forgetting: Vec<f32> = dy.iter().map(|dy| dy / 2.0).collect();
                    assert_far("the projection forgotten", &forgetting, &want, 50.0, width);
                }
            }
            let (y, _saved) = forward(&Tensor::on(device, 1, 4, &[0.0; 4]));
            assert_eq!(read(&y), [0.0; 4], "{place}: a row of zeros stays one");
        });
    }
}
