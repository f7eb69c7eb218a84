//! Which column holds the words and which the labels.

use crate::error::Error;
use crate::split_builder::ReadOptions;
use tagsmith_message::Note;
use tagsmith_message::{quote, quote_all};
use tagsmith_text::sentence::Columns;

/// Longest name for which a slip is looked for.
const NAME_BYTES_MAX: usize = 200;

/// What a column's cells are, as far as the format says (by its types, or by its first row).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cells {
    /// Lists of strings.
    Strings,
    /// Lists of integers.
    Integers,
    /// An empty list: of what, the first row does not say.
    EmptyList,
    /// Text that a format without lists may mean as one.
    Text,
    /// Something else, in words: `a string`.
    Other(&'static str),
}

impl Cells {
    fn is_list(self) -> bool {
        matches!(self, Cells::Strings | Cells::Integers | Cells::EmptyList)
    }

    fn may_be_words(self) -> bool {
        matches!(self, Cells::Strings | Cells::EmptyList | Cells::Text)
    }
}

/// The columns taken: positions in the list that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) text: usize,
    pub(crate) label: usize,
}

impl Choice {
    pub(crate) fn columns(self, offered: &[(String, Cells)]) -> Columns {
        Columns {
            text: offered[self.text].0.clone(),
            label: Some(offered[self.label].0.clone()),
            all: offered.iter().map(|(name, _)| name.clone()).collect(),
        }
    }
}

/// Text: the named column, else `tokens`, else the first. Labels: the named column, else `{task}_tags`, else the
/// second. Where a position points at something that is no list while exactly one other column could be meant,
/// that one is taken, with a note.
pub(crate) fn choose(
    place: &str,
    offered: &[(String, Cells)],
    options: &ReadOptions,
    notes: &mut Vec<Note>,
) -> Result<Choice, Error> {
    let error = |problem: String| Error::content(place, problem);
    let names = || quote_all(offered.iter().map(|(name, _)| name.as_str()));
    for (index, (name, _)) in offered.iter().enumerate() {
        if offered[..index].iter().any(|(earlier, _)| earlier == name) {
            return Err(error(format!("two columns are called {}: rename one", quote(name))));
        }
    }
    if offered.len() < 2 {
        let only = if offered.is_empty() { "no column".into() } else { format!("only the column {}", names()) };
        return Err(error(format!("there is {only}: words and labels need a column each")));
    }
    let named = |name: &str, flag: &str| {
        position(offered, name).ok_or_else(|| error(unknown(name, flag, offered.iter().map(|(name, _)| name.as_str()))))
    };
    let task_tags = format!("{}_tags", options.task);
    let named_label = match &options.label_column {
        Some(name) => Some(named(name, "--label_column_name")?),
        None => position(offered, &task_tags),
    };
    let text = match &options.text_column {
        Some(name) => named(name, "--text_column_name")?,
        None => match position(offered, "tokens") {
            Some(index) => index,
            None => default_text(offered, named_label, notes),
        },
    };
    let label = match named_label {
        Some(index) => index,
        None => default_label(offered, text, &task_tags, notes).ok_or_else(|| {
            error(format!(
                "the labels' column is not clear (there is no `{task_tags}`): name it with `--label_column_name` (columns: {})",
                names()
            ))
        })?,
    };
    if text == label {
        return Err(error(format!(
            "words and labels would both be the column {}: name the other with `--text_column_name` or `--label_column_name` (columns: {})",
            quote(&offered[text].0),
            names()
        )));
    }
    if !offered[text].1.may_be_words() {
        return Err(error(not_words(&offered[text], names())));
    }
    if let (name, Cells::Other(what)) = &offered[label] {
        return Err(error(format!(
            "the labels' column {} holds {what}, not a list of labels: write one list a sentence, or name another column with `--label_column_name` (columns: {})",
            quote(name),
            names()
        )));
    }
    Ok(Choice { text, label })
}

fn position(offered: &[(String, Cells)], name: &str) -> Option<usize> {
    offered.iter().position(|(column, _)| column == name)
}

fn default_text(offered: &[(String, Cells)], label: Option<usize>, notes: &mut Vec<Note>) -> usize {
    if offered[0].1.is_list() {
        return 0;
    }
    let words = only(offered, |index, cells| cells == Cells::Strings && Some(index) != label);
    // A lone list beside a plain text holds the labels, not the words.
    let has_labels =
        |text| label.is_some() || offered.iter().enumerate().any(|(i, (_, cells))| i != text && cells.is_list());
    match words.filter(|&text| has_labels(text)) {
        Some(index) => {
            notes.push(Note::once(format!(
                "the words are read from {}, the only column of word lists; the first column, {}, holds none",
                quote(&offered[index].0),
                quote(&offered[0].0)
            )));
            index
        }
        None => 0,
    }
}

fn default_label(offered: &[(String, Cells)], text: usize, task_tags: &str, notes: &mut Vec<Note>) -> Option<usize> {
    if text != 1 && offered[1].1.is_list() {
        return Some(1);
    }
    let Some(index) = only(offered, |index, cells| cells.is_list() && index != text) else {
        return (text != 1).then_some(1);
    };
    notes.push(Note::once(format!(
        "the labels are read from {}, the only other column of lists; there is no `{task_tags}`",
        quote(&offered[index].0)
    )));
    Some(index)
}

fn only(offered: &[(String, Cells)], fits: impl Fn(usize, Cells) -> bool) -> Option<usize> {
    let mut fitting = offered.iter().enumerate().filter(|(index, (_, cells))| fits(*index, *cells));
    match (fitting.next(), fitting.next()) {
        (Some((index, _)), None) => Some(index),
        _ => None,
    }
}

fn not_words((name, cells): &(String, Cells), names: String) -> String {
    let what = match cells {
        Cells::Other(what) => what,
        _ => "integers",
    };
    format!(
        "the words' column {} holds {what}, not a list of words: split each sentence into a list of strings, or name another column with `--text_column_name` (columns: {names})",
        quote(name)
    )
}

/// The message for a column that is not there.
pub(crate) fn unknown<'a>(name: &str, flag: &str, names: impl Iterator<Item = &'a str> + Clone) -> String {
    let meant = match closest(name, names.clone()) {
        Some(near) => format!(" Did you mean {}?", quote(near)),
        None => String::new(),
    };
    format!("there is no column {}: give `{flag}` one of {}.{meant}", quote(name), quote_all(names))
        .trim_end_matches('.')
        .to_owned()
}

/// The candidate that `name` is most likely a slip for, if any is near.
fn closest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > NAME_BYTES_MAX {
        return None;
    }
    let allowed = (name.chars().count() / 3).max(1);
    candidates
        .filter(|candidate| candidate.len() <= NAME_BYTES_MAX)
        .map(|candidate| (edits(&name.to_lowercase(), &candidate.to_lowercase()), candidate))
        .min_by_key(|&(edits, _)| edits)
        .filter(|&(edits, _)| edits <= allowed)
        .map(|(_, candidate)| candidate)
}

/// How many insertions, deletions, substitutions and swaps of neighbours lead from one to the other, no part of a
/// name being edited twice (optimal string alignment).
fn edits(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut cost = vec![vec![0; to.len() + 1]; from.len() + 1];
    for (i, row) in cost.iter_mut().enumerate() {
        row[0] = i;
    }
    cost[0] = (0..=to.len()).collect();
    for i in 1..=from.len() {
        for j in 1..=to.len() {
            let same = from[i - 1] == to[j - 1];
            let kept = cost[i - 1][j - 1] + usize::from(!same);
            cost[i][j] = kept.min(cost[i - 1][j] + 1).min(cost[i][j - 1] + 1);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                cost[i][j] = cost[i][j].min(cost[i - 2][j - 2] + 1);
            }
        }
    }
    cost[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    /// Columns are written `name:s` (strings), `:i` (integers), `:e` (empty), `:t` (text), `:o` (a string).
    fn check(columns: &str, text: Option<&str>, label: Option<&str>, want: Expect) {
        let offered: Vec<(String, Cells)> = columns
            .split_whitespace()
            .map(|column| {
                let (name, cells) = column.split_once(':').expect("name:cells");
                let cells = match cells {
                    "s" => Cells::Strings,
                    "i" => Cells::Integers,
                    "e" => Cells::EmptyList,
                    "t" => Cells::Text,
                    _ => Cells::Other("a string"),
                };
                (name.to_owned(), cells)
            })
            .collect();
        let options = ReadOptions {
            text_column: text.map(str::to_owned),
            label_column: label.map(str::to_owned),
            ..ReadOptions::default()
        };
        let mut notes = Vec::new();
        let got = match choose("f", &offered, &options, &mut notes) {
            Ok(Choice { text, label }) => {
                let notes: String = notes.iter().map(|note| format!("; {note}")).collect();
                format!("{} {}{notes}", offered[text].0, offered[label].0)
            }
            Err(error) => error.to_string(),
        };
        want.assert_eq(&got);
    }

    #[test]
    fn positions_and_names() {
        check("words:s ner:s", None, None, expect!["words ner"]);
        check("ner:s words:s", None, None, expect!["ner words"]);
        check("x:s tokens:s pos_tags:i ner_tags:i", None, None, expect!["tokens ner_tags"]);
        check("a:s b:s c:s", Some("c"), None, expect!["c b"]);
        check("a:s b:s c:s", None, Some("c"), expect!["a c"]);
        check("a:e b:e", None, None, expect!["a b"]);
        check("tokens:t ner_tags:t", None, None, expect!["tokens ner_tags"]);
        check("a:t b:t", None, None, expect!["a b"]);
    }

    #[test]
    fn an_id_in_front_is_stepped_over() {
        check(
            "id:o words:s ner_tags:s",
            None,
            None,
            expect![
                "words ner_tags; the words are read from `words`, the only column of word lists; the first column, `id`, holds none"
            ],
        );
        check(
            "id:o words:s tags:i",
            None,
            None,
            expect![
                "words tags; the words are read from `words`, the only column of word lists; the first column, `id`, holds none; the labels are read from `tags`, the only other column of lists; there is no `ner_tags`"
            ],
        );
        check(
            "id:o words:s ner:s",
            None,
            None,
            expect![
                "f: the words' column `id` holds a string, not a list of words: split each sentence into a list of strings, or name another column with `--text_column_name` (columns: `id`, `words`, `ner`)"
            ],
        );
        check(
            "id:o words:s ner:s",
            None,
            Some("ner"),
            expect![
                "words ner; the words are read from `words`, the only column of word lists; the first column, `id`, holds none"
            ],
        );
        check(
            "id:o tokens:s pos:i ner:i",
            None,
            None,
            expect![
                "f: the labels' column is not clear (there is no `ner_tags`): name it with `--label_column_name` (columns: `id`, `tokens`, `pos`, `ner`)"
            ],
        );
        check("id:t tokens:s ner_tags:s", None, None, expect!["tokens ner_tags"]);
    }

    #[test]
    fn refusals() {
        check(
            "tokens:s",
            None,
            None,
            expect!["f: there is only the column `tokens`: words and labels need a column each"],
        );
        check("", None, None, expect!["f: there is no column: words and labels need a column each"]);
        check("a:s a:s", None, None, expect!["f: two columns are called `a`: rename one"]);
        check(
            "tokens:s ner_tags:s",
            Some("token"),
            None,
            expect![
                "f: there is no column `token`: give `--text_column_name` one of `tokens`, `ner_tags`. Did you mean `tokens`?"
            ],
        );
        check(
            "tokens:s ner_tags:s",
            None,
            Some("zzz"),
            expect!["f: there is no column `zzz`: give `--label_column_name` one of `tokens`, `ner_tags`"],
        );
        check(
            "a:s b:s",
            Some("b"),
            Some("b"),
            expect![
                "f: words and labels would both be the column `b`: name the other with `--text_column_name` or `--label_column_name` (columns: `a`, `b`)"
            ],
        );
        check(
            "sentence:o ner_tags:s",
            None,
            None,
            expect![
                "f: the words' column `sentence` holds a string, not a list of words: split each sentence into a list of strings, or name another column with `--text_column_name` (columns: `sentence`, `ner_tags`)"
            ],
        );
        check(
            "tokens:i ner_tags:s",
            None,
            None,
            expect![
                "f: the words' column `tokens` holds integers, not a list of words: split each sentence into a list of strings, or name another column with `--text_column_name` (columns: `tokens`, `ner_tags`)"
            ],
        );
        check(
            "tokens:s ner_tags:o",
            None,
            None,
            expect![
                "f: the labels' column `ner_tags` holds a string, not a list of labels: write one list a sentence, or name another column with `--label_column_name` (columns: `tokens`, `ner_tags`)"
            ],
        );
    }

    #[test]
    fn a_lone_list_beside_a_text_is_not_the_words() {
        check(
            "text:o tags:s",
            None,
            None,
            expect![
                "f: the words' column `text` holds a string, not a list of words: split each sentence into a list of strings, or name another column with `--text_column_name` (columns: `text`, `tags`)"
            ],
        );
        check(
            "text:o tags:s",
            None,
            Some("tags"),
            expect![
                "f: the words' column `text` holds a string, not a list of words: split each sentence into a list of strings, or name another column with `--text_column_name` (columns: `text`, `tags`)"
            ],
        );
        check(
            "words:s scores:o",
            None,
            None,
            expect![
                "f: the labels' column `scores` holds a string, not a list of labels: write one list a sentence, or name another column with `--label_column_name` (columns: `words`, `scores`)"
            ],
        );
    }

    #[test]
    fn edit_distance() {
        // Textbook pairs.
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("saturday", "sunday"), 3);
        assert_eq!(edits("from", "form"), 1);
        assert_eq!(edits("ca", "abc"), 3);
        assert_eq!(closest("Tokens", ["ner", "tokens"].into_iter()), Some("tokens"));
        assert_eq!(closest("x", ["tokens"].into_iter()), None);
    }
}
