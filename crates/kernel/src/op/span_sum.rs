//! The first layer over a span's joined features, factored into sums of three rows.
//!
//! `y[n] = starts[span.start] + ends[span.end] + widths[span.width] + bias`. The layer computes W · [start; end; width], which is a sum of three products with parts of W. Spans that share a
//! start, an end or a width share a summand: three small products and this sum replace one product of N rows.

use super::gpu;
use crate::cpu::add::add;
use crate::cpu::product::operand::{Operand, Precision, Start};
use crate::cpu::product::product;
use crate::cpu::reduce::{add_columns, for_each_column_block};
use crate::memory::tensor::Tensor;
use crate::memory::values::View;
use crate::params::GradSlot;
use crate::threads::{Shared, for_each_block};

/// One span, as the rows of its three summands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First position of the span.
    pub start: u32,
    /// Last position of the span.
    pub end: u32,
    /// Row of the span's width.
    pub width: u32,
}

impl Span {
    /// Returns the rows of starts, ends and widths.
    fn rows(&self) -> [u32; 3] {
        [self.start, self.end, self.width]
    }
}

/// Asserts that starts, ends and widths have the rows that spans name.
fn assert_rows(spans: &[Span], counts: [usize; 3]) {
    for (row, count) in spans.iter().flat_map(|span| span.rows().into_iter().zip(counts)) {
        assert!((row as usize) < count, "span_sum: row {row} of {count}");
    }
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

/// Returns the product of x with a part of a weight: as many of its columns, from `column` on, as x has.
///
/// # Shapes
/// x (R, K), weight (E, any), E = `outputs` → y (R, E).
/// # Precision
/// Factors as `precision` says; sums in f32.
/// # Panics
/// If the weight has not so many columns.
pub fn project(x: &Tensor, weight: View, outputs: usize, column: usize, precision: Precision) -> Tensor {
    let (k, stride) = (x.columns(), weight.len() / outputs);
    assert!(column + k <= stride, "span_sum: columns from {column} to {} of {stride}", column + k);
    if x.gpu().is_some() {
        return gpu::span_sum::project(x, weight, outputs, column..column + k);
    }
    let mut y = Tensor::unfilled(x.rows(), outputs);
    let (left, right) = (Operand::Rows(x.data(), k), Operand::Columns(&weight.host()[column..], stride));
    product(precision, (x.rows(), k, outputs), left, right, Start::Zero, y.data_mut());
    y
}

/// Returns dx (R, K), given dy (R, E). The gradient of the weight's part goes to the same columns of `dweight`; other
/// columns stay as they are.
///
/// # Panics
/// As [`project`].
pub fn project_backward(
    x: &Tensor,
    weight: View,
    column: usize,
    precision: Precision,
    dy: &Tensor,
    dweight: &mut GradSlot,
) -> Tensor {
    let (e, k, stride) = (dy.columns(), x.columns(), weight.len() / dy.columns());
    assert!(column + k <= stride, "span_sum: columns from {column} to {} of {stride}", column + k);
    if x.gpu().is_some() {
        return gpu::span_sum::project_backward(x, weight, column..column + k, dy, dweight);
    }
    let mut dx = Tensor::unfilled(x.rows(), k);
    let (left, right) = (Operand::Rows(dy.data(), e), Operand::Rows(&weight.host()[column..], stride));
    product(precision, (x.rows(), e, k), left, right, Start::Zero, dx.data_mut());
    let mut part = Tensor::unfilled(e, k);
    let (left, right) = (Operand::Columns(dy.data(), e), Operand::Rows(x.data(), k));
    product(precision, (e, x.rows(), k), left, right, Start::Zero, part.data_mut());
    let columns = column..column + k;
    match dweight {
        GradSlot::Overwrite(dweight) => {
            for (row, part) in dweight.host_mut().chunks_exact_mut(stride).zip(part.data().chunks_exact(k)) {
                row[columns.clone()].copy_from_slice(part);
            }
        }
        GradSlot::Add(dweight) => {
            for (row, part) in dweight.host_mut().chunks_exact_mut(stride).zip(part.data().chunks_exact(k)) {
                add(part, &mut row[columns.clone()]);
            }
        }
    }
    dx
}

/// Returns one row a span: the sum of its three rows and `bias`.
///
/// # Shapes
/// starts (P, E), ends (P, E), widths (L, E), bias (E), N spans → y (N, E).
/// # Panics
/// If a span names a row that does not exist.
pub fn forward(starts: &Tensor, ends: &Tensor, widths: &Tensor, bias: View, spans: &[Span]) -> Tensor {
    let width = bias.len();
    starts.assert_shape("span_sum", "starts", ends.rows(), width);
    ends.assert_shape("span_sum", "ends", starts.rows(), width);
    widths.assert_shape("span_sum", "widths", widths.rows(), width);
    if starts.gpu().is_some() {
        assert_rows(spans, [starts.rows(), ends.rows(), widths.rows()]);
        let places: Vec<i32> = spans.iter().flat_map(|span| span.rows().map(u32::cast_signed)).collect();
        return gpu::span_sum::forward(starts, ends, widths, bias, &places);
    }
    let bias = bias.host();
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
    if dy.gpu().is_some() {
        let index = [0, 1, 2].map(|summand| spans.iter().map(|span| span.rows()[summand]).collect());
        let [starts, ends, widths] = gpu::span_sum::backward(index, [positions, positions, widths], dy, bias);
        return SummandGrads { starts, ends, widths };
    }
    let zeros = |rows: usize| Tensor::zeros(rows, width);
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
    let (dbias, holds_sum) = bias.into_host();
    add_columns(dy, holds_sum, dbias);
    grads
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{assert_close, assert_far, finite_differences, on_every_device, parameter, random, read, wide};

    #[test]
    fn it_is_the_first_layer_over_joined_features_and_its_gradient() {
        on_every_device(|device, place| {
            let (positions, widths, e) = (6, 4, 70);
            let parts = [random(1, positions * e, 1.0), random(2, positions * e, 1.0), random(3, widths * e, 1.0)];
            let tensor = |rows, values: &[f32]| Tensor::on(device, rows, e, values);
            let [starts, ends, widths_table] =
                [tensor(positions, &parts[0]), tensor(positions, &parts[1]), tensor(widths, &parts[2])];
            let b = random(4, e, 1.0);
            let all = (0..positions as u32).flat_map(|start| (start..positions as u32).map(move |end| (start, end)));
            let spans: Vec<Span> = all
                .filter(|(start, end)| end - start < 3)
                .map(|(start, end)| Span { start, end, width: end - start + 1 })
                .collect();
            let y = read(&forward(&starts, &ends, &widths_table, parameter(device, &b).view(), &spans));
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
            assert_close(&format!("{place} y"), &y, &sum(0), 2.0, 4);
            assert_far("the width before", &y, &sum(1), 8.0, 4);

            let dy = random(5, spans.len() * e, 1.0);
            let mut db = parameter(device, &vec![7.0; e]);
            let slot = GradSlot::Overwrite(db.view_mut());
            let got = backward(positions, widths, &spans, &tensor(spans.len(), &dy), slot);
            let [starts, ends, widths_gradient] = [&got.starts, &got.ends, &got.widths].map(read);
            let gather = |rows: usize, of: &dyn Fn(&Span) -> u32| -> Vec<f64> {
                let mut sums = vec![0.0; rows * e];
                for (n, span) in spans.iter().enumerate() {
                    for c in 0..e {
                        sums[of(span) as usize * e + c] += f64::from(dy[n * e + c]);
                    }
                }
                sums
            };
            let n = spans.len();
            assert_close(&format!("{place} dstarts"), &starts, &gather(positions, &|span| span.start), 2.0, n);
            assert_close(&format!("{place} dends"), &ends, &gather(positions, &|span| span.end), 2.0, n);
            assert_close(&format!("{place} dwidths"), &widths_gradient, &gather(widths, &|span| span.width), 2.0, n);
            assert_far("ends for starts", &ends, &gather(positions, &|span| span.start), 8.0, n);
            let columns: Vec<f64> = (0..e).map(|c| wide(&dy).iter().skip(c).step_by(e).sum()).collect();
            assert_close(&format!("{place} dbias"), &read(&db), &columns, 2.0, n);
        });
    }

    #[test]
    fn a_part_of_the_weight_is_multiplied_and_its_gradient_stays_in_its_columns() {
        on_every_device(|device, place| {
            for (r, k, e, stride, column) in [(1, 1, 1, 1, 0), (9, 5, 7, 20, 12), (40, 33, 17, 70, 3), (0, 3, 2, 5, 1)]
            {
                let what = format!("{place} ({r}, {k}) → {e}, columns from {column} of {stride}");
                let (x, w) = (random(1, r * k, 1.0), random(2, e * stride, 1.0));
                let (dy, before) = (random(3, r * e, 1.0), random(4, e * stride, 1.0));
                let (xs, ws, dys) = (wide(&x), wide(&w), wide(&dy));
                let reference = |x: &[f64], w: &[f64], column: usize| -> Vec<f64> {
                    let element =
                        |at: usize| (0..k).map(|p| x[at / e * k + p] * w[at % e * stride + column + p]).sum::<f64>();
                    (0..r * e).map(element).collect()
                };
                let (x_tensor, weight) = (Tensor::on(device, r, k, &x), parameter(device, &w));
                let y = read(&project(&x_tensor, weight.view(), e, column, Precision::F32));
                assert_close(&what, &y, &reference(&xs, &ws, column), 2.0, k);
                let mut dw = parameter(device, &before);
                let (dy, mut slot) = (Tensor::on(device, r, e, &dy), GradSlot::Add(dw.view_mut()));
                let dx = project_backward(&x_tensor, weight.view(), column, Precision::F32, &dy, &mut slot);
                let want = finite_differences(&xs, &dys, |x| reference(x, &ws, column));
                assert_close(&what, &read(&dx), &want, 4.0, e);
                let gradient = finite_differences(&ws, &dys, |w| reference(&xs, w, column));
                let sums: Vec<f64> = gradient.iter().zip(&before).map(|(d, b)| d + f64::from(*b)).collect();
                assert_close(&what, &read(&dw), &sums, 4.0, r.max(1));
                assert_far("what was there is kept", &read(&dw), &gradient, 8.0, r);
                // Overwriting touches no column of another part.
                let mut dw = parameter(device, &before);
                let mut slot = GradSlot::Overwrite(dw.view_mut());
                project_backward(&x_tensor, weight.view(), column, Precision::F32, &dy, &mut slot);
                let inside = |at: usize| (column..column + k).contains(&(at % stride));
                let want: Vec<f64> =
                    (0..e * stride).map(|at| if inside(at) { gradient[at] } else { f64::from(before[at]) }).collect();
                assert_close(&what, &read(&dw), &want, 4.0, r.max(1));
                if column > 0 && r > 0 {
                    assert_far("the first columns", &y, &reference(&xs, &ws, 0), 8.0, k);
                }
            }
        });
    }
}
