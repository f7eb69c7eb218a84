//! Origins of the rows of an embedding table: a checkpoint's file, or a formula.

use crate::error::Error;
use crate::tensors::Reader;
use std::sync::Arc;
use tagsmith_kernel::params::table::{Origin, Table, UnreadableRows};
use tagsmith_kernel::random::stream::Stream;

/// A tensor of a file that stays open. The rows can still be read after the file is renamed or removed. If somebody
/// writes to the file, reading rows is an error.
#[derive(Debug)]
struct FileRows {
    reader: Arc<Reader>,
    name: String,
    width: usize,
}

impl Origin for FileRows {
    fn read(&self, first: usize, out: &mut [f32]) -> Result<(), UnreadableRows> {
        let read = self.reader.unchanged().and_then(|()| self.reader.read(&self.name, first * self.width, out));
        read.map_err(UnreadableRows::new)
    }
}

/// A tensor that is in memory, because its rows are not together in its file.
#[derive(Debug)]
struct Held {
    numbers: Vec<f32>,
    width: usize,
}

impl Origin for Held {
    fn read(&self, first: usize, out: &mut [f32]) -> Result<(), UnreadableRows> {
        let start = first * self.width;
        out.copy_from_slice(&self.numbers[start..start + out.len()]);
        Ok(())
    }
}

/// Normal numbers, as a function of row and column.
#[derive(Debug)]
struct Drawn {
    stream: Stream,
    deviation: f32,
    width: usize,
}

impl Origin for Drawn {
    fn read(&self, first: usize, out: &mut [f32]) -> Result<(), UnreadableRows> {
        for (i, x) in out.iter_mut().enumerate() {
            *x = self.deviation * self.stream.normal(first + i / self.width, i % self.width);
        }
        Ok(())
    }
}

/// Opens the table `name` of a file, (rows, width). All numbers are checked once.
///
/// # Errors
/// A file that cannot be read, a type that is not read, a number that is not finite.
pub fn table_of_file(reader: &Arc<Reader>, name: &str, rows: usize, width: usize) -> Result<Table, Error> {
    Ok(Table::new(rows, width, rows_of_file(reader, name, (rows, width), |_| {})?))
}

/// Opens the table `name` of a file, (rows, width), with `more` new rows after its own. Each new row is the mean of the
/// file's rows. A vocabulary that grows is filled by transformers in the same way, with noise of 10⁻⁹ of the rows'
/// covariance, which is left out here.
///
/// # Errors
/// The errors of [`table_of_file`].
pub fn grown_table(
    reader: &Arc<Reader>,
    name: &str,
    (rows, width): (usize, usize),
    more: usize,
) -> Result<Table, Error> {
    let mut sums = vec![0f64; width];
    let file = rows_of_file(reader, name, (rows, width), |numbers| {
        for row in numbers.chunks_exact(width) {
            sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x));
        }
    })?;
    let mean = sums.iter().map(|sum| (sum / rows as f64) as f32).collect();
    Ok(Table::new(rows + more, width, Arc::new(Grown { file, rows, mean })))
}

/// Shows all rows of a tensor to `look`. Returns their origin: the file where rows are together in it, or memory.
fn rows_of_file(
    reader: &Arc<Reader>,
    name: &str,
    (rows, width): (usize, usize),
    mut look: impl FnMut(&[f32]),
) -> Result<Arc<dyn Origin>, Error> {
    let block = if reader.in_rows(name) { (BLOCK / width).clamp(1, rows) } else { rows };
    let mut numbers = vec![0.0; block * width];
    for first in (0..rows).step_by(block) {
        let numbers = &mut numbers[..block.min(rows - first) * width];
        reader.read(name, first * width, numbers)?;
        look(numbers);
    }
    Ok(match reader.in_rows(name) {
        true => Arc::new(FileRows { reader: reader.clone(), name: name.to_owned(), width }),
        false => Arc::new(Held { numbers, width }),
    })
}

/// The rows of a file, and then one row again and again.
#[derive(Debug)]
struct Grown {
    file: Arc<dyn Origin>,
    rows: usize,
    mean: Vec<f32>,
}

impl Origin for Grown {
    fn read(&self, first: usize, out: &mut [f32]) -> Result<(), UnreadableRows> {
        let width = self.mean.len();
        let (of_file, new) = out.split_at_mut(self.rows.saturating_sub(first).min(out.len() / width) * width);
        if !of_file.is_empty() {
            self.file.read(first, of_file)?;
        }
        new.chunks_exact_mut(width).for_each(|row| row.copy_from_slice(&self.mean));
        Ok(())
    }
}

/// How many numbers are checked at once.
const BLOCK: usize = 1 << 18;

/// Returns a table of normal numbers.
pub fn drawn_table(stream: Stream, deviation: f32, rows: usize, width: usize) -> Table {
    Table::new(rows, width, Arc::new(Drawn { stream, deviation, width }))
}
