//! The labels of a checkpoint meet those of the data.

use crate::labels::LabelSet;
use crate::labels::error::{Error, shown};
use tagsmith_message::{Note, counted};

/// The choices where a checkpoint's labels are not the data's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alignment {
    /// Whether the model will be trained, so that its labels are the data's. Otherwise the data may lack some of them.
    pub training: bool,
    /// Whether a head of another size is replaced by a new one.
    pub ignore_sizes: bool,
    /// Whether a head of the same size with other names keeps its rows.
    pub ignore_names: bool,
}

/// The labels of a run, and what becomes of the checkpoint's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aligned {
    /// The labels in the order of the head's rows.
    pub labels: LabelSet,
    /// Whether the head starts anew, its size being another.
    pub new_head: bool,
    /// Notes about what was decided, where it is not the plain case.
    pub notes: Vec<Note>,
}

/// Decides on the labels of a run from a checkpoint's labels and the data's.
///
/// | checkpoint | labels of the run |
/// |---|---|
/// | another number of labels | an error, or the data's and a new head |
/// | placeholders `LABEL_i` | the data's, in their order |
/// | the same names | the checkpoint's, in its order |
/// | other names | an error, or the checkpoint's order, in which the rows of labels that the data lacks get the data's other labels |
/// | more names, not training | the checkpoint's |
///
/// # Errors
/// Another number of labels or other names, where `allow` does not permit them.
pub fn align(data: LabelSet, checkpoint: &LabelSet, allow: Alignment) -> Result<Aligned, Error> {
    let checkpoint_only = checkpoint.without(&data);
    let data_only = data.without(checkpoint);
    if data_only.is_empty() && (checkpoint_only.is_empty() || !allow.training) {
        let mut notes = Vec::new();
        if !checkpoint_only.is_empty() {
            notes
                .push(Note::once(format!("labels of the checkpoint that the data lacks: {}", shown(&checkpoint_only))));
        } else if data.names() != checkpoint.names() {
            notes.push(Note::once("the labels are taken in the checkpoint's order, not the data's"));
        }
        return Ok(Aligned { labels: checkpoint.clone(), new_head: false, notes });
    }
    if data.len() != checkpoint.len() {
        if !allow.ignore_sizes {
            return Err(Error::HeadSize {
                checkpoint: checkpoint.len(),
                checkpoint_names: shown(checkpoint.names()),
                data: data.len(),
                data_names: shown(data.names()),
            });
        }
        let labels = counted(checkpoint.len(), "label");
        let note = format!("the head starts anew: the checkpoint has {labels}, the data {}", data.len());
        return Ok(Aligned { labels: data, new_head: true, notes: vec![Note::once(note)] });
    }
    if checkpoint.is_default() {
        return Ok(Aligned { labels: data, new_head: false, notes: Vec::new() });
    }
    if !allow.ignore_names {
        return Err(Error::HeadNames { checkpoint_only: shown(&checkpoint_only), data_only: shown(&data_only) });
    }
    let (note, labels) = renamed(&data, checkpoint, &data_only, &checkpoint_only);
    Ok(Aligned { labels: LabelSet::new(labels)?, new_head: false, notes: vec![Note::once(note)] })
}

/// Returns the labels of a head of which some rows get other labels. Labels that both sides have keep their rows.
fn renamed(
    data: &LabelSet,
    checkpoint: &LabelSet,
    data_only: &[String],
    checkpoint_only: &[String],
) -> (String, Vec<String>) {
    let mut others = data_only.iter().cloned();
    let name = |name: &String| {
        let kept = data.id(name).map(|_| name.clone());
        kept.unwrap_or_else(|| others.next().expect("both sides have as many labels of their own"))
    };
    let names = checkpoint.names().iter().map(name).collect();
    let (rows, others) = (shown(checkpoint_only), shown(data_only));
    (format!("the head's rows of {rows} become {others}; all other rows keep their labels"), names)
}
