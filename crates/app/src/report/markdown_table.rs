//! A table in Markdown whose columns line up, so that it can be read as it is.

use std::fmt::Write;

/// Writes rows of named cells. The first row decides the columns; a later row leaves those it lacks empty.
pub(super) fn aligned(rows: &[Vec<(String, String)>]) -> String {
    let Some(first) = rows.first() else { return String::new() };
    let cell = |row: &[(String, String)], column: &str| {
        row.iter().find(|(name, _)| name == column).map_or(String::new(), |(_, value)| value.clone())
    };
    let mut header = String::new();
    let mut rule = String::new();
    let mut lines = vec![String::new(); rows.len()];
    for (column, _) in first {
        let cells: Vec<String> = rows.iter().map(|row| cell(row, column)).collect();
        let width = cells.iter().chain([column]).map(|text| text.chars().count()).max().unwrap_or(0);
        write!(header, "| {column:<width$} ").expect("memory takes every letter");
        write!(rule, "|:{}:", "-".repeat(width)).expect("memory takes every letter");
        for (line, cell) in lines.iter_mut().zip(&cells) {
            write!(line, "| {cell:<width$} ").expect("memory takes every letter");
        }
    }
    let lines = [header, rule].into_iter().chain(lines);
    lines.map(|line| line + "|\n").collect()
}
