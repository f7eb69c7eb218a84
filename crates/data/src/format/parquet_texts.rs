//! One column of a Parquet file, row by row: texts, or lists of words.

use crate::error::{Error, at_row};
use crate::format::arrow::{BATCH_ROWS, ChunkReader, guarded, string, unreadable};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use tagsmith_message::quote;

/// What a row has in the column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// A string.
    Text(String),
    /// A list of strings.
    Words(Vec<String>),
}

/// The column and where its reader is.
pub struct Column {
    source: String,
    name: String,
    batches: ParquetRecordBatchReader,
    batch: Option<RecordBatch>,
    /// Rows of the batch that were read.
    within: usize,
    /// Rows of the file that were read.
    read: u64,
}

impl Column {
    /// Opens the first of these columns that there is.
    ///
    /// # Errors
    /// A file that is no Parquet file, or has none of them.
    pub fn open(input: impl ChunkReader + 'static, source: &str, names: &[&str]) -> Result<Column, Error> {
        guarded(source, || {
            let failed = |error: parquet::errors::ParquetError| unreadable(source, "Parquet file", &error.to_string());
            let builder = ParquetRecordBatchReaderBuilder::try_new(input).map_err(failed)?;
            let offered: Vec<String> = builder.schema().fields().iter().map(|field| field.name().clone()).collect();
            let chosen = names.iter().find_map(|name| offered.iter().position(|other| other == name));
            let Some(chosen) = chosen else {
                let quoted = |names: &mut dyn Iterator<Item = &str>| names.map(quote).collect::<Vec<_>>().join(", ");
                let (wanted, there) =
                    (quoted(&mut names.iter().copied()), quoted(&mut offered.iter().map(String::as_str)));
                let problem = format!("there is no column {wanted}: name one of {there} with `--text-column`");
                return Err(Error::content(source, problem));
            };
            let mask = ProjectionMask::roots(builder.parquet_schema(), [chosen]);
            let batches = builder.with_projection(mask).with_batch_size(BATCH_ROWS).build().map_err(failed)?;
            let name = offered[chosen].clone();
            Ok(Column { source: source.to_owned(), name, batches, batch: None, within: 0, read: 0 })
        })
    }

    /// The next row, counted from 1, and what it has; none at the end.
    ///
    /// # Errors
    /// Damage, and rows that have neither a text nor words.
    pub fn read(&mut self) -> Result<Option<(u64, Cell)>, Error> {
        while self.batch.as_ref().is_none_or(|batch| self.within == batch.num_rows()) {
            let Column { source, batches, .. } = self;
            let next = guarded(source, || {
                batches.next().transpose().map_err(|error| unreadable(source, "Parquet file", &error.to_string()))
            })?;
            let Some(next) = next else { return Ok(None) };
            (self.batch, self.within) = (Some(next), 0);
        }
        let batch = self.batch.as_ref().expect("a batch with a row left");
        let cell = cell(batch.column(0), self.within);
        (self.within, self.read) = (self.within + 1, self.read + 1);
        match cell {
            Some(cell) => Ok(Some((self.read, cell))),
            None => {
                let problem = format!("{} is neither a string nor a list of strings", quote(&self.name));
                Err(Error::content(at_row(&self.source, self.read), problem))
            }
        }
    }
}

fn cell(column: &ArrayRef, row: usize) -> Option<Cell> {
    if let Some(text) = string(column, row) {
        return Some(Cell::Text(text.to_owned()));
    }
    if column.is_null(row) {
        return None;
    }
    let words = match column.as_list_opt::<i32>() {
        Some(lists) => lists.value(row),
        None => column.as_list_opt::<i64>()?.value(row),
    };
    (0..words.len()).map(|index| string(&words, index).map(str::to_owned)).collect::<Option<_>>().map(Cell::Words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::path::PathBuf;

    /// What `datasets` wrote, and the rows it has (oracle/dataset_files.py).
    fn golden(name: &str) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../golden/dataset_files").join(name)
    }

    #[test]
    fn rows_are_those_the_oracle_wrote() {
        let expect = std::fs::read(golden("expect.json")).expect("a golden file");
        let expect: serde_json::Value = serde_json::from_slice(&expect).expect("JSON");
        let files = expect["files"].as_object().expect("an object");
        let mut checked = 0;
        for (name, file) in files.iter().filter(|(name, _)| name.ends_with(".parquet")) {
            let input = File::open(golden(name)).expect("a golden file");
            let mut column = Column::open(input, "f", &["text", "tokens", "words"]).expect("well-formed");
            for (number, row) in (1..).zip(file["rows"].as_array().expect("rows")) {
                let words: Vec<String> = serde_json::from_value(row[0].clone()).expect("words");
                assert_eq!(column.read().expect("well-formed"), Some((number, Cell::Words(words))), "{name}");
            }
            assert_eq!(column.read().expect("well-formed"), None, "{name}");
            let input = File::open(golden(name)).expect("a golden file");
            let absent = Column::open(input, "f", &["prose"]).map(|_| ()).expect_err("no such column").to_string();
            assert!(absent.starts_with("f: there is no column `prose`: name one of "), "{absent}");
            checked += 1;
        }
        assert!(checked > 0);
    }
}
