//! `tagsmith demo`: from nothing to a scored tagger, on sentences that are built in.
//!
//! Standard output is a function of the seed and the options; progress and times go to standard error.

use crate::demo::corpus::{Corpus, tag_names};
use crate::demo::lesson::{Lesson, METHOD, Marks};
use crate::demo::recipe::Recipe;
use crate::demo::show;
use crate::machine::threads;
use anyhow::{Context, bail};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;
use tagsmith_ranks::World;
use tagsmith_text::score::table;
use tagsmith_text::sentence::{Sentence, Split};
use tagsmith_tokens::model::Model;
use tagsmith_train::checkpoint::state::Record;
use tagsmith_train::trainer::Event;

/// Sentences shown.
const SHOWN: usize = 5;

/// The subcommand's arguments.
pub fn command() -> Command {
    let hidden = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue).hide(true);
    Command::new("demo")
        .about("Train a small tagger on built-in sentences and show what it does: no file, no network, under a minute")
        .arg(
            Arg::new("seed")
                .long("seed")
                .value_name("N")
                .value_parser(value_parser!(u64))
                .default_value("42")
                .help("Decides sentences, first weights, order and dropout; the same seed gives the same output"),
        )
        .arg(
            Arg::new("output_dir")
                .long("output_dir")
                .alias("output-dir")
                .value_name("FOLDER")
                .value_parser(value_parser!(PathBuf))
                .help("Keep the model and the sentences in this folder [default: keep nothing]"),
        )
        .arg(
            Arg::new("threads")
                .long("threads")
                .value_name("N")
                .value_parser(value_parser!(u64).range(1..))
                .help("Threads to compute with [default: the physical cores this process may use]"),
        )
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print one JSON object instead"))
        // For tests: less of everything, and the control whose labels mean nothing.
        .arg(hidden("tiny"))
        .arg(hidden("shuffle_labels"))
}

/// Runs it all; 0 if nothing fails.
pub fn run(matches: &ArgMatches) -> anyhow::Result<u8> {
    let seed = *matches.get_one::<u64>("seed").expect("has a default");
    let folder = matches.get_one::<PathBuf>("output_dir");
    let recipe = if matches.get_flag("tiny") { Recipe::TINY } else { Recipe::FULL };
    if let Some(folder) = folder {
        claim(folder)?;
    }
    let out = Narration { silent: matches.get_flag("json") };
    let (threads, line) =
        threads::set(matches.get_one::<u64>("threads").map(|&threads| threads as usize), &World::alone());
    line.iter().for_each(|line| eprintln!("note: {line}"));
    let lesson = Lesson::new(recipe, seed, threads, matches.get_flag("shuffle_labels"))?;
    out.say(&about_sentences(&lesson.corpus, lesson.pieces))?;
    let model = lesson.model()?;
    out.say(&about_model(&recipe, &model, seed))?;
    let mut watch = Watch::new(out.silent);
    let model = lesson.train(model, &mut |event| watch.event(event))?;
    watch.finish()?;
    let validation = lesson.examine(&model, &lesson.corpus.validation)?;
    let test = lesson.examine(&model, &lesson.corpus.test)?;
    if let Some(folder) = folder {
        keep(folder, &lesson, &model).with_context(|| format!("cannot save to `{}`", folder.display()))?;
    }
    let shown = worth_showing(&lesson.corpus.test);
    if out.silent {
        let report = json_report(&lesson, &model, seed, [&validation, &test], &shown, folder);
        writeln!(io::stdout(), "{report:#}")?;
        return Ok(0);
    }
    out.say(&about_scores(&validation, &test))?;
    out.say(&about_sentences_tagged(&lesson.corpus.test, &test, &shown, show::colour_wanted()))?;
    out.say(&what_next(folder.map(PathBuf::as_path)))?;
    Ok(0)
}

/// The narrative on standard output, or nothing where JSON was asked for.
struct Narration {
    silent: bool,
}

impl Narration {
    fn say(&self, text: &str) -> io::Result<()> {
        if self.silent {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        writeln!(out, "{text}")?;
        out.flush()
    }
}

/// Training as it is watched: a line an epoch on standard output and, on a terminal, a bar on standard error.
struct Watch {
    silent: bool,
    bar: Option<ProgressBar>,
    /// Updates of the whole run.
    total: u64,
    start: Instant,
    /// The mean loss of the epoch that is to be evaluated.
    loss: f64,
    /// What the system said of standard output, which events cannot return.
    failed: io::Result<()>,
}

impl Watch {
    fn new(silent: bool) -> Watch {
        let bar = io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("   {bar:40} {pos}/{len} updates, {eta} left");
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.with_style(style.expect("the template is legal"))
        });
        Watch { silent, bar, total: 0, start: Instant::now(), loss: 0.0, failed: Ok(()) }
    }

    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Began { plan, .. } => {
                self.total = plan.total_steps;
                if let Some(bar) = &self.bar {
                    bar.set_length(plan.total_steps);
                }
            }
            Event::Stepped { step, .. } => {
                if let Some(bar) = &self.bar {
                    bar.set_position(step);
                }
            }
            Event::Logged(record) => self.logged(record),
            Event::Note(note) => self.print(&format!("   {note}")),
            Event::Saved(_) | Event::Deleted(_) => {}
        }
    }

    /// Of each epoch there is a record of the training and then one of the evaluation.
    fn logged(&mut self, record: &Record) {
        let number = |key: &str| record.get(key).and_then(Value::as_f64);
        if let Some(loss) = number("loss") {
            self.loss = loss;
        }
        if let (Some(f1), Some(epoch), Some(step)) = (number("eval_f1"), number("epoch"), number("step")) {
            let (loss, total) = (self.loss, self.total);
            self.print(&format!(
                "   epoch {epoch:>2}, update {step:>4} of {total}: loss {loss:.3}, validation F1 {f1:.3}"
            ));
        }
    }

    fn print(&mut self, line: &str) {
        if self.silent || self.failed.is_err() {
            return;
        }
        let write = || writeln!(io::stdout(), "{line}");
        self.failed = match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        };
    }

    fn finish(self) -> io::Result<()> {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
        eprintln!("   trained in {:.1} s", self.start.elapsed().as_secs_f64());
        self.failed
    }
}

/// Creates the folder before the work is done; refuses one with something in it.
fn claim(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create `{}`", folder.display()))?;
    let mut entries = fs::read_dir(folder).with_context(|| format!("cannot read `{}`", folder.display()))?;
    if entries.next().is_some() {
        bail!("`{}` is not empty: name a new folder", folder.display());
    }
    Ok(())
}

/// Saves what transformers and `tagsmith train` can load, and the sentences beside it.
fn keep(folder: &Path, lesson: &Lesson, model: &Model) -> anyhow::Result<()> {
    model.save(folder)?;
    lesson.tokenizer.save(folder)?;
    let data = folder.join("data");
    fs::create_dir_all(&data)?;
    let Corpus { train, validation, test } = &lesson.corpus;
    for (name, split) in [("train", train), ("validation", validation), ("test", test)] {
        fs::write(data.join(name).with_extension("conll"), conll(split))?;
    }
    let spans = serde_json::to_string_pretty(&span_run(folder, &data))?;
    fs::write(folder.join("spans.json"), spans + "\n")?;
    Ok(())
}

/// What `tagsmith train_bi_encoder` needs to make a label-conditioned tagger of the same encoder and sentences.
fn span_run(folder: &Path, data: &Path) -> Value {
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
        "learning_rate": 2e-3,
        "warmup_steps": 20,
        "max_steps": 200,
        "eval_steps": 100,
        "logging_steps": 50,
        "save_total_limit": 1,
        "do_train": true,
        "do_eval": true,
        "do_predict": true,
    })
}

/// A word and its tag a line, an empty line after each sentence.
fn conll(split: &Split) -> String {
    let mut text = String::new();
    for sentence in &split.sentences {
        for (word, &tag) in sentence.words.iter().zip(&sentence.tags) {
            text.extend([word, " ", split.tag_names[tag as usize].as_str(), "\n"]);
        }
        text.push('\n');
    }
    text
}

fn about_sentences(corpus: &Corpus, pieces: usize) -> String {
    let Corpus { train, validation, test } = corpus;
    format!(
        "1. Sentences: {} to train on, {} to validate, {} to test; 5 types of names, IOB2 tags.\n   \
         The test's names and sentence shapes do not occur in training; some names bear several types\n   \
         (a surname is a town, a team, a firm), so that only the sentence can tell.\n\
         2. Vocabulary: {pieces} word pieces, counted from the training sentences.",
        train.sentences.len(),
        validation.sentences.len(),
        test.sentences.len()
    )
}

fn about_model(recipe: &Recipe, model: &Model, seed: u64) -> String {
    format!(
        "3. Model: BERT with {} layer{} of width {}, {} parameters, random weights of seed {seed}.\n\
         4. Training: {} epochs, {} sentences an update, learning rate {:e} after warm-up, then falling to 0.",
        recipe.layers,
        if recipe.layers == 1 { "" } else { "s" },
        recipe.hidden,
        model.parameter_counts().0,
        recipe.epochs,
        recipe.batch_size,
        recipe.learning_rate
    )
}

fn about_scores(validation: &Marks, test: &Marks) -> String {
    let table: String =
        table::table(&test.score, 3).lines().map(|line| format!("   {line}").trim_end().to_owned() + "\n").collect();
    format!(
        "5. Score on the test (new names, new shapes), and F1 {:.3} on validation (known ones, newly combined):\n\n{table}",
        validation.score.micro.f1
    )
}

/// Sentences with at least two names of which one bears another type elsewhere in the split; spread over the split,
/// chosen before anybody knows how they are tagged.
fn worth_showing(split: &Split) -> Vec<usize> {
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

fn names<'a>(sentence: &Sentence, split: &'a Split) -> Vec<(String, &'a str)> {
    let tags: Vec<&str> = sentence.tags.iter().map(|&tag| split.tag_names[tag as usize].as_str()).collect();
    show::spans(&tags).into_iter().map(|span| (sentence.words[span.start..span.end].join(" "), span.kind)).collect()
}

fn about_sentences_tagged(split: &Split, marks: &Marks, shown: &[usize], colour: bool) -> String {
    let mut text =
        "6. Sentences of the test as the model tags them, chosen beforehand for an ambiguous name:\n\n".to_owned();
    for &number in shown {
        let words = &split.sentences[number].words;
        let [gold, predicted] = [&split.sentences[number].tags, &marks.tags[number]]
            .map(|tags| tags.iter().map(|&tag| split.tag_names[tag as usize].as_str()).collect::<Vec<_>>());
        let (gold, predicted) = (show::spans(&gold), show::spans(&predicted));
        let difference = show::difference(words, &gold, &predicted);
        let verdict = if difference.is_empty() { "right".into() } else { difference.join(", ") };
        text += &format!("   {}\n      {verdict}\n", show::sentence(words, &predicted, colour));
    }
    text
}

fn what_next(folder: Option<&Path>) -> String {
    let Some(folder) = folder else {
        return "7. Nothing was written. To keep the model and the sentences, and to see how to go on with them:\n\n   \
                tagsmith demo --output_dir my-tagger"
            .to_owned();
    };
    let quoted = |path: &Path| quoted(&path.display().to_string());
    let [model, next, predicted] = [folder, &folder.join("next"), &folder.join("predicted.conll")].map(quoted);
    let [train, validation, test] =
        ["train", "validation", "test"].map(|name| quoted(&folder.join("data").join(name).with_extension("conll")));
    format!(
        "7. The model is in {model}, its sentences are beside it. To tag, to score, to train on:\n\n   \
         tagsmith predict --model {model} {test} --output-format conll -o {predicted}\n   \
         tagsmith score {test} {predicted}\n   \
         tagsmith train --model_name_or_path {model} --train_file {train} --validation_file {validation} \
         --output_dir {next} --do_train --do_eval\n\n   \
         With files of your own (a word and its tag a line) and a pretrained model's folder, the last is your tagger."
    )
}

/// As a shell takes it for one word.
fn quoted(path: &str) -> String {
    let plain = |letter: char| letter.is_alphanumeric() || "_-./:\\".contains(letter);
    if path.chars().all(plain) { path.to_owned() } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

fn json_report(
    lesson: &Lesson,
    model: &Model,
    seed: u64,
    [validation, test]: [&Marks; 2],
    shown: &[usize],
    folder: Option<&PathBuf>,
) -> Value {
    let Corpus { train, validation: valid, test: split } = &lesson.corpus;
    let names = tag_names();
    let spell = |tags: &[u32]| tags.iter().map(|&tag| names[tag as usize].clone()).collect::<Vec<_>>();
    let tagged = |&number: &usize| {
        let sentence = &split.sentences[number];
        json!({ "words": sentence.words, "gold": spell(&sentence.tags), "predicted": spell(&test.tags[number]) })
    };
    json!({
        "seed": seed,
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
        "output_dir": folder,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_one_word_to_a_shell() {
        assert_eq!(quoted("my-tagger/data"), "my-tagger/data");
        assert_eq!(quoted("my tagger"), "'my tagger'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn sentences_worth_showing_hold_an_ambiguous_name() {
        let sizes = crate::demo::corpus::Sizes { train: 10, validation: 10, test: 300 };
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
