//! Scores of pairs on a GPU. Products are of x's type, and scores are f32.

use super::{gpu, product};
use crate::memory::tensor::Tensor;
use crate::memory::values::View;
use crate::params::GradSlot;
use std::ops::Range;
use tagsmith_device::gpu::Room;
use tagsmith_device::kernels::elementwise::{Narrow, Scale};
use tagsmith_device::kernels::learning::Dot;
use tagsmith_device::multiply::Element;
use tagsmith_device::multiply::plans::{self, Start};

/// Rows of x, and the vectors that they are compared with.
pub type Group = (Range<u64>, Range<u64>);

/// Returns scores (N, C), C = `count`.
pub fn forward(x: &Tensor, vectors: &Tensor, groups: &[Group], count: usize, log: View) -> Tensor {
    let (gpu, n, e) = (gpu(x), x.rows() * count, x.columns() as u64);
    let mut scores = Tensor::unfilled_on(gpu, Element::F32, x.rows(), count);
    scores.view_mut().clear();
    for (rows, others) in groups {
        let (left, right) = (product::of(x).part(rows.clone(), 0..e), product::of(vectors).part(others.clone(), 0..e));
        let out = product::to(&mut scores).part(rows.clone(), 0..count as u64);
        let plan = plans::product(left.plain(), right.transposed(), Start::Zero, out);
        product::run(gpu, plan, scores.view_mut().part(range(rows, count)));
    }
    let at = scores.address_mut();
    gpu.launch(&Scale { element: Element::F32, x: at, y: at, n, log: log.address() }.launch());
    scores
}

/// Returns dx (N, E). The vectors' gradient is added to `dvectors`, that of the log of the factor goes to `dlog`.
pub fn backward(
    (x, vectors, scores): (&Tensor, &Tensor, &Tensor),
    groups: &[Group],
    (log, dlog): (View, Option<GradSlot>),
    dscores: &Tensor,
    dvectors: &mut Tensor,
) -> Tensor {
    let (gpu, e, count) = (gpu(x), x.columns() as u64, scores.columns());
    let n = x.rows() * count;
    if let Some(slot) = dlog {
        dot(dscores, scores, slot);
    }
    let mut scaled = x.unfilled_beside(x.rows(), count);
    let (from, to) = (dscores.address(), scaled.address_mut());
    gpu.launch(&Scale { element: x.element(), x: from, y: to, n, log: log.address() }.launch());
    let mut dx = x.zeros_beside(x.rows(), x.columns());
    for (rows, others) in groups {
        let d = product::of(&scaled).part(rows.clone(), 0..count as u64);
        let right = product::of(vectors).part(others.clone(), 0..e);
        let out = product::to(&mut dx).part(rows.clone(), 0..e);
        let plan = plans::product(d.plain(), right.plain(), Start::Zero, out);
        product::run(gpu, plan, dx.view_mut().part(range(rows, x.columns())));
        let right = product::of(x).part(rows.clone(), 0..e);
        let out = product::to(dvectors).part(others.clone(), 0..e);
        let plan = plans::product(d.transposed(), right.plain(), Start::Accumulate, out);
        product::run(gpu, plan, dvectors.view_mut().part(range(others, x.columns())));
    }
    dx
}

/// Computes the gradient of the log: Σ dscores · scores.
fn dot(dscores: &Tensor, scores: &Tensor, slot: GradSlot) {
    let (gpu, n) = (gpu(scores), scores.rows() * scores.columns());
    let doubles = |count: usize| -> Room { gpu.room(size_of::<f64>() as u64 * count as u64) };
    let (partials, sum) = (doubles(Dot::partial(n)), doubles(1));
    let (x, y) = (dscores.address(), scores.address());
    let dot = Dot { element: Element::F32, x, y, partials: partials.address(), out: sum.address(), n };
    dot.launches().iter().for_each(|launch| gpu.launch(launch));
    let (to, onto) = slot.into_parts();
    gpu.launch(&Narrow { x: sum.address(), y: to.address(), onto }.launch());
}

/// Returns the elements of rows.
fn range(rows: &Range<u64>, columns: usize) -> Range<usize> {
    rows.start as usize * columns..rows.end as usize * columns
}
