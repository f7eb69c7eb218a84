//! An embedding table whose rows come into memory when they are first read.

use crate::cpu::decay::decay;
use crate::threads::for_each_block;
use std::fmt::Debug;
use std::sync::{Arc, OnceLock};

/// Where a table's rows are before training changes them: a file, or a formula.
pub trait Origin: Debug + Send + Sync {
    /// Rows from `first` on, as many as `out` holds.
    ///
    /// # Panics
    /// If they cannot be had any more.
    fn read(&self, first: usize, out: &mut [f32]);
}

/// Rows read at once where all are wanted.
const BLOCK: usize = 256;

/// A table of rows of one width. A row that was never read takes no memory: it is read from its origin, and then
/// decayed as often as the table was.
#[derive(Clone, Debug)]
pub struct Table {
    width: usize,
    origin: Arc<dyn Origin>,
    rows: Vec<OnceLock<Box<[f32]>>>,
    /// Factors 1 − ηλ other than 1 that the rows still at their origin have yet to be multiplied by.
    decays: Vec<f32>,
}

impl Table {
    /// A table of `rows` rows, all at their origin.
    pub fn new(rows: usize, width: usize, origin: Arc<dyn Origin>) -> Table {
        Table { width, origin, rows: vec![OnceLock::new(); rows], decays: Vec::new() }
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Numbers in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// One row.
    ///
    /// # Panics
    /// If there is none of this number.
    pub fn row(&self, row: usize) -> &[f32] {
        self.rows[row].get_or_init(|| {
            let mut values = vec![0.0; self.width];
            self.origin.read(row, &mut values);
            decay(&self.decays, &mut values);
            values.into()
        })
    }

    /// All rows, in consecutive blocks; those at their origin stay there.
    pub fn blocks(&self) -> impl Iterator<Item = Vec<f32>> {
        (0..self.len()).step_by(BLOCK).map(|first| {
            let mut block = vec![0.0; BLOCK.min(self.len() - first) * self.width];
            self.origin.read(first, &mut block);
            for_each_block(&mut block, self.width, 1, |i, row| match self.rows[first + i].get() {
                Some(values) => row.copy_from_slice(values),
                None => decay(&self.decays, row),
            });
            block
        })
    }

    /// Whether a row is in memory.
    pub(crate) fn holds(&self, row: usize) -> bool {
        self.rows[row].get().is_some()
    }

    /// The rows; those in memory are there to write.
    pub(crate) fn rows_mut(&mut self) -> &mut [OnceLock<Box<[f32]>>] {
        &mut self.rows
    }

    /// Multiplies all rows at their origin, when they are read.
    pub(crate) fn decay_unread(&mut self, factor: f32) {
        if factor != 1.0 {
            self.decays.push(factor);
        }
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        let held = self.rows.iter().filter(|row| row.get().is_some()).count();
        held * 4 * self.width + size_of_val(&self.rows[..]) + size_of_val(&self.decays[..])
    }
}
