//! Values and counts as messages show them.

use std::borrow::Cow;

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

/// The most characters of a message, and of its end that stay when it is cut.
const MESSAGE_CHARS: usize = 4000;
const END_CHARS: usize = 600;

/// Returns a message that a person can read: what is longer than a page loses its middle, and says so.
///
/// Rims show every message through this, whatever names and values are in it.
pub fn bounded(message: &str) -> Cow<'_, str> {
    let is_short = message.len() <= MESSAGE_CHARS || message.chars().count() <= MESSAGE_CHARS;
    if is_short {
        return Cow::Borrowed(message);
    }
    let count = message.chars().count();
    let begin: String = message.chars().take(MESSAGE_CHARS - END_CHARS).collect();
    let end: String = message.chars().skip(count - END_CHARS).collect();
    Cow::Owned(format!("{begin} [… {} characters are left out …] {end}", count - MESSAGE_CHARS))
}

/// `1 column`, `2 columns`; `1 entity`, `2 entities`
pub fn counted(count: usize, noun: &str) -> String {
    match noun.strip_suffix("ity") {
        _ if count == 1 => format!("1 {noun}"),
        Some(stem) => format!("{count} {stem}ities"),
        None => format!("{count} {noun}s"),
    }
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
    fn nouns_are_counted() {
        let all = [0, 1, 2].map(|count| [counted(count, "word"), counted(count, "entity")]);
        let want = [["0 words", "0 entities"], ["1 word", "1 entity"], ["2 words", "2 entities"]];
        assert_eq!(all, want.map(|row| row.map(str::to_owned)));
    }

    #[test]
    fn a_message_keeps_its_beginning_and_its_remedy() {
        assert_eq!(bounded("short"), "short");
        let long = format!("f: the labels are {}: pass `--labels`", "é".repeat(1_000_000));
        let shown = bounded(&long);
        assert!(shown.chars().count() < MESSAGE_CHARS + 100);
        assert!(shown.starts_with("f: the labels are é") && shown.ends_with("é: pass `--labels`"), "{shown}");
    }

    #[test]
    fn a_quote_stays_on_one_line_and_short() {
        assert_eq!(quote("a\nb\u{7}é'"), "`a\\nb\\u{7}é'`");
        assert_eq!(quote(&"x".repeat(1000)).chars().count(), SHOWN_CHARS + 3);
    }
}
