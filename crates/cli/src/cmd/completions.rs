//! `tagsmith completions SHELL` and `tagsmith man --dir DIR`: what shells and readers of manuals know of the commands.
//!
//! Both come from the commands as they are declared, and from the table of options where `args` reads the words.

use crate::args::described;
use crate::args::program::{RUN_NER, WITHOUT_TRAINER};
use crate::terminal::streams::{aside, print};
use anyhow::{Context, Result};
use clap::{Arg, ArgMatches, Command, value_parser};
use clap_complete::Shell;
use std::fs;
use std::path::PathBuf;

/// Returns the command that prints a shell's completions.
pub fn command() -> Command {
    Command::new("completions").about("Print the completions of a shell: bash, elvish, fish, powershell, zsh").arg(
        Arg::new("shell").value_name("SHELL").required(true).value_parser(value_parser!(Shell)).help(
            "The shell; for bash: tagsmith completions bash > ~/.local/share/bash-completion/completions/tagsmith",
        ),
    )
}

/// Returns the command that writes manual pages.
pub fn command_of_manual() -> Command {
    Command::new("man").about("Write the manual pages, one a command").arg(
        Arg::new("dir")
            .long("dir")
            .value_name("DIR")
            .required(true)
            .value_parser(value_parser!(PathBuf))
            .help("The folder to write to, such as ~/.local/share/man/man1"),
    )
}

/// Returns the program with the options of every command.
fn whole() -> Command {
    let described = |name: &str, command: Command| match name {
        "train" => described::command(command, &RUN_NER),
        _ => described::command(command, &WITHOUT_TRAINER),
    };
    [RUN_NER.name, WITHOUT_TRAINER.name]
        .iter()
        .fold(crate::command(), |all, &name| all.mut_subcommand(name, |command| described(name, command)))
}

/// Prints completions.
pub fn run(matches: &ArgMatches) -> Result<u8> {
    let shell: Shell = *matches.get_one("shell").context("clap asks for the shell")?;
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut whole(), "tagsmith", &mut text);
    print(&String::from_utf8(text).context("completions are text")?)?;
    Ok(0)
}

/// Writes the manual pages.
pub fn run_manual(matches: &ArgMatches) -> Result<u8> {
    let folder: &PathBuf = matches.get_one("dir").context("clap asks for the folder")?;
    let place = || folder.display().to_string();
    fs::create_dir_all(folder).with_context(place)?;
    clap_mangen::generate_to(whole(), folder).with_context(place)?;
    aside(&format!("the manual pages are in {}: man -M or MANPATH shows where to look", place()));
    Ok(0)
}
