//! Colors of standard output.

use super::streams::is_dumb;
use std::ffi::OsStr;
use std::io::IsTerminal;

/// Returns whether standard output takes colors.
pub fn is_wanted() -> bool {
    let term = std::env::var_os("TERM");
    wants_color(std::env::var_os("NO_COLOR").as_deref(), std::io::stdout().is_terminal() && !is_dumb(term.as_deref()))
}

/// Returns true for a terminal if `NO_COLOR` is unset or empty (no-color.org).
fn wants_color(no_color: Option<&OsStr>, terminal: bool) -> bool {
    terminal && no_color.is_none_or(OsStr::is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn color_is_for_terminals_whose_users_did_not_decline_it() {
        let values = [None, Some(""), Some("1"), Some("0")];
        assert_eq!(values.map(|value| wants_color(value.map(OsStr::new), true)), [true, true, false, false]);
        assert_eq!(values.map(|value| wants_color(value.map(OsStr::new), false)), [false; 4]);
    }
}
