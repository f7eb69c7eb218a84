//! Several trainings one after another, and their results beside each other.

use crate::events::{Event, Events};
use crate::options::{Resume, TrainArgs};
use crate::report::{self, Finished};
use crate::train::{self, Hubs};
use anyhow::Context;
use std::path::PathBuf;
use tagsmith_files::atomic_write;
use tagsmith_message::Note;
use tagsmith_ranks::World;
use tagsmith_train::checkpoint;

/// Figures that cover only the part after a resume. The table leaves them out.
const FIGURES_OF_LAST_PART: [&str; 4] =
    ["train_loss", "train_runtime", "train_samples_per_second", "train_steps_per_second"];

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
    /// What it does.
    pub args: TrainArgs,
    /// The hub as it sees it.
    pub hubs: Hubs,
    /// Notes about its options, reported when it begins.
    pub notes: Vec<Note>,
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
    let (mut finished, mut outcome) = (Vec::new(), Ok(()));
    let of = request.runs.len();
    for (number, run) in (1..).zip(request.runs) {
        events.event(Event::RunBegins { number, of, name: &run.name });
        run.notes.iter().for_each(|note| events.note(note));
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
    let PlannedRun { name, mut args, hubs, .. } = run;
    args.reporting.html_report = true;
    let resume = &mut args.output.resume_from_checkpoint;
    if *resume == Some(Resume::Last) && checkpoint::newest(&args.output.output_dir).is_none() {
        events.say(format!("`{}` holds no checkpoint: the run begins anew", args.output.output_dir.display()));
        *resume = None;
    }
    let resumes = resume.is_some();
    let finished = train::train(&args, &hubs, world, events).with_context(|| format!("the run `{name}`"))?;
    let mut finished = Finished { name, ..finished };
    if resumes {
        events.say(format!(
            "the table leaves out training loss and time of `{}`: the run was resumed in between",
            finished.name
        ));
        finished.results.retain(|name, _| !FIGURES_OF_LAST_PART.contains(&name.as_str()));
    }
    Ok(finished)
}
