//! Scores of pairs: `score[n, c] = e^scale · ⟨x[n], v[c]⟩` says how well row n fits vector c, within groups of rows.
//!
//! A bi-encoder compares all rows with all vectors: one group. A cross-encoder has vectors of its own for each text,
//! and so one group a text.

use super::gpu;
use crate::cpu::product::operand::{Operand, Precision, Start};
use crate::cpu::product::product;
use crate::memory::tensor::Tensor;
use crate::memory::values::View;
use crate::params::GradSlot;
use std::ops::Range;

/// Rows that are compared with the same vectors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Rows of x.
    pub rows: Range<usize>,
    /// Number of the first of the C vectors.
    pub first_vector: usize,
}

/// The factors of the scores and the scores, for backward.
#[must_use]
#[derive(Debug)]
pub struct Saved {
    x: Tensor,
    vectors: Tensor,
    scores: Tensor,
    groups: Vec<Group>,
}

/// Returns the score of each row with each of its group's `count` vectors. Rows in no group score 0.
///
/// # Shapes
/// x (N, E), vectors (V, E), C = `count`, scale (1) → scores (N, C).
/// # Precision
/// Products and sums in f32, over E in order; then the factor. On a GPU factors have their own type; scores are f32.
/// # Panics
/// If a group lies outside x or the vectors.
pub fn forward(x: &Tensor, vectors: &Tensor, groups: Vec<Group>, count: usize, scale: View) -> (Tensor, Saved) {
    let e = x.columns();
    vectors.assert_shape("pair_scores", "vectors", vectors.rows(), e);
    let scored =
        |scores: Tensor, groups| (scores.clone(), Saved { x: x.clone(), vectors: vectors.clone(), scores, groups });
    if x.gpu().is_some() {
        return scored(gpu::pair_scores::forward(x, vectors, &on_gpu(&groups, count), count, scale), groups);
    }
    let mut scores = Tensor::zeros(x.rows(), count);
    for Group { rows, first_vector } in &groups {
        let left = Operand::Rows(&x.data()[rows.start * e..rows.end * e], e);
        let right = Operand::Columns(&vectors.data()[first_vector * e..(first_vector + count) * e], e);
        let out = &mut scores.data_mut()[rows.start * count..rows.end * count];
        product(Precision::F32, (rows.len(), e, count), left, right, Start::Zero, out);
    }
    let factor = scale.host()[0].exp();
    scores.data_mut().iter_mut().for_each(|score| *score *= factor);
    scored(scores, groups)
}

/// Returns the rows of each group, and the vectors that they are compared with.
fn on_gpu(groups: &[Group], count: usize) -> Vec<gpu::pair_scores::Group> {
    let wide = |range: Range<usize>| range.start as u64..range.end as u64;
    let group = |Group { rows, first_vector }: &Group| (wide(rows.clone()), wide(*first_vector..first_vector + count));
    groups.iter().map(group).collect()
}

impl Saved {
    /// Returns dx (N, E). The vectors' gradient is added to `dvectors` (V, E), that of `scale` goes to `dscale`.
    ///
    /// # Precision
    /// The gradient of `scale`, Σ dscores · scores, is summed in f64.
    /// # Panics
    /// If a shape does not fit.
    pub fn backward(self, scale: View, dscale: Option<GradSlot>, dscores: &Tensor, dvectors: &mut Tensor) -> Tensor {
        let Saved { x, vectors, scores, groups } = self;
        let (e, count) = (x.columns(), scores.columns());
        dscores.assert_shape("pair_scores", "dscores", x.rows(), count);
        dvectors.assert_shape("pair_scores", "dvectors", vectors.rows(), e);
        if x.gpu().is_some() {
            let (kept, groups) = ((&x, &vectors, &scores), on_gpu(&groups, count));
            return gpu::pair_scores::backward(kept, &groups, (scale, dscale), dscores, dvectors);
        }
        let products = dscores.data().iter().zip(scores.data()).map(|(d, s)| f64::from(*d) * f64::from(*s));
        if let Some(slot) = dscale {
            slot.put(View::Host(&[products.sum::<f64>() as f32]));
        }
        let factor = scale.host()[0].exp();
        let scaled: Vec<f32> = dscores.data().iter().map(|d| factor * d).collect();
        let mut dx = Tensor::zeros(x.rows(), e);
        for Group { rows, first_vector } in groups {
            let d = &scaled[rows.start * count..rows.end * count];
            let (here, there) = (rows.start * e..rows.end * e, first_vector * e..(first_vector + count) * e);
            let right = Operand::Rows(&vectors.data()[there.clone()], e);
            let out = &mut dx.data_mut()[here.clone()];
            product(Precision::F32, (rows.len(), count, e), Operand::Rows(d, count), right, Start::Zero, out);
            let right = Operand::Rows(&x.data()[here], e);
            let out = &mut dvectors.data_mut()[there];
            let left = Operand::Columns(d, count);
            product(Precision::F32, (count, rows.len(), e), left, right, Start::Accumulate, out);
        }
        dx
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{assert_close, assert_far, finite_differences, on_every_device, parameter, random, read, wide};

    fn reference(x: &[f64], v: &[f64], groups: &[Group], count: usize, e: usize, scale: f64) -> Vec<f64> {
        let mut scores = vec![0.0; x.len() / e * count];
        for Group { rows, first_vector } in groups {
            for n in rows.clone() {
                for c in 0..count {
                    let pairs = x[n * e..][..e].iter().zip(&v[(first_vector + c) * e..][..e]);
                    scores[n * count + c] = scale.exp() * pairs.map(|(x, v)| x * v).sum::<f64>();
                }
            }
        }
        scores
    }

    #[test]
    fn rows_are_scored_with_the_vectors_of_their_group() {
        on_every_device(|device, place| {
            let group = |rows: Range<usize>, first_vector| Group { rows, first_vector };
            let apart = vec![group(0..4, 0), group(4..4, 3), group(4..11, 6), group(11..12, 3)];
            for (groups, n, e, count) in [(vec![group(0..23, 0)], 23, 17, 5), (apart, 12, 40, 3)] {
                let v_rows = groups.iter().map(|group| group.first_vector).max().unwrap_or(0) + count;
                let what = format!("{place} {n} rows, {v_rows} vectors of {e}");
                let (x, v) = (random(1, n * e, 1.0), random(2, v_rows * e, 1.0));
                let (dscores, before, scale) = (random(3, n * count, 1.0), random(4, v_rows * e, 1.0), -0.7f32);
                let (x_tensor, v_tensor) = (Tensor::on(device, n, e, &x), Tensor::on(device, v_rows, e, &v));
                let of_scale = parameter(device, &[scale]);
                let (xs, vs, ds) = (wide(&x), wide(&v), wide(&dscores));
                let of = |x: &[f64], v: &[f64], scale: f64| reference(x, v, &groups, count, e, scale);

                let (scores, saved) = forward(&x_tensor, &v_tensor, groups.clone(), count, of_scale.view());
                let scores = read(&scores);
                let want = of(&xs, &vs, f64::from(scale));
                assert_close(&what, &scores, &want, 4.0, e);
                let one_group = [group(0..n, 0)];
                if groups.len() > 1 {
                    let twin = reference(&xs, &vs, &one_group, count, e, f64::from(scale));
                    assert_far("all rows with the first vectors", &scores, &twin, 8.0, e);
                }
                assert_far("the scale as the factor", &scores, &of(&xs, &vs, f64::from(scale.ln_1p())), 8.0, e);

                let (mut dv, mut dscale) = (Tensor::on(device, v_rows, e, &before), parameter(device, &[2.0]));
                let slot = Some(GradSlot::Add(dscale.view_mut()));
                let dscores = Tensor::on(device, n, count, &dscores);
                let dx = read(&saved.backward(of_scale.view(), slot, &dscores, &mut dv));
                let (dv, dscale) = (read(&dv), read(&dscale)[0] - 2.0);
                let scale = f64::from(scale);
                let want = finite_differences(&xs, &ds, |x| of(x, &vs, scale));
                assert_close(&what, &dx, &want, 8.0, count);
                assert_far("without the factor", &dx, &finite_differences(&xs, &ds, |x| of(x, &vs, 0.0)), 8.0, count);
                let added = |v: Vec<f64>| v.iter().zip(&before).map(|(d, b)| d + f64::from(*b)).collect::<Vec<_>>();
                let gradient = finite_differences(&vs, &ds, |v| of(&xs, v, scale));
                assert_close(&what, &dv, &added(gradient.clone()), 8.0, n);
                assert_far("what was there is kept", &dv, &gradient, 8.0, n);
                let want = finite_differences(&[scale], &ds, |scale| of(&xs, &vs, scale[0]));
                let rounding: Vec<f64> = ds.iter().zip(of(&xs, &vs, scale)).map(|(d, s)| d * s).collect();
                let terms = rounding.iter().fold(want[0].abs(), |largest, term| largest.max(term.abs()));
                assert!((f64::from(dscale) - want[0]).abs() <= 1e-5 * terms, "{what}: {dscale} for {}", want[0]);
            }
        });
    }
}
