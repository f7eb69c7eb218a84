//! Scratch.
use std::time::Instant;
use tagsmith_kernel::params::*;
use tagsmith_kernel::op::{adamw::AdamW, cross_entropy};
use tagsmith_kernel::*;
use tagsmith_model::{batch::Batch, config::Config, encoder::Pass, model::Model};

fn time(name: &str, flops: f64, bytes: f64, mut f: impl FnMut()) {
    f();
    let mut best = f64::MAX;
    for _ in 0..7 { let t = Instant::now(); f(); best = best.min(t.elapsed().as_secs_f64()); }
    println!("{name:30} {:9.3} ms {:8.1} GFLOP/s {:8.1} GB/s", best * 1e3, flops / best / 1e9, bytes / best / 1e9);
}

fn main() {
    let threads: usize = std::env::args().nth(1).and_then(|x| x.parse().ok()).unwrap_or(2);
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().unwrap();
    println!("{:?}", Level::in_use());
    for (m, k, n) in [(170, 384, 1152), (170, 384, 384), (170, 384, 1536), (170, 1536, 384), (680, 384, 1536), (170, 768, 3072), (170,3072,768)] {
        let a = check::random(1, m * k, 1.0); let w = check::random(2, n * k, 1.0); let mut c = vec![0f32; m * n];
        let fl = 2.0 * (m * k * n) as f64;
        let p = Packed::new(Operand::Columns(&w, k), k, n);
        time(&format!("product {m} {k} {n}"), fl, 0.0, || product(m, Operand::Rows(&a, k), &p, Start::Zero, &mut c));
        time("  pack transposed", 0.0, (8 * n * k) as f64, || { Packed::new(Operand::Columns(&w, k), k, n); });
        time("  pack rows", 0.0, (8 * n * k) as f64, || { Packed::new(Operand::Rows(&w, n), k, n); });
        let mut dw = vec![0f32; n * k]; let dy = check::random(3, m * n, 1.0);
        time("  dW", fl, 0.0, || { let p = Packed::new(Operand::Rows(&a, k), m, k); product(n, Operand::Columns(&dy, n), &p, Start::Accumulate, &mut dw); });
    }
    let json = serde_json::json!({"model_type":"bert","vocab_size":30522,"hidden_size":384,"num_hidden_layers":6,"num_attention_heads":12,"intermediate_size":1536,"hidden_act":"gelu","max_position_embeddings":512,"type_vocab_size":2});
    let (config, _) = Config::from_json("config.json".into(), json.as_object().unwrap().clone()).unwrap();
    let labels: Vec<String> = (0..13).map(|i| format!("L{i}")).collect();
    let mut model = Model::new(config.with_labels(&labels), 1);
    let mut grads = Grads::new(&model.params); let mut moments = Moments::new(&model.params);
    for sentences in [8usize, 32] {
        let mut batch = Batch::default();
        for s in 0..sentences { let len = 10 + (s * 7) % 24; let ids: Vec<u32> = (0..len).map(|i| ((i * 977 + s * 131) % 30000) as u32).collect();
            let lab: Vec<i32> = (0..len).map(|i| (i % 13) as i32).collect(); batch.push(&ids, &vec![0; len], &lab); }
        let r = batch.rows() as f64; let fl = r * 6.0 * 10.6e6;
        for drop in [false, true] {
        let pass = Pass { dropout: drop.then(|| rng::Stream::new(1)), checkpoint_layers: false };
        time(&format!("forward {} rows drop {drop}", r), fl / 3.0, 0.0, || { let (s, _) = model.forward(&batch, pass); std::hint::black_box(s.data()[0]); });
        time("forward+backward", fl, 0.0, || { grads.clear(); let (s, saved) = model.forward(&batch, pass); let l = cross_entropy::forward(&s, &batch.labels, 0.0); saved.backward(&model, &batch, &l.backward(0.01), &mut grads); });
        }
    }
    let n = model.params.len();
    time("adamw all", 0.0, 28.0 * n as f64, || {
        let a = AdamW { rate: 1e-5, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.0, update: 3, gradient_scale: 1.0 };
        let mut o = 0;
        for i in 0..model.params.slots.len() { let len = model.params.slots[i].len(); let (m, v) = (&mut moments.first[o..o + len], &mut moments.second[o..o + len]); o += len;
            let w = model.params.slots[i].shape.last().copied().unwrap();
            if let Some(rg) = grads.sparse(SlotId(i)) { a.update_rows(w, model.params.get_mut(SlotId(i)), rg, m, v); } else { let g = grads.dense(&model.params, SlotId(i)).unwrap().to_vec(); a.update(model.params.get_mut(SlotId(i)), &g, m, v); } }
    });
}
