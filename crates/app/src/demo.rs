//! The demo: from nothing to a scored tagger, on sentences that are built in.

pub mod corpus;
mod grammar;
pub mod lesson;
mod names;
pub mod recipe;
mod shapes;
pub mod show;
mod vocabulary;

use crate::error::refusal;
use crate::events::{Event, Events};
use crate::machine::{folder_lock, threads};
use anyhow::Context;
use corpus::{Corpus, Sample, tag_names};
use lesson::{Lesson, METHOD, Marks};
use recipe::Recipe;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use tagsmith_files::lock::{self, Lock};
use tagsmith_files::together::{self, MODEL};
use tagsmith_files::{Error, atomic_write};
use tagsmith_message::{Remedy, Setting};
use tagsmith_ranks::World;
use tagsmith_text::score::table;
use tagsmith_text::sentence::Sentence;
use tagsmith_tokens::model::Model;

/// Sentences shown.
const SHOWN: usize = 5;

/// Updates of the span tagger that the demo's file trains: until it works, which takes some ten seconds.
const SPAN_UPDATES: usize = 500;

/// A request for the demo.
#[derive(Clone, Debug)]
pub struct DemoRequest {
    /// Decides sentences, first weights, order and dropout.
    pub seed: u64,
    /// The folder that the model and the sentences are kept in; without it, nothing is kept.
    pub output_dir: Option<PathBuf>,
    /// The size of everything.
    pub recipe: Recipe,
    /// Whether the labels of the training sentences are shuffled: the control that must learn nothing.
    pub shuffle_labels: bool,
    /// Threads; without them, as many as this process has physical cores.
    pub threads: Option<usize>,
}

/// A finished demo.
pub struct Demo {
    /// What was asked for.
    pub request: DemoRequest,
    /// The sentences and the tokenizer.
    pub lesson: Lesson,
    /// The trained model.
    pub model: Model,
    /// The model's scores on the validation sentences.
    pub validation: Marks,
    /// The model's scores on the test sentences.
    pub test: Marks,
    /// Numbers of the test sentences to show.
    pub shown: Vec<usize>,
}

/// Writes sentences, trains a tagger on them and scores it.
///
/// # Errors
/// A folder that is not empty or cannot be written.
pub fn demo(request: DemoRequest, events: &mut dyn Events) -> anyhow::Result<Demo> {
    let _lock = request.output_dir.as_deref().map(|folder| claim(folder, events)).transpose()?;
    let threads = threads::set(request.threads, &World::alone(), events)?;
    let lesson = Lesson::new(request.recipe, request.seed, threads, request.shuffle_labels)?;
    events.event(Event::Corpus(&lesson));
    let model = lesson.model()?;
    events.event(Event::Model(&lesson, &model));
    let model = lesson.train(model, &mut |event| events.event(Event::Training(event)))?;
    let validation = lesson.examine(&model, &lesson.corpus.validation)?;
    let test = lesson.examine(&model, &lesson.corpus.test)?;
    if let Some(folder) = &request.output_dir {
        keep(folder, &lesson, &model).with_context(|| format!("cannot save to `{}`", folder.display()))?;
    }
    let shown = worth_showing(&lesson.corpus.test);
    Ok(Demo { request, lesson, model, validation, test, shown })
}

impl Demo {
    /// Returns everything as a JSON object.
    pub fn json(&self) -> Value {
        let Demo { request, lesson, model, validation, test, shown } = self;
        let Corpus { train, validation: valid, test: split } = &lesson.corpus;
        let names = tag_names();
        let spell = |tags: &[u32]| tags.iter().map(|&tag| names[tag as usize].clone()).collect::<Vec<_>>();
        let tagged = |&number: &usize| {
            let sentence = &split.sentences[number];
            json!({ "words": sentence.words, "gold": spell(&sentence.tags), "predicted": spell(&test.tags[number]) })
        };
        json!({
            "seed": request.seed,
            "sentences": {
                "train": train.sentences.len(),
                "validation": valid.sentences.len(),
                "test": split.sentences.len(),
            },
            "vocabulary": lesson.pieces,
            "parameters": model.parameter_counts().0,
            "validation": table::json(&validation.score, METHOD),
            "test": table::json(&test.score, METHOD),
            "tagged": shown.iter().map(tagged).collect::<Vec<_>>(),
            "output_dir": request.output_dir,
        })
    }
}

/// Makes and locks the folder before the work is done, and refuses a folder that is not empty.
fn claim(folder: &Path, events: &mut dyn Events) -> anyhow::Result<Option<Lock>> {
    let lock = folder_lock::lock_and_tidy(folder, &World::alone(), events)?;
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read `{}`", folder.display()))?;
    if entries.flatten().any(|entry| entry.file_name() != lock::NAME) {
        let remedy = Remedy::set(Setting::OutputDir).so_as("with a new folder");
        return Err(refusal(format!("`{}` is not empty", folder.display()), remedy));
    }
    Ok(lock)
}

/// Saves a folder that transformers can load, with the sentences in it: all of it or nothing.
fn keep(folder: &Path, lesson: &Lesson, model: &Model) -> anyhow::Result<()> {
    together::publish(folder, MODEL, |stage| -> anyhow::Result<()> {
        model.save(stage)?;
        lesson.tokenizer.save(stage)?;
        let data = stage.join("data");
        fs::create_dir(&data).map_err(Error::io(&data))?;
        let Corpus { train, validation, test } = &lesson.corpus;
        for (name, split) in [("train", train), ("validation", validation), ("test", test)] {
            atomic_write::write(&data.join(name).with_extension("conll"), conll(split).as_bytes())?;
        }
        let spans = serde_json::to_string_pretty(&span_run(folder, &folder.join("data"), lesson.recipe.batch_size))
            .expect("a value prints");
        Ok(atomic_write::write(&stage.join("spans.json"), (spans + "\n").as_bytes())?)
    })
}

/// Returns the file for training a label-conditioned tagger with the same encoder and sentences.
fn span_run(folder: &Path, data: &Path, batch_size: usize) -> Value {
    let file = |name: &str| data.join(name).with_extension("conll");
    json!({
        "architecture": "bi_encoder",
        "token_encoder": folder,
        "type_encoder": folder,
        "linear_hidden_size": 64,
        "span_width_embedding_size": 16,
        "max_span_length": 12,
        "max_seq_length": 128,
        "start_loss_weight": 0,
        "end_loss_weight": 0,
        "span_loss_weight": 1,
        "dropout": 0,
        "dataset_name": "demo",
        "train_file": file("train"),
        "validation_file": file("validation"),
        "test_file": file("test"),
        "annotation_format": "tokens",
        "loss_masking": "subwords",
        "output_dir": folder.join("spans"),
        "per_device_train_batch_size": batch_size,
        "learning_rate": 3e-3,
        "warmup_steps": 20,
        "max_steps": SPAN_UPDATES,
        "eval_steps": SPAN_UPDATES / 2,
        "logging_steps": 50,
        "save_total_limit": 1,
        "do_train": true,
        "do_eval": true,
        "do_predict": true,
    })
}

/// Returns a word and its tag a line, with an empty line after each sentence.
fn conll(split: &Sample) -> String {
    let mut text = String::new();
    for sentence in &split.sentences {
        for (word, &tag) in sentence.words.iter().zip(&sentence.tags) {
            text.extend([word, " ", split.tag_names[tag as usize].as_str(), "\n"]);
        }
        text.push('\n');
    }
    text
}

/// Returns sentences with at least two names, of which one has another type elsewhere in the split. They are spread over
/// the split and chosen before it is known how they are tagged.
fn worth_showing(split: &Sample) -> Vec<usize> {
    let mut kinds: HashMap<String, Vec<&str>> = HashMap::new();
    let gold: Vec<Vec<(String, &str)>> = split.sentences.iter().map(|sentence| names(sentence, split)).collect();
    for (name, kind) in gold.iter().flatten() {
        let kinds = kinds.entry(name.clone()).or_default();
        if !kinds.contains(kind) {
            kinds.push(kind);
        }
    }
    let worthy = |names: &&Vec<(String, &str)>| names.len() >= 2 && names.iter().any(|(name, _)| kinds[name].len() > 1);
    let worthy: Vec<usize> = gold.iter().enumerate().filter(|(_, names)| worthy(names)).map(|(at, _)| at).collect();
    let count = SHOWN.min(worthy.len());
    (0..count).map(|number| worthy[number * worthy.len() / count]).collect()
}

fn names<'a>(sentence: &Sentence, split: &'a Sample) -> Vec<(String, &'a str)> {
    let tags: Vec<&str> = sentence.tags.iter().map(|&tag| split.tag_names[tag as usize].as_str()).collect();
    show::spans(&tags).into_iter().map(|span| (sentence.words[span.start..span.end].join(" "), span.kind)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_worth_showing_hold_an_ambiguous_name() {
        let sizes = corpus::Sizes { train: 10, validation: 10, test: 300 };
        let test = Corpus::generate(5, sizes).test;
        let shown = worth_showing(&test);
        assert_eq!(shown.len(), SHOWN);
        let all: Vec<(String, &str)> = test.sentences.iter().flat_map(|sentence| names(sentence, &test)).collect();
        for number in shown {
            let ambiguous = |(name, kind): &(String, &str)| {
                all.iter().any(|(other, other_kind)| name == other && kind != other_kind)
            };
            assert!(names(&test.sentences[number], &test).iter().any(ambiguous), "{:?}", test.sentences[number].words);
        }
    }
}
