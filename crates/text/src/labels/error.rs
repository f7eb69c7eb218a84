//! Errors in labels.

use crate::sentence::Split;
use tagsmith_message::{Remedy, Setting, counted};

/// The most names that an error or a note lists.
const NAMES_SHOWN: usize = 8;

/// An error in labels.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// No split has a tag.
    #[error("the data has no labels")]
    NoLabels,
    /// A label has an empty name.
    #[error("the label with id {id} has an empty name")]
    EmptyName {
        /// The label's id.
        id: usize,
    },
    /// Two labels have the same name.
    #[error("the label `{name}` is listed twice, as id {first} and as id {second}")]
    Duplicate {
        /// The name.
        name: String,
        /// The first id.
        first: usize,
        /// The second id.
        second: usize,
    },
    /// A tag cannot be a label of this data.
    #[error("{place}: the label `{label}` {problem}")]
    Label {
        /// The source and the line where the sentence begins.
        place: String,
        /// The label as written.
        label: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Two splits write their labels differently.
    #[error("`{first}` has {first_kind} as labels and `{second}` has {second_kind}")]
    Kinds {
        /// The source of one split.
        first: String,
        /// How this split writes labels.
        first_kind: &'static str,
        /// The source of another split.
        second: String,
        /// How that split writes labels.
        second_kind: &'static str,
    },
    /// A checkpoint's head is too small or too large.
    #[error(
        "the checkpoint's head has {} ({checkpoint_names}) but the data has {data} ({data_names})",
        counted(*.checkpoint, "label")
    )]
    HeadSize {
        /// The number of the checkpoint's labels.
        checkpoint: usize,
        /// The first of the checkpoint's labels.
        checkpoint_names: String,
        /// The number of the data's labels.
        data: usize,
        /// The first of the data's labels.
        data_names: String,
    },
    /// A checkpoint's head has the right size, but its rows mean other labels.
    #[error(
        "the checkpoint's labels are not the data's: only the checkpoint has {checkpoint_only}, only the data has \
         {data_only}"
    )]
    HeadNames {
        /// Labels that only the checkpoint has.
        checkpoint_only: String,
        /// Labels that only the data has.
        data_only: String,
    },
    /// The file of a split's sentences cannot be read.
    #[error("{problem}")]
    Sentences {
        /// The file and what the system said.
        problem: String,
        /// What helps.
        remedy: Option<Remedy>,
    },
}

impl From<tagsmith_files::Error> for Error {
    fn from(error: tagsmith_files::Error) -> Error {
        let cause = std::error::Error::source(&error).map_or(String::new(), |cause| format!(": {cause}"));
        Error::Sentences { problem: format!("{error}{cause}"), remedy: error.remedy() }
    }
}

impl Error {
    /// Returns what the caller can do about the error.
    pub fn remedy(&self) -> Option<Remedy> {
        match self {
            Error::NoLabels => Some(Remedy::set(Setting::LabelColumn)),
            Error::Kinds { .. } => Some(Remedy::to_do("write both the same way")),
            Error::HeadSize { .. } => {
                Some(Remedy::set(Setting::IgnoreMismatchedSizes).so_as("to start with a new head"))
            }
            Error::HeadNames { .. } => {
                let purpose = "to give the data's labels to the rows of those that it lacks";
                Some(Remedy::set(Setting::IgnoreMismatchedLabels).so_as(purpose))
            }
            Error::Sentences { remedy, .. } => remedy.clone(),
            Error::EmptyName { .. } | Error::Duplicate { .. } | Error::Label { .. } => None,
        }
    }
}

/// Returns the first names for a message.
pub(crate) fn shown(names: &[String]) -> String {
    let mut text = names.iter().take(NAMES_SHOWN).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if names.len() > NAMES_SHOWN {
        text.push_str(&format!(" and {} more", names.len() - NAMES_SHOWN));
    }
    text
}

/// Returns the place of a sentence for a message.
pub(crate) fn place(split: &Split, line: u64) -> String {
    format!("{}:{line}", split.source)
}
