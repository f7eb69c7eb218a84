//! Findings about data before anybody learns from it: what cannot be meant, and what often is not.

mod boundaries;
mod checked;
mod classes;
mod corpus;
mod drift;
mod duplicates;
mod finding;
mod fix;
mod hidden;
mod lengths;
mod letters;
mod mentions;
mod model;
mod near;
mod page;
mod shown;
mod tags;

use crate::error::refusal;
use crate::events::{Events, Progress};
use crate::predict::tagger::located;
use anyhow::Result;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tagsmith_data::format::label_list;
use tagsmith_hub::Hub;
use tagsmith_message::{Remedy, Setting};
use tagsmith_text::sentence::Split;

pub use checked::{Checked, Checking};
pub use classes::Class;
use corpus::{Corpus, File};
pub use finding::{Finding, Findings, Kind, Severity};
pub use mentions::Seen;

/// A request to check data.
#[derive(Clone, Debug, Default)]
pub struct CheckRequest {
    /// The files to learn from.
    pub files: Vec<String>,
    /// The files that a model is measured on.
    pub against: Vec<String>,
    /// The folder or name of a model that is to read the data.
    pub model: Option<String>,
    /// A file that lists the labels there may be.
    pub labels: Option<String>,
    /// The file to write with what can be mended without a choice.
    pub fixed: Option<PathBuf>,
    /// Threads that cut words into pieces.
    pub threads: usize,
}

/// Checks data as `request` asks.
///
/// # Errors
/// Files that cannot be read or written; a model that is not there.
pub fn check(request: &CheckRequest, hub: &Hub, events: &mut dyn Events) -> Result<Checked> {
    if request.fixed.is_some() && request.files.len() != 1 {
        let message = "one file is mended at a time, and several are named";
        return Err(refusal(message, Remedy::Unset(Setting::Fix)));
    }
    let mut files = Vec::new();
    let named = request.files.iter().map(|path| (path, false)).chain(request.against.iter().map(|path| (path, true)));
    for (path, is_other) in named {
        files.push(File::read(path, is_other)?);
    }
    let corpus = Corpus { files };
    let listed = request.labels.as_ref().map(|path| label_list::read(Path::new(path))).transpose()?;
    let mut checked = of_corpus(&corpus, listed.as_ref().map(|list| list.names()), true, events)?;
    if let Some(model) = &request.model {
        let (folder, notes) = located(model, None, hub)?;
        checked.notes.extend(notes);
        let (found, longest) = model::findings(&corpus, &folder, request.threads)?;
        checked.longest = Some(longest);
        checked.take(found);
    }
    if let Some(path) = &request.fixed {
        checked.fixed = Some(fix::write(&corpus.files[0], path)?);
    }
    Ok(checked)
}

/// Checks the splits of a training: `learned`, and those that the model is measured on. Sentences that are nearly the same are not looked
/// for, which takes longest.
///
/// # Errors
/// A file of sentences cannot be read.
pub fn check_splits<'s>(
    learned: &Split,
    others: impl IntoIterator<Item = &'s Split>,
    events: &mut dyn Events,
) -> Result<Checked> {
    let others = others.into_iter().map(|split| File::new(split.clone(), true));
    let files = std::iter::once(File::new(learned.clone(), false)).chain(others).collect();
    of_corpus(&Corpus { files }, None, false, events)
}

/// Makes all checks that need no model.
fn of_corpus(corpus: &Corpus, listed: Option<&[String]>, looks_near: bool, events: &mut dyn Events) -> Result<Checked> {
    let all: u64 = corpus.files.iter().map(|file| file.split.sentences.len() as u64).sum();
    let mut letters = letters::Letters::default();
    let mut classes = classes::Classes::default();
    let mut duplicates = duplicates::Duplicates::default();
    let mut near = near::Near::default();
    let mut mentions = mentions::Mentions::default();
    let mut lengths = lengths::EntityLengths::default();
    let mut drift = drift::Drift::default();
    let has_other = corpus.files.iter().any(|file| file.is_other);
    let mut done = 0;
    corpus.for_each(|sight| {
        letters.see(sight);
        classes.see(sight);
        if duplicates.see(sight) && looks_near {
            near.see(sight);
        }
        mentions.see(sight);
        lengths.see(sight);
        if has_other {
            drift.see(sight);
        }
        done += 1;
        if done % 4096 == 0 {
            events.progress(Progress { work: "check", done, of: Some(all), unit: "sentences" });
        }
    })?;
    events.progress(Progress { work: "check", done: all, of: Some(all), unit: "sentences" });
    let mut drift = drift.judged();
    let mut long = lengths::LongEntities::new(&lengths);
    let mut boundaries = boundaries::Boundaries::new(&mentions);
    corpus.for_each(|sight| {
        drift.see(sight);
        long.see(sight);
        boundaries.see(sight);
    })?;
    let boundaries = boundaries.finish();
    let files = corpus.files.iter().map(|file| {
        let (source, sentences) = (file.split.source.clone(), file.split.sentences.len());
        Ok(Checking { source, is_other: file.is_other, sentences, words: file.split.sentences.count_words()? })
    });
    let mut checked = Checked {
        files: files.collect::<Result<_>>()?,
        findings: Vec::new(),
        classes: classes.finish(),
        seen: if has_other { mentions.seen() } else { BTreeMap::new() },
        longest: None,
        notes: corpus.files.iter().flat_map(|file| file.split.notes.clone()).collect(),
        fixed: None,
    };
    checked.take([tags::illegal(corpus)?, tags::unknown(corpus, listed)?, boundaries, drift.finish()]);
    checked.take(letters.finish());
    checked.take(duplicates.finish(corpus)?);
    checked.take(near.finish(corpus)?);
    checked.take(mentions.finish(corpus)?);
    checked.take(long.finish());
    Ok(checked)
}
