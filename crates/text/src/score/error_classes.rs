//! What is wrong with an entity: its type, its borders, both, or that it is there at all.

use crate::labels::scheme::Span;
use crate::score::matching::Found;

/// What became of an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErrorClass {
    /// The entity was found as it is.
    Right,
    /// The words are right, the type is another.
    Type,
    /// The type is right, and the entity begins at another word.
    LeftBoundary,
    /// The type is right, and the entity ends at another word.
    RightBoundary,
    /// The type is right, and both ends lie elsewhere.
    BothBoundaries,
    /// The type is another, and so is at least one of the ends.
    TypeAndBoundary,
    /// Nothing was found in the place of a gold entity.
    Missed,
    /// An entity was found where the gold has none.
    Invented,
}

impl ErrorClass {
    /// All classes, in the order of the variants.
    pub const ALL: [ErrorClass; 8] = [
        ErrorClass::Right,
        ErrorClass::Type,
        ErrorClass::LeftBoundary,
        ErrorClass::RightBoundary,
        ErrorClass::BothBoundaries,
        ErrorClass::TypeAndBoundary,
        ErrorClass::Missed,
        ErrorClass::Invented,
    ];

    /// Returns the class of a gold entity and the predicted one that answers it.
    pub fn of<K: PartialEq>(gold: &Span<K>, predicted: &Span<K>) -> ErrorClass {
        let (start, end) = (gold.start == predicted.start, gold.end == predicted.end);
        match (gold.kind == predicted.kind, start, end) {
            (true, true, true) => ErrorClass::Right,
            (false, true, true) => ErrorClass::Type,
            (true, false, true) => ErrorClass::LeftBoundary,
            (true, true, false) => ErrorClass::RightBoundary,
            (true, false, false) => ErrorClass::BothBoundaries,
            (false, ..) => ErrorClass::TypeAndBoundary,
        }
    }

    /// Returns the class's key in JSON.
    pub fn key(self) -> &'static str {
        match self {
            ErrorClass::Right => "right",
            ErrorClass::Type => "type",
            ErrorClass::LeftBoundary => "left_boundary",
            ErrorClass::RightBoundary => "right_boundary",
            ErrorClass::BothBoundaries => "both_boundaries",
            ErrorClass::TypeAndBoundary => "type_and_boundary",
            ErrorClass::Missed => "missed",
            ErrorClass::Invented => "invented",
        }
    }

    /// Returns the class's name in a column of a table.
    pub fn title(self) -> &'static str {
        match self {
            ErrorClass::Right => "right",
            ErrorClass::Type => "type",
            ErrorClass::LeftBoundary => "begin",
            ErrorClass::RightBoundary => "end",
            ErrorClass::BothBoundaries => "both",
            ErrorClass::TypeAndBoundary => "type+ends",
            ErrorClass::Missed => "missed",
            ErrorClass::Invented => "invented",
        }
    }
}

/// How many entities have each class, in the order of [`ErrorClass::ALL`].
pub type ClassCounts = [u64; 8];

/// Entities of each type by class. An invented entity counts for the predicted type, every other one for the gold type.
#[derive(Clone, Debug, Default)]
pub struct ErrorClasses {
    kinds: Vec<ClassCounts>,
}

impl ErrorClasses {
    /// Counts the entities of a sentence.
    pub fn add(&mut self, found: &Found<'_>) {
        let Found { gold, predicted, pairs, .. } = found;
        let matched =
            pairs.matched.iter().map(|&(at, guess)| (gold[at].kind, ErrorClass::of(&gold[at], &predicted[guess])));
        let missed = pairs.missed.iter().map(|&at| (gold[at].kind, ErrorClass::Missed));
        let invented = pairs.invented.iter().map(|&guess| (predicted[guess].kind, ErrorClass::Invented));
        for (kind, class) in matched.chain(missed).chain(invented) {
            let kind = kind as usize;
            if self.kinds.len() <= kind {
                self.kinds.resize(kind + 1, ClassCounts::default());
            }
            self.kinds[kind][class as usize] += 1;
        }
    }

    /// Returns the counts of a type.
    pub fn of_kind(&self, kind: u32) -> ClassCounts {
        self.kinds.get(kind as usize).copied().unwrap_or_default()
    }

    /// Returns the counts of all types together.
    pub fn all(&self) -> ClassCounts {
        let mut all = ClassCounts::default();
        for counts in &self.kinds {
            all.iter_mut().zip(counts).for_each(|(all, count)| *all += count);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_its_entity() {
        let span = |kind, start, end| Span { kind, start, end };
        let gold = [
            span(0, 0, 2),
            span(0, 3, 5),
            span(0, 6, 8),
            span(0, 9, 11),
            span(0, 12, 15),
            span(0, 16, 18),
            span(0, 20, 21),
        ];
        let predicted = [
            span(0, 0, 2),
            span(1, 3, 5),
            span(0, 7, 8),
            span(0, 9, 10),
            span(0, 13, 14),
            span(1, 16, 17),
            span(1, 30, 31),
        ];
        let mut classes = ErrorClasses::default();
        classes.add(&Found::new(&gold, &predicted, 31, 20));
        assert_eq!(classes.of_kind(0), [1, 1, 1, 1, 1, 1, 1, 0]);
        assert_eq!(classes.of_kind(1), [0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!((classes.of_kind(7), classes.all()), ([0; 8], [1; 8]));
        for (number, class) in ErrorClass::ALL.into_iter().enumerate() {
            assert_eq!(class as usize, number);
        }
    }
}
