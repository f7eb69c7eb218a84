//! The names of a file's tags, and how the file writes them.

use crate::error::Error;
use crate::rules::annotation_tools;
use std::collections::HashMap;
use tagsmith_message::quote;
use tagsmith_text::labels::scheme::{LabelKind, Style, is_stray};
use tagsmith_text::labels::unlabeled;
use tagsmith_text::sentence::TagKind;

/// The tags that a reader has met, in order of first appearance, or the names that the data gives to integers.
#[derive(Clone, Debug, Default)]
pub(crate) struct TagNames {
    names: Vec<String>,
    /// The place where each name was met first; empty for names that the data gives to integers.
    places: Vec<String>,
    index: HashMap<String, u32>,
    kind: Option<TagKind>,
    /// Whether the file says that it is WebAnno's.
    pub(crate) is_webanno: bool,
}

impl TagNames {
    /// Returns the names of integer labels, in order; without any, the names that will be met.
    pub(crate) fn new(class_names: Option<Vec<String>>) -> TagNames {
        let kind = class_names.is_some().then_some(TagKind::ClassLabel);
        TagNames { names: class_names.unwrap_or_default(), kind, ..TagNames::default() }
    }

    /// Returns the index of a label that is written as a string.
    pub(crate) fn of_string(&mut self, label: &str, place: impl FnOnce() -> String) -> Result<u32, Error> {
        if label.is_empty() && self.is_webanno {
            return Err(annotation_tools::of_webanno(place(), ""));
        }
        if label.is_empty() {
            return Err(Error::content(place(), "a label is an empty string: give every word a label"));
        }
        if let (Some(&tag), Some(TagKind::Strings)) = (self.index.get(label), self.kind) {
            return Ok(tag);
        }
        let place = place();
        if unlabeled::is_written(label) {
            return Ok(self.intern(unlabeled::TAG, place));
        }
        self.expect_kind(TagKind::Strings, label, || place.clone())?;
        Ok(self.intern(label, place))
    }

    /// Returns the index of a label that is written as an integer.
    pub(crate) fn of_integer(&mut self, label: i64, place: impl FnOnce() -> String) -> Result<u32, Error> {
        if unlabeled::is_number(label) {
            return Ok(self.intern(unlabeled::TAG, place()));
        }
        if self.kind != Some(TagKind::ClassLabel) {
            let label = label.to_string();
            if let (Some(&tag), Some(TagKind::Integers)) = (self.index.get(&label), self.kind) {
                return Ok(tag);
            }
            let place = place();
            self.expect_kind(TagKind::Integers, &label, || place.clone())?;
            return Ok(self.intern(&label, place));
        }
        match u32::try_from(label) {
            Ok(tag) if (tag as usize) < self.names.len() => Ok(tag),
            _ => Err(Error::content(
                place(),
                format!(
                    "the label {label} has no name (there are {}, from 0): correct the label or the names{}",
                    self.names.len(),
                    if label == -1 { "; -1 is how `datasets` marks a word without a label" } else { "" }
                ),
            )),
        }
    }

    fn expect_kind(&mut self, kind: TagKind, label: &str, place: impl FnOnce() -> String) -> Result<(), Error> {
        if *self.kind.get_or_insert(kind) == kind {
            return Ok(());
        }
        let (is, were) = if kind == TagKind::Strings { ("a string", "integers") } else { ("an integer", "strings") };
        Err(Error::content(
            place(),
            format!("the label {} is {is}, the labels before are {were}: write all of them one way", quote(label)),
        ))
    }

    fn intern(&mut self, name: &str, place: String) -> u32 {
        if let Some(&tag) = self.index.get(name) {
            return tag;
        }
        let tag = self.names.len() as u32;
        self.names.push(name.to_owned());
        self.places.push(place);
        self.index.insert(name.to_owned(), tag);
        tag
    }

    /// Takes labels for integers that a format without types spells as strings, if all of them are integers.
    pub(crate) fn read_spelled_integers(&mut self) {
        let is_integer = |name: &String| name.parse::<i64>().is_ok_and(|value| value.to_string() == *name);
        if self.kind == Some(TagKind::Strings) && self.labels().all(is_integer) {
            self.kind = Some(TagKind::Integers);
        }
    }

    /// Returns the names, without that of words that have no label.
    fn labels(&self) -> impl Iterator<Item = &String> {
        self.names.iter().filter(|name| *name != unlabeled::TAG)
    }

    /// Returns whether no label was met and none was named.
    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Returns whether every label is `name`.
    pub(crate) fn has_only(&self, name: &str) -> bool {
        matches!(self.names.as_slice(), [only] if only == name)
    }

    /// Returns labels that are not tags among tags of a scheme: slips, such as `0` for `O`. Each has the place where it
    /// was met first.
    pub(crate) fn strays(&self) -> Vec<(u32, &str)> {
        if self.kind != Some(TagKind::Strings)
            || LabelKind::of(&self.labels().collect::<Vec<_>>(), Style::Prefix) != LabelKind::Tags
        {
            return Vec::new();
        }
        let tags = (0..).zip(self.names.iter().zip(&self.places));
        tags.filter(|(_, (name, _))| *name != unlabeled::TAG && is_stray(name, Style::Prefix))
            .map(|(tag, (_, place))| (tag, &**place))
            .collect()
    }

    /// Refuses what WebAnno writes as labels, at the first of them.
    ///
    /// # Errors
    /// A label such as `PER[1]`; in a file that says that it is WebAnno's, its marks `_` and `*` too.
    pub(crate) fn refuse_webanno(&self) -> Result<(), Error> {
        let found = match self.is_webanno {
            true => annotation_tools::label_of_webanno(&self.names),
            false => annotation_tools::numbered_label(&self.names),
        };
        let found = found.filter(|_| self.kind == Some(TagKind::Strings));
        found.map_or(Ok(()), |tag| Err(annotation_tools::of_webanno(self.places[tag].as_str(), &self.names[tag])))
    }

    /// Returns the name of a tag.
    pub(crate) fn name(&self, tag: u32) -> &str {
        &self.names[tag as usize]
    }

    /// Returns the names and how the data wrote them.
    pub(crate) fn into_parts(self) -> (Vec<String>, TagKind) {
        (self.names, self.kind.unwrap_or(TagKind::Absent))
    }
}
