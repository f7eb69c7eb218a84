//! `tagsmith download NAME`: a model of the hub, kept where Python keeps it.

use super::{quiet, style};
use crate::open_hub::{self, Asked};
use crate::terminal::Style;
use crate::terminal::streams::print;
use anyhow::{Context, Result};
use clap::{Arg, ArgMatches, Command};
use tagsmith_hub::model::Part;

/// Returns the command.
pub fn command() -> Command {
    let option = |name: &'static str| Arg::new(name).long(name);
    Command::new("download").about("Download a model from the hub, and print its folder").args([
        Arg::new("name")
            .value_name("NAME")
            .required(true)
            .help("The model's name on the hub, such as dslim/bert-base-NER"),
        option("model-revision").value_name("REVISION").help("Branch, tag or commit"),
        option("cache-dir").value_name("DIR").help("Where the hub's files are kept [default: as Python's]"),
        option("token").value_name("TOKEN").help("The hub's token [default: HF_TOKEN, or what `hf auth login` left]"),
        quiet(),
    ])
}

/// Runs the command.
pub fn run(matches: &ArgMatches) -> Result<u8> {
    let text = |name: &str| matches.get_one::<String>(name).map(String::as_str);
    let Style { shows_progress, level, .. } = style(matches);
    let asked = Asked { cache_dir: text("cache-dir"), token: text("token"), plain: !shows_progress, level };
    let name = text("name").context("clap asks for the name")?;
    let folder = open_hub::open(asked).model(name, text("model-revision"), &Part::ALL)?;
    print(&format!("{}\n", folder.display()))?;
    Ok(0)
}
