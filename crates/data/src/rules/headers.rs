//! What names the columns of a file.

use crate::rules::known_names::{is_beside_words, rank_as_words};
use serde_json::Value;
use tagsmith_text::labels::scheme::{Style, Tag, UNTYPED};

/// Returns the names that the first row of a table (CSV, TSV) gives to the columns; none if the row is data.
///
/// Lists and tags in its cells show that a row is data. So does a cell that comes again in its column, unless the row
/// has names that are known.
pub(crate) fn of_table(first_row: &[String], others: &[Vec<String>], task: &str) -> Option<Vec<String>> {
    let is_list = |cell: &String| cell.starts_with('[') && serde_json::from_str::<Vec<Value>>(cell).is_ok();
    let is_name = |cell: &String| rank_as_words(cell).is_some() || is_beside_words(cell, task);
    let is_tags = |cell: &String| !cell.trim().is_empty() && cell.split_whitespace().all(is_tag);
    let comes_again = |(column, cell): (usize, &String)| {
        !cell.trim().is_empty() && others.iter().any(|other| other.get(column) == Some(cell))
    };
    let is_data = first_row.iter().any(is_list)
        || !first_row.iter().any(is_name)
            && (first_row.iter().any(is_tags) || first_row.iter().enumerate().any(comes_again));
    (!is_data).then(|| first_row.iter().map(|name| name.trim().to_owned()).collect())
}

/// Returns the names that the first line of a column file gives to the columns; none if the line is data. `others` are
/// lines after it.
///
/// It is a header if it holds a name of words and a name of something beside words. It is one too if a cell of it is
/// not a tag, stands above tags alone, and is not a type of theirs.
pub(crate) fn of_columns(first_line: &[&str], others: &[Vec<&str>], task: &str) -> Option<Vec<String>> {
    let below = |column: usize| others.iter().filter_map(move |line| line.get(column).copied());
    let comes_again = |column: usize| below(column).any(|cell| cell == first_line[column]);
    let words = first_line.iter().position(|cell| rank_as_words(cell).is_some());
    let is_named = words.is_some_and(|words| {
        let is_beside = |column: usize| column != words && is_beside_words(first_line[column], task);
        (0..first_line.len()).any(|column| is_beside(column) && !comes_again(column))
    });
    let stands_above_tags = |column: usize| {
        let name = first_line[column].trim();
        let mut kinds = below(column).map(|cell| Tag::of_any_scheme(cell.trim(), Style::Prefix).map(|tag| tag.kind));
        name.len() > 1
            && name.contains(char::is_alphabetic)
            && !is_tag(name)
            && kinds.clone().count() > 1
            && kinds.clone().all(|kind| kind.is_some_and(|kind| kind != name))
            && kinds.any(|kind| kind != Some(UNTYPED))
    };
    let is_header = is_named || (1..first_line.len()).any(stands_above_tags);
    is_header.then(|| first_line.iter().map(|name| name.trim().to_owned()).collect())
}

/// Returns whether a text is `O`, or a letter of some scheme with a type.
pub(crate) fn is_tag(text: &str) -> bool {
    text == "O" || Tag::of_any_scheme(text, Style::Prefix).is_some_and(|tag| tag.kind != UNTYPED)
}

/// Returns the names of the columns that a comment gives, as CoNLL-U Plus does: `# global.columns = ID FORM NER`.
pub(crate) fn of_comment(line: &str) -> Option<Vec<String>> {
    let names = line.strip_prefix("# global.columns =")?;
    Some(names.split_whitespace().map(str::to_owned).collect())
}
