//! Pooling: one vector a sequence, which is its first row or the mean of its rows.

use crate::memory::tensor::Tensor;
use crate::threads::for_each;

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
/// x (R, H); `starts` are the boundaries of S sequences, from 0 to R → y (S, H).
/// # Precision
/// The mean is a sum of x / length in f32, row after row.
/// # Panics
/// If the boundaries do not fit R rows, or a sequence has no row.
pub fn forward(x: &Tensor, starts: &[u32], pooling: Pooling) -> Tensor {
    let sequences = sequences(starts, x.rows());
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
pub fn backward(starts: &[u32], pooling: Pooling, dy: &Tensor) -> Tensor {
    let sequences = sequences(starts, starts.last().copied().unwrap_or(0) as usize);
    dy.assert_shape("pool", "dy", sequences.len(), dy.columns());
    let mut dx = Tensor::zeros(sequences.last().map_or(0, |last| last.end), dy.columns());
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
fn sequences(starts: &[u32], rows: usize) -> Vec<std::ops::Range<usize>> {
    let sequences: Vec<_> = starts.windows(2).map(|bounds| bounds[0] as usize..bounds[1] as usize).collect();
    let whole = starts.first() == Some(&0) && starts.last().copied() == Some(rows as u32);
    assert!(whole && sequences.iter().all(|rows| !rows.is_empty()), "pool: {starts:?} are not bounds of {rows} rows");
    sequences
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{assert_close, assert_far, at_every_level, finite_differences, random, wide};

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
        at_every_level(|level| {
            for h in [1, 7, 33] {
                let starts = [0, 1, 6, 8, 19];
                let x = random(h as u64, 19 * h, 2.0);
                let dy = random(1, 4 * h, 1.0);
                for pooling in [Pooling::First, Pooling::Mean] {
                    let what = format!("{level:?} {pooling:?} of {h}");
                    let y = forward(&Tensor::from_slice(19, h, &x), &starts, pooling);
                    assert_close(&what, y.data(), &reference(&wide(&x), &starts, h, pooling), 2.0, 11);
                    let dx = backward(&starts, pooling, &Tensor::from_slice(4, h, &dy));
                    let want = finite_differences(&wide(&x), &wide(&dy), |x| reference(x, &starts, h, pooling));
                    assert_close(&what, dx.data(), &want, 2.0, 1);

                    // Wrong twins: the other pooling, and bounds of which one lies a row further.
                    let other = if pooling == Pooling::First { Pooling::Mean } else { Pooling::First };
                    let moved = [0, 1, 7, 8, 19];
                    assert_far("the other pooling", y.data(), &reference(&wide(&x), &starts, h, other), 8.0, 11);
                    let twin = finite_differences(&wide(&x), &wide(&dy), |x| reference(x, &moved, h, pooling));
                    assert_far("a row of the neighbor", dx.data(), &twin, 8.0, 1);
                }
            }
        });
    }

    #[test]
    #[should_panic(expected = "are not bounds of 3 rows")]
    fn a_sequence_without_rows_is_refused() {
        forward(&Tensor::from_slice(3, 1, &[0.0; 3]), &[0, 1, 1, 3], Pooling::Mean);
    }
}
