//! Arrow streams (the shards of a saved data set): one sentence a row.

use crate::bytes::input::Input;
use crate::error::Error;
use crate::format::record_batch::{BatchReader, Batches, Plan, guarded, unreadable};
use crate::read_options::{ReadOptions, Wanted};
use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use arrow_schema::ArrowError;
use std::io::{self, BufRead, Read};
use tagsmith_message::Note;

pub use crate::format::record_batch::ClassNames;

/// Returns the reader of an Arrow IPC stream; a file in the IPC file format is read as the stream it contains.
///
/// `names` are those of dataset_info.json; for columns it does not name, those in the stream's schema count.
pub(crate) fn reader(
    input: Input,
    names: &ClassNames,
    source: &str,
    options: &ReadOptions,
    wanted: Wanted,
) -> Result<BatchReader, Error> {
    guarded(source, || {
        let mut input = Tail { input, last: [0; 8] };
        skip_file_magic(&mut input, source)?;
        let stream = StreamReader::try_new(input, None).map_err(|error| failed(source, &error))?;
        let plan = Plan::new(&stream.schema(), names, source, options, wanted)?;
        Ok(BatchReader::new(source, Box::new(Stream { stream, ended: false, source: source.to_owned() }), plan))
    })
}

fn failed(source: &str, error: &ArrowError) -> Error {
    unreadable(source, "Arrow stream", &error.to_string())
}

struct Stream {
    stream: StreamReader<Tail>,
    ended: bool,
    source: String,
}

impl Batches for Stream {
    fn next(&mut self) -> Result<Option<RecordBatch>, Error> {
        let batch = self.stream.next().transpose().map_err(|error| failed(&self.source, &error))?;
        self.ended = batch.is_none();
        Ok(batch)
    }

    fn note(&self) -> Option<Note> {
        let is_cut = self.ended && self.stream.get_ref().last != *b"\xFF\xFF\xFF\xFF\0\0\0\0";
        let said = || format!("{} has no end mark: rows may be missing if it was cut off", self.source);
        is_cut.then(|| Note::once(said()).important())
    }
}

/// Skips the beginning of the file format: `ARROW1`, two bytes of padding, then a stream (and a footer that repeats it).
fn skip_file_magic(input: &mut impl BufRead, source: &str) -> Result<(), Error> {
    if input.fill_buf().map_err(Error::read(source))?.starts_with(b"ARROW1") {
        input.read_exact(&mut [0; 8]).map_err(Error::read(source))?;
    }
    Ok(())
}

/// An input that remembers the last bytes it delivered.
struct Tail {
    input: Input,
    last: [u8; 8],
}

impl Read for Tail {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        let new = &buffer[count.saturating_sub(8)..count];
        self.last.rotate_left(new.len());
        self.last[8 - new.len()..].copy_from_slice(new);
        Ok(count)
    }
}

impl BufRead for Tail {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.input.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.input.consume(amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::parquet;
    use crate::rows::split_builder::collect;
    use crate::rows::split_builder::tests::{show, tagged};
    use expect_test::{Expect, expect};
    use proptest::prelude::*;
    use std::fs::{self, File};
    use std::io::Write;
    use std::path::PathBuf;
    use tagsmith_testkit::golden;
    use tagsmith_text::sentence::Split;

    /// Files that `datasets` and pyarrow wrote (oracle/dataset_files.py).
    fn golden(name: &str) -> PathBuf {
        golden::path("dataset_files").join(name)
    }

    fn read_arrow(bytes: &[u8], names: &ClassNames, source: &str, options: &ReadOptions) -> Result<Split, Error> {
        let input = Input::from_bytes(bytes.to_vec());
        collect(Box::new(reader(input, names, source, options, Wanted::Tagged)?), source, &options.room)
    }

    fn read_parquet(file: File, source: &str, options: &ReadOptions) -> Result<Split, Error> {
        collect(Box::new(parquet::reader(file, 0, source, options, Wanted::Tagged)?), source, &options.room)
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
        let expect = golden::json("dataset_files/expect.json");
        let files = expect["files"].as_object().expect("an object");
        let mut checked = 0;
        for (name, file) in files.iter().filter(|(name, _)| name.ends_with(".parquet") || name.ends_with(".arrow")) {
            let split = read_golden(name).unwrap_or_else(|error| panic!("{name}: {error}"));
            let rows = tagged(&split).into_iter().map(|words| words.into_iter().unzip());
            let rows: Vec<(Vec<String>, Vec<String>)> = rows.collect();
            assert_eq!(serde_json::json!(rows), file["rows"], "{name}");
            assert_eq!(format!("{:?}", split.tag_kind), file["kind"], "{name}");
            if split.tag_kind == tagsmith_text::sentence::TagKind::ClassLabel {
                assert_eq!(serde_json::json!(split.tag_names), expect["names"], "{name}");
            }
            let lines = split.sentences.to_vec().expect("the sentences are in memory");
            assert!(lines.iter().map(|sentence| sentence.line).eq(1..=5), "{name}");
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
                error: f: row 2: 2 words (`tokens`) and 1 label (`ner_tags`): give every word one label, or pass <TextColumn> or <LabelColumn> to read other columns
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
                error: f: the words' column `text` holds strings, not a list of words (columns: `text`, `ner_tags`): split each sentence into a list of strings, or pass <TextColumn> to read another column
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
            error: f: there is no column `ner_tag` among `id`, `tokens`, `ner_tags`: pass <LabelColumn=ner_tags> if that is meant
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
            note: 1 word is empty or blank; it is kept (f: row 5)
            note: 1 sentence has no words; it is kept (f: row 3)
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
