//! `tagsmith train`: run_ner.py.

use crate::args::{self, RimArgs, accelerate};
use crate::open_hub::{self, Asked};
use crate::spelling::Dialect;
use crate::terminal::{self, Style, Terminal};
use clap::{Arg, ArgMatches, Command};
use serde_json::Value;
use std::path::Path;
use tagsmith_app::train::{Hubs, train};
use tagsmith_ranks::World;

/// What run_ner_no_trainer.py does differently, in the options of run_ner.py.
const WITHOUT_TRAINER: &str =
    "--do_train --do_eval --max_length 128 --max_grad_norm 0 --eval_strategy epoch --save_strategy no";

/// Returns the command. `args` reads all its arguments.
pub fn command() -> Command {
    let about = "Fine-tune, evaluate and run a token classifier, as run_ner.py does";
    raw("train", about).visible_alias("run_ner")
}

/// Returns the same command under the other script's defaults.
pub fn command_without_trainer() -> Command {
    raw("run_ner_no_trainer", "The same with the defaults of run_ner_no_trainer.py")
}

fn raw(name: &'static str, about: &'static str) -> Command {
    let words = Arg::new("words").num_args(0..).trailing_var_arg(true).allow_hyphen_values(true);
    Command::new(name).about(about).disable_help_flag(true).override_help(args::help::text()).arg(words)
}

/// Runs a command line.
pub fn run(matches: &ArgMatches, world: &World) -> anyhow::Result<u8> {
    run_words(words(matches), world)
}

/// Runs a command line of run_ner_no_trainer.py.
pub fn run_without_trainer(matches: &ArgMatches, world: &World) -> anyhow::Result<u8> {
    terminal::note(&format!("run_ner_no_trainer.py is run_ner.py with {WITHOUT_TRAINER}"));
    let preset = WITHOUT_TRAINER.split(' ').map(String::from);
    run_words(preset.chain(words(matches)).collect(), world)
}

/// Returns the words of a command line that `args` reads.
pub fn words(matches: &ArgMatches) -> Vec<String> {
    matches.get_many("words").into_iter().flatten().cloned().collect()
}

/// Opens the hub for downloads and for the upload.
pub fn open_hubs(rim: &RimArgs) -> Hubs {
    let open = |token: Option<&str>| {
        open_hub::open(Asked { cache_dir: rim.cache_dir.as_deref(), token, plain: rim.disable_tqdm })
    };
    let token = rim.token.as_deref();
    Hubs { downloads: open(token), uploads: open(rim.hub_token.as_deref().or(token)) }
}

/// Returns how a run shows its results.
pub fn style(rim: &RimArgs) -> Style {
    Style { json: rim.json, shows_progress: !rim.disable_tqdm }
}

fn run_words(words: Vec<String>, world: &World) -> anyhow::Result<u8> {
    if args::help::is_asked(&words) {
        terminal::print(&args::help::text())?;
        return Ok(0);
    }
    let mut line = args::parse(&words, Path::new(""))?;
    let applied = accelerate::apply(&mut line, world.size());
    line.lines.iter().for_each(|line| terminal::note(line));
    applied?;
    let mut terminal = Terminal::new(Dialect::Train, style(&line.rim));
    let finished = train(&line.args, &open_hubs(&line.rim), world, &mut terminal)?;
    terminal.finish()?;
    if line.rim.json {
        terminal::print(&format!("{:#}\n", Value::Object(finished.results)))?;
    }
    Ok(0)
}
