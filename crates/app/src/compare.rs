//! Several trainings one after another, of either kind of tagger, and their results beside each other.

use crate::error::refusal;
use crate::events::{Event, Events};
use crate::machine::folder_lock;
use crate::options::{Resume, TrainArgs};
use crate::report::{self, Finished};
use crate::spans::train::{SpanTrainRequest, SpanTrained, train_spans};
use crate::train::{self, Hubs};
use anyhow::Context;
use std::path::{Path, PathBuf};
use tagsmith_files::atomic_write;
use tagsmith_hub::Hub;
use tagsmith_message::{Note, Remedy, Setting};
use tagsmith_ranks::World;
use tagsmith_train::checkpoint;

/// Figures that cover only the part after a resume. The table leaves them out.
const FIGURES_OF_LAST_PART: [&str; 3] = ["train_runtime", "train_samples_per_second", "train_steps_per_second"];

/// A request to train several times and to compare.
pub struct CompareRequest {
    /// The folder of the comparison.
    pub output_dir: PathBuf,
    /// The runs, in their order.
    pub runs: Vec<PlannedRun>,
}

/// A run of a comparison.
pub struct PlannedRun {
    /// The run's name.
    pub name: String,
    /// What it trains.
    pub task: PlannedTask,
    /// Notes about its options, reported when it begins.
    pub notes: Vec<Note>,
}

/// What a run of a comparison trains.
pub enum PlannedTask {
    /// A token classifier, with the hubs as the run sees them.
    Tokens(Box<(TrainArgs, Hubs)>),
    /// A span tagger, with the hub as the run sees it.
    Spans(Box<(SpanTrainRequest, Hub)>),
}

/// Makes the runs and compares those that finished. Returns the table that is in `comparison.md`; none where no run
/// finished or another rank writes. A run that fails ends the comparison, but the runs before it are still compared.
///
/// # Errors
/// The error of the run that failed comes beside the table.
pub fn compare(
    request: CompareRequest,
    world: &World,
    events: &mut dyn Events,
) -> (Option<String>, anyhow::Result<()>) {
    let _lock = match folder_lock::lock(&request.output_dir, world, events) {
        Ok(lock) => lock,
        Err(error) => return (None, Err(error)),
    };
    let (mut finished, mut outcome) = (Vec::new(), Ok(()));
    let of = request.runs.len();
    for (number, run) in (1..).zip(request.runs) {
        events.event(Event::RunBegins { number, of, name: &run.name });
        events.notes(&run.notes);
        match make(run, world, events) {
            Ok(run) => {
                events.event(Event::RunEnds(&run));
                finished.push(run);
            }
            Err(error) => {
                outcome = Err(error);
                break;
            }
        }
    }
    if finished.is_empty() || !world.is_first() {
        return (None, outcome);
    }
    let table = report::markdown(&finished);
    let title = request.output_dir.file_name().unwrap_or(request.output_dir.as_os_str()).to_string_lossy();
    let write = |name: &str, text: &str| atomic_write::write(&request.output_dir.join(name), text.as_bytes());
    let written = write("comparison.md", &table).and_then(|()| write("report.html", &report::page(&title, &finished)));
    (Some(table), outcome.and(written.map_err(Into::into)))
}

fn make(run: PlannedRun, world: &World, events: &mut dyn Events) -> anyhow::Result<Finished> {
    let PlannedRun { name, task, .. } = run;
    let failed = || format!("the run `{name}`");
    let (finished, resumes) = match task {
        PlannedTask::Tokens(asked) => {
            let (mut args, hubs) = *asked;
            args.reporting.html_report = true;
            args.origin.name = Some(name.clone());
            let resume = &mut args.output.resume_from_checkpoint;
            if *resume == Some(Resume::Last) && !can_resume(&args.output.output_dir, events) {
                *resume = None;
            }
            let resumes = resume.is_some();
            (train::train(&args, &hubs, world, events).with_context(failed)?, resumes)
        }
        PlannedTask::Spans(asked) => {
            let (mut request, hub) = *asked;
            request.config.html_report = true;
            request.name = Some(name.clone());
            let resumes = request.resume && can_resume(&request.config.run.output, events);
            match train_spans(&request, &hub, world, events).with_context(failed)? {
                SpanTrained::Already(run) => (*run, false),
                SpanTrained::Finished { run: Some(run), .. } => (*run, resumes),
                SpanTrained::Finished { run: None, .. } => {
                    let nothing = format!("the run `{name}` trains nothing, so there is nothing to compare");
                    return Err(refusal(nothing, Remedy::set(Setting::DoTrain)));
                }
            }
        }
    };
    let mut finished = Finished { name, ..finished };
    if resumes {
        events.say(format!(
            "the table leaves out the training time of `{}`: the run was resumed in between",
            finished.name
        ));
        finished.results.retain(|name, _| !FIGURES_OF_LAST_PART.contains(&name.as_str()));
    }
    Ok(finished)
}

/// Whether a run can go on from a checkpoint in its folder; says so where it begins anew.
fn can_resume(folder: &Path, events: &mut dyn Events) -> bool {
    let is_there = checkpoint::newest(folder).is_some();
    if !is_there {
        events.say(format!("`{}` holds no checkpoint: the run begins anew", folder.display()));
    }
    is_there
}
