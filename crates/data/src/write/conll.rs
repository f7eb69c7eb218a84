//! Tagged documents as columns: a word and its label a line, a blank line after each document.

use crate::error::Error;
use tagsmith_message::{Remedy, Setting};
use tagsmith_text::tagged::Tagged;

/// Returns the lines of a document. `labels` are the labels of the words.
///
/// # Errors
/// A word holds a tab or a line break.
pub fn lines(tagged: &Tagged, labels: &[&str]) -> Result<String, Error> {
    if let Some(word) = tagged.words.iter().find(|word| word.contains(['\t', '\n', '\r'])) {
        let problem = format!("the word {word:?} holds a tab or a line break, which columns cannot");
        let remedy = Remedy::SetTo(Setting::OutputFormat, "jsonl".into());
        return Err(Error::Unwritable { problem, remedy: Box::new(remedy) });
    }
    let line = |(word, label): (&String, &&str)| format!("{word}\t{label}\n");
    Ok(tagged.words.iter().zip(labels).map(line).chain(["\n".to_owned()]).collect())
}
