//! `tagsmith check FILE…`: what data say that cannot be meant, and what often is not.

use super::predict::at_least_one;
use super::{quiet, style};
use crate::open_hub::{self, Asked};
use crate::spelling::Dialect;
use crate::terminal::streams::print;
use crate::terminal::{Style, Terminal, width};
use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use tagsmith_app::machine::threads;
use tagsmith_app::train::check::{CheckRequest, Severity, check};
use tagsmith_files::atomic_write;
use tagsmith_ranks::World;

/// The exit status where the data have errors.
const ERRORS: u8 = 1;

/// Returns the command.
pub fn command() -> Command {
    Command::new("check")
        .about("Check data: illegal tags, leakage between files, labels that contradict each other, and more")
        .arg(
            Arg::new("files")
                .value_name("FILE")
                .required(true)
                .num_args(1..)
                .help("Files of words and labels to learn from"),
        )
        .arg(
            Arg::new("against")
                .long("against")
                .value_name("FILE")
                .action(ArgAction::Append)
                .help("A file that a model is measured on; may be given several times"),
        )
        .arg(
            Arg::new("model")
                .long("model")
                .value_name("MODEL")
                .help("A model's folder or name: sentences that are too long for it, and words that it does not know"),
        )
        .arg(
            Arg::new("labels")
                .long("labels")
                .value_name("FILE")
                .help("A file with the labels there may be, one a line"),
        )
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print a JSON object instead of text"))
        .arg(
            Arg::new("html")
                .long("html")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("Write a page too"),
        )
        .arg(
            Arg::new("most")
                .long("most")
                .value_name("COUNT")
                .value_parser(value_parser!(u16))
                .default_value("5")
                .help("Findings of each kind that the text shows"),
        )
        .arg(
            Arg::new("fix")
                .long("fix")
                .value_parser(PossibleValuesParser::new(["safe"]))
                .requires("output")
                .help("Mend white space, hidden letters and tags that do not follow their scheme; entities stay"),
        )
        .arg(
            Arg::new("output")
                .long("output")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .requires("fix")
                .help("With --fix: the file to write, as columns; none is written over"),
        )
        .arg(
            Arg::new("threads")
                .long("threads")
                .value_parser(value_parser!(usize))
                .help("Threads [default: physical cores]"),
        )
        .arg(Arg::new("cache-dir").long("cache-dir").value_name("FOLDER").help("Cache of the hub"))
        .arg(Arg::new("token").long("token").help("Token for the hub"))
        .arg(quiet())
}

/// Checks, prints, and returns the exit status: 1 if there are errors.
pub fn run(matches: &ArgMatches) -> anyhow::Result<u8> {
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let all = |name: &str| matches.get_many::<String>(name).into_iter().flatten().cloned().collect();
    let style = style(matches);
    let mut terminal = Terminal::new(Dialect::Check, style);
    let threads = threads::set(at_least_one(matches, "threads")?, &World::alone(), &mut terminal)?;
    let request = CheckRequest {
        files: all("files"),
        against: all("against"),
        model: text("model"),
        labels: text("labels"),
        fixed: matches.get_one::<PathBuf>("output").cloned(),
        threads,
    };
    let Style { shows_progress, level, .. } = style;
    let (cache_dir, token) = (text("cache-dir"), text("token"));
    let asked = Asked { cache_dir: cache_dir.as_deref(), token: token.as_deref(), plain: !shows_progress, level };
    let checked = check(&request, &open_hub::open(asked), &mut terminal)?;
    checked.notes.iter().chain(&checked.fixed).for_each(|note| terminal.note(note));
    terminal.finish()?;
    if let Some(path) = matches.get_one::<PathBuf>("html") {
        atomic_write::write(path, checked.page().as_bytes())?;
    }
    if matches.get_flag("json") {
        print(&format!("{:#}\n", checked.json(&|note| Dialect::Check.note(note))))?;
    } else {
        let room = if io::stdout().is_terminal() { width::of_terminal() } else { None };
        let most = *matches.get_one::<u16>("most").expect("clap fills the default in");
        print(&checked.text(usize::from(most), room.unwrap_or(usize::MAX)))?;
    }
    Ok(if checked.count(Severity::Error) > 0 { ERRORS } else { 0 })
}
