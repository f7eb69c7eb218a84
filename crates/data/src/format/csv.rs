//! CSV and TSV: one sentence a row, words and labels in list cells, or one text a row.

use crate::bytes::input::Input;
use crate::bytes::lines::{Limit, Lines};
use crate::error::{Error, at_line};
use crate::format::json::{cells_of, tags_of, words_of};
use crate::read_options::{ReadOptions, Wanted};
use crate::rows::row::{Reader, Row};
use crate::rows::tag_names::TagNames;
use crate::rules::choose_columns::{Cells, Choice, TEXT, no_content, of_content, of_tagged};
use crate::rules::headers;
use serde_json::Value;
use std::mem::take;
use tagsmith_message::Note;
use tagsmith_message::{counted, quote};
use tagsmith_text::sentence::Columns;
use tagsmith_text::tagged::Content;

/// Rows of separated cells under a header.
///
/// A cell of words or labels that begins with `[` must be a JSON array; any other is split at white space. Where rows
/// are to be tagged, a cell of `text` or of a named column is running text, unless the column holds arrays.
pub(crate) struct CsvReader {
    rows: Records,
    options: ReadOptions,
    wanted: Wanted,
    /// The names of the columns; none before the first row.
    names: Option<Vec<String>>,
    chosen: Option<Chosen>,
    columns: Columns,
    tags: TagNames,
    guesses: Vec<Note>,
    arrays: Note,
    split_cells: Note,
    /// How many rows there were, and whether each held a single word.
    count: usize,
    one_word_rows: bool,
}

/// The columns that are read.
#[derive(Clone, Copy)]
enum Chosen {
    Tagged(Choice),
    Words(usize),
    Text(usize),
}

impl CsvReader {
    pub(crate) fn new(
        input: Input,
        separator: char,
        source: &str,
        options: &ReadOptions,
        wanted: Wanted,
        limit: Limit,
    ) -> Self {
        CsvReader {
            rows: Records { lines: Lines::new(input, source, limit), separator, source: source.to_owned(), limit },
            options: options.clone(),
            wanted,
            names: None,
            chosen: None,
            columns: Columns::default(),
            tags: TagNames::default(),
            guesses: Vec::new(),
            arrays: Note::new("cells were read as JSON arrays"),
            split_cells: Note::new("cells were split at white space (they do not begin with `[`)"),
            count: 0,
            one_word_rows: true,
        }
    }

    /// Returns the next record that is data.
    fn record(&mut self) -> Result<Option<(u64, Vec<String>)>, Error> {
        if self.names.is_none() {
            let Some((number, first)) = self.rows.next()? else { return Ok(None) };
            let header = headers::of_table(&first);
            let numbers = || (0..first.len()).map(|index| index.to_string()).collect();
            self.names = Some(header.clone().unwrap_or_else(numbers));
            if header.is_none() {
                return Ok(Some((number, first)));
            }
        }
        self.rows.next()
    }

    fn choose(&mut self, place: &str, cells: &[String], names: &[String]) -> Result<Chosen, Error> {
        let offered: Vec<(String, Cells)> =
            names.iter().cloned().zip(cells.iter().map(|cell| first_cell(cell))).collect();
        if self.wanted != Wanted::Content {
            let choice = of_tagged(place, &offered, &self.options, &mut self.guesses)?;
            self.columns = choice.columns(&offered);
            return Ok(Chosen::Tagged(choice));
        }
        let wanted = of_content(place, &offered, &self.options, &mut self.guesses)?;
        let found = wanted.iter().find_map(|name| names.iter().position(|other| other == name));
        let Some(index) = found else {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            return Err(no_content(place, "table", &wanted, &names));
        };
        let is_text = names[index] == TEXT || self.options.text_column.is_some();
        let is_text = is_text && matches!(offered[index].1, Cells::Text);
        Ok(if is_text { Chosen::Text(index) } else { Chosen::Words(index) })
    }

    fn row_of(&mut self, line: u64, mut cells: Vec<String>, names: &[String]) -> Result<Row, Error> {
        let place = at_line(&self.rows.source, line);
        if cells.len() != names.len() {
            return Err(Error::content(
                place,
                format!(
                    "the row has {}, the header {}: quote cells that hold the separator",
                    counted(cells.len(), "cell"),
                    names.len()
                ),
            ));
        }
        let chosen = match self.chosen {
            Some(chosen) => chosen,
            None => self.choose(&place, &cells, names)?,
        };
        self.chosen = Some(chosen);
        self.count += 1;
        match chosen {
            Chosen::Text(index) => Ok(Row::of(line, Content::Text(take(&mut cells[index])))),
            Chosen::Words(index) => {
                let words = self.list(&cells[index], &names[index], &place)?;
                Ok(Row::of(line, Content::Words(words_of(words, &names[index], &place)?)))
            }
            Chosen::Tagged(Choice { text, label }) => {
                let words = self.list(&cells[text], &names[text], &place)?;
                let labels = self.list(&cells[label], &names[label], &place)?;
                let words = words_of(words, &names[text], &place)?;
                let tags = tags_of(labels, &names[label], &mut self.tags, &place)?;
                self.one_word_rows = self.one_word_rows && words.len() == 1 && !cells[text].contains('[');
                Row::tagged(line, words, tags, (&names[text], &names[label]), || place)
            }
        }
    }

    /// Refuses a table without rows whose header does not name what is to be tagged.
    fn check_header(&mut self) -> Result<(), Error> {
        let Some(names) = self.names.take().filter(|_| self.chosen.is_none() && self.wanted == Wanted::Content) else {
            return Ok(());
        };
        let cells = vec![String::new(); names.len()];
        self.choose(&at_line(&self.rows.source, 1), &cells, &names)?;
        Ok(())
    }

    fn list(&mut self, cell: &str, column: &str, place: &str) -> Result<Value, Error> {
        let read_as = if cell.trim_start().starts_with('[') { &mut self.arrays } else { &mut self.split_cells };
        read_as.add(|| place.to_owned());
        list_of(cell, column, place)
    }
}

impl Reader for CsvReader {
    fn next(&mut self) -> Result<Option<Row>, Error> {
        let Some((line, cells)) = self.record()? else {
            if self.split_cells.count > 0 {
                self.tags.read_spelled_integers();
            }
            self.check_header()?;
            return Ok(None);
        };
        // The names are lent while the row is read; after an error there are no more rows.
        let names = self.names.take().unwrap_or_default();
        let row = self.row_of(line, cells, &names)?;
        self.names = Some(names);
        Ok(Some(row))
    }

    fn place(&self, number: u64) -> String {
        at_line(&self.rows.source, number)
    }

    fn columns(&self) -> Columns {
        self.columns.clone()
    }

    fn take_tags(&mut self) -> TagNames {
        take(&mut self.tags)
    }

    fn notes(&self) -> Vec<Note> {
        let mut notes = self.guesses.clone();
        if self.one_word_rows && self.count > 1 && self.wanted != Wanted::Content {
            notes.push(Note::once(
                "every row holds a single word, and is read as a sentence: if rows are words, write one sentence a row, or CoNLL columns",
            ));
        }
        notes.extend([self.arrays.clone(), self.split_cells.clone()]);
        notes
    }

    fn has_more_at_hand(&self) -> bool {
        self.rows.lines.has_more_at_hand()
    }
}

/// Returns what the first row's cell says about its column.
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
                    "the cell {} of {} begins with `[` but is not a JSON array ({error}): write the lists with `json.dumps`",
                    quote(cell),
                    quote(column)
                ),
            )
        });
    }
    if cell.contains('\n') {
        return Err(Error::content(
            place,
            format!(
                "the cell {} of {} spans lines: close the quotation mark that opens it, or double those inside",
                quote(cell),
                quote(column)
            ),
        ));
    }
    Ok(cell.split_whitespace().map(Value::from).collect())
}

/// Records (RFC 4180), cut here rather than by a library.
///
/// So a record's length is bounded while a quotation mark is open, and every place is exact.
struct Records {
    lines: Lines,
    separator: char,
    source: String,
    limit: Limit,
}

impl Records {
    /// Returns the next record's cells and the line where it begins. Empty lines between records are passed over.
    fn next(&mut self) -> Result<Option<(u64, Vec<String>)>, Error> {
        let mut cells = Cutter::default();
        let mut begin = None;
        while let Some((number, line)) = self.lines.next()? {
            if begin.is_none() && line.is_empty() {
                continue;
            }
            let begin = *begin.get_or_insert(number);
            cells.line(line, self.separator);
            if !cells.quoted {
                return Ok(Some((begin, cells.finish())));
            }
            if cells.bytes > self.limit.bytes() {
                return Err(self.limit.exceeded(at_line(&self.source, begin), "row that begins here"));
            }
        }
        let Some(begin) = begin else { return Ok(None) };
        Err(Error::content(
            at_line(&self.source, begin),
            "the row that begins here opens a quotation mark and never closes it: close it, or double those inside",
        ))
    }
}

/// The cells of a record while its lines come in.
#[derive(Default)]
struct Cutter {
    cells: Vec<String>,
    cell: String,
    /// Inside quotation marks, where a separator is text and so is a line's end.
    quoted: bool,
    bytes: usize,
}

impl Cutter {
    fn line(&mut self, line: &str, separator: char) {
        self.bytes += line.len() + 1;
        if self.quoted {
            self.cell.push('\n');
        }
        // Only a quotation mark that begins a cell opens one; any other is text.
        let mut at_start = !self.quoted;
        let mut chars = line.chars().peekable();
        while let Some(char) = chars.next() {
            match char {
                '"' if at_start => self.quoted = true,
                '"' if self.quoted && chars.next_if_eq(&'"').is_some() => self.cell.push('"'),
                '"' if self.quoted => self.quoted = false,
                _ if char == separator && !self.quoted => {
                    self.cells.push(take(&mut self.cell));
                    at_start = true;
                    continue;
                }
                _ => self.cell.push(char),
            }
            at_start = false;
        }
    }

    fn finish(mut self) -> Vec<String> {
        self.cells.push(self.cell);
        self.cells
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::split_builder::collect;
    use crate::rows::split_builder::tests::show;
    use expect_test::{Expect, expect};
    use proptest::prelude::*;
    use tagsmith_text::sentence::Split;

    fn read_separated(input: &[u8], separator: char, options: &ReadOptions) -> Result<Split, Error> {
        let input = Input::from_bytes(input.to_vec());
        collect(Box::new(CsvReader::new(input, separator, "f", options, Wanted::Tagged, Limit::Item)), "f")
    }

    fn read(input: &[u8], _source: &str, options: &ReadOptions) -> Result<Split, Error> {
        read_separated(input, ',', options)
    }

    fn read_tabs(input: &[u8], _source: &str, options: &ReadOptions) -> Result<Split, Error> {
        read_separated(input, '\t', options)
    }

    fn check(input: &str, want: Expect) {
        want.assert_eq(&show(read(input.as_bytes(), "f", &ReadOptions::default())));
    }

    fn check_tabs(input: &str, want: Expect) {
        want.assert_eq(&show(read_tabs(input.as_bytes(), "f", &ReadOptions::default())));
    }

    #[test]
    fn lists_in_cells() {
        check(
            "tokens,ner_tags\nEU says no,B-ORG O O\n\"Jo, too\",B-PER O\n",
            expect![[r#"
            2: EU|B-ORG says|O no|O
            3: Jo,|B-PER too|O
            Strings ["B-ORG", "O", "B-PER"]; tokens and ner_tags of tokens ner_tags
            note: 4 cells were split at white space (they do not begin with `[`) (f:2, f:2, f:3, …)
        "#]],
        );
        check(
            "tokens,ner_tags\n\"[\"\"EU\"\", \"\"says no\"\"]\",\"[\"\"B-ORG\"\", \"\"O\"\"]\"\n",
            expect![[r#"
            2: EU|B-ORG says no|O
            Strings ["B-ORG", "O"]; tokens and ner_tags of tokens ner_tags
            note: 2 cells were read as JSON arrays (f:2, f:2)
        "#]],
        );
        check(
            "id,tokens,ner_tags\n0,\"[\"\"EU\"\"]\",[3]\n",
            expect![[r#"
                2: EU|3
                Integers ["3"]; tokens and ner_tags of id tokens ner_tags
                note: 2 cells were read as JSON arrays (f:2, f:2)
            "#]],
        );
        check(
            "id,words,tags\n0,\"[\"\"EU\"\"]\",[3]\n",
            expect![[r#"
                2: EU|3
                Integers ["3"]; words and tags of id words tags
                note: the words are read from `words`, the only column of word lists; the first column, `id`, holds none
                note: the labels are read from `tags`, the only other column of lists; there is no `ner_tags`
                note: 2 cells were read as JSON arrays (f:2, f:2)
            "#]],
        );
        check(
            "tokens,ner_tags\nEU no,3 0\nno,0\n",
            expect![[r#"
            2: EU|3 no|0
            3: no|0
            Integers ["3", "0"]; tokens and ner_tags of tokens ner_tags
            note: 4 cells were split at white space (they do not begin with `[`) (f:2, f:2, f:3, …)
        "#]],
        );
        check(
            "tokens,ner_tags\nEU no,3 O\n",
            expect![[r#"
            2: EU|3 no|O
            Strings ["3", "O"]; tokens and ner_tags of tokens ner_tags
            note: 2 cells were split at white space (they do not begin with `[`) (f:2, f:2)
        "#]],
        );
        check(
            "\u{FEFF}tokens,ner_tags\r\nEU no,B-X O\r\n",
            expect![[r#"
                2: EU|B-X no|O
                Strings ["B-X", "O"]; tokens and ner_tags of tokens ner_tags
                note: 2 cells were split at white space (they do not begin with `[`) (f:2, f:2)
            "#]],
        );
        check(
            "tokens,ner_tags\nEU no,B-X O\n,\n",
            expect![[r#"
            2: EU|B-X no|O
            3: 
            Strings ["B-X", "O"]; tokens and ner_tags of tokens ner_tags
            note: 4 cells were split at white space (they do not begin with `[`) (f:2, f:2, f:3, …)
            note: 1 sentences have no words; they are kept (f:3)
        "#]],
        );
        check_tabs(
            "tokens\tner_tags\nEU, no\tB-X O\n",
            expect![[r#"
            2: EU,|B-X no|O
            Strings ["B-X", "O"]; tokens and ner_tags of tokens ner_tags
            note: 2 cells were split at white space (they do not begin with `[`) (f:2, f:2)
        "#]],
        );
    }

    #[test]
    fn rows_are_found_by_their_first_line() {
        check(
            "tokens,ner_tags\r\n\r\n\nEU no,B-X O\r\n\"[\"\"a\"\",\n\"\"b\"\"]\",O O\na b,O\n",
            expect![[r#"
                error: f:7: 2 words (`tokens`) and 1 label (`ner_tags`): give every word one label, or pass <TextColumn> or <LabelColumn> to read other columns
            "#]],
        );
        check(
            "tokens,ner_tags\n\"a b\",\"O\"\" \"\"O\"\n5\" b,O O\n",
            expect![[r#"
            2: a|O" b|"O
            3: 5\"|O b|O
            Strings ["O\"", "\"O", "O"]; tokens and ner_tags of tokens ner_tags
            note: 4 cells were split at white space (they do not begin with `[`) (f:2, f:2, f:3, …)
        "#]],
        );
    }

    #[test]
    fn words_one_a_row_are_pointed_out() {
        check(
            "tokens,ner_tags\nEU,B-ORG\nno,O\n",
            expect![[r#"
            2: EU|B-ORG
            3: no|O
            Strings ["B-ORG", "O"]; tokens and ner_tags of tokens ner_tags
            note: every row holds a single word, and is read as a sentence: if rows are words, write one sentence a row, or CoNLL columns
            note: 4 cells were split at white space (they do not begin with `[`) (f:2, f:2, f:3, …)
        "#]],
        );
    }

    #[test]
    fn refusals() {
        check(
            "",
            expect![[r#"
            error: f: there is no sentence in it: check the path and how the file was made
        "#]],
        );
        check(
            "tokens,ner_tags\n",
            expect![[r#"
            error: f: there is no sentence in it: check the path and how the file was made
        "#]],
        );
        check(
            "tokens\nEU no\n",
            expect![[r#"
            error: f:2: there is only the column `tokens`: words and labels need a column each
        "#]],
        );
        check(
            "sentence,ner_tags,x\nEU no,B-X,1\n",
            expect![[r#"
                error: f:2: 2 words (`sentence`) and 1 label (`ner_tags`): give every word one label, or pass <TextColumn> or <LabelColumn> to read other columns
            "#]],
        );
        check(
            "tokens,ner_tags\nEU no,B-X O,1\n",
            expect![[r#"
            error: f:2: the row has 3 cells, the header 2: quote cells that hold the separator
        "#]],
        );
        check(
            "tokens,ner_tags\n\"['EU', 'no']\",\"['O', 'O']\"\n",
            expect![[r#"
                error: f:2: the cell `['EU', 'no']` of `tokens` begins with `[` but is not a JSON array (expected value at line 1 column 2): write the lists with `json.dumps`
            "#]],
        );
        check(
            "tokens,ner_tags\n\"EU no,O O\nyes,O\n",
            expect![[r#"
                error: f:2: the row that begins here opens a quotation mark and never closes it: close it, or double those inside
            "#]],
        );
        check(
            "tokens,ner_tags\n\"EU\nno\",O O\n",
            expect![[r#"
            error: f:2: the cell `EU\nno` of `tokens` spans lines: close the quotation mark that opens it, or double those inside
        "#]],
        );
        check(
            "tokens,tokens\na,b\n",
            expect![[r#"
            error: f:2: two columns are called `tokens`: rename one
        "#]],
        );
        check(
            "tokens,ner_tags\n\"[\"\"EU\"\", null]\",O O\n",
            expect![[r#"
            error: f:2: word 2 of `tokens` is `null`, not a string: write it in quotes, or drop it and its label
        "#]],
        );
        check(
            "tokens,ner_tags\n\"[\"\"EU\"\"]\",[0]\nno,O\n",
            expect![[r#"
            error: f:3: the label `O` is a string, the labels before are integers: write all of them one way
        "#]],
        );
    }

    #[test]
    fn bytes_that_are_not_utf8() {
        expect![[r#"
            error: f:3: byte 4 of the line (0xE9) is not UTF-8: convert the file, for example with `iconv -f LATIN1 -t UTF-8` (or `-f UTF-16`)
        "#]].assert_eq(&show(read(&b"tokens,ner_tags\na b,O O\ncaf\xE9,O\n"[..], "f", &ReadOptions::default())));
    }

    #[test]
    fn a_quotation_mark_left_open_is_bounded() {
        let line = "a".repeat(1 << 20) + "\n";
        let input = format!("tokens,ner_tags\n\"{}", line.repeat(65));
        expect![[r#"
            error: f:2: the row that begins here is longer than 64 MiB: is this the right file? Split it if it is
        "#]]
        .assert_eq(&show(read(input.as_bytes(), "f", &ReadOptions::default())));
    }

    proptest! {
        /// The csv crate cuts records alike (it takes a lone carriage return for a line's end, which is not made here).
        #[test]
        fn records_are_those_of_the_csv_crate(text in "([\",a\n é]|\r\n|\"\"|a,){0,40}") {
            let limit = Limit::Item;
            let lines = Lines::new(Input::from_bytes(text.as_bytes().to_vec()), "f", limit);
            let mut rows = Records { lines, separator: ',', source: "f".into(), limit };
            let mut reader = ::csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
            for want in reader.records() {
                let want: Vec<String> = want.expect("UTF-8").iter().map(|cell| cell.replace("\r\n", "\n")).collect();
                match rows.next() {
                    Ok(got) => prop_assert_eq!(got.map(|(_, cells)| cells), Some(want)),
                    // The crate closes an open quotation mark at the end.
                    Err(error) => {
                        prop_assert!(error.to_string().contains("never closes"));
                        return Ok(());
                    }
                }
            }
            prop_assert!(rows.next().expect("the end").is_none());
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes, "f", &ReadOptions::default());
        }

        #[test]
        fn arbitrary_cells_never_panic(text in "[\\[\\]\",a0 \r\n]{0,40}") {
            let _ = read(format!("a,b\n{text}").as_bytes(), "f", &ReadOptions::default());
        }
    }
}
