//! What a step of learning needs: loss, sums of squares, the clip, and AdamW.

use super::{DOUBLE, WORD, blocks, for_rows, if_given, kernel_of};
use crate::launch::{Arg, Launch};
use crate::multiply::Element;
use crate::traffic::Traffic;

/// Elements that a block sums in f64: `SQUARES_BLOCK` in `kernels/shared/sum.cuh`.
const SQUARES_BLOCK: usize = 32_768;
/// Threads of a block that sums f64: `SUM_THREADS`.
const SUM_THREADS: u32 = 256;
/// Threads of a block whose threads have a row each.
const LOSS_THREADS: u32 = 128;

/// Computes each row's cross-entropy with label smoothing ε, and its gradient times a factor.
///
/// The loss is (1 − ε) · `−log p[label]` + ε · mean over classes of −log p. All of it is f64, in the order of classes.
///
/// # Shapes
/// scores (rows, classes), labels (rows), i32 → dscores (rows, classes), losses (rows), f64. Labels are below `classes`;
/// a row with a negative one has loss 0 and gradient 0.
/// # Source
/// `kernel/op/label_loss.rs`.
#[derive(Clone, Copy, Debug)]
pub struct CrossEntropy {
    /// The type of scores and dscores.
    pub element: Element,
    /// The scores; read.
    pub scores: u64,
    /// The labels, i32; read.
    pub labels: u64,
    /// factor · (p − target), where p − target is rounded to f32 first; written, and may be the scores.
    pub dscores: u64,
    /// The loss of each row, f64; written.
    pub losses: u64,
    /// Rows of the scores.
    pub rows: usize,
    /// Number of classes.
    pub classes: usize,
    /// ε.
    pub smoothing: f64,
    /// The factor of the gradient.
    pub factor: f64,
}

impl CrossEntropy {
    /// Returns the launch. Its traffic counts the scores of all rows; those of a row with a negative label are not read.
    pub fn launch(&self) -> Launch {
        assert!(self.classes > 0, "cross_entropy: there are no classes");
        let addresses = [self.scores, self.labels, self.dscores, self.losses].map(Arg::Address);
        let sizes = [self.rows, self.classes].map(super::int);
        let numbers = [self.smoothing, self.factor].map(|x| Arg::U64(x.to_bits()));
        let scores = (self.rows * self.classes, self.element.bytes());
        Launch {
            kernel: kernel_of!(self.element, "cross_entropy"),
            grid: [blocks(self.rows, LOSS_THREADS as usize), 1, 1],
            block: [LOSS_THREADS, 1, 1],
            args: addresses.into_iter().chain(sizes).chain(numbers).collect(),
            traffic: Traffic::of(&[scores, (self.rows, WORD)], &[scores, (self.rows, DOUBLE)]),
        }
    }
}

/// Computes Σ x · y in f64: first over blocks of elements, then over the blocks. y may be x: a sum of squares.
#[derive(Clone, Copy, Debug)]
pub struct Dot {
    /// The type of x and y.
    pub element: Element,
    /// The first factors; read.
    pub x: u64,
    /// The second factors; read.
    pub y: u64,
    /// Room for the sums of blocks: [`Dot::partial`] doubles; written and read.
    pub partials: u64,
    /// The sum, f64; written.
    pub out: u64,
    /// Number of elements.
    pub n: usize,
}

impl Dot {
    /// Returns the number of blocks that n elements have, which is the number of their sums.
    pub fn partial(n: usize) -> usize {
        n.div_ceil(SQUARES_BLOCK).max(1)
    }

    /// Returns the launch that sums blocks alone. The sums of several runs of elements may lie side by side, for one
    /// [`Sum`].
    pub fn of_blocks(&self) -> Launch {
        let addresses = [self.x, self.y, self.partials].map(Arg::Address);
        let factors = if self.x == self.y { 1 } else { 2 };
        Launch {
            kernel: kernel_of!(self.element, "dots"),
            grid: [blocks(self.n, SQUARES_BLOCK), 1, 1],
            block: [SUM_THREADS, 1, 1],
            args: addresses.into_iter().chain([Arg::U64(self.n as u64)]).collect(),
            traffic: Traffic::of(&[(factors * self.n, self.element.bytes())], &[(Dot::partial(self.n), DOUBLE)]),
        }
    }

    /// Returns the launches, in their order.
    pub fn launches(&self) -> [Launch; 2] {
        [self.of_blocks(), Sum { x: self.partials, out: self.out, n: Dot::partial(self.n) }.launch()]
    }
}

/// Computes Σ x over doubles, in an order that n fixes.
#[derive(Clone, Copy, Debug)]
pub struct Sum {
    /// The doubles; read.
    pub x: u64,
    /// The sum, f64; written.
    pub out: u64,
    /// Number of doubles.
    pub n: usize,
}

impl Sum {
    /// Returns the launch.
    pub fn launch(&self) -> Launch {
        let args = vec![Arg::Address(self.x), Arg::Address(self.out), Arg::U64(self.n as u64)];
        let traffic = Traffic::of(&[(self.n, DOUBLE)], &[(1, DOUBLE)]);
        Launch { kernel: "sum_f64", grid: [1; 3], block: [SUM_THREADS, 1, 1], args, traffic }
    }
}

/// Computes norm = √squares and scale = min(1, most / (norm + 10⁻⁶)), or 1 if `most` is 0 or less.
#[derive(Clone, Copy, Debug)]
pub struct Clip {
    /// The sum of squares, f64; read.
    pub squares: u64,
    /// The norm, f64; written.
    pub norm: u64,
    /// The factor of gradients, f32; written. It is NaN where the norm is.
    pub scale: u64,
    /// The largest norm that is left as it is.
    pub most: f64,
}

impl Clip {
    /// Returns the launch.
    pub fn launch(&self) -> Launch {
        let addresses = [self.squares, self.norm, self.scale].map(Arg::Address);
        let args = addresses.into_iter().chain([Arg::U64(self.most.to_bits())]).collect();
        let traffic = Traffic::of(&[(1, DOUBLE)], &[(1, DOUBLE), (1, WORD)]);
        Launch { kernel: "clip", grid: [1; 3], block: [1; 3], args, traffic }
    }
}

/// A parameter that AdamW updates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    /// Number of its first element among parameters, gradients and twins.
    pub parameter: usize,
    /// Number of its first element among the moments.
    pub moment: usize,
    /// Number of elements.
    pub count: usize,
    /// Decay λ.
    pub decay: f64,
}

/// The most elements of a chunk.
const CHUNK_ELEMENTS: usize = 4096;

impl Part {
    /// Returns the number of its chunks.
    pub fn chunks(&self) -> usize {
        self.count.div_ceil(CHUNK_ELEMENTS)
    }
}

/// The numbers of one update, as `kernel/op/adamw.rs` has them.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// Learning rate η.
    pub rate: f64,
    /// β₁.
    pub beta1: f64,
    /// β₂.
    pub beta2: f64,
    /// ε, outside the root.
    pub epsilon: f64,
    /// Number of this update, counted from 1.
    pub update: u64,
}

/// Updates parameters: p ← p·(1 − ηλ); m ← β₁m + (1 − β₁)g; v ← β₂v + (1 − β₂)g²; p ← p − η·m̂ / (√v̂ + ε).
///
/// Operations and constants are those of `kernel/op/adamw.rs`, one by one: so are the bits.
#[derive(Clone, Copy, Debug)]
pub struct AdamW {
    /// The parameters, f32; updated.
    pub parameters: u64,
    /// Gradients of the parameters, f32; read.
    pub gradients: u64,
    /// First moments, f32; updated.
    pub first_moments: u64,
    /// Second moments, f32; updated.
    pub second_moments: u64,
    /// The new parameters as bf16; written. 0: not wanted.
    pub twins: u64,
    /// What [`AdamW::chunks`] returned; read.
    pub chunks: u64,
    /// Number of chunks.
    pub count: usize,
    /// Number of elements in all chunks.
    pub elements: usize,
    /// The factor of gradients, f32; read.
    pub scale: u64,
    /// The numbers of this update.
    pub rates: Rates,
}

impl AdamW {
    /// Bytes of a chunk.
    pub const CHUNK: u64 = 32;

    /// Returns the parts, cut into chunks of at most 4096 elements, as bytes. No rate is among them: they hold for all
    /// updates of the same parts.
    pub fn chunks(parts: &[Part]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for part in parts {
            for first in (0..part.count).step_by(CHUNK_ELEMENTS) {
                let count = CHUNK_ELEMENTS.min(part.count - first) as u64;
                bytes.extend(((part.parameter + first) as u64).to_le_bytes());
                bytes.extend(((part.moment + first) as u64).to_le_bytes());
                bytes.extend(count.to_le_bytes());
                bytes.extend(part.decay.to_le_bytes());
            }
        }
        bytes
    }

    /// Returns the launch.
    pub fn launch(&self) -> Launch {
        let Rates { rate, beta1, beta2, epsilon, update } = self.rates;
        assert!(update > 0, "adamw: updates count from 1");
        let correction = |beta: f64| 1.0 - beta.powf(update as f64);
        let addresses =
            [self.parameters, self.gradients, self.first_moments, self.second_moments, self.twins, self.chunks];
        let numbers = [
            beta1 as f32,
            beta2 as f32,
            (1.0 - beta1) as f32,
            (1.0 - beta2) as f32,
            (rate / correction(beta1)) as f32,
            (1.0 / correction(beta2).sqrt()) as f32,
            epsilon as f32,
        ];
        let middle = [super::int(self.count), Arg::Address(self.scale), Arg::U64(rate.to_bits())];
        let twins = if_given(self.twins, self.elements);
        Launch {
            kernel: "adamw",
            grid: [blocks(self.count, 1), 1, 1],
            block: [256, 1, 1],
            args: addresses.map(Arg::Address).into_iter().chain(middle).chain(numbers.map(Arg::F32)).collect(),
            traffic: Traffic::of(
                &[(4 * self.elements + for_rows(self.count, 1), WORD), (self.count, AdamW::CHUNK)],
                &[(3 * self.elements, WORD), (twins, Element::Bf16.bytes())],
            ),
        }
    }
}
