//! Why something cannot be tagged.

use crate::error::of_device;
use tagsmith_message::{Remedy, Setting, quote_all};
use tagsmith_text::align::aggregate::OUTSIDE;
use tagsmith_text::decode::{Decoding, grammar};
use tagsmith_text::labels::scheme;
use tagsmith_text::tokenizer;

/// Why something cannot be tagged.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The model's files.
    #[error("the model cannot be read")]
    Model(#[from] crate::error::Error),
    /// The tokenizer's files.
    #[error("the tokenizer cannot be read")]
    Tokenizer(#[source] tokenizer::Error),
    /// A longest sequence that the model does not take.
    #[error("`max_seq_length` is {asked} but the model has {positions} positions: ask for at most that")]
    TooLong {
        /// What was asked for.
        asked: usize,
        /// What the position table allows.
        positions: usize,
    },
    /// A scheme that the model's labels are not of.
    #[error("the model's labels are not of the scheme that is asked for")]
    Scheme(#[from] scheme::Error),
    /// The operating points beside the model.
    #[error(transparent)]
    Calibration(#[from] tagsmith_files::Error),
    /// Labels without legal paths.
    #[error(transparent)]
    Grammar(grammar::Error),
    /// An operating point that is not beside the model.
    #[error("there is no operating point `{name}` beside the model{}", listed(.known))]
    NoPoint {
        /// The name.
        name: String,
        /// The names that there are.
        known: Vec<String>,
    },
    /// An operating point, where each word gets its most probable label.
    #[error("the operating point `{name}` is of the best legal path, and each word gets its most probable label")]
    UnusedPoint {
        /// The name.
        name: String,
    },
    /// A threshold, where the labels have none for words outside.
    #[error("an entity below the threshold would become `{OUTSIDE}`, which is not among the model's labels")]
    NoOutside,
    /// An input that the tokenizer or the windows refuse.
    #[error("{place}: cannot be tagged")]
    Input {
        /// Where the input is.
        place: String,
        /// Why.
        source: tokenizer::Error,
    },
    /// Rows of the word table that cannot be read, or a device that failed or has too little memory.
    #[error(transparent)]
    Kernel(#[from] tagsmith_kernel::Error),
    /// Scores that are infinite or not numbers: no label follows from them.
    #[error(
        "{place}: the model's scores are not numbers: its weights were spoiled in training, or by whoever wrote them"
    )]
    NotNumbers {
        /// The first input whose scores are not.
        place: String,
    },
    /// A piece that the model has no row for.
    #[error("{place}: the tokenizer gives {what} {id} but the model has {rows}: they are not of one checkpoint")]
    Table {
        /// Where the input is.
        place: String,
        /// `token id` or `token type`.
        what: &'static str,
        /// The number.
        id: u32,
        /// Rows of the table.
        rows: usize,
    },
}

fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        names => format!(": there are {}", quote_all(names.iter().map(String::as_str))),
    }
}

impl Error {
    /// Returns what the user can do about the error.
    pub fn remedy(&self) -> Option<Remedy> {
        match self {
            Error::Model(error) => error.remedy(),
            Error::Grammar(grammar::Error::NoTags) => Some(Remedy::Unset(Setting::Decoding)),
            Error::Grammar(grammar::Error::Undetectable { .. }) => {
                Some(Remedy::set(Setting::LabelScheme).so_as("to name it"))
            }
            Error::NoPoint { .. } => Some(Remedy::Unset(Setting::OperatingPoint)),
            Error::UnusedPoint { .. } => Some(Remedy::SetTo(Setting::Decoding, Decoding::Viterbi.name().into())),
            Error::NoOutside => Some(Remedy::Unset(Setting::Threshold)),
            Error::Kernel(tagsmith_kernel::Error::Device(error)) => of_device(error),
            _ => None,
        }
    }
}
