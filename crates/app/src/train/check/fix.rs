//! What can be mended without a choice: white space, letters that nobody sees, and tags that do not follow their scheme.
//!
//! Entities stay what they are. A tag that begins an entity with the wrong letter gets the letter that the scheme has there.

use super::corpus::File;
use super::hidden::is_hidden;
use crate::error::refusal;
use anyhow::Result;
use std::collections::BTreeMap;
use std::path::Path;
use tagsmith_files::atomic_write;
use tagsmith_message::{Note, Remedy, Setting, counted};
use tagsmith_text::labels::scheme::{Scheme, Style, Tag, UNTYPED};
use tagsmith_text::sentence::TagKind;

/// Writes the sentences of a file as columns, a word and its label a line. Returns what was mended.
///
/// # Errors
/// A file without labels; a file that is there already, or that cannot be written.
pub fn write(file: &File, path: &Path) -> Result<Note> {
    if path.exists() {
        let message = format!("{}: there is a file already, and none is written over", path.display());
        return Err(refusal(message, Remedy::set(Setting::Output)));
    }
    if file.split.tag_kind == TagKind::Absent {
        let message = format!("{}: there are no labels", file.split.source);
        return Err(refusal(message, Remedy::Unset(Setting::Fix)));
    }
    let scheme = scheme(file)?;
    let (mut text, mut words, mut tags, mut dropped) = (String::new(), 0u64, 0u64, 0u64);
    file.split.sentences.for_each(|sentence| {
        let labels: Vec<&str> = (0..sentence.words.len()).filter_map(|at| file.label(&sentence, at)).collect();
        let mended = scheme.and_then(|scheme| scheme.tags(&file.spans(&sentence), labels.len(), Style::Prefix).ok());
        for (at, word) in sentence.words.iter().enumerate() {
            let clean: String = word.chars().filter(|&letter| !is_hidden(letter)).collect();
            let clean = clean.split_whitespace().collect::<Vec<_>>().join(" ");
            if clean.is_empty() {
                dropped += 1;
                continue;
            }
            words += u64::from(clean != *word);
            let label = mended.as_ref().map_or(labels[at], |tags| tags[at].as_str());
            tags += u64::from(label != labels[at]);
            // A blank inside a word would part it where columns are read.
            text += &format!("{}\t{label}\n", clean.replace(' ', "\u{A0}"));
        }
        text.push('\n');
        true
    })?;
    atomic_write::write(path, text.as_bytes())?;
    let [words, tags, dropped] =
        [(words, "word"), (tags, "label"), (dropped, "empty word")].map(|(n, noun)| counted(n as usize, noun));
    let said = format!("{}: mended: {words}, {tags}; left out: {dropped}", path.display());
    Ok(Note::once(said))
}

/// Returns the scheme that the tags of a file follow but for some. It is that of its letters, or IOB2 or IOB1 by how most
/// entities begin.
fn scheme(file: &File) -> Result<Option<Scheme>> {
    let tags: Vec<Option<Tag<&str>>> = file
        .split
        .tag_names
        .iter()
        .map(|name| Tag::of_any_scheme(name, Style::Prefix).filter(|tag| tag.kind != UNTYPED))
        .collect();
    // A label that is not a tag would be lost.
    let is_outside = |name: &String| name == "O";
    if file.split.tag_names.iter().zip(&tags).any(|(name, tag)| tag.is_none() && !is_outside(name)) {
        return Ok(None);
    }
    let has = |letter: char| tags.iter().flatten().any(|tag| tag.letter == letter);
    let of_letters = [('U', Scheme::Bilou), ('L', Scheme::Bilou), ('M', Scheme::Bmes)];
    if let Some((_, scheme)) = of_letters.into_iter().find(|(letter, _)| has(*letter)) {
        return Ok(Some(scheme));
    }
    if has('S') || has('E') {
        return Ok((has('B')).then_some(Scheme::Iobes));
    }
    if !has('B') {
        return Ok(None);
    }
    let mut begins: BTreeMap<char, u64> = BTreeMap::new();
    file.split.sentences.for_each(|sentence| {
        for span in file.spans(&sentence) {
            let letter = tags[sentence.tags[span.start] as usize].map_or('O', |tag| tag.letter);
            *begins.entry(letter).or_default() += 1;
        }
        true
    })?;
    let count = |letter| begins.get(&letter).copied().unwrap_or_default();
    Ok(Some(if count('B') >= count('I') { Scheme::Iob2 } else { Scheme::Iob1 }))
}
