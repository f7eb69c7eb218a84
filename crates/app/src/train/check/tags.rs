//! Tags that do not follow their scheme, and labels that nobody learns.

use super::corpus::{Corpus, File, finding};
use super::finding::{Findings, Kind};
use anyhow::Result;
use std::collections::BTreeSet;
use tagsmith_text::labels::slips;

/// Returns tags that do not follow the scheme that most tags of their file follow.
///
/// # Errors
/// A file of sentences cannot be read.
pub fn illegal(corpus: &Corpus) -> Result<Findings> {
    let mut findings = Findings::new(Kind::IllegalTag);
    for file in &corpus.files {
        slips::each(&file.split, |sentence, word, before| {
            let label = file.label(sentence, word).unwrap_or("the end");
            let word = word.min(sentence.words.len().saturating_sub(1));
            findings.add(|| finding(file, sentence, word..word + 1, format!("`{label}` after {before}")));
        })?;
    }
    Ok(findings)
}

/// Returns words whose label is not in the list, or not in the data to learn from where there is no list.
///
/// # Errors
/// A file of sentences cannot be read.
pub fn unknown(corpus: &Corpus, listed: Option<&[String]>) -> Result<Findings> {
    let learned = || corpus.files.iter().filter(|file| !file.is_other).flat_map(|file| &file.split.tag_names);
    let known: BTreeSet<&str> = match listed {
        Some(list) => list.iter().map(String::as_str).collect(),
        None => learned().map(String::as_str).collect(),
    };
    let mut findings = Findings::new(Kind::UnknownLabel);
    let asked = |file: &&File| listed.is_some() || file.is_other && !known.is_empty();
    for file in corpus.files.iter().filter(asked) {
        let foreign: Vec<bool> = file.split.tag_names.iter().map(|name| !known.contains(name.as_str())).collect();
        if !foreign.contains(&true) {
            continue;
        }
        file.split.sentences.for_each(|sentence| {
            for (at, &tag) in sentence.tags.iter().enumerate().filter(|(_, tag)| foreign[**tag as usize]) {
                let what = format!("`{}`", file.split.tag_names[tag as usize]);
                findings.add(|| finding(file, &sentence, at..at + 1, what));
            }
            true
        })?;
    }
    Ok(findings)
}
