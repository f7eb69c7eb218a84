//! A tagged sentence as a line of text: every name in brackets behind its type, in colour where colour is wanted.

use std::ffi::OsStr;
use std::io::IsTerminal;
use tagsmith_text::labels::scheme::{self, Span, Style};

/// Whether standard output takes colour.
pub fn colour_wanted() -> bool {
    wants_colour(std::env::var_os("NO_COLOR").as_deref(), std::io::stdout().is_terminal())
}

/// It is a terminal, and `NO_COLOR` is unset or empty (no-color.org).
fn wants_colour(no_color: Option<&OsStr>, terminal: bool) -> bool {
    terminal && no_color.is_none_or(OsStr::is_empty)
}

/// `It was Miss [PER Sherwood] who …`. The brackets say everything that the colours say.
pub fn sentence(words: &[String], spans: &[Span<&str>], colour: bool) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = 0;
    for span in spans {
        parts.extend_from_slice(&words[next..span.start]);
        parts.push(name(span.kind, &words[span.start..span.end], colour));
        next = span.end;
    }
    parts.extend_from_slice(&words[next..]);
    parts.join(" ")
}

/// What was tagged against what is right: empty if they are the same.
pub fn difference(words: &[String], gold: &[Span<&str>], predicted: &[Span<&str>]) -> Vec<String> {
    let plain = |span: &Span<&str>| name(span.kind, &words[span.start..span.end], false);
    let missed = gold.iter().filter(|span| !predicted.contains(span)).map(|span| format!("missed {}", plain(span)));
    let extra = predicted.iter().filter(|span| !gold.contains(span)).map(|span| format!("wrong {}", plain(span)));
    missed.chain(extra).collect()
}

/// The names in a row of tags, by the rules they are scored by.
pub fn spans<'a>(tags: &[&'a str]) -> Vec<Span<&'a str>> {
    scheme::conlleval_spans(tags, Style::Prefix).expect("the demo's tags are IOB2")
}

fn name(kind: &str, words: &[String], colour: bool) -> String {
    let text = format!("[{kind} {}]", words.join(" "));
    if !colour {
        return text;
    }
    let code = match kind {
        "DATE" => 35,
        "LOC" => 32,
        "ORG" => 33,
        "PER" => 36,
        _ => 34,
    };
    format!("\x1b[1;{code}m{text}\x1b[0m")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn colour_is_for_terminals_whose_users_did_not_decline_it() {
        let values = [None, Some(""), Some("1"), Some("0")];
        assert_eq!(values.map(|value| wants_colour(value.map(OsStr::new), true)), [true, true, false, false]);
        assert_eq!(values.map(|value| wants_colour(value.map(OsStr::new), false)), [false; 4]);
    }

    #[test]
    fn names_stand_in_brackets_with_their_type() {
        let tags = ["B-PER", "I-PER", "O", "B-LOC", "O"];
        let words = words("Jo Wells left Wells .");
        assert_eq!(sentence(&words, &spans(&tags), false), "[PER Jo Wells] left [LOC Wells] .");
        let coloured = sentence(&words, &spans(&tags), true);
        assert_eq!(coloured, "\x1b[1;36m[PER Jo Wells]\x1b[0m left \x1b[1;32m[LOC Wells]\x1b[0m .");
        assert_eq!(sentence(&words, &[], true), "Jo Wells left Wells .");
    }

    #[test]
    fn what_is_wrong_is_said() {
        let words = words("Jo Wells left Wells .");
        let gold = spans(&["B-PER", "I-PER", "O", "B-LOC", "O"]);
        let predicted = spans(&["B-PER", "O", "O", "B-LOC", "O"]);
        assert_eq!(difference(&words, &gold, &predicted), ["missed [PER Jo Wells]", "wrong [PER Jo]"]);
        assert_eq!(difference(&words, &gold, &gold), Vec::<String>::new());
    }
}
