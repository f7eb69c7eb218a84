//! The four trainers of span taggers.

use super::learn::{Inputs, read_back};
use super::log::{self, Log};
use super::made_from::MadeFrom;
use super::{tag_rules, write_json};
use crate::error::refusal;
use crate::events::{Events, Progress};
use crate::machine::device::news;
use crate::machine::memory::allowed;
use crate::machine::{folder_lock, precision, threads};
use crate::report::Finished;
use crate::train::record::Recorder;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::fs::File;
use std::path::{Path, PathBuf};
use tagsmith_files::atomic_write;
use tagsmith_hub::Hub;
use tagsmith_message::{Note, Remedy, Setting, counted};
use tagsmith_ranks::World;
use tagsmith_spans::config::run::RunConfig;
use tagsmith_spans::evaluate::assess;
use tagsmith_spans::feed::read::{self, Overlapping};
use tagsmith_spans::folder;
use tagsmith_text::example::{Example, labels_of};
use tagsmith_text::labels::reading::Rules;
use tagsmith_train::checkpoint::state::TrainerState;
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
    threads::set(request.threads, world, events)?;
    let mut config = request.config.clone();
    config.model.reproduce(request.parity);
    let output = config.run.output.clone();
    let _lock = folder_lock::lock_and_tidy(&output, world, events)?;
    let finished = output.join("best_checkpoint");
    let (is_done, left) = (finished.exists(), newest(&output));
    if let (Some(left), false, false) = (&left, request.resume, is_done) {
        let message = format!("`{}` is left from a run that did not end", left.display());
        return Err(refusal(message, Remedy::AnyOf(vec![Remedy::set(Setting::Resume), Remedy::to_do("remove it")])));
    }
    let before = left.as_deref().map(|left| MadeFrom::read(&output, left)).transpose()?.flatten();
    // No rank looks for checkpoints any more when the first rank begins to write them.
    world.barrier();
    let mut log = Log { events, file: None };
    if world.is_first() && !is_done {
        let file = output.join(log::FILE);
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
    let splits = [("training", &train_examples[..]), ("validation", &validation), ("test", &test)];
    let made_from = MadeFrom::new(&config, request, splits);
    if is_done {
        refuse_another_run(&made_from, before.as_ref(), &output)?;
        let unknown = if before.is_some_and(|before| before.knows_data()) {
            ""
        } else {
            " (which data it was made from is not recorded)"
        };
        let shown = finished.display();
        events
            .say(format!("`{shown}` exists: this run is done{unknown}; remove `{}` to train again", output.display()));
        return Ok(SpanTrained::Already(Box::new(read_back(&config)?)));
    }
    for difference in before.iter().flat_map(|before| made_from.differences(before)) {
        let said = format!("the run goes on otherwise than it began: {difference}");
        log.note(&Note::once(said).important())?;
    }
    if world.is_first() {
        made_from.write(&output)?;
    }

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
    let notes: Vec<Note> = notes.into_iter().map(Note::once).chain(tokenizers.notes(&model)).collect();
    log.notes(&notes)?;
    ensure!(
        config.encoding.max_length <= model.positions_max(),
        "{}: `max_seq_length` is {}, and the text encoder has positions for {}",
        config.path.display(),
        config.encoding.max_length,
        model.positions_max()
    );
    let (device, said) = request.device.open_on_ranks(world)?;
    log.notes(&said)?;
    let known = device.remark();
    if config.bf16 {
        model.precision = precision::bf16(&device, log.events);
    }

    let inputs = Inputs {
        request,
        config: &config,
        tokenizers: &tokenizers,
        examples: &train_examples,
        validation: &validation,
        test: &test,
        resume: from.as_deref(),
        world,
        device: &device,
    };
    let (mut best, mut recorded) = (None, None);
    if config.does[0] {
        let learned = inputs.learn(model, &mut log)?;
        log.notes(news(&device, known.as_deref()).as_slice())?;
        model = learned.model;
        (best, recorded) = (learned.best, Some((learned.state, learned.recorder)));
    } else {
        model = model.moved(&device)?;
    }
    // The link says that the run is done, so that it comes after everything else.
    let end = |best: Option<&PathBuf>| match best.filter(|_| world.is_first()) {
        Some(best) => link(best, &finished),
        None => Ok(()),
    };
    let tell = |recorded: Option<(TrainerState, Recorder)>| -> Result<_> {
        recorded.map(|(state, recorder)| inputs.finish(&state, recorder).map(Box::new)).transpose()
    };
    if !config.does[2] {
        let run = tell(recorded)?;
        end(best.as_ref())?;
        return Ok(SpanTrained::Finished { figures: None, run });
    }
    let chosen = best.as_ref().filter(|_| config.does[1]);
    if let Some(best) = chosen {
        let precision = model.precision;
        model = folder::load_as(best, config.model.clone())?.0;
        model.precision = precision;
        model = model.moved(&device)?;
    }
    let events = RefCell::new(log.events);
    let watch = |done, all| events.borrow_mut().progress(Progress::in_pieces("evaluation", done, all));
    let evaluation = assess((&model, &tokenizers), config.encoding, &test, request.decoding, world, &watch)?;
    let mut results = json!({
        "test_metrics": evaluation.to_json(),
        "config": config.json,
        "final_step": recorded.as_ref().map(|(state, _)| state.global_step),
        "best_checkpoint_path": chosen.map(|best| best.display().to_string()),
    });
    // `best_validation_f1`, unless another metric chose.
    let best_value = recorded.as_ref().map(|(state, _)| state.best_metric.unwrap_or(0.0));
    results[format!("best_validation_{}", config.metric())] = json!(best_value);
    if world.is_first() {
        write_json(&output.join("test_results.json"), &results)?;
    }
    if let Some((_, recorder)) = &mut recorded {
        recorder.save("predict", &evaluation.record("predict"))?;
    }
    let run = tell(recorded)?;
    end(best.as_ref())?;
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
    log.notes(&data.notes)?;
    let entities: usize = data.examples.iter().map(|example| example.entities.len()).sum();
    let [texts, labels] =
        [(data.examples.len(), "text"), (labels_of(&data.examples).len(), "label")].map(|(n, noun)| counted(n, noun));
    let shown = counted(entities, "entity");
    log.line(&format!("{what}: {texts}, {shown}, {labels}"))?;
    ensure!(
        entities > 0,
        "{}: no entity of format {:?} is there: is it the right file?",
        files.join(", "),
        config.format
    );
    Ok(data.examples)
}

/// Makes a relative link to the best checkpoint.
fn link(best: &Path, at: &Path) -> Result<()> {
    let name = best.file_name().context("a checkpoint has a name")?;
    Ok(atomic_write::link(at, &name.to_string_lossy())?)
}

/// Refuses a folder whose finished run was made from other settings or data than this call names.
fn refuse_another_run(now: &MadeFrom, before: Option<&MadeFrom>, output: &Path) -> Result<()> {
    let differences = before.map_or(Vec::new(), |before| now.differences(before));
    if differences.is_empty() {
        return Ok(());
    }
    let message = format!("`{}` holds another finished run: {}", output.display(), differences.join("; "));
    let other = Remedy::set(Setting::OutputDir).so_as("with another folder");
    Err(refusal(message, Remedy::AnyOf(vec![other, Remedy::to_do("remove the folder to train again")])))
}
