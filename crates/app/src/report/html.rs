//! Documents of HTML, and text in them.

use std::fmt::Write;

const STYLE: &str = include_str!("page.css");

/// Returns a document that needs nothing else. `body` is HTML.
pub(crate) fn document(title: &str, body: &str) -> String {
    let title = escaped(title);
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n<style>\n{STYLE}</style></head>\n\
         <body><h1>{title}</h1>\n{body}</body></html>\n"
    )
}

/// Text as HTML shows it.
pub(crate) fn escaped(text: &str) -> String {
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
