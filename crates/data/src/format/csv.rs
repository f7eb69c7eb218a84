//! CSV and TSV: one sentence a row, words and labels in list cells; one text a row; or one word a row.

mod records;
mod words;

use crate::bytes::input::Input;
use crate::bytes::lines::Limit;
use crate::error::{Error, at_line};
use crate::format::csv::records::{Record, Records};
use crate::format::csv::words::{Open, Sentences};
use crate::format::json::cells::{cells_of, tags_of, words_of};
use crate::read_options::{ReadOptions, Wanted};
use crate::rows::row::{Reader, Row};
use crate::rows::tag_names::TagNames;
use crate::rules::choose_columns::{Cells, Choice, TEXT, TOKENS, choice_of, no_content, of_content, of_tagged};
use crate::rules::headers;
use crate::rules::table_layout::{Parting, has_sentences, is_blank, of_column, separator, words_by_row};
use serde_json::Value;
use std::mem::take;
use tagsmith_message::Note;
use tagsmith_message::{counted, quote};
use tagsmith_text::sentence::Columns;
use tagsmith_text::tagged::Content;

/// The most rows of the beginning that show the layout.
const ROWS_MAX: usize = 2000;

/// Rows of separated cells under a header.
///
/// A row is a sentence, a text or a word. A cell of words or labels that begins with `[` must be a JSON array; any other
/// is split at white space. Where rows are to be tagged, a cell of `text` or of a named column is running text, unless
/// the column holds arrays. Where a row is a word, its cells are a word and a label, whatever they hold.
pub(crate) struct CsvReader {
    rows: Records,
    source: String,
    options: ReadOptions,
    wanted: Wanted,
    limit: Limit,
    /// The first rows, each empty where blank lines stand before the next, without the header.
    sample: Vec<Vec<String>>,
    /// The names of the columns that the first row gives.
    header: Option<Vec<String>>,
    /// The names of the columns; none before the first row.
    names: Option<Vec<String>>,
    chosen: Option<Chosen>,
    columns: Columns,
    tags: TagNames,
    guesses: Vec<Note>,
    arrays: Note,
    split_cells: Note,
    sentences: Sentences,
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
    /// A word a row, with the column of its label where that is wanted.
    Word(usize, Option<usize>, Parting),
}

impl CsvReader {
    pub(crate) fn new(
        mut input: Input,
        usual: char,
        source: &str,
        options: &ReadOptions,
        wanted: Wanted,
        limit: Limit,
    ) -> Self {
        // An input that cannot be read says so at its first row.
        let (beginning, whole) = input.beginning().unwrap_or_default();
        let beginning = String::from_utf8_lossy(beginning);
        let beginning = beginning.trim_start_matches('\u{FEFF}');
        let separator = separator(beginning, usual);
        let mut sample = first_rows(beginning, whole, separator);
        let first = sample.iter().position(|row| !row.is_empty());
        let header = first.and_then(|first| headers::of_table(&sample[first], &sample[first + 1..], &options.task));
        if let Some(first) = first.filter(|_| header.is_some()) {
            sample.drain(..=first);
        }
        let mut guesses = Vec::new();
        if separator != usual {
            guesses.push(Note::once(format!("its cells are parted by `{}`", separator.escape_debug())));
        }
        CsvReader {
            rows: Records::new(input, separator, source, limit),
            source: source.to_owned(),
            options: options.clone(),
            wanted,
            limit,
            sample,
            header,
            names: None,
            chosen: None,
            columns: Columns::default(),
            tags: TagNames::default(),
            guesses,
            arrays: Note::new("{cell was read as a JSON array|cells were read as JSON arrays}"),
            split_cells: Note::new("{cell was|cells were} split at white space ({it does|they do} not begin with `[`)"),
            sentences: Sentences::default(),
            count: 0,
            one_word_rows: true,
        }
    }

    /// Returns the next record that is data.
    fn record(&mut self) -> Result<Option<Record>, Error> {
        if self.names.is_none() {
            let Some(first) = self.rows.next()? else { return Ok(None) };
            // Of a stream whose first bytes hold no whole row, the first row alone shows it.
            let shown = match self.header.take() {
                None if self.sample.is_empty() => headers::of_table(&first.cells, &[], &self.options.task),
                header => header,
            };
            let numbers = || (0..first.cells.len()).map(|index| index.to_string()).collect();
            self.names = Some(shown.clone().unwrap_or_else(numbers));
            if shown.is_none() {
                return Ok(Some(first));
            }
        }
        self.rows.next()
    }

    fn choose(&mut self, place: &str, cells: &[String], names: &[String]) -> Result<Chosen, Error> {
        if !self.sample.iter().any(|row| !row.is_empty()) {
            self.sample.push(cells.to_vec());
        }
        let kind = |(column, (name, cell)): (usize, (&String, &String))| {
            let below = self.sample.iter().filter_map(|row| row.get(column)).map(String::as_str);
            let cells = first_cell(cell).unwrap_or_else(|| of_column(name, below));
            (name.clone(), cells)
        };
        let offered: Vec<(String, Cells)> = names.iter().zip(cells).enumerate().map(kind).collect();
        let choice = choice_of(place, &offered, &self.options);
        let by_row = choice.and_then(|choice| Some((choice, words_by_row(names, &self.sample, choice)?)));
        let of_sentences = choice.filter(|choice| has_sentences(&self.sample, *choice));
        self.sample = Vec::new();
        if self.wanted != Wanted::Content {
            let choice = of_tagged(place, &offered, &self.options, &mut self.guesses)?;
            self.columns = choice.columns(&offered);
            let Some((_, parting)) = by_row else { return Ok(Chosen::Tagged(choice)) };
            self.guesses.extend(words::note(parting, names));
            return Ok(Chosen::Word(choice.text, Some(choice.label), parting));
        }
        if let Some((choice, parting)) = by_row {
            self.guesses.extend(words::note(parting, names));
            return Ok(Chosen::Word(choice.text, None, parting));
        }
        // Rows that training reads as words with labels are words here too, and no running text.
        if let Some(choice) = of_sentences {
            let name = &names[choice.text];
            let said = format!("the words are read from {}, as in training: each has a label", quote(name));
            self.guesses.extend((name != TOKENS).then(|| Note::once(said)));
            return Ok(Chosen::Words(choice.text));
        }
        let wanted = of_content(place, &offered, &self.options, &mut self.guesses)?;
        let found = wanted.iter().find_map(|name| names.iter().position(|other| other == name));
        let Some(index) = found else {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            return Err(no_content(place, "table", &wanted, &names));
        };
        let is_text = names[index] == TEXT || self.options.text_column.is_some();
        let is_text = is_text && !offered[index].1.is_list();
        Ok(if is_text { Chosen::Text(index) } else { Chosen::Words(index) })
    }

    /// Returns the row that a record is, or the sentence that it ends, if it is or ends one.
    fn row_of(&mut self, record: Record, names: &[String]) -> Result<Option<Row>, Error> {
        let Record { line, mut cells, after_gap } = record;
        let place = at_line(&self.source, line);
        // Where a row is a word, one without content parts sentences, whatever its width.
        let may_be_short = matches!(self.chosen, Some(Chosen::Word(..))) && is_blank(&cells);
        if cells.len() != names.len() && !may_be_short {
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
        if let Chosen::Word(text, label, parting) = chosen {
            return self.word(line, cells, (text, label, parting), after_gap);
        }
        self.count += 1;
        match chosen {
            Chosen::Text(index) => Ok(Some(Row::of(line, Content::Text(take(&mut cells[index]))))),
            Chosen::Words(index) => {
                let words = self.list(&cells[index], &names[index], &place)?;
                Ok(Some(Row::of(line, Content::Words(words_of(words, &names[index], &place)?))))
            }
            Chosen::Tagged(Choice { text, label }) => {
                let words = self.list(&cells[text], &names[text], &place)?;
                let labels = self.list(&cells[label], &names[label], &place)?;
                let words = words_of(words, &names[text], &place)?;
                let tags = tags_of(labels, &names[label], &mut self.tags, &place)?;
                self.one_word_rows = self.one_word_rows && words.len() == 1 && !cells[text].contains('[');
                Row::tagged(line, words, tags, (&names[text], &names[label]), || place).map(Some)
            }
            Chosen::Word(..) => unreachable!("it was handled above"),
        }
    }

    /// Takes a record that is a word. Returns the sentence that it ends, if it ends one.
    fn word(
        &mut self,
        line: u64,
        mut cells: Vec<String>,
        (text, label, parting): (usize, Option<usize>, Parting),
        after_gap: bool,
    ) -> Result<Option<Row>, Error> {
        let name = match parting {
            Parting::Column(key) | Parting::Scattered(key) => cells.get(key).map(|cell| cell.trim().to_owned()),
            Parting::BlankRow | Parting::Nothing => None,
        };
        let parts = parting == Parting::BlankRow && (after_gap || is_blank(&cells)) || parting == Parting::Nothing;
        let ended = if parts { self.sentences.end() } else { None };
        if is_blank(&cells) {
            return Ok(ended);
        }
        self.count += 1;
        let place = || at_line(&self.source, line);
        let tag = label.map(|label| self.tags.of_string(cells[label].trim(), place)).transpose()?;
        let open = Open { line, word: take(&mut cells[text]), tag, name };
        let by_name = self.sentences.push(open, matches!(parting, Parting::Scattered(_)), self.limit, &self.source)?;
        Ok(ended.or(by_name))
    }

    /// Refuses a table without rows whose header does not name what is to be tagged.
    fn check_header(&mut self) -> Result<(), Error> {
        let Some(names) = self.names.take().filter(|_| self.chosen.is_none() && self.wanted == Wanted::Content) else {
            return Ok(());
        };
        let cells = vec![String::new(); names.len()];
        self.choose(&at_line(&self.source, 1), &cells, &names)?;
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
        while let Some(record) = self.record()? {
            // The names are lent while the row is read; after an error there are no more rows.
            let names = self.names.take().unwrap_or_default();
            let row = self.row_of(record, &names)?;
            self.names = Some(names);
            if row.is_some() {
                return Ok(row);
            }
        }
        if let Some(row) = self.sentences.end() {
            return Ok(Some(row));
        }
        if self.split_cells.count > 0 || matches!(self.chosen, Some(Chosen::Word(..))) {
            self.tags.read_spelled_integers();
        }
        self.check_header()?;
        Ok(None)
    }

    fn place(&self, number: u64) -> String {
        at_line(&self.source, number)
    }

    fn columns(&self) -> Columns {
        self.columns.clone()
    }

    fn take_tags(&mut self) -> TagNames {
        take(&mut self.tags)
    }

    fn notes(&self) -> Vec<Note> {
        let mut notes = self.guesses.clone();
        let alone = match self.chosen {
            Some(Chosen::Word(.., parting)) => parting == Parting::Nothing,
            _ => self.one_word_rows && self.wanted != Wanted::Content,
        };
        if alone && self.count > 1 {
            notes.push(
                Note::once(
                    "every row holds a single word, and is read as a sentence: add a column `sentence_id`, or a blank row after each sentence",
                )
                .important(),
            );
        }
        notes.extend([self.arrays.clone(), self.split_cells.clone(), self.sentences.note()]);
        notes.extend(self.rows.notes());
        notes
    }

    fn has_more_at_hand(&self) -> bool {
        self.sentences.has_more_at_hand() || self.rows.has_more_at_hand()
    }
}

/// Returns the first rows of a table. A row of no cells stands for blank lines. Of a beginning that is cut off, the last
/// row is left out.
fn first_rows(beginning: &str, whole: bool, separator: char) -> Vec<Vec<String>> {
    let input = Input::from_bytes(beginning.as_bytes().to_vec());
    let mut records = Records::new(input, separator, "", Limit::Item);
    let mut rows = Vec::new();
    while rows.len() < ROWS_MAX
        && let Ok(Some(record)) = records.next()
    {
        if record.after_gap {
            rows.push(Vec::new());
        }
        rows.push(record.cells);
    }
    if !whole && rows.len() < ROWS_MAX {
        rows.pop();
    }
    rows
}

/// Returns what the first row's cell says about its column; nothing if it is not a list.
fn first_cell(cell: &str) -> Option<Cells> {
    if !cell.trim_start().starts_with('[') {
        return None;
    }
    Some(serde_json::from_str::<Value>(cell).map_or(Cells::Text, |value| cells_of(&value)))
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

#[cfg(test)]
mod tests;
