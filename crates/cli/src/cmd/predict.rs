//! `tagsmith predict`: documents in, words with labels and entities out.

use super::{device, quiet, style};
use crate::open_hub::{self, Asked};
use crate::spelling::Dialect;
use crate::terminal::interrupt::{Writes, writes};
use crate::terminal::streams::Output;
use crate::terminal::{Style, Terminal, color};
use anyhow::{Context, Result, bail, ensure};
use clap::builder::{PossibleValue, PossibleValuesParser, ValueRange};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use serde_json::Value;
use std::ffi::OsString;
use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use tagsmith_app::predict::output::{Destination, OutputFormat};
use tagsmith_app::predict::tagger::{Decoding, TaggerOptions};
use tagsmith_app::predict::{PredictOptions, PredictRequest, Work, predict};
use tagsmith_data::documents::Source;
use tagsmith_data::format::Format;
use tagsmith_files::strict_json::Distinct;
use tagsmith_hub::Hub;
use tagsmith_ranks::World;
use tagsmith_text::align::aggregate::Strategy;
use tagsmith_text::decode::calibration::is_temperature;
use tagsmith_text::labels::label_scheme::LabelScheme;

/// Returns the command.
pub fn command() -> Command {
    Command::new("predict")
        .about("Tag documents with a trained model")
        .long_about(
            "Tag documents with a trained model.\n\nEvery word gets a label, however long the document: what the model \
             cannot read at once goes through overlapping windows. Offsets count Unicode code points.",
        )
        .args(input_args(0.., "What to tag, unpacked if it ends in .gz; `-` or nothing reads standard input"))
        .args([
            option("output-format")
                .value_parser(["jsonl", "conll", "text", "parquet"])
                .help("Default: text on a terminal, jsonl elsewhere; parquet for Parquet files in --output-dir"),
            output_arg(),
            option("output-dir")
                .value_name("DIR")
                .conflicts_with("output")
                .value_parser(value_parser!(PathBuf))
                .help("Write a file here for each FILE, or each file in a folder FILE; what is there already is done. mpirun shares them"),
            option("abstain-below")
                .value_name("P")
                .value_parser(value_parser!(f32))
                .help("Mark words and entities of a lower probability: the label is `?`, the entity `abstained`"),
            quiet(),
        ])
        .args(entity_args())
        .args(tagger_args())
}

/// Returns the options that say which model reads which documents.
pub fn input_args(files: impl Into<ValueRange>, input: &'static str) -> [Arg; 4] {
    [
        option("model")
            .alias("model_name_or_path")
            .value_name("MODEL")
            .required(true)
            .help("Folder with config.json, model.safetensors and tokenizer.json, or a name on the hub"),
        Arg::new("input").value_name("FILE").num_args(files).value_parser(value_parser!(OsString)).help(input),
        option("input-format")
            .value_parser(input_formats())
            .default_value("auto")
            .help("text: a document a line; jsonl: objects with `text`, `tokens` or `words`; conll: a word a line"),
        option("text-column")
            .alias("text-column-name")
            .value_name("NAME")
            .help("The key or column that holds the text or the words (for conll a name or a number from 0)"),
    ]
}

/// Returns the option that names the file to write.
pub fn output_arg() -> Arg {
    option("output")
        .short('o')
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .help("Write here instead of standard output: all of it or, after an error, nothing")
}

/// Returns the options that say how a token classifier's labels become entities.
pub fn entity_args() -> [Arg; 2] {
    [
        option("aggregation-strategy")
            .value_parser(Strategy::NAMES)
            .help("How a token classifier's pieces become entities, as in transformers' pipeline; `first` never splits a word [default: first]"),
        option("label-scheme")
            .value_name("SCHEME")
            .value_parser(PossibleValuesParser::new(LabelScheme::NAMES))
            .ignore_case(true)
            .help("How a token classifier's tags become entities: a scheme's strict rules, or word by word [default: the labels show it]"),
    ]
}

/// Returns the options that say how a model tags, and where.
pub fn tagger_args() -> Vec<Arg> {
    let number = |name| option(name).value_name("N").value_parser(value_parser!(usize));
    let args = [
        number("max-seq-length").help("Pieces in a window, special ones included [default: the model's]"),
        number("stride").help("Pieces that neighboring windows share at most [default: a quarter of a window]"),
        number("batch-tokens")
            .default_value("2048")
            .help("Pieces that the model reads at once, at most; bounds memory, changes no result"),
        option("labels").value_name("NAMES").help(
            "What a label-conditioned model looks for: person,place,… or a JSON file, also with descriptions",
        ),
        option("threshold")
            .value_name("T")
            .help("The lowest score of an entity; a label-conditioned model has cls and label_token too [default: its own]"),
        option("decoding").value_parser(Decoding::NAMES).help(
            "A token classifier's words: each by itself, or the best legal path of tags. A label-conditioned model's entities \
             may share pieces: never; one inside another; those of different labels [default: argmax, flat]",
        ),
        option("operating-point")
            .value_name("NAME")
            .help("Named biases in the model's viterbi_calibration.json, for viterbi [default: default, where it is there]"),
        option("temperature")
            .value_name("T")
            .value_parser(value_parser!(f64))
            .help("Divide scores by this before they become probabilities [default: the operating point's, or 1]"),
        option("bf16")
            .alias("fp16")
            .action(ArgAction::SetTrue)
            .help("Products of factors rounded to bf16, on a GPU activations too; sums and all else stay f32"),
        number("threads").help("Threads to compute with [default: the physical cores this process may use]"),
        option("model-revision").value_name("REVISION").help("Branch, tag or commit of a model on the hub"),
        option("cache-dir").value_name("DIR").help("Where the hub's files are kept [default: as Python's]"),
        option("token")
            .value_name("TOKEN")
            .help("The hub's token [default: HF_TOKEN, or what `hf auth login` left]"),
    ];
    args.into_iter().chain(device::args(true)).collect()
}

fn option(name: &'static str) -> Arg {
    Arg::new(name).long(name)
}

/// Returns the names of the formats that are read; `auto` leaves the choice to the content and the file's name.
fn input_formats() -> PossibleValuesParser {
    let names = Format::of_documents().map(|format| PossibleValue::new(format.name()).aliases(format.aliases()));
    PossibleValuesParser::new([PossibleValue::new("auto")].into_iter().chain(names))
}

/// Runs the command. Returns the exit status.
pub fn run(matches: &ArgMatches, world: &World) -> Result<u8> {
    let mut request = PredictRequest { work: work(matches)?, options: options(matches)? };
    request.options.tagger.abstain_below = abstain_below(matches)?;
    writes(match &request.work {
        Work::One { destination: Destination::Stream(_), .. } => Writes::Stream,
        Work::One { destination: Destination::File(file), .. } => Writes::File(file.clone()),
        Work::Folder { folder, .. } => Writes::Files(folder.clone()),
    });
    let streams = matches!(&request.work, Work::One { destination: Destination::Stream(_), .. });
    let (hub, mut terminal) = opened(matches, Dialect::Predict, streams);
    predict(request, &hub, world, &mut terminal)?;
    terminal.finish()?;
    Ok(0)
}

/// Returns the hub and the terminal. `streams` says whether results go to standard output.
pub fn opened(matches: &ArgMatches, dialect: Dialect, streams: bool) -> (Hub, Terminal) {
    let text = |name: &str| matches.get_one::<String>(name).map(String::as_str);
    let style = style(matches);
    let Style { shows_progress, level, .. } = style;
    let asked = Asked { cache_dir: text("cache-dir"), token: text("token"), plain: !shows_progress, level };
    let hub = open_hub::open(asked);
    let mut terminal = Terminal::new(dialect, style);
    // Results that appear on the terminal are progress enough, and would be written over a bar.
    if streams && io::stdout().is_terminal() {
        terminal.hide_progress();
    }
    (hub, terminal)
}

/// Returns what to read and where to write.
fn work(matches: &ArgMatches) -> Result<Work> {
    let inputs: Vec<PathBuf> = matches.get_many::<OsString>("input").into_iter().flatten().map(PathBuf::from).collect();
    let format = matches.get_one::<String>("output-format").map(|name| format(name));
    if let Some(folder) = matches.get_one::<PathBuf>("output-dir") {
        return Ok(Work::Folder { inputs, folder: folder.clone(), format });
    }
    ensure!(inputs.len() <= 1, "several files become several files: say where with `--output-dir`");
    let source = source(inputs.into_iter().next())?;
    let (destination, default) = match matches.get_one::<PathBuf>("output") {
        Some(file) => (Destination::File(file.clone()), OutputFormat::Jsonl),
        None if io::stdout().is_terminal() => (Destination::Stream(Box::new(Output)), self::format("text")),
        None => (Destination::Stream(Box::new(Output)), OutputFormat::Jsonl),
    };
    let format = match (format.unwrap_or(default), &destination) {
        (OutputFormat::Text { .. }, Destination::Stream(_)) => OutputFormat::Text { color: color::is_wanted() },
        (format, _) => format,
    };
    Ok(Work::One { source, destination, format })
}

/// Returns the source of a name; without one, and of `-`, standard input.
pub fn source(name: Option<PathBuf>) -> Result<Source> {
    if name.is_none() && io::stdin().is_terminal() {
        bail!("there is nothing to read: name a FILE, pipe text in, or pass `-` to type it here");
    }
    Ok(match name.filter(|name| name.as_os_str() != "-") {
        Some(file) => Source::File(file),
        None => Source::Stream { name: "standard input".into(), bytes: Box::new(io::stdin()) },
    })
}

/// Returns the format of a name.
fn format(name: &str) -> OutputFormat {
    match name {
        "parquet" => OutputFormat::Parquet,
        "jsonl" => OutputFormat::Jsonl,
        "conll" => OutputFormat::Conll,
        _ => OutputFormat::Text { color: false },
    }
}

/// Returns the model and what it does with each document.
pub fn options(matches: &ArgMatches) -> Result<PredictOptions> {
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    Ok(PredictOptions {
        model: text("model").context("clap asks for the model")?,
        input_format: text("input-format").and_then(|name| Format::named(&name)),
        text_column: text("text-column"),
        tagger: TaggerOptions {
            strategy: text("aggregation-strategy").and_then(|name| Strategy::named(&name)),
            label_scheme: text("label-scheme").and_then(|name| LabelScheme::named(&name)),
            ..tagger_options(matches)?
        },
        threads: at_least_one(matches, "threads")?,
    })
}

/// Returns what [`tagger_args`] say.
pub fn tagger_options(matches: &ArgMatches) -> Result<TaggerOptions> {
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let number = |name: &str| matches.get_one::<usize>(name).copied();
    Ok(TaggerOptions {
        revision: text("model-revision"),
        max_seq_length: number("max-seq-length"),
        stride: number("stride"),
        batch_tokens: at_least_one(matches, "batch-tokens")?,
        strategy: None,
        label_scheme: None,
        in_pieces: false,
        outside: false,
        labels: text("labels").map(|argument| labels(&argument)).transpose()?,
        may_lack_labels: false,
        threshold: text("threshold"),
        decoding: text("decoding").and_then(|name| Decoding::named(&name)),
        operating_point: text("operating-point"),
        temperature: temperature(matches)?,
        abstain_below: None,
        bf16: matches.get_flag("bf16"),
        device: device::of(matches),
    })
}

/// Returns the temperature, if it is given.
fn temperature(matches: &ArgMatches) -> Result<Option<f64>> {
    match matches.get_one::<f64>("temperature") {
        Some(&number) if !is_temperature(number) => bail!("`--temperature {number}`: a number above 0 is needed"),
        number => Ok(number.copied()),
    }
}

/// Returns the probability below which the tagger abstains, if it is given.
fn abstain_below(matches: &ArgMatches) -> Result<Option<f32>> {
    match matches.get_one::<f32>("abstain-below") {
        Some(number) if !(0.0..=1.0).contains(number) => {
            bail!("`--abstain-below {number}`: a number from 0 to 1 is needed")
        }
        number => Ok(number.copied()),
    }
}

/// Returns the labels of an argument: `person,place`, or what a JSON file holds.
fn labels(argument: &str) -> Result<Value> {
    if !argument.ends_with(".json") {
        return Ok(argument.split(',').map(str::trim).collect());
    }
    json(Path::new(argument))
}

/// Returns what a JSON file holds.
pub fn json(path: &Path) -> Result<Value> {
    let text = fs::read(path).with_context(|| path.display().to_string())?;
    let Distinct(value) = serde_json::from_slice(&text)
        .with_context(|| format!("{}: this is not JSON that can be read", path.display()))?;
    Ok(value)
}

/// Returns a number that is not 0, if it is given.
pub fn at_least_one(matches: &ArgMatches, name: &str) -> Result<Option<usize>> {
    match matches.get_one::<usize>(name) {
        Some(0) => bail!("`--{name} 0`: at least one is needed"),
        number => Ok(number.copied()),
    }
}
