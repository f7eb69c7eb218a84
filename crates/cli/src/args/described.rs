//! The options of the table as clap describes options, for completions and manual pages.

use super::help;
use super::option::{Group, Kind, Opt};
use super::program::Program;
use clap::{Arg, ArgAction, Command};

/// Returns a command with an argument for each option of a program.
pub fn command(command: Command, program: &Program) -> Command {
    let shown = program.options().filter(|option| !matches!(option.group, Group::Refused));
    let args = shown.map(|option| argument(option, program));
    Command::new(program.name)
        .about(program.about)
        .visible_aliases(command.get_visible_aliases().map(str::to_owned).collect::<Vec<_>>())
        .disable_help_flag(true)
        .args(args)
}

fn argument(option: &'static Opt, program: &Program) -> Arg {
    let arg = Arg::new(option.name).long(option.name).help(help::description(option, program));
    match option.kind {
        Kind::Flag => arg.action(ArgAction::SetTrue),
        Kind::Int => arg.value_name("N"),
        Kind::Float => arg.value_name("X"),
        Kind::Text => arg.value_name("TEXT"),
        Kind::Choice(words) => arg.value_name("WORD").value_parser(words.to_vec()),
        Kind::List => arg.value_name("WORD").num_args(1..),
        Kind::Dict => arg.value_name("JSON"),
    }
    .hide(matches!(option.group, Group::NoEffect))
}
