//! Tagged documents as rows of a Parquet file, with the names that JSON lines have.

use crate::error::Error;
use arrow_array::builder::{
    ArrayBuilder, Float32Builder, ListBuilder, StringBuilder, StructBuilder, UInt32Builder, make_builder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Fields, Schema};
use parquet::arrow::ArrowWriter;
use parquet::errors::ParquetError;
use std::io::Write;
use std::sync::Arc;
use tagsmith_text::tagged::Tagged;

/// Rows that are held before they are encoded.
const ROWS: usize = 1024;
/// About how many bytes of rows are held before they are encoded.
const ROWS_BYTES: usize = 16 << 20;

/// Encoded bytes that are held before they are written.
const GROUP_BYTES: usize = 128 << 20;

/// The file and the rows on their way into it.
pub struct Table<W: Write + Send> {
    writer: ArrowWriter<W>,
    rows: Rows,
    /// Bytes of the rows.
    bytes: usize,
}

struct Rows {
    texts: StringBuilder,
    entities: ListBuilder<StructBuilder>,
    words: ListBuilder<StringBuilder>,
    labels: ListBuilder<StringBuilder>,
}

/// Returns the fields of an entity.
fn entity_fields() -> Fields {
    let of = |name: &str, kind| Field::new(name, kind, true);
    Fields::from(vec![
        of("text", DataType::Utf8),
        of("label", DataType::Utf8),
        of("score", DataType::Float32),
        of("start", DataType::UInt32),
        of("end", DataType::UInt32),
    ])
}

impl<W: Write + Send> Table<W> {
    /// Begins a file.
    pub fn new(to: W) -> Result<Table<W>, Error> {
        let mut rows = Rows::new();
        let writer = ArrowWriter::try_new(to, rows.batch()?.schema(), None).map_err(failed)?;
        Ok(Table { writer, rows, bytes: 0 })
    }

    /// Adds a document.
    pub fn write(&mut self, tagged: &Tagged, labels: &[&str]) -> Result<(), Error> {
        let Rows { texts, entities, words, labels: names } = &mut self.rows;
        texts.append_value(&tagged.text);
        for found in &tagged.entities {
            let entity = entities.values();
            entity.field_builder::<StringBuilder>(0).expect("a text").append_value(&found.text);
            entity.field_builder::<StringBuilder>(1).expect("a label").append_value(&found.label);
            entity.field_builder::<Float32Builder>(2).expect("a score").append_value(found.score);
            entity.field_builder::<UInt32Builder>(3).expect("a start").append_value(found.start);
            entity.field_builder::<UInt32Builder>(4).expect("an end").append_value(found.end);
            entity.append(true);
        }
        entities.append(true);
        tagged.words.iter().for_each(|word| words.values().append_value(word));
        words.append(true);
        labels.iter().for_each(|label| names.values().append_value(label));
        names.append(true);
        let strings = tagged.words.iter().map(String::len).chain(labels.iter().map(|label| label.len()));
        self.bytes += tagged.text.len() + strings.sum::<usize>();
        if self.rows.texts.len() == ROWS || self.bytes >= ROWS_BYTES {
            self.bytes = 0;
            self.writer.write(&self.rows.batch()?).map_err(failed)?;
            if self.writer.in_progress_size() >= GROUP_BYTES {
                self.writer.flush().map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Ends the file.
    pub fn finish(mut self) -> Result<W, Error> {
        self.writer.write(&self.rows.batch()?).map_err(failed)?;
        self.writer.into_inner().map_err(failed)
    }
}

impl Rows {
    fn new() -> Rows {
        let fields = entity_fields();
        let builders = fields.iter().map(|field| make_builder(field.data_type(), 0)).collect();
        Rows {
            texts: StringBuilder::new(),
            entities: ListBuilder::new(StructBuilder::new(fields, builders)),
            words: ListBuilder::new(StringBuilder::new()),
            labels: ListBuilder::new(StringBuilder::new()),
        }
    }

    /// Returns all rows and forgets them.
    fn batch(&mut self) -> Result<RecordBatch, Error> {
        let columns: [(&str, ArrayRef); 4] = [
            ("text", Arc::new(self.texts.finish())),
            ("entities", Arc::new(self.entities.finish())),
            ("words", Arc::new(self.words.finish())),
            ("labels", Arc::new(self.labels.finish())),
        ];
        let fields: Vec<Field> =
            columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), false)).collect();
        let columns = columns.into_iter().map(|(_, column)| column).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(|error| failed(error.into()))
    }
}

fn failed(source: ParquetError) -> Error {
    Error::Write { what: "the Parquet file".into(), source: Box::new(source) }
}
