//! Whether one prediction is better than another by more than chance: approximate randomization.
//!
//! If both predictions were equally good, it would not matter which of the two a sentence's labels come from. So chance swaps
//! the predictions of units, again and again. p is how often the difference is at least as large as the observed one.
//! See Noreen, Computer-Intensive Methods for Testing Hypotheses, 1989, and Yeh, More accurate tests for the statistical
//! significance of result differences, COLING 2000.

use crate::parallel;
use crate::score::ZeroDivision;
use crate::score::draws::Draws;
use crate::score::units::{Sums, UnitCounts, Units};

/// How a test is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Randomization {
    /// How often predictions are swapped by chance.
    pub swaps: usize,
    /// The seed of the draws.
    pub seed: u64,
    /// What a ratio without a denominator counts as.
    pub zero_division: ZeroDivision,
    /// Threads that draw. They change no number.
    pub threads: usize,
}

/// The outcome of a test.
#[derive(Clone, Debug, PartialEq)]
pub struct Tested {
    /// For each figure the second prediction's less the first's; not a number where one of them has none.
    pub differences: Vec<f64>,
    /// For each figure the probability of such a difference, or a larger one to either side, by chance. Not a number where the
    /// difference is not.
    pub p: Vec<f64>,
    /// Whether all ways to swap were tried instead of some drawn by chance.
    pub exact: bool,
    /// Units whose counts differ.
    pub differing: usize,
}

/// Differences that are equal but for rounding.
const SLACK: f64 = 1e-12;

/// Ways to swap that a thread takes at a time.
const BLOCK: usize = 64;

/// Tests every figure, in the order of [`Figure::all`](crate::score::units::Figure::all). Both predictions have the same types
/// and units. Where no more ways to swap exist than are asked for, all are tried and p is exact.
pub fn test(first: &Units, second: &Units, options: &Randomization) -> Tested {
    assert_eq!((&first.kinds, first.units.len()), (&second.kinds, second.units.len()), "the same types and units");
    let (sums, other) = (first.sums(), second.sums());
    let differences = difference(&sums, &other, options.zero_division);
    // A swap of equal units changes nothing.
    let differing: Vec<(&UnitCounts, &UnitCounts)> =
        first.units.iter().zip(&second.units).filter(|(left, right)| left != right).collect();
    let ways = u32::try_from(differing.len()).ok().and_then(|units| 1usize.checked_shl(units));
    let exact = ways.filter(|&ways| differing.len() < 63 && ways <= options.swaps);
    let draws = Draws::new(options.seed);
    let reaches = |way: usize| -> Vec<bool> {
        let (mut left, mut right) = (sums.clone(), other.clone());
        let (mut bits, stream) = (0, draws.stream(way as u64));
        for (at, (ours, theirs)) in differing.iter().enumerate() {
            if at % 64 == 0 {
                bits = if exact.is_some() { way as u64 } else { stream.number(at as u64 / 64) };
            }
            if bits >> (at % 64) & 1 == 1 {
                left.add(theirs);
                left.take(ours);
                right.add(ours);
                right.take(theirs);
            }
        }
        let by_chance = difference(&left, &right, options.zero_division);
        by_chance.iter().zip(&differences).map(|(chance, seen)| chance.abs() >= seen.abs() - SLACK).collect()
    };
    let tried = exact.unwrap_or(options.swaps);
    let blocks: Vec<usize> = (0..tried).step_by(BLOCK).collect();
    let counts = parallel::map(&blocks, options.threads, |&from| {
        let mut counts = vec![0usize; differences.len()];
        for way in from..(from + BLOCK).min(tried) {
            counts.iter_mut().zip(reaches(way)).for_each(|(count, reached)| *count += usize::from(reached));
        }
        counts
    });
    let p = (0..differences.len()).map(|figure| {
        let reached: usize = counts.iter().map(|counts| counts[figure]).sum();
        match (differences[figure].is_nan(), exact) {
            (true, _) => f64::NAN,
            (false, Some(ways)) => reached as f64 / ways as f64,
            // The observed assignment is one of those that chance could have drawn.
            (false, None) => (reached + 1) as f64 / (options.swaps + 1) as f64,
        }
    });
    Tested { p: p.collect(), differences, exact: exact.is_some(), differing: differing.len() }
}

/// Returns the second's figures less the first's.
fn difference(first: &Sums, second: &Sums, zero_division: ZeroDivision) -> Vec<f64> {
    let (first, second) = (first.figures(zero_division), second.figures(zero_division));
    second.iter().zip(first).map(|(second, first)| second - first).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::Count;

    fn options(swaps: usize, threads: usize) -> Randomization {
        Randomization { swaps, seed: 1, zero_division: ZeroDivision::Zero, threads }
    }

    fn units(counts: &[(u64, u64, u64)]) -> Units {
        let unit = |&(correct, predicted, gold)| UnitCounts {
            kinds: vec![(0, Count { correct, predicted, gold })],
            words: 3,
            correct_words: correct,
        };
        Units::new(counts.iter().map(unit).collect(), &["A".to_owned()], &[])
    }

    #[test]
    fn equal_predictions_do_not_differ() {
        let same = units(&[(1, 2, 3), (0, 1, 1), (2, 2, 2)]);
        let found = test(&same, &same, &options(100, 1));
        assert_eq!((found.exact, found.differing), (true, 0));
        assert!(found.p.iter().all(|&p| p == 1.0) && found.differences.iter().all(|&difference| difference == 0.0));
    }

    /// Every unit is right by the second prediction and wrong by the first. Of 2ⁿ ways to swap, two are as extreme.
    #[test]
    fn p_is_known_where_every_unit_differs_alike() {
        for n in [1, 2, 5, 9] {
            let (bad, good) = (units(&vec![(0, 1, 1); n]), units(&vec![(1, 1, 1); n]));
            let found = test(&bad, &good, &options(1000, 2));
            let want = (2.0f64 / 2f64.powi(n as i32)).min(1.0);
            assert!(
                found.exact && (found.p[6] - want).abs() < 1e-15 && (found.differences[6] - 1.0 / 3.0).abs() < 1e-15
            );
        }
    }

    /// All ways to swap, written out as the definition has them, and a drawn p beside them.
    #[test]
    fn a_drawn_p_is_near_that_of_all_ways() {
        let first = units(&[
            (1, 2, 3),
            (0, 1, 1),
            (2, 2, 2),
            (1, 1, 4),
            (0, 2, 2),
            (3, 4, 4),
            (1, 3, 3),
            (0, 0, 1),
            (2, 3, 4),
            (1, 1, 2),
        ]);
        let second = units(&[
            (2, 2, 3),
            (1, 1, 1),
            (1, 2, 2),
            (2, 3, 4),
            (1, 2, 2),
            (3, 3, 4),
            (1, 1, 3),
            (1, 1, 1),
            (2, 2, 4),
            (1, 1, 2),
        ]);
        let f1 = |units: &[UnitCounts]| {
            let sum = |of: fn(&Count) -> u64| units.iter().map(|unit| of(&unit.kinds[0].1)).sum::<u64>() as f64;
            2.0 * sum(|count| count.correct) / (sum(|count| count.predicted) + sum(|count| count.gold))
        };
        let seen = (f1(&second.units) - f1(&first.units)).abs();
        let reached = (0..1u32 << 10).filter(|way| {
            let side = |swapped: bool| -> Vec<UnitCounts> {
                let unit =
                    |at: usize| if (way >> at & 1 == 1) == swapped { &first.units[at] } else { &second.units[at] };
                (0..10).map(|at| unit(at).clone()).collect()
            };
            (f1(&side(false)) - f1(&side(true))).abs() >= seen - 1e-12
        });
        let want = reached.count() as f64 / 1024.0;
        let exact = test(&first, &second, &options(2000, 1));
        assert!(exact.exact && exact.differing == 9 && (exact.p[2] - want).abs() < 1e-12, "{} {want}", exact.p[2]);
        let drawn = test(&first, &second, &options(500, 1));
        assert!(!drawn.exact && (drawn.p[2] - want).abs() < 0.07, "{} {want}", drawn.p[2]);
        assert_eq!(test(&first, &second, &options(500, 3)), drawn);
    }
}
