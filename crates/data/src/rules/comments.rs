//! What is a comment in formats with a word a line.

/// What a line is, as far as `#` decides it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineKind {
    /// A comment, whatever the columns of the data are.
    Comment,
    /// A comment or a word: the columns of the data, which are not known yet, decide it.
    CommentOrWord,
    /// A word that looks like a comment, but has the columns of the data.
    WordWithHash,
    /// Anything but a comment.
    Data,
}

/// The columns of a file, as its first line of data shows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// The number of columns.
    pub(crate) width: usize,
    /// Whether tabs part them.
    pub(crate) tabs: bool,
}

/// Tells what a line of a column file is. It has `cells` columns; `shape` is that of the data, where it is known.
///
/// A line that reads `# key = …` is a comment. Another line that begins with `# ` is one if it has other columns than
/// the data.
pub(crate) fn kind_of(line: &str, cells: usize, shape: Option<Shape>) -> LineKind {
    if is_key_value(line) {
        return LineKind::Comment;
    }
    if !begins_with_hash(line) {
        return LineKind::Data;
    }
    match shape {
        None => LineKind::CommentOrWord,
        Some(shape) if cells != shape.width || shape.tabs && !line.contains('\t') => LineKind::Comment,
        Some(_) => LineKind::WordWithHash,
    }
}

/// Returns whether a line of CoNLL-U is a comment. Its words begin with a number, so no word looks like one.
pub(crate) fn is_conllu_comment(line: &str) -> bool {
    line.starts_with('#')
}

fn begins_with_hash(line: &str) -> bool {
    line.starts_with("# ") || line == "#"
}

/// Returns whether a line reads `# text = …`, whatever its columns: tabs inside a comment's text would make it look
/// like data.
fn is_key_value(line: &str) -> bool {
    let Some((key, _)) = line.strip_prefix("# ").and_then(|rest| rest.split_once(" =")) else { return false };
    // `newdoc id` is such a key.
    !key.is_empty() && key.chars().all(|char| char.is_alphanumeric() || matches!(char, '_' | '-' | ':' | '.' | ' '))
}
