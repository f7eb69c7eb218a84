//! Which types of entities are taken for which, and for nothing.

use crate::score::matching::Found;
use std::collections::BTreeMap;

/// The name of the row of invented entities and of the column of missed ones.
pub const NOTHING: &str = "∅";

/// Numbers of entities by gold and predicted type; `None` is [`NOTHING`].
#[derive(Clone, Debug, Default)]
pub struct Confusion {
    cells: BTreeMap<(Option<u32>, Option<u32>), u64>,
}

impl Confusion {
    /// Counts the entities of a sentence.
    pub fn add(&mut self, found: &Found<'_>) {
        let Found { gold, predicted, pairs, .. } = found;
        let matched = pairs.matched.iter().map(|&(at, guess)| (Some(gold[at].kind), Some(predicted[guess].kind)));
        let missed = pairs.missed.iter().map(|&at| (Some(gold[at].kind), None));
        let invented = pairs.invented.iter().map(|&guess| (None, Some(predicted[guess].kind)));
        for cell in matched.chain(missed).chain(invented) {
            *self.cells.entry(cell).or_default() += 1;
        }
    }

    /// Returns the numbers in the order of `kinds`, [`NOTHING`] last: a row for each gold type, a column for each predicted one.
    pub fn rows(&self, kinds: &[u32]) -> Vec<Vec<u64>> {
        let all: Vec<Option<u32>> = kinds.iter().copied().map(Some).chain([None]).collect();
        let cell = |gold, predicted| self.cells.get(&(gold, predicted)).copied().unwrap_or(0);
        all.iter().map(|&gold| all.iter().map(|&predicted| cell(gold, predicted)).collect()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::scheme::Span;

    #[test]
    fn rows_are_gold_and_columns_predicted() {
        let span = |kind, start, end| Span { kind, start, end };
        let gold = [span(5, 0, 2), span(5, 3, 5), span(9, 6, 8)];
        let predicted = [span(5, 0, 2), span(9, 4, 5), span(5, 10, 11), span(5, 12, 13)];
        let mut confusion = Confusion::default();
        confusion.add(&Found::new(&gold, &predicted, 13, 9));
        assert_eq!(confusion.rows(&[5, 9]), [[1, 1, 0], [0, 0, 1], [2, 0, 0]]);
    }
}
