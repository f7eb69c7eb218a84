//! Where the rows of an embedding table come from: a checkpoint's file, or a formula.

use crate::error::Error;
use crate::tensors::Reader;
use std::sync::Arc;
use tagsmith_kernel::rng::Stream;
use tagsmith_kernel::table::{Origin, Table};

/// A tensor of a safetensors file that stays open. A file that is renamed or removed can still be read; one that is
/// written to is noticed.
#[derive(Debug)]
struct FileRows {
    reader: Arc<Reader>,
    name: String,
    width: usize,
}

impl Origin for FileRows {
    fn read(&self, first: usize, out: &mut [f32]) {
        let read = self.reader.unchanged().and_then(|()| self.reader.read(&self.name, first * self.width, out));
        // A forward pass has no other way to say that the world changed: the program's rim takes the error from here.
        read.unwrap_or_else(|error| std::panic::panic_any(error));
    }
}

/// Normal numbers, a function of row and column.
#[derive(Debug)]
struct Drawn {
    stream: Stream,
    deviation: f32,
    width: usize,
}

impl Origin for Drawn {
    fn read(&self, first: usize, out: &mut [f32]) {
        for (i, x) in out.iter_mut().enumerate() {
            *x = self.deviation * self.stream.normal(first + i / self.width, i % self.width);
        }
    }
}

/// The (rows, width) table `name` of a file, whose numbers are all looked at once.
///
/// # Errors
/// A type that is not read, a number that is not finite, and what the system says of the file.
pub(crate) fn table_of_file(reader: &Arc<Reader>, name: &str, rows: usize, width: usize) -> Result<Table, Error> {
    let block = (BLOCK / width).max(1);
    let mut numbers = vec![0.0; block * width];
    for first in (0..rows).step_by(block) {
        reader.read(name, first * width, &mut numbers[..block.min(rows - first) * width])?;
    }
    let origin = FileRows { reader: reader.clone(), name: name.to_owned(), width };
    Ok(Table::new(rows, width, Arc::new(origin)))
}

/// Numbers looked at at once.
const BLOCK: usize = 1 << 18;

/// A table of normal numbers.
pub(crate) fn drawn_table(stream: Stream, deviation: f32, rows: usize, width: usize) -> Table {
    Table::new(rows, width, Arc::new(Drawn { stream, deviation, width }))
}
