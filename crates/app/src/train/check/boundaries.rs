//! Quarrels about where entities begin and end: `the EU` here, `EU` there.

use super::corpus::Sight;
use super::finding::{Findings, Kind};
use super::mentions::Mentions;
use std::collections::HashMap;
use tagsmith_message::counted;
use tagsmith_text::labels::scheme::Span;

/// Words that are a part of a name to some, and not to others.
const ARTICLES: [&str; 8] = ["the", "The", "a", "A", "an", "An", "THE", "this"];
/// Ends of the possessive, as tokenizers leave them.
const POSSESSIVES: [&str; 4] = ["'s", "’s", "'", "’"];

/// Returns the inner words of an entity, if the first or the last is one that others leave out.
fn core(words: &[String]) -> Option<&[String]> {
    let mut inner = words;
    let is_edge = |word: &String| word.chars().all(|letter| !letter.is_alphanumeric());
    while let [first, rest @ ..] = inner
        && (ARTICLES.contains(&first.as_str()) || is_edge(first))
        && !rest.is_empty()
    {
        inner = rest;
    }
    while let [rest @ .., last] = inner
        && (POSSESSIVES.contains(&last.as_str()) || is_edge(last))
        && !rest.is_empty()
    {
        inner = rest;
    }
    (inner.len() < words.len()).then_some(inner)
}

/// Returns whether brackets or quotation marks are in pairs, so that they may be a part of the name.
fn is_paired(words: &[String]) -> bool {
    let count =
        |marks: &[char]| words.iter().flat_map(|word| word.chars()).filter(|letter| marks.contains(letter)).count();
    count(&['(']) == count(&[')']) && count(&['[']) == count(&[']']) && count(&['"']).is_multiple_of(2)
}

/// Findings about edges.
pub struct Boundaries<'m> {
    mentions: &'m Mentions,
    findings: Findings,
    /// What was said of a mention, which is the same everywhere.
    known: HashMap<String, Option<String>>,
}

impl<'m> Boundaries<'m> {
    /// Returns no findings yet; `mentions` are those of all data.
    pub fn new(mentions: &'m Mentions) -> Boundaries<'m> {
        Boundaries { mentions, findings: Findings::new(Kind::Boundary), known: HashMap::new() }
    }

    /// Looks at a sentence.
    pub fn see(&mut self, sight: &Sight<'_>) {
        for span in &sight.spans {
            let words = &sight.sentence.words[span.start..span.end];
            let Some(inner) = core(words) else { continue };
            let mention = sight.mention(span);
            let mentions = self.mentions;
            let what = self.known.entry(mention).or_insert_with_key(|mention| {
                let (with, without) = (mentions.count(mention), mentions.count(&inner.join(" ")));
                let edge = if without > 0 {
                    format!(
                        "`{}` is an entity {}, with the edge {}",
                        inner.join(" "),
                        counted(without as usize, "time"),
                        counted(with as usize, "time")
                    )
                } else if !is_paired(words) {
                    "one bracket or quotation mark of two".to_owned()
                } else if ends_in_punctuation(words) {
                    "the entity ends in punctuation".to_owned()
                } else {
                    return None;
                };
                Some(edge)
            });
            if let Some(what) = what {
                let Span { start, end, .. } = *span;
                self.findings.add(|| sight.finding(start..end, what.clone()));
            }
        }
    }

    /// Returns the findings.
    pub fn finish(self) -> Findings {
        self.findings
    }
}

/// Returns whether the last word is a comma, a colon or the like. A full stop may belong to an abbreviation.
fn ends_in_punctuation(words: &[String]) -> bool {
    words.len() > 1 && words.last().is_some_and(|word| [",", ";", ":", "-", "–", "—"].contains(&word.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_that_others_leave_out_are_found() {
        let words = |text: &str| -> Vec<String> { text.split(' ').map(str::to_owned).collect() };
        let inner = |text: &str| core(&words(text)).map(|inner| inner.join(" "));
        assert_eq!(inner("the EU"), Some("EU".into()));
        assert_eq!(inner("( EU )"), Some("EU".into()));
        assert_eq!(inner("London 's"), Some("London".into()));
        assert_eq!(inner("The Hague ,"), Some("Hague".into()));
        assert_eq!((inner("New York"), inner("The"), inner("'s")), (None, None, None));
        assert!(is_paired(&words("Acme ( UK )")) && !is_paired(&words("Acme ( UK")));
    }
}
