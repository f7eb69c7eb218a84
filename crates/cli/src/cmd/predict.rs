//! `tagsmith predict`: documents in, words with labels and entities out.

mod input;
mod output;

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::{Arg, ArgMatches, Command, value_parser};
use tagsmith_tagger::tagger::{Input, Request, Tagger, Tally};
use tagsmith_text::aggregate::Strategy;

use input::Documents;
use output::Output;

/// Documents are tagged together up to this many bytes of them: windows of like length then share batches.
const CHUNK_BYTES: usize = 256 << 10;

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
                .value_name("DIR")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("Folder with config.json, model.safetensors and tokenizer.json"),
            Arg::new("input")
                .value_name("FILE")
                .value_parser(value_parser!(OsString))
                .help("What to tag; `-` or nothing reads standard input"),
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
            number("batch-tokens").default_value("2048").help("Pieces in a batch at most"),
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
        batch_tokens: matches.get_one::<usize>("batch-tokens").copied().unwrap_or_default().max(1),
        strategy: text("aggregation-strategy").and_then(Strategy::named).context("clap lets only names through")?,
    };
    let file = named.filter(|name| *name != "-").map(PathBuf::from);
    let mut documents = Documents::open(file, text("input-format").unwrap_or("auto"), text("text-column"))?;
    let folder = matches.get_one::<PathBuf>("model").context("clap asks for the model")?;
    let (tagger, notes) = Tagger::load(folder, request).with_context(|| folder.display().to_string())?;
    notes.iter().for_each(|note| eprintln!("note: {note}"));

    let mut tally = Tally::default();
    let output = Output::open(matches.get_one("output").cloned(), text("output-format"))?;
    let outcome = tag_all(&mut documents, &tagger, output, &mut tally);
    documents.notes().chain(tally.notes()).for_each(|note| eprintln!("note: {note}"));
    let Tally { documents, words, windows, .. } = tally;
    let seconds = started.elapsed().as_secs_f64();
    eprintln!("{documents} documents, {words} words, {windows} windows, {seconds:.1} s");
    outcome.map(|()| 0)
}

/// Chunk by chunk, so that memory does not grow with the input. What stands before a bad line is still tagged.
fn tag_all(documents: &mut Documents, tagger: &Tagger, mut output: Output, tally: &mut Tally) -> Result<()> {
    loop {
        let (chunk, end) = next_chunk(documents);
        for tagged in tagger.tag(chunk, tally)? {
            output.write(&tagged, &tagger.options.labels)?;
        }
        output.flush()?;
        match end {
            End::More => {}
            End::Last => return output.finish(),
            End::Bad(error) => return Err(error),
        }
    }
}

/// Why a chunk ends.
enum End {
    More,
    Last,
    Bad(anyhow::Error),
}

/// Documents up to [`CHUNK_BYTES`], or as many as are there without waiting for more.
fn next_chunk(documents: &mut Documents) -> (Vec<Input>, End) {
    let mut chunk = Vec::new();
    let mut bytes = 0;
    loop {
        match documents.next() {
            Ok(Some((document, size))) => {
                chunk.push(document);
                bytes += size;
            }
            Ok(None) => return (chunk, End::Last),
            Err(error) => return (chunk, End::Bad(error)),
        }
        if bytes >= CHUNK_BYTES || !documents.has_more_at_hand() {
            return (chunk, End::More);
        }
    }
}
