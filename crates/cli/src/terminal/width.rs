//! How wide texts are.

/// The width where the terminal does not say its own, or where there is none.
const WIDTH: usize = 80;

/// Widths of help: narrower lines are unreadable, and so are wider ones.
const RANGE: (usize, usize) = (40, 120);

/// Returns the width of help: the terminal's, or what `COLUMNS` says.
pub fn of_help() -> usize {
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    columns.or_else(of_terminal).unwrap_or(WIDTH).clamp(RANGE.0, RANGE.1)
}

/// Returns the width of the terminal, if there is one that says it. It may change at any time.
pub fn of_terminal() -> Option<usize> {
    terminal_size::terminal_size().map(|(width, _)| usize::from(width.0)).filter(|width| *width > 0)
}

/// Returns fields with two blanks between them, in lines of at most `width` letters. Lines but the first are indented.
pub fn fields(fields: &[String], width: usize) -> String {
    const INDENT: usize = 4;
    let mut text = String::new();
    let mut letters = 0;
    for field in fields {
        let more = field.chars().count();
        if letters > 0 && letters + 2 + more > width {
            text += &format!("\n{:INDENT$}", "");
            letters = INDENT;
        } else if letters > 0 {
            text += "  ";
            letters += 2;
        }
        text += field;
        letters += more;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_break_between_each_other() {
        let row = ["epoch 1", "loss 0.5", "f1 0.75"].map(String::from);
        assert_eq!(fields(&row, 80), "epoch 1  loss 0.5  f1 0.75");
        assert_eq!(fields(&row, 26), "epoch 1  loss 0.5  f1 0.75");
        assert_eq!(fields(&row, 25), "epoch 1  loss 0.5\n    f1 0.75");
        // Where nothing fits, a field has a line of its own.
        assert_eq!(fields(&row, 1), "epoch 1\n    loss 0.5\n    f1 0.75");
    }
}
