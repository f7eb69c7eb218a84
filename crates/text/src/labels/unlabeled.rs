//! Words without a label among words that have one: tagged `?`.

use crate::sentence::Split;
use tagsmith_message::Note;

/// The tag of a word whose label nobody knows. Readers give it to words tagged `-100` too.
pub const TAG: &str = "?";

/// What else says that a word has no label: the number that PyTorch's losses leave out.
const NUMBER: i64 = -100;

/// Returns whether a tag, as a file writes it, says that its word has no label.
pub fn is_written(tag: &str) -> bool {
    tag == TAG || tag.parse() == Ok(NUMBER)
}

/// Returns whether an integer says that its word has no label.
pub fn is_number(tag: i64) -> bool {
    tag == NUMBER
}

/// Returns the note about words of a split that have no label, if there are such.
///
/// # Errors
/// A file of sentences cannot be read.
pub fn of(split: &Split) -> Result<Option<Note>, tagsmith_files::Error> {
    let Some(tag) = split.tag_names.iter().position(|name| name == TAG) else { return Ok(None) };
    let mut note =
        Note::naming("{word is|words are} tagged `{}`: {it is|they are} neither learned nor scored", &[&TAG])
            .important();
    split.sentences.for_each(|sentence| {
        for word in 0..sentence.tags.len() {
            if sentence.tags[word] as usize == tag {
                note.add(|| format!("{}:{}: word {}", split.source, sentence.line, word + 1));
            }
        }
        true
    })?;
    Ok((note.count > 0).then_some(note))
}

/// Returns a note that counts words which scores leave out: see [`known`].
pub fn left_out() -> Note {
    Note::new("{word has|words have} no gold label and {is|are} left out on both sides").important()
}

/// Returns the words of a sentence that have a gold label, and counts the others in `note`. The words that remain become
/// neighbors, as in run_ner.py, which drops what is labeled -100 before it scores.
pub fn known(gold: &[String], note: &mut Note, place: impl Fn(usize) -> String) -> Vec<usize> {
    let mut is_known = |word: &usize| {
        let unknown = is_written(&gold[*word]);
        if unknown {
            note.add(|| place(*word));
        }
        !unknown
    };
    (0..gold.len()).filter(|word| is_known(word)).collect()
}
