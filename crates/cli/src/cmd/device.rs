//! The options that say where a command computes, for commands that clap reads.

use crate::args::DEVICE;
use clap::{Arg, ArgMatches, value_parser};
use std::path::PathBuf;
use tagsmith_app::machine::device::{DeviceArgs, DeviceChoice};

/// The name of the option that says where NVIDIA's libraries are, and its spelling with hyphens.
const LIBRARIES: [&str; 2] = ["cuda_libraries", "cuda-libraries"];

/// Returns the options. `hyphens` is how the command spells its names.
pub fn args(hyphens: bool) -> [Arg; 2] {
    [
        Arg::new(DEVICE)
            .long(DEVICE)
            .value_name("DEVICE")
            .default_value("auto")
            .value_parser(|name: &str| DeviceChoice::named(name).ok_or_else(|| format!("there are {}", DeviceChoice::NAMES)))
            .help("Where to compute: auto (the first GPU that passes its self-test, else the processor), cpu, cuda or cuda:N; emulated: slowly, for tests of a GPU's kernels"),
        Arg::new(LIBRARIES[0])
            .long(LIBRARIES[usize::from(hyphens)])
            .value_name("DIR")
            .value_parser(value_parser!(PathBuf))
            .help("Folder with NVIDIA's libraries, or Python's site-packages with NVIDIA's wheels [default: the system's places]"),
    ]
}

/// Returns where the command computes.
pub fn of(matches: &ArgMatches) -> DeviceArgs {
    DeviceArgs {
        device: matches.get_one(DEVICE).copied().unwrap_or_default(),
        cuda_libraries: matches.get_one(LIBRARIES[0]).cloned(),
        place: 0,
    }
}
