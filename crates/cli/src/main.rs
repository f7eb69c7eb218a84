//! tagsmith: fine-tune, evaluate and run token classifiers.
//!
//! Exit status: 0 done; 1 it ran, and a bar that was asked for is not reached; 2 it could not run.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod args;
mod cmd;
mod demo;
mod machine;
mod open_hub;
mod report;

use anyhow::{anyhow, ensure};
use clap::{ArgMatches, Command};
use std::error::Error as _;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;
use tagsmith_ranks::World;

/// What cannot run at all.
const COULD_NOT_RUN: i32 = 2;

/// Our own mistake ended the program: Rust's number for that.
const PANICKED: i32 = 101;

fn main() -> ExitCode {
    let joined = World::join();
    let alone = World::alone();
    let world = joined.as_ref().unwrap_or(&alone);
    let last_words = LastWords::new(world);
    hook_panics(last_words.clone());
    let ran = catch_unwind(AssertUnwindSafe(|| run(&command().get_matches(), &joined)));
    let status = match ran {
        Ok(Ok(status)) => return ExitCode::from(status),
        Ok(Err(error)) if is_broken_pipe(&error) => 0,
        Ok(Err(error)) => {
            last_words.say(&error);
            COULD_NOT_RUN
        }
        Err(_) => PANICKED,
    };
    // The others may be waiting for this rank, and would for ever.
    if world.size() > 1 {
        world.abort(status);
    }
    ExitCode::from(status as u8)
}

/// Where a rank says what ends the job.
#[derive(Clone)]
struct LastWords {
    /// Of a rank that prints nothing else, with its number.
    hushed: Option<(usize, Place)>,
}

type Place = Arc<Mutex<Box<dyn Write + Send>>>;

/// What ends one rank mostly ends all of them, and the first one says it. Another one that has something of its own to
/// say waits so long for that.
const AFTER_THE_FIRST: Duration = Duration::from_secs(1);

impl LastWords {
    /// The first rank's go to stderr, and from now on nothing of the others goes anywhere else.
    fn new(world: &World) -> LastWords {
        let stderr = world.redirect_output().expect("standard output and error can be moved");
        LastWords { hushed: stderr.map(|stderr| (world.rank(), Arc::new(Mutex::new(stderr)))) }
    }

    fn say(&self, error: &anyhow::Error) {
        let hint = error.downcast_ref::<args::UsageError>().map(|usage| format!("\n  hint: {}", usage.hint()));
        let line = format!("error: {error:#}{}", hint.unwrap_or_default());
        if self.hushed.is_some() {
            thread::sleep(AFTER_THE_FIRST);
        }
        self.print(&line);
    }

    /// Nobody is left to be told that it failed.
    fn print(&self, line: &str) {
        match &self.hushed {
            None => eprintln!("{line}"),
            Some((rank, stderr)) => {
                let mut stderr = stderr.lock().unwrap_or_else(PoisonError::into_inner);
                _ = writeln!(stderr, "rank {rank}: {line}");
            }
        }
    }
}

/// The Arrow and Parquet libraries panic on some damaged files. The readers catch that and make it an error of one
/// line, so the default hook's lines about it would only confuse. And where weights cannot be read any more in the
/// middle of a computation, their error arrives here: it is one like any other.
fn hook_panics(last_words: LastWords) {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if let Some(lost) = panic.payload().downcast_ref::<tagsmith_weights::Error>() {
            let cause = lost.source().map_or(String::new(), |cause| format!(": {cause}"));
            last_words.print(&format!("error: {lost}{cause}"));
            std::process::exit(COULD_NOT_RUN);
        }
        let file = panic.location().map_or("", |location| location.file());
        if ["/arrow-", "/parquet-"].iter().any(|library| file.contains(library)) {
            return;
        }
        match &last_words.hushed {
            None => default(panic),
            Some(_) => last_words.print(&panic.to_string()),
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
        .subcommand(cmd::env::command())
}

fn run(matches: &ArgMatches, joined: &Result<World, String>) -> anyhow::Result<u8> {
    let (name, matches) = matches.subcommand().expect("clap asks for one");
    if let "score" | "demo" = name {
        ensure!(
            joined.as_ref().map_or(1, World::size) == 1,
            "`{name}` runs in one process: start it without a launcher"
        );
        return if name == "score" { cmd::score::run(matches) } else { cmd::demo::run(matches) };
    }
    let world = joined.as_ref().map_err(|refusal| anyhow!("{refusal}"))?;
    match name {
        "train" => cmd::train::run(matches, world),
        "compare" => cmd::compare::run(matches, world),
        "predict" => cmd::predict::run(matches, world),
        "env" => cmd::env::run(matches, world),
        "run_ner_no_trainer" => cmd::train::run_without_trainer(matches, world),
        name if cmd::spans::has(name) => cmd::spans::run(name, matches, world),
        name => unreachable!("`{name}` is registered and not run"),
    }
}

/// Whoever read our output has enough of it: no error.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).any(|io| io.kind() == io::ErrorKind::BrokenPipe)
}
