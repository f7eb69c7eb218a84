//! Comparisons for tests, which NaN does not pass and whose tolerance follows from the arithmetic.

use crate::Level;
use crate::device::Device;
use crate::memory::tensor::Tensor;
use crate::random::stream::Stream;
use std::sync::{Mutex, PoisonError};
use tagsmith_device::emulator::Emulator;
use tagsmith_device::gpu::Gpu;
use tagsmith_device::kernels::PTX;

/// Distance of 1 from the next larger f32.
pub const EPSILON: f64 = 1.0 / 8_388_608.0;

/// Returns c · ε · √n · max|want|: what rounding may do to sums of n terms.
pub fn tolerance(c: f64, n: usize, want: &[f64]) -> f64 {
    c * EPSILON * (n as f64).sqrt() * want.iter().fold(0.0, |a: f64, b| a.max(b.abs())).max(f64::MIN_POSITIVE)
}

/// Returns the largest |got − want|. It is infinite if either holds NaN or the lengths differ.
pub fn distance(got: &[f32], want: &[f64]) -> f64 {
    if got.len() != want.len() {
        return f64::INFINITY;
    }
    let apart = |(&g, &w): (&f32, &f64)| {
        let d = (f64::from(g) - w).abs();
        if d.is_nan() { f64::INFINITY } else { d }
    };
    got.iter().zip(want).map(apart).fold(0.0, f64::max)
}

/// Asserts that `got` is `want` up to c · ε · √n · max|want|, n being the length of the longest sum.
///
/// # Panics
/// If it is not. NaN never is.
#[track_caller]
pub fn assert_close(what: &str, got: &[f32], want: &[f64], c: f64, n: usize) {
    let (apart, allowed) = (distance(got, want), tolerance(c, n, want));
    assert!(
        apart <= allowed,
        "{what}: off by {apart:.3e}, {allowed:.3e} allowed (c would be {:.2})",
        apart / tolerance(1.0, n, want)
    );
}

/// Asserts that a wrong twin's answer is one that [`assert_close`] would refuse.
///
/// # Panics
/// If it would pass.
#[track_caller]
pub fn assert_far(what: &str, got: &[f32], want: &[f64], c: f64, n: usize) {
    let (apart, allowed) = (distance(got, want), tolerance(c, n, want));
    assert!(apart > allowed, "{what}: a wrong twin passes, off by {apart:.3e} with {allowed:.3e} allowed");
}

/// Returns numbers in ±`scale`, a function of the seed.
pub fn random(seed: u64, len: usize, scale: f32) -> Vec<f32> {
    let stream = Stream::new(seed);
    (0..len).map(|i| (2.0 * stream.uniform(0, i) - 1.0) * scale).collect()
}

/// Returns numbers as f64.
pub fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}

/// Runs the body at every instruction level that this processor has, one after the other. Callers take turns, since the
/// level in use belongs to the process.
pub fn at_every_level(body: impl Fn(Level)) {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    for level in Level::available() {
        Level::select(level);
        body(level);
    }
}

/// Runs the body on the processor at every instruction level, and on an emulated GPU with its threads in two orders. The
/// text names the place.
///
/// # Panics
/// If the emulator does not know our kernels.
pub fn on_every_device(body: impl Fn(&Device, &str)) {
    at_every_level(|level| body(&Device::Processor, &format!("{level:?}")));
    for seed in [1, 2] {
        let device = Device::emulated(seed).expect("the emulator knows our kernels");
        body(&device, &format!("emulated GPU, order {seed},"));
    }
}

/// Returns an emulated GPU with so many bytes of memory.
///
/// # Panics
/// If the emulator does not know our kernels.
pub fn device_with_memory(bytes: u64) -> Device {
    let emulator = Emulator::with_limits(PTX, 1, bytes, 1 << 20).expect("the emulator knows our kernels");
    Device::Gpu(Gpu::new(Box::new(emulator)))
}

/// Returns a parameter of these elements on a device, as a matrix of one row.
pub fn parameter(device: &Device, values: &[f32]) -> Tensor {
    Tensor::on(device, 1, values.len(), values)
}

/// Returns the elements of a tensor, wherever it lies.
///
/// # Panics
/// If its device has failed.
#[track_caller]
pub fn read(x: &Tensor) -> Vec<f32> {
    x.to_vec().unwrap_or_else(|error| panic!("{error}"))
}

/// Returns d(Σ upstream · f(x)) / dx by central differences of `f` in f64; the error is O(step²).
pub fn finite_differences(x: &[f64], upstream: &[f64], f: impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
    let step = 1e-5;
    let mut at = x.to_vec();
    let along = |y: Vec<f64>| -> f64 { y.iter().zip(upstream).map(|(a, b)| a * b).sum() };
    (0..x.len())
        .map(|i| {
            let keep = at[i];
            at[i] = keep + step;
            let above = along(f(&at));
            at[i] = keep - step;
            let below = along(f(&at));
            at[i] = keep;
            (above - below) / (2.0 * step)
        })
        .collect()
}

/// Asserts along random directions that the slope of Σ `upstream` · f(`x`) is ⟨`dx`, direction⟩, for `x` too long for
/// [`finite_differences`].
pub fn assert_slopes(what: &str, x: &[f64], upstream: &[f64], dx: &[f32], f: impl Fn(&[f64]) -> Vec<f64>) {
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    for seed in 0..8 {
        let along = wide(&random(seed, x.len(), 1.0));
        let shifted = |t: f64| x.iter().zip(&along).map(|(x, a)| x + t * a).collect::<Vec<_>>();
        let at = |t: f64| product(&f(&shifted(t)), upstream);
        let (slope, got) = ((at(1e-6) - at(-1e-6)) / 2e-6, product(&wide(dx), &along));
        assert!((got - slope).abs() <= 2e-5 * (1.0 + slope.abs()), "{what}: {got} for {slope}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "twice the slope")]
    fn wrong_slopes_are_refused() {
        let x = [0.5, -1.0, 2.0];
        let dx = x.map(|x: f64| (2.0 * x) as f32);
        let squares = |x: &[f64]| x.iter().map(|x| x * x).collect();
        assert_slopes("the slope", &x, &[1.0; 3], &dx, squares);
        assert_slopes("twice the slope", &x, &[1.0; 3], &dx.map(|x| 2.0 * x), squares);
    }

    /// The canary: answers that a harness must refuse.
    #[test]
    fn the_harness_rejects_wrong_answers() {
        let want = [1.0, -2.0, 3.0, 0.5];
        assert_close("itself", &[1.0, -2.0, 3.0, 0.5], &want, 1.0, 1);
        assert_far("one element", &[1.0, -2.0, 3.001, 0.5], &want, 8.0, 4);
        assert_far("not a number", &[1.0, f32::NAN, 3.0, 0.5], &want, 8.0, 4);
        assert_far("all zero", &[0.0; 4], &want, 8.0, 4);
        assert_far("transposed", &[1.0, 3.0, -2.0, 0.5], &want, 8.0, 4);
        assert_far("too short", &[1.0, -2.0, 3.0], &want, 8.0, 4);
    }
}
