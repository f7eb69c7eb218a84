//! An embedding table whose rows come into memory when a batch needs them.

use crate::cpu::decay::decay;
use crate::memory::values::View;
use crate::threads::for_each_block;
use std::error::Error;
use std::fmt::{self, Debug};
use std::sync::{Arc, OnceLock};

/// The rows of a table before training changes them: a file, or a formula.
pub trait Origin: Debug + Send + Sync {
    /// Reads rows from number `first` on, as many as `out` holds.
    ///
    /// # Errors
    /// The rows cannot be read any more, because a file has changed or fails.
    fn read(&self, first: usize, out: &mut [f32]) -> Result<(), UnreadableRows>;
}

/// The reason why rows of a table cannot be read from their origin.
#[derive(Debug)]
pub struct UnreadableRows(Box<dyn Error + Send + Sync>);

impl UnreadableRows {
    /// Wraps the error of an origin. It is shown as the origin's error.
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> UnreadableRows {
        UnreadableRows(error.into())
    }
}

impl fmt::Display for UnreadableRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Error for UnreadableRows {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

/// The rows of a table, as an operation reads them.
#[derive(Clone, Copy, Debug)]
pub enum Rows<'a> {
    /// All rows, one after the other.
    Dense(View<'a>),
    /// Rows that were fetched: see [`Table::fetch`].
    Table(&'a Table),
}

impl<'a> Rows<'a> {
    /// Returns one row.
    ///
    /// # Panics
    /// If the table lies on a device, has no such row, or the row was not fetched.
    pub(crate) fn row(self, row: u32, width: usize) -> &'a [f32] {
        match self {
            Rows::Dense(values) => &values.host()[row as usize * width..][..width],
            Rows::Table(table) => table.row(row as usize),
        }
    }
}

/// How many rows are read at once where all are wanted.
const BLOCK: usize = 256;

/// A table of rows of one width. A row takes no memory until it is fetched: then it is read from its origin and decayed
/// as often as the table was.
#[derive(Clone, Debug)]
pub struct Table {
    width: usize,
    origin: Arc<dyn Origin>,
    rows: Vec<OnceLock<Box<[f32]>>>,
    /// Factors 1 − ηλ other than 1 that the rows still at their origin have yet to be multiplied by.
    decays: Vec<f32>,
}

impl Table {
    /// Returns a table of `rows` rows, all at their origin.
    pub fn new(rows: usize, width: usize, origin: Arc<dyn Origin>) -> Table {
        Table { width, origin, rows: vec![OnceLock::new(); rows], decays: Vec::new() }
    }

    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Returns whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns how many numbers a row has.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Brings rows into memory. A forward pass cannot fail, so its caller fetches the rows that the batch reads. A number
    /// may repeat, and one outside the table is left to the forward pass, which panics.
    ///
    /// # Errors
    /// Rows that cannot be read from their origin.
    pub fn fetch(&self, rows: &[u32]) -> Result<(), UnreadableRows> {
        for &row in rows {
            if let Some(cell) = self.rows.get(row as usize)
                && cell.get().is_none()
            {
                let mut values = vec![0.0; self.width].into_boxed_slice();
                self.origin.read(row as usize, &mut values)?;
                decay(&self.decays, &mut values);
                // Another thread may have been faster; its values are the same.
                _ = cell.set(values);
            }
        }
        Ok(())
    }

    /// Returns one row.
    ///
    /// # Panics
    /// If there is no row of this number, or if it was not fetched.
    pub fn row(&self, row: usize) -> &[f32] {
        let values = self.rows[row].get();
        values.unwrap_or_else(|| panic!("table: row {row} is read before it is fetched"))
    }

    /// Returns all rows in consecutive blocks. Rows at their origin stay there.
    pub fn blocks(&self) -> impl Iterator<Item = Result<Vec<f32>, UnreadableRows>> {
        (0..self.len()).step_by(BLOCK).map(|first| {
            let mut block = vec![0.0; BLOCK.min(self.len() - first) * self.width];
            self.origin.read(first, &mut block)?;
            for_each_block(&mut block, self.width, 1, |i, row| match self.rows[first + i].get() {
                Some(values) => row.copy_from_slice(values),
                None => decay(&self.decays, row),
            });
            Ok(block)
        })
    }

    /// Returns the rows in memory, in the order of their numbers.
    pub fn held(&self) -> impl Iterator<Item = &[f32]> {
        self.rows.iter().filter_map(|row| row.get().map(|values| &values[..]))
    }

    /// Returns whether a row is in memory.
    pub(crate) fn holds(&self, row: usize) -> bool {
        self.rows[row].get().is_some()
    }

    /// Returns the rows. Those in memory may be written to.
    pub(crate) fn rows_mut(&mut self) -> &mut [OnceLock<Box<[f32]>>] {
        &mut self.rows
    }

    /// Multiplies all rows at their origin by `factor`, once they are fetched.
    pub(crate) fn decay_unread(&mut self, factor: f32) {
        if factor != 1.0 {
            self.decays.push(factor);
        }
    }

    /// Returns the bytes held.
    pub fn bytes(&self) -> usize {
        let held = self.rows.iter().filter(|row| row.get().is_some()).count();
        held * 4 * self.width + size_of_val(&self.rows[..]) + size_of_val(&self.decays[..])
    }
}
