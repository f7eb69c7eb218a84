//! Whole runs of the trainer on a few texts.

use crate::harness::{NAMES, config, copy, encoder, examples, golden, hub, run, run_model, tokenizer};
use std::sync::Arc;
use tagsmith_kernel::check::{assert_close, assert_far};
use tagsmith_kernel::params::SlotId;
use tagsmith_ranks::World;
use tagsmith_spans::batch::encode::added_tokens;
use tagsmith_spans::evaluate::assess;
use tagsmith_spans::find::decode::Mode;
use tagsmith_spans::folder::{self, Tokenizers};
use tagsmith_spans::tag::{Choices, Label, Request, Tagger};
use tagsmith_text::tagged::{Content, Input, Tally, UNWATCHED};
use tagsmith_train::checkpoint;
use tagsmith_train::trainer::options::Keep;

/// golden/heads/draws.json, which oracle/heads.py writes.
#[test]
fn a_new_head_is_the_one_that_pytorch_draws() {
    let file = std::fs::read(golden("../heads/draws.json")).expect("it is in the repository");
    let document: serde_json::Value = serde_json::from_slice(&file).expect("it is JSON");
    let rows = document["spans"].as_array().expect("it has spans");
    assert_eq!(rows.len(), 8);
    for row in rows {
        let (name, seed) = (row["architecture"].as_str().expect("a name"), row["seed"].as_u64().expect("a seed"));
        let scratch = tempfile::tempdir().expect("a scratch folder");
        let mut config = config(name, &scratch.path().join("out"), r#""max_steps": 1"#);
        let folder = scratch.path().join("encoder");
        encoder("bert", &folder);
        let folder = folder.to_str().expect("a plain name").to_owned();
        (config.model.token_encoder, config.model.type_encoder) = (folder.clone(), folder);
        let head = |seed| {
            let model = folder::assemble(config.model.clone(), seed, &hub(), None).expect("it is put together").0;
            let bias = SlotId(model.layout.ends.second.0 + 1);
            assert!(model.params.get(bias).host().iter().all(|&x| x == 0.0), "{name}: a bias");
            let middle = model.params.get(model.layout.ends.second).host()[..16].to_vec();
            (model.params.get(model.layout.widths).host().to_vec(), middle)
        };
        for (key, part) in [("width_embedding", 0), ("token_end_linear.3", 1)] {
            let want: Vec<f64> = row[key].as_array().expect("numbers").iter().filter_map(|x| x.as_f64()).collect();
            let of = |seed| if part == 0 { head(seed).0 } else { head(seed).1 };
            let what = format!("{name}, seed {seed}: {key}");
            // PyTorch computes logarithm and cosine in f32.
            assert_close(&what, &of(seed), &want, 4.0, 1);
            assert_far(&what, &of(seed + 1), &want, 4.0, 1);
        }
    }
}

#[test]
fn other_encoders_learn_the_same_texts() {
    for (family, name) in [("modernbert", "bi_encoder"), ("deberta-v2", "cross_encoder")] {
        let scratch = tempfile::tempdir().expect("a scratch folder");
        let changes = r#""dropout": 0, "per_device_train_batch_size": 5, "max_steps": 800, "warmup_steps": 20, "eval_steps": 100, "learning_rate": 0.002"#;
        let mut config = config(name, &scratch.path().join("out"), changes);
        let folder = scratch.path().join("encoder");
        encoder(family, &folder);
        let folder = folder.to_str().expect("a plain name").to_owned();
        (config.model.token_encoder, config.model.type_encoder) = (folder.clone(), folder);
        let (model, tokenizers, notes) =
            folder::assemble(config.model.clone(), 1, &hub(), None).expect("it is put together");
        assert!(notes.is_empty(), "{notes:?}");
        let outcome = run_model(model, &tokenizers, &config, None).expect("it trains").0;
        assert!(outcome.best_f1 > 0.8, "{family}: {outcome:?}");
        let best = outcome.best.expect("something was saved");
        let model = folder::load(&best).expect("our own checkpoint reads").0;
        let tokenizers = folder::tokenizers(&best, &model.config, &hub()).expect("tokenizers are there");
        let evaluation =
            assess((&model, &tokenizers), config.encoding, &examples(), Mode::Flat, &World::alone(), UNWATCHED)
                .expect("it evaluates");
        assert_eq!(evaluation.f1(), outcome.best_f1, "{family}");
    }
}

#[test]
fn all_four_learn_a_few_texts() {
    for name in NAMES {
        let scratch = tempfile::tempdir().expect("a scratch folder");
        let changes = r#""dropout": 0, "per_device_train_batch_size": 5, "max_steps": 800, "warmup_steps": 20, "eval_steps": 100, "learning_rate": 0.002"#;
        let config = config(name, scratch.path(), changes);
        let (outcome, ..) = run(name, &config, None);
        assert!(outcome.best_f1 > 0.8, "{name}: {outcome:?}");
        // What was saved is read back, and is the best.
        let best = outcome.best.expect("something was saved");
        let (model, notes) = folder::load(&best).expect("our own checkpoint reads");
        assert!(notes.is_empty(), "{notes:?}");
        let tokenizers = folder::tokenizers(&best, &model.config, &hub()).expect("tokenizers are there");
        let evaluation =
            assess((&model, &tokenizers), config.encoding, &examples(), Mode::Flat, &World::alone(), UNWATCHED)
                .expect("it evaluates");
        assert_eq!(evaluation.f1(), outcome.best_f1, "{name}");
        assert_eq!(evaluation.strict.total(), evaluation.score.total(), "{name}: words and spans are one here");
    }
}

/// The checkpoint is as it was before the engine was shared: `loop_state.json` alone says where the run is.
#[test]
fn a_checkpoint_of_the_former_trainer_is_refused_in_one_line() {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let config = config("bi_encoder", scratch.path(), r#""max_steps": 4"#);
    run("bi_encoder", &config, None);
    let from = checkpoint::save::<tagsmith_spans::Error>(scratch.path(), 5, |place| {
        copy(&checkpoint::folder(scratch.path(), 4), place);
        for gone in ["trainer_state.json", "training_args.json", "manifest.json"] {
            std::fs::remove_file(place.join(gone)).expect("it was there");
        }
        let former = r#"{"step": 4, "epoch": 1, "batch": 0, "loss": 0.0, "losses": 0, "best_f1": 0.5, "best_step": 4,
            "without_improvement": 0, "scores": [[4, 0.5]], "stopping": false, "ranks": 1}"#;
        std::fs::write(place.join("loop_state.json"), former).expect("it is written");
        Ok(())
    });
    let from = from.expect("it is saved");
    let outcome = std::panic::catch_unwind(|| run("bi_encoder", &config, Some(&from)));
    let panic = outcome.expect_err("it is refused");
    let said = panic.downcast_ref::<String>().expect("a message");
    assert!(said.contains("it has no `trainer_state.json`"), "{said}");
}

#[test]
fn a_resumed_run_is_the_uninterrupted_one_bit_for_bit() {
    for name in NAMES {
        let [whole, parts] = [(), ()].map(|()| tempfile::tempdir().expect("a scratch folder"));
        let steps = r#""max_steps": 12, "gradient_accumulation_steps": 2"#;
        let mut uninterrupted = config(name, whole.path(), steps);
        uninterrupted.run.keep = Keep::All;
        let (want, weights, events) = run(name, &uninterrupted, None);
        // The run after eight of its twelve steps, as if it had been interrupted there.
        let interrupted = config(name, parts.path(), steps);
        for step in [4, 8] {
            copy(&checkpoint::folder(whole.path(), step), &checkpoint::folder(parts.path(), step));
        }
        let from = parts.path().join("checkpoint-8");
        let (got, resumed, later) = run(name, &interrupted, Some(&from));
        assert_eq!(resumed, weights, "{name}: weights differ");
        assert_eq!((got.steps, got.best_f1), (want.steps, want.best_f1), "{name}");
        assert_eq!(later, events[events.len() - later.len()..], "{name}: records differ");
        assert!(!later.is_empty());
        // Another seed is another run.
        let other = tempfile::tempdir().expect("a scratch folder");
        let seeded = config(name, other.path(), &format!(r#"{steps}, "seed": 7"#));
        assert_ne!(run(name, &seeded, None).1, weights, "{name}: the seed does nothing");
    }
}

/// What a tagger and a run say after another program has cut off the file that holds the weights.
#[test]
fn training_evaluation_and_tagging_say_that_rows_are_lost() {
    for name in ["bi_encoder", "cross_encoder"] {
        let scratch = tempfile::tempdir().expect("a scratch folder");
        let config = config(name, &scratch.path().join("out"), r#""max_steps": 4"#);
        let open = || {
            for file in std::fs::read_dir(golden(name)).expect("it is in the repository") {
                let file = file.expect("it is there").path();
                if file.is_file() {
                    std::fs::copy(&file, scratch.path().join(file.file_name().expect("a name")))
                        .expect("copying works");
                }
            }
            let mut text = tokenizer();
            text.add_special(added_tokens(&config.model)).expect("it takes tokens");
            let labels = added_tokens(&config.model).is_empty().then(tokenizer);
            let model = folder::load_as(scratch.path(), config.model.clone()).expect("the model reads").0;
            (model, Tokenizers { text, labels })
        };
        let file = scratch.path().join("model.safetensors");
        let cut = || std::fs::File::options().write(true).open(&file).and_then(|file| file.set_len(2000));
        let lost = format!("{}: was written to while its weights were in use: run again", file.display());

        let (model, tokenizers) = open();
        cut().expect("cutting works");
        let error = run_model(model, &tokenizers, &config, None).expect_err("training reads rows");
        assert_eq!(error.to_string(), lost, "{name}");

        let (model, tokenizers) = open();
        cut().expect("cutting works");
        let assessed =
            assess((&model, &tokenizers), config.encoding, &examples(), Mode::Flat, &World::alone(), UNWATCHED);
        assert_eq!(assessed.expect_err("evaluation reads rows").to_string(), lost, "{name}");

        let (model, tokenizers) = open();
        let request = Request { max_seq_length: None, batch_tokens: 100 };
        let (tagger, _) = Tagger::new(model, tokenizers, request).expect("it has positions");
        let labels = Arc::new(tagger.label_set(&[Label::new("place", None)], None).expect("it takes the label"));
        cut().expect("cutting works");
        let content = Content::Words(vec!["rotterdam".into()]);
        let reader = tagger.reader(&labels, &Choices::default());
        let input = reader.encode(&Input { place: "test:1".into(), content }).expect("it has pieces");
        let tagged = tagger.tag(vec![input], &mut Tally::default(), UNWATCHED);
        assert_eq!(tagged.expect_err("tagging reads rows").to_string(), lost, "{name}");
    }
}
