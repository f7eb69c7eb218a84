//! Where words and labels stand in a column file, as its beginning shows it.

use crate::error::Error;
use crate::read_options::{ReadOptions, Wanted};
use crate::rules::choose_columns::{self, by_name_or_number, not_a_number};
use crate::rules::comments::{LineKind, Shape, is_hash_word, kind_of};
use crate::rules::headers;
use crate::rules::ids::{begins_to_count, is_number_of_word};
use crate::rules::known_names::{rank_as_labels, rank_as_words};
use crate::rules::sentence_ends::{is_blank, is_document_start};
use std::collections::BTreeSet;
use tagsmith_message::{Note, Remedy, Setting, counted, quote, quote_all};
use tagsmith_text::labels::scheme::{Style, is_iob_like};

/// The most lines of the beginning that are looked at.
const LINES_MAX: usize = 2000;

/// The most columns in which numbers and tags are looked for.
const COLUMNS_MAX: usize = 100;

/// The columns of a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// The number of columns, and what parts them.
    pub(crate) shape: Shape,
    /// The column of the words.
    pub(crate) text: usize,
    /// The column of the labels; none in a file of one column, or where labels are not wanted.
    pub(crate) label: Option<usize>,
}

/// What the first lines of a column file show.
#[derive(Clone, Debug, Default)]
pub(crate) struct Survey {
    /// The columns that most lines have; none before any line.
    pub(crate) shape: Option<Shape>,
    /// The names that the first line of data gives to the columns.
    pub(crate) header: Option<Vec<String>>,
    /// Columns that hold numbers of words (`1`, `1-2`) and no words.
    numbers: BTreeSet<usize>,
    /// Columns whose cells are tags of a scheme.
    tags: BTreeSet<usize>,
    /// Columns in which some cell is `O`: labels, be they tags or bare types.
    with_outside: BTreeSet<usize>,
}

impl Survey {
    /// Looks at the beginning of a file. `whole` says that the file ends with it.
    pub(crate) fn of(beginning: &str, whole: bool, task: &str) -> Survey {
        let text = beginning.trim_start_matches('\u{FEFF}');
        // The last line may be cut off.
        let text = if whole { text } else { text.rsplit_once('\n').map_or("", |(lines, _)| lines) };
        let (mut lines, mut hashes) = (Vec::new(), Vec::new());
        let mut begins = true;
        for line in text.lines().take(LINES_MAX) {
            let cells = split(line);
            if is_blank(line) || is_document_start(cells[0]) {
                begins = true;
            } else if kind_of(line, cells.len(), None, begins) == LineKind::Data {
                lines.push((line.contains('\t'), cells));
                begins = false;
            } else if is_hash_word(line) {
                hashes.push((line.contains('\t'), cells));
            }
        }
        Survey::of_lines(if lines.is_empty() { &hashes } else { &lines }, task)
    }

    /// Looks at lines of data, of which each is said to be parted by tabs or not.
    pub(crate) fn of_lines(lines: &[(bool, Vec<&str>)], task: &str) -> Survey {
        let Some(shape) = shape_of(lines) else { return Survey::default() };
        let has_shape = |(tabs, cells): &&(bool, Vec<&str>)| cells.len() == shape.width && *tabs == shape.tabs;
        let mut rows: Vec<Vec<&str>> = lines.iter().filter(has_shape).map(|(_, cells)| cells.clone()).collect();
        let is_first = lines.first().is_some_and(|first| has_shape(&first));
        let header = headers::of_columns(&rows[0], &rows[1..], task).filter(|_| is_first && shape.width > 1);
        if header.is_some() {
            rows.remove(0);
        }
        let columns = || 0..shape.width.min(COLUMNS_MAX);
        let all = |column: usize, fits: &dyn Fn(&str) -> bool| rows.iter().all(|row| fits(row[column]));
        let counts = |column: usize| rows.first().is_some_and(|row| begins_to_count(row[column]));
        let numbers = columns().filter(|column| counts(*column) && all(*column, &is_number_of_word)).collect();
        let is_tags = |column: &usize| {
            let distinct: BTreeSet<&str> = rows.iter().map(|row| row[*column].trim()).collect();
            let distinct: Vec<&str> = distinct.into_iter().collect();
            !distinct.is_empty() && is_iob_like(&distinct, Style::Prefix)
        };
        let has_outside = |column: &usize| rows.iter().any(|row| row[*column].trim() == "O");
        let (tags, with_outside) = (columns().filter(is_tags).collect(), columns().filter(has_outside).collect());
        Survey { shape: Some(shape), header, numbers, tags, with_outside }
    }

    /// Returns where the columns are, with what was guessed. `names` are the names of the columns, if they have any.
    ///
    /// # Errors
    /// A column that is asked for is not there, or nothing says which column holds the labels.
    pub(crate) fn layout(
        &self,
        place: &str,
        names: &[String],
        options: &ReadOptions,
        wanted: Wanted,
    ) -> Result<(Layout, Vec<Note>), Error> {
        let shape = self.shape.expect("a line was looked at");
        let width = shape.width;
        if !names.is_empty() && names.len() != width {
            let named = counted(names.len(), "column");
            let problem = format!("`# global.columns` names {named}, the lines have {width}: correct either");
            return Err(Error::content(place, problem));
        }
        if width == 1 && wanted != Wanted::Content {
            return Ok((Layout { shape, text: 0, label: None }, Vec::new()));
        }
        let named = |name: &str, setting| {
            by_name_or_number(name, names, width).ok_or_else(|| match names.is_empty() {
                true => not_a_number(place, name, width, setting),
                false => choose_columns::unknown(place, name, names.iter().map(String::as_str), setting),
            })
        };
        let (text, guess) = match &options.text_column {
            Some(name) => (named(name, Setting::TextColumn)?, None),
            None => self.words(names, width),
        };
        let mut notes: Vec<Note> = guess.into_iter().collect();
        if wanted == Wanted::Content {
            return Ok((Layout { shape, text, label: None }, notes));
        }
        let label = match &options.label_column {
            Some(name) => named(name, Setting::LabelColumn)?,
            None => {
                let (label, guess) = self.labels(place, names, text, options)?;
                notes.extend(guess);
                label
            }
        };
        if text == label {
            let problem = format!("words and labels would both be column {text} of {width}");
            let remedy = Remedy::Set(vec![Setting::TextColumn, Setting::LabelColumn]);
            return Err(Error::content(place, problem).with_remedy(remedy));
        }
        Ok((Layout { shape, text, label: Some(label) }, notes))
    }

    /// Returns the column of the words where none is asked for: by its name, else the first that does not number them.
    fn words(&self, names: &[String], width: usize) -> (usize, Option<Note>) {
        let rank = |(column, name): (usize, &String)| Some((rank_as_words(name)?, column));
        if let Some((_, column)) = names.iter().enumerate().filter_map(rank).min() {
            return (column, None);
        }
        let first = (0..width).find(|column| !self.numbers.contains(column)).unwrap_or(0);
        if first == 0 || first + 1 >= width {
            return (0, None);
        }
        let which = if first == 1 { "column 0 holds" } else { "the columns before hold" };
        let said = format!("the words are read from column {first}: {which} numbers (1, 2, 3, …)");
        let numbers = Remedy::SetTo(Setting::TextColumn, "0".into()).so_as("if the numbers are the words");
        (first, Some(Note::once(said).with_remedy(numbers)))
    }

    /// Returns the column of the labels where none is asked for: by its name, else the last, or the only one of tags.
    fn labels(
        &self,
        place: &str,
        names: &[String],
        text: usize,
        options: &ReadOptions,
    ) -> Result<(usize, Option<Note>), Error> {
        let width = self.shape.map_or(0, |shape| shape.width);
        let task_tags = options.task_tags();
        if let Some(column) = names.iter().position(|name| *name == task_tags) {
            return Ok((column, None));
        }
        let rank = |(column, name): (usize, &String)| Some((rank_as_labels(name, &options.task)?, column));
        let known = names.iter().enumerate().filter(|(column, _)| *column != text).filter_map(rank).min();
        if let Some((_, column)) = known {
            return Ok((column, None));
        }
        let last = (0..width).rfind(|column| *column != text).unwrap_or(0);
        let of_tags: Vec<usize> = self.tags.iter().copied().filter(|column| *column != text).collect();
        // Other tasks have labels of their own, which are not tags.
        let only = match of_tags.as_slice() {
            [only] if options.task == "ner" && *only != last && !self.with_outside.contains(&last) => Some(*only),
            _ => None,
        };
        let another = Remedy::set(Setting::LabelColumn);
        let may_be_labels = self.tags.contains(&last) || self.with_outside.contains(&last);
        if self.header.is_some() && width > 2 && only.is_none() && !may_be_labels {
            let names = quote_all(names.iter().map(String::as_str));
            let problem = format!("nothing says which column holds the labels (columns: {names})");
            return Err(Error::content(place, problem).with_remedy(another));
        }
        let Some(only) = only else { return Ok((if names.is_empty() { width - 1 } else { last }, None)) };
        let name = names.get(only).map_or_else(|| only.to_string(), |name| quote(name));
        let said = format!("the labels are read from column {name}, the only one of tags, and not from the last");
        Ok((only, Some(Note::once(said).with_remedy(another.so_as("to read another")))))
    }
}

/// Returns the columns that most lines have; of equally frequent ones, those of the first. Lines of one column do not
/// count where others are parted by tabs: they leave the label out.
fn shape_of(lines: &[(bool, Vec<&str>)]) -> Option<Shape> {
    let mut counts: Vec<((usize, bool), usize)> = Vec::new();
    for (tabs, cells) in lines {
        let key = (cells.len(), *tabs);
        match counts.iter_mut().find(|(other, _)| *other == key) {
            Some((_, count)) => *count += 1,
            None => counts.push((key, 1)),
        }
    }
    if counts.iter().any(|((_, tabs), _)| *tabs) {
        counts.retain(|((width, tabs), _)| *tabs || *width > 1);
    }
    let most = counts.iter().map(|(_, count)| *count).max()?;
    let ((width, tabs), _) = *counts.iter().find(|(_, count)| *count == most)?;
    let leaves_out = lines.iter().any(|(_, cells)| cells.len() + 1 == width);
    Some(Shape { width, tabs, leaves_out })
}

/// Returns the cells of a line: parted by tabs if it has one, else by spaces.
pub(crate) fn split(line: &str) -> Vec<&str> {
    if line.contains('\t') {
        line.split('\t').collect()
    } else {
        let cells: Vec<&str> = line.split(' ').filter(|cell| !cell.is_empty()).collect();
        if cells.is_empty() { vec![""] } else { cells }
    }
}
