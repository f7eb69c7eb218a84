//! Label sets: tag ⇄ id, where the labels come from, and how they meet those of a checkpoint.

pub mod alignment;
pub mod bare_tags;
pub mod conlleval;
mod error;
mod infer;
pub mod label_scheme;
pub mod reading;
pub mod scheme;
pub mod slips;
pub mod tag;
#[cfg(test)]
mod tests;
pub mod unlabeled;

use crate::labels::error::{place, shown};
use crate::sentence::Split;
use std::collections::HashMap;
use tagsmith_message::counted;

pub use crate::labels::alignment::{Aligned, Alignment, align};
pub use crate::labels::error::Error;

/// The labels of a model: distinct, non-empty names with the ids 0, 1, ….
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelSet {
    names: Vec<String>,
    ids: HashMap<String, u32>,
}

impl LabelSet {
    /// Returns the labels of these names, whose ids are their places.
    ///
    /// # Errors
    /// No name, an empty or a repeated one.
    pub fn new(names: Vec<String>) -> Result<Self, Error> {
        if names.is_empty() {
            return Err(Error::NoLabels);
        }
        let mut ids = HashMap::with_capacity(names.len());
        for (id, name) in names.iter().enumerate() {
            if name.is_empty() {
                return Err(Error::EmptyName { id });
            }
            if let Some(first) = ids.insert(name.clone(), id as u32) {
                return Err(Error::Duplicate { name: name.clone(), first: first as usize, second: id });
            }
        }
        Ok(LabelSet { names, ids })
    }

    /// Returns the names in the order of their ids.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Returns the number of labels, which is at least one.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Returns the id of a name.
    pub fn id(&self, name: &str) -> Option<u32> {
        self.ids.get(name).copied()
    }

    /// Returns the id of each of the split's tag names; a tag that no word has may be unknown here and is then `None`. So is
    /// [`unlabeled::TAG`], where it is not the name of a label.
    ///
    /// # Errors
    /// A tag that some word has and this set lacks.
    pub fn ids_of(&self, split: &Split) -> Result<Vec<Option<u32>>, Error> {
        self.ids_without(split, None)
    }

    /// Returns what [`LabelSet::ids_of`] returns, except that words tagged `uncounted` need no label: their id is `None`.
    ///
    /// # Errors
    /// A tag that some word has and this set lacks.
    pub fn ids_without(&self, split: &Split, uncounted: Option<&str>) -> Result<Vec<Option<u32>>, Error> {
        let ids: Vec<Option<u32>> = split.tag_names.iter().map(|name| self.id(name)).collect();
        let is_unknown = |tag: u32| {
            let tag = tag as usize;
            let name = split.tag_names[tag].as_str();
            ids[tag].is_none() && Some(name) != uncounted && name != unlabeled::TAG
        };
        if !(0..ids.len() as u32).any(is_unknown) {
            return Ok(ids);
        }
        let mut found = None;
        split.sentences.for_each(|sentence| {
            let tag = sentence.tags.iter().copied().find(|&tag| is_unknown(tag));
            found = tag.map(|tag| (sentence.line, tag));
            found.is_none()
        })?;
        if let Some((line, tag)) = found {
            return Err(Error::Label {
                place: place(split, line),
                label: split.tag_names[tag as usize].clone(),
                problem: format!("is not among the model's {} ({})", counted(self.len(), "label"), shown(&self.names)),
            });
        }
        Ok(ids)
    }

    /// Returns, for each label, the label of its word's further pieces under `label_all_tokens`. This is a `B-` label's
    /// `I-` twin (every `B-` in its name replaced) where there is one, else the label itself.
    pub fn continuations(&self) -> Vec<u32> {
        let twin =
            |name: &str| name.starts_with("B-").then(|| name.replace("B-", "I-")).and_then(|twin| self.id(&twin));
        (0..).zip(&self.names).map(|(id, name)| twin(name).unwrap_or(id)).collect()
    }

    /// Returns whether these are the placeholders `LABEL_0`, `LABEL_1`, … that a head without names gets.
    pub fn is_default(&self) -> bool {
        self.names.iter().enumerate().all(|(id, name)| *name == format!("LABEL_{id}"))
    }

    /// Returns these labels without the one of this name, if it is among them.
    ///
    /// # Errors
    /// No label is left.
    pub fn without_name(&self, name: &str) -> Result<LabelSet, Error> {
        LabelSet::new(self.names.iter().filter(|kept| *kept != name).cloned().collect())
    }

    fn without(&self, other: &LabelSet) -> Vec<String> {
        self.names.iter().filter(|name| other.id(name).is_none()).cloned().collect()
    }
}
