//! Which column holds the words and which the labels.

use crate::error::Error;
use crate::read_options::ReadOptions;
use crate::rules::known_names::{rank_as_labels, rank_as_words};
use std::collections::HashSet;
use tagsmith_message::Note;
use tagsmith_message::{Remedy, Setting};
use tagsmith_message::{closest, quote, quote_all};
use tagsmith_text::sentence::Columns;

/// The column of the words where none is named.
pub(crate) const TOKENS: &str = "tokens";

/// The column of spans that count words.
pub(crate) const TOKEN_SPANS: &str = "token_spans";

/// The column of running text where none is named.
pub(crate) const TEXT: &str = "text";

/// The columns of what is to be tagged where none is named, the first that a row has.
const CONTENT: [&str; 3] = [TEXT, TOKENS, "words"];

/// Returns whether a column of this name is tagged where none is named.
pub(crate) fn is_content(name: &str) -> bool {
    CONTENT.contains(&name)
}

/// Returns whether a column of this name holds lists of words, so that running text in it is an error.
pub(crate) fn is_word_list(name: &str) -> bool {
    matches!(name, TOKENS | "words")
}

/// What a column's cells are, as far as the format says (by its types, or by its first row).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cells {
    /// Lists of strings.
    Strings,
    /// Lists of integers.
    Integers,
    /// An empty list: the first row does not say of what.
    EmptyList,
    /// Text that a format without lists may mean as one.
    Text,
    /// Whole numbers in a format without types: labels perhaps, but not words.
    Numbers,
    /// Names or numbers of rows or sentences: neither words nor labels.
    Key(&'static str),
    /// Something else, in words: `a string`.
    Other(&'static str),
}

impl Cells {
    pub(crate) fn is_list(self) -> bool {
        matches!(self, Cells::Strings | Cells::Integers | Cells::EmptyList)
    }

    fn may_be_words(self) -> bool {
        matches!(self, Cells::Strings | Cells::EmptyList | Cells::Text)
    }

    fn may_be_labels(self) -> bool {
        self.is_list() || matches!(self, Cells::Text | Cells::Numbers)
    }
}

/// The columns of a row of words with labels: positions in the list that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    /// The column of the words.
    pub(crate) text: usize,
    /// The column of the labels.
    pub(crate) label: usize,
}

impl Choice {
    pub(crate) fn columns(self, offered: &[(String, Cells)]) -> Columns {
        Columns {
            text: offered[self.text].0.clone(),
            label: Some(offered[self.label].0.clone()),
            all: names_of(offered).map(str::to_owned).collect(),
        }
    }
}

/// Chooses the columns of words and labels in a table.
///
/// Words: the named column, else `tokens`, else one whose name says so (`words`, `token`), else the first. Labels: the
/// named column, else `{task}_tags`, else one whose name says so (`labels`, `tag`), else the second. A position may point
/// at something that is not a list while exactly one other column could be meant. Then that column is taken, with a note.
pub(crate) fn of_tagged(
    place: &str,
    offered: &[(String, Cells)],
    options: &ReadOptions,
    notes: &mut Vec<Note>,
) -> Result<Choice, Error> {
    let (choice, guesses) = guessed(place, offered, options)?;
    notes.extend(guesses.into_iter().flatten());
    Ok(choice)
}

/// Returns the columns of words and labels, if it is clear which they are.
pub(crate) fn choice_of(place: &str, offered: &[(String, Cells)], options: &ReadOptions) -> Option<Choice> {
    guessed(place, offered, options).ok().map(|(choice, _)| choice)
}

/// Returns the columns of words and labels, and what was guessed about each.
fn guessed(
    place: &str,
    offered: &[(String, Cells)],
    options: &ReadOptions,
) -> Result<(Choice, [Option<Note>; 2]), Error> {
    let error = |problem: String| Error::content(place, problem);
    let names = || quote_all(names_of(offered));
    refuse_duplicates(place, offered)?;
    if offered.len() < 2 {
        let only = if offered.is_empty() { "no column".into() } else { format!("only the column {}", names()) };
        return Err(error(format!("there is {only}: words and labels need a column each")));
    }
    let named =
        |name: &str, setting| position(offered, name).ok_or_else(|| unknown(place, name, names_of(offered), setting));
    let task_tags = options.task_tags();
    let named_label = match &options.label_column {
        Some(name) => Some(named(name, Setting::LabelColumn)?),
        None => position(offered, &task_tags),
    };
    let (text, words_guess) = match &options.text_column {
        Some(name) => (named(name, Setting::TextColumn)?, None),
        None => match position(offered, TOKENS) {
            Some(index) => (index, None),
            None => words_by_name(offered, named_label).unwrap_or_else(|| default_text(offered, named_label)),
        },
    };
    let (label, labels_guess) = match named_label {
        Some(index) => (index, None),
        None => labels_by_name(offered, text, &options.task)
            .or_else(|| default_label(offered, text, &task_tags))
            .ok_or_else(|| {
                error(format!("the labels' column is not clear: there is no `{task_tags}` (columns: {})", names()))
                    .with_remedy(Remedy::set(Setting::LabelColumn))
            })?,
    };
    if text == label {
        return Err(error(format!(
            "words and labels would both be the column {} (columns: {})",
            quote(&offered[text].0),
            names()
        ))
        .with_remedy(Remedy::Set(vec![Setting::TextColumn, Setting::LabelColumn])));
    }
    let or_another = |act: &str, setting| {
        let another = Remedy::set(setting).so_as("to read another column");
        Remedy::AnyOf(vec![Remedy::to_do(act), another])
    };
    if !offered[text].1.may_be_words() {
        let remedy = or_another("split each sentence into a list of strings", Setting::TextColumn);
        return Err(error(not_words(&offered[text], names())).with_remedy(remedy));
    }
    if let (name, Cells::Other(what) | Cells::Key(what)) = &offered[label] {
        let problem =
            format!("the labels' column {} holds {what}, not a list of labels (columns: {})", quote(name), names());
        return Err(error(problem).with_remedy(or_another("write one list a sentence", Setting::LabelColumn)));
    }
    Ok((Choice { text, label }, [words_guess, labels_guess]))
}

/// Chooses the columns of what is to be tagged: each row is read from the first of them that it has.
///
/// The named column, else the words that training would read where lists or names show them, else `text`, `tokens` or
/// `words`.
pub(crate) fn of_content(
    place: &str,
    offered: &[(String, Cells)],
    options: &ReadOptions,
    notes: &mut Vec<Note>,
) -> Result<Vec<String>, Error> {
    refuse_duplicates(place, offered)?;
    if let Some(name) = &options.text_column {
        return Ok(vec![name.clone()]);
    }
    let mut columns: Vec<String> = CONTENT.map(str::to_owned).to_vec();
    let is_list = |name: &str| position(offered, name).is_some_and(|column| offered[column].1.is_list());
    if is_list(TOKENS) && position(offered, TOKEN_SPANS).is_some() {
        notes.extend(position(offered, TEXT).map(|_| not_from_text(TOKENS)));
        columns.insert(0, TOKENS.to_owned());
        return Ok(columns);
    }
    let Ok((choice, [guess, _])) = guessed(place, offered, options) else { return Ok(columns) };
    let (name, cells) = &offered[choice.text];
    let has_tags = offered[choice.label].0 == options.task_tags();
    let text = position(offered, TEXT).filter(|&text| text != choice.text);
    let is_sure = match cells.is_list() {
        true => text.is_none() || has_tags || is_content(name),
        false => has_tags && name == TOKENS,
    };
    if is_sure {
        notes.extend(text.map(|_| not_from_text(name)));
        notes.extend(guess);
        columns.insert(0, name.clone());
    }
    Ok(columns)
}

/// Returns the note about words that are tagged where there is running text too.
pub(crate) fn not_from_text(name: &str) -> Note {
    let said = format!("the words are read from {}, as in training, and not from `text`", quote(name));
    let other = Remedy::SetTo(Setting::TextColumn, TEXT.to_owned()).so_as("to tag the running text");
    Note::once(said).with_remedy(other)
}

/// Returns the error for a row that has none of the columns of what is to be tagged.
pub(crate) fn no_content(place: &str, row: &str, wanted: &[String], names: &[&str]) -> Error {
    if let [name] = wanted {
        return unknown(place, name, names.iter().copied(), Setting::TextColumn);
    }
    let problem = format!("the {row} has none of {}, only {}", quote_all(CONTENT), quote_all(names.iter().copied()));
    Error::content(place, problem).with_remedy(Remedy::set(Setting::TextColumn))
}

/// Returns the position of a column that is named, or numbered from 0 (-1 is the last), in a file of so many columns.
pub(crate) fn by_name_or_number<N: AsRef<str>>(wanted: &str, names: &[N], width: usize) -> Option<usize> {
    let exact = names.iter().position(|name| name.as_ref() == wanted);
    let in_any_case = || names.iter().position(|name| name.as_ref().eq_ignore_ascii_case(wanted));
    if let Some(index) = exact.or_else(in_any_case) {
        return Some(index);
    }
    let index: i64 = wanted.parse().ok()?;
    let index = if index < 0 { index + width as i64 } else { index };
    usize::try_from(index).ok().filter(|&index| index < width)
}

/// Returns the error for a column that a file with these names does not have. `setting` names the column.
pub(crate) fn unknown<'a>(
    place: &str,
    name: &str,
    names: impl Iterator<Item = &'a str> + Clone,
    setting: Setting,
) -> Error {
    let remedy = match closest(name, names.clone()) {
        Some(near) => Remedy::SetTo(setting, near.to_owned()).so_as("if that is meant"),
        None => Remedy::set(setting).so_as("with one of them"),
    };
    let problem = format!("there is no column {} among {}", quote(name), quote_all(names));
    Error::content(place, problem).with_remedy(remedy)
}

/// Returns the error for a column that a file whose columns have no names does not have.
pub(crate) fn not_a_number(place: &str, name: &str, width: usize, setting: Setting) -> Error {
    let problem = format!(
        "there is no column {}: the columns have no names, only numbers from 0 to {} (-1 is the last)",
        quote(name),
        width - 1
    );
    Error::content(place, problem).with_remedy(Remedy::set(setting).so_as("with a number"))
}

fn names_of(offered: &[(String, Cells)]) -> impl Iterator<Item = &str> + Clone {
    offered.iter().map(|(name, _)| name.as_str())
}

fn refuse_duplicates(place: &str, offered: &[(String, Cells)]) -> Result<(), Error> {
    let mut seen = HashSet::new();
    for (name, _) in offered {
        if !seen.insert(name) {
            return Err(Error::content(place, format!("two columns are called {}: rename one", quote(name))));
        }
    }
    Ok(())
}

fn position(offered: &[(String, Cells)], name: &str) -> Option<usize> {
    offered.iter().position(|(column, _)| column == name)
}

/// Returns the column whose name says that it holds words. A note says so where run_ner.py takes the first column.
fn words_by_name(offered: &[(String, Cells)], label: Option<usize>) -> Option<(usize, Option<Note>)> {
    let rank = |(column, (name, cells)): (usize, &(String, Cells))| {
        let rank = rank_as_words(name).filter(|_| cells.may_be_words() && Some(column) != label)?;
        Some((!cells.is_list(), rank, column))
    };
    let (.., column) = offered.iter().enumerate().filter_map(rank).min()?;
    let (name, first) = (quote(&offered[column].0), quote(&offered[0].0));
    let said = format!("the words are read from {name}, as its name says, and not from the first column, {first}");
    Some((column, (column > 0 && offered[0].1.may_be_words()).then(|| Note::once(said))))
}

/// Returns the column whose name says that it holds labels. A note says so where run_ner.py takes the second column.
fn labels_by_name(offered: &[(String, Cells)], text: usize, task: &str) -> Option<(usize, Option<Note>)> {
    let rank = |(column, (name, cells)): (usize, &(String, Cells))| {
        let rank = rank_as_labels(name, task).filter(|_| cells.may_be_labels() && column != text)?;
        Some((!cells.is_list(), rank, column))
    };
    let (.., column) = offered.iter().enumerate().filter_map(rank).min()?;
    let (name, second) = (quote(&offered[column].0), quote(&offered[1].0));
    let said = format!("the labels are read from {name}, as its name says, and not from the second column, {second}");
    Some((column, (column != 1 && text != 1).then(|| Note::once(said))))
}

fn default_text(offered: &[(String, Cells)], label: Option<usize>) -> (usize, Option<Note>) {
    if offered[0].1.is_list() {
        return (0, None);
    }
    if !offered.iter().any(|(_, cells)| cells.is_list()) {
        let first = offered.iter().position(|(_, cells)| cells.may_be_words()).filter(|first| Some(*first) != label);
        return (first.unwrap_or(0), None);
    }
    let words = only(offered, |index, cells| cells == Cells::Strings && Some(index) != label);
    // A lone list beside a plain text holds the labels, not the words.
    let has_labels =
        |text| label.is_some() || offered.iter().enumerate().any(|(i, (_, cells))| i != text && cells.is_list());
    match words.filter(|&text| has_labels(text)) {
        Some(index) => {
            let said = format!(
                "the words are read from {}, the only column of word lists; the first column, {}, holds none",
                quote(&offered[index].0),
                quote(&offered[0].0)
            );
            (index, Some(Note::once(said)))
        }
        None => (0, None),
    }
}

fn default_label(offered: &[(String, Cells)], text: usize, task_tags: &str) -> Option<(usize, Option<Note>)> {
    if text != 1 && offered[1].1.is_list() {
        return Some((1, None));
    }
    let Some(index) = only(offered, |index, cells| cells.is_list() && index != text) else {
        let may_be = |(index, (_, cells)): &(usize, &(String, Cells))| *index != text && cells.may_be_labels();
        return match offered.iter().any(|(_, cells)| cells.is_list()) {
            true => (text != 1).then_some((1, None)),
            false => Some((offered.iter().enumerate().skip(1).find(may_be).map_or(1, |(index, _)| index), None)),
        };
    };
    let said = format!(
        "the labels are read from {}, the only other column of lists; there is no `{task_tags}`",
        quote(&offered[index].0)
    );
    Some((index, Some(Note::once(said))))
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
        Cells::Other(what) | Cells::Key(what) => what,
        _ => "integers",
    };
    format!("the words' column {} holds {what}, not a list of words (columns: {names})", quote(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::split_builder::tests::show_error;
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
        let got = match of_tagged("f", &offered, &options, &mut notes) {
            Ok(Choice { text, label }) => {
                let notes: String = notes.iter().map(|note| format!("; {note}")).collect();
                format!("{} {}{notes}", offered[text].0, offered[label].0)
            }
            Err(error) => show_error(&error),
        };
        want.assert_eq(&got);
    }

    #[test]
    fn positions_and_names() {
        check("words:s ner:s", None, None, expect!["words ner"]);
        check(
            "ner:s words:s",
            None,
            None,
            expect![
                "words ner; the words are read from `words`, as its name says, and not from the first column, `ner`"
            ],
        );
        check("x:s tokens:s pos_tags:i ner_tags:i", None, None, expect!["tokens ner_tags"]);
        check("a:s b:s c:s", Some("c"), None, expect!["c b"]);
        check("a:s b:s c:s", None, Some("c"), expect!["a c"]);
        check("a:e b:e", None, None, expect!["a b"]);
        check("tokens:t ner_tags:t", None, None, expect!["tokens ner_tags"]);
        check("a:t b:t", None, None, expect!["a b"]);
    }

    #[test]
    fn an_id_in_front_is_stepped_over() {
        check("id:o words:s ner_tags:s", None, None, expect!["words ner_tags"]);
        check("id:o words:s tags:i", None, None, expect!["words tags"]);
        check("id:o words:s ner:s", None, None, expect!["words ner"]);
        check("id:o words:s ner:s", None, Some("ner"), expect!["words ner"]);
        check("id:o tokens:s pos:i ner:i", None, None, expect!["tokens ner"]);
        check(
            "id:o satz:s ner_tags:s",
            None,
            None,
            expect![
                "satz ner_tags; the words are read from `satz`, the only column of word lists; the first column, `id`, holds none"
            ],
        );
        check(
            "id:o satz:s arten:i",
            None,
            None,
            expect![
                "satz arten; the words are read from `satz`, the only column of word lists; the first column, `id`, holds none; the labels are read from `arten`, the only other column of lists; there is no `ner_tags`"
            ],
        );
        check(
            "id:o tokens:s pos:i arten:i",
            None,
            None,
            expect![
                "f: the labels' column is not clear: there is no `ner_tags` (columns: `id`, `tokens`, `pos`, `arten`): pass <LabelColumn>"
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
                "f: there is no column `token` among `tokens`, `ner_tags`: pass <TextColumn=tokens> if that is meant"
            ],
        );
        check(
            "tokens:s ner_tags:s",
            None,
            Some("zzz"),
            expect!["f: there is no column `zzz` among `tokens`, `ner_tags`: pass <LabelColumn> with one of them"],
        );
        check(
            "a:s b:s",
            Some("b"),
            Some("b"),
            expect![
                "f: words and labels would both be the column `b` (columns: `a`, `b`): pass <TextColumn> or <LabelColumn>"
            ],
        );
        check(
            "sentence:o ner_tags:s",
            None,
            None,
            expect![
                "f: the words' column `sentence` holds a string, not a list of words (columns: `sentence`, `ner_tags`): split each sentence into a list of strings, or pass <TextColumn> to read another column"
            ],
        );
        check(
            "tokens:i ner_tags:s",
            None,
            None,
            expect![
                "f: the words' column `tokens` holds integers, not a list of words (columns: `tokens`, `ner_tags`): split each sentence into a list of strings, or pass <TextColumn> to read another column"
            ],
        );
        check(
            "tokens:s ner_tags:o",
            None,
            None,
            expect![
                "f: the labels' column `ner_tags` holds a string, not a list of labels (columns: `tokens`, `ner_tags`): write one list a sentence, or pass <LabelColumn> to read another column"
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
                "f: the words' column `text` holds a string, not a list of words (columns: `text`, `tags`): split each sentence into a list of strings, or pass <TextColumn> to read another column"
            ],
        );
        check(
            "text:o tags:s",
            None,
            Some("tags"),
            expect![
                "f: the words' column `text` holds a string, not a list of words (columns: `text`, `tags`): split each sentence into a list of strings, or pass <TextColumn> to read another column"
            ],
        );
        check(
            "words:s scores:o",
            None,
            None,
            expect![
                "f: the labels' column `scores` holds a string, not a list of labels (columns: `words`, `scores`): write one list a sentence, or pass <LabelColumn> to read another column"
            ],
        );
    }
}
