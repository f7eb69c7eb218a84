//! `tagsmith predict`: documents in, words with labels and entities out.

mod feed;
mod input;
mod output;
mod shards;
mod share;
mod spans;
mod table;

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use serde_json::{Map, Value};
use tagsmith_hub::model::Part;
use tagsmith_ranks::World;
use tagsmith_text::align::aggregate::Strategy;
use tagsmith_tokens::model::Model;
use tagsmith_tokens::tag::{Request, TagOptions, Tagger, Tally, tag};

use crate::machine::{precision, threads};
use crate::open_hub::{self, Asked};
use feed::{Chunk, End};
use input::Documents;
use output::Output;
use shards::Shard;
use share::Share;

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
                .num_args(0..)
                .value_parser(value_parser!(OsString))
                .help("What to tag, unpacked if it ends in .gz; `-` or nothing reads standard input"),
            option("input-format")
                .value_parser(["auto", "text", "jsonl", "conll", "csv", "parquet"])
                .default_value("auto")
                .help("text: a document a line; jsonl: objects with `text`, `tokens` or `words`; conll: a word a line"),
            option("text-column")
                .aliases(["text-column-name", "text_column_name"])
                .value_name("NAME")
                .help("The key or column that holds the text or the words (for conll a number from 0)"),
            option("output-format")
                .value_parser(["jsonl", "conll", "text", "parquet"])
                .help("Default: text on a terminal, jsonl elsewhere; parquet for Parquet files in --output-dir"),
            option("output")
                .short('o')
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("Write here instead of standard output: all of it or, after an error, nothing"),
            option("output-dir")
                .value_name("DIR")
                .conflicts_with("output")
                .value_parser(value_parser!(PathBuf))
                .help("Write a file here for each FILE, or each file in a folder FILE; what is there already is done. mpirun shares them"),
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
pub fn run(matches: &ArgMatches, world: &World) -> Result<u8> {
    let started = Instant::now();
    let text = |name: &str| matches.get_one::<String>(name).map(String::as_str);
    let inputs: Vec<PathBuf> = matches.get_many::<OsString>("input").into_iter().flatten().map(PathBuf::from).collect();
    let folder = matches.get_one::<PathBuf>("output-dir");
    if folder.is_none() && inputs.is_empty() && io::stdin().is_terminal() {
        bail!("there is nothing to read: name a FILE, pipe text in, or pass `-` to type it here");
    }
    ensure!(folder.is_some() || inputs.len() <= 1, "several files become several files: say where with `--output-dir`");
    let share = if folder.is_some() { Share::whole() } else { Share::of(world) };
    let request = Request {
        max_seq_length: matches.get_one("max-seq-length").copied(),
        stride: matches.get_one("stride").copied(),
        batch_tokens: at_least_one(matches, "batch-tokens")?.context("it has a default")?,
        strategy: text("aggregation-strategy").and_then(Strategy::named).context("clap lets only names through")?,
    };
    let formats = [text("input-format").unwrap_or("auto"), text("output-format").unwrap_or_default()];
    let labels = text("labels").map(spans::said).transpose()?;
    let tasks: Vec<Task> = match folder {
        Some(folder) => {
            let output_format = Some(formats[1]).filter(|format| !format.is_empty());
            let shards = shards::of(&inputs, folder, formats[0], output_format)?;
            let shards = shards::to_make(shards, folder, &choices(matches, &labels), world)?;
            shards
                .into_iter()
                .map(|Shard { input, output, format }| (Some(input), Some(output), Some(format)))
                .collect()
        }
        None => {
            let input = inputs.into_iter().next().filter(|name| name.as_os_str() != "-");
            ensure!(input.is_some() || share.ranks == 1, "standard input is the first rank's alone: name a FILE");
            let output = (matches.get_one("output").cloned(), text("output-format").map(str::to_owned));
            let (file, format) = if share.is_first() { output } else { (None, None) };
            vec![(input, file, format)]
        }
    };
    let open = |(input, ..): &Task| Documents::open(input.clone(), formats[0], text("text-column"));
    // What cannot be opened is refused before a model is read.
    let mut first = tasks.first().map(open).transpose()?;
    let hub = open_hub::open(Asked { cache_dir: text("cache-dir"), token: text("token"), plain: false });
    let name = text("model").context("clap asks for the model")?;
    // A folder that is here is taken as it is: only its kind says what belongs into it.
    let model = &match Path::new(name).is_dir() {
        true => PathBuf::from(name),
        false => hub.model(name, text("model-revision"), &Part::ALL)?,
    };
    let (threads, line) = threads::set(at_least_one(matches, "threads")?, world);
    let work = tasks.into_iter().map(|task| {
        let documents = first.take().map_or_else(|| open(&task), Ok)?;
        Ok((documents, Output::open(task.1, task.2.as_deref())?))
    });
    if spans::is_span_tagger(model) {
        line.iter().for_each(|line| eprintln!("note: {line}"));
        let labels = labels.context("a span tagger looks for labels: name them with `--labels a,b,…`")?;
        return spans::run(matches, &labels, model, &hub, work, (world, share));
    }
    if labels.is_some() {
        bail!("{}: `--labels` is for label-conditioned models; this one has its own", model.display());
    }
    let (tagger, notes) = Tagger::load(model, request).with_context(|| model.display().to_string())?;
    notes.iter().for_each(|note| eprintln!("note: {note}"));
    line.iter().for_each(|line| eprintln!("note: {line}"));

    let mut tally = Tally::default();
    let Tagger { mut model, tokenizer, options } = tagger;
    if matches.get_flag("bf16") {
        model.precision = precision::bf16();
    }
    let tokenizer = Arc::new(tokenizer);
    let mut notes = Vec::new();
    let outcome = work.into_iter().try_for_each(|work| {
        let (documents, output) = work?;
        let chunks = feed::start(documents, share, tokenizer.clone(), options.clone(), threads);
        tag_all(chunks, (world, share), &model, &options, output, &mut tally, &mut notes)
    });
    notes.extend(tally.notes().map(ToString::to_string));
    let counts = [tally.documents as f64, tally.words as f64, tally.windows as f64];
    // A rank that failed ends the job: nobody waits for it.
    if world.size() > 1 && outcome.is_err() {
        return outcome.map(|()| 0);
    }
    let [documents, words, windows] = say_all(world, &notes, counts);
    let seconds = started.elapsed().as_secs_f64();
    eprintln!("{documents} documents, {words} words, {windows} windows, {seconds:.1} s");
    outcome.map(|()| 0)
}

/// A file to read (or standard input), one to write (or standard output), and the format of that. Of a file that ranks
/// share only the first one writes.
type Task = (Option<PathBuf>, Option<PathBuf>, Option<String>);

/// What decides the content of files, for whoever goes on with them.
fn choices(matches: &ArgMatches, labels: &Option<Value>) -> Value {
    let said = |name: &str| -> Vec<String> {
        let raw = matches.get_raw(name).into_iter().flatten();
        raw.map(|word| word.to_string_lossy().into_owned()).collect()
    };
    let names = [
        "model",
        "model-revision",
        "input-format",
        "text-column",
        "aggregation-strategy",
        "max-seq-length",
        "stride",
        "threshold",
        "decoding",
    ];
    let mut choices: Map<String, Value> =
        names.iter().map(|&name| (name.to_owned(), said(name).join(" ").into())).collect();
    choices.insert("bf16".into(), matches.get_flag("bf16").into());
    choices.insert("labels".into(), labels.clone().into());
    Value::Object(choices)
}

/// Prints the notes of all ranks, and returns the sums of their counts.
fn say_all<const N: usize>(world: &World, notes: &[String], counts: [f64; N]) -> [f64; N] {
    for (rank, notes) in world.gather(notes.join("\n").as_bytes()).iter().enumerate() {
        let who = if world.size() > 1 { format!("rank {rank}: ") } else { String::new() };
        String::from_utf8_lossy(notes).lines().for_each(|note| eprintln!("note: {who}{note}"));
    }
    let all = world.gather_numbers(&counts);
    std::array::from_fn(|i| all.iter().map(|counts| counts[i]).sum())
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
    (world, share): (&World, Share),
    model: &Model,
    options: &TagOptions,
    mut output: Output,
    tally: &mut Tally,
    notes: &mut Vec<String>,
) -> Result<()> {
    loop {
        let Chunk { read, encoded, end } = chunks.recv().expect("the last chunk says that it is the last");
        let tagged = tag(options, encoded, tally, |batch| model.infer(batch));
        let (last, outcome) = match end {
            End::More => (None, Ok(())),
            End::Last(documents) => (Some(documents), Ok(())),
            End::Bad(documents, error) => (Some(documents), Err(error)),
        };
        // What was skipped is the same for all who read the file.
        let notes_of_file = last.iter().filter(|_| share.is_first()).flat_map(Documents::notes);
        notes.extend(notes_of_file.map(ToString::to_string));
        let (tagged, outcome) = share.gather(world, tagged, (read, last.is_some()), outcome);
        for tagged in &tagged {
            output.write(tagged, &options.labels)?;
        }
        output.flush()?;
        outcome?;
        if last.is_some() {
            return output.finish();
        }
    }
}
