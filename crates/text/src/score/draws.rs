//! Random numbers that are a function of where they are drawn: of the seed, the sample and the place in it.

/// The distance between two states, the odd number nearest to 2⁶⁴ / φ.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// A stream of numbers: SplitMix64 (Steele, Lea and Flood, 2014), whose n-th number needs none of those before it.
#[derive(Clone, Copy, Debug)]
pub struct Draws(u64);

impl Draws {
    /// Returns the stream of a seed.
    pub fn new(seed: u64) -> Draws {
        Draws(seed)
    }

    /// Returns the stream that number `at` of this one is the seed of.
    pub fn stream(self, at: u64) -> Draws {
        Draws(self.number(at))
    }

    /// Returns number `at`, from 0.
    pub fn number(self, at: u64) -> u64 {
        let mut bits = self.0.wrapping_add(STEP.wrapping_mul(at.wrapping_add(1)));
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    /// Returns number `at` as one below `bound`: its product with `bound`, divided by 2⁶⁴.
    pub fn below(self, at: u64, bound: usize) -> usize {
        ((u128::from(self.number(at)) * bound as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first numbers of seed 1234567, as the algorithm's users publish them to check against.
    #[test]
    fn numbers_are_those_of_split_mix() {
        let published = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ];
        let draws = Draws::new(1_234_567);
        assert_eq!(std::array::from_fn(|at| draws.number(at as u64)), published);
    }

    #[test]
    fn numbers_below_a_bound_are_spread_evenly() {
        let mut counts = [0; 7];
        let draws = Draws::new(7).stream(3);
        (0..70_000).for_each(|at| counts[draws.below(at, 7)] += 1);
        // Six standard deviations of a count of 70,000 / 7.
        assert!(counts.iter().all(|&count: &i32| (count - 10_000).abs() < 560), "{counts:?}");
    }
}
