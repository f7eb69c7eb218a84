//! Recognizers that a request brings: expressions and words, searched in its texts.

use super::results::{Explanation, Found};
use crate::json::Fields;
use crate::refusal::{Kind, Refusal};
use fancy_regex::{Regex, RegexBuilder, escape};
use serde_json::Value;
use std::collections::HashSet;
use std::time::Instant;
use tagsmith_text::tagged::CodePoints;

/// Expressions of a request, at most.
const PATTERNS_MAX: usize = 64;

/// Bytes of an expression, at most; words that are looked for are one.
const PATTERN_BYTES_MAX: usize = 64 << 10;

/// Bytes that a compiled expression takes, at most.
const COMPILED_BYTES_MAX: usize = 1 << 20;

/// Steps back that the search for one match makes, at most.
const STEPS_MAX: usize = 100_000;

/// The flags that Presidio sets: letters of either case (2), lines (8), and dots that match the ends of lines (16).
const FLAGS: u64 = 26;

/// A recognizer of a request.
pub struct Recognizer {
    /// The type of its results.
    pub entity: String,
    name: String,
    patterns: Vec<Pattern>,
}

struct Pattern {
    name: String,
    text: String,
    regex: Regex,
    score: f32,
    place: String,
}

/// Takes the recognizers of a request. Returns whether one has words of a context, which have no effect here.
///
/// # Errors
/// A recognizer that Presidio would refuse; an expression that cannot be read; too many or too large ones.
pub fn take(fields: &mut Fields) -> Result<(Vec<Recognizer>, bool), Refusal> {
    let Some(given) = fields.take("ad_hoc_recognizers") else { return Ok((Vec::new(), false)) };
    let Value::Array(items) = given else { return Err(fields.wrong("ad_hoc_recognizers", "a list of recognizers")) };
    let (mut has_context, mut count) = (false, 0);
    let one = |(number, item): (usize, Value)| {
        let place = format!("ad_hoc_recognizers[{number}]");
        let mut fields = Fields::of(item, &place)?;
        has_context |= fields.take("context").is_some();
        let recognizer = Recognizer::take(&mut fields, &place)?;
        fields.end()?;
        count += recognizer.patterns.len();
        match count > PATTERNS_MAX {
            true => Err(Refusal::new(Kind::TooLarge, format!("the request has more than {PATTERNS_MAX} expressions"))),
            false => Ok(recognizer),
        }
    };
    let recognizers = items.into_iter().enumerate().map(one).collect::<Result<_, Refusal>>()?;
    Ok((recognizers, has_context))
}

impl Recognizer {
    fn take(fields: &mut Fields, place: &str) -> Result<Recognizer, Refusal> {
        let entity = fields.text("supported_entity")?.filter(|name| !name.is_empty());
        let entity = entity.ok_or_else(|| fields.wrong("supported_entity", "a name"))?;
        let name = fields.text("name")?.unwrap_or_else(|| "PatternRecognizer".into());
        fields.text("supported_language")?;
        fields.text("version")?;
        let flags = fields.count("global_regex_flags")?.map_or(FLAGS, |flags| flags as u64);
        let mut patterns = Vec::new();
        if let Some(given) = fields.take("patterns") {
            let Value::Array(items) = given else { return Err(fields.wrong("patterns", "a list of expressions")) };
            for (number, item) in items.into_iter().enumerate() {
                let place = format!("{place}.patterns[{number}]");
                let mut fields = Fields::of(item, &place)?;
                let text = fields.text("regex")?.ok_or_else(|| fields.wrong("regex", "an expression"))?;
                let name = fields.text("name")?.unwrap_or_default();
                let score = score(&mut fields, "score")?.ok_or_else(|| fields.wrong("score", "there"))?;
                fields.end()?;
                patterns.push(Pattern { name, regex: compiled(&text, flags, &place)?, text, score, place });
            }
        }
        let words = fields.texts("deny_list")?.unwrap_or_default();
        let of_words = score(fields, "deny_list_score")?.unwrap_or(1.0);
        if !words.is_empty() {
            let place = format!("{place}.deny_list");
            let words: Vec<_> = words.iter().map(|word| escape(word)).collect();
            let text = format!(r"(?:^|(?<=\W))({})(?:(?=\W)|$)", words.join("|"));
            let regex = compiled(&text, flags, &place)?;
            patterns.push(Pattern { name: "deny_list".into(), text, regex, score: of_words, place });
        }
        match patterns.is_empty() {
            true => Err(Refusal::validation(format!("`{place}` has neither `patterns` nor a `deny_list`"))),
            false => Ok(Recognizer { entity, name, patterns }),
        }
    }

    /// Adds what the expressions match in a text. What is empty is not a result.
    ///
    /// # Errors
    /// A search that takes too many steps, or longer than the request waits.
    pub fn search(&self, text: &str, deadline: Instant, found: &mut Vec<Found>) -> Result<(), Refusal> {
        for pattern in &self.patterns {
            let mut places = Places::new(text);
            for matched in pattern.regex.find_iter(text) {
                let matched = matched.map_err(|_| too_long(&pattern.place))?;
                if Instant::now() > deadline {
                    return Err(late());
                }
                if matched.start() == matched.end() {
                    continue;
                }
                let why = format!("Detected by `{}` using pattern `{}`", self.name, pattern.name);
                let mut explanation = Explanation::of(&self.name, pattern.score, Some(why));
                explanation.pattern = Some(pattern.text.clone());
                explanation.pattern_name = Some(pattern.name.clone());
                found.push(Found {
                    analysis_explanation: Some(explanation),
                    start: places.of(matched.start()),
                    end: places.of(matched.end()),
                    entity_type: self.entity.clone(),
                    score: pattern.score,
                });
            }
        }
        Ok(())
    }
}

/// Texts that are allowed to stay, whatever they were found to be.
pub enum Allowed {
    /// These texts.
    Exact(HashSet<String>),
    /// Texts in which the expression matches.
    Matching(Box<Regex>),
}

impl Allowed {
    /// Takes the allowed texts of a request.
    ///
    /// # Errors
    /// An expression that cannot be read, or a way to match that does not exist.
    pub fn take(fields: &mut Fields) -> Result<Allowed, Refusal> {
        let texts = fields.texts("allow_list")?.unwrap_or_default();
        let flags = fields.count("regex_flags")?.map_or(FLAGS, |flags| flags as u64);
        let way = fields.choice(
            "allow_list_match",
            |name| ["exact", "regex"].iter().position(|it| *it == name),
            &["exact", "regex"],
        )?;
        match way {
            Some(1) if !texts.is_empty() => {
                Ok(Allowed::Matching(Box::new(compiled(&texts.join("|"), flags, "allow_list")?)))
            }
            _ => Ok(Allowed::Exact(texts.into_iter().collect())),
        }
    }

    /// Removes results whose text is allowed.
    ///
    /// # Errors
    /// A search that takes too many steps, or longer than the request waits.
    pub fn retain(&self, text: &str, found: &mut Vec<Found>, deadline: Instant) -> Result<(), Refusal> {
        let letters = CodePoints::new(text);
        let mut refusal = None;
        found.retain(|found| {
            let word = letters.slice(found.start, found.end);
            match self {
                Allowed::Exact(texts) => !texts.contains(word),
                Allowed::Matching(regex) => {
                    if Instant::now() > deadline {
                        refusal = Some(late());
                    }
                    !regex.is_match(word).unwrap_or_else(|_| {
                        refusal = Some(too_long("allow_list"));
                        false
                    })
                }
            }
        });
        refusal.map_or(Ok(()), Err)
    }
}

/// Places in a text, from bytes to code points, asked in rising order.
struct Places<'t> {
    text: &'t str,
    byte: usize,
    letter: u32,
}

impl Places<'_> {
    fn new(text: &str) -> Places<'_> {
        Places { text, byte: 0, letter: 0 }
    }

    fn of(&mut self, byte: usize) -> u32 {
        self.letter += self.text[self.byte..byte].chars().count() as u32;
        self.byte = byte;
        self.letter
    }
}

fn score(fields: &mut Fields, key: &'static str) -> Result<Option<f32>, Refusal> {
    let Some(given) = fields.take(key) else { return Ok(None) };
    let number = given.as_f64().filter(|number| (0.0..=1.0).contains(number));
    number.map(|number| Some(number as f32)).ok_or_else(|| fields.wrong(key, "a number from 0 to 1"))
}

/// Compiles an expression with flags of Python's module `regex`.
fn compiled(text: &str, flags: u64, place: &str) -> Result<Regex, Refusal> {
    const LETTERS: [(u64, char); 4] = [(2, 'i'), (8, 'm'), (16, 's'), (64, 'x')];
    // Expressions of texts are of Unicode in any case.
    const UNICODE: u64 = 32;
    if text.len() > PATTERN_BYTES_MAX {
        let message = format!("`{place}` is longer than {PATTERN_BYTES_MAX} bytes");
        return Err(Refusal::new(Kind::TooLarge, message));
    }
    let known = LETTERS.iter().fold(UNICODE, |known, (flag, _)| known | flag);
    if flags & !known != 0 {
        return Err(Refusal::validation(format!("`{place}`: of Python's flags, 2, 8, 16, 32 and 64 are understood")));
    }
    let letters: String = LETTERS.iter().filter(|(flag, _)| flags & flag != 0).map(|(_, letter)| letter).collect();
    let text = if letters.is_empty() { text.to_owned() } else { format!("(?{letters}){text}") };
    let built = RegexBuilder::new(&text).backtrack_limit(STEPS_MAX).delegate_size_limit(COMPILED_BYTES_MAX).build();
    built.map_err(|_| Refusal::validation(format!("`{place}` is not an expression that can be read")))
}

fn too_long(place: &str) -> Refusal {
    Refusal::validation(format!("`{place}` steps back too often in a text: write it without nested repetitions"))
}

fn late() -> Refusal {
    Refusal::new(Kind::Deadline, "the request's expressions took longer than it waits")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::time::Duration;

    fn search(recognizer: &Value, text: &str) -> Result<Vec<(String, f32)>, Refusal> {
        let mut fields = Fields::of(json!({ "ad_hoc_recognizers": [recognizer] }), "")?;
        let (recognizers, _) = take(&mut fields)?;
        let mut found = Vec::new();
        recognizers[0].search(text, Instant::now() + Duration::from_secs(5), &mut found)?;
        let letters = CodePoints::new(text);
        Ok(found.iter().map(|it| (letters.slice(it.start, it.end).to_owned(), it.score)).collect())
    }

    /// The example of Presidio's API description.
    #[test]
    fn expressions_and_words_are_found() {
        let zip = json!({
            "name": "Zip code Recognizer", "supported_language": "en", "supported_entity": "ZIP",
            "patterns": [{"name": "zip code (weak)", "regex": "(\\b\\d{5}(?:\\-\\d{4})?\\b)", "score": 0.01}],
        });
        let found = search(&zip, "🎉 zip 90210, zip 90210-1234").unwrap();
        assert_eq!(found, [("90210".to_owned(), 0.01), ("90210-1234".to_owned(), 0.01)]);
        let titles = json!({ "supported_entity": "TITLE", "deny_list": ["Mr.", "Dr."] });
        assert_eq!(search(&titles, "mr. X, Dr. Y, Drx").unwrap(), [("mr.".to_owned(), 1.0), ("Dr.".to_owned(), 1.0)]);
    }

    #[test]
    fn what_cannot_be_searched_is_refused() {
        let with =
            |regex: &str| json!({ "supported_entity": "X", "patterns": [{"name": "x", "regex": regex, "score": 1}] });
        // A group that is referred to is searched step by step.
        let deep = search(&with(r"^(?:(a+)\1?)+$"), &("a".repeat(40) + "b"));
        assert!(deep.is_err_and(|refusal| refusal.message.contains("steps back too often")));
        for bad in [with("("), json!({"supported_entity": "X"}), json!({"deny_list": ["x"]})] {
            assert_eq!(search(&bad, "x").err().map(|refusal| refusal.kind), Some(Kind::Validation), "{bad}");
        }
        let score = json!({ "supported_entity": "X", "patterns": [{"name": "x", "regex": "x", "score": 2}] });
        assert!(search(&score, "x").is_err());
    }
}
