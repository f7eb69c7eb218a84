//! `tagsmith score GOLD [PRED]`: precision, recall and F1 of predicted labels.

#[cfg(test)]
mod tests;

use super::{quiet, style};
use crate::spelling::Dialect;
use crate::terminal::streams::{aside, print};
use crate::terminal::{Terminal, width};
use anyhow::Context;
use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::io::{self, IsTerminal, Read};
use tagsmith_app::score::{Chance, Mode, STREAM, ScoreRequest, Scored, Unit, score};
use tagsmith_data::format::Format;
use tagsmith_text::labels::label_scheme::LabelScheme;
use tagsmith_text::score::ZeroDivision;
use tagsmith_text::score::semeval::Pairing;

/// The exit status of a run whose F1 is below the asked-for bar.
const BELOW_BAR: u8 = 1;

/// Returns the command.
pub fn command() -> Command {
    let text = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name("COLUMN").allow_negative_numbers(true).help(help)
    };
    let format = |name: &'static str, help: &'static str| {
        let value = |format: Format| PossibleValue::new(format.name()).aliases(format.aliases());
        let names: Vec<PossibleValue> = Format::of_labels().map(value).collect();
        Arg::new(name).long(name).value_name("FORMAT").value_parser(PossibleValuesParser::new(names)).help(help)
    };
    Command::new("score")
        .about("Score predicted labels against gold ones, as seqeval does, or compare two predictions")
        .arg(
            Arg::new("gold").value_name("GOLD").required(true).help("File with the gold labels; `-` is standard input"),
        )
        .arg(
            Arg::new("pred")
                .value_name("PRED")
                .help("File with the predicted labels, or `-`; without it GOLD holds both"),
        )
        .arg(
            Arg::new("second")
                .value_name("SECOND")
                .help("Second file with predicted labels: the differences come with intervals and p"),
        )
        .arg(text(
            "gold-column",
            "Column or key of the gold labels [default: the last column; without PRED the last but one]",
        ))
        .arg(text("pred-column", "Column or key of the predicted labels [default: the last column]"))
        .arg(format("gold-format", "How GOLD is written [default: told from the file]"))
        .arg(format("pred-format", "How PRED is written [default: told from the file]"))
        .args(rules_args())
        .arg(
            Arg::new("labels")
                .long("labels")
                .value_name("FILE")
                .help("With --mode ged: a label a line; means are over all of them [default: those that occur]"),
        )
        .arg(
            Arg::new("swaps")
                .long("swaps")
                .value_name("COUNT")
                .value_parser(value_parser!(u64).range(1..=10_000_000))
                .default_value("10000")
                .help("With SECOND: how often predictions are swapped by chance"),
        )
        .arg(quiet())
}

/// Returns the options that say how labels are scored, and how the figures are shown.
pub fn rules_args() -> [Arg; 13] {
    [
        Arg::new("mode").long("mode").value_parser(Mode::NAMES).help(
            "Entities by the forgiving rules or by a scheme's, words, or error detection \
                 [default: told from the gold labels]. With semeval, counts by strict, exact, partial and type stand in \
                 the place of seqeval's",
        ),
        Arg::new("parity").long("parity").value_name("PROGRAM").value_parser(["nervaluate"]).help(
            "Pair entities for SemEval's figures as this program does: in turn, not the best pairs first",
        ),
        Arg::new("train")
            .long("train")
            .value_name("FILE")
            .help("Training data: figures of mentions that it has, and of those that it has not"),
        Arg::new("confidence")
            .long("confidence")
            .value_name("SHARE")
            .value_parser(inner_share)
            .help("Intervals of all figures that hold this share of resamples, as 0.95"),
        Arg::new("resamples")
            .long("resamples")
            .value_name("COUNT")
            .value_parser(value_parser!(u64).range(1..=1_000_000))
            .help("Resamples of an interval [default: 1000]"),
        Arg::new("unit")
            .long("unit")
            .value_parser(Unit::NAMES)
            .help("What chance draws as a whole [default: sentence]"),
        Arg::new("seed")
            .long("seed")
            .value_parser(value_parser!(u64))
            .help("Seed of resamples and swaps [default: 42]"),
        Arg::new("label-scheme")
            .long("label-scheme")
            .aliases(["label_scheme", "scheme"])
            .value_name("SCHEME")
            .value_parser(PossibleValuesParser::new(LabelScheme::NAMES))
            .ignore_case(true)
            .default_value("auto")
            .hide_default_value(true)
            .help("Score strictly by this scheme, or word by word [default: told from the gold labels]"),
        Arg::new("suffix").long("suffix").action(ArgAction::SetTrue).help("Tags end in their letter: PER-B"),
        Arg::new("zero-division")
            .long("zero-division")
            .value_parser(["0", "1"])
            .default_value("0")
            .help("What a ratio without a denominator counts as"),
        Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print a JSON object instead of a table"),
        Arg::new("digits")
            .long("digits")
            .value_parser(value_parser!(u8).range(0..=17))
            .default_value("4")
            .help("Digits after the point in the table"),
        Arg::new("min-f1")
            .long("min-f1")
            .value_name("F1")
            .value_parser(share)
            .help("Exit with status 1 if the micro F1 (with --mode ged: the macro F1) is below this (0 to 1)"),
    ]
}

/// Reads a number above 0 and below 1.
fn inner_share(text: &str) -> Result<f64, String> {
    let inside = |value: &f64| *value > 0.0 && *value < 1.0;
    text.parse().ok().filter(inside).ok_or_else(|| "not a number between 0 and 1".into())
}

/// Reads a number from 0 to 1.
fn share(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|value| (0.0..=1.0).contains(value)).ok_or_else(|| "not a number from 0 to 1".into())
}

/// Scores, prints, and returns the exit status: 1 if `--min-f1` is not reached.
pub fn run(matches: &ArgMatches) -> anyhow::Result<u8> {
    let mut request = request(matches);
    if request.gold == STREAM || request.pred.as_deref() == Some(STREAM) {
        let mut content = Vec::new();
        io::stdin().read_to_end(&mut content).context("standard input")?;
        request.stream = Some(content);
    }
    show(matches, &score(&request)?, Terminal::new(Dialect::Score, style(matches)))
}

/// Shows notes and figures, and returns the exit status: 1 if `--min-f1` is not reached.
pub fn show(matches: &ArgMatches, scored: &Scored, mut terminal: Terminal) -> anyhow::Result<u8> {
    scored.notes.iter().for_each(|note| terminal.note(note));
    terminal.finish()?;
    print(&shown(matches, scored))?;
    let missed = missed_bar(matches, scored.f1());
    missed.iter().for_each(|missed| aside(missed));
    Ok(if missed.is_some() { BELOW_BAR } else { 0 })
}

/// Returns what the arguments ask for.
fn request(matches: &ArgMatches) -> ScoreRequest {
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let format = |name: &str| text(name).and_then(|name| Format::named(&name));
    ScoreRequest {
        gold: text("gold").expect("clap asks for it"),
        pred: text("pred"),
        stream: None,
        gold_column: text("gold-column"),
        pred_column: text("pred-column"),
        gold_format: format("gold-format"),
        pred_format: format("pred-format"),
        second: text("second"),
        labels: text("labels"),
        ..rules(matches)
    }
}

/// Returns a request without files, with what [`rules_args`] say.
pub fn rules(matches: &ArgMatches) -> ScoreRequest {
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    ScoreRequest {
        mode: text("mode").and_then(|name| Mode::named(&name)),
        label_scheme: text("label-scheme").and_then(|name| LabelScheme::named(&name)).unwrap_or_default(),
        suffix: matches.get_flag("suffix"),
        zero_division: match text("zero-division").as_deref() {
            Some("1") => ZeroDivision::One,
            _ => ZeroDivision::Zero,
        },
        pairing: if text("parity").is_some() { Pairing::Nervaluate } else { Pairing::Passes },
        known: text("train"),
        chance: chance(matches),
        ..ScoreRequest::default()
    }
}

/// Returns what chance draws, where anything of it is asked for.
fn chance(matches: &ArgMatches) -> Option<Chance> {
    let count = |name: &str| matches.try_get_one::<u64>(name).ok().flatten().copied();
    let confidence = matches.get_one::<f64>("confidence").copied();
    let unit = matches.get_one::<String>("unit").and_then(|name| Unit::named(name));
    // The second prediction is compared by chance, whatever else is asked for.
    let second = matches.try_get_one::<String>("second").ok().flatten();
    if confidence.is_none() && unit.is_none() && count("resamples").is_none() && second.is_none() {
        return None;
    }
    let usual = Chance::default();
    Some(Chance {
        confidence: confidence.unwrap_or(usual.confidence),
        resamples: count("resamples").map_or(usual.resamples, |count| count as usize),
        swaps: count("swaps").map_or(usual.swaps, |count| count as usize),
        unit: unit.unwrap_or_default(),
        seed: count("seed").unwrap_or(usual.seed),
    })
}

/// Returns the table or the JSON object.
fn shown(matches: &ArgMatches, scored: &Scored) -> String {
    if matches.get_flag("json") {
        return format!("{:#}\n", scored.json(&|note| Dialect::Score.note(note)));
    }
    let digits = *matches.get_one::<u8>("digits").expect("clap fills the default in");
    // A table in a file is as wide as it is.
    let room = if io::stdout().is_terminal() { width::of_terminal() } else { None };
    scored.table(usize::from(digits), room.unwrap_or(usize::MAX))
}

/// Returns a line about a bar that is not reached.
fn missed_bar(matches: &ArgMatches, f1: f64) -> Option<String> {
    let bar = matches.get_one::<f64>("min-f1").filter(|bar| f1 < **bar)?;
    Some(format!("f1 {f1} is below --min-f1 {bar}"))
}
