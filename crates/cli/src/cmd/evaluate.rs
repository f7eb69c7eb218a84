//! `tagsmith evaluate MODEL FILE`: the scores of a model of either kind on a file of words and labels.

use super::predict::{at_least_one, tagger_args, tagger_options};
use super::score::{rules, rules_args, show};
use super::{quiet, style};
use crate::open_hub::{self, Asked};
use crate::spelling::Dialect;
use crate::terminal::{Style, Terminal};
use anyhow::{Context, Result};
use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Arg, ArgMatches, Command};
use tagsmith_app::score::ScoreRequest;
use tagsmith_app::score::evaluate::{EvaluateRequest, evaluate};
use tagsmith_data::format::Format;

/// Returns the command.
pub fn command() -> Command {
    let formats = Format::of_labels().map(|format| PossibleValue::new(format.name()).aliases(format.aliases()));
    Command::new("evaluate")
        .about("Tag a file of words and labels with a model, and score its labels")
        .arg(Arg::new("model").value_name("MODEL").required(true).help("The model's folder, or its name on the hub"))
        .arg(Arg::new("file").value_name("FILE").required(true).help("File of words and labels"))
        .arg(
            Arg::new("gold-column")
                .long("gold-column")
                .value_name("COLUMN")
                .allow_negative_numbers(true)
                .help("Column or key of the labels [default: told from the file]"),
        )
        .arg(
            Arg::new("gold-format")
                .long("gold-format")
                .value_name("FORMAT")
                .value_parser(PossibleValuesParser::new(formats.collect::<Vec<_>>()))
                .help("How FILE is written [default: told from the file]"),
        )
        .args(rules_args())
        .args(tagger_args())
        .arg(quiet())
}

/// Runs the command. Returns the exit status: 1 if `--min-f1` is not reached.
pub fn run(matches: &ArgMatches) -> Result<u8> {
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let request = EvaluateRequest {
        model: text("model").context("clap asks for the model")?,
        tagger: tagger_options(matches)?,
        score: ScoreRequest {
            gold: text("file").context("clap asks for the file")?,
            gold_column: text("gold-column"),
            gold_format: text("gold-format").and_then(|name| Format::named(&name)),
            draw_threads: at_least_one(matches, "threads")?,
            ..rules(matches)
        },
        threads: at_least_one(matches, "threads")?,
    };
    let style = style(matches);
    let Style { shows_progress, level, .. } = style;
    let (cache_dir, token) = (text("cache-dir"), text("token"));
    let asked = Asked { cache_dir: cache_dir.as_deref(), token: token.as_deref(), plain: !shows_progress, level };
    let mut terminal = Terminal::new(Dialect::Evaluate, style);
    let scored = evaluate(&request, &open_hub::open(asked), &mut terminal)?;
    show(matches, &scored, terminal)
}
