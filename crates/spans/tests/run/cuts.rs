//! `batch_tokens` bounds memory and changes no number, with dropout too.

use crate::harness::{NAMES, config, examples, golden, tokenizer};
use tagsmith_kernel::check::{assert_close, assert_far};
use tagsmith_ranks::World;
use tagsmith_spans::batch::Before;
use tagsmith_spans::batch::encode::added_tokens;
use tagsmith_spans::config::run::RunConfig;
use tagsmith_spans::feed::{Data, SpanFeed};
use tagsmith_spans::folder::{self, Tokenizers};
use tagsmith_spans::learn::{GoldBatch, SpanTask};
use tagsmith_spans::model::loss::{Gold, Normalization};
use tagsmith_train::learner::{Learner, Rate};
use tagsmith_train::trainable::{Feed, Update};

/// Parameters of each part of the model that has weights: encoders, label layer, positions, spans, temperature.
const WATCHED: [&str; 5] = [
    "token_encoder.encoder.layer.0.attention.self.value.weight",
    "type_linear.0.weight",
    "token_start_linear.3.weight",
    "token_span_linear.0.weight",
    "width_embedding.weight",
];

/// All five texts are one batch.
const CHANGES: &str = r#""max_steps": 4, "per_device_train_batch_size": 5, "dropout": 0.3, "start_loss_weight": 0.3,
    "end_loss_weight": 0.2, "span_loss_weight": 0.5"#;

/// The loss and the gradients of the first update, whose micro-batches `change` changes.
fn first_update(
    name: &str,
    config: &RunConfig,
    normalization: Normalization,
    change: impl Fn(&mut Update<GoldBatch>),
) -> (f64, Vec<Vec<f32>>, usize) {
    let mut text = tokenizer();
    text.add_special(added_tokens(&config.model)).expect("it takes tokens");
    let labels = added_tokens(&config.model).is_empty().then(tokenizer);
    let tokenizers = Tokenizers { text, labels };
    let mut model = folder::load_as(&golden(name), config.model.clone()).expect("the model reads").0;
    for encoder in [Some(&mut model.token_encoder), model.type_encoder.as_mut()].into_iter().flatten() {
        (encoder.shape.hidden_dropout, encoder.shape.attention_dropout) = (0.2, 0.2);
    }
    let (data, of_model) = (examples(), model.config.clone());
    let data = Data {
        config: &of_model,
        tokenizers: &tokenizers,
        encoding: config.encoding,
        examples: &data,
        language_weights: &config.language_weights,
        source: "few",
    };
    let feed = SpanFeed::new(data, &config.run, &World::alone()).expect("the texts are read");
    let mut update = feed.updates(0, 0).next().expect("there is one").expect("it is read");
    change(&mut update);
    let mut learner =
        Learner::new(SpanTask { model, normalization, rates: config.rates }, config.step.clone(), &[]).expect("none").0;
    let report = learner.step(&World::alone(), &update, Rate::scheduled(1e-3, 0.0)).expect("its rows can be read");
    let gradients =
        WATCHED.iter().map(|name| learner.gradient(name).expect("the processor works").expect(name)).collect();
    (report.loss, gradients, update.micro_batches.len())
}

#[test]
fn an_update_is_the_same_however_its_batch_is_cut() {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let losses =
        [("bce", Normalization::Padded), ("focal", Normalization::Valid), ("contrastive", Normalization::Padded)];
    let mut most = 0;
    for name in NAMES {
        for (loss, normalization) in
            losses.iter().filter(|it| (it.0 == "contrastive") == name.starts_with("contrastive"))
        {
            let run = |tokens: &str| {
                let changes = format!("{CHANGES}, \"loss_fn\": \"{loss}\"{tokens}");
                config(name, scratch.path(), &changes)
            };
            let as_it_is = |_: &mut Update<GoldBatch>| {};
            let whole = first_update(name, &run(""), *normalization, as_it_is);
            assert_eq!(whole.2, 1, "{name}: one batch");
            let near = |what: &str, got: &(f64, Vec<Vec<f32>>, usize), wanted: bool| {
                let apart = (got.0 - whole.0).abs() / whole.0.abs();
                assert_eq!(apart <= 1e-6, wanted, "{name} {loss} {what}: losses {} and {}", got.0, whole.0);
                for ((got, want), watched) in got.1.iter().zip(&whole.1).zip(WATCHED) {
                    let want: Vec<f64> = want.iter().map(|&x| f64::from(x)).collect();
                    let what = format!("{name} {loss} {what} {watched}");
                    match wanted {
                        true => assert_close(&what, got, &want, 8.0, 64),
                        false => assert_far(&what, got, &want, 8.0, 64),
                    }
                }
            };
            for tokens in [1, 9, 14, 40, 1000] {
                let cut = run(&format!(", \"batch_tokens\": {tokens}"));
                let got = first_update(name, &cut, *normalization, as_it_is);
                most = most.max(got.2);
                near(&tokens.to_string(), &got, true);
            }
            // Wrong twins: parts that draw their dropout from their own beginning, and parts that are batches alone.
            let cut = run(", \"batch_tokens\": 1");
            let from_the_beginning = |update: &mut Update<GoldBatch>| {
                update.micro_batches.iter_mut().for_each(|part| part.batch.0.before = Before::default());
            };
            near("own masks", &first_update(name, &cut, *normalization, from_the_beginning), false);
            let alone = |update: &mut Update<GoldBatch>| {
                for part in &mut update.micro_batches {
                    let Gold { mentions, masks, whole } = std::mem::take(&mut part.batch.1);
                    part.batch.1 = Gold::of_all(mentions, masks, 1, whole.padded.map(|all| all / 5));
                }
            };
            near("alone", &first_update(name, &cut, *normalization, alone), false);
        }
    }
    assert_eq!(most, 5, "each text is a micro-batch once");
}
