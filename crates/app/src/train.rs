//! Training, evaluation and prediction of a token classifier, as run_ner.py does them.

mod card;
pub mod check;
pub mod data;
mod decoding;
pub mod evaluation;
mod folder;
pub mod hold_out;
pub mod labeling;
mod logs;
mod memory;
mod options;
mod parts;
mod prediction;
mod read;
mod reading;
pub(crate) mod record;
mod teacher;
mod upload;
pub mod weights;

use crate::error::refusal;
use crate::events::{Events, Progress};
use crate::machine::device::news;
use crate::machine::{links, precision, threads};
use crate::options::TrainArgs;
use crate::predict::fingerprint;
use crate::report::about::{About, Part};
use crate::report::clock::now_to_the_minute;
use crate::report::diagnosis::Diagnosis;
use crate::report::{Finished, page};
use anyhow::Context;
use check::Checked;
use data::{Alignment, Data};
use evaluation::Measure;
use parts::Parts;
use read::{Read, Rooms};
use record::Recorder;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::path::Path;
use tagsmith_files::atomic_write;
use tagsmith_files::together::{self, MODEL};
use tagsmith_hub::Hub;
use tagsmith_kernel::Device;
use tagsmith_message::{Remedy, Setting};
use tagsmith_ranks::World;
use tagsmith_text::tokenizer::Tokenizer;
use tagsmith_tokens::evaluate::Evaluation;
use tagsmith_tokens::examples::Examples;
use tagsmith_tokens::feed::TokenFeed;
use tagsmith_tokens::learn::TokenTask;
use tagsmith_tokens::model::Model;
use tagsmith_train::checkpoint::state::Record;
use tagsmith_train::learner::{Learner, freeze};
use tagsmith_train::trainer::best::Criterion;
use tagsmith_train::trainer::results;
use tagsmith_train::trainer::{self, Job};
use teacher::Teacher;
use upload::Upload;

/// The hub as a run needs it.
pub struct Hubs {
    /// The hub that models and data sets come from.
    pub downloads: Hub,
    /// The hub that the finished model goes to.
    pub uploads: Hub,
}

/// Trains, evaluates and predicts as `args` asks. All ranks of `world` call this with the same arguments.
///
/// # Errors
/// A request that cannot be done, with a remedy; files that cannot be read or written; a loss that is not a number.
pub fn train(args: &TrainArgs, hubs: &Hubs, world: &World, events: &mut dyn Events) -> anyhow::Result<Finished> {
    // Before anything is read: times that cannot do what they ask for.
    options::times(&args.times)?.check()?;
    let claimed = folder::claim(&args.output, args.tasks.do_train, world, events)?;
    let rooms = Rooms::new(args, world);
    let mut data = Data::load(&args.data, args.tasks, &rooms.texts, &hubs.downloads, events)?;
    let parts = Parts::find(&args.model, &hubs.downloads)?;
    let (mut config, labels) = parts.labels(args.tasks.do_train, &data, events)?;
    if let Some(rate) = args.learning.dropout {
        config = config.with_dropout(rate)?;
        events.say(format!("every dropout of the model has the rate {rate}, which its config.json will have"));
    }
    let config = parts.with_head(config, args.tasks.do_train)?;
    data.cut(&args.data, events);
    let threads = threads::set(args.machine.threads, world, events)?;
    let tokenizer = parts.tokenizer(events)?;
    let (device, said) = args.machine.device.open_on_ranks(world)?;
    events.notes(&said);
    let known = device.remark();
    let mut model = parts.model(config, args.tasks.do_train, args.learning.seed, events)?;
    if args.machine.bf16 {
        model.precision = precision::bf16(&device, events);
    }
    let beyond = tokenizer.pieces_beyond(model.config.shape.vocab_size);
    events.notes_about(parts.tokenizer_name(), &beyond);
    let alignment = Alignment {
        tokenizer: &tokenizer,
        labels: &labels,
        max_length: parts::max_length(args.data.max_seq_length, &tokenizer, &model.config, events)?,
        label_all: options::label_all(&args.data),
        uncounted: data.labeling.uncounted(),
        vocab_size: model.config.shape.vocab_size,
        type_vocab_size: model.config.shape.type_vocab_size,
        threads,
    };
    let decoding = decoding::Way::new(args, &parts, &labels, events)?;
    let choices = (options::label_scheme(&args.data), &args.times, &args.learning);
    let measure = Measure::new(&labels, choices, decoding.clone(), data.labeling.finds_errors, world, events)?;
    let used = data.used(args.tasks).map(|(role, split)| Part::of_sentences(role, split));
    let about = About {
        model: args.model.model_name_or_path.clone(),
        data: used.collect::<Result<_, _>>()?,
        labels: labels.names().to_vec(),
        ended: String::new(),
        hashes: if args.reporting.html_report { hashes(args)? } else { Vec::new() },
    };
    let checked = data.checked(args.tasks, events)?;
    let teacher = Teacher::of(args, &labels, &hubs.downloads, &device, events)?;
    let targets = match (&teacher, &data.train) {
        (Some(teacher), Some(train)) => {
            let work = (&rooms.examples, evaluation::rows_at_once(&args.learning), threads);
            Some((teacher.teach(train, &labels, work, world, events)?, teacher.bytes()))
        }
        _ => None,
    };
    drop(teacher);
    let mut read = Read::align(args, data, &alignment, &rooms, events)?;
    if let Some((targets, bytes)) = targets {
        teacher::check(&targets, &read.to_learn, args.learning.teacher.as_deref().unwrap_or_default())?;
        read.reading += bytes;
        read.targets = Some(targets);
    }
    let upload = Upload::prepare(&args.hub, &args.output, &hubs.uploads, world, events)?;
    let recorder = Recorder::new(&args.reporting, &args.output, world.is_first(), events);

    let mut run = Run {
        args,
        world,
        measure: &measure,
        read,
        recorder,
        events,
        about,
        history: Vec::new(),
        step: 0,
        epoch: json!(0),
        diagnosis: None,
        tested: None,
        checked,
    };
    let model = match args.tasks.do_train {
        true => run.learn(model, &device, &tokenizer, claimed.resume.as_deref())?,
        false => model.moved(&device)?,
    };
    if args.tasks.do_eval {
        run.evaluate(&model)?;
    }
    if args.tasks.do_predict {
        run.predict(&model, &alignment, &decoding)?;
    }
    let finished = run.finish()?;
    events.notes(&news(&device, known.as_deref()));
    upload.map_or(Ok(()), |upload| upload.finish(&args.output, events))?;
    Ok(finished)
}

/// A run whose data and model are there.
struct Run<'a> {
    args: &'a TrainArgs,
    world: &'a World,
    measure: &'a Measure<'a>,
    read: Read,
    recorder: Recorder,
    events: &'a mut dyn Events,
    /// What the run is made of.
    about: About,
    /// The log, with the final evaluation at its end.
    history: Vec<Record>,
    /// Updates made.
    step: u64,
    /// Epochs made.
    epoch: Value,
    /// What the model gets wrong in the validation split.
    diagnosis: Option<Diagnosis>,
    /// What the model gets wrong in the test split.
    tested: Option<Diagnosis>,
    /// What was found in the data.
    checked: Option<Checked>,
}

impl Run<'_> {
    /// Trains on a device, and leaves the finished model in the output folder.
    fn learn(
        &mut self,
        mut model: Model,
        device: &Device,
        tokenizer: &Tokenizer,
        resume: Option<&Path>,
    ) -> anyhow::Result<Model> {
        let Run { args, world, measure, read, recorder, events, .. } = self;
        let (args, world, measure): (&TrainArgs, &World, &Measure<'_>) = (args, world, measure);
        let options = options::run(args, criterion(args, measure, &read.to_evaluate, *events)?)?;
        let mut arguments = serde_json::to_value(args).context("the options as JSON")?;
        let labels = measure.labels;
        let weights = weights::weights(&args.learning, labels, &read.to_learn, *events)?;
        if !weights.is_empty() {
            arguments["label_weights"] = weights::json(labels, &weights);
        }
        let attachments: Vec<_> =
            tokenizer.files().map(|(name, text)| (name.to_owned(), text.into_bytes())).into_iter().collect();
        let notes = freeze(&mut model.params, &args.learning.freeze)?;
        notes.iter().for_each(|note| events.say(note));
        if let Some(note) = links::link(&args.machine.device, world, device)? {
            events.note(&note);
        }
        refuse_chain(&model, device, args)?;
        memory::check(&args.learning, world, (&model, device), read, *events)?;
        let rates = options::rates(&args.learning);
        if let Some(rates) = rates {
            events.say(rates.tell(model.config.shape.layers));
        }
        let loss = options::loss(&args.learning, &weights);
        let task = TokenTask { rates, ..TokenTask::new(model.moved(device)?, loss) };
        let (mut learner, _) = Learner::new(task, options::step(&args.learning), &[])?;
        // Nothing needs these examples after training.
        let to_learn = std::mem::replace(&mut read.to_learn, Examples::in_memory(&[]));
        let to_evaluate = &read.to_evaluate;
        // Both the engine and an evaluation inside it report.
        let shared = RefCell::new(&mut **events);
        let watch = |progress: Progress<'_>| shared.borrow_mut().progress(progress);
        let job = Job {
            options: &options,
            feed: &TokenFeed::new(&to_learn, &options, &weights, world).taught_by(read.targets.as_ref()),
            world,
            arguments: &arguments,
            save: &|task: &TokenTask, folder: &Path| task.save(folder, &attachments),
            evaluate: &mut |task: &TokenTask| Ok(measure.run("eval", &task.model, to_evaluate, &watch)?.0),
            notify: &mut |event| recorder.training(event, &mut **shared.borrow_mut()),
        };
        let outcome = trainer::train(&mut learner, job, resume)?;
        device.unlink()?;
        let output = &args.output.output_dir;
        if world.is_first() {
            let task = learner.model();
            together::publish(output, MODEL, |stage| -> Result<(), tagsmith_tokens::error::Error> {
                task.save(stage, &attachments)?;
                Ok(results::save_arguments(stage, &arguments)?)
            })?;
        }
        let mut record = outcome.metrics;
        record.insert("train_samples".into(), json!(to_learn.len()));
        recorder.results("train", &record, *events)?;
        if world.is_first() {
            outcome.state.save(output)?;
        }
        let state = outcome.state;
        (self.epoch, self.step, self.history) = (json!(state.epoch), state.global_step, state.log_history);
        Ok(learner.into_model().model)
    }

    /// Evaluates the model on the validation split.
    fn evaluate(&mut self, model: &Model) -> anyhow::Result<()> {
        let Run { args, measure, recorder, events, .. } = self;
        let examples = &self.read.to_evaluate;
        let (mut record, evaluation) = measured(measure, "eval", (model, examples), *events)?;
        evaluation::refuse_no_numbers("validation", &evaluation)?;
        events.notes(&evaluation::notes_of_decoding("validation", &evaluation));
        recorder.error_table("eval", measure.error_score(examples, &evaluation)?)?;
        // A run that trains nothing has no epochs, and transformers writes none.
        if args.tasks.do_train {
            record.insert("epoch".into(), self.epoch.clone());
        }
        recorder.track(&record, self.step);
        record.insert("eval_samples".into(), json!(examples.len()));
        if let Some(split) = &self.read.validation {
            self.diagnosis = measure.diagnosis(split, examples, &evaluation)?;
        }
        recorder.results("eval", &record, *events)?;
        record.insert("step".into(), json!(self.step));
        self.history.push(record);
        Ok(())
    }

    /// Tags the test split, and measures it if it has labels.
    fn predict(&mut self, model: &Model, alignment: &Alignment<'_>, decoding: &decoding::Way) -> anyhow::Result<()> {
        let Run { args, measure, recorder, events, .. } = self;
        let examples = &self.read.to_predict;
        let (record, evaluation) = measured(measure, "predict", (model, examples), *events)?;
        evaluation::refuse_no_numbers("test", &evaluation)?;
        events.notes(&evaluation::notes_of_decoding("test", &evaluation));
        if evaluation.counted == 0 {
            events.say("the test split has no labels, so it is tagged but not measured");
        }
        recorder.error_table("predict", measure.error_score(examples, &evaluation)?)?;
        recorder.results("predict", &record, *events)?;
        let Some(split) = &self.read.test else { return Ok(()) };
        if args.reporting.html_report {
            self.tested = measure.diagnosis(split, examples, &evaluation)?;
        }
        if self.world.is_first() {
            let rows = evaluation::rows_at_once(&args.learning);
            let predictions = &evaluation.predictions;
            let labels =
                prediction::word_labels(model, (alignment, decoding), split, examples, predictions, rows, *events)?;
            results::save_predictions(&args.output.output_dir.join("predictions.txt"), &labels)?;
        }
        Ok(())
    }

    /// Writes the model card and the page. Returns what there is to tell about the run.
    fn finish(self) -> anyhow::Result<Finished> {
        let (args, writes) = (self.args, self.world.is_first());
        let results = self.recorder.finish();
        let about = About { ended: now_to_the_minute(), ..self.about };
        if args.tasks.do_train && writes {
            card::save(args, &about, &self.history, &results)?;
        }
        let chosen = args.times.metric_for_best_model.as_deref();
        let finished = Finished {
            name: args.origin.name.clone().unwrap_or_else(|| args.output.name()),
            history: self.history,
            results,
            metric: self.measure.main_metric(chosen, &self.read.to_evaluate)?,
            diagnosis: self.diagnosis,
            tested: self.tested,
            checked: self.checked,
            settings: serde_json::to_value(args).context("the options as JSON")?,
            origin: args.origin.clone(),
            about,
        };
        if args.reporting.html_report && writes {
            let page = page(&finished.name, std::slice::from_ref(&finished));
            atomic_write::write(&args.output.output_dir.join("report.html"), page.as_bytes())?;
        }
        Ok(finished)
    }
}

/// Returns the names of the run's data files, with the SHA-256 of each.
fn hashes(args: &TrainArgs) -> anyhow::Result<Vec<(String, String)>> {
    let data = &args.data;
    let files = [&data.train_file, &data.validation_file, &data.test_file].into_iter().flatten();
    let files = files.filter(|file| Path::new(file).is_file());
    files.map(|file| Ok((file.clone(), fingerprint::of_file(Path::new(file))?))).collect()
}

/// Refuses what a chain of labels cannot be trained with.
fn refuse_chain(model: &Model, device: &Device, args: &TrainArgs) -> anyhow::Result<()> {
    if model.layout.chain.is_none() {
        return Ok(());
    }
    let softmax = || Remedy::SetTo(Setting::Head, "softmax".into());
    if let Device::Gpu(_) = device {
        let remedy = Remedy::AnyOf(vec![Remedy::SetTo(Setting::Device, "cpu".into()), softmax()]);
        return Err(refusal("a head that is a chain is trained on the processor alone", remedy));
    }
    let learning = &args.learning;
    let of_words = [
        (learning.label_smoothing_factor != 0.0, "label smoothing is"),
        (learning.loss != "cross_entropy", "another loss is"),
        (learning.teacher.is_some(), "a teacher is"),
        (learning.class_weights != "none" || learning.o_weight.is_some(), "weights of labels are"),
    ];
    if let Some((_, what)) = of_words.into_iter().find(|(is_asked, _)| *is_asked) {
        let message = format!("{what} of single words, and a head that is a chain has a loss of whole sentences");
        return Err(refusal(message, softmax()));
    }
    Ok(())
}

/// Measures a model on examples and reports how far that is.
fn measured(
    measure: &Measure<'_>,
    prefix: &str,
    (model, examples): (&Model, &Examples),
    events: &mut dyn Events,
) -> anyhow::Result<(Record, Evaluation)> {
    let events = RefCell::new(events);
    Ok(measure.run(prefix, model, examples, &|progress| events.borrow_mut().progress(progress))?)
}

/// Returns the metric that chooses the best model, by the name it will have.
fn criterion(
    args: &TrainArgs,
    measure: &Measure<'_>,
    to_evaluate: &Examples,
    events: &mut dyn Events,
) -> anyhow::Result<Option<Criterion>> {
    let Some(metric) = args.times.metric_for_best_model.as_ref().filter(|_| args.tasks.do_eval) else {
        return Ok(None);
    };
    let name = measure.metric_name(metric, to_evaluate)?;
    if name != *metric {
        events.say(format!("the metric `{metric}` is called `{name}` in this run"));
    }
    if let Some(note) = measure.about_metric(&name) {
        events.note(&note);
    }
    Ok(Some(Criterion::new(&name, Some(args.times.greater_is_better))))
}
