//! Parquet files: one sentence or document a row. Only the columns that are read are decoded.

use crate::error::Error;
use crate::format::record_batch::{BatchReader, Batches, ClassNames, Plan, guarded, unreadable};
use crate::read_options::{ReadOptions, Wanted};
use arrow_array::RecordBatch;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use std::fs::File;
use tagsmith_message::Note;

/// The rows that are decoded at a time.
const BATCH_ROWS: usize = 1024;

/// Returns the reader of a Parquet file.
pub(crate) fn reader(file: File, source: &str, options: &ReadOptions, wanted: Wanted) -> Result<BatchReader, Error> {
    guarded(source, || {
        let failed = |error: parquet::errors::ParquetError| unreadable(source, WHAT, &error.to_string());
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(failed)?;
        let mut plan = Plan::new(builder.schema(), &ClassNames::default(), source, options, wanted)?;
        let mask = ProjectionMask::roots(builder.parquet_schema(), plan.project());
        let rows = builder.with_projection(mask).with_batch_size(BATCH_ROWS).build().map_err(failed)?;
        Ok(BatchReader::new(source, Box::new(Groups { rows, source: source.to_owned() }), plan))
    })
}

const WHAT: &str = "Parquet file";

struct Groups {
    rows: ParquetRecordBatchReader,
    source: String,
}

impl Batches for Groups {
    fn next(&mut self) -> Result<Option<RecordBatch>, Error> {
        self.rows.next().transpose().map_err(|error| unreadable(&self.source, WHAT, &error.to_string()))
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
                reader(file, "f", options, Wanted::Content)
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
