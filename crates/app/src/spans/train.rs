//! The four trainers of span taggers.

use super::log::Log;
use super::write_json;
use crate::error::refusal;
use crate::events::Events;
use crate::machine::memory::allowed;
use crate::machine::{neighbors, precision, threads};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use tagsmith_hub::Hub;
use tagsmith_message::{Note, Remedy, Setting, counted};
use tagsmith_ranks::World;
use tagsmith_spans::config::parity::Parity;
use tagsmith_spans::decode::Mode;
use tagsmith_spans::folder;
use tagsmith_spans::model::loss::Normalization;
use tagsmith_spans::read::{self, Overlapping};
use tagsmith_spans::run_config::{Program, RunConfig};
use tagsmith_spans::trainer::{Event, Job, assess, train};
use tagsmith_text::example::{Example, labels_of};

/// A request to train a span tagger.
#[derive(Clone, Debug)]
pub struct SpanTrainRequest {
    /// The original's JSON file.
    pub config: PathBuf,
    /// What is trained; without it, the file says so.
    pub program: Option<Program>,
    /// Whether to go on from the newest checkpoint in the output folder.
    pub resume: bool,
    /// What classification losses are divided by.
    pub normalization: Normalization,
    /// Which entities may share pieces.
    pub decoding: Mode,
    /// Defects of the original to have.
    pub parity: Parity,
    /// Threads; without them, as many as this process has physical cores.
    pub threads: Option<usize>,
}

/// What a training led to.
#[derive(Clone, Debug, PartialEq)]
pub enum SpanTrained {
    /// The run was finished before.
    Already,
    /// The run is finished now. If it was tested, these are the figures.
    Finished(Option<Value>),
}

/// Trains, evaluates and tests a span tagger as `request` asks. All ranks of `world` call this with the same request.
///
/// # Errors
/// A request that cannot be done, with a remedy; files that cannot be read or written; a loss that is not a number.
pub fn train_spans(
    request: &SpanTrainRequest,
    hub: &Hub,
    world: &World,
    events: &mut dyn Events,
) -> Result<SpanTrained> {
    threads::set(request.threads, world, events);
    let mut config = RunConfig::read(&request.config, request.program)?;
    config.model.reproduce(request.parity);
    let finished = config.output.join("best_checkpoint");
    if finished.exists() {
        events.say(format!("`{}` exists: this run is done; remove it to train again", finished.display()));
        return Ok(SpanTrained::Already);
    }
    let newest = tagsmith_train::checkpoint::newest(&config.output);
    if let (Some(newest), false) = (&newest, request.resume) {
        let message = format!("`{}` is left from a run that did not end", newest.display());
        return Err(refusal(message, Remedy::AnyOf(vec![Remedy::set(Setting::Resume), Remedy::to_do("remove it")])));
    }
    // No rank looks for checkpoints any more when the first rank begins to write them.
    world.barrier();
    let mut log = Log { events, file: None };
    if world.is_first() {
        fs::create_dir_all(&config.output).with_context(|| config.output.display().to_string())?;
        let file = config.output.join("run.log");
        let file = File::options().create(true).append(true).open(&file).with_context(|| file.display().to_string())?;
        log.file = Some(file);
    }
    for note in std::mem::take(&mut config.notes) {
        log.note(&Note::once(note))?;
    }
    let overlapping = match request.parity.overlapping {
        true => Overlapping::Taken,
        false => Overlapping::Refused(request.decoding),
    };
    let mut load = |split: usize, what: &str| match config.does[split] {
        true => load(&config, split, what, overlapping, &mut log),
        false => Ok(Vec::new()),
    };
    let train_examples = load(0, "train")?;
    let validation = load(1, "validation")?;
    let test = load(2, "test")?;

    let from = newest.filter(|_| request.resume);
    let (mut model, tokenizers, notes) = match from.as_ref().or(config.model_checkpoint.as_ref()) {
        Some(folder) => {
            if from.is_some() {
                tagsmith_train::checkpoint::verify(folder)?;
            }
            let (model, notes) = folder::load_as(folder, config.model.clone())?;
            let tokenizers = folder::tokenizers(folder, &config.model, hub)?;
            (model, tokenizers, notes)
        }
        None => folder::assemble(config.model.clone(), config.seed, hub)?,
    };
    for note in notes {
        log.note(&Note::once(note.to_string()))?;
    }
    ensure!(
        config.encoding.max_length <= model.positions_max(),
        "{}: `max_seq_length` is {}, and the text encoder has positions for {}",
        request.config.display(),
        config.encoding.max_length,
        model.positions_max()
    );
    if config.bf16 {
        model.precision = precision::bf16(log.events);
    }

    let mut outcome = None;
    if config.does[0] {
        let mut failed = Ok(());
        let mut notify = |event: Event| {
            let logged = match event {
                Event::Trained(step, record) => log.line(&format!("step {step}: {}", Value::Object(record))),
                Event::Evaluated(step, record) => {
                    log.line(&format!("step {step}, validation: {}", Value::Object(record)))
                }
                Event::Saved(folder) => log.line(&format!("saved {}", folder.display())),
                Event::Note(note) => log.note(&Note::once(note)),
            };
            if failed.is_ok() {
                failed = logged;
            }
        };
        // Ranks on one machine have equal shares of its memory.
        let here = neighbors::count(world) as u64;
        let job = Job {
            config: &config,
            world,
            train: &train_examples,
            validation: &validation,
            tokenizers: &tokenizers,
            normalization: request.normalization,
            mode: request.decoding,
            allowed: allowed().map(|bytes| bytes / here),
            notify: &mut notify,
        };
        let (done, trained) = train(model, job, from.as_deref())?;
        failed?;
        model = trained;
        if let Some(best) = done.best.as_ref().filter(|_| world.is_first()) {
            link(best, &finished)?;
        }
        outcome = Some(done);
    }
    if !config.does[2] {
        return Ok(SpanTrained::Finished(None));
    }
    let best = outcome.as_ref().and_then(|outcome| outcome.best.clone()).filter(|_| config.does[1]);
    if let Some(best) = &best {
        let precision = model.precision;
        model = folder::load_as(best, config.model.clone())?.0;
        model.precision = precision;
    }
    let evaluation = assess(&model, &tokenizers, &config, &test, request.decoding, world)?;
    let mut results = json!({
        "test_metrics": evaluation.to_json(),
        "config": config.json,
        "final_step": outcome.as_ref().map(|outcome| outcome.steps),
        "best_checkpoint_path": best.map(|best| best.display().to_string()),
        "best_validation_f1": outcome.as_ref().map(|outcome| outcome.best_f1),
    });
    if world.is_first() {
        write_json(&config.output.join("test_results.json"), &results)?;
    }
    Ok(SpanTrained::Finished(Some(results["test_metrics"].take())))
}

/// Reads a split and logs what it holds.
fn load(
    config: &RunConfig,
    split: usize,
    what: &str,
    overlapping: Overlapping,
    log: &mut Log<'_>,
) -> Result<Vec<Example>> {
    let files = &config.files[split];
    let data = read::load(files, config.format, &[what, "train"], overlapping)?;
    for note in data.notes {
        log.note(&Note::once(note.to_string()))?;
    }
    let entities: usize = data.examples.iter().map(|example| example.entities.len()).sum();
    let [texts, labels] =
        [(data.examples.len(), "text"), (labels_of(&data.examples).len(), "label")].map(|(n, noun)| counted(n, noun));
    let shown = if entities == 1 { "1 entity".to_owned() } else { format!("{entities} entities") };
    log.line(&format!("{what}: {texts}, {shown}, {labels}"))?;
    ensure!(
        entities > 0,
        "{}: no entity of format {:?} is there: is it the right file?",
        files.join(", "),
        config.format
    );
    Ok(data.examples)
}

/// A relative link to the best checkpoint, where the system has links, or else a file with its name.
fn link(best: &Path, at: &Path) -> Result<()> {
    let name = best.file_name().context("a checkpoint has a name")?;
    #[cfg(unix)]
    std::os::unix::fs::symlink(name, at).with_context(|| at.display().to_string())?;
    #[cfg(not(unix))]
    fs::write(at, name.to_string_lossy().as_bytes()).with_context(|| at.display().to_string())?;
    Ok(())
}
