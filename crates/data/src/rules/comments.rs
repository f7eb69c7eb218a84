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

/// The columns of a file, as most of its first lines show them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// The number of columns.
    pub(crate) width: usize,
    /// Whether tabs part them.
    pub(crate) tabs: bool,
    /// Whether some lines leave the last column out.
    pub(crate) leaves_out: bool,
}

/// Tells what a line of a column file is. It has `cells` columns; `shape` is that of the data, where it is known.
/// `begins` says that no word of its sentence stands before it.
///
/// A line that reads `# key = …` is a comment, and so is `#Key=…` before a sentence (WebAnno). Another line that begins
/// with `#` is one if it has other columns than the data.
pub(crate) fn kind_of(line: &str, cells: usize, shape: Option<Shape>, begins: bool) -> LineKind {
    if !line.starts_with('#') {
        return LineKind::Data;
    }
    if is_key_value(line) || begins && is_short_key_value(line) {
        return LineKind::Comment;
    }
    let Some(shape) = shape else { return LineKind::CommentOrWord };
    let is_hash_alone = line == "#" || line.starts_with("# ");
    let has_no_label = shape.leaves_out && cells + 1 == shape.width && !is_hash_alone;
    if !has_no_label && (cells != shape.width || shape.tabs && !line.contains('\t')) {
        LineKind::Comment
    } else if is_hash_alone {
        LineKind::WordWithHash
    } else {
        LineKind::Data
    }
}

/// Returns whether a line may be a word such as `#EU`, where no other line shows the columns of the data.
pub(crate) fn is_hash_word(line: &str) -> bool {
    line.starts_with('#') && line.len() > 1 && !line.starts_with("# ") && !is_short_key_value(line)
}

/// Returns whether a line of CoNLL-U is a comment. Its words begin with a number, so no word looks like one.
pub(crate) fn is_conllu_comment(line: &str) -> bool {
    line.starts_with('#')
}

/// Returns whether a line reads `# text = …`, whatever its columns: tabs inside a comment's text would make it look
/// like data.
fn is_key_value(line: &str) -> bool {
    let Some((key, _)) = line.strip_prefix("# ").and_then(|rest| rest.split_once(" =")) else { return false };
    // `newdoc id` is such a key.
    !key.is_empty() && key.chars().all(|char| char.is_alphanumeric() || matches!(char, '_' | '-' | ':' | '.' | ' '))
}

/// Returns whether a line reads `#Text=…`, as WebAnno writes it.
fn is_short_key_value(line: &str) -> bool {
    let Some((key, _)) = line.strip_prefix('#').and_then(|rest| rest.split_once('=')) else { return false };
    key.len() > 1
        && key.starts_with(|char: char| char.is_alphabetic())
        && key.chars().all(|char| char.is_alphanumeric() || matches!(char, '_' | '-' | '.'))
}
