//! tagsmith: fine-tune, evaluate and run token classifiers.
//!
//! Exit status: 0 done; 1 it ran, and a bar that was asked for is not reached; 2 it could not run.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod args;
mod cmd;
mod demo;
mod machine;
mod report;

use clap::{ArgMatches, Command};
use std::error::Error as _;
use std::io;
use std::process::ExitCode;

/// What cannot run at all.
const COULD_NOT_RUN: u8 = 2;

fn main() -> ExitCode {
    hook_panics();
    match run(&command().get_matches()) {
        Ok(status) => ExitCode::from(status),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            if let Some(usage) = error.downcast_ref::<args::UsageError>() {
                eprintln!("  hint: {}", usage.hint());
            }
            ExitCode::from(COULD_NOT_RUN)
        }
    }
}

/// The Arrow and Parquet libraries panic on some damaged files. The readers catch that and make it an error of one
/// line, so the default hook's lines about it would only confuse. And where weights cannot be read any more in the
/// middle of a computation, their error arrives here: it is one like any other.
fn hook_panics() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if let Some(lost) = panic.payload().downcast_ref::<tagsmith_model::model::Error>() {
            let cause = lost.source().map_or(String::new(), |cause| format!(": {cause}"));
            eprintln!("error: {lost}{cause}");
            std::process::exit(COULD_NOT_RUN.into());
        }
        let file = panic.location().map_or("", |location| location.file());
        if !["/arrow-", "/parquet-"].iter().any(|library| file.contains(library)) {
            default(panic);
        }
    }));
}

fn command() -> Command {
    Command::new("tagsmith")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Fine-tune, evaluate and run token classifiers.")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(cmd::train::command())
        .subcommand(cmd::compare::command())
        .subcommand(cmd::score::command())
        .subcommand(cmd::predict::command())
        .subcommand(cmd::demo::command())
        .subcommand(cmd::train::command_without_trainer())
        .subcommands(cmd::spans::commands())
}

fn run(matches: &ArgMatches) -> anyhow::Result<u8> {
    match matches.subcommand().expect("clap asks for one") {
        ("train", matches) => cmd::train::run(matches),
        ("compare", matches) => cmd::compare::run(matches),
        ("score", matches) => cmd::score::run(matches),
        ("predict", matches) => cmd::predict::run(matches),
        ("demo", matches) => cmd::demo::run(matches),
        ("run_ner_no_trainer", matches) => cmd::train::run_without_trainer(matches),
        (name, matches) if cmd::spans::has(name) => cmd::spans::run(name, matches),
        (name, _) => unreachable!("`{name}` is registered and not run"),
    }
}

/// Whoever read our output has enough of it: no error.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).any(|io| io.kind() == io::ErrorKind::BrokenPipe)
}
