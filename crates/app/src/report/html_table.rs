//! Tables in a document of HTML.

use super::html::escaped;
use std::fmt::Write;

/// Returns a table; titles are plain, cells are HTML already.
pub fn rows(class: &str, titles: &[&str], cells: impl Iterator<Item = Vec<String>>) -> String {
    let mut html = format!("<div class=\"wide\"><table class=\"{class}\">");
    if !titles.is_empty() {
        let heads: String = titles.iter().map(|title| format!("<th>{}</th>", escaped(title))).collect();
        html += &format!("<tr>{heads}</tr>\n");
    }
    for row in cells {
        let cells: String = row.iter().map(|cell| format!("<td>{cell}</td>")).collect();
        writeln!(html, "<tr>{cells}</tr>").expect("a string takes all");
    }
    html + "</table></div>\n"
}

/// Returns a cell of a confusion. Darker is more, by the part of the row that it has; what is right is framed.
pub fn heat_cell(count: u64, of_row: u64, is_right: bool) -> String {
    let frame = if is_right { " class=\"right\"" } else { "" };
    let part = count as f64 / of_row.max(1) as f64;
    // A few of many are to be seen as well.
    let depth = if count == 0 { 0.0 } else { 0.08 + 0.72 * part };
    format!("<td{frame} style=\"background:rgba(var(--heat),{depth:.2})\">{count}</td>")
}
