//! `tagsmith demo`: from nothing to a scored tagger, on sentences that are built in.
//!
//! Standard output is a function of the seed and the options; progress and times go to standard error.

use crate::spelling::Dialect;
use crate::terminal::bars::{above, all, style};
use crate::terminal::color;
use crate::terminal::interrupt::quoted;
use crate::terminal::level::Level;
use crate::terminal::streams::{aside, print};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use indicatif::ProgressBar;
use serde_json::Value;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;
use tagsmith_app::demo::corpus::{Corpus, Sample};
use tagsmith_app::demo::lesson::{Lesson, Marks};
use tagsmith_app::demo::recipe::Recipe;
use tagsmith_app::demo::{DemoRequest, demo, show};
use tagsmith_app::events::{Event, Events};
use tagsmith_message::counted;
use tagsmith_text::score::table;
use tagsmith_tokens::model::Model;
use tagsmith_train::checkpoint::state::Record;
use tagsmith_train::trainer;

/// Returns the command.
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

/// Runs the demo. Returns the exit status.
pub fn run(matches: &ArgMatches) -> anyhow::Result<u8> {
    let seed = *matches.get_one::<u64>("seed").expect("has a default");
    let request = DemoRequest {
        seed,
        output_dir: matches.get_one::<PathBuf>("output_dir").cloned(),
        recipe: if matches.get_flag("tiny") { Recipe::TINY } else { Recipe::FULL },
        shuffle_labels: matches.get_flag("shuffle_labels"),
        threads: matches.get_one::<u64>("threads").map(|&threads| threads as usize),
    };
    let mut narration = Narration::new(matches.get_flag("json"), seed);
    let demo = demo(request, &mut narration)?;
    narration.trained();
    let test = &demo.lesson.corpus.test;
    if narration.silent {
        print(&format!("{:#}\n", demo.json()))?;
        return Ok(0);
    }
    narration.say(&about_scores(&demo.validation, &demo.test));
    narration.say(&about_sentences_tagged(test, &demo.test, &demo.shown, color::is_wanted()));
    narration.say(&what_next(demo.request.output_dir.as_deref()));
    narration.failed?;
    Ok(0)
}

/// The story of the demo on standard output, or nothing where JSON was asked for. While the model is trained, there is
/// a line an epoch and, on a terminal, a bar on standard error.
struct Narration {
    silent: bool,
    seed: u64,
    bar: Option<ProgressBar>,
    /// Updates of the whole run.
    total: u64,
    start: Instant,
    /// Seconds that the training took.
    seconds: f64,
    /// The mean loss of the epoch that is to be evaluated.
    loss: f64,
    /// The first error of standard output, which events cannot return.
    failed: io::Result<()>,
}

impl Narration {
    fn new(silent: bool, seed: u64) -> Narration {
        Narration { silent, seed, bar: None, total: 0, start: Instant::now(), seconds: 0.0, loss: 0.0, failed: Ok(()) }
    }

    fn training(&mut self, event: trainer::Event<'_>) {
        match event {
            trainer::Event::Began { plan, .. } => {
                self.total = plan.total_steps;
                self.start = Instant::now();
                self.bar = bar(plan.total_steps);
            }
            trainer::Event::Stepped { step, .. } => {
                if let Some(bar) = &self.bar {
                    bar.set_position(step);
                }
            }
            trainer::Event::Logged(record) => self.logged(record),
            trainer::Event::Note(note) => self.say(&format!("   {note}")),
            trainer::Event::Saved(_) | trainer::Event::Deleted(_) => {}
        }
        self.seconds = self.start.elapsed().as_secs_f64();
    }

    /// Takes in a record. Each epoch has a record of the training and then one of the evaluation.
    fn logged(&mut self, record: &Record) {
        let number = |key: &str| record.get(key).and_then(Value::as_f64);
        if let Some(loss) = number("loss") {
            self.loss = loss;
        }
        if let (Some(f1), Some(epoch), Some(step)) = (number("eval_f1"), number("epoch"), number("step")) {
            let (loss, total) = (self.loss, self.total);
            self.say(&format!(
                "   epoch {epoch:>2}, update {step:>4} of {total}: loss {loss:.3}, validation F1 {f1:.3}"
            ));
        }
    }

    fn say(&mut self, line: &str) {
        if self.silent || self.failed.is_err() {
            return;
        }
        self.failed = above(|| print(&format!("{line}\n")));
    }

    /// Ends the part about the training.
    fn trained(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        aside(&format!("   trained in {:.1} s", self.seconds));
    }
}

impl Events for Narration {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Corpus(lesson) => self.say(&about_sentences(lesson)),
            Event::Model(lesson, model) => self.say(&about_model(lesson, model, self.seed)),
            Event::Training(event) => self.training(event),
            Event::Note(note) => aside(&format!("{}: {}", Level::of(note).0, Dialect::Demo.note(note))),
            // Events of other commands.
            Event::Line(_)
            | Event::RunBegins { .. }
            | Event::RunEnds(_)
            | Event::Measured { .. }
            | Event::Predicted(_)
            | Event::Progress(_)
            | Event::Passed(_) => {}
        }
    }
}

/// Returns the bar of a training, where standard error takes bars.
fn bar(total: u64) -> Option<ProgressBar> {
    let bar = all()?.add(ProgressBar::new(total));
    bar.set_style(style("   {wide_bar} {pos}/{len} updates, {left} left", 0));
    Some(bar)
}

fn about_sentences(lesson: &Lesson) -> String {
    let (Corpus { train, validation, test }, pieces) = (&lesson.corpus, lesson.pieces);
    format!(
        "1. Sentences: {} to train on, {} to validate, {} to test.\n   \
         They have 5 types of names, as IOB2 tags. The test's names and sentence\n   \
         shapes do not occur in training. Some names bear several types (a surname\n   \
         is a town, a team, a firm), so that only the sentence can tell.\n\
         2. Vocabulary: {pieces} word pieces, counted from the training sentences.",
        train.sentences.len(),
        validation.sentences.len(),
        test.sentences.len()
    )
}

fn about_model(lesson: &Lesson, model: &Model, seed: u64) -> String {
    let recipe = &lesson.recipe;
    format!(
        "3. Model: BERT with {} of width {}, {} parameters,\n   \
         random weights of seed {seed}.\n\
         4. Training: {} epochs, {} sentences an update,\n   \
         learning rate {:e} after warm-up, then falling to 0.",
        counted(recipe.layers, "layer"),
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
        "5. Score on the test (new names, new shapes).\n   \
         F1 on validation (known ones, newly combined) is {:.3}.\n\n{table}",
        validation.score.micro.f1
    )
}

fn about_sentences_tagged(split: &Sample, marks: &Marks, shown: &[usize], color: bool) -> String {
    let mut text =
        "6. Sentences of the test as the model tags them, chosen beforehand for an\n   ambiguous name:\n\n".to_owned();
    for &number in shown {
        let words = &split.sentences[number].words;
        let [gold, predicted] = [&split.sentences[number].tags, &marks.tags[number]]
            .map(|tags| tags.iter().map(|&tag| split.tag_names[tag as usize].as_str()).collect::<Vec<_>>());
        let (gold, predicted) = (show::spans(&gold), show::spans(&predicted));
        let difference = show::difference(words, &gold, &predicted);
        let verdict = if difference.is_empty() { "right".into() } else { difference.join(", ") };
        text += &format!("   {}\n      {verdict}\n", show::sentence(words, &predicted, color));
    }
    text
}

fn what_next(folder: Option<&Path>) -> String {
    let Some(folder) = folder else {
        return "7. Nothing was written. To keep the model and the sentences, and to see how to\n   go on with them:\n\n   \
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
         With files of your own (a word and its tag a line) and a pretrained model's\n   \
         folder, the last is your tagger."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }
}
