//! The commands. Each exports `command()`, its arguments, and `run()`, which returns the exit status.

pub mod accelerate;
pub mod anonymize;
pub mod calibrate;
pub mod check;
pub mod compare;
pub mod completions;
pub mod demo;
pub mod device;
pub mod download;
pub mod env;
pub mod evaluate;
pub mod predict;
pub mod score;
#[cfg(feature = "serve")]
pub mod serve;
pub mod shims;
pub mod spans;
pub mod train;

use crate::terminal::Style;
use crate::terminal::level::Level;
use clap::{Arg, ArgAction, ArgMatches};

/// The option that leaves away what is not a result, a warning or an error.
fn quiet() -> Arg {
    let help = "Say nothing beside results but what is lost or left out, and show no progress";
    Arg::new("quiet").long("quiet").action(ArgAction::SetTrue).help(help)
}

/// How a command with [`quiet`] shows its results.
fn style(matches: &ArgMatches) -> Style {
    let quiet = matches.get_flag("quiet");
    Style { json: false, shows_progress: !quiet, level: if quiet { Level::Warning } else { Level::Info } }
}
