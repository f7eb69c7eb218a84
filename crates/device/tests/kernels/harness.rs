//! A machine to run kernels on, numbers to run them with, and comparisons.
//!
//! `TAGSMITH_KERNELS` names another file of PTX: `kernels/mutants.py` plants faults and runs these tests with them.

use std::sync::OnceLock;
use tagsmith_device::emulator::Emulator;
use tagsmith_device::gpu::{Gpu, Room};
use tagsmith_device::kernels::PTX;
use tagsmith_device::launch::Launch;
use tagsmith_device::multiply::Element;
use tagsmith_device::traffic::Traffic;

/// Both types of elements.
pub const BOTH: [Element; 2] = [Element::F32, Element::Bf16];

/// Distance of 1 from the next larger f32.
const EPSILON: f64 = 1.0 / 8_388_608.0;

/// The most that rounding to nearest bf16 changes a number, relative to it: half of 2⁻⁷, the distance of 1 from
/// the next larger bf16.
pub const BF16_ROUNDING: f64 = 1.0 / 256.0;

/// The seeds of the orders in which threads run.
const ORDERS: [u64; 3] = [1, 2, 20_261_130];

/// Returns the text that holds the kernels whose names begin so; to read all of them takes longer than most tests.
fn text(prefixes: &[&str]) -> String {
    static WHOLE: OnceLock<String> = OnceLock::new();
    let whole = WHOLE.get_or_init(|| match std::env::var_os("TAGSMITH_KERNELS") {
        Some(file) => std::fs::read_to_string(file).expect("TAGSMITH_KERNELS names a file of PTX"),
        None => PTX.to_owned(),
    });
    const ENTRY: &str = ".visible .entry ";
    let mut parts = whole.split(ENTRY);
    let mut text = parts.next().expect("there is a first part").to_owned();
    for part in parts.filter(|part| prefixes.iter().any(|prefix| part.starts_with(prefix))) {
        text.push_str(ENTRY);
        text.push_str(part);
    }
    text
}

/// An emulated GPU, on which every fault ends the test.
pub struct Machine {
    gpu: Gpu,
    emulator: Emulator,
}

/// Runs the body on machines that run threads in different orders.
pub fn in_each_order(prefixes: &[&str], body: impl Fn(&Machine)) {
    for seed in ORDERS {
        let emulator = Emulator::new(&text(prefixes), seed).expect("the emulator reads our PTX");
        body(&Machine { gpu: Gpu::new(Box::new(emulator.clone())), emulator });
    }
}

impl Machine {
    /// Returns room of this many bytes exactly, which nobody wrote.
    pub fn room(&self, bytes: usize) -> Room {
        let room = self.gpu.room(bytes as u64);
        self.gpu.check().expect("there is room");
        room
    }

    fn up(&self, bytes: &[u8]) -> Room {
        let room = self.room(bytes.len());
        self.gpu.driver().upload(room.address(), bytes).expect("an upload");
        room
    }

    /// Returns room with these numbers as elements of a type. They must be numbers of that type.
    pub fn elements(&self, element: Element, values: &[f32]) -> Room {
        match element {
            Element::F32 => self.up(&values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>()),
            Element::Bf16 => {
                assert!(values.iter().all(|&x| x.is_nan() || rounded(Element::Bf16, x) == x), "they are bf16");
                let bytes = values.iter().flat_map(|x| ((x.to_bits() >> 16) as u16).to_le_bytes());
                self.up(&bytes.collect::<Vec<_>>())
            }
        }
    }

    /// Returns room with these floats.
    pub fn f32s(&self, values: &[f32]) -> Room {
        self.elements(Element::F32, values)
    }

    /// Returns room with these doubles.
    pub fn f64s(&self, values: &[f64]) -> Room {
        self.up(&values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>())
    }

    /// Returns room with these integers.
    pub fn i32s(&self, values: &[i32]) -> Room {
        self.up(&values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>())
    }

    /// Returns room with these bytes.
    pub fn bytes(&self, bytes: &[u8]) -> Room {
        self.up(bytes)
    }

    /// Returns room for n elements of a type, which nobody wrote.
    pub fn empty(&self, element: Element, n: usize) -> Room {
        self.room(element.bytes() as usize * n)
    }

    fn down(&self, room: &Room) -> Vec<u8> {
        let mut bytes = vec![0; room.bytes() as usize];
        self.gpu.driver().download(room.address(), &mut bytes).unwrap_or_else(|error| panic!("{error}"));
        bytes
    }

    /// Returns what all of a room holds; it fails if a byte was never written.
    pub fn values(&self, element: Element, room: &Room) -> Vec<f32> {
        let bytes = self.down(room);
        match element {
            Element::F32 => bytes.chunks_exact(4).map(|x| f32::from_le_bytes(x.try_into().expect("4 bytes"))).collect(),
            Element::Bf16 => {
                let widened = |x: &[u8]| f32::from_bits(u32::from(u16::from_le_bytes([x[0], x[1]])) << 16);
                bytes.chunks_exact(2).map(widened).collect()
            }
        }
    }

    /// Returns the doubles of a room.
    pub fn doubles(&self, room: &Room) -> Vec<f64> {
        self.down(room).chunks_exact(8).map(|x| f64::from_le_bytes(x.try_into().expect("8 bytes"))).collect()
    }

    /// Runs launches one after the other. Each moves the bytes that it says.
    pub fn run(&self, launches: impl IntoIterator<Item = Launch>) {
        launches.into_iter().for_each(|launch| self.run_one(&launch, 1.0));
    }

    /// Runs launches that may read less than they say, but more than half of it: their numbers of rows or labels decide.
    pub fn run_reading_less(&self, launches: impl IntoIterator<Item = Launch>) {
        launches.into_iter().for_each(|launch| self.run_one(&launch, MORE_THAN_HALF));
    }

    fn run_one(&self, launch: &Launch, least: f64) {
        self.emulator.forget_work();
        self.gpu.driver().launch(launch).unwrap_or_else(|error| panic!("{error}"));
        let moved = self.moved();
        let Launch { kernel, traffic, .. } = launch;
        assert!(moves(*traffic, moved, least), "{kernel}: it moves {moved:?}, and says {traffic:?}");
    }

    /// Returns what the last launch moved, as the emulator counts it: each byte once.
    pub fn moved(&self) -> Traffic {
        let work = self.emulator.work();
        let last = work.last().expect("there is a launch");
        Traffic { read: last.bytes_read, written: last.bytes_written }
    }
}

/// A share above half, so that twice the bytes are refused.
pub const MORE_THAN_HALF: f64 = 0.51;

/// Returns whether what a launch moved is what it says, where it reads at least a share of that.
pub fn moves(said: Traffic, moved: Traffic, least: f64) -> bool {
    moved.written == said.written && moved.read <= said.read && moved.read as f64 >= least * said.read as f64
}

/// Returns the number of a type that is nearest, ties to even.
pub fn rounded(element: Element, x: f32) -> f32 {
    match element {
        Element::F32 => x,
        Element::Bf16 if x.is_nan() => x,
        Element::Bf16 => {
            let bits = x.to_bits();
            f32::from_bits(bits.wrapping_add(0x7fff + (bits >> 16 & 1)) & 0xffff_0000)
        }
    }
}

/// Returns n numbers of a type in ±`scale`, as a function of the seed.
pub fn random(element: Element, seed: u64, n: usize, scale: f32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let next = |_| {
        // Xorshift64 (Marsaglia, 2003).
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let unit = (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0;
        rounded(element, (f64::from(scale) * unit) as f32)
    };
    (0..n).map(next).collect()
}

/// Returns numbers as f64.
pub fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&x| f64::from(x)).collect()
}

/// Asserts |got − want| ≤ c · ε · √n · max|want|, n being the longest sum; in bf16 also the rounding of each result.
/// NaN is never close.
#[track_caller]
pub fn assert_close(what: &str, element: Element, got: &[f32], want: &[f64], c: f64, n: usize) {
    let largest = want.iter().fold(f64::MIN_POSITIVE, |a, b| a.max(b.abs()));
    let sums = c * EPSILON * (n as f64).sqrt() * largest;
    let allowed: Vec<f64> = want
        .iter()
        .map(|want| match element {
            Element::F32 => sums,
            Element::Bf16 => sums + BF16_ROUNDING * (want.abs() + sums),
        })
        .collect();
    assert_within(what, got, want, &allowed);
}

/// Asserts that each number is as near as its bound allows. NaN never is.
#[track_caller]
pub fn assert_within(what: &str, got: &[f32], want: &[f64], allowed: &[f64]) {
    assert!(got.len() == want.len() && got.len() == allowed.len(), "{what}: {} for {}", got.len(), want.len());
    for (i, ((&got, &want), &allowed)) in got.iter().zip(want).zip(allowed).enumerate() {
        let apart = (f64::from(got) - want).abs();
        assert!(
            apart <= allowed,
            "{what}: element {i} is {got}, not {want}: off by {apart:.3e}, allowed {allowed:.3e}"
        );
    }
}

/// Asserts that floats are the same, bit for bit.
#[track_caller]
pub fn assert_same_bits(what: &str, got: &[f32], want: &[f32]) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        assert_eq!(got.to_bits(), want.to_bits(), "{what}: element {i} is {got}, not {want}");
    }
}

/// Returns d(Σ upstream · f(x)) / dx by central differences of `f` in f64.
pub fn finite_differences(x: &[f64], upstream: &[f64], f: impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
    const STEP: f64 = 1e-5;
    let along = |y: Vec<f64>| y.iter().zip(upstream).map(|(a, b)| a * b).sum::<f64>();
    let mut at = x.to_vec();
    let mut of = |i: usize| {
        let keep = at[i];
        at[i] = keep + STEP;
        let above = along(f(&at));
        at[i] = keep - STEP;
        let below = along(f(&at));
        at[i] = keep;
        (above - below) / (2.0 * STEP)
    };
    (0..x.len()).map(&mut of).collect()
}

/// Returns d(Σ upstream · f(x)) / dx where f works on rows of `width`, row by row.
pub fn differences_by_row(x: &[f64], upstream: &[f64], width: usize, f: impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
    let rows = x.chunks_exact(width).zip(upstream.chunks_exact(upstream.len() * width / x.len()));
    rows.flat_map(|(x, upstream)| finite_differences(x, upstream, &f)).collect()
}

/// The random bits of an element, from the definitions of SplitMix64's finalizer and of `kernel/random/stream.rs`.
pub fn random_bits(key: u64, row: u64, column: u32) -> u32 {
    let keys = mix(key.wrapping_add(row.wrapping_mul(0xD1B5_4A32_D192_ED03)));
    let scramble = |mut x: u32| {
        x = (x ^ (x >> 16)).wrapping_mul(0x7FEB_352D);
        x = (x ^ (x >> 15)).wrapping_mul(0x846C_A68B);
        x ^ (x >> 16)
    };
    scramble(scramble(column.wrapping_mul(0x9E37_79B9).wrapping_add(keys as u32)) ^ (keys >> 32) as u32)
}

/// The finalizer of SplitMix64 (Steele, Lea and Flood, 2014).
pub fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// The key of a head's stream.
pub fn child(key: u64, number: u64) -> u64 {
    mix(key ^ mix(number.wrapping_add(0x9E37_79B9_7F4A_7C15)))
}

/// What dropout multiplies an element by.
pub fn kept(rate: f32, key: u64, row: u64, column: u32) -> f32 {
    let threshold = (f64::from(rate) * 4_294_967_296.0) as u32;
    if random_bits(key, row, column) >= threshold { 1.0 / (1.0 - rate) } else { 0.0 }
}
