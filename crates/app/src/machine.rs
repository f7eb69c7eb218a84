//! The machine as this process may use it: processors, their instructions, memory, and folders to write to.

pub mod device;
pub mod folder_lock;
pub mod links;
pub mod memory;
pub mod neighbors;
pub mod precision;
pub mod rehearsal;
pub mod threads;

use device::DeviceArgs;
use serde_json::{Map, Value, json};
use std::fs;
use tagsmith_kernel::Level;
use tagsmith_kernel::device::{DeviceInfo, Found, Places, devices, nccl};
use tagsmith_ranks::World;
use tagsmith_train::memory::size;

/// Returns facts about the machine, in the order in which a person reads them. All ranks of `world` call this.
/// `args` say where NVIDIA's libraries are.
pub fn facts(args: &DeviceArgs, world: &World) -> Value {
    let (threads, why) = threads::choose(None, world);
    let levels: Vec<String> = Level::available().iter().map(|level| format!("{level:?}")).collect();
    let facts = json!({
        "tagsmith": env!("CARGO_PKG_VERSION"),
        "system": system(),
        "processor": processor(),
        "threads": why.unwrap_or_else(|| format!("{threads}: one a physical core")),
        "instructions": format!("{:?} in use, of {}", Level::in_use(), levels.join(", ")),
        "bf16": Level::in_use().bf16_path(),
        "memory": memory::allowed().map_or("the system does not say".into(), size),
        "mpi": mpi(world),
        "ranks": ranks(world),
    });
    let Value::Object(mut facts) = facts else { unreachable!("facts are an object") };
    facts.extend(gpus(&args.places()));
    facts.into()
}

/// Returns the MPI that `world` is a job of, or the libraries that a job could join.
fn mpi(world: &World) -> String {
    match world.mpi() {
        Some(joined) => joined.to_owned(),
        None => tagsmith_ranks::libraries().map_or_else(|none| none, |all| all.join("; ")),
    }
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

/// Returns NVIDIA's driver and libraries, and the GPUs; where one is missing, what brings it.
fn gpus(places: &Places) -> Map<String, Value> {
    let mut facts = Map::new();
    let mut tell = |name: &str, value: Value| _ = facts.insert(name.into(), value);
    let found = |found: &Found| {
        let (major, minor) = found.version;
        json!(format!("CUDA {major}.{minor}, {}", found.path.display()))
    };
    let gpus = devices(places);
    match &gpus {
        Err(error) => tell("nvidia_driver", json!(error.to_string())),
        Ok(gpus) => {
            let Some(first) = gpus.first() else {
                tell("nvidia_driver", json!("it shows no GPU"));
                return facts;
            };
            tell("nvidia_driver", found(&first.driver));
            tell("cublaslt", first.products.as_ref().map_or_else(|missing| json!(missing), found));
            tell(
                "nccl",
                nccl(places).map_or_else(|missing| json!(missing.to_string()), |found| json!(links::told(&found))),
            );
            tell("gpus", gpus.iter().map(|gpu| self::gpu(places, gpu)).collect());
        }
    }
    facts
}

fn gpu(places: &Places, gpu: &DeviceInfo) -> Value {
    let (major, minor) = gpu.capability;
    let free = match tagsmith_kernel::device::memory(places, gpu.ordinal) {
        Ok((free, _)) => json!(size(free)),
        Err(error) => json!(error.to_string()),
    };
    json!({
        "number": gpu.ordinal,
        "name": gpu.name,
        "compute_capability": format!("{major}.{minor}"),
        "memory": size(gpu.memory),
        "free": free,
    })
}
