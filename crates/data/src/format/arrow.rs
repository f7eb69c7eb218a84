//! Arrow streams (the shards of a saved data set) and Parquet files: one sentence a row.

use crate::choose_columns::{Cells, Choice, choose};
use crate::error::{Error, at_row};
use crate::split_builder::{ReadOptions, SplitBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_ipc::reader::StreamReader;
use arrow_schema::{DataType, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
pub use parquet::file::reader::ChunkReader;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{self, BufRead, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use tagsmith_message::Note;
use tagsmith_message::quote;
use tagsmith_text::sentence::Split;

/// Rows decoded at a time from Parquet.
pub(crate) const BATCH_ROWS: usize = 1024;

/// The names of each `ClassLabel` column, as `datasets` describes features in JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClassNames(BTreeMap<String, Vec<String>>);

impl ClassNames {
    /// From a dataset_info.json, or the `info` of the `huggingface` entry in a schema's metadata.
    pub fn of_info(info: &Value) -> Self {
        let features = info.get("features").and_then(Value::as_object);
        let named = features.into_iter().flatten().filter_map(|(column, feature)| {
            // `datasets` wrote lists as `[feature]` and as `Sequence` before it wrote `List`.
            let element = feature.get("feature").or_else(|| feature.get(0)).unwrap_or(feature);
            if element.get("_type").and_then(Value::as_str) != Some("ClassLabel") {
                return None;
            }
            let names = element.get("names")?.as_array()?;
            let names = names.iter().map(|name| name.as_str().map(str::to_owned)).collect::<Option<Vec<String>>>()?;
            Some((column.clone(), names))
        });
        ClassNames(named.collect())
    }

    fn of_schema(schema: &Schema) -> Self {
        let parsed = schema.metadata().get("huggingface").and_then(|text| serde_json::from_str::<Value>(text).ok());
        parsed.and_then(|value| value.get("info").map(Self::of_info)).unwrap_or_default()
    }
}

/// Reads an Arrow IPC stream; a file in the IPC file format is read as the stream it contains.
///
/// `names` are those of dataset_info.json; for columns it does not name, those in the stream's schema count.
pub fn read_arrow(
    input: impl BufRead,
    names: &ClassNames,
    source: &str,
    options: &ReadOptions,
) -> Result<Split, Error> {
    guarded(source, || {
        let mut input = Tail { input, last: [0; 8] };
        skip_file_magic(&mut input, source)?;
        let failed = |error: arrow_schema::ArrowError| unreadable(source, "Arrow stream", &error.to_string());
        let mut stream = StreamReader::try_new(&mut input, None).map_err(failed)?;
        let mut rows = Rows::new(&stream.schema(), names, source, options)?;
        let all = rows.choice;
        for batch in &mut stream {
            rows.batch(&batch.map_err(failed)?, all)?;
        }
        drop(stream);
        if input.last != *b"\xFF\xFF\xFF\xFF\0\0\0\0" {
            rows.notes.push(Note::once(format!("{source} has no end mark: rows may be missing if it was cut off")));
        }
        rows.finish()
    })
}

/// Reads a Parquet file; only the two columns are decoded.
pub fn read_parquet(input: impl ChunkReader + 'static, source: &str, options: &ReadOptions) -> Result<Split, Error> {
    guarded(source, || {
        let failed = |error: parquet::errors::ParquetError| unreadable(source, "Parquet file", &error.to_string());
        let builder = ParquetRecordBatchReaderBuilder::try_new(input).map_err(failed)?;
        let mut rows = Rows::new(builder.schema(), &ClassNames::default(), source, options)?;
        let Choice { text, label } = rows.choice;
        let mask = ProjectionMask::roots(builder.parquet_schema(), [text, label]);
        // The projection keeps the file's order.
        let projected = if text < label { Choice { text: 0, label: 1 } } else { Choice { text: 1, label: 0 } };
        let batches = builder.with_projection(mask).with_batch_size(BATCH_ROWS).build().map_err(failed)?;
        for batch in batches {
            let batch = batch.map_err(|error| unreadable(source, "Parquet file", &error.to_string()))?;
            rows.batch(&batch, projected)?;
        }
        rows.finish()
    })
}

/// The decoders are other people's, and some damage makes them panic: for the caller it is damage like any other.
pub(crate) fn guarded<T>(source: &str, read: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(unreadable(source, "file", "its decoder gave up on damaged content")))
}

pub(crate) fn unreadable(source: &str, what: &str, said: &str) -> Error {
    let said = said.replace('\n', " ");
    Error::content(source, format!("this is not a readable {what} ({said}): write or fetch it again"))
}

/// The file format is `ARROW1`, two bytes of padding, then a stream (and a footer that repeats what it says).
fn skip_file_magic(input: &mut impl BufRead, source: &str) -> Result<(), Error> {
    let failed = |error| Error::Read { place: source.to_owned(), source: error };
    if input.fill_buf().map_err(failed)?.starts_with(b"ARROW1") {
        input.read_exact(&mut [0; 8]).map_err(failed)?;
    }
    Ok(())
}

/// Remembers the last bytes delivered.
struct Tail<R> {
    input: R,
    last: [u8; 8],
}

impl<R: BufRead> Read for Tail<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        let new = &buffer[count.saturating_sub(8)..count];
        self.last.rotate_left(new.len());
        self.last[8 - new.len()..].copy_from_slice(new);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Tail<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.input.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.input.consume(amount);
    }
}

/// Rows on their way into a split.
struct Rows<'s> {
    source: &'s str,
    offered: Vec<(String, Cells)>,
    choice: Choice,
    builder: SplitBuilder<'s>,
    notes: Vec<Note>,
    read: u64,
}

impl<'s> Rows<'s> {
    fn new(schema: &Schema, names: &ClassNames, source: &'s str, options: &ReadOptions) -> Result<Self, Error> {
        let offered: Vec<(String, Cells)> =
            schema.fields().iter().map(|field| (field.name().clone(), cells_of(field.data_type()))).collect();
        let mut notes = Vec::new();
        let choice = choose(source, &offered, options, &mut notes)?;
        let (label, cells) = &offered[choice.label];
        let class_names = names.0.get(label).cloned().or_else(|| ClassNames::of_schema(schema).0.remove(label));
        let class_names = class_names.filter(|_| *cells == Cells::Integers);
        let builder = SplitBuilder::new(source, at_row, class_names);
        Ok(Rows { source, offered, choice, builder, notes, read: 0 })
    }

    fn batch(&mut self, batch: &RecordBatch, Choice { text, label }: Choice) -> Result<(), Error> {
        for row in 0..batch.num_rows() {
            self.read += 1;
            let words = self.cell(batch.column(text), row, self.choice.text)?;
            let labels = self.cell(batch.column(label), row, self.choice.label)?;
            let words = (0..words.len()).map(|index| self.word(&words, index)).collect::<Result<Vec<_>, _>>()?;
            let tags = (0..labels.len()).map(|index| self.tag(&labels, index)).collect::<Result<Vec<_>, _>>()?;
            let names = (self.offered[self.choice.text].0.as_str(), self.offered[self.choice.label].0.as_str());
            self.builder.push(words, tags, names, self.read)?;
        }
        Ok(())
    }

    fn cell(&self, column: &ArrayRef, row: usize, index: usize) -> Result<ArrayRef, Error> {
        let list = if column.is_null(row) {
            None
        } else if let Some(lists) = column.as_list_opt::<i32>() {
            Some(lists.value(row))
        } else {
            column.as_list_opt::<i64>().map(|lists| lists.value(row))
        };
        list.ok_or_else(|| {
            self.error(format!("{} is null, not a list: give every row a list", quote(&self.offered[index].0)))
        })
    }

    fn word(&self, words: &ArrayRef, index: usize) -> Result<String, Error> {
        string(words, index).map(str::to_owned).ok_or_else(|| {
            let column = quote(&self.offered[self.choice.text].0);
            self.error(format!("word {} of {column} is null: drop it and its label", index + 1))
        })
    }

    fn tag(&mut self, labels: &ArrayRef, index: usize) -> Result<u32, Error> {
        if let Some(label) = string(labels, index) {
            return self.builder.tag_of_string(label, self.read);
        }
        if let Some(label) = integer(labels, index) {
            return self.builder.tag_of_integer(label, self.read);
        }
        let column = quote(&self.offered[self.choice.label].0);
        let is = if labels.is_null(index) { "null" } else { "no 64-bit integer" };
        Err(self.error(format!("label {} of {column} is {is}: give every word a label", index + 1)))
    }

    fn error(&self, problem: String) -> Error {
        Error::content(at_row(self.source, self.read), problem)
    }

    fn finish(self) -> Result<Split, Error> {
        self.builder.finish(self.choice.columns(&self.offered), self.notes)
    }
}

fn cells_of(data_type: &DataType) -> Cells {
    let (DataType::List(item) | DataType::LargeList(item)) = data_type else {
        return match data_type {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Cells::Other("strings"),
            data_type if data_type.is_integer() => Cells::Other("integers"),
            DataType::Null => Cells::Other("nulls"),
            _ => Cells::Other("values of another type"),
        };
    };
    match item.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Cells::Strings,
        item if item.is_integer() => Cells::Integers,
        DataType::Null => Cells::EmptyList,
        _ => Cells::Other("lists of another type"),
    }
}

pub(crate) fn string(array: &ArrayRef, index: usize) -> Option<&str> {
    if array.is_null(index) {
        return None;
    }
    match array.data_type() {
        DataType::Utf8 => Some(array.as_string::<i32>().value(index)),
        DataType::LargeUtf8 => Some(array.as_string::<i64>().value(index)),
        DataType::Utf8View => Some(array.as_string_view().value(index)),
        _ => None,
    }
}

fn integer(array: &ArrayRef, index: usize) -> Option<i64> {
    if array.is_null(index) {
        return None;
    }
    match array.data_type() {
        DataType::Int8 => Some(array.as_primitive::<Int8Type>().value(index).into()),
        DataType::Int16 => Some(array.as_primitive::<Int16Type>().value(index).into()),
        DataType::Int32 => Some(array.as_primitive::<Int32Type>().value(index).into()),
        DataType::Int64 => Some(array.as_primitive::<Int64Type>().value(index)),
        DataType::UInt8 => Some(array.as_primitive::<UInt8Type>().value(index).into()),
        DataType::UInt16 => Some(array.as_primitive::<UInt16Type>().value(index).into()),
        DataType::UInt32 => Some(array.as_primitive::<UInt32Type>().value(index).into()),
        DataType::UInt64 => i64::try_from(array.as_primitive::<UInt64Type>().value(index)).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::split_builder::tests::show;
    use expect_test::{Expect, expect};
    use proptest::prelude::*;
    use std::fs::{self, File};
    use std::io::Write;
    use std::path::PathBuf;

    /// Files that `datasets` and pyarrow wrote (oracle/dataset_files.py).
    fn golden(name: &str) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../golden/dataset_files").join(name)
    }

    fn read_bytes(name: &str, bytes: &[u8]) -> Result<Split, Error> {
        if name.ends_with(".parquet") {
            let mut file = tempfile::tempfile().expect("a scratch file");
            file.write_all(bytes).expect("the scratch file takes bytes");
            read_parquet(file, "f", &ReadOptions::default())
        } else {
            read_arrow(bytes, &ClassNames::default(), "f", &ReadOptions::default())
        }
    }

    fn read_golden(name: &str) -> Result<Split, Error> {
        read_bytes(name, &fs::read(golden(name)).expect("a golden file"))
    }

    #[test]
    fn rows_are_those_the_oracle_wrote() {
        let expect = fs::read(golden("expect.json")).expect("a golden file");
        let expect: Value = serde_json::from_slice(&expect).expect("JSON");
        let files = expect["files"].as_object().expect("an object");
        let mut checked = 0;
        for (name, file) in files.iter().filter(|(name, _)| name.ends_with(".parquet") || name.ends_with(".arrow")) {
            let split = read_golden(name).unwrap_or_else(|error| panic!("{name}: {error}"));
            let rows: Vec<Value> = split
                .sentences
                .iter()
                .map(|sentence| {
                    let labels: Vec<&str> =
                        sentence.tags.iter().map(|&tag| split.tag_names[tag as usize].as_str()).collect();
                    serde_json::json!([sentence.words, labels])
                })
                .collect();
            assert_eq!(Value::from(rows), file["rows"], "{name}");
            assert_eq!(format!("{:?}", split.tag_kind), file["kind"], "{name}");
            if split.tag_kind == tagsmith_text::sentence::TagKind::ClassLabel {
                assert_eq!(serde_json::json!(split.tag_names), expect["names"], "{name}");
            }
            assert!(split.sentences.iter().map(|sentence| sentence.line).eq(1..=5), "{name}");
            checked += 1;
        }
        assert_eq!(checked, 8);
    }

    #[test]
    fn names_given_beside_a_stream_come_first() {
        let bytes = fs::read(golden("sequence.arrow")).expect("a golden file");
        let names = ["zero", "one", "two", "three", "four"];
        let info = serde_json::json!({"features": {"ner_tags": {"_type": "List", "feature": {"_type": "ClassLabel", "names": names}}}});
        let split =
            read_arrow(&bytes[..], &ClassNames::of_info(&info), "f", &ReadOptions::default()).expect("well-formed");
        assert_eq!(split.tag_names, names);
    }

    #[test]
    fn refusals() {
        let check = |name: &str, want: Expect| want.assert_eq(&show(read_golden(&format!("broken_{name}.parquet"))));
        check(
            "null_word",
            expect![[r#"
            error: f: row 2: word 2 of `tokens` is null: drop it and its label
        "#]],
        );
        check(
            "null_label",
            expect![[r#"
            error: f: row 2: label 1 of `ner_tags` is null: give every word a label
        "#]],
        );
        check(
            "null_list",
            expect![[r#"
            error: f: row 2: `tokens` is null, not a list: give every row a list
        "#]],
        );
        check(
            "lengths",
            expect![[r#"
            error: f: row 2: 2 words (`tokens`) and 1 label (`ner_tags`): give every word one label, or name the right columns with `--text_column_name` and `--label_column_name`
        "#]],
        );
        check(
            "no_name",
            expect![[r#"
            error: f: row 2: the label 9 has no name (there are 5, from 0): correct the label or the names
        "#]],
        );
        check(
            "unlabeled",
            expect![[r#"
            error: f: row 2: the label -1 has no name (there are 5, from 0): correct the label or the names; -1 is how `datasets` marks a word without a label
        "#]],
        );
        check(
            "plain_text",
            expect![[r#"
            error: f: the words' column `text` holds strings, not a list of words: split each sentence into a list of strings, or name another column with `--text_column_name` (columns: `text`, `ner_tags`)
        "#]],
        );
        check(
            "one_column",
            expect![[r#"
            error: f: there is only the column `tokens`: words and labels need a column each
        "#]],
        );
        check(
            "no_rows",
            expect![[r#"
            error: f: there is no sentence in it: check the path and how the file was made
        "#]],
        );
        let options = ReadOptions { label_column: Some("ner_tag".into()), ..ReadOptions::default() };
        let file = File::open(golden("class_label.parquet")).expect("a golden file");
        expect![[r#"
            error: f: there is no column `ner_tag`: give `--label_column_name` one of `id`, `tokens`, `ner_tags`. Did you mean `ner_tags`?
        "#]].assert_eq(&show(read_parquet(file, "f", &options)));
    }

    #[test]
    fn cut_files_are_refused_or_pointed_out() {
        let arrow = fs::read(golden("sequence.arrow")).expect("a golden file");
        let without_end = &arrow[..arrow.len() - 8];
        expect![[r#"
            1: Jo|B-PER Müller|I-PER walks|O to|O Zürich|B-LOC
            2: Nobody|O minds|O .|O
            3: 
            4: New|B-LOC Ulm|I-LOC sleeps|O
            5: \u{200e}|O |O 走る|O
            ClassLabel ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]; tokens and ner_tags of tokens ner_tags
            note: f has no end mark: rows may be missing if it was cut off
            note: 1 words are empty or blank; they are kept (f: row 5)
            note: 1 sentences have no words; they are kept (f: row 3)
        "#]]
        .assert_eq(&show(read_bytes("f.arrow", without_end)));
        for length in [0, 1, 4, 8, 100, arrow.len() / 2, arrow.len() - 9] {
            assert!(read_bytes("f.arrow", &arrow[..length]).is_err(), "{length} bytes");
        }
        expect![[r#"
            error: f: this is not a readable Arrow stream (Io error: failed to fill whole buffer): write or fetch it again
        "#]].assert_eq(&show(read_bytes("f.arrow", &arrow[..arrow.len() - 9])));
        let parquet = fs::read(golden("class_label.parquet")).expect("a golden file");
        expect![[r#"
            error: f: this is not a readable Parquet file (Parquet error: Invalid Parquet file. Corrupt footer): write or fetch it again
        "#]].assert_eq(&show(read_bytes("f.parquet", &parquet[..parquet.len() / 2])));
        expect![[r#"
            error: f: this is not a readable Parquet file (EOF: Parquet file too small. Size is 0 but need 8): write or fetch it again
        "#]].assert_eq(&show(read_bytes("f.parquet", b"")));
        expect![[r#"
            error: f: this is not a readable Arrow stream (Parser error: Unexpected end of stream: expected 1701539700 metadata bytes, got 12): write or fetch it again
        "#]].assert_eq(&show(read_bytes("f.arrow", b"tokens\nno stream")));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read_bytes("f.arrow", &bytes);
            let _ = read_bytes("f.parquet", &bytes);
        }

        /// Damage in a well-formed file: the reader returns, whatever it returns.
        #[test]
        fn damaged_files_never_panic(place in any::<prop::sample::Index>(), bytes in prop::collection::vec(any::<u8>(), 1..5)) {
            for name in ["sequence.arrow", "file_format.arrow", "class_label.parquet", "string_view.parquet"] {
                let mut file = fs::read(golden(name)).expect("a golden file");
                let place = place.index(file.len() - bytes.len());
                file[place..place + bytes.len()].copy_from_slice(&bytes);
                let _ = read_bytes(name, &file);
            }
        }
    }
}
