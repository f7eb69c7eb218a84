//! Several files' splits become one.

use crate::error::Error;
use crate::format::Format;
use crate::read_options::ReadOptions;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use tagsmith_message::{Note, Remedy, Setting};
use tagsmith_text::labels::unlabeled;
use tagsmith_text::sentence::{Split, TagKind};

/// The one split that files, or folders with a saved data set, become one after another.
pub(crate) struct Merger<'o> {
    options: &'o ReadOptions,
    merged: Option<(Format, Split)>,
    sources: Vec<String>,
    index: HashMap<String, u32>,
}

impl<'o> Merger<'o> {
    pub(crate) fn new(options: &'o ReadOptions) -> Self {
        Merger { options, merged: None, sources: Vec::new(), index: HashMap::new() }
    }

    /// Appends `next`'s sentences; its labels must be of the same kind and its columns the same.
    pub(crate) fn add(&mut self, path: &Path, format: Format, next: Split) -> Result<(), Error> {
        self.sources.push(next.source.clone());
        let Some((first_format, merged)) = &mut self.merged else {
            self.index = next.tag_names.iter().cloned().zip(0..).collect();
            self.merged = Some((format, next));
            return Ok(());
        };
        let refuse = |what: String| {
            Error::path(path.display(), format!("{what}: {} and this file cannot be one split", self.sources[0]))
        };
        let named = self.options.text_column.is_some() && self.options.label_column.is_some();
        let columns = |split: &Split| (split.columns.text.clone(), split.columns.label.clone());
        if !named && columns(merged) != columns(&next) {
            let shown = |split: &Split| {
                format!("`{}` and `{}`", split.columns.text, split.columns.label.as_deref().unwrap_or("none"))
            };
            let columns = Remedy::Set(vec![Setting::TextColumn, Setting::LabelColumn]).so_as("to name the columns");
            return Err(refuse(format!(
                "it is {format} with words and labels in {}, the files before are {first_format} with {}",
                shown(&next),
                shown(merged)
            ))
            .with_remedy(Remedy::AnyOf(vec![columns, Remedy::to_do("pass fewer files")])));
        }
        if merged.tag_kind == TagKind::Absent || next.tag_kind == TagKind::Absent {
            // A file whose sentences are all empty says nothing about labels.
            if merged.tag_kind == TagKind::Absent {
                merged.tag_kind = next.tag_kind;
            }
        } else if merged.tag_kind != next.tag_kind {
            return Err(refuse(format!(
                "its labels are {}, those before are {} (write all of them one way)",
                kind(next.tag_kind),
                kind(merged.tag_kind)
            )));
        } else if next.tag_kind == TagKind::ClassLabel && labels(merged).ne(labels(&next)) {
            return Err(refuse(
                "its labels have other names, or the same in another order (save the files with the same features)"
                    .into(),
            ));
        }
        let tags: Vec<u32> =
            next.tag_names.into_iter().map(|name| intern(&mut self.index, &mut merged.tag_names, name)).collect();
        for block in next.sentences.blocks() {
            for mut sentence in block? {
                sentence.tags.iter_mut().for_each(|tag| *tag = tags[*tag as usize]);
                merged.sentences.push(&sentence)?;
            }
        }
        add_notes(&mut merged.notes, next.notes);
        for column in next.columns.all {
            if !merged.columns.all.contains(&column) {
                merged.columns.all.push(column);
            }
        }
        Ok(())
    }

    /// Returns the one split, if anything was added.
    pub(crate) fn finish(self) -> Option<Split> {
        let (_, mut split) = self.merged?;
        split.source = match self.sources.as_slice() {
            [first, .., last] if self.sources.len() > 3 => {
                format!("{first}, …, {last} ({} files)", self.sources.len())
            }
            sources => sources.join(", "),
        };
        Some(split)
    }
}

/// Returns the names of a split's tags, without that of words that have no label.
fn labels(split: &Split) -> impl Iterator<Item = &String> {
    split.tag_names.iter().filter(|name| *name != unlabeled::TAG)
}

fn intern(index: &mut HashMap<String, u32>, names: &mut Vec<String>, name: String) -> u32 {
    *index.entry(name.clone()).or_insert_with(|| {
        names.push(name);
        names.len() as u32 - 1
    })
}

fn kind(kind: TagKind) -> &'static str {
    match kind {
        TagKind::Absent => "absent",
        TagKind::Strings => "strings",
        TagKind::ClassLabel => "integers with names",
        TagKind::Integers => "integers without names",
    }
}

/// Appends notes; those that say the same count together.
fn add_notes(notes: &mut Vec<Note>, more: Vec<Note>) {
    for note in more {
        match notes.iter_mut().find(|earlier| earlier.what == note.what) {
            Some(earlier) => earlier.absorb(note),
            None => notes.push(note),
        }
    }
}

pub(super) fn insert(
    splits: &mut BTreeMap<String, Split>,
    name: String,
    split: Split,
    folder: &Path,
) -> Result<(), Error> {
    let refused = format!("two splits would be `{name}`: rename one");
    match splits.insert(name, split) {
        None => Ok(()),
        Some(_) => Err(Error::path(folder.display(), refused)),
    }
}
