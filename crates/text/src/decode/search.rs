//! Searches over probabilities that were computed once: six biases, one after another, and a temperature.

use crate::decode::calibration::Biases;

/// What biases are searched for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// The highest F1.
    F1,
    /// The highest recall with at least this precision.
    RecallAtPrecision(f64),
    /// The highest precision with at least this recall.
    PrecisionAtRecall(f64),
}

/// Figures of entities on the data of a search.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Found {
    /// The part of predicted entities that is right.
    pub precision: f64,
    /// The part of gold entities that is found.
    pub recall: f64,
    /// The harmonic mean of both.
    pub f1: f64,
}

impl Goal {
    /// Returns the goal of a text: `f1`, `recall@P=0.95` or `precision@R=0.8`.
    pub fn named(text: &str) -> Option<Goal> {
        let part = |text: &str| text.parse().ok().filter(|part| (0.0..=1.0).contains(part));
        match text.split_once("@") {
            None => (text == "f1").then_some(Goal::F1),
            Some(("recall", bar)) => bar.strip_prefix("P=").and_then(part).map(Goal::RecallAtPrecision),
            Some(("precision", bar)) => bar.strip_prefix("R=").and_then(part).map(Goal::PrecisionAtRecall),
            Some(_) => None,
        }
    }

    /// Returns whether figures reach the bar of the goal.
    pub fn is_reached(self, found: Found) -> bool {
        match self {
            Goal::F1 => true,
            Goal::RecallAtPrecision(bar) => found.precision >= bar,
            Goal::PrecisionAtRecall(bar) => found.recall >= bar,
        }
    }

    /// Returns what is compared, the first number first. Below the bar, what has the bar counts alone.
    fn rank(self, found: Found) -> [f64; 3] {
        let Found { precision, recall, f1 } = found;
        let reached = f64::from(u8::from(self.is_reached(found)));
        match (self, self.is_reached(found)) {
            (Goal::F1, _) => [reached, f1, recall],
            (Goal::RecallAtPrecision(_), true) | (Goal::PrecisionAtRecall(_), false) => [reached, recall, f1],
            (Goal::RecallAtPrecision(_), false) | (Goal::PrecisionAtRecall(_), true) => [reached, precision, f1],
        }
    }
}

/// How far a bias is moved, the largest first.
const MOVES: [f64; 5] = [4.0, 2.0, 1.0, 0.5, 0.25];

/// The largest bias: e¹⁶ is a factor of nine millions.
const LARGEST: f64 = 16.0;

/// Searches biases from 0 on, one after another and by smaller and smaller moves, until no single move is better. Returns the
/// biases and their figures. Of biases that are as good, those that were met first stay.
///
/// # Errors
/// Those of `measure`, which returns the figures of biases.
pub fn biases<E>(goal: Goal, mut measure: impl FnMut(&Biases) -> Result<Found, E>) -> Result<(Biases, Found), E> {
    let mut best = Biases::default();
    let mut found = measure(&best)?;
    for size in MOVES {
        let mut moved = true;
        while moved {
            moved = false;
            for (_, step) in Biases::KEYS {
                for by in [size, -size] {
                    let bias = best.of(step) + by;
                    if bias.abs() > LARGEST {
                        continue;
                    }
                    let candidate = best.with(step, bias);
                    let of_candidate = measure(&candidate)?;
                    if goal.rank(of_candidate) > goal.rank(found) {
                        (best, found, moved) = (candidate, of_candidate, true);
                    }
                }
            }
        }
    }
    Ok((best, found))
}

/// The lowest and the highest temperature that is looked at.
const TEMPERATURES: (f64, f64) = (0.05, 20.0);

/// Returns the temperature that gives words the least mean of −log p of their gold labels. `rows` are scores (K each), up to
/// a number for each word, with the gold label. Also returns the mean before and after; nothing for no word.
pub fn temperature(rows: &[(&[f32], usize)]) -> Option<(f64, f64, f64)> {
    if rows.is_empty() {
        return None;
    }
    // As a function of 1/T the mean is convex, so one valley is all there is.
    let at = |inverse: f64| mean_loss(rows, inverse);
    let (mut low, mut high) = (1.0 / TEMPERATURES.1, 1.0 / TEMPERATURES.0);
    let golden = (5f64.sqrt() - 1.0) / 2.0;
    let (mut left, mut right) = (high - golden * (high - low), low + golden * (high - low));
    let (mut of_left, mut of_right) = (at(left), at(right));
    while high - low > 1e-6 {
        if of_left <= of_right {
            (high, right, of_right) = (right, left, of_left);
            left = high - golden * (high - low);
            of_left = at(left);
        } else {
            (low, left, of_left) = (left, right, of_right);
            right = low + golden * (high - low);
            of_right = at(right);
        }
    }
    let inverse = (low + high) / 2.0;
    // Four digits are more than the data tell.
    let temperature = (1.0 / inverse * 1e4).round() / 1e4;
    Some((temperature, at(1.0), at(1.0 / temperature)))
}

/// The mean over words of −log softmax(scores · inverse)[gold].
fn mean_loss(rows: &[(&[f32], usize)], inverse: f64) -> f64 {
    let loss = |(row, gold): &(&[f32], usize)| {
        let scaled = |score: f32| f64::from(score) * inverse;
        let highest = row.iter().map(|&score| scaled(score)).fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = row.iter().map(|&score| (scaled(score) - highest).exp()).sum();
        highest + sum.ln() - scaled(row[*gold])
    };
    rows.iter().map(loss).sum::<f64>() / rows.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::scheme::Step;

    #[test]
    fn goals_have_names() {
        assert_eq!(Goal::named("f1"), Some(Goal::F1));
        assert_eq!(Goal::named("recall@P=0.95"), Some(Goal::RecallAtPrecision(0.95)));
        assert_eq!(Goal::named("precision@R=1"), Some(Goal::PrecisionAtRecall(1.0)));
        for other in ["", "F1", "recall", "recall@R=0.9", "precision@P=0.9", "recall@P=1.1", "recall@P=x", "f1@P=1"] {
            assert_eq!(Goal::named(other), None, "{other}");
        }
    }

    /// A landscape with its top at 2.25 of one bias and −1 of another.
    fn hill(biases: &Biases) -> f64 {
        let away = |step, top: f64| (biases.of(step) - top).abs();
        1.0 / (1.0 + away(Step::BackgroundToStart, 2.25) + away(Step::BackgroundStay, -1.0))
    }

    #[test]
    fn the_top_of_a_hill_is_found() {
        let found = |biases: &Biases| Ok::<_, ()>(Found { precision: 0.5, recall: 0.5, f1: hill(biases) });
        let (best, figures) = biases(Goal::F1, found).unwrap();
        let want = Biases::default().with(Step::BackgroundToStart, 2.25).with(Step::BackgroundStay, -1.0);
        assert_eq!((best, figures.f1), (want, 1.0));
    }

    /// Recall rises with a bias and precision falls: the highest recall above the bar is at the bar.
    #[test]
    fn a_bar_is_kept_and_reached() {
        let found = |biases: &Biases| {
            let bias = biases.of(Step::BackgroundToStart);
            let (precision, recall) = (1.0 / (1.0 + bias.exp() / 10.0), 1.0 / (1.0 + (-bias).exp()));
            Ok::<_, ()>(Found { precision, recall, f1: 0.0 })
        };
        let (best, figures) = biases(Goal::RecallAtPrecision(0.8), found).unwrap();
        // 1 / (1 + e^b / 10) ≥ 0.8 where e^b ≤ 2.5, b ≤ 0.916: of moves by quarters the last is 0.75.
        assert_eq!(best.of(Step::BackgroundToStart), 0.75);
        assert!(figures.precision >= 0.8 && Goal::RecallAtPrecision(0.8).is_reached(figures));
        // Where nothing reaches the bar, precision itself is raised.
        let hopeless = |biases: &Biases| found(biases).map(|it| Found { precision: it.precision / 2.0, ..it });
        let (best, figures) = biases(Goal::RecallAtPrecision(0.8), hopeless).unwrap();
        assert!(best.of(Step::BackgroundToStart) < -10.0 && !Goal::RecallAtPrecision(0.8).is_reached(figures));
    }

    /// Two labels at a distance of d are right with the logistic function of d/T. With three of four words right, the least
    /// mean is where that function is 3/4: d/T = log 3.
    #[test]
    fn a_temperature_makes_probabilities_as_often_right_as_they_say() {
        let (row, d) = ([3.5f32, 0.0], 3.5f64);
        let rows: Vec<(&[f32], usize)> = [0, 0, 0, 1].map(|gold| (&row[..], gold)).to_vec();
        let (temperature, before, after) = temperature(&rows).unwrap();
        assert!((temperature - d / 3f64.ln()).abs() < 1e-3, "{temperature}");
        let entropy = -(0.75 * 0.75f64.ln() + 0.25 * 0.25f64.ln());
        assert!((after - entropy).abs() < 1e-6 && before > after);
        assert_eq!(super::temperature(&[]), None);
        // Words that are always right would make every probability 1.
        // The labels are near each other: with more between them, losses below some temperature are 0 and alike.
        let near = [0.5f32, 0.0];
        let right: Vec<(&[f32], usize)> = vec![(&near[..], 0)];
        assert!((super::temperature(&right).unwrap().0 - TEMPERATURES.0).abs() < 1e-3);
    }
}
