//! Attention on a GPU. Nothing of size T × T is kept: backward computes the weights again, from the logs of their sums.

use super::gpu;
use super::sequences::Sequences;
use crate::memory::tensor::Tensor;
use tagsmith_device::kernels::Mask;
use tagsmith_device::kernels::attention::{Attention, Gradient, WIDTH_MAX};
use tagsmith_device::kernels::plain_attention::{Distances, DistancesGradient, PlainAttention};
use tagsmith_device::multiply::Element;

/// What attention on a GPU keeps beside the projections.
#[derive(Debug)]
pub struct Kept {
    context: Tensor,
    /// The log of each row's and head's sum of e^score, (R, N).
    logs: Tensor,
}

/// The settings of attention.
#[derive(Clone, Copy)]
pub struct Settings {
    pub heads: usize,
    pub window: Option<usize>,
    pub mask: Mask,
    /// What content is compared with beside content.
    pub distances: Option<Distances>,
}

impl Settings {
    /// Returns what forward and backward share.
    fn attention(self, qkv: &Tensor, sequences: &Sequences) -> PlainAttention {
        let width = qkv.columns() / 3 / self.heads;
        let terms = self.distances.map_or(0, |distances| distances.terms());
        let attention = Attention {
            qkv: qkv.address(),
            rows: qkv.rows(),
            tiles: sequences.tiles(),
            count: sequences.tile_count,
            heads: self.heads,
            width,
            scale: 1.0 / ((width * (1 + terms)) as f32).sqrt(),
            window: self.window,
            mask: self.mask,
        };
        PlainAttention { element: qkv.element(), attention, distances: self.distances }
    }
}

/// Returns whether the products of attention are computed on tensor cores: in bf16, without distances, two columns of a
/// head at a time.
fn on_tensor_cores(attention: &PlainAttention) -> bool {
    let width = attention.attention.width;
    let fits = width.is_multiple_of(2) && width <= WIDTH_MAX;
    attention.element == Element::Bf16 && attention.distances.is_none() && fits
}

/// Returns the context (R, H), and what backward needs.
pub fn forward(qkv: &Tensor, sequences: &Sequences, settings: Settings) -> (Tensor, Kept) {
    let (rows, h) = (qkv.rows(), qkv.columns() / 3);
    let mut context = qkv.unfilled_beside(rows, h);
    let mut logs = Tensor::unfilled_on(gpu(qkv), Element::F32, rows, settings.heads);
    let attention = settings.attention(qkv, sequences);
    let (context_at, logs_at) = (context.address_mut(), logs.address_mut());
    let launch = match on_tensor_cores(&attention) {
        true => attention.attention.forward(context_at, logs_at),
        false => attention.forward(context_at, logs_at),
    };
    gpu(qkv).launch(&launch);
    (context.clone(), Kept { context, logs })
}

/// Returns the gradient of qkv (R, 3H). That of the distances' table goes where `table` says.
pub fn backward(
    qkv: &Tensor,
    kept: &Kept,
    sequences: &Sequences,
    settings: Settings,
    dcontext: &Tensor,
    table: Option<DistancesGradient>,
) -> Tensor {
    let (rows, h) = (qkv.rows(), qkv.columns() / 3);
    let mut dqkv = qkv.unfilled_beside(rows, 3 * h);
    let mut deltas = Tensor::unfilled_on(gpu(qkv), Element::F32, rows, settings.heads);
    let attention = settings.attention(qkv, sequences);
    let gradient = Gradient {
        context: kept.context.address(),
        dcontext: dcontext.address(),
        logs: kept.logs.address(),
        deltas: deltas.address_mut(),
        dqkv: dqkv.address_mut(),
    };
    let launches = match on_tensor_cores(&attention) {
        true => attention.attention.backward(&gradient),
        false => attention.backward(&gradient),
    };
    let of_table = table.map(|table| attention.backward_distances(&gradient, &table));
    launches.iter().chain(&of_table).for_each(|launch| gpu(qkv).launch(launch));
    dqkv
}
