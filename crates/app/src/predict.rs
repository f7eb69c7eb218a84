//! Prediction: documents in, words with labels and entities out.

pub mod anonymize;
pub(crate) mod entity;
mod feed;
pub mod fingerprint;
pub mod output;
pub(crate) mod predicted;
mod shards;
mod share;
pub mod tagger;

use crate::error::refusal;
use crate::events::{Event, Events, Progress};
use crate::machine::{folder_lock, threads};
use crate::predict::tagger::{Tagger, TaggerOptions};
use anonymize::anonymizer::Counts;
use anyhow::Result;
use feed::{Chunk, End};
use output::{Destination, Form, Output, OutputFormat};
use serde_json::{Map, Value, json};
use shards::Shard;
use share::Share;
use std::cell::RefCell;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::time::Instant;
use tagsmith_data::documents::{Documents, Source};
use tagsmith_data::format::Format;
use tagsmith_data::{Meter, ReadOptions};
use tagsmith_hub::Hub;
use tagsmith_message::{Note, Remedy, Setting};
use tagsmith_ranks::World;
use tagsmith_spans::find::decode::Mode;
use tagsmith_text::align::aggregate::Strategy;
use tagsmith_text::tagged::Tally;

pub use predicted::Predicted;

/// A request to tag documents.
pub struct PredictRequest {
    /// What to read and where to write.
    pub work: Work,
    /// The model, and what it does with each document.
    pub options: PredictOptions,
}

/// A model, and what it does with each document.
#[derive(Clone, Debug)]
pub struct PredictOptions {
    /// The model's folder, or its name on the hub.
    pub model: String,
    /// The format of the documents; without it, their content and the file's name decide it.
    pub input_format: Option<Format>,
    /// The key or column that holds the text or the words.
    pub text_column: Option<String>,
    /// What the model looks for, and how.
    pub tagger: TaggerOptions,
    /// Threads; without them, as many as this process has physical cores.
    pub threads: Option<usize>,
}

/// What to read and where to write.
pub enum Work {
    /// One source to one destination.
    One {
        /// The documents.
        source: Source,
        /// The place of the tagged documents.
        destination: Destination,
        /// The format of the tagged documents.
        format: OutputFormat,
    },
    /// Each file, or each file of each folder, to a file in a folder. A file that is there already is not made again.
    Folder {
        /// Files and folders.
        inputs: Vec<PathBuf>,
        /// The folder to write to.
        folder: PathBuf,
        /// The format; without it, Parquet for Parquet files and JSON lines for others.
        format: Option<OutputFormat>,
    },
}

/// Tags documents as `request` asks. What was done is reported even if a document was bad: what stands before it is
/// tagged. All ranks of `world` call this with the same request.
///
/// # Errors
/// A request that cannot be done, with a remedy; a document or a model that cannot be read; a file that cannot be
/// written.
pub fn predict(request: PredictRequest, hub: &Hub, world: &World, events: &mut dyn Events) -> Result<Predicted> {
    let started = Instant::now();
    let PredictRequest { work, mut options } = request;
    let share = if matches!(work, Work::Folder { .. }) { Share::whole() } else { Share::of(world) };
    options.tagger.device = options.tagger.device.of_rank(world);
    let _lock = match &work {
        Work::Folder { folder, .. } => folder_lock::lock(folder, world, events)?,
        Work::One { .. } => None,
    };
    let tasks = tasks(work, &options, (world, share), events)?;
    let (predicted, _) = tag_files(tasks, &options, hub, (world, share, started), events)?;
    Ok(predicted)
}

/// Tags one file in this process alone. Returns what the model did, and what became of entities.
///
/// # Errors
/// See [`predict`].
pub(crate) fn tag_one(
    task: Task,
    options: PredictOptions,
    hub: &Hub,
    events: &mut dyn Events,
) -> Result<(Predicted, Counts)> {
    let started = Instant::now();
    sweep_for(&task.destination, events)?;
    tag_files(vec![task], &options, hub, (&World::alone(), Share::whole(), started), events)
}

/// Tags files, one after another.
fn tag_files(
    tasks: Vec<Task>,
    options: &PredictOptions,
    hub: &Hub,
    (world, share, started): (&World, Share, Instant),
    events: &mut dyn Events,
) -> Result<(Predicted, Counts)> {
    let mut tasks = tasks.into_iter();
    // What cannot be opened, to read or to write, is refused before a model is read.
    let first = tasks.next().map(|task| task.open(options)).transpose()?;
    let threads = threads::set(options.threads, world, events)?;
    let (tagger, notes) = Tagger::load(&options.model, &options.tagger, hub)?;
    events.notes(&notes);
    let rest = tasks.map(|task| task.open(options));
    let mut work = first.into_iter().map(Ok).chain(rest).map(|opened| {
        let opened: Opened = opened?;
        check_format(&opened.output, &tagger)?;
        Ok(opened)
    });
    let (mut tally, mut counts) = (Tally::default(), Counts::default());
    let mut notes = Vec::new();
    let mut outcome = Ok(());
    while let (Ok(()), Some(opened)) = (&outcome, work.next()) {
        outcome = opened.and_then(|Opened { documents, output, way }| {
            let chunks = feed::start(documents, &way.meter, share, tagger.encoder(), threads)?;
            let events = RefCell::new(&mut *events);
            let watch = |progress: Progress<'_>| events.borrow_mut().progress(progress);
            tag_all(chunks, (world, share), &tagger, output, (&mut tally, &mut notes, &mut counts), (&way, &watch))
        });
    }
    // A rank that failed ends the job: no other rank waits for it.
    if world.size() > 1 {
        outcome?;
        outcome = Ok(());
    }
    notes.extend_from_slice(tally.notes());
    let tallied = [tally.documents, tally.words, tally.entities, tally.windows].map(|count| count as f64);
    let [documents, words, entities, windows] = say_all(world, &notes, tallied, events).map(|count| count as u64);
    let predicted = Predicted { documents, words, entities, windows, seconds: started.elapsed().as_secs_f64() };
    // Where nothing was tagged before an error, the error says all.
    if outcome.is_ok() || predicted.documents > 0 {
        events.event(Event::Predicted(&predicted));
    }
    outcome.map(|()| (predicted, counts))
}

/// Refuses a column of labels where a word may be in two entities.
fn check_format(output: &Output, tagger: &Tagger) -> Result<()> {
    if !output.is_columns() || tagger.labels_words() {
        return Ok(());
    }
    let flat = Remedy::SetTo(Setting::Decoding, Mode::Flat.name().into());
    let other = Remedy::SetTo(Setting::OutputFormat, "jsonl".into());
    Err(refusal("entities that may overlap cannot be written as a column of labels", Remedy::AnyOf(vec![flat, other])))
}

/// A source, a destination and what to write.
pub(crate) struct Task {
    pub source: Source,
    pub destination: Destination,
    pub form: Form,
}

/// A source and a destination that are open.
struct Opened {
    documents: Documents,
    output: Output,
    way: Way,
}

/// The way through a file.
struct Way {
    /// Counts the bytes that are read.
    meter: Meter,
    /// The file's bytes, where it is a file.
    bytes: Option<u64>,
}

impl Way {
    /// Returns how far a prediction is: in bytes of a file of known size, or else in documents.
    fn progress(&self, bytes: u64, documents: u64) -> Progress<'static> {
        let (done, unit) = match self.bytes {
            Some(all) => (bytes.min(all.saturating_sub(1)), "bytes"),
            None => (documents, "documents"),
        };
        Progress { work: "prediction", done, of: self.bytes, unit }
    }
}

impl Task {
    fn open(self, options: &PredictOptions) -> Result<Opened> {
        let columns = ReadOptions { text_column: options.text_column.clone(), ..ReadOptions::default() };
        let mut bytes = None;
        if let Source::File(file) = &self.source {
            if file.is_dir() {
                let message = format!("{}: this is a folder, whose files become files", file.display());
                return Err(refusal(message, Remedy::set(Setting::OutputDir).so_as("to say where")));
            }
            bytes = fs::metadata(file).ok().map(|data| data.len());
        }
        let documents = Documents::open(self.source, options.input_format, &columns)?;
        let output = Output::open(self.destination, self.form, documents.format() == Format::Text)?;
        Ok(Opened { documents, output, way: Way { meter: columns.meter, bytes } })
    }
}

/// Returns what this rank has to do. Of a source that ranks share only the first rank writes.
fn tasks(
    work: Work,
    options: &PredictOptions,
    (world, share): (&World, Share),
    events: &mut dyn Events,
) -> Result<Vec<Task>> {
    match work {
        Work::Folder { inputs, folder, format } => {
            let shards = shards::of(&inputs, &folder, options.input_format, format)?;
            let shards = shards::to_make(shards, &folder, &choices(options), world, events)?;
            let task = |Shard { input, output, format }| Task {
                source: Source::File(input),
                destination: Destination::File(output),
                form: Form::Tagged(format),
            };
            Ok(shards.into_iter().map(task).collect())
        }
        Work::One { source: Source::Stream { name, .. }, .. } if share.ranks > 1 => {
            let message = format!("{name} reaches the first of several ranks alone");
            Err(refusal(message, Remedy::to_do("name a file that all ranks can read")))
        }
        Work::One { source, destination, format } => {
            let nowhere = || Destination::Stream(Box::new(io::sink()));
            let (destination, format) =
                if share.is_first() { (destination, format) } else { (nowhere(), OutputFormat::Jsonl) };
            sweep_for(&destination, events)?;
            Ok(vec![Task { source, destination, form: Form::Tagged(format) }])
        }
    }
}

/// Removes what killed processes left of a file that is to be written. Says so.
fn sweep_for(destination: &Destination, events: &mut dyn Events) -> Result<()> {
    if let Destination::File(file) = destination
        && let Some(folder) = file.parent().filter(|folder| folder.as_os_str().is_empty() || folder.is_dir())
    {
        output::sweep(folder, file.file_name(), events)?;
    }
    Ok(())
}

/// Returns what decides the content of the files, for a later run that goes on with them.
fn choices(options: &PredictOptions) -> Value {
    let number = |number: Option<usize>| number.map_or_else(String::new, |number| number.to_string());
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let tagger = &options.tagger;
    let choices = [
        ("model", options.model.clone()),
        ("model-revision", text(&tagger.revision)),
        ("input-format", options.input_format.map_or("auto", Format::name).to_owned()),
        ("text-column", text(&options.text_column)),
        ("aggregation-strategy", tagger.strategy.unwrap_or(Strategy::First).name().to_owned()),
        ("label-scheme", tagger.label_scheme.unwrap_or_default().name().to_owned()),
        ("max-seq-length", number(tagger.max_seq_length)),
        ("stride", number(tagger.stride)),
        ("threshold", text(&tagger.threshold)),
        ("decoding", tagger.decoding.map_or_else(String::new, |decoding| decoding.name().to_owned())),
        ("operating-point", text(&tagger.operating_point)),
        ("temperature", tagger.temperature.map_or_else(String::new, |number| number.to_string())),
        ("abstain-below", tagger.abstain_below.map_or_else(String::new, |number| number.to_string())),
    ];
    let mut choices: Map<String, Value> =
        choices.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    choices.insert("bf16".into(), tagger.bf16.into());
    choices.insert("labels".into(), tagger.labels.clone().into());
    Value::Object(choices)
}

/// Reports the notes of all ranks, and returns the sums of their counts.
fn say_all<const N: usize>(world: &World, notes: &[Note], counts: [f64; N], events: &mut dyn Events) -> [f64; N] {
    if world.size() == 1 {
        events.notes(notes);
        return counts;
    }
    events.notes(&of_ranks(&world.gather(json!(notes).to_string().as_bytes())));
    let all = world.gather_numbers(&counts);
    std::array::from_fn(|i| all.iter().map(|counts| counts[i]).sum())
}

/// Returns the notes that ranks sent as JSON, each with the number of its rank.
fn of_ranks(sent: &[Vec<u8>]) -> Vec<Note> {
    let mut all = Vec::new();
    for (rank, sent) in sent.iter().enumerate() {
        let sent: Vec<Note> = serde_json::from_slice(sent).expect("ranks send what they say");
        all.extend(sent.into_iter().map(|note| {
            let named = Note::once(note.to_string()).about(format!("rank {rank}"));
            Note { remedy: note.remedy, important: note.important, ..named }
        }));
    }
    all
}

/// Tags chunk by chunk, so that memory does not grow with the input. What stands before a bad document is still tagged.
fn tag_all(
    chunks: Receiver<Chunk>,
    (world, share): (&World, Share),
    tagger: &Tagger,
    mut output: Output,
    (tally, notes, counts): (&mut Tally, &mut Vec<Note>, &mut Counts),
    (way, watch): (&Way, &dyn Fn(Progress<'_>)),
) -> Result<()> {
    let mut before = 0;
    loop {
        let Chunk { read, encoded, position, end } = chunks.recv().expect("the last chunk says that it is the last");
        let documents = tally.documents as u64;
        let tagged = tagger.tag_encoded(encoded, tally, &|done, all| {
            let in_file = before + position.saturating_sub(before) * done as u64 / all.max(1) as u64;
            watch(way.progress(in_file, documents));
        })?;
        before = position;
        if matches!(end, End::Last(_)) {
            let now = way.progress(position, tally.documents as u64);
            let all = now.of.unwrap_or(now.done);
            watch(Progress { done: all, of: Some(all), ..now });
        }
        let (last, outcome) = match end {
            End::More => (None, Ok(())),
            End::Last(documents) => (Some(documents), Ok(())),
            End::Bad(documents, error) => (Some(documents), Err(error)),
        };
        // The notes of a file are the same for all ranks that read it.
        let notes_of_file = last.iter().filter(|_| share.is_first()).flat_map(Documents::notes);
        notes.extend(notes_of_file);
        let (tagged, outcome) = share.gather(world, tagged, (read, last.is_some()), outcome);
        for tagged in &tagged {
            output.write(tagged, tagger.labels())?;
        }
        output.flush()?;
        outcome?;
        if last.is_some() {
            let (said, counted) = output.finish()?;
            notes.extend(said);
            *counts = counted;
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tagsmith_testkit::golden;

    #[test]
    fn a_parquet_file_is_measured_in_bytes() {
        let file = golden::path("dataset_files/class_label.parquet");
        let bytes = fs::metadata(&file).unwrap().len();
        let options = PredictOptions {
            model: String::new(),
            input_format: None,
            text_column: None,
            tagger: TaggerOptions::default(),
            threads: None,
        };
        let destination = Destination::Stream(Box::new(io::sink()));
        let task = Task { source: Source::File(file), destination, form: Form::Tagged(OutputFormat::Jsonl) };
        let Opened { mut documents, way, .. } = task.open(&options).unwrap();
        while documents.read().unwrap().is_some() {}
        assert_eq!((way.meter.bytes(), way.bytes), (bytes, Some(bytes)));
    }

    #[test]
    fn notes_of_ranks_keep_what_they_advise() {
        let remedy = Remedy::SetTo(Setting::TextColumn, "1".into()).so_as("if the words are there");
        let mut counted = Note::new("{word has|words have} no label").about("a.conll").with_remedy(remedy.clone());
        counted.add(|| "a.conll:3".into());
        let notes = [vec![Note::once("{a|b} is left out").important()], vec![counted]];
        let told = of_ranks(&notes.map(|notes| json!(notes).to_string().into_bytes()));
        let said: Vec<String> = told.iter().map(Note::to_string).collect();
        assert_eq!(said, ["rank 0: {a|b} is left out", "rank 1: a.conll: 1 word has no label (a.conll:3)"]);
        assert_eq!([&told[0].remedy, &told[1].remedy], [&None, &Some(remedy)]);
        assert_eq!([told[0].important, told[1].important], [true, false]);
    }
}
