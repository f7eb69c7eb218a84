//! `tagsmith compare PLAN.json`: several trainings one after another, and what came of each beside the others.

use crate::args::{Plan, Resume, help};
use crate::cmd::train;
use crate::report;
use anyhow::Context;
use clap::{Arg, ArgMatches, Command};
use std::io::{self, Write};
use tagsmith_files::atomic_write;
use tagsmith_ranks::World;
use tagsmith_train::checkpoint;

const HELP: &str = "\
Train several times and compare: a table on standard output and in comparison.md, curves and details in report.html.

usage: tagsmith compare PLAN.json [OPTIONS]

PLAN.json holds two objects: `options`, which all runs share, and `runs`, which maps the name of each to options of
its own. Options on the command line count for all runs. They are those of `tagsmith train --help`. Each run has its
folder in `output_dir`. An interrupted comparison goes on with `--resume_from_checkpoint last`: runs without a
checkpoint begin anew.

    {\"options\": {\"model_name_or_path\": \"m\", \"train_file\": \"t.json\", \"output_dir\": \"out\", \"do_train\": true},
     \"runs\": {\"plain\": {}, \"frozen\": {\"freeze\": [\"embeddings\"]}}}
";

/// What a run that goes on has of its last part alone.
const OF_THE_REST: [&str; 4] = ["train_loss", "train_runtime", "train_samples_per_second", "train_steps_per_second"];

/// The arguments, all of which the plan's reader takes.
pub fn command() -> Command {
    let words = Arg::new("words").num_args(0..).trailing_var_arg(true).allow_hyphen_values(true);
    let about = "Train several times by a plan and compare what came of it";
    Command::new("compare").about(about).disable_help_flag(true).override_help(HELP).arg(words)
}

/// Runs the plan.
pub fn run(matches: &ArgMatches, world: &World) -> anyhow::Result<u8> {
    let words: Vec<String> = matches.get_many("words").into_iter().flatten().cloned().collect();
    if help::is_asked(&words) {
        train::print(HELP)?;
        return Ok(0);
    }
    let plan = Plan::read(&words)?;
    let (mut finished, mut failed) = (Vec::new(), Ok(0));
    let runs = plan.runs.len();
    for (number, mut planned) in (1..).zip(plan.runs) {
        writeln!(io::stderr(), "run {number} of {runs}: {}", planned.name)?;
        planned.lines.iter().for_each(train::say);
        planned.args.html_report = true;
        train::heed_accelerate(&mut planned.args, world)?;
        let resume = &mut planned.args.resume_from_checkpoint;
        if *resume == Some(Resume::Last) && checkpoint::newest(&planned.args.output_dir).is_none() {
            train::say(format!("`{}` holds no checkpoint: the run begins anew", planned.args.output_dir.display()));
            *resume = None;
        }
        let goes_on = resume.is_some();
        let name = planned.name;
        match train::train(&planned.args, world).with_context(|| format!("the run `{name}`")) {
            Ok(run) => {
                let mut run = report::Finished { name, ..run };
                if goes_on {
                    let name = &run.name;
                    train::say(format!(
                        "the table leaves out training loss and time of `{name}`: it went on in between"
                    ));
                    run.results.retain(|name, _| !OF_THE_REST.contains(&name.as_str()));
                }
                finished.push(run);
            }
            // What came of the runs before it is still worth a look.
            Err(error) => {
                failed = Err(error);
                break;
            }
        }
    }
    if finished.is_empty() || !world.is_first() {
        return failed;
    }
    let table = report::markdown(&finished);
    let title = plan.output_dir.file_name().unwrap_or(plan.output_dir.as_os_str()).to_string_lossy();
    atomic_write::write(&plan.output_dir.join("comparison.md"), table.as_bytes())?;
    atomic_write::write(&plan.output_dir.join("report.html"), report::page(&title, &finished).as_bytes())?;
    train::print(&table)?;
    failed
}
