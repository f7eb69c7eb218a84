//! Tagged documents become anonymized ones, and what was done is counted.

use super::found::Found;
use super::label_map::LabelMap;
use super::operator::{Operator, Operators};
use super::rewrite::{Rewritten, rewrite};
use anyhow::Result;
use std::collections::BTreeMap;
use tagsmith_message::{Note, Wording, counted};
use tagsmith_text::tagged::{Mention, Tagged};

/// A choice what becomes of a model's entities.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Anonymizer {
    /// What is done to entities of each type.
    pub operators: Operators,
    /// The types of the model's labels.
    pub label_map: LabelMap,
    /// The lowest score of an entity that is anonymized; without it, all are.
    pub score_threshold: Option<f32>,
}

/// Counts of what was done to entities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Entities in whose place something else stands, by type.
    pub changed: BTreeMap<String, usize>,
    /// Entities that the operator `keep` left, by type.
    pub kept: BTreeMap<String, usize>,
    /// Entities whose score is too low.
    pub below: usize,
    /// Entities that went into others.
    pub joined: usize,
    /// Entities whose hash has a salt that nobody knows.
    pub salted: usize,
}

impl Anonymizer {
    /// Anonymizes a document, and counts what was done.
    ///
    /// # Errors
    /// An anonymized text that is too long to be held; see [`rewrite`].
    pub fn anonymize(&self, tagged: &Tagged, counts: &mut Counts) -> Result<Rewritten> {
        let found: Vec<Found> =
            tagged.entities.iter().filter(|entity| self.takes(entity)).map(|entity| self.found(entity)).collect();
        counts.below += tagged.entities.len() - found.len();
        let rewritten = rewrite(&tagged.text, found, &self.operators)?;
        counts.joined += rewritten.joined;
        for item in &rewritten.items {
            let operator = self.operators.of(&item.entity_type);
            let of_kind = if *operator == Operator::Keep { &mut counts.kept } else { &mut counts.changed };
            *of_kind.entry(item.entity_type.clone()).or_default() += 1;
            counts.salted += usize::from(operator.draws_salts());
        }
        Ok(rewritten)
    }

    fn takes(&self, entity: &Mention) -> bool {
        self.score_threshold.is_none_or(|least| entity.score >= least)
    }

    fn found(&self, entity: &Mention) -> Found {
        let entity_type = self.label_map.of(&entity.label).to_owned();
        Found { start: entity.start, end: entity.end, entity_type, score: entity.score.into() }
    }
}

impl Counts {
    /// Returns what was done, a sentence each.
    pub fn notes(&self) -> Vec<Note> {
        let counted_by_type = |what: &'static str, by_type: &BTreeMap<String, usize>| {
            let count = by_type.values().sum();
            let types: Vec<String> = by_type.iter().map(|(name, count)| format!("{count} {name}")).collect();
            let types = if types.is_empty() { String::new() } else { format!(": {}", types.join(", ")) };
            Note::once(Wording::new(what, &[&counted(count, "entity"), &types]).of(count))
        };
        let counted = |what: &'static str, count: usize| {
            let note = Note::once(Wording::new(what, &[&counted(count, "entity")]).of(count));
            (count > 0).then_some(note)
        };
        let below = "{} {scores|score} below the threshold and {stays|stay} in the text";
        let joined = "{} {lies in another or was|lie in others or were} joined with {its neighbor|their neighbors}";
        let salted = "{} {has a hash|have hashes} with a random salt, so that equal texts have different hashes";
        [
            Some(counted_by_type("{} {is|are} anonymized{}", &self.changed)),
            (!self.kept.is_empty()).then(|| counted_by_type("{} {is|are} kept by `keep`{}", &self.kept)),
            counted(below, self.below).map(Note::important),
            counted(joined, self.joined),
            counted(salted, self.salted),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}
