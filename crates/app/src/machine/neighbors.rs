//! Ranks on the same machine.

use std::collections::BTreeSet;
use std::fs;
use tagsmith_kernel::Device;
use tagsmith_ranks::World;

/// The cores of each rank on this machine, this one's among them. Machines are told apart by their kernels, since
/// containers on one machine have different names and the same cores.
pub fn cores(world: &World, mine: &BTreeSet<usize>) -> Vec<BTreeSet<usize>> {
    let numbers: Vec<String> = mine.iter().map(usize::to_string).collect();
    let all = world.gather(format!("{}\n{}", machine(), numbers.join(" ")).as_bytes());
    let parse = |bytes: &Vec<u8>| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let (of, cores) = text.split_once('\n').expect("every rank sends two lines");
        (of == machine()).then(|| cores.split(' ').filter_map(|core| core.parse().ok()).collect())
    };
    all.iter().filter_map(parse).collect()
}

/// How many ranks are on this machine, this one among them.
pub fn count(world: &World) -> usize {
    cores(world, &BTreeSet::new()).len()
}

/// Returns the place of this rank among those of this machine, from 0 on.
pub fn place(world: &World) -> usize {
    let all = world.gather(machine().as_bytes());
    all[..world.rank()].iter().filter(|other| **other == machine().as_bytes()).count()
}

/// What no other GPU is called: its machine, and where it is plugged in there. `None` for a GPU that no other rank can have.
pub fn gpu(device: &Device) -> Option<String> {
    device.slot().map(|slot| format!("{} {slot}", machine()))
}

/// What no other running kernel is called.
fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).map(|text| text.trim().to_owned());
    read("/proc/sys/kernel/random/boot_id").or_else(|_| read("/proc/sys/kernel/hostname")).unwrap_or_default()
}
