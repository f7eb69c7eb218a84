//! Each parameter learns at its own rate, whichever model it is of.

use std::path::{Path, PathBuf};
use tagsmith_kernel::params::{Params, Slot, SlotId, Stages};
use tagsmith_ranks::World;
use tagsmith_spans::Error;
use tagsmith_spans::batch::collate;
use tagsmith_spans::batch::encode::{Encoded, Encoding, Masking};
use tagsmith_spans::folder;
use tagsmith_spans::learn::{GoldBatch, Rates, SpanTask, update};
use tagsmith_spans::model::loss::Normalization;
use tagsmith_testkit::golden;
use tagsmith_text::example::{Entity, Example};
use tagsmith_text::tagged::Content;
use tagsmith_text::tokenizer::Tokenizer;
use tagsmith_train::learner::{Learner, Rate, StepOptions};
use tagsmith_train::trainable::{Pass, Trainable};

const RATE: f64 = 1e-3;

fn golden(name: &str) -> PathBuf {
    golden::path("spans").join(name)
}

fn task(rates: Rates) -> SpanTask {
    let model = folder::load(&golden("bi_encoder")).expect("the golden model reads").0;
    SpanTask { model, normalization: Normalization::Padded, rates }
}

fn batch(task: &SpanTask) -> GoldBatch {
    let tokenizer = Tokenizer::from_folder(&golden("")).expect("the golden tokenizer reads");
    let labels = ["person".to_owned(), "place".to_owned()];
    let entity = |start, end, label: &str| Entity { start, end, label: label.into() };
    let example = Example {
        id: None,
        content: Content::Words("jo lives in new york".split(' ').map(str::to_owned).collect()),
        entities: vec![entity(0, 1, "person"), entity(3, 5, "place")],
    };
    let config = &task.model.config;
    let encoding = Encoding { max_length: 64, masking: Masking::Subwords };
    let encoded = encoding.encode(&tokenizer, None, &example.content).expect("it encodes");
    let refs: [&Encoded; 1] = [&encoded];
    let (batch, listed) = collate::batch(config, &refs, Some(collate::labels(&tokenizer, &labels).expect("labels").0));
    let entities = [encoded.gold(&example, &labels, config).0];
    let gold = collate::gold(config, &refs, &entities, &listed, &batch);
    (batch, gold)
}

/// The parameters after one step at a rate, by name.
fn after<M: Trainable<Batch = GoldBatch, Error = Error>>(
    task: M,
    batch: GoldBatch,
    rate: f64,
) -> Vec<(String, Vec<f32>)> {
    let options = StepOptions { weight_decay: 0.01, ..StepOptions::default() };
    let mut learner = Learner::new(task, options, &[]).expect("nothing is frozen").0;
    learner.step(&World::alone(), &update(vec![batch]), Rate::scheduled(rate, 1.0)).expect("its rows can be read");
    let params = learner.model().params();
    let slots = params.slots.iter().enumerate();
    slots
        .map(|(number, slot)| (slot.name.clone(), params.copy(SlotId(number)).expect("its rows can be read")))
        .collect()
}

/// A wrong twin: the same task, whose rates nobody asks for.
struct Deaf(SpanTask);

impl Trainable for Deaf {
    type Batch = GoldBatch;
    type Error = Error;

    fn params(&self) -> &Params {
        self.0.params()
    }

    fn params_mut(&mut self) -> &mut Params {
        self.0.params_mut()
    }

    fn rows_read<'b>(&self, batch: &'b GoldBatch) -> Vec<(SlotId, &'b [u32])> {
        self.0.rows_read(batch)
    }

    fn learn(
        &self,
        batch: &GoldBatch,
        pass: &Pass,
        grads: &mut dyn Stages,
    ) -> Result<f64, tagsmith_kernel::device::Error> {
        self.0.learn(batch, pass, grads)
    }

    fn own_rate(&self, _: &Slot) -> Option<f64> {
        None
    }

    fn embedding_parameters(&self) -> usize {
        self.0.embedding_parameters()
    }

    fn reload(&mut self, folder: &Path) -> Result<(), Error> {
        self.0.reload(folder)
    }
}

#[test]
fn a_parameter_learns_at_its_own_rate() {
    let rates = Rates { type_encoder: Some(2.0 * RATE), head: Some(0.0) };
    let batch = batch(&task(rates));
    let at = |rate| after(task(Rates::default()), batch.clone(), rate);
    let (still, once, twice) = (at(0.0), at(RATE), at(2.0 * RATE));
    // The parts' parameters are those of a run at their rate; how many of them are not.
    let wrong = |mixed: &[(String, Vec<f32>)]| {
        let mut wrong = 0;
        for (number, (name, values)) in mixed.iter().enumerate() {
            let want = match name {
                name if name.starts_with("token_encoder.") => &once[number].1,
                name if name.starts_with("type_encoder.") => &twice[number].1,
                _ => &still[number].1,
            };
            wrong += usize::from(values != want);
        }
        wrong
    };
    assert_eq!(wrong(&after(task(rates), batch.clone(), RATE)), 0);
    assert!(wrong(&after(Deaf(task(rates)), batch, RATE)) > 20, "an engine that ignores rates passes");
}
