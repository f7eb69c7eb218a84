//! Pooling: one vector a sequence, which is its first row or the mean of its rows.

use super::gpu;
use super::sequences::Sequences;
use crate::memory::tensor::Tensor;
use crate::threads::for_each;
use std::ops::Range;

/// The way in which the rows of a sequence become one vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// The first row, which holds the sequence's special piece.
    First,
    /// The mean of all rows.
    Mean,
}

/// Returns one row a sequence.
///
/// # Shapes
/// x (R, H), S sequences of R rows → y (S, H).
/// # Precision
/// The mean is a sum of x / length in f32, row after row.
/// # Panics
/// If the sequences have not R rows, or one has no row.
pub fn forward(x: &Tensor, sequences: &Sequences, pooling: Pooling) -> Tensor {
    sequences.assert_rows("pool", x.rows());
    let rows_of = rows_of(sequences);
    if let Some(gpu) = x.gpu() {
        return gpu::pool::forward(x, sequences.on_gpu(gpu), pooling == Pooling::Mean);
    }
    let sequences = rows_of;
    let mut y = Tensor::zeros(sequences.len(), x.columns());
    let area = y.area_mut();
    for_each(sequences.len(), |sequence| {
        // SAFETY: a row of y, which belongs to this sequence alone.
        let y = unsafe { std::slice::from_raw_parts_mut(area.row(sequence), area.columns) };
        let rows = sequences[sequence].clone();
        match pooling {
            Pooling::First => y.copy_from_slice(x.row(rows.start)),
            Pooling::Mean => {
                let share = 1.0 / rows.len() as f32;
                for row in rows {
                    y.iter_mut().zip(x.row(row)).for_each(|(y, x)| *y += share * x);
                }
            }
        }
    });
    y
}

/// Returns dx (R, H), given dy (S, H). Rows that no vector depends on have gradient 0.
///
/// # Panics
/// As [`forward`].
pub fn backward(sequences: &Sequences, pooling: Pooling, dy: &Tensor) -> Tensor {
    let (rows, rows_of) = (sequences.rows(), rows_of(sequences));
    dy.assert_shape("pool", "dy", rows_of.len(), dy.columns());
    if let Some(gpu) = dy.gpu() {
        return gpu::pool::backward(sequences.on_gpu(gpu), rows, pooling == Pooling::Mean, dy);
    }
    let sequences = rows_of;
    let mut dx = Tensor::zeros(rows, dy.columns());
    let area = dx.area_mut();
    for_each(sequences.len(), |sequence| {
        let rows = sequences[sequence].clone();
        let (rows, share) = match pooling {
            Pooling::First => (rows.start..rows.start + 1, 1.0),
            Pooling::Mean => (rows.clone(), 1.0 / rows.len() as f32),
        };
        for row in rows {
            // SAFETY: a row of dx, which belongs to this sequence alone.
            let dx = unsafe { std::slice::from_raw_parts_mut(area.row(row), area.columns) };
            dx.iter_mut().zip(dy.row(sequence)).for_each(|(dx, dy)| *dx = share * dy);
        }
    });
    dx
}

/// Returns the rows of each sequence.
fn rows_of(sequences: &Sequences) -> Vec<Range<usize>> {
    let rows_of: Vec<_> = sequences.each().collect();
    assert!(rows_of.iter().all(|rows| !rows.is_empty()), "pool: a sequence has no row: {sequences:?}");
    rows_of
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{assert_close, assert_far, finite_differences, on_every_device, random, read, wide};

    fn reference(x: &[f64], starts: &[u32], h: usize, pooling: Pooling) -> Vec<f64> {
        let mut y = Vec::new();
        for bounds in starts.windows(2) {
            let rows = match pooling {
                Pooling::First => bounds[0]..bounds[0] + 1,
                Pooling::Mean => bounds[0]..bounds[1],
            };
            let (from, n) = (rows.start as usize, rows.len() as f64);
            y.extend((0..h).map(|c| x[from * h..][..rows.len() * h].iter().skip(c).step_by(h).sum::<f64>() / n));
        }
        y
    }

    #[test]
    fn sequences_become_vectors_and_vectors_gradients() {
        on_every_device(|device, place| {
            for h in [1, 7, 33] {
                let starts = [0, 1, 6, 8, 19];
                let sequences = Sequences::new(&starts);
                let x = random(h as u64, 19 * h, 2.0);
                let dy = random(1, 4 * h, 1.0);
                for pooling in [Pooling::First, Pooling::Mean] {
                    let what = format!("{place} {pooling:?} of {h}");
                    let y = read(&forward(&Tensor::on(device, 19, h, &x), &sequences, pooling));
                    assert_close(&what, &y, &reference(&wide(&x), &starts, h, pooling), 2.0, 11);
                    let dx = read(&backward(&sequences, pooling, &Tensor::on(device, 4, h, &dy)));
                    let want = finite_differences(&wide(&x), &wide(&dy), |x| reference(x, &starts, h, pooling));
                    assert_close(&what, &dx, &want, 2.0, 1);

                    // Wrong twins: the other pooling, and bounds of which one lies a row further.
                    let other = if pooling == Pooling::First { Pooling::Mean } else { Pooling::First };
                    let moved = [0, 1, 7, 8, 19];
                    assert_far("the other pooling", &y, &reference(&wide(&x), &starts, h, other), 8.0, 11);
                    let twin = finite_differences(&wide(&x), &wide(&dy), |x| reference(x, &moved, h, pooling));
                    assert_far("a row of the neighbor", &dx, &twin, 8.0, 1);
                }
            }
        });
    }

    #[test]
    #[should_panic(expected = "a sequence has no row")]
    fn a_sequence_without_rows_is_refused() {
        forward(&Tensor::from_slice(3, 1, &[0.0; 3]), &Sequences::new(&[0, 1, 1, 3]), Pooling::Mean);
    }
}
