//! The work of a training step on a GPU, counted by a device that does nothing: no GPU is needed.
//!
//! A floor is bytes ÷ bandwidth or operations ÷ rate, whichever takes longer, for each launch. Caches may lower it where a
//! result is read soon after it was written; starting a launch is not in it.

use crate::shapes::{Size, batch_of, learner};
use std::collections::BTreeMap;
use tagsmith_kernel::device::{Asked, Work as DeviceWork};
use tagsmith_kernel::{Device, Precision};
use tagsmith_ranks::World;
use tagsmith_tokens::learn::update;
use tagsmith_train::learner::Rate;

/// What a device allows.
#[derive(Clone, Copy)]
pub struct Limits {
    pub bytes_per_s: f64,
    pub operations_per_s: f64,
}

/// What was measured on an H200: a large copy, and a large product of bf16.
pub const H200: Limits = Limits { bytes_per_s: 4.3e12, operations_per_s: 790e12 };

/// The bytes of an H200.
pub const MEMORY: u64 = 141_000_000_000;

/// Sub-tokens of a sentence, on average: CoNLL's.
const SUB_TOKENS: usize = 21;

/// Work of one kind.
#[derive(Clone, Copy, Default)]
struct Work {
    count: u64,
    bytes: u64,
    operations: u64,
    floor_s: f64,
}

impl Work {
    fn add(&mut self, other: Work) {
        self.count += other.count;
        self.bytes += other.bytes;
        self.operations += other.operations;
        self.floor_s += other.floor_s;
    }
}

/// What a step asks a device for.
#[derive(Default)]
struct Step {
    /// The device's own work, by its kind.
    work: BTreeMap<&'static str, Work>,
    uploads: Work,
    downloads: Work,
}

impl Step {
    fn count(asked: &[Asked], limits: Limits) -> Step {
        let mut step = Step::default();
        for asked in asked {
            let traffic = asked.traffic();
            let bytes = traffic.read + traffic.written;
            let operations =
                if let Asked::Work(DeviceWork::Multiply(multiply)) = asked { multiply.operations() } else { 0 };
            let floor_s = (bytes as f64 / limits.bytes_per_s).max(operations as f64 / limits.operations_per_s);
            let own = match asked {
                Asked::Upload { .. } => &mut step.uploads,
                Asked::Download { .. } => &mut step.downloads,
                Asked::Work(work) => step.work.entry(kind(work)).or_default(),
            };
            own.add(Work { count: 1, bytes, operations, floor_s });
        }
        step
    }

    fn sum(&self) -> Work {
        let mut sum = Work::default();
        self.work.values().for_each(|work| sum.add(*work));
        sum
    }
}

/// Names a piece of work: a kernel, or the role of a product, which its transpositions show.
fn kind(work: &DeviceWork) -> &'static str {
    match work {
        DeviceWork::Launch(launch) => launch.kernel,
        DeviceWork::Multiply(multiply) => match (multiply.transposes_a, multiply.transposes_b) {
            (true, false) => "product: forward",
            (false, false) => "product: input gradient",
            (false, true) => "product: weight gradient",
            (true, true) => "product: of transposes",
        },
        DeviceWork::Copy { .. } => "copy",
        DeviceWork::Clear { .. } => "clear",
    }
}

/// Prints a table of each batch size, and all sums as one line of JSON.
pub fn run(size: Size, precision: Precision, limits: Limits, sentences: &[usize]) {
    let Limits { bytes_per_s, operations_per_s } = limits;
    println!(
        "{} layers of {}, {precision:?}; computed from recorded launches, never run on a real GPU",
        size.layers, size.hidden
    );
    println!("floors at {bytes_per_s:.3e} bytes a second and {operations_per_s:.3e} operations a second");
    let sums: Vec<_> = count_steps(size, precision, limits, sentences)
        .iter()
        .map(|(sentences, rows, memory, step)| {
            println!("\n{sentences} sentences, {rows} sub-tokens");
            println!("{:36} {:>8} {:>10} {:>9} {:>10}", "work", "launches", "MB", "GFLOP", "floor µs");
            let mut work: Vec<_> = step.work.iter().collect();
            work.sort_by(|a, b| b.1.floor_s.total_cmp(&a.1.floor_s));
            work.iter().for_each(|(name, work)| print_row(name, work));
            let sum = step.sum();
            print_row("all", &sum);
            println!(
                "at this floor {:.0} sub-tokens a second; from the host {} bytes in {} copies, to it {} bytes in {}; {:.2} GB taken",
                *rows as f64 / sum.floor_s,
                step.uploads.bytes,
                step.uploads.count,
                step.downloads.bytes,
                step.downloads.count,
                *memory as f64 / 1e9
            );
            serde_json::json!({
                "sentences": sentences, "sub_tokens": rows, "launches": sum.count, "bytes": sum.bytes,
                "operations": sum.operations, "floor_s": sum.floor_s, "uploads": step.uploads.count,
                "uploaded": step.uploads.bytes, "downloads": step.downloads.count, "downloaded": step.downloads.bytes,
                "memory": memory,
            })
        })
        .collect();
    let all = serde_json::json!({
        "computed": true, "layers": size.layers, "hidden": size.hidden, "precision": format!("{precision:?}"),
        "bytes_per_s": bytes_per_s, "operations_per_s": operations_per_s, "steps": sums,
    });
    println!("\n{all}");
}

fn print_row(name: &str, work: &Work) {
    let Work { count, bytes, operations, floor_s } = *work;
    let (mb, gflop) = (bytes as f64 / 1e6, operations as f64 / 1e9);
    println!("{name:36} {count:8} {mb:10.3} {gflop:9.1} {:10.1}", floor_s * 1e6);
}

/// Returns for each number of sentences: that, the sub-tokens, the most bytes that were taken by then, and a step.
fn count_steps(
    size: Size,
    precision: Precision,
    limits: Limits,
    sentences: &[usize],
) -> Vec<(usize, usize, u64, Step)> {
    let (device, recorder) = Device::recorded(MEMORY);
    let mut learner = learner(size, precision, &device).expect("there is room");
    let steps = sentences.iter().map(|&sentences| {
        // Pairs of lengths around the mean.
        let length = |sentence: usize| match sentence % 2 {
            0 => SUB_TOKENS - sentence / 2 % 11,
            _ => SUB_TOKENS + sentence / 2 % 11,
        };
        let batch = batch_of(size.vocab, (0..sentences).map(length));
        let (rows, update, rate) = (batch.rows(), update(vec![batch]), Rate::scheduled(1e-5, 1.0));
        // The first step of a size uploads what is kept.
        for _ in 0..2 {
            recorder.take_asked();
            learner.step(&World::alone(), &update, rate).expect("it refuses nothing");
        }
        (sentences, rows, recorder.most_taken(), Step::count(&recorder.take_asked(), limits))
    });
    steps.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shapes::{LABELS, TINY};

    #[test]
    fn a_step_is_what_formulas_say() {
        let Size { hidden, layers, .. } = TINY;
        for (precision, adamw_bytes) in [(Precision::F32, 28), (Precision::Bf16, 30)] {
            let counted = count_steps(TINY, precision, H200, &[2, 8]);
            let mut model = learner(TINY, precision, &Device::Processor).expect("there is room");
            let parameters = model.model().model.params.len();
            for (sentences, rows, memory, step) in &counted {
                assert_eq!(*rows, SUB_TOKENS * sentences);
                // Forward, the gradient of the input and that of the weight: each 2 · R · weights of products.
                let weights = 12 * hidden * hidden * layers + hidden * LABELS;
                let sum = step.sum();
                assert_eq!(sum.operations, (6 * rows * weights) as u64, "{precision:?}, {rows}");
                // Values, gradients and moments are read, all but the gradients written, and rounded twins.
                let adamw = step.work["adamw"];
                let least = (adamw_bytes * parameters) as u64;
                assert!((least..least + least / 4).contains(&adamw.bytes), "{} for {least}", adamw.bytes);
                assert_eq!((step.downloads.count, step.downloads.bytes), (2, 16), "the loss and the norm");
                assert!(*memory > 16 * parameters as u64);
                // The sum of floors is that of each launch: above those of all bytes and of all operations.
                let bytes_s = sum.bytes as f64 / H200.bytes_per_s;
                assert!(sum.floor_s >= bytes_s * 0.999 && sum.floor_s < 10.0 * bytes_s);
            }
            // What the rows move grows with them; AdamW's does not.
            let [small, large] = [&counted[0].3, &counted[1].3];
            assert_eq!(small.work["adamw"].bytes, large.work["adamw"].bytes);
            assert!(large.sum().bytes > small.sum().bytes);
        }
    }

    #[test]
    fn tables_are_printed_at_a_tiny_size() {
        run(TINY, Precision::Bf16, H200, &[2]);
    }
}
