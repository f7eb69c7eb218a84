//! Weights whose file is written to while they are in use: training, evaluation and tagging return an error.

use std::fs;
use tagsmith_encoder::config::Config;
use tagsmith_ranks::World;
use tagsmith_testkit::golden;
use tagsmith_text::align::Example;
use tagsmith_text::align::aggregate::Strategy;
use tagsmith_text::labels::label_scheme::LabelScheme;
use tagsmith_text::tagged::{Content, Input, Tally};
use tagsmith_text::tokenizer::Tokenizer;
use tagsmith_tokens::batch::collate;
use tagsmith_tokens::evaluate::{EvalOptions, evaluate};
use tagsmith_tokens::examples::Examples;
use tagsmith_tokens::folder::Head;
use tagsmith_tokens::learn::{LossOptions, TokenTask, update};
use tagsmith_tokens::model::Model;
use tagsmith_tokens::tag::decoders::{Asked, Decoders};
use tagsmith_tokens::tag::{Request, TagOptions, encode, tag};
use tagsmith_train::learner::{Learner, Rate, StepOptions};

fn example(ids: &[u32]) -> Example {
    Example {
        ids: ids.to_vec(),
        types: vec![0; ids.len()],
        labels: vec![1; ids.len()],
        words: vec![None; ids.len()],
        sentence: 0,
    }
}

#[test]
fn training_evaluation_and_tagging_say_that_rows_are_lost() {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let file = scratch.path().join("model.safetensors");
    let open = || {
        for name in ["config.json", "model.safetensors"] {
            fs::copy(golden::path("models/bert").join(name), scratch.path().join(name)).expect("copying works");
        }
        let (config, _) = Config::read(scratch.path()).expect("it reads");
        Model::load(scratch.path(), config, Head::Required).expect("it reads").0
    };
    let cut =
        || fs::File::options().write(true).open(&file).and_then(|file| file.set_len(2000)).expect("cutting works");
    let lost = |error: &dyn std::error::Error| {
        let want = format!("{}: was written to while its weights were in use: run again", file.display());
        assert_eq!(error.to_string(), want);
    };
    let (seen, unseen) = (example(&[2, 5, 6, 3]), example(&[2, 7, 8, 3]));
    let world = World::alone();

    let model = open();
    let options = EvalOptions { batch_size: 8, batch_tokens: 100, label_smoothing: 0.0 };
    let labels = model.config.labels.len();
    let evaluated = |examples: &[Example]| {
        evaluate(&Examples::in_memory(examples), labels, options, &world, |batch| model.infer(batch))
    };
    evaluated(std::slice::from_ref(&seen)).expect("the file is whole");
    cut();
    evaluated(std::slice::from_ref(&seen)).expect("its rows are in memory");
    lost(&evaluated(&[seen.clone(), unseen.clone()]).expect_err("new rows are needed"));

    for frozen in [&[][..], &["embeddings".to_owned()]] {
        let loss = LossOptions::PLAIN;
        let task = TokenTask::new(open(), loss);
        let (mut learner, _) = Learner::new(task, StepOptions::default(), frozen).expect("there are embeddings");
        let mut step = |example: &Example| {
            learner.step(&world, &update(vec![collate(std::slice::from_ref(example))]), Rate::scheduled(1e-3, 1.0))
        };
        step(&seen).expect("the file is whole");
        cut();
        step(&seen).expect("its rows are in memory");
        lost(&step(&unseen).expect_err("new rows are needed"));
    }

    let model = open();
    let tokenizer = Tokenizer::from_folder(&golden::path("run_ner")).expect("it reads");
    let decoders = Decoders::new(&model.config.labels, LabelScheme::Auto, None);
    let request = Request {
        max_seq_length: None,
        stride: None,
        batch_tokens: 100,
        strategy: Strategy::Simple,
        scheme: LabelScheme::Auto,
        in_pieces: false,
        outside: false,
        decoding: Asked::default(),
        threshold: None,
        abstains_below: None,
    };
    let options = TagOptions::new(&model.config, &tokenizer, decoders, request).expect("it is possible");
    let tagged = |word: &str| {
        let input = Input { place: "test:1".into(), content: Content::Words(vec![word.into()]) };
        let encoded = encode(&tokenizer, &options, &input).expect("it has pieces");
        tag((&tokenizer, &options), vec![encoded], &mut Tally::default(), |batch| model.infer(batch))
    };
    tagged("jo").expect("the file is whole");
    cut();
    tagged("jo").expect("its rows are in memory");
    lost(&tagged("mill").expect_err("new rows are needed"));
}
