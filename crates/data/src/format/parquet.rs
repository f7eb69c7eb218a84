//! Parquet files: one sentence or document a row. Only the columns that are read are decoded.

use crate::error::Error;
use crate::format::record_batch::{BatchReader, Batches, ClassNames, Plan, guarded, unreadable};
use crate::read_options::{Meter, ReadOptions, Wanted};
use arrow_array::RecordBatch;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use std::fs::File;
use tagsmith_message::Note;

/// The rows that are decoded at a time.
const BATCH_ROWS: usize = 1024;

/// Returns the reader of a Parquet file, of which the meter has counted so many bytes.
pub(crate) fn reader(
    file: File,
    counted: u64,
    source: &str,
    options: &ReadOptions,
    wanted: Wanted,
) -> Result<BatchReader, Error> {
    guarded(source, || {
        let failed = |error: parquet::errors::ParquetError| unreadable(source, WHAT, &error.to_string());
        let bytes = file.metadata().map_err(Error::read(source))?.len().saturating_sub(counted);
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(failed)?;
        let all = builder.metadata().file_metadata().num_rows().max(1) as u64;
        let mut plan = Plan::new(builder.schema(), &ClassNames::default(), source, options, wanted)?;
        let mask = ProjectionMask::roots(builder.parquet_schema(), plan.project());
        let rows = builder.with_projection(mask).with_batch_size(BATCH_ROWS).build().map_err(failed)?;
        let progress = RowProgress { meter: options.meter.clone(), bytes, all, read: 0 };
        Ok(BatchReader::new(source, Box::new(Groups { rows, progress, source: source.to_owned() }), plan))
    })
}

const WHAT: &str = "Parquet file";

/// How far a file is read. Columns that nobody asked for are not read: rows stand for their share of the bytes.
struct RowProgress {
    meter: Meter,
    /// Bytes of the file that are still to be counted.
    bytes: u64,
    /// Rows of the file.
    all: u64,
    /// Rows that were read.
    read: u64,
}

impl RowProgress {
    fn add(&mut self, rows: u64) {
        let share = |rows: u64| (u128::from(self.bytes) * u128::from(rows.min(self.all)) / u128::from(self.all)) as u64;
        let before = share(self.read);
        self.read += rows;
        self.meter.add(share(self.read) - before);
    }
}

struct Groups {
    rows: ParquetRecordBatchReader,
    progress: RowProgress,
    source: String,
}

impl Batches for Groups {
    fn next(&mut self) -> Result<Option<RecordBatch>, Error> {
        let rows = self.rows.next().transpose().map_err(|error| unreadable(&self.source, WHAT, &error.to_string()))?;
        self.progress.add(rows.as_ref().map_or(0, |rows| rows.num_rows() as u64));
        Ok(rows)
    }

    fn note(&self) -> Option<Note> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::row::{Reader, Row};
    use std::path::PathBuf;
    use tagsmith_testkit::golden;
    use tagsmith_text::tagged::Content;

    /// What `datasets` wrote, and the rows it has (oracle/dataset_files.py).
    fn golden(name: &str) -> PathBuf {
        golden::path("dataset_files").join(name)
    }

    #[test]
    fn rows_are_those_the_oracle_wrote() {
        let expect = golden::json("dataset_files/expect.json");
        let files = expect["files"].as_object().expect("an object");
        let mut checked = 0;
        for (name, file) in files.iter().filter(|(name, _)| name.ends_with(".parquet")) {
            let open = |options: &ReadOptions| {
                let file = File::open(golden(name)).expect("a golden file");
                reader(file, 0, "f", options, Wanted::Content)
            };
            let mut rows = open(&ReadOptions::default()).expect("well-formed");
            for (number, row) in (1..).zip(file["rows"].as_array().expect("rows")) {
                let words: Vec<String> = serde_json::from_value(row[0].clone()).expect("words");
                let read = rows.next().expect("well-formed");
                assert_eq!(read, Some(Row::of(number, Content::Words(words))), "{name}");
            }
            assert_eq!(rows.next().expect("well-formed"), None, "{name}");
            let prose = ReadOptions { text_column: Some("prose".into()), ..ReadOptions::default() };
            let absent = open(&prose).map(|_| ()).expect_err("no such column").to_string();
            assert!(absent.starts_with("f: there is no column `prose` among "), "{absent}");
            checked += 1;
        }
        assert!(checked > 0);
    }
}
