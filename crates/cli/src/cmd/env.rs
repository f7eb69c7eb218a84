//! `tagsmith env`: what there is to compute with, and whether processes can compute together.

use crate::spelling::Dialect;
use crate::terminal::streams::Output;
use crate::terminal::{Style, Terminal};
use anyhow::Result;
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::Value;
use std::io::Write;
use tagsmith_app::machine;
use tagsmith_app::machine::rehearsal::{Rehearsal, rehearse};
use tagsmith_ranks::World;

/// What accelerate says at the end.
const SUCCESS: &str = "Test is a success! You are ready for your distributed training!";

/// Returns the command.
pub fn command() -> Command {
    Command::new("env")
        .about("What the machine offers: processors, instructions, memory, MPI, GPUs")
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print one JSON object"))
        .arg(Arg::new("test").long("test").action(ArgAction::SetTrue).help(
            "Try out whether processes compute together, as `accelerate test` does: mpirun -n 4 tagsmith env --test",
        ))
}

/// Runs the command. Returns the exit status.
pub fn run(matches: &ArgMatches, world: &World) -> Result<u8> {
    if matches.get_flag("test") {
        return test(world);
    }
    let facts = machine::facts(world);
    // All ranks have answered, and one prints.
    if !world.is_first() {
        return Ok(0);
    }
    let mut out = Output;
    match matches.get_flag("json") {
        true => writeln!(out, "{facts:#}")?,
        false => {
            let Value::Object(facts) = facts else { unreachable!("facts are an object") };
            for (name, value) in facts {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                writeln!(out, "{:<14} {text}", name.replace('_', " "))?;
            }
        }
    }
    Ok(0)
}

fn test(world: &World) -> Result<u8> {
    let mut terminal = Terminal::new(Dialect::Other, Style::default());
    let Rehearsal { ranks, waited, speed } = rehearse(world, &mut terminal)?;
    terminal.finish()?;
    if let Some(speed) = speed {
        writeln!(Output, "    {speed}")?;
    }
    writeln!(Output, "{SUCCESS} (ranks: {ranks}, waited: {waited:.3} s)")?;
    Ok(0)
}
