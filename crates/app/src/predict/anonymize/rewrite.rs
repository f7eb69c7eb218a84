//! A text with something else in the place of what was found in it.

use super::found::{self, Found};
use super::operator::Operators;
use crate::error::refusal;
use anyhow::Result;
use serde::Serialize;
use std::cmp::Reverse;
use tagsmith_message::Remedy;
use tagsmith_text::tagged::CodePoints;

/// The most bytes that an anonymized text and its items may take: operators can make much of little.
const BYTES_MAX: usize = 64 << 20;

/// A text without what was found in it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rewritten {
    /// The text.
    pub text: String,
    /// What stands where something was found, from the end of the text to its start.
    pub items: Vec<Item>,
    /// How many results went into others.
    #[serde(skip)]
    pub joined: usize,
}

/// A place in an anonymized text where something was found. Its JSON has the keys of Presidio's, in their order.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Item {
    /// The first code point in the anonymized text.
    pub start: u32,
    /// One past the last code point in the anonymized text.
    pub end: u32,
    /// The type of what was found.
    pub entity_type: String,
    /// What stands there now.
    pub text: String,
    /// The name of the operator that wrote it.
    pub operator: &'static str,
    /// The analyzer's score.
    pub score: f64,
}

/// Rewrites a text as Presidio's anonymizer does. Where results of two types overlap, each is rewritten whole, and one
/// follows the other.
///
/// # Errors
/// A result that ends behind the text; more than 64 MiB to return.
pub fn rewrite(text: &str, found: Vec<Found>, operators: &Operators) -> Result<Rewritten> {
    let given = found.len();
    let letters = CodePoints::new(text);
    let all = text.chars().count();
    found::check(&found, all)?;
    let mut found = found::settled(found, &letters);
    let joined = given - found.len();
    found.sort_by_key(|found| Reverse((found.start, found.end)));
    // Parts of the new text from its end to its start, and the code points in them.
    let (mut parts, mut behind) = (Vec::with_capacity(2 * found.len() + 1), 0);
    let (mut items, mut bytes) = (Vec::with_capacity(found.len()), text.len());
    let mut last = all as u32;
    for Found { start, end, entity_type, score } in found {
        let operator = operators.of(&entity_type);
        let new = operator.apply(letters.slice(start, end), &entity_type);
        // The text itself and the item have it.
        bytes += 2 * new.len() + entity_type.len();
        if bytes > BYTES_MAX {
            let message = format!("the anonymized text and its items take more than {} MiB", BYTES_MAX >> 20);
            return Err(refusal(message, Remedy::to_do("anonymize less at once, or write shorter replacements")));
        }
        let kept = letters.slice(end.min(last), last);
        last = start;
        let length = new.chars().count();
        behind += kept.chars().count() + length;
        parts.push(kept.to_owned());
        parts.push(new.clone());
        // Places count from the end until the length is known.
        items.push(Item {
            start: behind as u32,
            end: length as u32,
            entity_type,
            text: new,
            operator: operator.name(),
            score,
        });
    }
    behind += last as usize;
    parts.push(letters.slice(0, last).to_owned());
    for item in &mut items {
        item.start = behind as u32 - item.start;
        item.end += item.start;
    }
    Ok(Rewritten { text: parts.into_iter().rev().collect(), items, joined })
}
