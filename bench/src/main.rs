//! Each operation's time beside its floor, and a training step's; both floors are measured in the same run.
//!
//!     cargo run --release -p tagsmith-bench [-- --threads 2] [--tiny]
//!
//! The floor is operations ÷ the rate of the fused multiply-add loop, or bytes ÷ the rate of a large copy, whichever is
//! longer. Each row ends in a hash of the result, so that nobody makes it faster by changing the answer.

#![allow(clippy::print_stdout)]

use rayon::prelude::*;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::hint::black_box;
use std::time::Instant;
use tagsmith_kernel::check::random;
use tagsmith_kernel::op::activation::{self, Activation};
use tagsmith_kernel::op::adamw::{self, AdamW, Part};
use tagsmith_kernel::op::{attention, cross_entropy, layer_norm, linear};
use tagsmith_kernel::params::Grads;
use tagsmith_kernel::rng::Stream;
use tagsmith_kernel::tensor::Tensor;
use tagsmith_kernel::{Level, Operand, Packed, Start, product};
use tagsmith_model::batch::Batch;
use tagsmith_model::config::Config;
use tagsmith_model::encoder::Pass;
use tagsmith_model::model::Model;

/// How large everything is, and how often it is repeated.
#[derive(Clone, Copy)]
struct Size {
    rows: usize,
    hidden: usize,
    heads: usize,
    layers: usize,
    vocab: usize,
    repeats: usize,
    /// Floats of the copy that measures the memory.
    copied: usize,
}

/// MiniLM-L6 on a batch of eight sentences of CoNLL's length.
const FULL: Size = Size { rows: 168, hidden: 384, heads: 12, layers: 6, vocab: 30_522, repeats: 15, copied: 64 << 20 };
const TINY: Size = Size { rows: 21, hidden: 24, heads: 3, layers: 1, vocab: 50, repeats: 1, copied: 4096 };

/// What the machine allows.
struct Floor {
    operations_per_s: f64,
    bytes_per_s: f64,
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let threads = words.iter().position(|word| word == "--threads").and_then(|at| words.get(at + 1)?.parse().ok());
    if let Some(threads) = threads {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().expect("the pool is not in use yet");
    }
    run(if words.iter().any(|word| word == "--tiny") { TINY } else { FULL });
}

fn run(size: Size) {
    let floor = Floor { operations_per_s: multiply_add_rate(size), bytes_per_s: copy_rate(size) };
    println!(
        "{:?}, {} threads: {:.0} GFLOP/s multiply-add, {:.1} GB/s copied\n",
        Level::in_use(),
        rayon::current_num_threads(),
        floor.operations_per_s / 1e9,
        floor.bytes_per_s / 1e9
    );
    println!("{:44} {:>8} {:>8} {:>8} {:>8} {:>6}  hash", "operation", "min ms", "median", "max", "floor", "share");
    let bench = Bench { size, floor };
    bench.products();
    bench.layer_operations();
    bench.update();
    bench.step();
}

/// Fused multiply-adds on numbers that stay in the first-level cache: a product of one tile's shape.
fn multiply_add_rate(size: Size) -> f64 {
    let (m, k, n) = (24, 256.min(size.rows * 8), 32);
    let (a, b) = (random(1, m * k, 1.0), random(2, k * n, 1.0));
    let times = 200 * size.repeats;
    let start = Instant::now();
    (0..rayon::current_num_threads()).into_par_iter().for_each(|_| {
        let packed = Packed::new(Operand::Rows(&b, n), k, n);
        let mut c = vec![0f32; m * n];
        for _ in 0..times {
            // Small enough to stay on this thread.
            for (rows, out) in a.chunks(12 * k).zip(c.chunks_mut(12 * n)) {
                product(12, Operand::Rows(rows, k), &packed, Start::Zero, out);
            }
        }
        black_box(&c);
    });
    let operations = 2 * m * k * n * times * rayon::current_num_threads();
    operations as f64 / start.elapsed().as_secs_f64()
}

/// Bytes read and written by a copy that no cache holds.
fn copy_rate(size: Size) -> f64 {
    let from = vec![1f32; size.copied];
    let mut to = vec![0f32; size.copied];
    let mut best = 0f64;
    for _ in 0..size.repeats.min(5) {
        let start = Instant::now();
        let part = size.copied.div_ceil(rayon::current_num_threads());
        to.par_chunks_mut(part).zip(from.par_chunks(part)).for_each(|(to, from)| to.copy_from_slice(from));
        best = best.max(8.0 * size.copied as f64 / start.elapsed().as_secs_f64());
    }
    black_box(&to);
    best
}

struct Bench {
    size: Size,
    floor: Floor,
}

impl Bench {
    /// Times `work`, which returns the result to hash.
    fn row(&self, name: &str, operations: f64, bytes: f64, mut work: impl FnMut() -> Vec<f32>) {
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
        let floor = 1e3 * (operations / self.floor.operations_per_s).max(bytes / self.floor.bytes_per_s);
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
                linear::forward(x.clone(), &w, &b).0.row(0).to_vec()
            });
            let (mut dw, mut db) = (vec![0f32; n * k], vec![0f32; n]);
            self.row("linear forward and backward", 3.0 * operations, 0.0, || {
                let into = linear::Into {
                    weight: Some(&mut dw),
                    weight_accumulates: false,
                    bias: Some(&mut db),
                    bias_accumulates: false,
                };
                let saved = linear::forward(x.clone(), &w, &b).1;
                saved.backward(&w, into, &dy).row(0).to_vec()
            });
        }
    }

    fn layer_operations(&self) {
        let Size { rows: r, hidden: h, heads, .. } = self.size;
        let starts: Vec<u32> = (0..=7).map(|i| (i * r / 7) as u32).collect();
        let qkv = Tensor::from_slice(r, 3 * h, &random(1, r * 3 * h, 1.0));
        let dy = Tensor::from_slice(r, h, &random(2, r * h, 1.0));
        let scores: usize = starts.windows(2).map(|w| ((w[1] - w[0]) * (w[1] - w[0])) as usize).sum();
        let operations = 4.0 * (scores * h) as f64;
        self.row(&format!("attention ({r}, {h}), {heads} heads"), operations, (16 * r * h) as f64, || {
            attention::forward(qkv.clone(), &starts, heads, None).0.row(0).to_vec()
        });
        self.row("attention forward and backward", 3.5 * operations, (44 * r * h) as f64, || {
            let saved = attention::forward(qkv.clone(), &starts, heads, None).1;
            saved.backward(&starts, &dy).row(0).to_vec()
        });
        let (gain, bias) = (random(3, h, 1.0), random(4, h, 1.0));
        self.row(&format!("layer norm ({r}, {h})"), 0.0, (8 * r * h) as f64, || {
            layer_norm::forward(dy.clone(), &gain, &bias, 1e-12).0.row(0).to_vec()
        });
        let x = Tensor::from_slice(r, 4 * h, &random(5, r * 4 * h, 2.0));
        self.row(&format!("GELU ({r}, {})", 4 * h), 0.0, (32 * r * h) as f64, || {
            activation::forward(x.clone(), Activation::Gelu).0.row(0).to_vec()
        });
    }

    fn update(&self) {
        let n = self.size.vocab * self.size.hidden;
        let (mut p, g) = (random(1, n, 1.0), random(2, n, 0.01));
        let (mut m, mut v) = (vec![0f32; n], vec![0f32; n]);
        let adamw =
            AdamW { rate: 1e-5, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.01, update: 3, gradient_scale: 1.0 };
        self.row(&format!("adamw, {n} parameters"), 0.0, (28 * n) as f64, || {
            adamw::update(&mut [Part { adamw, p: &mut p, g: &g, m: &mut m, v: &mut v }]);
            p[..8].to_vec()
        });
    }

    fn step(&self) {
        let Size { rows, hidden, heads, layers, vocab, .. } = self.size;
        let json = serde_json::json!({
            "model_type": "bert", "vocab_size": vocab, "hidden_size": hidden, "num_hidden_layers": layers,
            "num_attention_heads": heads, "intermediate_size": 4 * hidden, "hidden_act": "gelu",
            "max_position_embeddings": 512,
        });
        let json = json.as_object().expect("it is an object").clone();
        let labels: Vec<String> = (0..13).map(|i| format!("LABEL_{i}")).collect();
        let config = Config::from_json("config.json".into(), json).expect("it is a BERT").0.with_labels(&labels);
        let model = Model::new(config, 1);
        for sentences in [8, 32] {
            let mut batch = Batch::default();
            for sentence in 0..sentences {
                // Lengths around a mean of rows / 8, from half to one and a half times that.
                let length = rows / 16 + sentence * 7 % (rows / 8);
                let ids: Vec<u32> = (0..length).map(|i| ((i * 977 + sentence * 131) % vocab) as u32).collect();
                let labels: Vec<i32> = (0..length).map(|i| (i % 13) as i32).collect();
                batch.push(&ids, &vec![0; length], &labels);
            }
            let layer = 12 * hidden * hidden;
            let operations = 2.0 * (batch.rows() * layers * layer) as f64;
            let pass = Pass { dropout: Some(Stream::new(1)), checkpoint_layers: false };
            let mut grads = Grads::new(&model.params);
            self.row(&format!("model forward, {sentences} sentences, {} rows", batch.rows()), operations, 0.0, || {
                model.forward(&batch, pass).0.row(0).to_vec()
            });
            self.row("model forward and backward", 3.0 * operations, 0.0, || {
                grads.clear();
                let (scores, saved) = model.forward(&batch, pass);
                let loss = cross_entropy::forward(&scores, &batch.labels, 0.0);
                let sum = loss.sum as f32;
                saved.backward(&model, &batch, &loss.backward(1.0 / batch.counted() as f64), &mut grads);
                vec![sum]
            });
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn everything_runs_at_a_tiny_size() {
        super::run(super::TINY);
    }
}
