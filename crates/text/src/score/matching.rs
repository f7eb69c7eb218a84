//! Which predicted entity answers which gold entity, where both need not agree.

use crate::labels::scheme::Span;
use std::cmp::Reverse;

/// The pairs of a sentence's gold and predicted entities, by their places in the two lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pairs {
    /// Gold and predicted entities that belong together, in the order in which they were found.
    pub matched: Vec<(usize, usize)>,
    /// Gold entities that nothing answers, in order.
    pub missed: Vec<usize>,
    /// Predicted entities that answer nothing, in order.
    pub invented: Vec<usize>,
}

/// The gold and predicted entities of one sentence, whose types are numbers, and what belongs together.
#[derive(Clone, Debug)]
pub struct Found<'a> {
    /// The gold entities, in order and without overlaps.
    pub gold: &'a [Span<u32>],
    /// The predicted entities, in order and without overlaps.
    pub predicted: &'a [Span<u32>],
    /// The words of the sentence.
    pub words: usize,
    /// Words whose label is right.
    pub correct_words: usize,
    /// The pairs of both sides.
    pub pairs: Pairs,
    /// Whether each predicted entity equals a gold one.
    pub right: Vec<bool>,
}

impl<'a> Found<'a> {
    /// Pairs the entities of a sentence.
    pub fn new(gold: &'a [Span<u32>], predicted: &'a [Span<u32>], words: usize, correct_words: usize) -> Found<'a> {
        let pairs = pairs(gold, predicted);
        let mut right = vec![false; predicted.len()];
        pairs.matched.iter().for_each(|&(at, guess)| right[guess] = gold[at] == predicted[guess]);
        Found { gold, predicted, words, correct_words, pairs, right }
    }

    /// Returns the predicted entities, each with whether it is right.
    pub fn judged(&self) -> impl Iterator<Item = (&Span<u32>, bool)> {
        self.predicted.iter().zip(self.right.iter().copied())
    }
}

/// How two entities that share a word differ. The order is that of the passes: the best first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Closeness {
    Equal,
    SameWords,
    SameType,
    Overlap,
}

/// Returns the pairs of a sentence. Each entity is in one pair at most.
///
/// Equal entities are paired first, then those of the same words, then those of the same type that overlap, then all others
/// that overlap. Within the last two passes more common words come first, then the earlier gold entity, then the earlier
/// predicted one. So a pair never costs a better one.
pub fn pairs<K: PartialEq>(gold: &[Span<K>], predicted: &[Span<K>]) -> Pairs {
    let mut candidates = Vec::new();
    each_overlap(gold, predicted, |at, guess, words| {
        let (left, right) = (&gold[at], &predicted[guess]);
        let closeness = match (left.start == right.start && left.end == right.end, left.kind == right.kind) {
            (true, true) => Closeness::Equal,
            (true, false) => Closeness::SameWords,
            (false, true) => Closeness::SameType,
            (false, false) => Closeness::Overlap,
        };
        candidates.push((closeness, Reverse(words), at, guess));
    });
    candidates.sort_unstable();
    let (mut answered, mut used) = (vec![false; gold.len()], vec![false; predicted.len()]);
    let mut matched = Vec::new();
    for (_, _, at, guess) in candidates {
        if !answered[at] && !used[guess] {
            (answered[at], used[guess]) = (true, true);
            matched.push((at, guess));
        }
    }
    Pairs { matched, missed: left_over(&answered), invented: left_over(&used) }
}

/// Returns the places that are still free.
pub(super) fn left_over(taken: &[bool]) -> Vec<usize> {
    (0..taken.len()).filter(|&at| !taken[at]).collect()
}

/// Hands every pair of entities with common words to `each`: the places of both, and the number of those words. The work
/// is in proportion to the entities and pairs, as long as the entities of a side do not overlap.
pub(super) fn each_overlap<K>(gold: &[Span<K>], predicted: &[Span<K>], mut each: impl FnMut(usize, usize, usize)) {
    let mut order: Vec<usize> = (0..gold.len()).collect();
    order.sort_by_key(|&at| gold[at].start);
    // The furthest end so far never falls, so the first gold entity that can reach a word is found by halving.
    let mut furthest = 0;
    let reach: Vec<usize> = order
        .iter()
        .map(|&at| {
            furthest = furthest.max(gold[at].end);
            furthest
        })
        .collect();
    for (guess, span) in predicted.iter().enumerate() {
        let first = reach.partition_point(|&end| end <= span.start);
        for &at in order[first..].iter().take_while(|&&at| gold[at].start < span.end) {
            let common = gold[at].end.min(span.end).saturating_sub(gold[at].start.max(span.start));
            if common > 0 {
                each(at, guess, common);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn span(kind: char, start: usize, end: usize) -> Span<char> {
        Span { kind, start, end }
    }

    #[test]
    fn a_better_pair_is_never_lost_to_an_earlier_one() {
        // The example that a single pass gets wrong: the prediction equals the second gold entity.
        let found = pairs(&[span('A', 0, 5), span('B', 4, 6)], &[span('B', 4, 6)]);
        assert_eq!(found, Pairs { matched: vec![(1, 0)], missed: vec![0], invented: vec![] });
        // The same words with another type are closer than an overlap of the same type.
        let found = pairs(&[span('A', 0, 2), span('B', 2, 4)], &[span('B', 0, 2)]);
        assert_eq!(found, Pairs { matched: vec![(0, 0)], missed: vec![1], invented: vec![] });
        // Of overlaps of one type the longer counts.
        let found = pairs(&[span('A', 0, 2), span('A', 2, 6)], &[span('A', 1, 5)]);
        assert_eq!(found, Pairs { matched: vec![(1, 0)], missed: vec![0], invented: vec![] });
        let found = pairs(&[span('A', 0, 2)], &[span('A', 2, 3)]);
        assert_eq!(found, Pairs { matched: vec![], missed: vec![0], invented: vec![0] });
    }

    /// Entities in any order, that may overlap.
    fn entities() -> impl Strategy<Value = Vec<Span<char>>> {
        let one = (prop::sample::select(vec!['A', 'B']), 0usize..12, 1usize..5);
        prop::collection::vec(one.prop_map(|(kind, start, length)| span(kind, start, start + length)), 0..7)
    }

    proptest! {
        /// The passes as they are defined, over all pairs.
        #[test]
        fn pairs_are_those_of_the_definition(gold in entities(), predicted in entities()) {
            let common = |a: &Span<char>, b: &Span<char>| a.end.min(b.end).saturating_sub(a.start.max(b.start));
            let same_words = |a: &Span<char>, b: &Span<char>| (a.start, a.end) == (b.start, b.end);
            type Pass<'a> = &'a dyn Fn(&Span<char>, &Span<char>) -> bool;
            let passes: [Pass<'_>; 4] = [
                &|a, b| a == b,
                &|a, b| same_words(a, b),
                &|a, b| common(a, b) > 0 && a.kind == b.kind,
                &|a, b| common(a, b) > 0,
            ];
            let (mut matched, mut used) = (Vec::new(), (vec![false; gold.len()], vec![false; predicted.len()]));
            for pass in passes {
                for words in (1..20).rev() {
                    for (at, a) in gold.iter().enumerate() {
                        for (guess, b) in predicted.iter().enumerate() {
                            if pass(a, b) && common(a, b) == words && !used.0[at] && !used.1[guess] {
                                (used.0[at], used.1[guess]) = (true, true);
                                matched.push((at, guess));
                            }
                        }
                    }
                }
            }
            prop_assert_eq!(pairs(&gold, &predicted).matched, matched);
        }
    }
}
