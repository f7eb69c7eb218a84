//! The labels of a data set, from its splits.

use crate::labels::LabelSet;
use crate::labels::error::{Error, place, shown};
use crate::labels::unlabeled;
use crate::sentence::{Split, TagKind};
use std::collections::{BTreeMap, HashSet};
use tagsmith_message::Note;

/// The largest integer that can be a label without a name: a column of other numbers must not size a head.
const INTEGER_LABEL_MAX: u32 = 9_999;

impl LabelSet {
    /// Returns the labels of all splits of a data set but [`unlabeled::TAG`], those of `train` (where there is one) first.
    ///
    /// `ClassLabel` names keep their order; strings are sorted by code point, as Python sorts them. Integers without
    /// names are named by their decimals and keep their values as ids. Notes tell labels that `train` lacks, and
    /// integers.
    ///
    /// # Errors
    /// No label; splits that write their labels differently; a label that is empty or too large an integer.
    pub fn infer(train: Option<&Split>, others: &[&Split]) -> Result<(Self, Vec<Note>), Error> {
        let splits: Vec<&Split> =
            train.into_iter().chain(others.iter().copied()).filter(|split| split.tag_kind != TagKind::Absent).collect();
        let kind = one_kind(&splits)?;
        let used = Used::in_splits(train, &splits)?;
        let mut notes = Vec::new();
        let names = match kind {
            TagKind::Absent => return Err(Error::NoLabels),
            TagKind::Strings => used.first_places.keys().map(|name| (*name).into()).collect(),
            TagKind::ClassLabel => class_names(&splits, &used),
            TagKind::Integers => integer_names(&used, &mut notes)?,
        };
        notes.extend(train.filter(|train| train.tag_kind != TagKind::Absent).and_then(|_| used.lacking_in_train()));
        Ok((LabelSet::new(names)?, notes))
    }
}

/// The labels that the words of some splits have, each with its first place.
struct Used<'a> {
    /// The first place of each label, by name in code point order.
    first_places: BTreeMap<&'a str, Place<'a>>,
}

/// The place of the first word with a label: its split, its sentence's line, and whether the split is train.
struct Place<'a> {
    split: &'a Split,
    line: u64,
    in_train: bool,
}

impl<'a> Used<'a> {
    fn in_splits(train: Option<&'a Split>, splits: &[&'a Split]) -> Result<Self, Error> {
        let mut first_places = BTreeMap::new();
        for split in splits {
            let in_train = train.is_some_and(|train| std::ptr::eq(train, *split));
            let (mut seen, mut unseen) = (vec![false; split.tag_names.len()], split.tag_names.len());
            split.sentences.for_each(|sentence| {
                for tag in &sentence.tags {
                    let tag = *tag as usize;
                    if !std::mem::replace(&mut seen[tag], true) {
                        unseen -= 1;
                        let name = split.tag_names[tag].as_str();
                        if name == unlabeled::TAG {
                            continue;
                        }
                        first_places.entry(name).or_insert(Place { split, line: sentence.line, in_train });
                    }
                }
                unseen > 0
            })?;
        }
        Ok(Used { first_places })
    }

    fn error(&self, label: &str, problem: impl Into<String>) -> Error {
        let Place { split, line, .. } = self.first_places[label];
        Error::Label { place: place(split, line), label: label.into(), problem: problem.into() }
    }

    fn lacking_in_train(&self) -> Option<Note> {
        let lacking: Vec<_> = self.first_places.iter().filter(|(_, place)| !place.in_train).collect();
        let names: Vec<String> = lacking.iter().map(|(name, _)| (**name).into()).collect();
        let what = "{label occurs|labels occur}, but not in the training data, so {it is not|none is} learned: {}";
        let mut note = Note::naming(what, &[&shown(&names)]).important();
        for (_, at) in &lacking {
            note.add(|| place(at.split, at.line));
        }
        (note.count > 0).then_some(note)
    }
}

/// Returns how all splits write their labels. An unnamed integer cannot be compared with a name.
fn one_kind(splits: &[&Split]) -> Result<TagKind, Error> {
    let Some(first) = splits.first() else { return Ok(TagKind::Absent) };
    let is_integer = |split: &Split| split.tag_kind == TagKind::Integers;
    if let Some(second) = splits.iter().find(|split| is_integer(split) != is_integer(first)) {
        return Err(Error::Kinds {
            first: first.source.clone(),
            first_kind: spelling(first.tag_kind),
            second: second.source.clone(),
            second_kind: spelling(second.tag_kind),
        });
    }
    let named = splits.iter().find(|split| split.tag_kind == TagKind::ClassLabel);
    Ok(named.unwrap_or(first).tag_kind)
}

fn spelling(kind: TagKind) -> &'static str {
    match kind {
        TagKind::Absent => "nothing",
        TagKind::Strings => "strings",
        TagKind::ClassLabel => "integers with names",
        TagKind::Integers => "integers without names",
    }
}

/// Returns the names of the first split that has them, then the names that only other splits use.
fn class_names(splits: &[&Split], used: &Used) -> Vec<String> {
    let named = splits.iter().find(|split| split.tag_kind == TagKind::ClassLabel);
    let mut names = named.map(|split| split.tag_names.clone()).unwrap_or_default();
    names.retain(|name| name != unlabeled::TAG);
    let known: HashSet<&str> = names.iter().map(String::as_str).collect();
    let more: Vec<String> =
        used.first_places.keys().filter(|name| !known.contains(*name)).map(|name| (*name).into()).collect();
    names.extend(more);
    names
}

/// Returns `0`, `1`, … up to the largest integer in use.
fn integer_names(used: &Used, notes: &mut Vec<Note>) -> Result<Vec<String>, Error> {
    let mut values = Vec::new();
    for name in used.first_places.keys() {
        let value = name.parse().ok().filter(|value| *value <= INTEGER_LABEL_MAX);
        let problem =
            || format!("is not a label id: without names, integers from 0 to {INTEGER_LABEL_MAX} are accepted");
        values.push(value.ok_or_else(|| used.error(name, problem()))?);
    }
    values.sort_unstable();
    let Some(max) = values.last().copied() else { return Err(Error::NoLabels) };
    let mut note = format!("the labels are integers without names, so their names are `0` to `{max}`");
    let missing: Vec<String> =
        (0..=max).filter(|value| values.binary_search(value).is_err()).map(|value| value.to_string()).collect();
    if !missing.is_empty() {
        note.push_str(&format!(", though no word has {}", shown(&missing)));
    }
    notes.push(Note::once(note));
    Ok((0..=max).map(|value| value.to_string()).collect())
}
