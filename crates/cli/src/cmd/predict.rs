//! `tagsmith predict`: documents in, words with labels and entities out.

mod feed;
mod input;
mod output;
mod spans;

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use tagsmith_hub::model::Part;
use tagsmith_model::model::Model;
use tagsmith_tagger::tagger::{Request, TagOptions, Tagger, Tally, tag};
use tagsmith_text::aggregate::Strategy;

use crate::hub::{self, Asked};
use crate::machine::{precision, threads};
use feed::{Chunk, End};
use input::Documents;
use output::Output;

/// The command line of `tagsmith predict`.
pub fn command() -> Command {
    let number = |name| option(name).value_name("N").value_parser(value_parser!(usize));
    Command::new("predict")
        .about("Tag documents with a trained model")
        .long_about(
            "Tag documents with a trained model.\n\nEvery word gets a label, however long the document: what the model \
             cannot read at once goes through overlapping windows. Offsets count Unicode code points.",
        )
        .args([
            option("model")
                .aliases(["model-name-or-path", "model_name_or_path"])
                .value_name("MODEL")
                .required(true)
                .help("Folder with config.json, model.safetensors and tokenizer.json, or a name on the hub"),
            Arg::new("input")
                .value_name("FILE")
                .value_parser(value_parser!(OsString))
                .help("What to tag, unpacked if it ends in .gz; `-` or nothing reads standard input"),
            option("input-format")
                .value_parser(["auto", "text", "jsonl", "conll", "csv"])
                .default_value("auto")
                .help("text: a document a line; jsonl: objects with `text`, `tokens` or `words`; conll: a word a line"),
            option("text-column")
                .aliases(["text-column-name", "text_column_name"])
                .value_name("NAME")
                .help("The key or column that holds the text or the words (for conll a number from 0)"),
            option("output-format")
                .value_parser(["jsonl", "conll", "text"])
                .help("Default: text on a terminal, jsonl elsewhere"),
            option("output")
                .short('o')
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("Write here instead of standard output: all of it or, after an error, nothing"),
            option("aggregation-strategy")
                .value_parser(Strategy::NAMES)
                .default_value("first")
                .help("How pieces become entities, as in transformers' pipeline; `first` never splits a word"),
            number("max-seq-length").help("Pieces in a window, special ones included [default: the model's]"),
            number("stride").help("Pieces that neighbouring windows share at most [default: a quarter of a window]"),
            number("batch-tokens")
                .default_value("2048")
                .help("Pieces that the model reads at once, at most; bounds memory, changes no result"),
            option("labels").value_name("NAMES").help(
                "What a label-conditioned model looks for: person,place,… or a JSON file, also with descriptions",
            ),
            option("threshold")
                .value_name("T")
                .help("Its threshold: a number, cls or label_token [default: the model's]"),
            option("decoding")
                .value_parser(["flat", "nested", "per_type"])
                .default_value("flat")
                .help("Which of its entities may share pieces: none; one inside another; those of different labels"),
            option("bf16")
                .alias("fp16")
                .action(ArgAction::SetTrue)
                .help("Products of factors rounded to bf16; sums and all else stay f32"),
            number("threads").help("Threads to compute with [default: the physical cores this process may use]"),
            option("model-revision").value_name("REVISION").help("Branch, tag or commit of a model on the hub"),
            option("cache-dir").value_name("DIR").help("Where the hub's files are kept [default: as Python's]"),
            option("token")
                .value_name("TOKEN")
                .help("The hub's token [default: HF_TOKEN, or what `hf auth login` left]"),
        ])
}

/// `--some-name`, also understood as `--some_name`.
fn option(name: &'static str) -> Arg {
    let option = Arg::new(name).long(name);
    if name.contains('-') { option.alias(name.replace('-', "_")) } else { option }
}

/// Runs it; the exit status.
pub fn run(matches: &ArgMatches) -> Result<u8> {
    let started = Instant::now();
    let text = |name: &str| matches.get_one::<String>(name).map(String::as_str);
    let named = matches.get_one::<OsString>("input");
    if named.is_none() && io::stdin().is_terminal() {
        bail!("there is nothing to read: name a FILE, pipe text in, or pass `-` to type it here");
    }
    let request = Request {
        max_seq_length: matches.get_one("max-seq-length").copied(),
        stride: matches.get_one("stride").copied(),
        batch_tokens: at_least_one(matches, "batch-tokens")?.context("it has a default")?,
        strategy: text("aggregation-strategy").and_then(Strategy::named).context("clap lets only names through")?,
    };
    let file = named.filter(|name| *name != "-").map(PathBuf::from);
    let documents = Documents::open(file, text("input-format").unwrap_or("auto"), text("text-column"))?;
    let hub = hub::open(Asked { cache_dir: text("cache-dir"), token: text("token"), plain: false });
    let name = text("model").context("clap asks for the model")?;
    // A folder that is here is taken as it is: only its kind says what belongs into it.
    let folder = &match Path::new(name).is_dir() {
        true => PathBuf::from(name),
        false => hub.model(name, text("model-revision"), &Part::ALL)?,
    };
    if spans::is_span_tagger(folder) {
        let (_, line) = threads::set(at_least_one(matches, "threads")?);
        line.iter().for_each(|line| eprintln!("note: {line}"));
        return spans::run(matches, folder, &hub, documents);
    }
    if text("labels").is_some() {
        bail!("{}: `--labels` is for label-conditioned models; this one has its own", folder.display());
    }
    let (tagger, notes) = Tagger::load(folder, request).with_context(|| folder.display().to_string())?;
    notes.iter().for_each(|note| eprintln!("note: {note}"));
    let (threads, line) = threads::set(at_least_one(matches, "threads")?);
    line.iter().for_each(|line| eprintln!("note: {line}"));

    let mut tally = Tally::default();
    let output = Output::open(matches.get_one("output").cloned(), text("output-format"))?;
    let Tagger { mut model, tokenizer, options } = tagger;
    if matches.get_flag("bf16") {
        precision::use_bf16(&mut model);
    }
    let chunks = feed::start(documents, tokenizer, options.clone(), threads);
    let outcome = tag_all(chunks, &model, &options, output, &mut tally);
    tally.notes().for_each(|note| eprintln!("note: {note}"));
    let Tally { documents, words, windows, .. } = tally;
    let seconds = started.elapsed().as_secs_f64();
    eprintln!("{documents} documents, {words} words, {windows} windows, {seconds:.1} s");
    outcome.map(|()| 0)
}

/// A number that is not 0, if it is given.
fn at_least_one(matches: &ArgMatches, name: &str) -> Result<Option<usize>> {
    match matches.get_one::<usize>(name) {
        Some(0) => bail!("`--{name} 0` is none at all: give 1 or more"),
        number => Ok(number.copied()),
    }
}

/// Chunk by chunk, so that memory does not grow with the input. What stands before a bad document is still tagged.
fn tag_all(
    chunks: Receiver<Chunk>,
    model: &Model,
    options: &TagOptions,
    mut output: Output,
    tally: &mut Tally,
) -> Result<()> {
    loop {
        let Chunk { encoded, end } = chunks.recv().expect("the last chunk says that it is the last");
        for tagged in tag(options, encoded, tally, |batch| model.infer(batch)) {
            output.write(&tagged, &options.labels)?;
        }
        output.flush()?;
        let (documents, outcome) = match end {
            End::More => continue,
            End::Last(documents) => (documents, output.finish()),
            End::Bad(documents, error) => (documents, Err(error)),
        };
        documents.notes().for_each(|note| eprintln!("note: {note}"));
        return outcome;
    }
}
