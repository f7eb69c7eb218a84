//! The machine as this process may use it: processors, their instructions, memory, and folders to write to.

pub mod device;
pub mod folder_lock;
pub mod memory;
pub mod neighbors;
pub mod precision;
pub mod rehearsal;
pub mod threads;

use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use tagsmith_kernel::Level;
use tagsmith_message::counted;
use tagsmith_ranks::World;
use tagsmith_train::memory::size;

/// Returns facts about the machine, in the order in which a person reads them. All ranks of `world` call this.
pub fn facts(world: &World) -> Value {
    let (threads, why) = threads::choose(None, world);
    let levels: Vec<String> = Level::available().iter().map(|level| format!("{level:?}")).collect();
    json!({
        "tagsmith": env!("CARGO_PKG_VERSION"),
        "system": system(),
        "processor": processor(),
        "threads": why.unwrap_or_else(|| format!("{threads}: one a physical core")),
        "instructions": format!("{:?} in use, of {}", Level::in_use(), levels.join(", ")),
        "bf16": Level::in_use().bf16_path(),
        "memory": memory::allowed().map_or("the system does not say".into(), size),
        "mpi": tagsmith_ranks::library().unwrap_or_else(|| "not in this build (cargo feature `mpi`)".into()),
        "ranks": ranks(world),
        "cuda": cuda(),
    })
}

fn ranks(world: &World) -> String {
    let here = neighbors::count(world);
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

/// Returns the machine's name, as far as a file's name can hold it.
pub fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname");
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    let name: String = name.unwrap_or_default().trim().chars().filter(|&letter| is_plain(letter)).collect();
    if name.is_empty() { "localhost".to_owned() } else { name }
}

/// Returns what the NVIDIA driver leaves where every process can read it. This build does not use it.
fn cuda() -> String {
    let driver = fs::read_to_string("/proc/driver/nvidia/version").ok();
    let version = driver.as_deref().and_then(|text| text.lines().next()).map(str::trim);
    let devices = (0..64).filter(|number| Path::new(&format!("/dev/nvidia{number}")).exists()).count();
    match version {
        None => "no driver".into(),
        Some(version) => format!("{}, {version}; this build computes on the CPU", counted(devices, "device")),
    }
}
