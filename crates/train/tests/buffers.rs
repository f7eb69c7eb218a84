//! After its first step a run asks the system for no more buffers, whatever the sizes of its batches.
//!
//! A binary of its own: the count belongs to the process.

use serde_json::{Value, json};
use tagsmith_encoder::batch::Batch;
use tagsmith_encoder::config::Config;
use tagsmith_kernel::Precision;
use tagsmith_kernel::memory::floats::taken;
use tagsmith_kernel::memory::tensor::{expect_rows, release_free_memory};
use tagsmith_ranks::World;
use tagsmith_tokens::learn::{LossOptions, TokenTask, update};
use tagsmith_tokens::model::Model;
use tagsmith_train::learner::{Learner, Rate, StepOptions};

fn batch(lengths: &[usize], first: u32) -> Batch {
    let mut batch = Batch::default();
    for &length in lengths {
        let ids: Vec<u32> = (0..length as u32).map(|at| (at * 7 + first) % 90 + 1).collect();
        let labels: Vec<i32> = (0..length as i32).map(|at| at % 2).collect();
        batch.push(&ids, &vec![0; length], &labels);
    }
    batch
}

#[test]
fn only_the_first_step_takes_buffers() {
    let config = json!({
        "model_type": "bert", "vocab_size": 100, "hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4,
        "intermediate_size": 96, "max_position_embeddings": 128, "type_vocab_size": 2, "hidden_act": "gelu",
        "layer_norm_eps": 1e-12, "initializer_range": 0.02, "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1, "pad_token_id": 0, "id2label": {"0": "O", "1": "B-X"},
    });
    let Value::Object(config) = config else { unreachable!("an object was written") };
    let config = Config::from_json("config.json".into(), config).unwrap().0;
    let options = StepOptions { weight_decay: 0.01, ..StepOptions::default() };
    let sizes: [&[usize]; 5] = [&[20, 3], &[90], &[1], &[30, 30, 37], &[97, 2, 1]];
    for precision in [Precision::F32, Precision::Bf16] {
        let mut model = Model::new(config.clone(), 1);
        model.precision = precision;
        let loss = LossOptions::PLAIN;
        let (mut learner, _) = Learner::new(TokenTask::new(model, loss), options.clone(), &[]).unwrap();
        let mut step = |batch: Batch| {
            let report = learner.step(&World::alone(), &update(vec![batch]), Rate::scheduled(1e-3, 1.0));
            report.expect("its rows can be read")
        };
        // One thread: with more, a thread takes room of its own in whichever step it first works.
        tagsmith_kernel::set_threads(1).unwrap();
        release_free_memory();
        expect_rows(100);
        step(batch(&[20, 20], 0));
        let before = taken();
        for number in 0..20 {
            step(batch(sizes[number as usize % sizes.len()], number));
        }
        assert_eq!(taken(), before, "{precision:?}");
        // What the test would see: a batch that nobody expected.
        step(batch(&[120, 120], 1));
        assert!(taken() > before, "{precision:?}");
    }
}
