//! Values and counts as messages show them.

/// Characters of a value that a message shows.
const SHOWN_CHARS: usize = 60;

/// The value in backticks, on one line and not longer than a message can bear.
pub fn quote(value: &str) -> String {
    let mut shown = String::from("`");
    for (count, char) in value.chars().enumerate() {
        if count == SHOWN_CHARS {
            shown.push('…');
            break;
        }
        if char.is_control() { shown.extend(char.escape_default()) } else { shown.push(char) }
    }
    shown.push('`');
    shown
}

/// `1 column`, `2 columns`
pub fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// Names for a message: `a`, `b`, `c`.
pub fn quote_all<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const NAMES_MAX: usize = 30;
    let names: Vec<&str> = names.into_iter().collect();
    let mut shown: Vec<String> = names.iter().take(NAMES_MAX).map(|name| quote(name)).collect();
    if names.len() > NAMES_MAX {
        shown.push(format!("… ({} in all)", names.len()));
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_stays_on_one_line_and_short() {
        assert_eq!(quote("a\nb\u{7}é'"), "`a\\nb\\u{7}é'`");
        assert_eq!(quote(&"x".repeat(1000)).chars().count(), SHOWN_CHARS + 3);
    }
}
