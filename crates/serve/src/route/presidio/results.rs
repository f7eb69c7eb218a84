//! Results as Presidio's analyzer writes them, and which of them stay.

use serde::Serialize;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

/// A result. Its keys are sorted, as Presidio's are.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Found {
    pub analysis_explanation: Option<Explanation>,
    pub end: u32,
    pub entity_type: String,
    pub score: f32,
    pub start: u32,
}

/// Why there is a result.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    pub original_score: f32,
    pub pattern: Option<String>,
    pub pattern_name: Option<String>,
    pub recognizer: String,
    pub score: f32,
    /// What words around a result add to its score: nothing here.
    pub score_context_improvement: f32,
    pub supportive_context_word: &'static str,
    pub textual_explanation: Option<String>,
    pub validation_result: Option<bool>,
}

impl Explanation {
    /// Returns the explanation of a recognizer's result.
    pub fn of(recognizer: &str, score: f32, why: Option<String>) -> Explanation {
        Explanation {
            original_score: score,
            pattern: None,
            pattern_name: None,
            recognizer: recognizer.to_owned(),
            score,
            score_context_improvement: 0.0,
            supportive_context_word: "",
            textual_explanation: why,
            validation_result: None,
        }
    }
}

/// Returns the results that stay, the highest score first, then by place, the longest first. A result that lies in one of its
/// type with no lower score goes, and so does one whose score is 0.
pub fn settled(mut found: Vec<Found>) -> Vec<Found> {
    found.retain(|found| found.score > 0.0);
    found.sort_by(|a, b| {
        let place = |found: &Found| (found.start, Reverse(found.end), found.entity_type.clone());
        b.score.total_cmp(&a.score).then_with(|| place(a).cmp(&place(b)))
    });
    let mut kept: HashMap<String, Outer> = HashMap::new();
    found.retain(|found| kept.entry(found.entity_type.clone()).or_default().admits(found.start, found.end));
    found
}

/// Places of which none lies in another, by their starts. Their ends are in the same order.
#[derive(Default)]
struct Outer(BTreeMap<u32, u32>);

impl Outer {
    /// Returns whether a place lies in none of these, and adds it then.
    fn admits(&mut self, start: u32, end: u32) -> bool {
        if self.0.range(..=start).next_back().is_some_and(|(_, &other)| other >= end) {
            return false;
        }
        let inner: Vec<u32> =
            self.0.range(start..).take_while(|(_, other)| **other <= end).map(|(at, _)| *at).collect();
        inner.iter().for_each(|at| _ = self.0.remove(at));
        self.0.insert(start, end);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(entity_type: &str, score: f32, start: u32, end: u32) -> Found {
        Found { analysis_explanation: None, end, entity_type: entity_type.into(), score, start }
    }

    #[test]
    fn a_result_in_a_better_one_of_its_type_goes() {
        let kept = settled(vec![
            of("A", 0.5, 0, 9),
            of("A", 0.4, 2, 4),
            of("B", 0.4, 2, 4),
            of("A", 0.9, 3, 5),
            of("A", 0.5, 0, 9),
            of("A", 0.0, 20, 30),
        ]);
        assert_eq!(kept, [of("A", 0.9, 3, 5), of("A", 0.5, 0, 9), of("B", 0.4, 2, 4)]);
    }

    proptest! {
        /// The rule as Presidio's `remove_duplicates` states it: each result against all that stay.
        #[test]
        fn each_against_all_gives_the_same(places in prop::collection::vec((0u32..9, 0u32..9, 1u32..4), 0..12)) {
            let all: Vec<Found> = places
                .iter()
                .map(|&(start, length, score)| of(["A", "B"][length as usize % 2], score as f32 / 4.0, start, start + length))
                .collect();
            let mut sorted = all.clone();
            sorted.sort_by(|a, b| {
                b.score.total_cmp(&a.score).then((a.start, Reverse(a.end), &a.entity_type).cmp(&(b.start, Reverse(b.end), &b.entity_type)))
            });
            let mut want: Vec<Found> = Vec::new();
            for found in sorted {
                let holds = |other: &Found| {
                    other.entity_type == found.entity_type && other.start <= found.start && found.end <= other.end
                };
                if !want.iter().any(holds) {
                    want.push(found);
                }
            }
            prop_assert_eq!(settled(all), want);
        }
    }
}
