//! Text in a document of HTML.

use std::fmt::Write;

/// Text as HTML shows it.
pub(super) fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            // Control characters have no place in a document; a reader should still see that one was there.
            letter if letter.is_control() => write!(html, "{}", letter.escape_default()).expect("a string takes all"),
            letter => html.push(letter),
        }
    }
    html
}
