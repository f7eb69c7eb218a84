//! How many mentions each type has, and how sure a figure of it can be.

use super::corpus::Sight;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The mentions of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    /// The type.
    pub name: String,
    /// Mentions in the data to learn from.
    pub learned: u64,
    /// Mentions in the other data.
    pub other: u64,
}

impl Class {
    /// Returns half the width of the 95 % interval that a recall of one half has where it is measured on `mentions`. One half is the
    /// widest case.
    pub fn margin(mentions: u64) -> Option<f64> {
        (mentions > 0).then(|| (1.96 * 0.5 / (mentions as f64).sqrt()).min(0.5))
    }

    /// Returns the class as JSON.
    pub fn json(&self) -> Value {
        json!({
            "type": self.name, "learned": self.learned, "other": self.other,
            "margin_learned": Class::margin(self.learned), "margin_other": Class::margin(self.other),
        })
    }
}

/// Counts of mentions.
#[derive(Default)]
pub struct Classes(BTreeMap<String, [u64; 2]>);

impl Classes {
    /// Counts the mentions of a sentence.
    pub fn see(&mut self, sight: &Sight<'_>) {
        for span in &sight.spans {
            let side = usize::from(sight.file.is_other);
            match self.0.get_mut(span.kind) {
                Some(counts) => counts[side] += 1,
                None => self.0.entry(span.kind.to_owned()).or_default()[side] += 1,
            }
        }
    }

    /// Returns the types in the order of their names.
    pub fn finish(self) -> Vec<Class> {
        self.0.into_iter().map(|(name, [learned, other])| Class { name, learned, other }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_percent_need_the_mentions_that_they_need() {
        let near = |mentions: u64, want: f64| (Class::margin(mentions).expect("a margin") - want).abs() < 1e-5;
        // (1.96 / 0.02)² / 4 = 2401
        assert!(near(2401, 0.02) && near(100, 0.098) && near(1, 0.5));
        assert_eq!(Class::margin(0), None);
    }
}
