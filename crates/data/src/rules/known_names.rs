//! Names that say what a column holds: words, labels, the number of a sentence, an index.

/// Names of columns of words, the surest first.
const WORDS: [&str; 6] = ["tokens", "words", "token", "word", "form", "text"];

/// Names of columns with one word a row.
const ONE_WORD: [&str; 3] = ["token", "word", "form"];

/// Names of columns of labels of any task.
const LABELS: [&str; 4] = ["labels", "label", "tags", "tag"];

/// Names of columns that a header may have beside the words.
const BESIDE: [&str; 14] = [
    "ner",
    "nertag",
    "nertags",
    "pos",
    "postag",
    "postags",
    "upos",
    "xpos",
    "chunk",
    "chunktag",
    "chunktags",
    "lemma",
    "misc",
    "class",
];

/// Names of columns that tell which sentence a word belongs to.
const SENTENCES: [&str; 12] = [
    "sentence#",
    "sent#",
    "sentenceid",
    "sentid",
    "sentenceidx",
    "sentidx",
    "sentenceindex",
    "sentenceno",
    "sentencenr",
    "sentencenum",
    "sentencenumber",
    "sid",
];

/// Names that pandas gives to an index.
const INDICES: [&str; 3] = ["", "index", "unnamed0"];

/// Returns a name without case, spaces, dashes and underscores.
fn plain(name: &str) -> String {
    name.chars().filter(|char| char.is_alphanumeric() || *char == '#').flat_map(char::to_lowercase).collect()
}

/// Returns how surely a column of this name holds words: 0 is the surest.
pub(crate) fn rank_as_words(name: &str) -> Option<usize> {
    let name = plain(name);
    WORDS.iter().position(|known| *known == name)
}

/// Returns how surely a column of this name holds the labels of a task: 0 is the surest.
pub(crate) fn rank_as_labels(name: &str, task: &str) -> Option<usize> {
    let (name, task) = (plain(name), plain(task));
    let of_task = ["tags", "", "tag", "labels", "label"];
    let rank = of_task.iter().position(|end| name.strip_prefix(&*task) == Some(*end));
    rank.or_else(|| Some(of_task.len() + LABELS.iter().position(|known| *known == name)?))
}

/// Returns whether a column of this name holds one word a row.
pub(crate) fn is_one_word(name: &str) -> bool {
    ONE_WORD.contains(&&*plain(name))
}

/// Returns whether a column of this name tells which sentence a row belongs to.
pub(crate) fn is_sentence(name: &str) -> bool {
    SENTENCES.contains(&&*plain(name))
}

/// Returns whether a column of this name counts the rows.
pub(crate) fn is_index(name: &str) -> bool {
    INDICES.contains(&&*plain(name))
}

/// Returns whether a column of this name holds labels, or something else that stands beside words.
pub(crate) fn is_beside_words(name: &str, task: &str) -> bool {
    rank_as_labels(name, task).is_some() || BESIDE.contains(&&*plain(name))
}
