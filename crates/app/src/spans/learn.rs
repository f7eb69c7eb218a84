//! The training part of a span tagger's run, and what it records.

use super::log::Log;
use super::request::SpanTrainRequest;
use crate::events::{Event as Reported, Events, Progress};
use crate::machine::links;
use crate::machine::memory::of_run;
use crate::options::{Origin, OutputArgs, ReportArgs};
use crate::report::about::{About, Part};
use crate::report::clock::now_to_the_minute;
use crate::report::figures::typed;
use crate::report::model_card::{Card, Kind};
use crate::report::tracking::Format;
use crate::report::{Finished, page};
use crate::train::record::Recorder;
use anyhow::Result;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use tagsmith_files::{atomic_write, json_fields};
use tagsmith_kernel::Device;
use tagsmith_message::{Note, quote};
use tagsmith_ranks::World;
use tagsmith_spans::config::Architecture;
use tagsmith_spans::config::run::RunConfig;
use tagsmith_spans::evaluate::assess;
use tagsmith_spans::feed::{Data, SpanFeed};
use tagsmith_spans::find::Query;
use tagsmith_spans::folder::{self, Tokenizers};
use tagsmith_spans::learn::SpanTask;
use tagsmith_spans::memory;
use tagsmith_spans::model::Model;
use tagsmith_text::example::{Example, labels_of};
use tagsmith_text::tagged::Watch;
use tagsmith_train::checkpoint::newest;
use tagsmith_train::checkpoint::state::{Record, TrainerState};
use tagsmith_train::learner::Learner;
use tagsmith_train::trainer::{Event, Job, Outcome, results, train};

/// A run whose data and tokenizers are there.
pub struct Inputs<'a> {
    /// The request.
    pub request: &'a SpanTrainRequest,
    /// The run's file.
    pub config: &'a RunConfig,
    /// The model's tokenizers.
    pub tokenizers: &'a Tokenizers,
    /// The texts to learn from.
    pub examples: &'a [Example],
    /// The texts that choose the best checkpoint; may be empty.
    pub validation: &'a [Example],
    /// The texts that the best model is tested on; may be empty.
    pub test: &'a [Example],
    /// The checkpoint to go on from.
    pub resume: Option<&'a Path>,
    /// The ranks that learn together.
    pub world: &'a World,
    /// Where they compute.
    pub device: &'a Device,
}

/// What training led to.
pub struct Learned {
    /// The model after the last update.
    pub model: Model,
    /// The best checkpoint, or the newest where no evaluation chose one.
    pub best: Option<PathBuf>,
    /// The state of the run.
    pub state: TrainerState,
    /// The results so far.
    pub recorder: Recorder,
}

impl Inputs<'_> {
    /// Trains the model, with checkpoints in the output folder.
    ///
    /// # Errors
    /// A run that does not fit in memory; whatever the engine refuses.
    pub fn learn(&self, model: Model, log: &mut Log<'_>) -> Result<Learned> {
        let Inputs { device, request, config, tokenizers, examples, validation, resume, world, .. } = *self;
        let (of_model, source) = (model.config.clone(), config.files[0].join(", "));
        let data = Data {
            config: &of_model,
            tokenizers,
            encoding: config.encoding,
            examples,
            language_weights: &config.language_weights,
            source: &source,
        };
        let feed = SpanFeed::new(data, &config.run, world)?;
        if let Some(note) = links::link(&request.device, world, device)? {
            log.note(&note)?;
        }
        for plan in self.plan_memory(&model, &feed)? {
            log.note(&Note::once(plan))?;
        }
        let model = model.moved(device)?;
        let mut recorder = self.recorder(log.events);
        let task = SpanTask { model, normalization: request.normalization, rates: config.rates };
        let mut learner = Learner::new(task, config.step.clone(), &[])?.0;
        let measure = |model: &Model, watch: Watch<'_>| {
            assess((model, tokenizers), config.encoding, validation, request.decoding, world, watch)
        };
        let mut failed = Ok(());
        // Both the engine and an evaluation inside it report.
        let shared = RefCell::new(log);
        let watch = |done, all| shared.borrow_mut().events.progress(Progress::in_pieces("evaluation", done, all));
        let job = Job {
            options: &config.run,
            feed: &feed,
            world,
            arguments: &Value::Object(config.json.clone()),
            save: &|task: &SpanTask, place| folder::save(place, &task.model, tokenizers),
            evaluate: &mut |task: &SpanTask| Ok(measure(&task.model, &watch)?.record("eval")),
            notify: &mut |event| {
                let logged = self.hear(event, &mut recorder, &mut shared.borrow_mut());
                if failed.is_ok() {
                    failed = logged;
                }
            },
        };
        let outcome = train(&mut learner, job, resume)?;
        device.unlink()?;
        failed?;
        let best = outcome.state.best_model_checkpoint.clone().map(PathBuf::from);
        let best = best.or_else(|| newest(&config.run.output));
        self.record(&outcome, &mut recorder, shared.into_inner())?;
        Ok(Learned { model: learner.into_model().model, best, state: outcome.state, recorder })
    }

    /// Logs what the engine says, and passes its progress on.
    fn hear(&self, event: Event<'_>, recorder: &mut Recorder, log: &mut Log<'_>) -> Result<()> {
        let line = match event {
            Event::Note(note) => return log.note(note),
            Event::Began { .. } | Event::Stepped { .. } => None,
            Event::Logged(record) => {
                recorder.track(record, record["step"].as_u64().expect("a logged record has its step"));
                Some(results::log_line(record))
            }
            Event::Saved(folder) => Some(format!("saved {}", folder.display())),
            Event::Deleted(folder) => Some(format!("deleted {}", folder.display())),
        };
        log.events.event(Reported::Training(event));
        line.map_or(Ok(()), |line| log.write(&line))
    }

    /// The recorder of the logs that the run's file asks for.
    fn recorder(&self, events: &mut dyn Events) -> Recorder {
        let mut report_to = Vec::new();
        for name in self.config.report_to.iter().filter(|name| *name != "none") {
            match Format::ALL.into_iter().find(|format| format.name() == name) {
                Some(format) => report_to.push(format.name()),
                None => events.say(format!(
                    "`report_to` names {}, which is not written here: there are tensorboard, csv and jsonl",
                    quote(name)
                )),
            }
        }
        let logging_dir = self.config.logging_dir.clone();
        let reporting = ReportArgs { report_to, html_report: self.config.html_report, logging_dir };
        let output_dir = self.config.run.output.clone();
        let output = OutputArgs { output_dir, overwrite_output_dir: false, resume_from_checkpoint: None };
        Recorder::new(&reporting, &output, self.world.is_first(), events)
    }

    /// Writes the results of training.
    fn record(&self, outcome: &Outcome, recorder: &mut Recorder, log: &mut Log<'_>) -> Result<()> {
        let state = &outcome.state;
        let mut record = outcome.metrics.clone();
        record.insert("train_samples".into(), json!(self.examples.len()));
        recorder.results("train", &record, log.events)?;
        // The evaluation of the best checkpoint, or else the last one.
        let mut evaluations = state.log_history.iter().filter(|record| record.contains_key("eval_f1"));
        let is_best = |record: &&Record| record["step"].as_u64() == state.best_global_step;
        let best = evaluations.clone().find(is_best).or_else(|| evaluations.next_back());
        if let Some(best) = best {
            let mut best = best.clone();
            best.remove("step");
            recorder.results("eval", &best, log.events)?;
        }
        if self.world.is_first() {
            state.save(&self.config.run.output)?;
        }
        Ok(())
    }

    /// Writes the model card and the page. Returns what there is to tell about the run.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn finish(&self, state: &TrainerState, recorder: Recorder) -> Result<Finished> {
        let (config, output) = (self.config, &self.config.run.output);
        let run = finished(config, state.log_history.clone(), recorder.finish());
        let name = self.request.name.clone().unwrap_or_else(|| run.name.clone());
        let run = Finished { name, about: self.about(), ..run };
        if self.world.is_first() {
            self.save_card(&run)?;
            if config.html_report {
                let page = page(&run.name, std::slice::from_ref(&run));
                atomic_write::write(&output.join("report.html"), page.as_bytes())?;
            }
        }
        Ok(run)
    }

    /// What the run is made of.
    fn about(&self) -> About {
        let Inputs { config, examples, validation, test, .. } = *self;
        let splits = [("train", examples), ("validation", validation), ("test", test)];
        let parts = splits.into_iter().enumerate().filter(|(_, (_, examples))| !examples.is_empty());
        About {
            model: self.encoders().join(", "),
            data: parts.map(|(at, (role, it))| Part::of_texts(role, &config.files[at].join(", "), it)).collect(),
            labels: labels_of(examples),
            ended: now_to_the_minute(),
            hashes: Vec::new(),
        }
    }

    /// What the run starts from: a checkpoint, or encoders, each once.
    fn encoders(&self) -> Vec<String> {
        if let Some(checkpoint) = &self.config.model_checkpoint {
            return vec![checkpoint.display().to_string()];
        }
        let model = &self.config.model;
        let of_labels = (model.architecture == Architecture::BiEncoder).then(|| model.type_encoder.clone());
        let mut encoders: Vec<String> = [model.token_encoder.clone()].into_iter().chain(of_labels).collect();
        encoders.dedup();
        encoders.retain(|encoder| !encoder.is_empty());
        encoders
    }

    /// Writes README.md beside the checkpoints.
    fn save_card(&self, run: &Finished) -> Result<()> {
        let encoders = self.encoders();
        let on_hub = |name: &&str| !Path::new(name).exists();
        let base_models: Vec<&str> = encoders.iter().map(String::as_str).filter(on_hub).collect();
        let settings = self.config.json.iter().filter(|(_, value)| value.is_number() || value.is_boolean());
        let hyperparameters: Vec<_> = settings.map(|(name, value)| (name.clone(), typed(value))).collect();
        let card = Card {
            kind: Kind::SpanTagger,
            name: &run.name,
            base_models: &base_models,
            dataset: None,
            hyperparameters: &hyperparameters,
            history: &run.history,
            results: &run.results,
            about: &run.about,
        };
        Ok(card.save(&self.config.run.output)?)
    }

    /// Says what the run will hold, and refuses a run that holds more than this process may. Validation texts are
    /// encoded for it, so that more labels than a prompt holds are refused before the first step.
    fn plan_memory(&self, model: &Model, feed: &SpanFeed<'_>) -> Result<Vec<String>> {
        let Inputs { config, tokenizers, examples, validation, world, .. } = *self;
        let labels_evaluated = labels_of(validation);
        let labels_count = labels_evaluated.len();
        let mut evaluated = Vec::new();
        if config.does[1] {
            let query = Query::new(model, tokenizers, labels_evaluated)?;
            let contents: Vec<_> = validation.iter().map(|example| &example.content).collect();
            evaluated = query.encode(&tokenizers.text, config.encoding, &contents)?;
        }
        let reader = tokenizers.labels.as_ref().unwrap_or(&tokenizers.text);
        let ids = |label: &String| reader.encode_running(label).map(|pieces| pieces.ids);
        let labels = feed.plain_labels().map(ids).collect::<Result<Vec<_>, _>>()?;
        let work = memory::Work {
            examples,
            encoded: feed.encoded(),
            evaluated: &evaluated,
            labels_evaluated: labels_count,
            labels: &labels,
            batch_size: config.run.batch_size,
            batch_tokens: config.run.batch_tokens,
            accumulation: config.run.accumulation,
            max_length: config.encoding.max_length,
            gradient_checkpointing: config.step.gradient_checkpointing,
            ranks: world.size(),
        };
        let memories = of_run(world, self.device)?;
        Ok(memories.into_iter().map(|memory| memory::plan(model, &work, memory)).collect::<Result<_, _>>()?)
    }
}

/// Returns what there is to tell about a run that was finished before, from its files.
///
/// # Errors
/// Files that are missing or damaged.
pub fn read_back(config: &RunConfig) -> Result<Finished> {
    let output = &config.run.output;
    let state = TrainerState::read(output)?;
    let results = json_fields::read_object(&output.join("all_results.json"))?;
    Ok(finished(config, state.log_history, results.into_iter().collect()))
}

fn finished(config: &RunConfig, history: Vec<Record>, results: Record) -> Finished {
    let output = &config.run.output;
    Finished {
        name: output.file_name().unwrap_or(output.as_os_str()).to_string_lossy().into_owned(),
        history,
        results,
        metric: config.metric().to_owned(),
        diagnosis: None,
        tested: None,
        checked: None,
        settings: Value::Object(config.json.clone()),
        origin: Origin::default(),
        about: About::default(),
    }
}
