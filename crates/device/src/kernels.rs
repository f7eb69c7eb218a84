//! Our kernels: their text, and for each a description that becomes its launch.
//!
//! The sources are `kernels/*/*.cu`; `kernels/generate.py` makes the text. A description holds addresses on the device and
//! sizes. Matrices lie row after row. An address of 0 means that there is none, where a field says so.
//!
//! Activations are f32 or bf16, as `element` says; everything inside a kernel is f32, and results are rounded once.
//! Parameters, statistics and sums are f32 always, sums of losses and squares f64.
//!
//! # Order of sums
//! Each sum has an order that the sizes fix. No kernel adds to a float that another thread adds to. Where a sum is over one
//! row or one sequence, what else lies in the batch changes no bit of it. Sums over rows are finished by the block that comes
//! last, which adds the blocks' sums in the order of their rows. Blocks are counted in a variable of the module, so two
//! launches must not run at once; a device has one stream.
//! # Accesses
//! Element-wise kernels, AdamW and [`learning::Dot`] read and write 16 bytes of a thread at once (8 where two types differ).
//! Where an operand begins between two multiples of that, and at its end, they go element by element.
//! # What operations are made of
//! `linear` is a product, then [`activation`] or [`elementwise::Join`]; its bias sums are [`sums::ColumnSums`]. Gradients of
//! embeddings, of rows that were taken and of spans' summands are [`sums::SegmentSums`]. `pair_scores` is a product for each
//! group and [`elementwise::Scale`]; the gradient of its scale is a [`learning::Dot`], then an [`elementwise::Narrow`]. A sum
//! of squares is a [`learning::Dot`] too.
//! # Panics
//! A size that does not fit an `i32` panics, as does one that a description excludes.

pub mod activation;
pub mod attention;
pub mod elementwise;
pub mod layer_norm;
pub mod learning;
pub mod plain_attention;
pub mod product;
pub mod rows;
pub mod sums;

use crate::launch::Arg;

/// The kernels as PTX text, for GPUs from compute capability 8.0 on and drivers from CUDA 12.1 on.
pub const PTX: &str = include_str!("../kernels/kernels.ptx");

/// Names the kernel for a type of elements.
macro_rules! kernel_of {
    ($element:expr, $name:literal) => {
        match $element {
            crate::multiply::Element::F32 => concat!($name, "_f32"),
            crate::multiply::Element::Bf16 => concat!($name, "_bf16"),
        }
    };
}
use kernel_of;

/// Elements of a block of an element-wise kernel: `FLAT_BLOCK` in `kernels/shared/element.cuh`.
const FLAT_BLOCK: usize = 2048;
/// Threads of such a block: `FLAT_THREADS`.
const FLAT_THREADS: u32 = 256;
/// Threads of a block that has a row: `ROW_THREADS` in `kernels/shared/sum.cuh`.
const ROW_THREADS: u32 = 128;

/// Bytes of an f32 or an i32.
const WORD: u64 = 4;
/// Bytes of an f64.
const DOUBLE: u64 = 8;

/// Returns n, or 0 where an operand is not given.
fn if_given(address: u64, n: usize) -> usize {
    if address == 0 { 0 } else { n }
}

/// Returns the elements of a vector that every row reads: none where there are no rows.
fn for_rows(rows: usize, columns: usize) -> usize {
    if rows == 0 { 0 } else { columns }
}

/// Returns the number of boundaries that a kernel reads of so many parts.
fn boundaries(parts: usize) -> usize {
    for_rows(parts, parts + 1)
}

/// Returns a size as an argument.
fn int(size: usize) -> Arg {
    Arg::I32(i32::try_from(size).expect("sizes of a kernel fit 31 bits"))
}

/// Returns a flag as an argument.
fn flag(flag: bool) -> Arg {
    Arg::I32(flag.into())
}

/// Returns the number of blocks that `count` things need, with `each` of them in a block. There is one at least: a grid must
/// not be empty.
fn blocks(count: usize, each: usize) -> u32 {
    u32::try_from(count.div_ceil(each).max(1)).expect("blocks fit 32 bits")
}

/// Returns grid and block of an element-wise kernel over n elements.
fn flat(n: usize) -> ([u32; 3], [u32; 3]) {
    ([blocks(n, FLAT_BLOCK), 1, 1], [FLAT_THREADS, 1, 1])
}

/// Returns grid and block of a kernel whose blocks have a row each.
fn by_row(rows: usize) -> ([u32; 3], [u32; 3]) {
    ([blocks(rows, 1), 1, 1], [ROW_THREADS, 1, 1])
}

/// The elements that dropout keeps, as a function of their place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mask {
    /// Share of elements that are dropped, in 0 ≤ rate < 1.
    pub rate: f32,
    /// Key of the stream of random numbers.
    pub key: u64,
    /// Number of the first row in the whole step.
    pub first_row: u64,
}

impl Mask {
    /// Keeps everything.
    pub const NONE: Mask = Mask { rate: 0.0, key: 0, first_row: 0 };

    /// Returns key, first row, the least bits that keep an element, and the factor of what is kept.
    fn arguments(self) -> [Arg; 4] {
        assert!((0.0..1.0).contains(&self.rate), "dropout: a rate of {}", self.rate);
        let threshold = (f64::from(self.rate) * 4_294_967_296.0) as u32;
        [
            Arg::U64(self.key),
            Arg::U64(self.first_row),
            Arg::I32(threshold.cast_signed()),
            Arg::F32(1.0 / (1.0 - self.rate)),
        ]
    }
}
