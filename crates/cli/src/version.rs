//! The program's version for other programs: `tagsmith --version --json`.

use serde_json::{Value, json};
use std::ffi::OsString;
use tagsmith_kernel::Level;

/// Returns whether words after the program's name ask for the version as JSON.
pub fn is_asked(words: &[OsString]) -> bool {
    let is = |names: &[&str]| words.iter().any(|word| names.iter().any(|name| word == name));
    words.len() == 2 && is(&["--version", "-V"]) && is(&["--json"])
}

/// Returns the version, the commit that a release was built of, the target, what the processor offers,
/// and whether an MPI library can be loaded.
pub fn json() -> Value {
    let levels: Vec<String> = Level::available().iter().map(|level| format!("{level:?}")).collect();
    json!({
        "name": "tagsmith",
        "version": env!("CARGO_PKG_VERSION"),
        "commit": option_env!("TAGSMITH_COMMIT"),
        "target": env!("TAGSMITH_TARGET"),
        "instructions": { "in_use": format!("{:?}", Level::in_use()), "available": levels },
        "mpi": tagsmith_ranks::can_load_mpi(),
    })
}
