//! How a table (CSV, TSV) is laid out, as its beginning shows it.
//!
//! The first rows show what parts its cells, and whether a row is a sentence or a word.

use crate::rules::choose_columns::{Cells, Choice};
use crate::rules::known_names::{is_index, is_one_word, is_sentence};
use std::collections::HashSet;

/// Signs that part cells in files called `.csv`.
const SEPARATORS: [char; 4] = [',', ';', '\t', '|'];

/// Returns what parts the cells: `usual`, unless the first line does not hold it and another sign parts the first two
/// lines alike.
pub(crate) fn separator(beginning: &str, usual: char) -> char {
    let mut lines = beginning.lines().filter(|line| !line.trim().is_empty());
    let (first, second) = (lines.next().unwrap_or_default(), lines.next());
    if first.contains(usual) {
        return usual;
    }
    let parts_both = |sign: &char| first.contains(*sign) && second.is_none_or(|second| second.contains(*sign));
    SEPARATORS.into_iter().find(parts_both).unwrap_or(usual)
}

/// What stands between the words of two sentences, where each row is a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parting {
    /// A column that names the sentence, in each row or in its first one.
    Column(usize),
    /// A column that names the sentence, whose rows stand apart: the table has to be read whole.
    Scattered(usize),
    /// A row without content.
    BlankRow,
    /// Nothing: every word is a sentence.
    Nothing,
}

/// Returns what parts the sentences of a table where each row is a word; none where a row is a sentence. `rows` are the
/// first rows of data; a row without content is empty.
///
/// A row is a word if a column names the sentences or is named after one word. It is one too if every row holds one word
/// and one label. It is a sentence if any row holds as many words as labels, and more than one.
pub(crate) fn words_by_row(names: &[String], rows: &[Vec<String>], choice: Choice) -> Option<Parting> {
    let count = |row: &Vec<String>, column: usize| row.get(column).map_or(0, |cell| cell.split_whitespace().count());
    let full = || rows.iter().filter(|row| !is_blank(row));
    let is_list = |row: &Vec<String>| row.get(choice.text).is_some_and(|cell| cell.trim_start().starts_with('['));
    let is_sentence_row =
        |row: &Vec<String>| count(row, choice.label) > 1 && count(row, choice.text) == count(row, choice.label);
    if full().next().is_none() || full().any(|row| is_list(row) || is_sentence_row(row)) {
        return None;
    }
    let key = names.iter().position(|name| is_sentence(name)).filter(|key| *key != choice.text && *key != choice.label);
    let all_single =
        || full().count() > 1 && full().all(|row| count(row, choice.text) < 2 && count(row, choice.label) == 1);
    if key.is_none() && !is_one_word(&names[choice.text]) && !all_single() {
        return None;
    }
    let Some(key) = key else {
        let first = rows.iter().position(|row| !is_blank(row)).unwrap_or(0);
        let last = rows.iter().rposition(|row| !is_blank(row)).unwrap_or(0);
        let is_parted = rows[first..=last].iter().any(|row| is_blank(row));
        return Some(if is_parted { Parting::BlankRow } else { Parting::Nothing });
    };
    let mut ended = HashSet::new();
    let mut open = "";
    for name in rows.iter().filter_map(|row| row.get(key)).map(|cell| cell.trim()).filter(|cell| !cell.is_empty()) {
        if name != open {
            if ended.contains(name) {
                return Some(Parting::Scattered(key));
            }
            ended.insert(open);
            open = name;
        }
    }
    Some(Parting::Column(key))
}

/// Returns whether the rows are sentences with their labels: each has as many words as labels, and some more than one.
pub(crate) fn has_sentences(rows: &[Vec<String>], choice: Choice) -> bool {
    let cells = |row: &Vec<String>| Some((row.get(choice.text)?.clone(), row.get(choice.label)?.clone()));
    let count = |cell: &str| cell.split_whitespace().count();
    let counts: Vec<(usize, usize)> = rows
        .iter()
        .filter(|row| !is_blank(row))
        .filter_map(cells)
        .map(|(text, label)| (count(&text), count(&label)))
        .collect();
    counts.iter().all(|(words, labels)| words == labels) && counts.iter().any(|(words, _)| *words > 1)
}

/// Returns whether a row has no content.
pub(crate) fn is_blank(row: &[String]) -> bool {
    row.iter().all(|cell| cell.trim().is_empty())
}

/// Returns what a column of text without lists is, by its name and its first cells.
pub(crate) fn of_column<'c>(name: &str, mut cells: impl Iterator<Item = &'c str>) -> Cells {
    let is_number = |cell: &str| cell.trim().parse::<i64>().is_ok();
    let mut cells = cells.by_ref().filter(|cell| !cell.trim().is_empty()).peekable();
    if is_sentence(name) {
        Cells::Key("names of sentences")
    } else if cells.peek().is_some() && cells.all(is_number) {
        if is_index(name) { Cells::Key("numbers of rows") } else { Cells::Numbers }
    } else {
        Cells::Text
    }
}
