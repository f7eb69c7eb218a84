//! How wide texts are.

/// The width where the terminal does not say its own, or where there is none.
const WIDTH: usize = 80;

/// Widths of help: narrower lines are unreadable, and so are wider ones.
const RANGE: (usize, usize) = (40, 120);

/// Returns the width of help: the terminal's, or what `COLUMNS` says.
pub fn of_help() -> usize {
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let terminal = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    columns.or_else(terminal).unwrap_or(WIDTH).clamp(RANGE.0, RANGE.1)
}
