//! Mentions that the training data had, and mentions that are new.

use crate::labels::reading::Rules;
use crate::labels::scheme::{Span, Style};
use crate::score::Count;
use crate::score::matching::Found;
use std::collections::{BTreeSet, HashMap};

/// What training had of a mention. Words are compared as they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acquaintance {
    /// Words that were an entity of this type.
    Seen,
    /// Words that were an entity, and never of this type.
    OtherType,
    /// Words that were never an entity.
    Unseen,
}

impl Acquaintance {
    /// All variants, in their order.
    pub const ALL: [Acquaintance; 3] = [Acquaintance::Seen, Acquaintance::OtherType, Acquaintance::Unseen];

    /// Returns the name, which is the key in JSON too.
    pub fn name(self) -> &'static str {
        match self {
            Acquaintance::Seen => "seen",
            Acquaintance::OtherType => "other_type",
            Acquaintance::Unseen => "unseen",
        }
    }
}

/// The mentions of the training data: their words, and the types that they had.
#[derive(Clone, Debug, Default)]
pub struct Known {
    mentions: HashMap<String, BTreeSet<String>>,
}

impl Known {
    /// Takes in the entities of a training sentence.
    pub fn learn<S: AsRef<str>>(&mut self, words: &[String], labels: &[S], (rules, style): (Rules, Style)) {
        let labels: Vec<&str> = labels.iter().map(AsRef::as_ref).collect();
        for span in rules.spans(&labels, style) {
            // By the conlleval rules an odd letter can end an entity of an earlier sentence.
            let Some(words) = words.get(span.start..span.end) else { continue };
            self.mentions.entry(key(words)).or_default().insert(span.kind.to_owned());
        }
    }

    /// Returns the number of different mentions.
    pub fn len(&self) -> usize {
        self.mentions.len()
    }

    /// Returns whether there is no mention.
    pub fn is_empty(&self) -> bool {
        self.mentions.is_empty()
    }

    /// Returns what training had of a mention.
    pub fn of(&self, words: &[String], kind: &str) -> Acquaintance {
        match self.mentions.get(&key(words)) {
            Some(kinds) if kinds.contains(kind) => Acquaintance::Seen,
            Some(_) => Acquaintance::OtherType,
            None => Acquaintance::Unseen,
        }
    }
}

/// Returns the words as one text. No reader leaves a zero byte between words in a word.
fn key(words: &[String]) -> String {
    words.join("\0")
}

/// Counts of entities by what training had of them, in the order of [`Acquaintance::ALL`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SeenCounts([Count; 3]);

impl SeenCounts {
    /// Counts the entities of a sentence, whose types are places in `kinds`. A right entity is equally known on both sides.
    pub fn add(&mut self, known: &Known, words: &[String], kinds: &[String], found: &Found<'_>) {
        let of = |span: &Span<u32>| {
            let words = words.get(span.start..span.end).unwrap_or_default();
            known.of(words, &kinds[span.kind as usize]) as usize
        };
        found.gold.iter().for_each(|span| self.0[of(span)].gold += 1);
        for (span, right) in found.judged() {
            let count = &mut self.0[of(span)];
            count.predicted += 1;
            count.correct += u64::from(right);
        }
    }

    /// Returns the count of one group.
    pub fn of(&self, group: Acquaintance) -> Count {
        self.0[group as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mention_is_known_by_its_words_and_type() {
        let words = |text: &str| -> Vec<String> { text.split(' ').map(str::to_owned).collect() };
        let mut known = Known::default();
        let reading = (Rules::Conlleval, Style::Prefix);
        known.learn(&words("Jo saw New York"), &["B-PER", "O", "B-LOC", "I-LOC"], reading);
        known.learn(&words("Jo"), &["B-ORG"], reading);
        assert_eq!((known.len(), known.is_empty()), (2, false));
        for (mention, kind, want) in [
            ("Jo", "PER", Acquaintance::Seen),
            ("Jo", "ORG", Acquaintance::Seen),
            ("Jo", "LOC", Acquaintance::OtherType),
            ("jo", "PER", Acquaintance::Unseen),
            ("York", "LOC", Acquaintance::Unseen),
            ("New York", "LOC", Acquaintance::Seen),
        ] {
            assert_eq!(known.of(&words(mention), kind), want, "{mention} {kind}");
        }
        let kinds = ["PER", "LOC"].map(String::from);
        let span = |kind, start, end| Span { kind, start, end };
        let mut counts = SeenCounts::default();
        // `Jo` is found, `Bern` is missed, `New` is invented.
        let gold = [span(0, 0, 1), span(1, 2, 3)];
        let predicted = [span(0, 0, 1), span(1, 3, 4)];
        counts.add(&known, &words("Jo in Bern New"), &kinds, &Found::new(&gold, &predicted, 4, 2));
        assert_eq!(counts.of(Acquaintance::Seen), Count { correct: 1, predicted: 1, gold: 1 });
        assert_eq!(counts.of(Acquaintance::OtherType), Count::default());
        assert_eq!(counts.of(Acquaintance::Unseen), Count { correct: 0, predicted: 1, gold: 1 });
    }
}
