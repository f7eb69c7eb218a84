//! `tagsmith env`: what there is to compute with, and whether processes can compute together.

use super::device;
use crate::spelling::Dialect;
use crate::terminal::streams::Output;
use crate::terminal::{Style, Terminal};
use anyhow::Result;
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::Value;
use std::io::Write;
use tagsmith_app::machine;
use tagsmith_app::machine::device::{DeviceArgs, Tested};
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
            "Try out whether GPUs compute what the processor does, and whether processes compute together, as \
             `accelerate test` does: mpirun -n 4 tagsmith env --test",
        ))
        .args(device::args(false))
}

/// Runs the command. Returns the exit status.
pub fn run(matches: &ArgMatches, world: &World) -> Result<u8> {
    if matches.get_flag("test") {
        return test(&device::of(matches), world);
    }
    let facts = machine::facts(&device::of(matches), world);
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
                let name = name.replace('_', " ");
                match &value {
                    Value::Array(values) => {
                        for value in values {
                            writeln!(out, "{name:<14} {}", said(value))?;
                        }
                    }
                    value => writeln!(out, "{name:<14} {}", said(value))?,
                }
            }
        }
    }
    Ok(0)
}

/// Returns a fact as a person reads it: of an object, names and values parted by commas.
fn said(fact: &Value) -> String {
    match fact {
        Value::String(text) => text.clone(),
        Value::Object(parts) => {
            let part = |(name, value): (&String, &Value)| format!("{} {}", name.replace('_', " "), said(value));
            parts.iter().map(part).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

fn test(devices: &DeviceArgs, world: &World) -> Result<u8> {
    let tested = if world.is_first() { devices.test()? } else { Vec::new() };
    for Tested { device, failure, seconds } in &tested {
        match failure {
            None => writeln!(Output, "{device}: passes its self-test ({seconds:.1} s)")?,
            Some(failure) => writeln!(Output, "{device}: {failure}")?,
        }
    }
    let mut terminal = Terminal::new(Dialect::Other, Style::default());
    let Rehearsal { ranks, waited, speed } = rehearse(world, &mut terminal)?;
    terminal.finish()?;
    if let Some(speed) = speed {
        writeln!(Output, "    {speed}")?;
    }
    writeln!(Output, "{SUCCESS} (ranks: {ranks}, waited: {waited:.3} s)")?;
    Ok(u8::from(tested.iter().any(|tested| tested.failure.is_some())))
}
