//! NumPy's generator, which draws what NumPy draws for a seed. It decides the order of sentences elsewhere.

/// PCG64 (XSL-RR 128/64) seeded through a seed sequence: `numpy.random.default_rng(seed)`.
///
/// # Source
/// O'Neill, "PCG" (2014); NumPy's `SeedSequence`, after O'Neill's `seed_seq_fe`.
pub struct Pcg64 {
    state: u128,
    increment: u128,
    upper_half: Option<u32>,
}

impl Pcg64 {
    /// Makes the generator of a non-negative seed.
    pub fn new(seed: u64) -> Self {
        let [a, b, c, d] = seed_sequence(seed);
        let wide = |high: u64, low: u64| (u128::from(high) << 64) | u128::from(low);
        let mut generator = Pcg64 { state: 0, increment: (wide(c, d) << 1) | 1, upper_half: None };
        generator.advance();
        generator.state = generator.state.wrapping_add(wide(a, b));
        generator.advance();
        generator
    }

    fn advance(&mut self) {
        const MULTIPLIER: u128 = 0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645;
        self.state = self.state.wrapping_mul(MULTIPLIER).wrapping_add(self.increment);
    }

    fn next_u64(&mut self) -> u64 {
        self.advance();
        let folded = (self.state >> 64) as u64 ^ self.state as u64;
        folded.rotate_right((self.state >> 122) as u32)
    }

    /// Returns the next 32 bits: the lower half of a draw, then its upper half.
    fn next_u32(&mut self) -> u32 {
        self.upper_half.take().unwrap_or_else(|| {
            let both = self.next_u64();
            self.upper_half = Some((both >> 32) as u32);
            both as u32
        })
    }

    /// Draws uniformly from 0..=`most`. Draws are cut to the bits that `most` has, and drawn again while above it.
    pub fn up_to(&mut self, most: u32) -> u32 {
        let mask = u32::MAX.checked_shr(most.leading_zeros()).unwrap_or(0);
        loop {
            let drawn = self.next_u32() & mask;
            if drawn <= most {
                return drawn;
            }
        }
    }
}

/// Returns four 64-bit words of state from NumPy's `SeedSequence(seed)` with its default pool of four.
fn seed_sequence(seed: u64) -> [u64; 4] {
    let entropy = [seed as u32, (seed >> 32) as u32];
    let mut hash = Hash { constant: 0x43b0_d7e5, multiplier: 0x931e_8875 };
    let mut pool = [0_u32; 4];
    for (i, word) in pool.iter_mut().enumerate() {
        *word = hash.of(entropy.get(i).copied().unwrap_or(0));
    }
    for source in 0..pool.len() {
        for target in (0..pool.len()).filter(|&target| target != source) {
            pool[target] = mixed(pool[target], hash.of(pool[source]));
        }
    }
    let mut hash = Hash { constant: 0x8b51_f9dd, multiplier: 0x58f3_8ded };
    std::array::from_fn(|i| {
        let low = hash.of(pool[(2 * i) % 4]);
        let high = hash.of(pool[(2 * i + 1) % 4]);
        (u64::from(high) << 32) | u64::from(low)
    })
}

/// Running hash of the seed sequence.
struct Hash {
    constant: u32,
    multiplier: u32,
}

impl Hash {
    fn of(&mut self, value: u32) -> u32 {
        let value = value ^ self.constant;
        self.constant = self.constant.wrapping_mul(self.multiplier);
        let value = value.wrapping_mul(self.constant);
        value ^ (value >> 16)
    }
}

fn mixed(x: u32, y: u32) -> u32 {
    let value = 0xca01_f9dd_u32.wrapping_mul(x).wrapping_sub(0x4973_f715_u32.wrapping_mul(y));
    value ^ (value >> 16)
}
