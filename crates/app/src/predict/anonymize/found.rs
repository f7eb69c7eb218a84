//! What an analyzer found in a text, and what becomes of results that share letters.

use crate::error::refusal;
use anyhow::Result;
use serde_json::Value;
use std::collections::BTreeMap;
use tagsmith_message::{Remedy, quote};
use tagsmith_text::tagged::CodePoints;

/// A place in a text that an analyzer gave a type.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The first code point.
    pub start: u32,
    /// One past the last code point.
    pub end: u32,
    /// The type: `PERSON`.
    pub entity_type: String,
    /// The analyzer's score.
    pub score: f64,
}

impl Found {
    /// Returns a result as Presidio's analyzer writes it, `{"start", "end", "entity_type", "score"}`. More keys may
    /// stand beside these.
    ///
    /// # Errors
    /// A key that is missing or has another value than a result can have; an end before the start.
    pub fn from_json(value: &Value) -> Result<Found> {
        let wrong = |key: &str, needs: &str| {
            let remedy = Remedy::to_do(format!("give `{key}` {needs}"));
            refusal(format!("a result of an analyzer has no `{key}` that can be used"), remedy)
        };
        let place = |key: &str| {
            let number = value.get(key).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok());
            number.ok_or_else(|| wrong(key, "a number of code points"))
        };
        let (start, end) = (place("start")?, place("end")?);
        let entity_type = value.get("entity_type").and_then(Value::as_str).filter(|name| !name.is_empty());
        let entity_type = entity_type.ok_or_else(|| wrong("entity_type", "a name"))?.to_owned();
        let score = value.get("score").and_then(Value::as_f64).ok_or_else(|| wrong("score", "a number"))?;
        if start > end {
            let message = format!("a result of an analyzer starts at {start} and ends at {end}");
            return Err(refusal(message, Remedy::to_do("give the end after the start")));
        }
        Ok(Found { start, end, entity_type, score })
    }

    fn place(&self) -> (u32, u32) {
        (self.start, self.end)
    }

    /// Returns whether both have letters in common. Those that only touch have none.
    fn shares_letters_with(&self, other: &Found) -> bool {
        self.end.min(other.end) > self.start.max(other.start)
    }
}

/// Refuses a result whose end is behind the text's.
///
/// # Errors
/// The first such result.
pub fn check(found: &[Found], letters: usize) -> Result<()> {
    match found.iter().find(|found| found.end as usize > letters) {
        None => Ok(()),
        Some(Found { start, end, entity_type, .. }) => {
            let name = quote(entity_type);
            let message = format!("{name} from {start} to {end} is behind the text, which has {letters} code points");
            Err(refusal(message, Remedy::to_do("count places in code points of this very text")))
        }
    }
}

/// Returns what is left of results that share letters, as Presidio settles it:
///
/// 1. Results of one type that share letters become one, with the higher score.
/// 2. Of results with one place, the one with the highest score stays, among equals the last.
/// 3. A result inside another goes, whatever its score.
/// 4. Results of one type with spaces between them become one, with the last one's score.
///
/// Results of two types may still overlap.
pub fn settled(mut found: Vec<Found>, text: &CodePoints<'_>) -> Vec<Found> {
    found.sort_by_key(Found::place);
    joined_by_spaces(without_inner(merged(found)), text)
}

/// Merges results of one type that share letters. `found` is sorted by place. What is merged has the rank of the last
/// result that went into it: step 4 looks at neighbors.
fn merged(found: Vec<Found>) -> Vec<Found> {
    let mut by_type: BTreeMap<String, Vec<(usize, Found)>> = BTreeMap::new();
    for (rank, next) in found.into_iter().enumerate() {
        let of_type = by_type.entry(next.entity_type.clone()).or_default();
        match of_type.last_mut() {
            Some((last_rank, last)) if last.shares_letters_with(&next) => {
                *last_rank = rank;
                last.end = last.end.max(next.end);
                last.score = last.score.max(next.score);
            }
            _ => of_type.push((rank, next)),
        }
    }
    let mut left: Vec<(usize, Found)> = by_type.into_values().flatten().collect();
    left.sort_by_key(|&(rank, _)| rank);
    left.into_iter().map(|(_, found)| found).collect()
}

/// Removes results that lie in others.
fn without_inner(found: Vec<Found>) -> Vec<Found> {
    let mut order: Vec<usize> = (0..found.len()).collect();
    // A result that may hold others comes before them; among equal places, the one that stays comes first.
    order.sort_by(|&a, &b| {
        let by_score = || found[b].score.total_cmp(&found[a].score).then(b.cmp(&a));
        let key = |at: usize| (found[at].start, u32::MAX - found[at].end);
        key(a).cmp(&key(b)).then_with(by_score)
    });
    let mut stays = vec![false; found.len()];
    let mut farthest = None;
    for at in order {
        let end = found[at].end;
        if farthest.is_none_or(|farthest| end > farthest) {
            stays[at] = true;
            farthest = Some(end);
        }
    }
    found.into_iter().zip(stays).filter_map(|(found, stays)| stays.then_some(found)).collect()
}

/// Joins neighbors of one type that only spaces part.
fn joined_by_spaces(found: Vec<Found>, text: &CodePoints<'_>) -> Vec<Found> {
    let mut left: Vec<Found> = Vec::with_capacity(found.len());
    for mut next in found {
        if let Some(last) = left.last().filter(|last| last.entity_type == next.entity_type) {
            let between = text.slice(last.end, next.start);
            if !between.is_empty() && between.bytes().all(|byte| byte == b' ') {
                next.start = last.start;
                left.pop();
            }
        }
        left.push(next);
    }
    left
}
