//! Percentile intervals of figures: what they are in data sets that chance draws from this one.
//!
//! A resample has as many units (sentences or documents) as the data, each drawn with replacement. Its figures are those of
//! a score of its sentences. The interval is between two percentiles of all resamples.

use crate::parallel;
use crate::score::ZeroDivision;
use crate::score::draws::Draws;
use crate::score::units::{Sums, Units};

/// How intervals are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Resampling {
    /// The share of resamples inside an interval: 0.95, say.
    pub confidence: f64,
    /// How many resamples are drawn.
    pub resamples: usize,
    /// The seed of the draws.
    pub seed: u64,
    /// What a ratio without a denominator counts as.
    pub zero_division: ZeroDivision,
    /// Threads that draw. They change no number.
    pub threads: usize,
}

/// The bounds of a figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The lower bound.
    pub low: f64,
    /// The upper bound.
    pub high: f64,
}

/// Resamples that a thread takes at a time.
const BLOCK: usize = 16;

/// Returns the interval of each figure, in the order of [`Figure::all`](crate::score::units::Figure::all). A figure that no
/// resample has (of a type that does not occur) has none.
pub fn intervals(units: &Units, options: &Resampling) -> Vec<Option<Interval>> {
    let samples = resampled(
        units.units.len(),
        options,
        |draws, sums: &mut Sums| {
            (0..units.units.len()).for_each(|at| sums.add(&units.units[draws.below(at as u64, units.units.len())]));
            sums.figures(options.zero_division)
        },
        || Sums::new(units.kinds.len()),
    );
    bounds(samples, options.confidence)
}

/// Returns the interval of each difference between two predictions of the same units: the second less the first. Both have the
/// same types, and in a resample the same units.
pub fn differences(first: &Units, second: &Units, options: &Resampling) -> Vec<Option<Interval>> {
    assert_eq!((&first.kinds, first.units.len()), (&second.kinds, second.units.len()), "the same types and units");
    let of = first.units.len();
    let samples = resampled(
        of,
        options,
        |draws, [left, right]: &mut [Sums; 2]| {
            for at in 0..of {
                let drawn = draws.below(at as u64, of);
                left.add(&first.units[drawn]);
                right.add(&second.units[drawn]);
            }
            let (left, right) = (left.figures(options.zero_division), right.figures(options.zero_division));
            right.iter().zip(left).map(|(right, left)| right - left).collect()
        },
        || [Sums::new(first.kinds.len()), Sums::new(first.kinds.len())],
    );
    bounds(samples, options.confidence)
}

/// Returns the figures of every resample of `units` units. Resample r draws from stream r of the seed.
fn resampled<S>(
    units: usize,
    options: &Resampling,
    figures: impl Fn(Draws, &mut S) -> Vec<f64> + Sync,
    empty: impl Fn() -> S + Sync,
) -> Vec<Vec<f64>> {
    if units == 0 {
        return Vec::new();
    }
    let draws = Draws::new(options.seed);
    let blocks: Vec<usize> = (0..options.resamples).step_by(BLOCK).collect();
    let block = |&from: &usize| -> Vec<Vec<f64>> {
        let to = (from + BLOCK).min(options.resamples);
        (from..to).map(|sample| figures(draws.stream(sample as u64), &mut empty())).collect()
    };
    parallel::map(&blocks, options.threads, block).into_iter().flatten().collect()
}

/// Returns the interval of each figure over all resamples that have it.
fn bounds(samples: Vec<Vec<f64>>, confidence: f64) -> Vec<Option<Interval>> {
    let figures = samples.first().map_or(0, Vec::len);
    let mut values = Vec::with_capacity(samples.len());
    (0..figures)
        .map(|figure| {
            values.clear();
            values.extend(samples.iter().map(|sample| sample[figure]).filter(|value| !value.is_nan()));
            values.sort_unstable_by(f64::total_cmp);
            let outside = (1.0 - confidence) / 2.0;
            let at = |part| percentile(&values, part);
            Some(Interval { low: at(outside)?, high: at(1.0 - outside)? })
        })
        .collect()
}

/// Returns a percentile of sorted values, with straight lines between them (the definition that numpy takes by default).
/// `part` is from 0 to 1.
pub fn percentile(sorted: &[f64], part: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = part.clamp(0.0, 1.0) * last as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[(place.floor() as usize + 1).min(last)]);
    let part = place - place.floor();
    Some(if below == above { below } else { below + (above - below) * part })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::Count;
    use crate::score::units::UnitCounts;

    fn options(resamples: usize, threads: usize) -> Resampling {
        Resampling { confidence: 0.95, resamples, seed: 42, zero_division: ZeroDivision::Zero, threads }
    }

    fn units(counts: &[(u64, u64, u64)]) -> Units {
        let unit = |&(correct, predicted, gold)| UnitCounts {
            kinds: vec![(0, Count { correct, predicted, gold })],
            words: 10,
            correct_words: correct,
        };
        Units::new(counts.iter().map(unit).collect(), &["A".to_owned()], &[])
    }

    #[test]
    fn alike_units_have_an_interval_without_width() {
        let alike = units(&[(1, 2, 4); 50]);
        let found = intervals(&alike, &options(100, 1));
        let want = alike.sums().figures(ZeroDivision::Zero);
        for (interval, want) in found.iter().zip(&want) {
            assert_eq!(*interval, Some(Interval { low: *want, high: *want }));
        }
        assert_eq!(found.len(), want.len());
        assert!(
            differences(&alike, &alike, &options(100, 1))
                .iter()
                .all(|it| *it == Some(Interval { low: 0.0, high: 0.0 }))
        );
        assert_eq!(intervals(&units(&[]), &options(100, 1)), []);
    }

    #[test]
    fn threads_change_no_number_and_seeds_do() {
        let mixed: Vec<(u64, u64, u64)> = (0..200).map(|at| (at % 3, 2 + at % 2, 3)).collect();
        let mixed = units(&mixed);
        let alone = intervals(&mixed, &options(333, 1));
        for threads in [2, 3, 8] {
            assert_eq!(intervals(&mixed, &options(333, threads)), alone);
        }
        assert_ne!(intervals(&mixed, &Resampling { seed: 43, ..options(333, 1) }), alone);
    }

    /// The share of right words is a mean of independent draws, so its interval is known in closed form: p ± 1.96 √(p(1−p)/n).
    #[test]
    fn the_interval_of_a_share_is_that_of_the_binomial() {
        let unit = |at: u64| UnitCounts { kinds: vec![], words: 1, correct_words: u64::from(at % 10 < 3) };
        let shares = Units::new((0..1000).map(unit).collect(), &[], &[]);
        let accuracy = intervals(&shares, &options(4000, 2))[6].expect("words were drawn");
        let half = 1.959_964 * (0.3f64 * 0.7 / 1000.0).sqrt();
        assert!(
            (accuracy.low - (0.3 - half)).abs() < 0.003 && (accuracy.high - (0.3 + half)).abs() < 0.003,
            "{accuracy:?}"
        );
    }

    #[test]
    fn percentiles_lie_between_values() {
        let values = [1.0, 2.0, 4.0, 8.0, 16.0];
        let at = |part| percentile(&values, part).expect("there are values");
        assert_eq!([0.0, 0.25, 0.5, 1.0].map(at), [1.0, 2.0, 4.0, 16.0]);
        assert_eq!([0.125, 0.9].map(at), [1.5, 8.0 + 8.0 * (3.6 - 3.0)]);
        assert_eq!((percentile(&[], 0.5), percentile(&[3.0], 0.9)), (None, Some(3.0)));
    }
}
