//! What is an id, not a word: names of sentences, and columns that count the words.

use serde_json::Value;

/// Returns the name that a comment gives to the next sentence: `# sent_id = weblog-7`.
pub(crate) fn named_by_comment(line: &str) -> Option<&str> {
    line.strip_prefix("# sent_id =").map(str::trim).filter(|id| !id.is_empty())
}

/// Returns the id of a record: a string or a whole number.
///
/// # Errors
/// A value of another type; the error says what is wrong.
pub(crate) fn of_value(value: Option<&Value>) -> Result<Option<String>, String> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(id)) => Ok(Some(id.clone())),
        Some(Value::Number(id)) if id.is_i64() || id.is_u64() => Ok(Some(id.to_string())),
        Some(other) => Err(format!("`id` is {other}, neither a string nor a whole number: correct or remove it")),
    }
}

/// Returns whether a cell is the number of a word or a place in a text, as ids are: `3`, `1-3`, `0-4`, `2.1`.
pub(crate) fn is_number_of_word(cell: &str) -> bool {
    let mut parts = cell.split(['-', '.']);
    parts.all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Returns whether the first cell of a column begins to count words or places.
pub(crate) fn begins_to_count(cell: &str) -> bool {
    matches!(cell, "0" | "1") || cell.starts_with("0-") || cell.starts_with("1-")
}

/// Whether a column holds the numbers of the words in their sentence (1, 2, 3, …) so far: ids, not words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counter {
    only_counts: bool,
}

impl Counter {
    pub(crate) fn new() -> Counter {
        Counter { only_counts: true }
    }

    /// Looks at a cell of the column, before which its sentence has so many words.
    pub(crate) fn look(&mut self, cell: &str, words_before: usize) {
        self.only_counts = self.only_counts && cell.parse() == Ok(words_before + 1);
    }

    /// Returns whether every cell was the number of its word.
    pub(crate) fn only_counts(self) -> bool {
        self.only_counts
    }
}
