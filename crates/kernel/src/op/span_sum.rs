//! `y[n] = starts[span.start] + ends[span.end] + widths[span.width] + bias`: the first layer over a span's joined
//! features, factored.
//!
//! The layer computes W · [start; end; width], which is a sum of three products with parts of W. Spans that share a
//! start, an end or a width share a summand: three small products and this sum replace one product of N rows.

use crate::cpu::reduce::{add, add_columns, for_each_column_block};
use crate::memory::tensor::Tensor;
use crate::params::GradSlot;
use crate::threads::{Shared, for_each_block};

/// The rows of the three summands that make up one span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first position.
    pub start: u32,
    /// The last position.
    pub end: u32,
    /// The row of the width.
    pub width: u32,
}

/// Gradients of the three summands.
#[derive(Debug)]
pub struct SummandGrads {
    /// Gradient of `starts`, shape (P, E).
    pub starts: Tensor,
    /// Gradient of `ends`, shape (P, E).
    pub ends: Tensor,
    /// Gradient of `widths`, shape (L, E).
    pub widths: Tensor,
}

/// Returns one row a span: the sum of its three rows and `bias`.
///
/// # Shapes
/// starts (P, E), ends (P, E), widths (L, E), bias (E), N spans → y (N, E).
/// # Panics
/// If a span names a row that does not exist.
pub fn forward(starts: &Tensor, ends: &Tensor, widths: &Tensor, bias: &[f32], spans: &[Span]) -> Tensor {
    let width = bias.len();
    starts.assert_shape("span_sum", "starts", ends.rows(), width);
    ends.assert_shape("span_sum", "ends", starts.rows(), width);
    widths.assert_shape("span_sum", "widths", widths.rows(), width);
    let mut y = Tensor::unfilled(spans.len(), width);
    for_each_block(y.data_mut(), width, 32, |first, block| {
        for (row, span) in block.chunks_exact_mut(width).zip(&spans[first..]) {
            row.copy_from_slice(starts.row(span.start as usize));
            add(ends.row(span.end as usize), row);
            add(widths.row(span.width as usize), row);
            add(bias, row);
        }
    });
    y
}

/// Returns the summands' gradients, each summed in the order of spans; `positions` and `widths` are their rows. The
/// gradient of the bias, Σ dy, goes to `bias`.
///
/// # Panics
/// If a span names a row that does not exist.
pub fn backward(positions: usize, widths: usize, spans: &[Span], dy: &Tensor, bias: GradSlot) -> SummandGrads {
    let width = dy.columns();
    dy.assert_shape("span_sum", "dy", spans.len(), width);
    let zeros = |rows: usize| {
        let mut tensor = Tensor::unfilled(rows, width);
        tensor.data_mut().fill(0.0);
        tensor
    };
    let mut grads = SummandGrads { starts: zeros(positions), ends: zeros(positions), widths: zeros(widths) };
    let scatter = |sums: &mut Tensor, row: &(dyn Fn(&Span) -> u32 + Sync)| {
        let rows = sums.rows();
        let shared = Shared::new(sums.data_mut());
        for_each_column_block(width, |part| {
            for (n, span) in spans.iter().enumerate() {
                let row = row(span) as usize;
                assert!(row < rows, "span_sum: row {row} of {rows}");
                // SAFETY: blocks of columns are disjoint, and the row is there.
                add(&dy.row(n)[part.clone()], unsafe { shared.slice(row * width + part.start, part.len()) });
            }
        });
    };
    scatter(&mut grads.starts, &|span| span.start);
    scatter(&mut grads.ends, &|span| span.end);
    scatter(&mut grads.widths, &|span| span.width);
    let (dbias, holds_sum) = bias.into_parts();
    add_columns(dy, holds_sum, dbias);
    grads
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
        let [starts, ends, widths_table] =
            [tensor(positions, &parts[0]), tensor(positions, &parts[1]), tensor(widths, &parts[2])];
        let b = random(4, e, 1.0);
        let all = (0..positions as u32).flat_map(|start| (start..positions as u32).map(move |end| (start, end)));
        let spans: Vec<Span> = all
            .filter(|(start, end)| end - start < 3)
            .map(|(start, end)| Span { start, end, width: end - start + 1 })
            .collect();
        let y = forward(&starts, &ends, &widths_table, &b, &spans);
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
        let got = backward(positions, widths, &spans, &tensor(spans.len(), &dy), GradSlot::Overwrite(&mut db));
        let gather = |rows: usize, of: &dyn Fn(&Span) -> u32| -> Vec<f64> {
            let mut sums = vec![0.0; rows * e];
            for (n, span) in spans.iter().enumerate() {
                for c in 0..e {
                    sums[of(span) as usize * e + c] += f64::from(dy[n * e + c]);
                }
            }
            sums
        };
        assert_close("dstarts", got.starts.data(), &gather(positions, &|span| span.start), 2.0, spans.len());
        assert_close("dends", got.ends.data(), &gather(positions, &|span| span.end), 2.0, spans.len());
        assert_close("dwidths", got.widths.data(), &gather(widths, &|span| span.width), 2.0, spans.len());
        assert_far("ends for starts", got.ends.data(), &gather(positions, &|span| span.start), 8.0, spans.len());
        let columns: Vec<f64> = (0..e).map(|c| wide(&dy).iter().skip(c).step_by(e).sum()).collect();
        assert_close("dbias", &db, &columns, 2.0, spans.len());
    }
}
