//! CSV and TSV: one sentence a row, words and labels in list cells.

use crate::columns::{Cells, choose};
use crate::json::{cells_of, tags_of, words_of};
use crate::note::Note;
use crate::reader::{Error, ITEM_BYTES_MAX, ReadOptions, SplitBuilder, at_line, quote, too_long, utf8};
use crate::sentence::Split;
use csv::{ByteRecord, ReaderBuilder};
use serde_json::Value;
use std::io::{self, BufRead, Read};

/// Reads comma-separated rows under a header.
///
/// A cell that begins with `[` must be a JSON array; any other is split at white space.
pub fn read(input: impl BufRead, source: &str, options: &ReadOptions) -> Result<Split, Error> {
    read_separated(input, b',', source, options)
}

/// Reads tab-separated rows under a header, as [`read`] does.
pub fn read_tabs(input: impl BufRead, source: &str, options: &ReadOptions) -> Result<Split, Error> {
    read_separated(input, b'\t', source, options)
}

fn read_separated(input: impl BufRead, separator: u8, source: &str, options: &ReadOptions) -> Result<Split, Error> {
    let mut rows = Rows::new(input, separator, source);
    let mut builder = SplitBuilder::new(source, at_line, None);
    let mut notes = Vec::new();
    let mut arrays = Note::new("cells were read as JSON arrays");
    let mut split_cells = Note::new("cells were split at white space (they do not begin with `[`)");
    let Some((_, header)) = rows.next()? else {
        return builder.finish(Default::default(), notes);
    };
    let names: Vec<String> = header.into_iter().map(|name| name.trim().to_owned()).collect();
    let mut chosen = None;
    let mut one_word_rows = true;
    while let Some((line, cells)) = rows.next()? {
        let place = at_line(source, line);
        if cells.len() != names.len() {
            return Err(Error::content(
                place,
                format!("the row has {} cells, the header {}: quote cells that hold the separator", cells.len(), names.len()),
            ));
        }
        let (choice, columns) = match &chosen {
            Some(chosen) => chosen,
            None => {
                let offered: Vec<(String, Cells)> =
                    names.iter().cloned().zip(cells.iter().map(|cell| first_cell(cell))).collect();
                let choice = choose(&place, &offered, options, &mut notes)?;
                chosen.insert((choice, choice.columns(&offered)))
            }
        };
        let (text, label) = (&names[choice.text], &names[choice.label]);
        let mut list = |cell: &str, column: &str| {
            let read_as = if cell.trim_start().starts_with('[') { &mut arrays } else { &mut split_cells };
            read_as.add(|| place.clone());
            list_of(cell, column, &place)
        };
        let (words, labels) = (list(&cells[choice.text], text)?, list(&cells[choice.label], label)?);
        let words = words_of(words, text, &place)?;
        let tags = tags_of(labels, label, &mut builder, line)?;
        one_word_rows = one_word_rows && words.len() == 1;
        builder.push(words, tags, (&columns.text, label), line)?;
    }
    if one_word_rows {
        notes.push(Note::once(
            "every row holds a single word, and is read as a sentence: if rows are words, write one sentence a row, or CoNLL columns",
        ));
    }
    if split_cells.count > 0 {
        builder.read_spelled_integers();
    }
    notes.extend([arrays, split_cells]);
    builder.finish(chosen.map(|(_, columns)| columns).unwrap_or_default(), notes)
}

/// What the first row's cell says about its column.
fn first_cell(cell: &str) -> Cells {
    if !cell.trim_start().starts_with('[') {
        return Cells::Text;
    }
    serde_json::from_str::<Value>(cell).map_or(Cells::Text, |value| cells_of(&value))
}

fn list_of(cell: &str, column: &str, place: &str) -> Result<Value, Error> {
    if cell.trim_start().starts_with('[') {
        return serde_json::from_str(cell).map_err(|error| {
            Error::content(
                place,
                format!(
                    "the cell {} of {} begins with `[` but is no JSON array ({error}): write the lists with `json.dumps`",
                    quote(cell),
                    quote(column)
                ),
            )
        });
    }
    if cell.contains('\n') {
        return Err(Error::content(
            place,
            format!("the cell {} of {} spans lines: close the quotation mark that opens it, or double those inside", quote(cell), quote(column)),
        ));
    }
    Ok(cell.split_whitespace().map(Value::from).collect())
}

/// Records as strings, each no longer than the bound.
struct Rows<'s, R> {
    reader: csv::Reader<Budget<R>>,
    source: &'s str,
    record: ByteRecord,
}

impl<'s, R: Read> Rows<'s, R> {
    fn new(input: R, separator: u8, source: &'s str) -> Self {
        let reader = ReaderBuilder::new()
            .delimiter(separator)
            .has_headers(false)
            .flexible(true)
            .from_reader(Budget { input, left: ITEM_BYTES_MAX });
        Rows { reader, source, record: ByteRecord::new() }
    }

    /// The next record and the line where it begins.
    fn next(&mut self) -> Result<Option<(u64, Vec<String>)>, Error> {
        self.reader.get_mut().left = ITEM_BYTES_MAX;
        let line = self.reader.position().line();
        let more = self.reader.read_byte_record(&mut self.record).map_err(|error| self.failed(line, error))?;
        if !more {
            return Ok(None);
        }
        let line = self.record.position().map_or(line, |position| position.line());
        let mut cells = Vec::with_capacity(self.record.len());
        let mut before = 0;
        for cell in &self.record {
            cells.push(utf8(cell, self.source, line, before)?.to_owned());
            before += cell.len() + 1;
        }
        Ok(Some((line, cells)))
    }

    fn failed(&self, line: u64, error: csv::Error) -> Error {
        let place = at_line(self.source, line);
        match error.into_kind() {
            csv::ErrorKind::Io(source) if source.kind() == io::ErrorKind::FileTooLarge => {
                too_long(place, "row that begins here")
            }
            csv::ErrorKind::Io(source) => Error::Read { place, source },
            other => Error::content(place, format!("{other:?}: correct the row")),
        }
    }
}

/// Refuses to deliver more than `left` bytes, so that a quotation mark left open cannot fill the memory.
struct Budget<R> {
    input: R,
    left: usize,
}

impl<R: Read> Read for Budget<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.left = self.left.checked_sub(count).ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::tests::show;
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    fn check(input: &str, want: Expect) {
        want.assert_eq(&show(read(input.as_bytes(), "f", &ReadOptions::default())));
    }

    fn check_tabs(input: &str, want: Expect) {
        want.assert_eq(&show(read_tabs(input.as_bytes(), "f", &ReadOptions::default())));
    }

    #[test]
    fn lists_in_cells() {
        check("tokens,ner_tags\nEU says no,B-ORG O O\n\"Jo, too\",B-PER O\n", expect![]);
        check("tokens,ner_tags\n\"[\"\"EU\"\", \"\"says no\"\"]\",\"[\"\"B-ORG\"\", \"\"O\"\"]\"\n", expect![]);
        check("id,tokens,ner_tags\n0,\"[\"\"EU\"\"]\",[3]\n", expect![]);
        check("id,words,tags\n0,\"[\"\"EU\"\"]\",[3]\n", expect![]);
        check("tokens,ner_tags\nEU no,3 0\nno,0\n", expect![]);
        check("tokens,ner_tags\nEU no,3 O\n", expect![]);
        check("\u{FEFF}tokens,ner_tags\r\nEU no,B-X O\r\n", expect![]);
        check("tokens,ner_tags\nEU no,B-X O\n,\n", expect![]);
        check_tabs("tokens\tner_tags\nEU, no\tB-X O\n", expect![]);
    }

    #[test]
    fn words_one_a_row_are_pointed_out() {
        check("tokens,ner_tags\nEU,B-ORG\nno,O\n", expect![]);
    }

    #[test]
    fn refusals() {
        check("", expect![]);
        check("tokens,ner_tags\n", expect![]);
        check("tokens\nEU no\n", expect![]);
        check("sentence,ner_tags,x\nEU no,B-X,1\n", expect![]);
        check("tokens,ner_tags\nEU no,B-X O,1\n", expect![]);
        check("tokens,ner_tags\n\"['EU', 'no']\",\"['O', 'O']\"\n", expect![]);
        check("tokens,ner_tags\n\"EU no,O O\nyes,O\n", expect![]);
        check("tokens,ner_tags\n\"EU\nno\",O O\n", expect![]);
        check("tokens,tokens\na,b\n", expect![]);
        check("tokens,ner_tags\n\"[\"\"EU\"\", null]\",O O\n", expect![]);
        check("tokens,ner_tags\n\"[\"\"EU\"\"]\",[0]\nno,O\n", expect![]);
    }

    #[test]
    fn bytes_that_are_not_utf8() {
        expect![].assert_eq(&show(read(&b"tokens,ner_tags\na b,O O\ncaf\xE9,O\n"[..], "f", &ReadOptions::default())));
    }

    #[test]
    fn a_quotation_mark_left_open_is_bounded() {
        let input = std::io::Read::chain(&b"tokens,ner_tags\n\""[..], std::io::repeat(b'a'));
        let error = read(std::io::BufReader::new(input), "f", &ReadOptions::default()).expect_err("it never ends");
        expect![].assert_eq(&error.to_string());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(bytes.as_slice(), "f", &ReadOptions::default());
        }

        #[test]
        fn arbitrary_cells_never_panic(text in "[\\[\\]\",a0 \r\n]{0,40}") {
            let _ = read(format!("a,b\n{text}").as_bytes(), "f", &ReadOptions::default());
        }
    }
}
