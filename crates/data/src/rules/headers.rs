//! What names the columns of a file.

use serde_json::Value;

/// Returns the names that the first row of a table (CSV, TSV) gives to the columns; none if the row is data.
///
/// Only lists in its cells show that a row is data.
pub(crate) fn of_table(first_row: &[String]) -> Option<Vec<String>> {
    let is_list = |cell: &String| cell.starts_with('[') && serde_json::from_str::<Vec<Value>>(cell).is_ok();
    (!first_row.iter().any(is_list)).then(|| first_row.iter().map(|name| name.trim().to_owned()).collect())
}

/// Returns the names that the first line of a column file gives to the columns; none if the line is data. It is a
/// header if it holds both names that mean something without being asked for.
pub(crate) fn of_columns(first_line: &[&str], text: &str, label: &str) -> Option<Vec<String>> {
    let is_header = [text, label].iter().all(|name| first_line.contains(name));
    is_header.then(|| first_line.iter().map(|&name| name.to_owned()).collect())
}

/// Returns the names of the columns that a comment gives, as CoNLL-U Plus does: `# global.columns = ID FORM NER`.
pub(crate) fn of_comment(line: &str) -> Option<Vec<String>> {
    let names = line.strip_prefix("# global.columns =")?;
    Some(names.split_whitespace().map(str::to_owned).collect())
}
