//! A tagged sentence as a line of text: every name in brackets before its type, colored if asked for.

use crate::predict::entity::bracketed;
use tagsmith_text::labels::reading::Rules;
use tagsmith_text::labels::scheme::{Span, Style};

/// Returns a line such as `It was Miss [Sherwood PER] who …`.
pub fn sentence(words: &[String], spans: &[Span<&str>], color: bool) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = 0;
    for span in spans {
        parts.extend_from_slice(&words[next..span.start]);
        parts.push(name(span.kind, &words[span.start..span.end], color));
        next = span.end;
    }
    parts.extend_from_slice(&words[next..]);
    parts.join(" ")
}

/// Returns the differences of the predicted names from the gold names; none if they are the same.
pub fn difference(words: &[String], gold: &[Span<&str>], predicted: &[Span<&str>]) -> Vec<String> {
    let plain = |span: &Span<&str>| name(span.kind, &words[span.start..span.end], false);
    let missed = gold.iter().filter(|span| !predicted.contains(span)).map(|span| format!("missed {}", plain(span)));
    let extra = predicted.iter().filter(|span| !gold.contains(span)).map(|span| format!("wrong {}", plain(span)));
    missed.chain(extra).collect()
}

/// Returns the names in a row of tags, by the rules they are scored by.
pub fn spans<'a>(tags: &[&'a str]) -> Vec<Span<&'a str>> {
    Rules::AnyScheme.spans(tags, Style::Prefix)
}

fn name(kind: &str, words: &[String], color: bool) -> String {
    bracketed(&words.join(" "), kind, color)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn names_stand_in_brackets_with_their_type() {
        let tags = ["B-PER", "I-PER", "O", "B-LOC", "O"];
        let words = words("Jo Wells left Wells .");
        assert_eq!(sentence(&words, &spans(&tags), false), "[Jo Wells PER] left [Wells LOC] .");
        let colored = sentence(&words, &spans(&tags), true);
        assert_eq!(colored, "\x1b[1;36m[Jo Wells PER]\x1b[0m left \x1b[1;32m[Wells LOC]\x1b[0m .");
        assert_eq!(sentence(&words, &[], true), "Jo Wells left Wells .");
    }

    #[test]
    fn what_is_wrong_is_said() {
        let words = words("Jo Wells left Wells .");
        let gold = spans(&["B-PER", "I-PER", "O", "B-LOC", "O"]);
        let predicted = spans(&["B-PER", "O", "O", "B-LOC", "O"]);
        assert_eq!(difference(&words, &gold, &predicted), ["missed [Jo Wells PER]", "wrong [Jo PER]"]);
        assert_eq!(difference(&words, &gold, &gold), Vec::<String>::new());
    }
}
