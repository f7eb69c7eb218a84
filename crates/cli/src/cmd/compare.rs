//! `tagsmith compare PLAN.json`: several trainings one after another, and their results beside each other.

use super::train::{open_hubs, style, words};
use crate::args::{Line, Plan, PlannedLine, accelerate, help};
use crate::open_hub::{self, Asked};
use crate::spelling::Dialect;
use crate::terminal::interrupt::{Writes, this_command, writes};
use crate::terminal::streams::print;
use crate::terminal::{Style, Terminal, width};
use clap::{Arg, ArgMatches, Command};
use std::io::{self, IsTerminal};
use tagsmith_app::compare::{CompareRequest, PlannedRun, PlannedTask, compare};
use tagsmith_message::{Note, Setting};
use tagsmith_ranks::World;

const HELP: &str = "\
Train several times and compare: a table on standard output and in
comparison.md, curves and details in report.html.

usage: tagsmith compare PLAN.json [OPTIONS]

PLAN.json holds two objects: `options`, which all runs share, and `runs`, which
maps the name of each to options of its own. Options on the command line count
for all runs. They are those of `tagsmith train --help`. Each run has its folder
in `output_dir`. Figures of single runs go to standard error. An interrupted
comparison goes on with `--resume_from_checkpoint last`: runs without a
checkpoint begin anew. A run that names an `architecture` trains a span tagger:
its options are the keys of a span trainer's file, and decoding, parity,
loss_normalization and threads.

A `search` in the place of `runs` draws them: each of `ranges` is a list, or two
ends with a scale. With more `rungs` than one, trials begin short, and one of
`eta` (3) goes on to a run of eta times the length, by its evaluation; those of
the last rung are as long as the options say.

  \"search\": {\"trials\": 9, \"seed\": 42, \"rungs\": 2, \"eta\": 3, \"ranges\": {
     \"learning_rate\": {\"from\": 1e-5, \"to\": 1e-3, \"scale\": \"log\"},
     \"per_device_train_batch_size\": [8, 16, 32]}}

    {\"options\": {\"model_name_or_path\": \"m\", \"train_file\": \"t.json\",
                 \"output_dir\": \"out\", \"do_train\": true},
     \"runs\": {\"plain\": {}, \"frozen\": {\"freeze\": [\"embeddings\"]}}}
";

/// Returns the command. The plan's reader takes all its arguments.
pub fn command() -> Command {
    let words = Arg::new("words").num_args(0..).trailing_var_arg(true).allow_hyphen_values(true);
    let about = "Train several times by a plan and compare what came of it";
    Command::new("compare").about(about).disable_help_flag(true).override_help(HELP).arg(words)
}

/// Returns the rows of a Markdown table one below the other, a line for each cell, for a terminal that is too narrow.
fn listed(table: &str) -> String {
    let cells = |line: &str| -> Vec<String> {
        let line = line.replace("\\|", "\0");
        line.trim_matches('|').split('|').map(|cell| cell.trim().replace('\0', "|")).collect()
    };
    // What follows the table of runs is narrower.
    let (table, rest) = table.split_once("\n\n").unwrap_or((table, ""));
    let mut rows = table.lines().map(cells);
    let titles = rows.next().unwrap_or_default();
    let width = titles.iter().map(|title| title.chars().count()).max().unwrap_or_default();
    let mut text = String::new();
    // The second line of the table is the rule below the titles.
    for row in rows.skip(1) {
        for (title, cell) in titles.iter().zip(&row) {
            text += &format!("{title:<width$}  {cell}\n");
        }
        text += "\n";
    }
    if !rest.is_empty() {
        text += &format!("{rest}\n");
    }
    text + "The same as a table is in comparison.md.\n"
}

/// Runs the plan.
pub fn run(matches: &ArgMatches, world: &World) -> anyhow::Result<u8> {
    let words = words(matches);
    if help::is_asked(&words) {
        print(HELP)?;
        return Ok(0);
    }
    let plan = Plan::read(&words)?;
    let mut styles = Vec::new();
    let mut rungs = Vec::new();
    for lines in plan.rungs {
        let runs = lines.into_iter().map(|planned| run_of(planned, world, &mut styles));
        rungs.push(runs.collect::<anyhow::Result<Vec<_>>>()?);
    }
    let goes_on = Dialect::Train.typed(Setting::Resume, "last").unwrap_or_default();
    writes(Writes::Runs(plan.output_dir.clone(), this_command(&goes_on)));
    let mut terminal = Terminal::of_runs(styles).of_ranks(world);
    let (table, outcome) =
        compare(CompareRequest { output_dir: plan.output_dir, rungs, eta: plan.eta }, world, &mut terminal);
    if let Some(table) = table {
        let room = io::stdout().is_terminal().then(width::of_terminal).flatten();
        let widest = table.lines().map(|line| line.chars().count()).max().unwrap_or_default();
        match room.is_some_and(|room| room < widest) {
            true => print(&listed(&table))?,
            false => print(&table)?,
        }
    }
    outcome?;
    terminal.finish()?;
    Ok(0)
}

/// Returns a run as it is asked for, and adds how it shows itself.
fn run_of(planned: PlannedLine, world: &World, styles: &mut Vec<Style>) -> anyhow::Result<PlannedRun> {
    let (task, notes) = match planned.line {
        Line::Tokens(mut line) => {
            accelerate::apply(&mut line, world.size())?;
            styles.push(style(&line.rim));
            let hubs = open_hubs(&line.rim);
            (PlannedTask::Tokens(Box::new((line.args, hubs))), line.lines)
        }
        Line::Spans(line) => {
            let plain = line.request.config.disable_tqdm;
            let style = Style { shows_progress: !plain, ..Style::default() };
            styles.push(style);
            let level = style.level;
            let asked = Asked { cache_dir: line.cache_dir.as_deref(), token: line.token.as_deref(), plain, level };
            let hub = open_hub::open(asked);
            (PlannedTask::Spans(Box::new((line.request, hub))), Vec::new())
        }
    };
    Ok(PlannedRun { name: planned.name, task, notes: notes.into_iter().map(Note::once).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wide_table_is_listed_run_by_run() {
        let table = "| run   | best f1 (step) |\n|:-----:|:--------------:|\n| a\\|b | 0.5 (10)       |\n| c     |                |\n";
        let want = "run             a|b\nbest f1 (step)  0.5 (10)\n\nrun             c\nbest f1 (step)  \n\n\
                    The same as a table is in comparison.md.\n";
        assert_eq!(listed(table), want);
    }
}
