//! `tagsmith calibrate MODEL --data FILE`: a temperature and biases for a model's decoding, left beside it.

use super::device;
use super::predict::at_least_one;
use super::{quiet, style};
use crate::open_hub::{self, Asked};
use crate::spelling::Dialect;
use crate::terminal::streams::print;
use crate::terminal::{Style, Terminal};
use anyhow::{Context, Result, bail};
use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use tagsmith_app::predict::tagger::TaggerOptions;
use tagsmith_app::score::ScoreRequest;
use tagsmith_app::score::calibrate::{CalibrateRequest, calibrate};
use tagsmith_data::format::Format;
use tagsmith_text::decode::calibration::DEFAULT;
use tagsmith_text::decode::search::Goal;
use tagsmith_text::labels::label_scheme::LabelScheme;

/// The exit status where no biases reach the bar.
const BELOW_BAR: u8 = 1;

/// Returns the command.
pub fn command() -> Command {
    let formats = Format::of_labels().map(|format| PossibleValue::new(format.name()).aliases(format.aliases()));
    let option = |name: &'static str| Arg::new(name).long(name);
    let number = |name| option(name).value_name("N").value_parser(value_parser!(usize));
    Command::new("calibrate")
        .about("Find biases and a temperature for a model's decoding, and leave them beside it")
        .long_about(
            "Find biases and a temperature for a model's decoding, and leave them beside it.\n\nThe model reads the data once. \
             Over its probabilities a temperature is fitted, then six biases of `--decoding viterbi` are searched. They \
             become an operating point of the model's viterbi_calibration.json; others in it stay. Exit status 1: no \
             biases reach the bar.",
        )
        .args([
            Arg::new("model").value_name("MODEL").required(true).help("The model's folder, which gets the file"),
            option("data")
                .value_name("FILE")
                .required(true)
                .help("File of words and labels that the model was neither trained nor will be tested on"),
            option("optimize")
                .value_name("GOAL")
                .default_value("f1")
                .help("f1; recall@P=0.95, the highest recall with at least this precision; precision@R=0.8"),
            option("name").value_name("NAME").default_value(DEFAULT).help("The operating point's name"),
            option("gold-column")
                .value_name("COLUMN")
                .allow_negative_numbers(true)
                .help("Column or key of the labels [default: told from the file]"),
            option("gold-format")
                .value_name("FORMAT")
                .value_parser(PossibleValuesParser::new(formats.collect::<Vec<_>>()))
                .help("How FILE is written [default: told from the file]"),
            option("label-scheme")
                .value_name("SCHEME")
                .value_parser(PossibleValuesParser::new(LabelScheme::NAMES))
                .ignore_case(true)
                .help("The scheme of the tags, whose rules decide what is legal [default: the labels show it]"),
            number("max-seq-length").help("Pieces in a window, special ones included [default: the model's]"),
            number("stride").help("Pieces that neighboring windows share at most [default: a quarter of a window]"),
            number("batch-tokens").default_value("2048").help("Pieces that the model reads at once, at most"),
            option("bf16").action(ArgAction::SetTrue).help("Products of factors rounded to bf16"),
            number("threads").help("Threads to compute with [default: the physical cores this process may use]"),
            option("json").action(ArgAction::SetTrue).help("Print everything as one JSON object"),
            quiet(),
        ])
        .args(device::args(true))
}

/// Runs the command. Returns the exit status: 1 if the bar is not reached.
pub fn run(matches: &ArgMatches) -> Result<u8> {
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let number = |name: &str| matches.get_one::<usize>(name).copied();
    let goal = text("optimize").context("it has a default")?;
    let Some(goal) = Goal::named(&goal) else {
        bail!("`--optimize {goal}`: there are f1, recall@P=X and precision@R=X, with X from 0 to 1");
    };
    let name = text("name").context("it has a default")?;
    if name.trim().is_empty() {
        bail!("`--name`: an operating point needs a name");
    }
    let label_scheme = text("label-scheme").and_then(|name| LabelScheme::named(&name));
    let request = CalibrateRequest {
        model: text("model").context("clap asks for the model")?,
        tagger: TaggerOptions {
            max_seq_length: number("max-seq-length"),
            stride: number("stride"),
            batch_tokens: at_least_one(matches, "batch-tokens")?,
            label_scheme,
            may_lack_labels: true,
            bf16: matches.get_flag("bf16"),
            device: device::of(matches),
            ..TaggerOptions::default()
        },
        data: ScoreRequest {
            gold: text("data").context("clap asks for the data")?,
            gold_column: text("gold-column"),
            gold_format: text("gold-format").and_then(|name| Format::named(&name)),
            label_scheme: label_scheme.unwrap_or_default(),
            ..ScoreRequest::default()
        },
        goal,
        name,
        threads: at_least_one(matches, "threads")?,
    };
    let style = style(matches);
    let Style { shows_progress, level, .. } = style;
    let hub = open_hub::open(Asked { cache_dir: None, token: None, plain: !shows_progress, level });
    let mut terminal = Terminal::new(Dialect::Calibrate, style);
    let calibrated = calibrate(&request, &hub, &mut terminal)?;
    calibrated.notes.iter().for_each(|note| terminal.note(note));
    terminal.finish()?;
    let shown = match matches.get_flag("json") {
        true => format!("{:#}\n", calibrated.json(&|note| Dialect::Calibrate.note(note))),
        false => calibrated.text(),
    };
    print(&shown)?;
    Ok(if calibrated.is_reached { 0 } else { BELOW_BAR })
}
