//! PyTorch's generator on processors, which draws what PyTorch draws for a seed.

/// MT19937 with the 32-bit initializer: `torch.Generator().manual_seed(seed)`.
///
/// # Source
/// Matsumoto and Nishimura, "Mersenne Twister" (1998), with the initializer of 2002.
pub struct MersenneTwister {
    state: [u32; 624],
    next: usize,
}

impl MersenneTwister {
    /// Makes the generator of a seed. Only the low 32 bits of `seed` matter, as in PyTorch.
    pub fn new(seed: u64) -> Self {
        let mut state = [seed as u32; 624];
        for i in 1..state.len() {
            let before = state[i - 1];
            state[i] = 1_812_433_253_u32.wrapping_mul(before ^ (before >> 30)).wrapping_add(i as u32);
        }
        MersenneTwister { state, next: state.len() }
    }

    /// Returns the next 32 bits.
    pub fn next_u32(&mut self) -> u32 {
        if self.next == self.state.len() {
            self.twist();
        }
        let mut y = self.state[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    fn twist(&mut self) {
        let n = self.state.len();
        for i in 0..n {
            let y = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % n] & 0x7fff_ffff);
            let odd = if y & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[i] = self.state[(i + 397) % n] ^ (y >> 1) ^ odd;
        }
        self.next = 0;
    }

    /// Returns 53 random bits in [0, 1), as PyTorch makes a double.
    fn next_f64(&mut self) -> f64 {
        let high = u64::from(self.next_u32()) << 32;
        let bits = high | u64::from(self.next_u32());
        (bits & ((1 << 53) - 1)) as f64 / (1u64 << 53) as f64
    }

    /// Fills `values` as `tensor.normal_(0, deviation)` fills a float32 tensor of this size.
    ///
    /// Pairs (u, v) become √(−2 ln(1 − u)) · (cos 2πv, sin 2πv), in f64 but for the last rounding. From 16 elements on, a
    /// block of 16 numbers of 24 bits holds eight u and then their eight v. If the rest is shorter than a block, the last
    /// 16 elements are drawn anew as one. Fewer than 16 are drawn one after the other from 53 bits.
    ///
    /// # Source
    /// Box and Muller (1958); PyTorch 2.15's order of draws on processors, to which `golden/trainer/rules.json` holds it.
    pub fn fill_normal(&mut self, deviation: f32, values: &mut [f32]) {
        if values.len() < BLOCK {
            for pair in values.chunks_mut(2) {
                let (v, u) = (self.next_f64(), self.next_f64());
                let both = box_muller(u, v);
                pair.iter_mut().zip([both.0, both.1]).for_each(|(to, x)| *to = (x * f64::from(deviation)) as f32);
            }
            return;
        }
        let rest = values.len() % BLOCK;
        let whole = values.len() - rest;
        // PyTorch draws all numbers before it turns the first into a normal one, and a last block after that.
        let mut uniform: Vec<f64> = values.iter().map(|_| self.next_f24()).collect();
        for (to, from) in values[..whole].chunks_exact_mut(BLOCK).zip(uniform.chunks_exact(BLOCK)) {
            block(from, deviation, to);
        }
        if rest > 0 {
            uniform.truncate(0);
            uniform.extend((0..BLOCK).map(|_| self.next_f24()));
            let start = values.len() - BLOCK;
            block(&uniform, deviation, &mut values[start..]);
        }
    }

    /// Returns 24 random bits in [0, 1), as PyTorch makes a float.
    fn next_f24(&mut self) -> f64 {
        f64::from(self.next_u32() & 0x00ff_ffff) / f64::from(1 << 24)
    }
}

/// Elements that PyTorch turns into normal numbers at a time.
const BLOCK: usize = 16;

fn block(uniform: &[f64], deviation: f32, to: &mut [f32]) {
    let half = BLOCK / 2;
    for i in 0..half {
        let (x, y) = box_muller(uniform[i], uniform[i + half]);
        to[i] = (x * f64::from(deviation)) as f32;
        to[i + half] = (y * f64::from(deviation)) as f32;
    }
}

/// Returns two independent normal numbers, given two uniform ones in [0, 1).
fn box_muller(u: f64, v: f64) -> (f64, f64) {
    let (sin, cos) = (std::f64::consts::TAU * v).sin_cos();
    let radius = (-2.0 * (-u).ln_1p()).sqrt();
    (radius * cos, radius * sin)
}
