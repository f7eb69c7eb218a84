//! From a corpus to a trained model and its scores, by the trainer that `tagsmith train` runs.

use super::corpus::{Corpus, Sample, tag_names};
use super::grammar::Draw;
use super::recipe::{POSITIONS, Recipe};
use super::vocabulary;
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use tagsmith_encoder::config::Config;
use tagsmith_ranks::World;
use tagsmith_text::align::{AlignOptions, Aligner, IGNORE, LabelAll};
use tagsmith_text::labels::LabelSet;
use tagsmith_text::labels::scheme::Style;
use tagsmith_text::score::{Method, Score, Scorer, ZeroDivision};
use tagsmith_text::tokenizer::Tokenizer;
use tagsmith_tokens::error::Error;
use tagsmith_tokens::evaluate::{EvalOptions, evaluate};
use tagsmith_tokens::examples::Examples;
use tagsmith_tokens::feed::TokenFeed;
use tagsmith_tokens::learn::{LossOptions, TokenTask};
use tagsmith_tokens::model::Model;
use tagsmith_train::checkpoint::state::Record;
use tagsmith_train::learner::{Learner, StepOptions};
use tagsmith_train::trainer::agenda::{Every, Saving, Times};
use tagsmith_train::trainer::options::{Keep, Options};
use tagsmith_train::trainer::order::Sampling;
use tagsmith_train::trainer::plan::Amount;
use tagsmith_train::trainer::{self, Event, Job};

/// How a split is measured.
pub const METHOD: Method = Method::Conlleval(Style::Prefix);

/// Everything that training needs.
pub struct Lesson {
    /// The sentences.
    pub corpus: Corpus,
    /// The tokenizer that was counted from the training sentences.
    pub tokenizer: Tokenizer,
    /// Pieces it has.
    pub pieces: usize,
    /// The model's size.
    pub recipe: Recipe,
    seed: u64,
    /// Threads that tokenize.
    threads: usize,
}

/// A split's score, and each sentence's predicted tags as numbers of `corpus::tag_names`.
pub struct Marks {
    /// All figures.
    pub score: Score,
    /// One list a sentence, one tag a word.
    pub tags: Vec<Vec<u32>>,
}

impl Lesson {
    /// Writes the sentences and counts the vocabulary. With `shuffle_labels` the tags of each training sentence are
    /// dealt to its words anew: the control that must learn nothing.
    pub fn new(recipe: Recipe, seed: u64, threads: usize, shuffle_labels: bool) -> anyhow::Result<Lesson> {
        let mut corpus = Corpus::generate(seed, recipe.sizes);
        if shuffle_labels {
            shuffle(&mut corpus.train, seed);
        }
        let pieces = vocabulary::pieces(&corpus.train.sentences, recipe.vocabulary);
        let json = vocabulary::tokenizer_json(&pieces).to_string();
        let config = json!({
            "tokenizer_class": "BertTokenizer",
            "do_lower_case": false,
            "strip_accents": false,
            "model_max_length": POSITIONS,
            "pad_token": "[PAD]",
            "unk_token": "[UNK]",
            "cls_token": "[CLS]",
            "sep_token": "[SEP]",
            "mask_token": "[MASK]",
        });
        let tokenizer = Tokenizer::from_bytes(json.as_bytes(), config.to_string().as_bytes())?;
        Ok(Lesson { corpus, tokenizer, pieces: pieces.len(), recipe, seed, threads })
    }

    /// Random weights.
    pub fn model(&self) -> anyhow::Result<Model> {
        let (config, notes) = Config::from_json("config.json".into(), self.recipe.config(self.pieces))?;
        assert!(notes.is_empty(), "the demo's own configuration: {notes:?}");
        Ok(Model::new(config.with_labels(&tag_names()), self.seed))
    }

    /// Trains `model` on the training sentences, with an evaluation on the validation sentences after each epoch.
    pub fn train(&self, model: Model, notify: &mut dyn FnMut(Event<'_>)) -> anyhow::Result<Model> {
        let examples = self.examples(&self.corpus.train)?;
        let validation = self.examples(&self.corpus.validation)?;
        let options = self.options();
        let step_options = StepOptions { weight_decay: 0.01, seed: self.seed, ..StepOptions::default() };
        let loss = LossOptions::PLAIN;
        let mut learner = Learner::new(TokenTask::new(model, loss), step_options, &[])?.0;
        let mut evaluate = |task: &TokenTask| {
            let f1 = self.marks(&task.model, &validation, &self.corpus.validation)?.score.micro.f1;
            Ok(Record::from_iter([("eval_f1".to_owned(), f1.into())]))
        };
        let world = World::alone();
        let job = Job {
            options: &options,
            feed: &TokenFeed::new(&examples, &options, &[], &world),
            world: &world,
            arguments: &Value::Null,
            save: &|task: &TokenTask, folder| task.save(folder, &[]),
            evaluate: &mut evaluate,
            notify,
        };
        trainer::train(&mut learner, job, None)?;
        Ok(learner.into_model().model)
    }

    /// The choices of the run: no checkpoint, so no folder.
    fn options(&self) -> Options {
        Options {
            output: PathBuf::new(),
            batch_size: self.recipe.batch_size,
            accumulation: 1,
            batch_tokens: None,
            drop_last: false,
            sampling: Sampling::Random,
            data_seed: self.seed,
            epochs: self.recipe.epochs as f64,
            max_steps: None,
            learning_rate: self.recipe.learning_rate,
            schedule: "linear".to_owned(),
            schedule_keywords: Map::new(),
            warmup: Amount::Ratio(0.1),
            times: Times {
                logging: Every::Epoch,
                logging_first_step: false,
                evaluation: Every::Epoch,
                eval_delay: 0.0,
                eval_on_start: false,
                saving: Saving::Every(Every::Never),
                load_best_at_end: false,
                save_best_between: false,
            },
            best: None,
            early_stopping: None,
            keep: Keep::All,
            save_only_model: true,
        }
    }

    /// Tags a split and scores the tags.
    pub fn examine(&self, model: &Model, split: &Sample) -> anyhow::Result<Marks> {
        Ok(self.marks(model, &self.examples(split)?, split)?)
    }

    fn marks(&self, model: &Model, examples: &Examples, split: &Sample) -> Result<Marks, Error> {
        let options = EvalOptions { batch_size: self.recipe.batch_size, batch_tokens: 2048, label_smoothing: 0.0 };
        let evaluation =
            evaluate(examples, split.tag_names.len(), options, &World::alone(), |batch| model.infer(batch))?;
        let mut scorer = Scorer::with_labels(METHOD, &split.tag_names);
        let mut tags = Vec::with_capacity(examples.len());
        for ((example, rows), sentence) in examples.iter().zip(&evaluation.predictions).zip(&split.sentences) {
            let labels = example?.labels;
            let counted = labels.iter().zip(rows).filter(|&(&label, _)| label != IGNORE);
            let predicted: Vec<u32> = counted.map(|(_, &row)| row).collect();
            scorer.add_ids(&sentence.tags, &predicted).expect("each word has one counted piece");
            tags.push(predicted);
        }
        Ok(Marks { score: scorer.score(ZeroDivision::Zero), tags })
    }

    fn examples(&self, split: &Sample) -> anyhow::Result<Examples> {
        let labels = LabelSet::new(split.tag_names.clone())?;
        let ids: Vec<Option<u32>> = (0..labels.len() as u32).map(Some).collect();
        let options = AlignOptions { max_length: Some(POSITIONS), label_all: LabelAll::FirstOnly, stride: None };
        let mut aligner = Aligner::new(&self.tokenizer, &split.source, &labels, &ids, options, self.threads);
        let examples = Examples::in_memory(&aligner.align(&split.sentences)?);
        let lost = aligner.into_notes();
        assert!(lost.is_empty(), "{} fit the model: {lost:?}", split.source);
        Ok(examples)
    }
}

/// Deals each sentence's tags to its words anew.
fn shuffle(split: &mut Sample, seed: u64) {
    let mut draw = Draw::new(seed);
    for sentence in &mut split.sentences {
        for last in (1..sentence.tags.len()).rev() {
            sentence.tags.swap(last, draw.below(last + 1));
        }
    }
}
