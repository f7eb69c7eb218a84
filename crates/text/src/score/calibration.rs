//! Whether probabilities mean what they say: of what a model is 80 % sure of, 80 % should be right.

/// How many bins of equal width probabilities fall into.
pub const BINS: usize = 10;

/// Probabilities of about the same height.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bin {
    /// How many there are.
    pub count: u64,
    /// How many of what they stand for is right.
    pub right: u64,
    /// The sum of the probabilities.
    pub sum: f64,
}

impl Bin {
    /// Returns the mean probability; not a number where there is none.
    pub fn confidence(&self) -> f64 {
        self.sum / self.count as f64
    }

    /// Returns the share of what is right; not a number where there is nothing.
    pub fn accuracy(&self) -> f64 {
        self.right as f64 / self.count as f64
    }
}

/// A reliability curve: bins of probabilities, each with the share that is right.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Calibration {
    /// The bins from 0 to 1. A bin holds its upper bound and not its lower one; the first holds 0 too.
    pub bins: [Bin; BINS],
    /// Probabilities that were not numbers from 0 to 1, which no bin holds.
    pub refused: u64,
}

impl Calibration {
    /// Takes in a probability, and whether what it stands for is right.
    pub fn add(&mut self, probability: f64, right: bool) {
        if !(0.0..=1.0).contains(&probability) {
            self.refused += 1;
            return;
        }
        let bound = |bin: usize| bin as f64 * (1.0 / BINS as f64);
        let bin = &mut self.bins[(1..BINS).take_while(|&bin| probability > bound(bin)).count()];
        bin.count += 1;
        bin.right += u64::from(right);
        bin.sum += probability;
    }

    /// Returns how many probabilities the bins hold.
    pub fn count(&self) -> u64 {
        self.bins.iter().map(|bin| bin.count).sum()
    }

    /// Returns the expected calibration error (ECE): how far the share of what is right lies from the mean probability, on
    /// average over all probabilities. 0 if there are none.
    pub fn error(&self) -> f64 {
        let far = |bin: &Bin| (bin.right as f64 - bin.sum).abs();
        let count = self.count();
        if count == 0 { 0.0 } else { self.bins.iter().map(far).sum::<f64>() / count as f64 }
    }

    /// Returns the largest distance of a bin's share from its mean probability (MCE). 0 if there are none.
    pub fn largest_error(&self) -> f64 {
        let used = self.bins.iter().filter(|bin| bin.count > 0);
        used.map(|bin| (bin.accuracy() - bin.confidence()).abs()).fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_as_sure_as_it_is_right_has_no_error() {
        let mut calibration = Calibration::default();
        for (probability, right) in [(0.75, true), (0.75, true), (0.75, true), (0.75, false), (0.5, true), (0.5, false)]
        {
            calibration.add(probability, right);
        }
        assert_eq!((calibration.error(), calibration.largest_error(), calibration.count()), (0.0, 0.0, 6));
        // One of ten that is surely right and is wrong: |9 − 10| of 16.
        (0..9).for_each(|_| calibration.add(1.0, true));
        calibration.add(1.0, false);
        assert_eq!((calibration.error(), calibration.count()), (1.0 / 16.0, 16));
        assert!((calibration.largest_error() - 0.1).abs() < 1e-15);
        [f64::NAN, -0.1, 1.1].iter().for_each(|&odd| calibration.add(odd, true));
        assert_eq!((calibration.refused, calibration.count()), (3, 16));
        assert_eq!((Calibration::default().error(), Calibration::default().largest_error()), (0.0, 0.0));
    }
}
