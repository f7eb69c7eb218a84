//! The data of a run once they are read: examples, and of the texts what is needed later.

use super::data::{Alignment, Data};
use crate::events::Events;
use crate::machine::memory::allowed;
use crate::machine::neighbors;
use crate::options::TrainArgs;
use tagsmith_files::records::Room;
use tagsmith_message::{Note, Remedy, Setting};
use tagsmith_ranks::World;
use tagsmith_text::sentence::Split;
use tagsmith_tokens::examples::Examples;
use tagsmith_tokens::learn::teacher::Targets;
use tagsmith_tokens::memory::evaluation_bytes;
use tagsmith_train::memory::size;

/// The memory of a run's sentences, and the files beyond it.
pub struct Rooms {
    /// The room of texts, from reading to their alignment.
    pub texts: Room,
    /// The room of examples.
    pub examples: Room,
    /// The bytes that each of them has.
    pub bytes: u64,
}

impl Rooms {
    /// Returns as much room as was asked for, or else a quarter of what this process may use. Files go to the output
    /// folder.
    pub fn new(args: &TrainArgs, world: &World) -> Rooms {
        let quarter = || allowed().map(|bytes| bytes / neighbors::count(world) as u64 / 4);
        let bytes = args.machine.data_memory.or_else(quarter).unwrap_or(u64::MAX);
        let room = || Room::new(bytes, &args.output.output_dir);
        Rooms { texts: room(), examples: room(), bytes }
    }
}

/// The examples of each split that is used, none of the others, and the splits whose texts are needed later.
pub struct Read {
    /// The examples to learn from.
    pub to_learn: Examples,
    /// The examples to evaluate.
    pub to_evaluate: Examples,
    /// The examples to predict.
    pub to_predict: Examples,
    /// The validation split, where a report shows its sentences.
    pub validation: Option<Split>,
    /// The test split, whose words all get a label.
    pub test: Option<Split>,
    /// A teacher's scores of the examples to learn from.
    pub targets: Option<Targets>,
    /// Bytes of texts and examples in memory, when they were most.
    pub reading: u64,
}

impl Read {
    /// Cuts the splits into pieces and shows the first sentence. Texts that nothing needs any more are dropped.
    ///
    /// # Errors
    /// A label or a sentence that the model cannot read; a file of sentences that cannot be read or written.
    pub fn align(
        args: &TrainArgs,
        data: Data,
        alignment: &Alignment<'_>,
        rooms: &Rooms,
        events: &mut dyn Events,
    ) -> anyhow::Result<Read> {
        let Data { train, validation, test, labeling: _ } = data;
        let tasks = args.tasks;
        let mut reading = bytes([&train, &validation, &test].into_iter().flatten(), &[]);
        let mut splits = [
            ("train", train.filter(|_| tasks.do_train), false),
            ("validation", validation.filter(|_| tasks.do_eval), args.reporting.html_report),
            ("test", test.filter(|_| tasks.do_predict), true),
        ];
        for (at, (name, split, _)) in splits.iter().enumerate() {
            let Some(split) = split else { continue };
            let is_of_another = |(_, other, _): &(_, Option<Split>, _)| {
                other.as_ref().is_some_and(|other| other.sentences.are_of_one_origin(&split.sentences))
            };
            if !splits[..at].iter().any(is_of_another) {
                say_file(name, "texts", split.sentences.bytes_in_file(), (args, rooms), events);
            }
        }
        let (mut read, mut first) = (Vec::new(), None);
        for at in 0..splits.len() {
            let (name, split, is_needed_later) = &splits[at];
            let examples = match split {
                Some(split) => alignment.examples(name, split, &rooms.examples, events)?,
                None => Examples::in_memory(&[]),
            };
            if let Some(split) = split.as_ref().filter(|_| first.is_none() && !examples.is_empty()) {
                first = Some(alignment.show_first(split, &examples)?);
            }
            say_file(name, "pieces", examples.bytes_in_file(), (args, rooms), events);
            read.push(examples);
            reading = reading.max(bytes(splits.iter().filter_map(|(_, split, _)| split.as_ref()), &read));
            let is_needed_later = *is_needed_later;
            splits[at].1 = match splits[at].1.take().filter(|_| is_needed_later) {
                Some(split) => Some(Split { sentences: split.sentences.on_their_own()?, ..split }),
                None => None,
            };
        }
        if let Some(first) = first {
            events.say(first);
        }
        let [to_learn, to_evaluate, to_predict] = <[Examples; 3]>::try_from(read).expect("examples of three splits");
        let [_, (_, validation, _), (_, test, _)] = splits;
        Ok(Read { to_learn, to_evaluate, to_predict, validation, test, targets: None, reading })
    }

    /// Counts the bytes of what waits until training is over, and of what prediction finds then.
    pub fn waiting(&self) -> u64 {
        let texts = bytes([&self.validation, &self.test].into_iter().flatten(), &[]);
        let targets = self.targets.as_ref().map_or(0, Targets::bytes_in_memory);
        targets + texts + self.to_predict.bytes_in_memory() + evaluation_bytes(&self.to_predict)
    }
}

/// Counts the bytes of splits in memory, those of one origin once, and of examples.
fn bytes<'s>(splits: impl Iterator<Item = &'s Split>, examples: &[Examples]) -> u64 {
    let mut counted: Vec<&Split> = Vec::new();
    let mut sum = examples.iter().map(Examples::bytes_in_memory).sum();
    for split in splits {
        if !counted.iter().any(|other| other.sentences.are_of_one_origin(&split.sentences)) {
            sum += split.sentences.bytes_in_memory();
        }
        counted.push(split);
    }
    sum
}

/// Says what lies in a file, and where, if anything does.
fn say_file(name: &str, what: &str, bytes: u64, (args, rooms): (&TrainArgs, &Rooms), events: &mut dyn Events) {
    if bytes > 0 {
        let folder = args.output.output_dir.display();
        let (bytes, room) = (size(bytes), size(rooms.bytes));
        let note = format!("{bytes} of {what} are in a file in `{folder}`, since {room} of them stay in memory");
        let remedy = Remedy::set(Setting::DataMemory).so_as("with more to keep them in memory");
        events.note(&Note::once(note).about(name).with_remedy(remedy));
    }
}
