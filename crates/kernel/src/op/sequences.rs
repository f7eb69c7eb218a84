//! Sequences in a batch: where each begins and ends. Operations that look beyond a row read them.

use super::gpu;
use std::ops::Range;
use std::sync::OnceLock;
use tagsmith_device::gpu::Gpu;

/// The boundaries of sequences that lie one after the other, row by row.
///
/// A GPU gets them once, when an operation first asks, however many operations and layers read them.
///
/// ```
/// use tagsmith_kernel::op::sequences::Sequences;
///
/// let sequences = Sequences::new(&[0, 3, 3, 7]);
/// assert_eq!((sequences.rows(), sequences.longest()), (7, 4));
/// ```
#[derive(Debug)]
pub struct Sequences {
    starts: Vec<u32>,
    on_gpu: OnceLock<gpu::sequences::Sequences>,
}

impl Sequences {
    /// Takes the row at which each sequence begins, and the number of all rows.
    ///
    /// # Panics
    /// If the first does not begin at row 0, or one ends before it begins.
    pub fn new(starts: &[u32]) -> Sequences {
        assert!(starts.first() == Some(&0) && starts.is_sorted(), "sequences: the boundaries are {starts:?}");
        Sequences { starts: starts.to_vec(), on_gpu: OnceLock::new() }
    }

    /// Returns the number of rows of all sequences, R.
    pub fn rows(&self) -> usize {
        self.starts[self.starts.len() - 1] as usize
    }

    /// Returns the length of the longest sequence.
    pub fn longest(&self) -> usize {
        self.each().map(|rows| rows.len()).max().unwrap_or(0)
    }

    /// Returns the rows of each sequence.
    pub(super) fn each(&self) -> impl ExactSizeIterator<Item = Range<usize>> {
        self.starts.windows(2).map(|bounds| bounds[0] as usize..bounds[1] as usize)
    }

    /// Asserts that the sequences are those of so many rows.
    pub(super) fn assert_rows(&self, op: &str, rows: usize) {
        assert_eq!(self.rows(), rows, "{op}: the boundaries {:?} are not those of {rows} rows", self.starts);
    }

    /// Returns the sequences as the kernels of a GPU read them: of the GPU that first asked.
    pub(super) fn on_gpu(&self, gpu: &Gpu) -> &gpu::sequences::Sequences {
        self.on_gpu.get_or_init(|| gpu::sequences::Sequences::new(gpu, &self.starts))
    }
}
