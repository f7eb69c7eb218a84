//! Each operation's time beside its floor, and a training step's; both floors are measured in the same run.
//!
//! ```text
//! cargo run --release -p tagsmith-bench [-- --threads 2] [--bf16] [--base] [--only "training step"]
//! cargo run --release -p tagsmith-bench -- --predict MODEL BATCHES [--bf16]
//! cargo run --release -p tagsmith-bench -- --device-check [--device cuda:1]
//! cargo run --release -p tagsmith-bench -- --launches [--base] [--bf16] [--device_bandwidth 4.3e12] [--device_flops 790e12]
//! cargo run --release -p tagsmith-bench -- --repeats [--base] [--bf16]
//! ```
//!
//! The second command times the model's forward alone on batches of token ids, a JSON list of lists of lists.
//! `race_predict.py` compares that time with PyTorch's forward on the same batches. The third is `device_check.rs`.
//! The fourth counts what a training step asks a GPU for, and needs none: `launches.rs`. So does the fifth, which counts what
//! repeats: `repeats.rs`.
//!
//! The floor is operations ÷ the rate of a large square product plus bytes ÷ the rate of a large copy. `--base` is
//! BERT-base instead of MiniLM. `--only` takes the rows whose names contain its word. Each row ends in a hash of the
//! result, so that nobody makes it faster by changing the answer.

#![allow(clippy::print_stdout, clippy::print_stderr)]

mod device_check;
mod launches;
mod repeats;
mod shapes;

use launches::Limits;
use shapes::{BASE, MINILM, Size, TINY, batch, learner};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use tagsmith_encoder::batch::Batch;
use tagsmith_encoder::config::Config;
use tagsmith_encoder::family::architecture::Pass;
use tagsmith_kernel::check::random;
use tagsmith_kernel::device::Places;
use tagsmith_kernel::memory::tensor::Tensor;
use tagsmith_kernel::memory::values::{View, ViewMut};
use tagsmith_kernel::op::activation::{self, Activation};
use tagsmith_kernel::op::adamw::{self, AdamW, Kept, Part};
use tagsmith_kernel::op::label_loss::{self, Objective};
use tagsmith_kernel::op::sequences::Sequences;
use tagsmith_kernel::op::{attention, layer_norm, linear};
use tagsmith_kernel::params::{GradSlot, Grads, Slot};
use tagsmith_kernel::product;
use tagsmith_kernel::random::stream::Stream;
use tagsmith_kernel::{Device, Level, Operand, Precision, Start, set_threads, threads};
use tagsmith_ranks::World;
use tagsmith_tokens::folder::Head;
use tagsmith_tokens::learn::update;
use tagsmith_tokens::model::Model;
use tagsmith_train::learner::Rate;

/// What the machine allows.
struct Floor {
    operations_per_s: f64,
    bytes_per_s: f64,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    let given = |option: &str| words.iter().position(|word| word == option);
    if let Some(count) = given("--threads").and_then(|at| words.get(at + 1)?.parse().ok()) {
        set_threads(count).expect("the system gives threads");
    }
    if given("--device-check").is_some() {
        let word = |option: &str| given(option).and_then(|at| words.get(at + 1)).map(String::as_str);
        match device(word("--device"), word("--cuda-libraries")) {
            Ok(device) if device_check::run(&device, given("--tiny").is_some()) => return ExitCode::SUCCESS,
            Ok(_) => return ExitCode::FAILURE,
            Err(error) => {
                eprintln!("error: {error}");
                return ExitCode::from(2);
            }
        }
    }
    let precision = if given("--bf16").is_some() { Precision::Bf16 } else { Precision::F32 };
    if let Some([model, batches]) = given("--predict").and_then(|at| words.get(at + 1..at + 3)) {
        predict(Path::new(model), Path::new(batches), precision);
        return ExitCode::SUCCESS;
    }
    let size = match (given("--tiny"), given("--base")) {
        (Some(_), _) => TINY,
        (None, Some(_)) => BASE,
        (None, None) => MINILM,
    };
    let only = given("--only").and_then(|at| words.get(at + 1)).map_or("", String::as_str);
    if given("--repeats").is_some() {
        repeats::run(size, precision, &[8, 32]);
        return ExitCode::SUCCESS;
    }
    if given("--launches").is_some() {
        let number = |option: &str, default: f64| match given(option) {
            None => default,
            Some(at) => words.get(at + 1).and_then(|word| word.parse().ok()).expect("the option has a number"),
        };
        let limits = Limits {
            bytes_per_s: number("--device_bandwidth", launches::H200.bytes_per_s),
            operations_per_s: number("--device_flops", launches::H200.operations_per_s),
        };
        launches::run(size, precision, limits, &[8, 32, 256]);
        return ExitCode::SUCCESS;
    }
    run(size, precision, only);
    ExitCode::SUCCESS
}

fn run(size: Size, precision: Precision, only: &str) {
    let floor = Floor { operations_per_s: product_rate(size, precision), bytes_per_s: copy_rate(size) };
    println!(
        "{:?}, {precision:?}, {} threads: {:.0} GFLOP/s in a large product, {:.1} GB/s copied\n",
        Level::in_use(),
        threads(),
        floor.operations_per_s / 1e9,
        floor.bytes_per_s / 1e9
    );
    println!("{:44} {:>8} {:>8} {:>8} {:>8} {:>6}  hash", "operation", "min ms", "median", "max", "floor", "share");
    let bench = Bench { size, precision, floor, only };
    bench.products();
    bench.layer_operations();
    bench.update();
    bench.step();
}

/// The seconds that a checkpoint's forward takes on these batches, from the first on.
fn predict(folder: &Path, batches: &Path, precision: Precision) {
    let config = Config::read(folder).expect("the model's configuration is readable").0;
    let mut model = Model::load(folder, config, Head::Required).expect("the model is readable").0;
    model.precision = precision;
    let text = std::fs::read_to_string(batches).expect("the batches are readable");
    let ids: Vec<Vec<Vec<u32>>> = serde_json::from_str(&text).expect("batches are lists of lists of token ids");
    let collate = |sentences: Vec<Vec<u32>>| {
        let mut batch = Batch::default();
        sentences.iter().for_each(|ids| batch.push(ids, &vec![0; ids.len()], &[]));
        batch
    };
    let batches: Vec<Batch> = ids.into_iter().map(collate).collect();
    let start = Instant::now();
    for batch in &batches {
        black_box(model.infer(batch)).expect("the rows can be read");
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{}",
        serde_json::json!({"engine_s": seconds, "sub_tokens": batches.iter().map(Batch::rows).sum::<usize>()})
    );
}

/// A square product's operations a second, the best of all repeats.
fn product_rate(size: Size, precision: Precision) -> f64 {
    let n = size.square;
    let (a, b, mut c) = (random(1, n * n, 1.0), random(2, n * n, 1.0), vec![0f32; n * n]);
    let mut best = f64::INFINITY;
    for _ in 0..size.repeats {
        let start = Instant::now();
        let (left, right) = (Operand::Rows(&a, n), Operand::Rows(&b, n));
        product(precision, (n, n, n), left, right, Start::Zero, &mut c);
        best = best.min(start.elapsed().as_secs_f64());
        black_box(&c);
    }
    2.0 * (n * n * n) as f64 / best
}

/// Bytes read and written a second by a copy that no cache holds, the best of some repeats.
fn copy_rate(size: Size) -> f64 {
    let from = vec![1f32; size.copied];
    let mut to = vec![0f32; size.copied];
    let mut best = 0f64;
    for _ in 0..size.repeats.min(5) {
        let start = Instant::now();
        let part = size.copied.div_ceil(threads());
        std::thread::scope(|scope| {
            for (to, from) in to.chunks_mut(part).zip(from.chunks(part)) {
                scope.spawn(|| to.copy_from_slice(from));
            }
        });
        best = best.max(8.0 * size.copied as f64 / start.elapsed().as_secs_f64());
    }
    black_box(&to);
    best
}

struct Bench<'a> {
    size: Size,
    precision: Precision,
    floor: Floor,
    /// Part of the names of the rows that are wanted.
    only: &'a str,
}

impl Bench<'_> {
    /// Times `work`, which returns the result to hash.
    fn row(&self, name: &str, operations: f64, bytes: f64, mut work: impl FnMut() -> Vec<f32>) {
        if !name.contains(self.only) {
            return;
        }
        let mut hasher = DefaultHasher::new();
        work().iter().for_each(|x| x.to_bits().hash(&mut hasher));
        let mut times: Vec<f64> = (0..self.size.repeats)
            .map(|_| {
                let start = Instant::now();
                black_box(work());
                start.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        times.sort_by(f64::total_cmp);
        let floor = 1e3 * (operations / self.floor.operations_per_s + bytes / self.floor.bytes_per_s);
        let (low, median, high) = (times[0], times[times.len() / 2], times[times.len() - 1]);
        println!(
            "{name:44} {low:8.3} {median:8.3} {high:8.3} {floor:8.3} {:5.0}%  {:08x}",
            100.0 * floor / median,
            hasher.finish() as u32
        );
    }

    fn products(&self) {
        let (r, h) = (self.size.rows, self.size.hidden);
        for (k, n) in [(h, 3 * h), (h, h), (h, 4 * h), (4 * h, h)] {
            let (x, w, b, dy) =
                (random(1, r * k, 1.0), random(2, n * k, 0.1), random(3, n, 1.0), random(4, r * n, 1.0));
            let (x, dy) = (Tensor::from_slice(r, k, &x), Tensor::from_slice(r, n, &dy));
            let operations = 2.0 * (r * k * n) as f64;
            self.row(&format!("linear ({r}, {k}) → {n}"), operations, 0.0, || {
                linear::forward(x.clone(), View::Host(&w), View::Host(&b), self.precision).0.row(0).to_vec()
            });
            let (mut dw, mut db) = (vec![0f32; n * k], vec![0f32; n]);
            self.row("linear forward and backward", 3.0 * operations, 0.0, || {
                let into = linear::ParamGrads {
                    weight: Some(GradSlot::Overwrite(ViewMut::Host(&mut dw))),
                    bias: Some(GradSlot::Overwrite(ViewMut::Host(&mut db))),
                };
                let saved = linear::forward(x.clone(), View::Host(&w), View::Host(&b), self.precision).1;
                saved.backward(View::Host(&w), into, &dy, None).row(0).to_vec()
            });
        }
    }

    fn layer_operations(&self) {
        let Size { rows: r, hidden: h, heads, .. } = self.size;
        let starts: Vec<u32> = (0..=7).map(|i| (i * r / 7) as u32).collect();
        let sequences = Sequences::new(&starts);
        let qkv = Tensor::from_slice(r, 3 * h, &random(1, r * 3 * h, 1.0));
        let dy = Tensor::from_slice(r, h, &random(2, r * h, 1.0));
        let scores: usize = starts.windows(2).map(|w| ((w[1] - w[0]) * (w[1] - w[0])) as usize).sum();
        let operations = 4.0 * (scores * h) as f64;
        self.row(&format!("attention ({r}, {h}), {heads} heads"), operations, (16 * r * h) as f64, || {
            attention::forward(qkv.clone(), &sequences, heads, None, None).0.row(0).to_vec()
        });
        self.row("attention forward and backward", 3.5 * operations, (44 * r * h) as f64, || {
            let saved = attention::forward(qkv.clone(), &sequences, heads, None, None).1;
            saved.backward(&sequences, &dy).row(0).to_vec()
        });
        let (gain, bias) = (random(3, h, 1.0), random(4, h, 1.0));
        self.row(&format!("layer norm ({r}, {h})"), 0.0, (8 * r * h) as f64, || {
            layer_norm::forward(dy.clone(), View::Host(&gain), View::Host(&bias), 1e-12).0.row(0).to_vec()
        });
        let x = Tensor::from_slice(r, 4 * h, &random(5, r * 4 * h, 2.0));
        self.row(&format!("GELU ({r}, {})", 4 * h), 0.0, (32 * r * h) as f64, || {
            activation::forward(&x, Activation::Gelu).row(0).to_vec()
        });
    }

    fn update(&self) {
        let n = self.size.vocab * self.size.hidden;
        let (mut p, g) = (random(1, n, 1.0), random(2, n, 0.01));
        let (mut m, mut v) = (vec![0f32; n], vec![0f32; n]);
        let adamw = AdamW { rate: 1e-5, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.01, update: 3 };
        self.row(&format!("adamw, {n} parameters"), 0.0, (28 * n) as f64, || {
            let [to, m, v] = [&mut p, &mut m, &mut v].map(|values| ViewMut::Host(values));
            let part = Part { adamw, p: to, g: View::Host(&g), m, v };
            adamw::update(vec![part], View::Host(&[1.0]), &mut Kept::default());
            p[..8].to_vec()
        });
    }

    fn step(&self) {
        let Size { hidden, layers, .. } = self.size;
        let mut learner = learner(self.size, self.precision, &Device::Processor).expect("the processor has room");
        let params = &learner.model().model.params;
        let dense: usize = params.slots.iter().map(Slot::room).sum();
        let mut grads = Grads::new(params);
        for sentences in [8, 32] {
            let batch = batch(self.size, sentences);
            let layer = 12 * hidden * hidden;
            let operations = 2.0 * (batch.rows() * layers * layer) as f64;
            let pass = Pass { dropout: Some(Stream::new(1)), first_row: 0, checkpoint_layers: false };
            let model = &learner.model().model;
            model.fetch(&batch).expect("new weights can be read");
            self.row(&format!("model forward, {sentences} sentences, {} rows", batch.rows()), operations, 0.0, || {
                model.forward(&batch, pass).0.row(0).to_vec()
            });
            self.row("model forward and backward", 3.0 * operations, 0.0, || {
                grads.clear();
                let (scores, saved) = model.forward(&batch, pass);
                let factor = 1.0 / batch.counted() as f64;
                let plain = Objective::cross_entropy(0.0);
                let loss = label_loss::forward(&scores, &batch.labels, &plain, factor).expect("the processor works");
                saved.backward(model, &batch, &loss.dscores, None, &mut grads);
                vec![loss.sum.read().expect("the processor works") as f32]
            });
            // At a rate of 0 every step starts from the same weights.
            let (update, rate) = (update(vec![batch.clone()]), Rate::scheduled(0.0, 1.0));
            self.row("training step", 3.0 * operations, (28 * dense) as f64, || {
                vec![learner.step(&World::alone(), &update, rate).expect("new weights can be read").loss as f32]
            });
        }
    }
}

/// Returns the device that the words name.
fn device(name: Option<&str>, libraries: Option<&str>) -> Result<Device, tagsmith_kernel::device::Error> {
    let places = Places { folders: libraries.into_iter().map(PathBuf::from).collect(), system: true };
    match name.unwrap_or("cuda") {
        "emulated" => Device::emulated(1),
        "cpu" => Ok(Device::Processor),
        name => {
            let number = name.strip_prefix("cuda:").and_then(|number| number.parse().ok());
            Device::cuda(&places, number.unwrap_or(0))
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn everything_runs_at_a_tiny_size() {
        for precision in [super::Precision::F32, super::Precision::Bf16] {
            super::run(super::TINY, precision, "");
        }
    }

    #[test]
    fn an_emulated_gpu_passes_the_device_check() {
        let device = super::Device::emulated(1).expect("the emulator knows our kernels");
        assert!(super::device_check::run(&device, true));
    }
}
