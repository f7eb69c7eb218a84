//! Sums of spans' summands on a GPU.

use super::linear::bias_gradient;
use super::rows::summed;
use super::{gpu, integers, product};
use crate::memory::tensor::Tensor;
use crate::memory::values::View;
use crate::params::GradSlot;
use std::ops::Range;
use tagsmith_device::kernels::rows::SpanSum;
use tagsmith_device::multiply::Element;
use tagsmith_device::multiply::plans::{self, RowMajor, Start};

/// Returns the product of x with the columns of a weight (E, any), E = `outputs`.
pub fn project(x: &Tensor, weight: View, outputs: usize, columns: Range<usize>) -> Tensor {
    let mut y = x.unfilled_beside(x.rows(), outputs);
    let weight = part_of(weight, x.element(), outputs, columns);
    let plan = plans::product(product::of(x).plain(), weight.transposed(), Start::Zero, product::to(&mut y));
    product::run(gpu(x), plan, y.view_mut());
    y
}

/// Returns dx. The gradient of the weight's columns goes to the same columns of `dweight`.
pub fn project_backward(
    x: &Tensor,
    weight: View,
    columns: Range<usize>,
    dy: &Tensor,
    dweight: &mut GradSlot,
) -> Tensor {
    let (gpu, e, stride) = (gpu(x), dy.columns(), weight.len() / dy.columns());
    let mut dx = x.unfilled_beside(x.rows(), x.columns());
    let part = part_of(weight, x.element(), e, columns.clone());
    let plan = plans::product(product::of(dy).plain(), part.plain(), Start::Zero, product::to(&mut dx));
    product::run(gpu, plan, dx.view_mut());
    let (start, out) = match dweight {
        GradSlot::Overwrite(out) => (Start::Zero, out),
        GradSlot::Add(out) => (Start::Accumulate, out),
    };
    let all = RowMajor::dense(out.address(), Element::F32, e as u64, stride as u64);
    let to = all.part(0..e as u64, columns.start as u64..columns.end as u64);
    let plan = plans::product(product::of(dy).transposed(), product::of(x).plain(), start, to);
    let behind = out.len();
    product::run(gpu, plan, out.part(columns.start..behind));
    dx
}

fn part_of(weight: View, element: Element, outputs: usize, columns: Range<usize>) -> RowMajor {
    let whole = product::of_parameter(weight, element, outputs, weight.len() / outputs);
    whole.part(0..outputs as u64, columns.start as u64..columns.end as u64)
}

/// Returns one row a span. `spans` are start, end and width of each span.
pub fn forward(starts: &Tensor, ends: &Tensor, widths: &Tensor, bias: View, spans: &[i32]) -> Tensor {
    let (count, columns, room) = (spans.len() / 3, starts.columns(), integers(gpu(starts), spans));
    let mut y = starts.unfilled_beside(count, columns);
    let sum = SpanSum {
        element: starts.element(),
        starts: starts.address(),
        ends: ends.address(),
        widths: widths.address(),
        bias: bias.address(),
        spans: room.address(),
        y: y.address_mut(),
        count,
        columns,
    };
    gpu(starts).launch(&sum.launch());
    y
}

/// Returns the summands' gradients. `index` are the row of each span and `rows` the number of rows, of each summand.
pub fn backward(index: [Vec<u32>; 3], rows: [usize; 3], dy: &Tensor, bias: GradSlot) -> [Tensor; 3] {
    bias_gradient(bias, dy);
    let mut rows = rows.into_iter();
    index.map(|index| summed(&index, dy, rows.next().expect("three summands")))
}
