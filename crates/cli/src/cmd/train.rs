//! `tagsmith train`: run_ner.py.

use crate::args::program::{Program, RUN_NER, WITHOUT_TRAINER};
use crate::args::{self, RimArgs, TrainLine, accelerate};
use crate::open_hub::{self, Asked};
use crate::spelling::Dialect;
use crate::terminal::interrupt::{Writes, quoted, writes};
use crate::terminal::streams::print;
use crate::terminal::width;
use crate::terminal::{Style, Terminal};
use clap::{Arg, ArgMatches, Command};
use serde_json::Value;
use std::path::Path;
use tagsmith_app::train::{Hubs, train};
use tagsmith_ranks::World;

/// Returns the command. `args` reads all its arguments.
pub fn command() -> Command {
    let about = "Fine-tune, evaluate and run a token classifier, as run_ner.py does";
    raw(&RUN_NER, about).visible_alias("run_ner")
}

/// Returns the same command under the other script's defaults.
pub fn command_without_trainer() -> Command {
    raw(&WITHOUT_TRAINER, "The same with the defaults of run_ner_no_trainer.py")
}

fn raw(program: &Program, about: &'static str) -> Command {
    let words = Arg::new("words").num_args(0..).trailing_var_arg(true).allow_hyphen_values(true);
    let help = args::help::text(program, width::of_help());
    Command::new(program.name).about(about).disable_help_flag(true).override_help(help).arg(words)
}

/// Runs a command line.
pub fn run(matches: &ArgMatches, world: &World) -> anyhow::Result<u8> {
    run_words(words(matches), &RUN_NER, world)
}

/// Runs a command line of run_ner_no_trainer.py.
pub fn run_without_trainer(matches: &ArgMatches, world: &World) -> anyhow::Result<u8> {
    run_words(words(matches), &WITHOUT_TRAINER, world)
}

/// Returns the words of a command line that `args` reads.
pub fn words(matches: &ArgMatches) -> Vec<String> {
    matches.get_many("words").into_iter().flatten().cloned().collect()
}

/// Opens the hub for downloads and for the upload.
pub fn open_hubs(rim: &RimArgs) -> Hubs {
    let open = |token: Option<&str>| {
        let Style { shows_progress, level, .. } = style(rim);
        open_hub::open(Asked { cache_dir: rim.cache_dir.as_deref(), token, plain: !shows_progress, level })
    };
    let token = rim.token.as_deref();
    Hubs { downloads: open(token), uploads: open(rim.hub_token.as_deref().or(token)) }
}

/// Returns how a run shows its results.
pub fn style(rim: &RimArgs) -> Style {
    Style { json: rim.json, shows_progress: !rim.disable_tqdm, level: rim.log_level }
}

fn run_words(words: Vec<String>, program: &Program, world: &World) -> anyhow::Result<u8> {
    if args::help::is_asked(&words) {
        print(&args::help::text(program, width::of_help()))?;
        return Ok(0);
    }
    let mut line = args::parse(&words, Path::new(""), program)?;
    writes(Writes::Run(line.args.output.output_dir.clone()));
    let applied = accelerate::apply(&mut line, world.size());
    let mut terminal = Terminal::new(Dialect::Train, style(&line.rim)).of_ranks(world);
    let preset = program.preset_words();
    if !preset.is_empty() {
        terminal.say(&format!("{}.py is run_ner.py with {preset}", program.name));
    }
    line.lines.iter().for_each(|line| terminal.say(line));
    applied?;
    let finished = train(&line.args, &open_hubs(&line.rim), world, &mut terminal)?;
    terminal.say(&what_next(&line));
    terminal.finish()?;
    if line.rim.json {
        print(&format!("{:#}\n", Value::Object(finished.results)))?;
    }
    Ok(0)
}

/// Returns where the results are, and what may be done with them.
fn what_next(line: &TrainLine) -> String {
    let folder = line.args.output.output_dir.display().to_string();
    match line.args.tasks.do_train {
        true => format!("the model is in {folder}; to tag with it: tagsmith predict --model {} FILE", quoted(&folder)),
        false => format!("the results are in {folder}"),
    }
}
