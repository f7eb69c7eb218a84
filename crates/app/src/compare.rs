//! Several trainings one after another, of either kind of tagger, and their results beside each other.

use crate::error::refusal;
use crate::events::{Event, Events};
use crate::machine::folder_lock;
use crate::options::{Resume, TrainArgs};
use crate::report::{self, Finished};
use crate::spans::train::{SpanTrainRequest, SpanTrained, train_spans};
use crate::train::{self, Hubs};
use anyhow::Context;
use serde_json::Value;
use std::path::{Path, PathBuf};
use tagsmith_files::atomic_write;
use tagsmith_hub::Hub;
use tagsmith_message::{Note, Remedy, Setting, counted};
use tagsmith_ranks::World;
use tagsmith_train::checkpoint;

/// Figures that cover only the part after a resume. The table leaves them out.
const FIGURES_OF_LAST_PART: [&str; 3] = ["train_runtime", "train_samples_per_second", "train_steps_per_second"];

/// A request to train several times and to compare.
pub struct CompareRequest {
    /// The folder of the comparison.
    pub output_dir: PathBuf,
    /// The runs, in their order, rung by rung. Each rung has the same trials, of which the best of the rung before are made.
    pub rungs: Vec<Vec<PlannedRun>>,
    /// One of how many trials of a rung goes on to the next.
    pub eta: usize,
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

impl PlannedTask {
    /// Returns whether the loss chooses the best model.
    fn chooses_by_loss(&self) -> bool {
        match self {
            PlannedTask::Tokens(asked) => {
                asked.0.times.metric_for_best_model.as_ref().is_some_and(|it| it.ends_with("loss"))
            }
            PlannedTask::Spans(_) => false,
        }
    }
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
    let counts = rung_sizes(&request.rungs, request.eta);
    let (mut number, of, last) = (0, counts.iter().sum(), counts.len().saturating_sub(1));
    // The trials that go on.
    let mut alive: Vec<usize> = (0..counts.first().copied().unwrap_or_default()).collect();
    'rungs: for (at, rung) in request.rungs.into_iter().enumerate() {
        let mut figures = Vec::new();
        for (trial, run) in rung.into_iter().enumerate().filter(|(trial, _)| alive.contains(trial)) {
            number += 1;
            events.event(Event::RunBegins { number, of, name: &run.name });
            events.notes(&run.notes);
            let by_loss = run.task.chooses_by_loss();
            let made = make(run, world, events).and_then(|run| {
                if at < last {
                    figures.push((trial, figure(&run, by_loss)?));
                }
                Ok(run)
            });
            match made {
                Ok(run) => {
                    events.event(Event::RunEnds(&run));
                    finished.push(run);
                }
                Err(error) => {
                    outcome = Err(error);
                    break 'rungs;
                }
            }
        }
        if at < last {
            alive = best(figures, counts[at + 1]);
            let names: Vec<String> = alive.iter().map(|trial| (trial + 1).to_string()).collect();
            events.say(format!("of {} these go on: {}", counted(counts[at], "trial"), names.join(", ")));
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

/// Returns how many runs each rung makes: of n trials ⌈n/eta⌉ go on.
fn rung_sizes(rungs: &[Vec<PlannedRun>], eta: usize) -> Vec<usize> {
    let first = rungs.first().map_or(0, Vec::len);
    std::iter::successors(Some(first), |size| Some(size.div_ceil(eta.max(1)))).take(rungs.len()).collect()
}

/// Returns the figure by which a run is compared with others: more is better.
fn figure(run: &Finished, by_loss: bool) -> anyhow::Result<f64> {
    let metric = if by_loss { "loss" } else { &run.metric };
    let name = format!("eval_{metric}");
    let Some(figure) = run.results.get(&name).and_then(Value::as_f64) else {
        let nothing = format!("the run `{}` has no `{name}` by which trials are compared", run.name);
        return Err(refusal(nothing, Remedy::set(Setting::DoEval)));
    };
    Ok(if metric.ends_with("loss") { -figure } else { figure })
}

/// Returns the trials with the best figures, in their order. Of equal ones the earlier are better, and NaN is the worst.
fn best(mut figures: Vec<(usize, f64)>, count: usize) -> Vec<usize> {
    let worth = |figure: f64| if figure.is_nan() { f64::NEG_INFINITY } else { figure };
    figures.sort_by(|one, other| worth(other.1).total_cmp(&worth(one.1)).then(one.0.cmp(&other.0)));
    let mut best: Vec<usize> = figures.into_iter().take(count).map(|(trial, _)| trial).collect();
    best.sort_unstable();
    best
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_trials_go_on() {
        let figures = vec![(0, 0.5), (1, f64::NAN), (2, 0.75), (5, 0.5), (7, 0.25)];
        assert_eq!(best(figures.clone(), 2), [0, 2]);
        assert_eq!(best(figures.clone(), 3), [0, 2, 5]);
        assert_eq!(best(figures, 9), [0, 1, 2, 5, 7]);
    }
}
