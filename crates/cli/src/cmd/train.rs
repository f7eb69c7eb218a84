//! `tagsmith train`: what run_ner.py does, on one page.

mod accelerate;
mod card;
mod data;
mod evaluation;
mod folder;
pub mod hold_out;
mod labelling;
mod logs;
mod memory;
mod options;
mod prediction;
mod progress;

use crate::args::{self, TrainArgs};
use crate::machine::{precision, threads};
use crate::open_hub::{self, Asked};
use crate::report::{Finished, page};
use accelerate::Accelerate;
use anyhow::{Context, bail};
use clap::{Arg, ArgMatches, Command};
use data::{Alignment, Data};
use evaluation::Measure;
use progress::Report;
pub use progress::print;
use serde_json::json;
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};
use tagsmith_encoder::config::Config;
use tagsmith_files::atomic_write;
use tagsmith_hub::Hub;
use tagsmith_hub::model::Part;
use tagsmith_ranks::World;
use tagsmith_text::align::Example;
use tagsmith_text::labels::{self, LabelSet};
use tagsmith_text::sentence::Split;
use tagsmith_text::tokenizer::Tokenizer;
use tagsmith_tokens::folder::Head;
use tagsmith_tokens::model::Model;
use tagsmith_train::checkpoint::contents;
use tagsmith_train::checkpoint::state::TrainerState;
use tagsmith_train::learner::Learner;
use tagsmith_train::trainer::best::Criterion;
use tagsmith_train::trainer::results;
use tagsmith_train::trainer::{self, Job};

/// What run_ner_no_trainer.py does differently, in the options of run_ner.py.
const WITHOUT_TRAINER: &str =
    "--do_train --do_eval --max_length 128 --max_grad_norm 0 --eval_strategy epoch --save_strategy no";

/// The arguments, all of which `args` reads.
pub fn command() -> Command {
    let about = "Fine-tune, evaluate and run a token classifier, as run_ner.py does";
    raw("train", about).visible_alias("run_ner")
}

/// The same under the other script's defaults.
pub fn command_without_trainer() -> Command {
    raw("run_ner_no_trainer", "The same with the defaults of run_ner_no_trainer.py")
}

fn raw(name: &'static str, about: &'static str) -> Command {
    let words = Arg::new("words").num_args(0..).trailing_var_arg(true).allow_hyphen_values(true);
    Command::new(name).about(about).disable_help_flag(true).override_help(args::help::text()).arg(words)
}

/// Runs a command line.
pub fn run(matches: &ArgMatches, world: &World) -> anyhow::Result<u8> {
    run_words(words(matches), world)
}

/// Runs a command line of run_ner_no_trainer.py.
pub fn run_without_trainer(matches: &ArgMatches, world: &World) -> anyhow::Result<u8> {
    say(format!("run_ner_no_trainer.py is run_ner.py with {WITHOUT_TRAINER}"));
    let preset = WITHOUT_TRAINER.split(' ').map(String::from);
    run_words(preset.chain(words(matches)).collect(), world)
}

fn words(matches: &ArgMatches) -> Vec<String> {
    matches.get_many("words").into_iter().flatten().cloned().collect()
}

fn run_words(words: Vec<String>, world: &World) -> anyhow::Result<u8> {
    if args::help::is_asked(&words) {
        print(&args::help::text())?;
        return Ok(0);
    }
    let (mut args, lines) = args::parse(&words, Path::new(""))?;
    lines.iter().for_each(say);
    heed_accelerate(&mut args, world)?;
    train(&args, world)?;
    Ok(0)
}

/// One line about what is done otherwise than one might think.
pub fn say(line: impl Display) {
    eprintln!("note: {line}");
}

/// Takes over what accelerate's configuration says, and the options do not.
pub fn heed_accelerate(args: &mut TrainArgs, world: &World) -> anyhow::Result<()> {
    let Some(file) = &args.accelerate_config else { return Ok(()) };
    let configuration = Accelerate::read(file)?;
    configuration.check(world.size())?;
    if configuration.devices {
        say(format!("`{}` asks for other devices: this build computes on the CPU", file.display()));
    }
    if let Some(precision) = configuration.precision.filter(|_| !args.bf16) {
        say(format!("`{}` asks for {precision}: products are computed as `--bf16` does", file.display()));
        args.bf16 = true;
    }
    Ok(())
}

/// Does what the options ask for; returns what there is to tell of it.
pub fn train(args: &TrainArgs, world: &World) -> anyhow::Result<Finished> {
    let resume = folder::claim(args)?;
    let hub = open_hub(args, None);

    let mut data = Data::load(args, &hub)?;
    let folders = Folders::find(args, &hub)?;
    let (config, labels) = resolve_labels(args, &folders.config, &data)?;
    data.cut(args);
    let (threads, line) = threads::set(args.threads, world);
    line.iter().for_each(say);
    let tokenizer = read_tokenizer(args, &folders.tokenizer)?;
    let model = load_model(args, &folders.weights, config)?;
    let alignment = Alignment {
        tokenizer: &tokenizer,
        labels: &labels,
        max_length: max_length(args, &tokenizer, &model.config)?,
        label_all: options::label_all(args),
        uncounted: data.labelling.uncounted(),
        vocab_size: model.config.shape.vocab_size,
        type_vocab_size: model.config.shape.type_vocab_size,
        threads,
    };
    let measure = Measure::new(&labels, args, data.labelling.finds_errors, world)?;
    let examples = |asked: bool, name: &str, split: &Option<Split>| match split {
        Some(split) if asked => alignment.examples(name, split),
        _ => Ok(Vec::new()),
    };
    let to_learn = examples(args.do_train, "train", &data.train)?;
    let to_evaluate = examples(args.do_eval, "validation", &data.validation)?;
    let to_predict = examples(args.do_predict, "test", &data.test)?;
    let first = [(&data.train, &to_learn), (&data.validation, &to_evaluate), (&data.test, &to_predict)];
    if let Some((Some(split), examples)) = first.into_iter().find(|(_, examples)| !examples.is_empty()) {
        say(alignment.show_first(split, examples));
    }

    let upload = Upload::prepare(args, world)?;
    let mut report = Report::new(args, world.is_first());
    let (mut model, mut epoch, mut step, mut history) = (model, json!(0), 0, Vec::new());
    if args.do_train {
        let tuning =
            Tuning { args, world, tokenizer: &tokenizer, measure: &measure, to_learn, to_evaluate: &to_evaluate };
        let state;
        (model, state) = tuning.run(model, resume.as_deref(), &mut report)?;
        (epoch, step, history) = (json!(state.epoch), state.global_step, state.log_history);
    }
    let mut diagnosis = None;
    // What may be refused was: training made the folder when that was sure, without it there is only this.
    if world.is_first() {
        fs::create_dir_all(&args.output_dir)
            .with_context(|| format!("`{}` cannot be created", args.output_dir.display()))?;
    }
    if args.do_eval {
        let (mut record, evaluation) = measure.run("eval", &model, &to_evaluate);
        report.error_table("eval", measure.error_score(&to_evaluate, &evaluation))?;
        record.insert("epoch".into(), epoch);
        report.track(&record, step);
        record.insert("eval_samples".into(), json!(to_evaluate.len()));
        if let Some(split) = data.validation.as_ref().filter(|_| args.html_report) {
            diagnosis = measure.diagnosis(split, &to_evaluate, &evaluation);
        }
        report.results("eval", &record)?;
        record.insert("step".into(), json!(step));
        history.push(record);
    }
    if let Some(split) = data.test.as_ref().filter(|_| args.do_predict) {
        let (record, evaluation) = measure.run("predict", &model, &to_predict);
        if evaluation.counted == 0 {
            say("the test split has no labels, so it is tagged but not measured");
        }
        report.error_table("predict", measure.error_score(&to_predict, &evaluation))?;
        report.results("predict", &record)?;
        if world.is_first() {
            let labels = prediction::word_labels(
                &model,
                &alignment,
                split,
                &to_predict,
                &evaluation.predictions,
                evaluation::rows_at_once(args),
            )?;
            results::save_predictions(&args.output_dir.join("predictions.txt"), &labels)?;
        }
    }
    if args.do_train && world.is_first() {
        card::save(args, &history)?;
    }
    let finished = Finished {
        name: args.output_dir.file_name().unwrap_or(args.output_dir.as_os_str()).to_string_lossy().into_owned(),
        history,
        results: report.finish()?,
        metric: measure.main_metric(args.times.metric_for_best_model.as_deref(), &to_evaluate)?,
        diagnosis,
        settings: serde_json::to_value(args).context("the options as JSON")?,
    };
    if args.html_report && world.is_first() {
        let page = page(&finished.name, std::slice::from_ref(&finished));
        atomic_write::write(&args.output_dir.join("report.html"), page.as_bytes())?;
    }
    upload.map_or(Ok(()), |upload| upload.finish(args))?;
    Ok(finished)
}

fn open_hub(args: &TrainArgs, token: Option<&str>) -> Hub {
    let token = token.or(args.hub.token.as_deref());
    open_hub::open(Asked { cache_dir: args.hub.cache_dir.as_deref(), token, plain: args.disable_tqdm })
}

/// Where each part of the model is.
struct Folders {
    config: PathBuf,
    tokenizer: PathBuf,
    weights: PathBuf,
}

impl Folders {
    fn find(args: &TrainArgs, hub: &Hub) -> anyhow::Result<Folders> {
        let revision = Some(args.model.model_revision.as_str());
        let elsewhere =
            |name: &Option<String>, part| name.as_ref().map(|name| hub.model(name, revision, &[part])).transpose();
        let config = elsewhere(&args.model.config_name, Part::Config)?;
        let tokenizer = elsewhere(&args.model.tokenizer_name, Part::Tokenizer)?;
        let mut parts = vec![Part::Weights];
        parts.extend(config.is_none().then_some(Part::Config));
        parts.extend(tokenizer.is_none().then_some(Part::Tokenizer));
        let weights = hub.model(&args.model.model_name_or_path, revision, &parts)?;
        Ok(Folders {
            config: config.unwrap_or_else(|| weights.clone()),
            tokenizer: tokenizer.unwrap_or_else(|| weights.clone()),
            weights,
        })
    }
}

/// The repository that the finished model goes to.
struct Upload {
    hub: Hub,
    id: String,
}

impl Upload {
    /// Makes the repository, so that what speaks against it is known before the training.
    fn prepare(args: &TrainArgs, world: &World) -> anyhow::Result<Option<Upload>> {
        if !args.hub.push_to_hub || !world.is_first() {
            return Ok(None);
        }
        let hub = open_hub(args, args.hub.hub_token.as_deref());
        let folder = args.output_dir.file_name().unwrap_or_default().to_string_lossy();
        let name = args.hub.hub_model_id.as_deref().unwrap_or(&folder);
        let id = hub.create_model(name, args.hub.hub_private_repo)?;
        say(format!("the finished model goes to the repository {id}"));
        Ok(Some(Upload { hub, id }))
    }

    fn finish(self, args: &TrainArgs) -> anyhow::Result<()> {
        let address = self.hub.upload_model(&self.id, &args.output_dir, "End of training")?;
        say(format!("uploaded {} as {address}", args.output_dir.display()));
        Ok(())
    }
}

/// The labels of the run in the order of the head's rows, in a configuration that names them.
fn resolve_labels(args: &TrainArgs, folder: &Path, data: &Data) -> anyhow::Result<(Config, LabelSet)> {
    let name = args.model.config_name.as_ref().unwrap_or(&args.model.model_name_or_path);
    let (config, notes) = Config::read(folder)?;
    notes.iter().for_each(|note| say(format!("{name}: {note}")));
    let checkpoint = LabelSet::new(config.labels.clone()).with_context(|| format!("{name}: config.json"))?;
    if data.is_unlabelled() {
        say(format!("no split has labels: the checkpoint's {} are used", checkpoint.len()));
        return Ok((config, checkpoint));
    }
    let found = data.labels()?;
    // Names that nobody gave say nothing of a head, not even that there is one: the weights decide.
    let labels = if checkpoint.is_default() {
        found
    } else {
        let allow = labels::Alignment {
            training: args.do_train,
            ignore_sizes: args.model.ignore_mismatched_sizes,
            ignore_names: args.model.ignore_mismatched_labels,
        };
        let aligned = labels::align(found, &checkpoint, allow)?;
        aligned.notes.iter().for_each(say);
        aligned.labels
    };
    say(format!("{} labels: {}", labels.len(), labels.names().join(" ")));
    Ok((config.with_labels(labels.names()), labels))
}

fn read_tokenizer(args: &TrainArgs, folder: &Path) -> anyhow::Result<Tokenizer> {
    let name = args.model.tokenizer_name.as_ref().unwrap_or(&args.model.model_name_or_path);
    let tokenizer = Tokenizer::from_folder(folder).with_context(|| name.clone())?;
    tokenizer.notes.iter().for_each(|note| say(format!("{name}: {note}")));
    Ok(tokenizer)
}

fn load_model(args: &TrainArgs, folder: &Path, config: Config) -> anyhow::Result<Model> {
    // Without training, a drawn head would tag at random: only who asks for that gets it.
    let head = match args.do_train || args.model.ignore_mismatched_sizes {
        true => Head::Drawn { seed: args.learning.seed, ignore_mismatched_sizes: args.model.ignore_mismatched_sizes },
        false => Head::Required,
    };
    let (mut model, notes) = Model::load(folder, config, head)?;
    notes.iter().for_each(|note| say(format!("{}: {note}", args.model.model_name_or_path)));
    if args.bf16 {
        model.precision = precision::bf16();
    }
    Ok(model)
}

/// The longest sequence in pieces: what was asked for, else what tokenizer and model allow.
fn max_length(args: &TrainArgs, tokenizer: &Tokenizer, config: &Config) -> anyhow::Result<usize> {
    let positions = config.shape.positions_max;
    match (args.data.max_seq_length, tokenizer.model_max_length) {
        (Some(asked), _) if asked > positions => {
            bail!("`--max_seq_length {asked}` is more than the model's {positions} positions: ask for at most that")
        }
        (Some(asked), _) => Ok(asked),
        (None, Some(length)) if length <= positions => Ok(length),
        (None, named) => {
            let named = named.map_or("no longest sequence".into(), |length| format!("{length} pieces as the longest"));
            say(format!("the tokenizer names {named}: the model's {positions} positions are the limit"));
            Ok(positions)
        }
    }
}

/// What fine-tuning works with, apart from the model.
struct Tuning<'a> {
    args: &'a TrainArgs,
    world: &'a World,
    tokenizer: &'a Tokenizer,
    measure: &'a Measure<'a>,
    to_learn: Vec<Example>,
    to_evaluate: &'a [Example],
}

impl Tuning<'_> {
    /// Trains, and leaves the finished model in the output folder.
    fn run(&self, model: Model, resume: Option<&Path>, report: &mut Report) -> anyhow::Result<(Model, TrainerState)> {
        let Tuning { args, world, measure, .. } = *self;
        let options = options::run(args, self.criterion()?)?;
        let arguments = serde_json::to_value(args).context("the options as JSON")?;
        let attachments = self.tokenizer.files().map(|(name, text)| (name.to_owned(), text.into_bytes()));
        let (mut learner, notes) = Learner::new(model, options::step(args), &args.learning.freeze)?;
        notes.iter().for_each(say);
        memory::check(args, world, learner.model(), &self.to_learn, self.to_evaluate)?;
        let job = Job {
            options: &options,
            examples: &self.to_learn,
            world,
            attachments: &attachments,
            arguments: &arguments,
            evaluate: &mut |model| measure.run("eval", model, self.to_evaluate).0,
            notify: &mut |event| report.event(event),
        };
        let outcome = trainer::train(&mut learner, job, resume)?;
        if world.is_first() {
            contents::write_model(&args.output_dir, learner.model(), &attachments, &arguments)?;
        }
        let mut record = outcome.metrics;
        record.insert("train_samples".into(), json!(self.to_learn.len()));
        report.results("train", &record)?;
        if world.is_first() {
            outcome.state.save(&args.output_dir)?;
        }
        Ok((learner.into_model(), outcome.state))
    }

    /// The metric that chooses, by the name it will have.
    fn criterion(&self) -> anyhow::Result<Option<Criterion>> {
        let Some(metric) = self.args.times.metric_for_best_model.as_ref().filter(|_| self.args.do_eval) else {
            return Ok(None);
        };
        let name = self.measure.metric_name(metric, self.to_evaluate)?;
        if name != *metric {
            say(format!("the metric `{metric}` is called `{name}` in this run"));
        }
        Ok(Some(Criterion::new(&name, Some(self.args.times.greater_is_better))))
    }
}
