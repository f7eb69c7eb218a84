//! Counts by the words of an entity, and by the words of a sentence.

use crate::labels::scheme::Span;
use crate::score::Count;
use crate::score::matching::Found;

/// The longest entity of each group; longer ones are the last group.
pub const ENTITY_WORDS: [usize; 4] = [1, 2, 3, 4];

/// The longest sentence of each group; longer ones are the last group.
pub const SENTENCE_WORDS: [usize; 5] = [10, 20, 30, 40, 60];

/// Counts of entities by length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lengths {
    /// Counts by the words of an entity. A right entity is as long on both sides.
    pub entities: [Count; ENTITY_WORDS.len() + 1],
    /// Counts by the words of the sentence.
    pub sentences: [Count; SENTENCE_WORDS.len() + 1],
    /// Sentences of each group.
    pub of_length: [u64; SENTENCE_WORDS.len() + 1],
}

impl Lengths {
    /// Counts the entities of a sentence.
    pub fn add(&mut self, found: &Found<'_>) {
        let sentence = group(&SENTENCE_WORDS, found.words);
        self.of_length[sentence] += 1;
        let entity = |span: &Span<u32>| group(&ENTITY_WORDS, span.words());
        for span in found.gold {
            self.entities[entity(span)].gold += 1;
            self.sentences[sentence].gold += 1;
        }
        for (span, right) in found.judged() {
            for count in [&mut self.entities[entity(span)], &mut self.sentences[sentence]] {
                count.predicted += 1;
                count.correct += u64::from(right);
            }
        }
    }
}

/// Returns the group of a length: the first whose bound it does not exceed, or the one after the last bound.
fn group(bounds: &[usize], length: usize) -> usize {
    bounds.partition_point(|&bound| bound < length)
}

/// Returns the names of the groups: `1`, `2`, …, or `1–10`, `11–20`, …, and a last one such as `61+`.
pub fn names(bounds: &[usize]) -> Vec<String> {
    let mut from = 1;
    let mut names: Vec<String> = bounds
        .iter()
        .map(|&to| {
            let name = if from == to { to.to_string() } else { format!("{from}–{to}") };
            from = to + 1;
            name
        })
        .collect();
    names.push(format!("{from}+"));
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_their_groups() {
        assert_eq!(names(&ENTITY_WORDS), ["1", "2", "3", "4", "5+"]);
        assert_eq!(names(&SENTENCE_WORDS), ["1–10", "11–20", "21–30", "31–40", "41–60", "61+"]);
        assert_eq!([1, 4, 5, 99].map(|length| group(&ENTITY_WORDS, length)), [0, 3, 4, 4]);
        assert_eq!([0, 10, 11, 60, 61].map(|length| group(&SENTENCE_WORDS, length)), [0, 0, 1, 4, 5]);
        let span = |kind, start, end| Span { kind, start, end };
        let mut lengths = Lengths::default();
        let (gold, predicted) = ([span(0, 0, 1), span(0, 2, 9)], [span(0, 2, 9), span(0, 10, 12)]);
        lengths.add(&Found::new(&gold, &predicted, 12, 9));
        assert_eq!(lengths.entities[0], Count { correct: 0, predicted: 0, gold: 1 });
        assert_eq!(lengths.entities[1], Count { correct: 0, predicted: 1, gold: 0 });
        assert_eq!(lengths.entities[4], Count { correct: 1, predicted: 1, gold: 1 });
        assert_eq!((lengths.sentences[1], lengths.of_length[1]), (Count { correct: 1, predicted: 2, gold: 2 }, 1));
    }
}
