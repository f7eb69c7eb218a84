//! What a command reports while it runs.
//!
//! A rim implements [`Events`]: a terminal draws bars and lines, a server answers a request for progress, and a test
//! keeps everything in a [`Recording`].

use crate::demo::lesson::Lesson;
use crate::predict::predicted::Predicted;
use crate::report::Finished;
use std::fmt::Display;
use tagsmith_message::Note;
use tagsmith_tokens::model::Model;
use tagsmith_train::checkpoint::state::Record;
use tagsmith_train::trainer;

/// Something that happened while a command ran.
#[derive(Clone, Copy)]
pub enum Event<'a> {
    /// Something about the input or the run that the user should know.
    Note(&'a Note),
    /// A line about progress.
    Line(&'a str),
    /// Work that may take long goes on.
    Progress(Progress<'a>),
    /// A run of a comparison begins.
    RunBegins {
        /// The run's number, from 1.
        number: usize,
        /// How many runs there are.
        of: usize,
        /// The run's name.
        name: &'a str,
    },
    /// A run of a comparison is over.
    RunEnds(&'a Finished),
    /// Documents were tagged.
    Predicted(&'a Predicted),
    /// A step of a rehearsal succeeded.
    Passed(&'a str),
    /// The demo has its sentences and its vocabulary.
    Corpus(&'a Lesson),
    /// The demo has its model.
    Model(&'a Lesson, &'a Model),
    /// Training goes on.
    Training(trainer::Event<'a>),
    /// A split was trained on, evaluated or predicted.
    Measured {
        /// `train`, `eval` or `predict`.
        split: &'a str,
        /// The split's figures.
        record: &'a Record,
    },
}

/// How far work is that may take long. The last one of a work has all of it done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress<'a> {
    /// The work: `evaluation`, `reading train.conll`.
    pub work: &'a str,
    /// How much is done.
    pub done: u64,
    /// How much there is, where that is known.
    pub of: Option<u64>,
    /// What both count, in the plural: `sub-tokens`, `bytes`.
    pub unit: &'static str,
}

impl<'a> Progress<'a> {
    /// Returns how far work is that reads sub-tokens.
    pub fn in_pieces(work: &'a str, done: usize, of: usize) -> Self {
        Progress { work, done: done as u64, of: Some(of as u64), unit: "sub-tokens" }
    }
}

/// A receiver of events.
pub trait Events {
    /// Takes in what happens.
    fn event(&mut self, event: Event<'_>);
}

impl dyn Events + '_ {
    /// Reports a note.
    pub fn note(&mut self, note: &Note) {
        self.event(Event::Note(note));
    }

    /// Reports notes that were collected, the important ones first.
    pub fn notes<'n>(&mut self, notes: impl IntoIterator<Item = &'n Note>) {
        let mut notes: Vec<&Note> = notes.into_iter().collect();
        Note::important_first(&mut notes);
        notes.into_iter().for_each(|note| self.note(note));
    }

    /// Reports notes about `name`, the important ones first.
    pub fn notes_about<'n>(&mut self, name: &str, notes: impl IntoIterator<Item = &'n Note>) {
        let notes: Vec<Note> = notes.into_iter().map(|note| note.clone().about(name)).collect();
        self.notes(&notes);
    }

    /// Reports how far work is.
    pub fn progress(&mut self, progress: Progress<'_>) {
        self.event(Event::Progress(progress));
    }

    /// Reports a note that is one sentence.
    pub fn say(&mut self, what: impl Display) {
        self.note(&Note::once(what.to_string()));
    }
}

/// A receiver that keeps what it is told, in order.
#[derive(Debug, Default)]
pub struct Recording {
    /// All notes.
    pub notes: Vec<Note>,
    /// Names of the other events.
    pub events: Vec<String>,
    /// Updates of training.
    pub updates: usize,
}

impl Events for Recording {
    fn event(&mut self, event: Event<'_>) {
        let name = match event {
            Event::Note(note) => return self.notes.push(note.clone()),
            Event::Training(trainer::Event::Stepped { .. }) => {
                self.updates += 1;
                return;
            }
            Event::Progress(_) => return,
            Event::Training(trainer::Event::Note(note)) => return self.notes.push(note.clone()),
            Event::Training(event) => format!("{event:?}").split([' ', '(']).next().unwrap_or_default().to_owned(),
            Event::Line(line) => line.to_owned(),
            Event::RunBegins { name, .. } => format!("{name} begins"),
            Event::RunEnds(run) => format!("{} ends", run.name),
            Event::Measured { split, .. } => format!("measured {split}"),
            Event::Predicted(predicted) => format!("{} documents", predicted.documents),
            Event::Passed(step) => step.to_owned(),
            Event::Corpus(_) => "corpus".to_owned(),
            Event::Model(..) => "model".to_owned(),
        };
        self.events.push(name);
    }
}
