//! `tagsmith anonymize`: documents in, the same documents without what a model finds in them.

use super::{predict, quiet};
use crate::spelling::Dialect;
use crate::terminal::interrupt::{Writes, writes};
use crate::terminal::streams::Output;
use anyhow::{Context, Result, bail, ensure};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use tagsmith_app::predict::anonymize::anonymizer::Anonymizer;
use tagsmith_app::predict::anonymize::label_map::LabelMap;
use tagsmith_app::predict::anonymize::operator::{HashType, Operator, Operators};
use tagsmith_app::predict::anonymize::{AnonymizeRequest, anonymize};
use tagsmith_app::predict::output::{AnonymizedFormat, Destination};

/// Options that are for one operator.
const OF_OPERATORS: [(&str, &str); 6] = [
    ("new-value", "replace"),
    ("masking-char", "mask"),
    ("chars-to-mask", "mask"),
    ("from-end", "mask"),
    ("hash-type", "hash"),
    ("salt", "hash"),
];

/// Returns the command.
pub fn command() -> Command {
    let option = |name: &'static str| Arg::new(name).long(name);
    Command::new("anonymize")
        .about("Take names and the like out of documents, with a trained model")
        .long_about(
            "Take names and the like out of documents, with a trained model.\n\nA model tags the documents, and an operator \
             rewrites what it found. Operators and their rules are those of Presidio's anonymizer. What the model does not \
             find stays: look at the result before you rely on it.",
        )
        .args(predict::input_args(0..=1, "What to anonymize, unpacked if it ends in .gz; `-` or nothing reads standard input"))
        .args([
            predict::output_arg(),
            option("output-format")
                .value_parser(["text", "jsonl"])
                .help("text: the texts; jsonl: with what stands where, and the scores [default: text for a FILE of text]"),
            option("operator")
                .value_parser(Operator::NAMES)
                .default_value("replace")
                .help("replace: by `<TYPE>` or a text; redact: by nothing; mask: letter by letter; hash; keep"),
            option("new-value").value_name("TEXT").help("replace: the text in their place [default: <TYPE>]"),
            option("masking-char").value_name("LETTER").help("mask: the letter in their place [default: *]"),
            option("chars-to-mask")
                .value_name("N")
                .value_parser(value_parser!(usize))
                .help("mask: how many letters of an entity [default: all]"),
            option("from-end").action(ArgAction::SetTrue).help("mask: the last ones instead of the first"),
            option("hash-type").value_parser(HashType::NAMES).help("hash: how it is computed [default: sha256]"),
            option("salt").value_name("TEXT").help(
                "hash: a secret of 16 bytes or more, so that equal texts have equal hashes [default: a random one an entity]. \
                 Other users may see it in the list of processes; a file of --anonymizers is not shown there",
            ),
            option("anonymizers").value_name("FILE.json").value_parser(value_parser!(PathBuf)).help(
                "Operators for types, as a request to Presidio has them: {\"PER\": {\"type\": \"redact\"}, \"DEFAULT\": …}",
            ),
            option("label-map")
                .value_name("NAMES")
                .help("Types of labels: PER=PERSON,LOC=PLACE, a JSON file, or `presidio` for Presidio's names"),
            option("score-threshold")
                .value_name("T")
                .value_parser(value_parser!(f32))
                .help("Leave entities that score less in the text"),
            quiet(),
        ])
        .args(predict::entity_args())
        .args(predict::tagger_args())
}

/// Runs the command. Returns the exit status.
pub fn run(matches: &ArgMatches) -> Result<u8> {
    let source = predict::source(matches.get_one::<OsString>("input").map(PathBuf::from))?;
    let output = matches.get_one::<PathBuf>("output");
    let (destination, written) = match output {
        Some(file) => (Destination::File(file.clone()), Writes::File(file.clone())),
        None => (Destination::Stream(Box::new(Output)), Writes::Stream),
    };
    let format = matches.get_one::<String>("output-format").map(|name| match name.as_str() {
        "jsonl" => AnonymizedFormat::Jsonl,
        _ => AnonymizedFormat::Text,
    });
    let options = predict::options(matches)?;
    let request = AnonymizeRequest { source, destination, format, options, anonymizer: anonymizer(matches)? };
    writes(written);
    let (hub, mut terminal) = predict::opened(matches, Dialect::Anonymize, output.is_none());
    anonymize(request, &hub, &mut terminal)?;
    terminal.finish()?;
    Ok(0)
}

/// Returns what becomes of the entities.
fn anonymizer(matches: &ArgMatches) -> Result<Anonymizer> {
    let score_threshold = matches.get_one::<f32>("score-threshold").copied();
    if let Some(threshold) = score_threshold.filter(|threshold| !(0.0..=1.0).contains(threshold)) {
        bail!("`--score-threshold {threshold}`: scores are from 0 to 1");
    }
    let label_map = label_map(matches)?.unwrap_or_default();
    Ok(Anonymizer { operators: operators(matches)?, label_map, score_threshold })
}

/// Returns the types of labels that `--label-map` names, in a list or a file.
pub fn label_map(matches: &ArgMatches) -> Result<Option<LabelMap>> {
    let Some(given) = matches.get_one::<String>("label-map") else { return Ok(None) };
    let map = match given.ends_with(".json") {
        true => LabelMap::from_json(&predict::json(Path::new(given))?).with_context(|| given.clone()),
        false => LabelMap::parse(given).context("`--label-map`"),
    };
    map.map(Some)
}

/// Returns the operator that the options name, and those of the file.
fn operators(matches: &ArgMatches) -> Result<Operators> {
    let name = matches.get_one::<String>("operator").context("clap knows the default")?;
    let given = |option: &str| matches.value_source(option) == Some(clap::parser::ValueSource::CommandLine);
    if let Some((option, operator)) = OF_OPERATORS.iter().find(|(option, of)| of != name && given(option)) {
        bail!("`--{option}` is for `--operator {operator}`, and this is `{name}`: leave one of them out");
    }
    let default = operator(name, matches)?;
    let Some(file) = matches.get_one::<PathBuf>("anonymizers") else {
        return Ok(Operators { default, ..Operators::default() });
    };
    let json = predict::json(file)?;
    let operators = Operators::from_json(&json).with_context(|| file.display().to_string())?;
    if json.get(Operators::DEFAULT).is_none() {
        return Ok(Operators { default, ..operators });
    }
    let asked = OF_OPERATORS.iter().map(|(option, _)| *option).chain(["operator"]).find(|option| given(option));
    ensure!(
        asked.is_none(),
        "`--{}` and the operator `{}` of {} are for the same entities: leave one of them out",
        asked.unwrap_or_default(),
        Operators::DEFAULT,
        file.display()
    );
    Ok(operators)
}

/// Returns the operator that the options describe.
fn operator(name: &str, matches: &ArgMatches) -> Result<Operator> {
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    Ok(match name {
        "redact" => Operator::Redact,
        "keep" => Operator::Keep,
        "mask" => {
            let given = text("masking-char").unwrap_or_else(|| "*".to_owned());
            let mut letters = given.chars();
            let letter = letters.next();
            ensure!(letters.next().is_none(), "`--masking-char {given}`: one letter is needed");
            let count = matches.get_one::<usize>("chars-to-mask").copied().unwrap_or(usize::MAX);
            Operator::Mask { letter, count, from_end: matches.get_flag("from-end") }
        }
        "hash" => {
            let hash = text("hash-type").and_then(|name| HashType::named(&name)).unwrap_or_default();
            Operator::hash(hash, text("salt"))?
        }
        _ => Operator::Replace(text("new-value").filter(|text| !text.is_empty())),
    })
}
