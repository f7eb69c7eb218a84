//! Attention in bf16 on tensor cores: softmax(Q · Kᵀ / √D) · V, per sequence and head. See `kernel/op/attention.rs`.
//!
//! Scores, sums and the softmax are f32. Weights are rounded to bf16 before they are multiplied, and so are the gradients
//! of scores. Nothing of size T × T is kept: backward computes the weights again.

use super::{Mask, WORD, blocks, int};
use crate::launch::{Arg, Launch};
use crate::multiply::Element;
use crate::traffic::Traffic;

/// Rows of a tile: `TILE_ROWS` in `kernels/shared/attention.cuh`.
pub(super) const TILE_ROWS: u32 = 16;

/// The most columns of a head on tensor cores.
pub const WIDTH_MAX: usize = 128;

/// Returns the tiles of sequences: start and end of the sequence, and the tile's first row, three integers a tile.
///
/// `starts` are the sequences' boundaries; empty sequences have no tile.
pub fn tiles(starts: &[u32]) -> Vec<i32> {
    let of_sequence = |bounds: &[u32]| {
        let (start, end) = (bounds[0], bounds[1]);
        (start..end).step_by(TILE_ROWS as usize).flat_map(move |first| [start, end, first].map(u32::cast_signed))
    };
    starts.windows(2).flat_map(of_sequence).collect()
}

/// What forward and backward share.
#[derive(Clone, Copy, Debug)]
pub struct Attention {
    /// Queries, keys and values (rows, 3H), side by side, each N heads of D; read.
    pub qkv: u64,
    /// Number of rows, each of which is in a sequence.
    pub rows: usize,
    /// What [`tiles`] returned, i32; read.
    pub tiles: u64,
    /// Number of tiles.
    pub count: usize,
    /// Heads N.
    pub heads: usize,
    /// Width D of a head.
    pub width: usize,
    /// The factor of the scores: 1 / √D.
    pub scale: f32,
    /// How far a row sees to either side; `None` sees the whole sequence.
    pub window: Option<usize>,
    /// The weights that are kept. Each head has its own stream; columns are numbered in the sequence.
    pub mask: Mask,
}

impl Attention {
    /// Returns the window as an argument. One that is wider than any sequence stands for the whole sequence.
    pub(super) fn window(&self) -> Arg {
        const EVERYWHERE: usize = 1 << 30;
        int(self.window.map_or(EVERYWHERE, |window| window.min(EVERYWHERE)))
    }

    /// Returns heads, width, scale, window and mask.
    pub(super) fn settings(&self) -> impl Iterator<Item = Arg> {
        let settings = [int(self.heads), int(self.width), Arg::F32(self.scale), self.window()];
        settings.into_iter().chain(self.mask.arguments())
    }

    pub(super) fn heads_of_grid(&self) -> u32 {
        u32::try_from(self.heads).ok().filter(|heads| (1..=65_535).contains(heads)).expect("from 1 to 65,535 heads")
    }

    /// Returns what a kernel moves beside the tiles that reads `read` matrices (rows, H) and `statistics` matrices (rows, N), and writes
    /// `written` matrices (rows, H).
    pub(super) fn traffic(&self, element: Element, read: usize, statistics: usize, written: usize) -> Traffic {
        let (size, heads) = (element.bytes(), self.rows * self.heads);
        let h = heads * self.width;
        Traffic::of(&[(read * h, size), (statistics * heads, WORD)], &[(written * h, size)])
    }

    /// Returns what forward moves beside the tiles: it writes the logs.
    pub(super) fn forward_traffic(&self, element: Element) -> Traffic {
        self.traffic(element, 3, 0, 1) + Traffic::of(&[], &[(self.rows * self.heads, WORD)])
    }

    /// Returns what the tiles are.
    pub(super) fn tiles_traffic(&self) -> Traffic {
        Traffic::of(&[(3 * self.count, WORD)], &[])
    }

    /// Returns the launch of the kernel compiled for this width of heads.
    fn launch(&self, kernels: [&'static str; 3], first: &[Arg], after_count: &[Arg], traffic: Traffic) -> Launch {
        assert!(self.width.is_multiple_of(2), "attention: bf16 heads of {} columns", self.width);
        let (kernel, warps) = match self.width {
            0..=32 => (kernels[0], 4),
            33..=64 => (kernels[1], 4),
            65..=WIDTH_MAX => (kernels[2], 2),
            width => panic!("attention: heads of {width} columns"),
        };
        let tiles = [Arg::Address(self.tiles), int(self.count)];
        Launch {
            kernel,
            grid: [blocks(self.count, warps), self.heads_of_grid(), 1],
            block: [32 * warps as u32, 1, 1],
            args: first
                .iter()
                .copied()
                .chain(tiles)
                .chain(after_count.iter().copied())
                .chain(self.settings())
                .collect(),
            traffic: traffic + self.tiles_traffic(),
        }
    }

    /// Computes context (rows, H) in bf16, and logs (rows, N) in f32: log₂ of each row's and head's sum of e^score.
    pub fn forward(&self, context: u64, logs: u64) -> Launch {
        let kernels = ["attention_32", "attention_64", "attention_128"];
        let traffic = self.forward_traffic(Element::Bf16);
        self.launch(kernels, &[Arg::Address(self.qkv)], &[Arg::Address(context), Arg::Address(logs)], traffic)
    }

    /// Computes the gradient of qkv (rows, 3H), given that of the context, in the three launches' order.
    pub fn backward(&self, gradient: &Gradient) -> [Launch; 3] {
        let &Gradient { dcontext, logs, deltas, dqkv, .. } = gradient;
        let traffic = |written: usize| self.traffic(Element::Bf16, 4, 2, written);
        let first = [self.qkv, dcontext, logs, deltas].map(Arg::Address);
        let queries =
            ["attention_backward_queries_32", "attention_backward_queries_64", "attention_backward_queries_128"];
        let keys = ["attention_backward_keys_32", "attention_backward_keys_64", "attention_backward_keys_128"];
        [
            gradient.deltas("attention_deltas_bf16", Element::Bf16, self),
            self.launch(queries, &first, &[Arg::Address(dqkv)], traffic(1)),
            self.launch(keys, &first, &[Arg::Address(dqkv)], traffic(2)),
        ]
    }
}

/// What backward reads beside qkv, and what it writes.
#[derive(Clone, Copy, Debug)]
pub struct Gradient {
    /// The context (rows, H) of forward; read.
    pub context: u64,
    /// The gradient of the context; read.
    pub dcontext: u64,
    /// The logs (rows, N) of forward, f32; read.
    pub logs: u64,
    /// Room for rows · N floats: Σ over a head's columns of context · dcontext; written and read.
    pub deltas: u64,
    /// The gradient of qkv; written.
    pub dqkv: u64,
}

impl Gradient {
    /// Returns the launch that computes the deltas.
    pub(super) fn deltas(&self, kernel: &'static str, element: Element, attention: &Attention) -> Launch {
        const WARPS: usize = 4;
        let deltas = attention.rows * attention.heads;
        assert!(i32::try_from(deltas).is_ok(), "attention: {} rows", attention.rows);
        let addresses = [self.context, self.dcontext, self.deltas].map(Arg::Address);
        let sizes = [attention.rows, attention.heads, attention.width].map(int);
        Launch {
            kernel,
            grid: [blocks(deltas, WARPS), 1, 1],
            block: [32 * WARPS as u32, 1, 1],
            args: addresses.into_iter().chain(sizes).collect(),
            traffic: Traffic::of(&[(2 * deltas * attention.width, element.bytes())], &[(deltas, WORD)]),
        }
    }
}
