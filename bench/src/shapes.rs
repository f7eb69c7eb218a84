//! Models and batches that are timed.

use tagsmith_encoder::batch::Batch;
use tagsmith_encoder::config::Config;
use tagsmith_kernel::{Device, Precision};
use tagsmith_tokens::learn::{LossOptions, TokenTask};
use tagsmith_tokens::model::Model;
use tagsmith_train::learner::{Learner, StepOptions};

/// How large everything is, and how often it is repeated.
#[derive(Clone, Copy)]
pub struct Size {
    pub rows: usize,
    pub hidden: usize,
    pub heads: usize,
    pub layers: usize,
    pub vocab: usize,
    pub repeats: usize,
    /// Rows and columns of the product that measures the arithmetic.
    pub square: usize,
    /// Floats of the copy that measures the memory.
    pub copied: usize,
}

/// MiniLM-L6 on a batch of eight sentences of CoNLL's length.
pub const MINILM: Size =
    Size { rows: 168, hidden: 384, heads: 12, layers: 6, vocab: 30_522, repeats: 15, square: 1536, copied: 64 << 20 };
/// BERT-base on the same.
pub const BASE: Size = Size { hidden: 768, layers: 12, ..MINILM };
/// A model for tests.
pub const TINY: Size =
    Size { rows: 21, hidden: 24, heads: 3, layers: 1, vocab: 50, repeats: 1, square: 48, copied: 4096 };

/// Labels of a model.
pub const LABELS: usize = 13;

/// Returns a new model of this size on a device, in training.
pub fn learner(
    size: Size,
    precision: Precision,
    device: &Device,
) -> Result<Learner<TokenTask>, tagsmith_kernel::Error> {
    let Size { hidden, heads, layers, vocab, .. } = size;
    let json = serde_json::json!({
        "model_type": "bert", "vocab_size": vocab, "hidden_size": hidden, "num_hidden_layers": layers,
        "num_attention_heads": heads, "intermediate_size": 4 * hidden, "hidden_act": "gelu",
        "max_position_embeddings": 512,
    });
    let json = json.as_object().expect("it is an object").clone();
    let labels: Vec<String> = (0..LABELS).map(|i| format!("LABEL_{i}")).collect();
    let config = Config::from_json("config.json".into(), json).expect("it is a BERT").0.with_labels(&labels);
    let mut model = Model::new(config, 1);
    model.precision = precision;
    if let Device::Gpu(_) = device {
        model = model.to(device)?;
    }
    let loss = LossOptions::PLAIN;
    let task = TokenTask::new(model, loss);
    Ok(Learner::new(task, StepOptions::default(), &[]).expect("nothing is frozen").0)
}

/// Returns a batch of this many sentences.
pub fn batch(size: Size, sentences: usize) -> Batch {
    let Size { rows, vocab, .. } = size;
    // Lengths around a mean of rows / 8, from half to one and a half times that.
    batch_of(vocab, (0..sentences).map(|sentence| rows / 16 + sentence * 7 % (rows / 8)))
}

/// Returns a batch of sentences of these lengths, in which every piece counts.
pub fn batch_of(vocab: usize, lengths: impl Iterator<Item = usize>) -> Batch {
    let mut batch = Batch::default();
    for (sentence, length) in lengths.enumerate() {
        let ids: Vec<u32> = (0..length).map(|i| ((i * 977 + sentence * 131) % vocab) as u32).collect();
        let labels: Vec<i32> = (0..length).map(|i| (i % LABELS) as i32).collect();
        batch.push(&ids, &vec![0; length], &labels);
    }
    batch
}
