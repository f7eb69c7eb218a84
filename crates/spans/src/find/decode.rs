//! Scores become entities.

use std::ops::Range;

/// Which entities may share pieces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// None: a piece belongs to one entity at most, as in the original.
    #[default]
    Flat,
    /// One may lie inside another; none crosses another, and no two are the same span.
    Nested,
    /// Entities of different labels are independent; those of one label share nothing.
    PerType,
}

impl Mode {
    /// `flat`, `nested` or `per_type`.
    pub const NAMES: [&str; 3] = ["flat", "nested", "per_type"];

    /// Returns the mode's name.
    pub fn name(self) -> &'static str {
        Mode::NAMES[self as usize]
    }

    /// The mode of a name.
    pub fn named(name: &str) -> Option<Mode> {
        [Mode::Flat, Mode::Nested, Mode::PerType]
            .into_iter()
            .zip(Mode::NAMES)
            .find(|(_, it)| *it == name)
            .map(|it| it.0)
    }

    /// Whether it finds one at most of two entities that cover these ranges, of one label or of two.
    pub(crate) fn excludes(self, a: Range<usize>, b: Range<usize>, one_label: bool) -> bool {
        let apart = a.end <= b.start || b.end <= a.start;
        let inside = |a: &Range<usize>, b: &Range<usize>| b.start <= a.start && a.end <= b.end;
        match self {
            Mode::Flat => !apart,
            Mode::Nested => a == b || !(apart || inside(&a, &b) || inside(&b, &a)),
            Mode::PerType => one_label && !apart,
        }
    }
}

/// A span that may be an entity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// The span's first piece.
    pub start: usize,
    /// The span's last piece.
    pub end: usize,
    /// The number of the span's label.
    pub kind: usize,
    /// The probability that the span is an entity.
    pub score: f64,
}

/// Spans whose probability is above `bar`, a number for each label. Each span comes with its logits (C).
///
/// # Panics
/// If their numbers differ.
pub fn candidates<'s>(spans: impl Iterator<Item = ((usize, usize), &'s [f32])>, bar: &[f64]) -> Vec<Candidate> {
    let mut found = Vec::new();
    for ((start, end), row) in spans {
        assert_eq!(row.len(), bar.len(), "decode: a score a label");
        for (kind, (&x, &bar)) in row.iter().zip(bar).enumerate() {
            let score = probability(x);
            if score > bar {
                found.push(Candidate { start, end, kind, score });
            }
        }
    }
    found
}

/// σ(x), in f64: high scores stay apart.
pub fn probability(x: f32) -> f64 {
    1.0 / (1.0 + (-f64::from(x)).exp())
}

/// The best first, what clashes with a better one left out. Equal ones go by start, end and label number. The result is
/// in order of acceptance.
///
/// ```
/// use tagsmith_spans::find::decode::{Candidate, Mode, accept};
///
/// let candidate = |start, end, score| Candidate { start, end, kind: 0, score };
/// let found = vec![candidate(0, 1, 0.7), candidate(1, 3, 0.9), candidate(5, 5, 0.6)];
/// assert_eq!(accept(found, Mode::Flat), [candidate(1, 3, 0.9), candidate(5, 5, 0.6)]);
/// ```
pub fn accept(mut candidates: Vec<Candidate>, mode: Mode) -> Vec<Candidate> {
    candidates.sort_by(|a, b| {
        let place = |it: &Candidate| (it.start, it.end, it.kind);
        b.score.total_cmp(&a.score).then_with(|| place(a).cmp(&place(b)))
    });
    let mut accepted: Vec<Candidate> = Vec::new();
    for it in candidates {
        let range = |it: &Candidate| it.start..it.end + 1;
        let clash = |other: &Candidate| mode.excludes(range(&it), range(other), it.kind == other.kind);
        if !accepted.iter().any(clash) {
            accepted.push(it);
        }
    }
    accepted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(score: f64, start: usize, end: usize, kind: usize) -> Candidate {
        Candidate { start, end, kind, score }
    }

    #[test]
    fn the_specifications_example() {
        let all = [candidate(0.9, 1, 3, 0), candidate(0.8, 3, 4, 1), candidate(0.7, 5, 5, 0), candidate(0.6, 1, 1, 1)];
        let mut shuffled = all.to_vec();
        shuffled.reverse();
        assert_eq!(accept(shuffled.clone(), Mode::Flat), [all[0], all[2]]);
        assert_eq!(accept(shuffled.clone(), Mode::Nested), [all[0], all[2], all[3]]);
        assert_eq!(accept(shuffled, Mode::PerType), all);
    }

    #[test]
    fn equal_scores_go_by_place() {
        let all = [candidate(0.5, 2, 2, 1), candidate(0.5, 2, 2, 0), candidate(0.5, 1, 2, 1)];
        assert_eq!(accept(all.to_vec(), Mode::Flat), [all[2]]);
    }

    #[test]
    fn the_bar_is_not_enough() {
        let rows = [((1, 1), &[0.0f32, 1.0][..]), ((1, 2), &[-1.0, 0.0][..])];
        let got = candidates(rows.into_iter(), &[0.5, 0.5]);
        assert_eq!(got.iter().map(|it| (it.start, it.end, it.kind)).collect::<Vec<_>>(), [(1, 1, 1)]);
    }
}
