//! A rehearsal of several processes, as `accelerate test`.
//!
//! The processes know each other, draw the same numbers and share the data. Together they learn what one process
//! learns alone.

use crate::events::{Event, Events};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tagsmith_encoder::batch::Batch;
use tagsmith_encoder::config::Config;
use tagsmith_ranks::{Message, World};
use tagsmith_tokens::learn::{LossOptions, TokenTask, update};
use tagsmith_tokens::model::Model;
use tagsmith_train::learner::{Learner, Rate, StepOptions};
use tagsmith_train::trainer::order::{Order, Sampling};

/// Sentences of a rank in an update.
const BATCH: usize = 2;
/// Sentences in all, a prime number.
const SENTENCES: usize = 37;
/// Updates.
const STEPS: usize = 8;
/// The largest relative difference between the losses of STEPS steps and the losses of one process. Sums of some
/// hundred numbers in another order differ by some 2⁻²⁴ × 10.
const LOSS_APART: f64 = 1e-5;
/// A step that all ranks make together.
type Step = fn(&World) -> Result<()>;

/// What a rehearsal found out.
#[derive(Clone, Debug, PartialEq)]
pub struct Rehearsal {
    /// How many ranks there are.
    pub ranks: usize,
    /// Seconds that this rank waited for others.
    pub waited: f64,
    /// A line about the speed of messages, if there is more than one rank.
    pub speed: Option<String>,
}

/// Rehearses, and reports each step that succeeds.
///
/// # Errors
/// The first step that fails.
pub fn rehearse(world: &World, events: &mut dyn Events) -> Result<Rehearsal> {
    let steps: [(&str, Step); 4] = [
        ("processes know each other", acquainted),
        ("all draw the same numbers", same_draws),
        ("the data is shared, none is lost", all_data),
        ("learning together is learning alone", same_learning),
    ];
    for (name, step) in steps {
        step(world)?;
        events.event(Event::Passed(name));
    }
    let speed = (world.size() > 1).then(|| speed(world));
    Ok(Rehearsal { ranks: world.size(), waited: world.waited(), speed })
}

/// Returns a line about the speed of messages.
///
/// It has the time of a small exchange, and how many bytes a second a large exchange moves out of each rank. As many
/// move into it.
fn speed(world: &World) -> String {
    const TIMES: usize = 50;
    const NUMBERS: usize = 1 << 18;
    const FEW: usize = 16;
    let others: Vec<usize> = (0..world.size()).filter(|&rank| rank != world.rank()).collect();
    let (sent, mut received) = (vec![1.0; NUMBERS], vec![0.0; NUMBERS * others.len()]);
    // Every rank sends so many numbers to every other.
    let mut exchange = |numbers: usize| {
        let began = world.waited();
        let to = Message::To(others.clone(), &sent[..numbers]);
        let parts = received.chunks_exact_mut(NUMBERS).map(|part| &mut part[..numbers]);
        let from = others.iter().zip(parts).map(|(&rank, part)| Message::From(rank, part));
        world.during(from.chain([to]).collect(), || ());
        world.waited() - began
    };
    let (mut small, mut large) = (0.0, 0.0);
    for _ in 0..TIMES {
        small += exchange(FEW);
        large += exchange(NUMBERS);
    }
    let (small, bytes) = (1e6 * small / TIMES as f64, (4 * NUMBERS * (world.size() - 1) * TIMES) as f64);
    format!("an exchange of small messages takes {small:.0} µs; {:.2} GB/s leave each rank", bytes / large / 1e9)
}

fn acquainted(world: &World) -> Result<()> {
    // As many bytes as the rank's number says.
    let bytes = world.gather(&vec![world.rank() as u8; world.rank()]);
    let right = bytes.iter().enumerate().all(|(rank, bytes)| *bytes == vec![rank as u8; rank]);
    ensure!(right && bytes.len() == world.size(), "ranks received {bytes:?} from each other");
    let (n, sum) = (world.size(), world.sum(world.rank() as f64));
    ensure!(sum == (n * (n - 1) / 2) as f64, "the ranks' numbers add up to {sum}");
    Ok(())
}

fn same_draws(world: &World) -> Result<()> {
    same("drawn weights", world, learner()?.checksum()?)
}

fn all_data(world: &World) -> Result<()> {
    let mine: Vec<u8> =
        order(world.size()).iter().flat_map(|update| &update[world.rank()]).map(|&sentence| sentence as u8).collect();
    let all = world.gather(&mine);
    let equal = all.iter().all(|sentences| sentences.len() == mine.len());
    let mut found = all.concat();
    found.sort_unstable();
    found.dedup();
    ensure!(equal && found.len() == SENTENCES, "ranks have {all:?} of {SENTENCES} sentences");
    Ok(())
}

fn same_learning(world: &World) -> Result<()> {
    let (mut together, mut alone) = (learner()?, learner()?);
    let rate = Rate::scheduled(1e-3, 1.0);
    for (step, batches) in order(world.size()).iter().cycle().take(STEPS).enumerate() {
        let mut update = update(batches.iter().map(|sentences| batch(sentences)).collect());
        let want = alone.step(&World::alone(), &update, rate)?.loss;
        update.micro_batches = vec![update.micro_batches.swap_remove(world.rank())];
        let got = together.step(world, &update, rate)?.loss;
        let apart = (got / want - 1.0).abs();
        ensure!(apart <= LOSS_APART, "step {step}: {} ranks have a loss of {got}, one has {want}", world.size());
    }
    same("learned weights", world, together.checksum()?)
}

fn same(what: &str, world: &World, number: u64) -> Result<()> {
    let all = world.gather(&number.to_le_bytes());
    let other = all.iter().position(|other| *other != all[0]);
    ensure!(other.is_none(), "{what}: rank {} has others than rank 0", other.unwrap_or(0));
    Ok(())
}

fn order(ranks: usize) -> Vec<Vec<Vec<usize>>> {
    let lengths = [1; SENTENCES];
    let (sampling, weights) = (Sampling::Random, &[][..]);
    Order {
        sampling,
        seed: 42,
        lengths: &lengths,
        weights,
        batch_size: BATCH,
        accumulation: 1,
        drop_last: false,
        ranks,
    }
    .updates(0)
    .collect()
}

/// Sentences whose labels follow from their pieces.
fn batch(sentences: &[usize]) -> Batch {
    let mut batch = Batch::default();
    for &sentence in sentences {
        let ids: Vec<u32> = (0..3 + sentence % 5).map(|at| ((sentence * 7 + at * 3) % 90 + 1) as u32).collect();
        let labels: Vec<i32> = ids.iter().map(|id| (id % 3) as i32).collect();
        batch.push(&ids, &vec![0; ids.len()], &labels);
    }
    batch
}

fn learner() -> Result<Learner<TokenTask>> {
    let config = json!({
        "model_type": "bert", "vocab_size": 100, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 64, "max_position_embeddings": 16, "type_vocab_size": 2, "hidden_act": "gelu",
        "layer_norm_eps": 1e-12, "initializer_range": 0.02, "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1, "pad_token_id": 0, "id2label": {"0": "O", "1": "A", "2": "B"},
    });
    let Value::Object(config) = config else { unreachable!("an object was written") };
    let (config, _) = Config::from_json("config.json".into(), config)?;
    let loss = LossOptions::PLAIN;
    Ok(Learner::new(TokenTask::new(Model::new(config, 7), loss), StepOptions::default(), &[])?.0)
}
