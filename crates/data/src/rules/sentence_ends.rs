//! What ends a sentence in formats with a word a line.

/// Returns whether a line is blank: nothing but white space and byte-order marks.
pub(crate) fn is_blank(line: &str) -> bool {
    line.chars().all(|char| char.is_whitespace() || char == '\u{FEFF}')
}

/// Returns whether the first cell of a line marks the start of a document, as CoNLL-2003 has it. Such a line is not a
/// word, and ends the sentence before it.
pub(crate) fn is_document_start(first_cell: &str) -> bool {
    first_cell == "-DOCSTART-"
}
