//! `y[n] = a[start] + z[end] + k[width] + b`: the first layer over the joined features of a span, factored.
//!
//! W · [a; z; k] = Wᵃ·a + Wᶻ·z + Wᵏ·k, and each part is the same for all spans that share a start, an end or a width:
//! three small products and this sum stand for one of N rows.

use crate::cpu::reduce::{add, add_columns, for_each_column_block};
use crate::memory::tensor::Tensor;
use crate::threads::{Shared, for_each_block};

/// Rows of a, z and k that make up a span's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its first position.
    pub start: u32,
    /// Its last position.
    pub end: u32,
    /// The row of its width.
    pub width: u32,
}

/// The gradients.
#[derive(Debug)]
pub struct Parts {
    /// Of a.
    pub starts: Tensor,
    /// Of z.
    pub ends: Tensor,
    /// Of k.
    pub widths: Tensor,
}

/// `y[n] = a[start] + z[end] + k[width] + b`.
///
/// # Shapes
/// a (P, E), z (P, E), k (L, E), b (E), N spans → y (N, E).
/// # Panics
/// If a span's row is not there.
pub fn forward(a: &Tensor, z: &Tensor, k: &Tensor, b: &[f32], spans: &[Span]) -> Tensor {
    let width = b.len();
    a.assert_shape("span_sum", "a", z.rows(), width);
    z.assert_shape("span_sum", "z", a.rows(), width);
    k.assert_shape("span_sum", "k", k.rows(), width);
    let mut y = Tensor::unfilled(spans.len(), width);
    for_each_block(y.data_mut(), width, 32, |first, block| {
        for (row, span) in block.chunks_exact_mut(width).zip(&spans[first..]) {
            row.copy_from_slice(a.row(span.start as usize));
            add(z.row(span.end as usize), row);
            add(k.row(span.width as usize), row);
            add(b, row);
        }
    });
    y
}

/// The parts' gradients, in order of n; db (+)= Σ dy.
pub fn backward(
    positions: usize,
    widths: usize,
    spans: &[Span],
    dy: &Tensor,
    accumulate: bool,
    db: &mut [f32],
) -> Parts {
    let width = dy.columns();
    dy.assert_shape("span_sum", "dy", spans.len(), width);
    let zeros = |rows: usize| {
        let mut tensor = Tensor::unfilled(rows, width);
        tensor.data_mut().fill(0.0);
        tensor
    };
    let mut parts = Parts { starts: zeros(positions), ends: zeros(positions), widths: zeros(widths) };
    let scatter = |into: &mut Tensor, row: &(dyn Fn(&Span) -> u32 + Sync)| {
        let rows = into.rows();
        let shared = Shared::new(into.data_mut());
        for_each_column_block(width, |part| {
            for (n, span) in spans.iter().enumerate() {
                let row = row(span) as usize;
                assert!(row < rows, "span_sum: row {row} of {rows}");
                // SAFETY: blocks of columns are disjoint, and the row is there.
                add(&dy.row(n)[part.clone()], unsafe { shared.slice(row * width + part.start, part.len()) });
            }
        });
    };
    scatter(&mut parts.starts, &|span| span.start);
    scatter(&mut parts.ends, &|span| span.end);
    scatter(&mut parts.widths, &|span| span.width);
    add_columns(dy, accumulate, db);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{assert_close, assert_far, random, wide};

    #[test]
    fn it_is_the_first_layer_over_joined_features_and_its_gradient() {
        let (positions, widths, e) = (6, 4, 70);
        let parts = [random(1, positions * e, 1.0), random(2, positions * e, 1.0), random(3, widths * e, 1.0)];
        let tensor = |rows, values: &[f32]| Tensor::from_slice(rows, e, values);
        let [a, z, k] = [tensor(positions, &parts[0]), tensor(positions, &parts[1]), tensor(widths, &parts[2])];
        let b = random(4, e, 1.0);
        let all = (0..positions as u32).flat_map(|start| (start..positions as u32).map(move |end| (start, end)));
        let spans: Vec<Span> = all
            .filter(|(start, end)| end - start < 3)
            .map(|(start, end)| Span { start, end, width: end - start + 1 })
            .collect();
        let y = forward(&a, &z, &k, &b, &spans);
        let row = |values: &[f32], row: u32, c: usize| f64::from(values[row as usize * e + c]);
        let sum = |shift: u32| -> Vec<f64> {
            let of = |span: &Span, c| {
                row(&parts[0], span.start, c)
                    + row(&parts[1], span.end, c)
                    + row(&parts[2], span.width - shift, c)
                    + f64::from(b[c])
            };
            spans.iter().flat_map(|span| (0..e).map(|c| of(span, c)).collect::<Vec<_>>()).collect()
        };
        assert_close("y", y.data(), &sum(0), 2.0, 4);
        assert_far("the width before", y.data(), &sum(1), 8.0, 4);

        let dy = random(5, spans.len() * e, 1.0);
        let mut db = vec![7.0; e];
        let got = backward(positions, widths, &spans, &tensor(spans.len(), &dy), false, &mut db);
        let gather = |rows: usize, of: &dyn Fn(&Span) -> u32| -> Vec<f64> {
            let mut sums = vec![0.0; rows * e];
            for (n, span) in spans.iter().enumerate() {
                for c in 0..e {
                    sums[of(span) as usize * e + c] += f64::from(dy[n * e + c]);
                }
            }
            sums
        };
        assert_close("da", got.starts.data(), &gather(positions, &|span| span.start), 2.0, spans.len());
        assert_close("dz", got.ends.data(), &gather(positions, &|span| span.end), 2.0, spans.len());
        assert_close("dk", got.widths.data(), &gather(widths, &|span| span.width), 2.0, spans.len());
        assert_far("ends for starts", got.ends.data(), &gather(positions, &|span| span.start), 8.0, spans.len());
        let columns: Vec<f64> = (0..e).map(|c| wide(&dy).iter().skip(c).step_by(e).sum()).collect();
        assert_close("db", &db, &columns, 2.0, spans.len());
    }
}
