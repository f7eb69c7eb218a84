//! `tagsmith env`: what there is to compute with, and whether processes can compute together.

mod rehearsal;

use crate::machine::{memory, neighbours, threads};
use anyhow::Result;
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::{Value, json};
use std::fs;
use std::io::{Write, stdout};
use std::path::Path;
use tagsmith_kernel::Level;
use tagsmith_ranks::World;
use tagsmith_train::memory::size;

/// The command line of `tagsmith env`.
pub fn command() -> Command {
    Command::new("env")
        .about("What the machine offers: processors, instructions, memory, MPI, GPUs")
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print one JSON object"))
        .arg(Arg::new("test").long("test").action(ArgAction::SetTrue).help(
            "Try out whether processes compute together, as `accelerate test` does: mpirun -n 4 tagsmith env --test",
        ))
}

/// Runs it; the exit status.
pub fn run(matches: &ArgMatches, world: &World) -> Result<u8> {
    if matches.get_flag("test") {
        return rehearsal::run(world);
    }
    let facts = facts(world);
    // All ranks have answered; one speaks.
    if !world.is_first() {
        return Ok(0);
    }
    let mut out = stdout();
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

/// Everything, in the order in which a person reads it.
fn facts(world: &World) -> Value {
    let (threads, why) = threads::set(None, world);
    let levels: Vec<String> = Level::available().iter().map(|level| format!("{level:?}")).collect();
    json!({
        "tagsmith": env!("CARGO_PKG_VERSION"),
        "system": system(),
        "processor": processor(),
        "threads": why.unwrap_or_else(|| format!("{threads}: one a physical core")),
        "instructions": format!("{} in use, of {}", format!("{:?}", Level::in_use()), levels.join(", ")),
        "bf16": Level::in_use().bf16_path(),
        "memory": memory::allowed().map_or("the system does not say".into(), size),
        "mpi": tagsmith_ranks::library().unwrap_or_else(|| "not in this build (`--features mpi`)".into()),
        "ranks": ranks(world),
        "cuda": cuda(),
    })
}

fn ranks(world: &World) -> String {
    let here = neighbours::count(world);
    match world.size() {
        1 => "1: this process (start several with mpirun or srun)".into(),
        size => format!("{size}, {here} of them on this machine"),
    }
}

fn system() -> String {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    [std::env::consts::OS, kernel.trim(), std::env::consts::ARCH].join(" ")
}

fn processor() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(|| "the system does not say".into(), |(_, name)| name.trim().to_owned())
}

/// What the NVIDIA driver leaves where everybody can read it; this build has no use for it.
fn cuda() -> String {
    let driver = fs::read_to_string("/proc/driver/nvidia/version").ok();
    let version = driver.as_deref().and_then(|text| text.lines().next()).map(str::trim);
    let devices = (0..64).filter(|number| Path::new(&format!("/dev/nvidia{number}")).exists()).count();
    match version {
        None => "no driver".into(),
        Some(version) => format!("{devices} devices, {version}; this build computes on the CPU"),
    }
}
