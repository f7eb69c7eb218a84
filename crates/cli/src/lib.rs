//! The command line of tagsmith: fine-tune, evaluate and run token classifiers.
//!
//! [`run`] is the whole program. [`keywords`] is for a rim that takes the commands' options as keywords.
//!
//! Exit status: 0 done; 1 it ran, and a bar that was asked for is not reached; 2 it could not run.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod args;
mod cmd;
mod environment;
mod exhausted;
pub mod keywords;
mod open_hub;
mod spelling;
mod terminal;
mod version;

use crate::spelling::Dialect;
use anyhow::{anyhow, ensure};
use clap::{ArgMatches, Command};
use std::ffi::OsString;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;
use tagsmith_ranks::World;
use terminal::interrupt;
use terminal::streams::aside;

/// The exit status of what cannot run at all.
const COULD_NOT_RUN: i32 = 2;

/// The exit status after a mistake of this program: Rust's number for a panic.
const PANICKED: i32 = 101;

/// Ends the process, which asked the system for `bytes` bytes in vain, with a line.
pub fn end_without_memory(bytes: usize) -> ! {
    exhausted::end(bytes, COULD_NOT_RUN)
}

/// Runs a command line, whose first word is the program's name. Returns the exit status.
pub fn run(words: Vec<OsString>) -> u8 {
    if version::is_asked(words.get(1..).unwrap_or_default()) {
        return if terminal::streams::print(&format!("{:#}\n", version::json())).is_ok() {
            0
        } else {
            COULD_NOT_RUN as u8
        };
    }
    let first_word = words.get(1).map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
    let joined = World::join();
    let alone = World::alone();
    let world = joined.as_ref().unwrap_or(&alone);
    let fatal = FatalOutput::new(world);
    hook_panics(fatal.clone());
    heed_limits();
    // The description of all commands needs more stack than the least limit gives.
    let limits = if first_word == "env" { Ok(()) } else { tagsmith_app::machine::memory::check_limits() };
    if let Err(error) = limits {
        fatal.error(&error, Dialect::Other, &first_word);
        return end(world, COULD_NOT_RUN);
    }
    let settled = match args::words::settle(words, &command()) {
        Ok(settled) => settled,
        Err(error) => {
            fatal.error(&error.into(), Dialect::Other, &first_word);
            return end(world, COULD_NOT_RUN);
        }
    };
    let dialect = Dialect::of(&settled.command);
    let matches = match args::words::matched(settled.words, command()) {
        Ok(matches) => matches,
        Err(error) => {
            fatal.error(&error.into(), dialect, &settled.command);
            return end(world, COULD_NOT_RUN);
        }
    };
    settled.lines.iter().for_each(|line| aside(&format!("note: {line}")));
    let ran = catch_unwind(AssertUnwindSafe(|| run_command(&matches, &joined)));
    let status = match ran {
        Ok(Ok(status)) => return status,
        Ok(Err(error)) if is_broken_pipe(&error) => 0,
        Ok(Err(error)) => {
            fatal.error(&error, dialect, &settled.command);
            COULD_NOT_RUN
        }
        Err(_) => PANICKED,
    };
    end(world, status)
}

/// How long the last line of a rank may take to its launcher, before all ranks are ended. MPICH's launcher drops what it has not
/// read by then.
const LINE_ON_ITS_WAY: Duration = Duration::from_millis(200);

/// Ends a process that failed. The other ranks may be waiting for this rank, and would wait for ever.
fn end(world: &World, status: i32) -> u8 {
    if world.size() > 1 {
        thread::sleep(LINE_ON_ITS_WAY);
        world.abort(status);
        std::process::exit(status);
    }
    status as u8
}

/// Lets a file that grows beyond a limit (`ulimit -f`) be an error of the write, as a full disk is. Without this, the
/// system ends the process silently.
fn heed_limits() {
    #[cfg(unix)]
    {
        // It is refused only for signals that no process may heed.
        _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default());
    }
}

/// How long ranks other than the first wait before they print a fatal error. An error usually stops all ranks, and
/// the first rank's message is then enough.
const OTHER_RANKS_WAIT: Duration = Duration::from_secs(1);

/// Prints the error that ends the process.
#[derive(Clone)]
struct FatalOutput {
    /// This rank's number and its saved standard error, if ordinary output of this rank is discarded.
    redirected: Option<(usize, SavedStderr)>,
}

/// Standard error as it was before it was redirected.
type SavedStderr = Arc<Mutex<Box<dyn Write + Send>>>;

impl FatalOutput {
    /// Redirects the ordinary output of all ranks but the first.
    fn new(world: &World) -> FatalOutput {
        let stderr = world.redirect_output().expect("standard output and error can be moved");
        FatalOutput { redirected: stderr.map(|stderr| (world.rank(), Arc::new(Mutex::new(stderr)))) }
    }

    /// Prints an error with what the user can do about it.
    fn error(&self, error: &anyhow::Error, dialect: Dialect, command: &str) {
        let usage = error.downcast_ref::<args::UsageError>();
        let hint = usage.map(|usage| format!("\n  hint: {}", usage.hint(command)));
        let line = format!("error: {}{}", dialect.error(error), hint.unwrap_or_default());
        if self.redirected.is_some() {
            thread::sleep(OTHER_RANKS_WAIT);
        }
        self.line(&line);
    }

    /// Prints a line. An error of that cannot be reported.
    fn line(&self, line: &str) {
        match &self.redirected {
            None => aside(line),
            Some((rank, stderr)) => {
                let mut stderr = stderr.lock().unwrap_or_else(PoisonError::into_inner);
                _ = writeln!(stderr, "rank {rank}: {line}");
            }
        }
    }
}

/// The libraries of Arrow, Parquet and tokenizers panic on some damaged files. The readers catch that and make it an error of one
/// line, so the default hook's lines about it would only confuse.
fn hook_panics(fatal: FatalOutput) {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let file = panic.location().map_or("", |location| location.file());
        if ["/arrow-", "/parquet-", "/tokenizers-", "/spm_precompiled-"].iter().any(|library| file.contains(library)) {
            return;
        }
        match &fatal.redirected {
            None => default(panic),
            Some(_) => fatal.line(&panic.to_string()),
        }
    }));
}

fn command() -> Command {
    let command = Command::new("tagsmith")
        .version(env!("CARGO_PKG_VERSION"))
        .term_width(terminal::width::of_help())
        .about("Fine-tune, evaluate and run token classifiers.")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(cmd::train::command())
        .subcommand(cmd::compare::command())
        .subcommand(cmd::check::command())
        .subcommand(cmd::score::command())
        .subcommand(cmd::predict::command())
        .subcommand(cmd::anonymize::command())
        .subcommand(cmd::evaluate::command())
        .subcommand(cmd::calibrate::command())
        .subcommand(cmd::demo::command())
        .subcommand(cmd::train::command_without_trainer())
        .subcommands(cmd::spans::commands())
        .subcommand(cmd::download::command())
        .subcommand(cmd::env::command())
        .subcommand(cmd::shims::command())
        .subcommand(cmd::accelerate::command())
        .subcommand(cmd::completions::command())
        .subcommand(cmd::completions::command_of_manual());
    #[cfg(feature = "serve")]
    let command = command.subcommand(cmd::serve::command());
    command
}

fn run_command(matches: &ArgMatches, joined: &Result<World, String>) -> anyhow::Result<u8> {
    let (name, matches) = matches.subcommand().expect("clap asks for one");
    interrupt::watch();
    if let Some(run) = of_one_process(name) {
        ensure!(
            joined.as_ref().map_or(1, World::size) == 1,
            "`{name}` runs in one process: start it without a launcher"
        );
        return run(matches);
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

/// Runs a command.
type Run = fn(&ArgMatches) -> anyhow::Result<u8>;

/// Returns the command of that name that several ranks have no use for.
fn of_one_process(name: &str) -> Option<Run> {
    match name {
        "accelerate" => Some(cmd::accelerate::run),
        "anonymize" => Some(cmd::anonymize::run),
        "calibrate" => Some(cmd::calibrate::run),
        "check" => Some(cmd::check::run),
        "completions" => Some(cmd::completions::run),
        "demo" => Some(cmd::demo::run),
        "download" => Some(cmd::download::run),
        "evaluate" => Some(cmd::evaluate::run),
        "man" => Some(cmd::completions::run_manual),
        "score" => Some(cmd::score::run),
        #[cfg(feature = "serve")]
        "serve" => Some(cmd::serve::run),
        "shims" => Some(cmd::shims::run),
        _ => None,
    }
}

/// Returns whether a reader has closed our output, which is not an error.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).any(|io| io.kind() == io::ErrorKind::BrokenPipe)
}
