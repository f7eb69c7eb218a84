//! The four trainers of span taggers.

use super::learn::{Inputs, read_back};
use super::log::Log;
use super::{tag_rules, write_json};
use crate::error::refusal;
use crate::events::Events;
use crate::machine::memory::allowed;
use crate::machine::{precision, threads};
use crate::report::Finished;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::path::Path;
use tagsmith_hub::Hub;
use tagsmith_message::{Note, Remedy, Setting, counted};
use tagsmith_ranks::World;
use tagsmith_spans::config::run::RunConfig;
use tagsmith_spans::evaluate::assess;
use tagsmith_spans::feed::read::{self, Overlapping};
use tagsmith_spans::folder;
use tagsmith_text::example::{Example, labels_of};
use tagsmith_text::labels::reading::Rules;
use tagsmith_train::checkpoint::{newest, verify};

pub use super::request::SpanTrainRequest;

/// What a training led to.
pub enum SpanTrained {
    /// The run was finished before. What there is to tell about it is read back.
    Already(Box<Finished>),
    /// The run is finished now.
    Finished {
        /// The figures of the test file, if the run was tested.
        figures: Option<Value>,
        /// What there is to tell about the training, if there was one.
        run: Option<Box<Finished>>,
    },
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
    let tags = tag_rules(request.parity, request.label_scheme)?;
    threads::set(request.threads, world, events);
    let mut config = request.config.clone();
    config.model.reproduce(request.parity);
    let finished = config.run.output.join("best_checkpoint");
    if finished.exists() {
        events.say(format!("`{}` exists: this run is done; remove it to train again", finished.display()));
        return Ok(SpanTrained::Already(Box::new(read_back(&config)?)));
    }
    let left = newest(&config.run.output);
    if let (Some(left), false) = (&left, request.resume) {
        let message = format!("`{}` is left from a run that did not end", left.display());
        return Err(refusal(message, Remedy::AnyOf(vec![Remedy::set(Setting::Resume), Remedy::to_do("remove it")])));
    }
    // No rank looks for checkpoints any more when the first rank begins to write them.
    world.barrier();
    let mut log = Log { events, file: None };
    if world.is_first() {
        fs::create_dir_all(&config.run.output).with_context(|| config.run.output.display().to_string())?;
        let file = config.run.output.join("run.log");
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
        true => load(&config, split, what, (overlapping, tags), &mut log),
        false => Ok(Vec::new()),
    };
    let train_examples = load(0, "train")?;
    let validation = load(1, "validation")?;
    let test = load(2, "test")?;

    let from = left.filter(|_| request.resume);
    let (mut model, tokenizers, notes) = match from.as_ref().or(config.model_checkpoint.as_ref()) {
        Some(folder) => {
            if from.is_some() {
                verify(folder)?;
            }
            let (model, notes) = folder::load_as(folder, config.model.clone())?;
            let tokenizers = folder::tokenizers(folder, &config.model, hub)?;
            (model, tokenizers, notes)
        }
        None => folder::assemble(config.model.clone(), config.seed, hub, allowed())?,
    };
    for note in notes.into_iter().chain(tokenizers.notes(&model)) {
        log.note(&Note::once(note))?;
    }
    ensure!(
        config.encoding.max_length <= model.positions_max(),
        "{}: `max_seq_length` is {}, and the text encoder has positions for {}",
        config.path.display(),
        config.encoding.max_length,
        model.positions_max()
    );
    if config.bf16 {
        model.precision = precision::bf16(log.events);
    }

    let inputs = Inputs {
        request,
        config: &config,
        tokenizers: &tokenizers,
        examples: &train_examples,
        validation: &validation,
        resume: from.as_deref(),
        world,
    };
    let (mut state, mut best, mut run) = (None, None, None);
    if config.does[0] {
        let learned = inputs.learn(model, &mut log)?;
        if let Some(best) = learned.best.as_ref().filter(|_| world.is_first()) {
            link(best, &finished)?;
        }
        model = learned.model;
        (state, best, run) = (Some(learned.state), learned.best, Some(Box::new(learned.run)));
    }
    if !config.does[2] {
        return Ok(SpanTrained::Finished { figures: None, run });
    }
    let best = best.filter(|_| config.does[1]);
    if let Some(best) = &best {
        let precision = model.precision;
        model = folder::load_as(best, config.model.clone())?.0;
        model.precision = precision;
    }
    let evaluation = assess((&model, &tokenizers), config.encoding, &test, request.decoding, world)?;
    let mut results = json!({
        "test_metrics": evaluation.to_json(),
        "config": config.json,
        "final_step": state.as_ref().map(|state| state.global_step),
        "best_checkpoint_path": best.map(|best| best.display().to_string()),
        "best_validation_f1": state.as_ref().map(|state| state.best_metric.unwrap_or(0.0)),
    });
    if world.is_first() {
        write_json(&config.run.output.join("test_results.json"), &results)?;
    }
    Ok(SpanTrained::Finished { figures: Some(results["test_metrics"].take()), run })
}

/// Reads a split and logs what it holds.
fn load(
    config: &RunConfig,
    split: usize,
    what: &str,
    (overlapping, tags): (Overlapping, Rules),
    log: &mut Log<'_>,
) -> Result<Vec<Example>> {
    let files = &config.files[split];
    let data = read::load(files, config.format, &[what, "train"], overlapping, tags)?;
    for note in &data.notes {
        log.note(note)?;
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
