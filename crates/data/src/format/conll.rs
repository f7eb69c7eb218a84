//! Column files: one word a line, its labels in further columns, a line of white space after each sentence.

use crate::bytes::input::Input;
use crate::bytes::lines::{Limit, Lines};
use crate::error::{Error, at_line};
use crate::read_options::{ReadOptions, Wanted};
use crate::rows::row::{Reader, Row};
use crate::rows::tag_names::TagNames;
use crate::rules::annotation_tools;
use crate::rules::column_layout::{Layout, Survey, split};
use crate::rules::comments::{LineKind, Shape, is_hash_word, kind_of};
use crate::rules::headers::{self, is_tag};
use crate::rules::ids::{self, Counter};
use crate::rules::sentence_ends::{is_blank, is_document_start};
use std::collections::VecDeque;
use std::mem::take;
use tagsmith_message::Note;
use tagsmith_message::{Remedy, Setting};
use tagsmith_message::{counted, quote};
use tagsmith_text::sentence::Columns;
use tagsmith_text::tagged::Content;

/// The sentences of CoNLL columns.
///
/// The beginning of the file shows how many columns there are, and their names ([`Survey`]). It shows where words and
/// labels stand, if the options do not say it. They name a column by number, from 0 (-1 is the last), or by the name that a
/// header or a `# global.columns = …` line gives. A file of one column holds words without labels.
///
/// A line with a tab is split at tabs, any other at spaces. `-DOCSTART-` lines end a sentence. A line that lacks the
/// last column, where that is the labels', takes the options' `missing_label`. Where only words are wanted, lines may
/// have any number of columns that reaches the words'.
pub(crate) struct ConllReader {
    lines: Lines,
    state: State,
}

impl ConllReader {
    pub(crate) fn new(mut input: Input, source: &str, options: &ReadOptions, wanted: Wanted, limit: Limit) -> Self {
        // An input that cannot be read says so at its first line.
        let (beginning, whole) = input.beginning().unwrap_or_default();
        let survey = Survey::of(&String::from_utf8_lossy(beginning), whole, &options.task);
        let state = State::new(source, options, (wanted, limit), survey);
        ConllReader { lines: Lines::new(input, source, limit), state }
    }
}

impl Reader for ConllReader {
    fn next(&mut self) -> Result<Option<Row>, Error> {
        loop {
            if let Some(row) = self.state.ready.pop_front() {
                return Ok(Some(row));
            }
            match self.lines.next()? {
                Some((number, line)) => self.state.line(number, line)?,
                None => {
                    self.state.end()?;
                    return Ok(self.state.ready.pop_front());
                }
            }
        }
    }

    fn place(&self, number: u64) -> String {
        at_line(&self.state.source, number)
    }

    fn columns(&self) -> Columns {
        let Some(layout) = &self.state.layout else { return Columns::default() };
        let all: Vec<String> = match self.state.names.is_empty() {
            true => (0..layout.shape.width).map(|index| index.to_string()).collect(),
            false => self.state.names.clone(),
        };
        let name = |index: usize| all.get(index).cloned().unwrap_or_default();
        Columns { text: name(layout.text), label: layout.label.map(name), all }
    }

    fn take_tags(&mut self) -> TagNames {
        take(&mut self.state.tags)
    }

    fn notes(&self) -> Vec<Note> {
        self.state.notes().into_iter().chain(self.lines.notes()).collect()
    }

    fn has_more_at_hand(&self) -> bool {
        !self.state.ready.is_empty() || self.lines.has_more_at_hand()
    }
}

struct State {
    source: String,
    options: ReadOptions,
    wanted: Wanted,
    limit: Limit,
    /// What the beginning of the file shows.
    survey: Survey,
    /// The columns' names, from `# global.columns = …` or a header.
    names: Vec<String>,
    /// Where the columns are, known from the first line of data.
    layout: Option<Layout>,
    /// Lines before it, from the first that begins with `#`, where the beginning does not show the columns.
    waiting: Vec<(u64, String)>,
    /// The sentence whose end has not come.
    open: Sentence,
    /// The name that a comment gave to the sentence that is open or comes next.
    id: Option<String>,
    ready: VecDeque<Row>,
    tags: TagNames,
    /// Whether the words are counted, not spelled.
    counter: Counter,
    /// What was found out about the columns.
    guesses: Vec<Note>,
    comments: Note,
    hash_words: Note,
    document_starts: Note,
    mark_lines: Note,
    other_widths: Note,
    padded_labels: Note,
    missing_labels: Note,
}

/// A sentence in the making.
#[derive(Default)]
struct Sentence {
    words: Vec<String>,
    lines: Vec<u64>,
    tags: Vec<u32>,
    bytes: usize,
}

impl State {
    fn new(source: &str, options: &ReadOptions, (wanted, limit): (Wanted, Limit), survey: Survey) -> Self {
        State {
            source: source.to_owned(),
            options: options.clone(),
            wanted,
            limit,
            survey,
            names: Vec::new(),
            layout: None,
            waiting: Vec::new(),
            open: Sentence::default(),
            id: None,
            ready: VecDeque::new(),
            tags: TagNames::default(),
            counter: Counter::new(),
            guesses: Vec::new(),
            comments: Note::new("{comment line was|comment lines were} skipped"),
            hash_words: Note::new(
                "{line begins with `#` but has|lines begin with `#` but have} the data's columns, and {was read as a word|were read as words}",
            ),
            document_starts: Note::new("{`-DOCSTART-` line was|`-DOCSTART-` lines were} skipped"),
            mark_lines: Note::new("{line holds|lines hold} nothing but a byte-order mark; {it|each} ends a sentence"),
            other_widths: Note::new(
                "{line has|lines have} another number of columns than most; {its word is|their words are} read",
            ),
            padded_labels: Note::new("{label|labels} had white space around {it|them}, which was dropped"),
            missing_labels: Note::naming(
                "{word has|words have} no label and got `{}`",
                &[&options.missing_label.as_deref().unwrap_or_default()],
            )
            .important(),
        }
    }

    fn place(&self, number: u64) -> String {
        at_line(&self.source, number)
    }

    fn line(&mut self, number: u64, line: &str) -> Result<(), Error> {
        if is_blank(line) {
            if line.contains('\u{FEFF}') {
                self.mark_lines.add(|| at_line(&self.source, number));
            }
            if !self.waiting.is_empty() {
                self.waiting.push((number, String::new()));
            }
            self.end_sentence();
            return Ok(());
        }
        let cells = split(line);
        let shape = self.layout.map(|layout| layout.shape).or(self.survey.shape);
        match kind_of(line, cells.len(), shape, self.open.words.is_empty()) {
            LineKind::Comment => {
                self.comment(number, line);
                Ok(())
            }
            LineKind::CommentOrWord => {
                self.waiting.push((number, line.to_owned()));
                Ok(())
            }
            LineKind::WordWithHash => {
                // The first line of data comes here again once the layout is known.
                if self.layout.is_some() {
                    self.hash_words.add(|| at_line(&self.source, number));
                }
                self.data(number, line, &cells, true)
            }
            LineKind::Data if is_document_start(cells[0]) => {
                self.document_starts.add(|| at_line(&self.source, number));
                self.end_sentence();
                Ok(())
            }
            LineKind::Data => self.data(number, line, &cells, false),
        }
    }

    fn comment(&mut self, number: u64, line: &str) {
        if let Some(names) = headers::of_comment(line) {
            self.names = names;
        }
        if let Some(id) = ids::named_by_comment(line) {
            self.id = Some(id.to_owned());
        }
        self.tags.is_webanno |= annotation_tools::is_webanno(line);
        self.comments.add(|| at_line(&self.source, number));
    }

    /// Takes a line of data; `hash` says that it looks like a comment.
    fn data(&mut self, number: u64, line: &str, cells: &[&str], hash: bool) -> Result<(), Error> {
        let Some(layout) = self.layout else {
            // A line of one column may be a word without its label; the first of two columns tells.
            let may_lack_label = self.options.missing_label.is_some() && self.wanted != Wanted::Content;
            if cells.len() == 1 && may_lack_label && self.survey.shape.is_none() {
                self.waiting.push((number, line.to_owned()));
                return Ok(());
            }
            return self.begin(number, line);
        };
        self.open.bytes += line.len() + 1;
        if self.limit == Limit::Document && self.open.bytes > self.limit.bytes() {
            let begin = self.open.lines.first().copied().unwrap_or(number);
            return Err(self.limit.exceeded(self.place(begin), "sentence that begins here"));
        }
        if self.wanted == Wanted::Content {
            return self.content(number, line, cells, layout);
        }
        let Layout { shape: Shape { width, tabs, .. }, text, label } = layout;
        if self.options.missing_label.is_some() && label == Some(width - 1) && !hash {
            // In a file with tabs, a line without one is a word, whatever spaces it holds.
            let whole = [line];
            let word: &[&str] = if tabs && width == 2 && !line.contains('\t') { &whole } else { cells };
            let is_empty = word.len() == width && word[width - 1].trim().is_empty();
            if is_empty || word.len() + 1 == width {
                return self.word(number, word[text], None);
            }
        }
        if cells.len() != width {
            return Err(self.odd_line(number, line, cells, layout));
        }
        self.word(number, cells[text], label.map(|label| cells[label]))
    }

    /// Takes a line of which only the word is wanted.
    fn content(&mut self, number: u64, line: &str, cells: &[&str], mut layout: Layout) -> Result<(), Error> {
        if layout.shape.width == 1 && cells.len() > 1 {
            // The lines before were words without their labels.
            layout = self.layout_of(number, line)?;
            self.layout = Some(layout);
        }
        // In a file with tabs, a line without one is a word, whatever spaces it holds, unless they make the columns.
        let Shape { width, tabs, .. } = layout.shape;
        let may_be_whole = cells.len() != width || width == 2 && self.options.missing_label.is_some();
        let whole = [line];
        let cells: &[&str] = if tabs && !line.contains('\t') && may_be_whole { &whole } else { cells };
        if cells.len() != width {
            self.other_widths.add(|| at_line(&self.source, number));
        }
        let Some(word) = cells.get(layout.text) else {
            return Err(Error::content(self.place(number), format!("the line has no column {}", layout.text)));
        };
        self.word(number, word, None)
    }

    /// Returns the error for a line that has other columns than most.
    fn odd_line(&self, number: u64, line: &str, cells: &[&str], layout: Layout) -> Error {
        let Layout { shape: Shape { width, tabs, .. }, label, .. } = layout;
        let spaced = (!tabs && label == Some(width - 1) && cells.len() > width).then(|| cells[width - 1..].join(" "));
        if let Some(label) = spaced.filter(|label| is_tag(label)) {
            let one_word = quote(&label.replace(' ', "_"));
            let problem = format!("the label {} holds a space, as the columns do: write {one_word}", quote(&label));
            return Error::content(self.place(number), problem);
        }
        if cells.len() > 1 && cells.iter().all(|cell| cell.contains('|')) {
            let problem = format!("{} is a sentence of `word|tag`: write a word and its tag a line", quote(line));
            return Error::content(self.place(number), problem);
        }
        let columns = counted(cells.len(), "column");
        let problem =
            format!("{} has {columns}, the other lines have {width}: give every line the same columns", quote(line));
        Error::content(self.place(number), problem)
    }

    /// Settles the layout at the first line of data, and takes up the line and those that waited for it.
    fn begin(&mut self, number: u64, line: &str) -> Result<(), Error> {
        if self.survey.shape.is_none() {
            self.survey = Survey::of_lines(&[(line.contains('\t'), split(line))], &self.options.task);
        }
        let header = self.survey.header.clone().filter(|_| self.names.is_empty());
        let is_header = header.is_some();
        if let Some(names) = header {
            let said = format!("{} names the columns", self.place(number));
            self.guesses.push(Note::once(said));
            self.names = names;
        }
        self.layout = Some(self.settle(number)?);
        for (number, line) in take(&mut self.waiting) {
            self.line(number, &line)?;
        }
        if is_header { Ok(()) } else { self.line(number, line) }
    }

    /// Returns the layout that the survey shows, and keeps what was guessed.
    fn settle(&mut self, number: u64) -> Result<Layout, Error> {
        let place = self.place(number);
        let (layout, guesses) = self.survey.layout(&place, &self.names, &self.options, self.wanted)?;
        self.guesses.extend(guesses);
        Ok(layout)
    }

    /// Returns the layout that a line shows where no line before it did.
    fn layout_of(&mut self, number: u64, line: &str) -> Result<Layout, Error> {
        self.survey = Survey::of_lines(&[(line.contains('\t'), split(line))], &self.options.task);
        self.settle(number)
    }

    fn word(&mut self, number: u64, word: &str, label: Option<&str>) -> Result<(), Error> {
        let has_labels = self.layout.is_some_and(|layout| layout.label.is_some());
        let label = match label {
            None if has_labels => {
                self.missing_labels.add(|| at_line(&self.source, number));
                self.options.missing_label.as_deref()
            }
            Some(padded) => {
                let label = padded.trim();
                if label.len() != padded.len() {
                    self.padded_labels.add(|| at_line(&self.source, number));
                }
                Some(label)
            }
            None => None,
        };
        if let Some(label) = label {
            self.open.tags.push(self.tags.of_string(label, || at_line(&self.source, number))?);
        }
        self.counter.look(word, self.open.words.len());
        self.open.words.push(word.to_owned());
        self.open.lines.push(number);
        Ok(())
    }

    /// Closes the open sentence, if it has words.
    fn end_sentence(&mut self) {
        if self.open.words.is_empty() {
            return;
        }
        let Sentence { words, lines, tags, .. } = take(&mut self.open);
        let has_labels = self.layout.is_some_and(|layout| layout.label.is_some());
        let (id, tags, number) = (self.id.take(), has_labels.then_some(tags), lines[0]);
        self.ready.push_back(Row { id, tags, lines, ..Row::of(number, Content::Words(words)) });
    }

    /// Takes the end of the file.
    fn end(&mut self) -> Result<(), Error> {
        let is_word = |line: &str| !line.is_empty() && kind_of(line, 0, None, false) == LineKind::Data;
        let mut waiting = self.waiting.iter();
        let first =
            waiting.clone().find(|(_, line)| is_word(line)).or_else(|| waiting.find(|(_, line)| is_hash_word(line)));
        let first = first.cloned();
        if let Some((number, line)) = &first {
            self.layout = Some(self.layout_of(*number, line)?);
        }
        for (number, line) in take(&mut self.waiting) {
            match first {
                Some(_) => self.line(number, &line)?,
                None if line.is_empty() => {}
                None => self.comments.add(|| at_line(&self.source, number)),
            }
        }
        self.end_sentence();
        Ok(())
    }

    fn notes(&self) -> Vec<Note> {
        let mut notes = self.guesses.clone();
        notes.extend([
            self.document_starts.clone(),
            self.comments.clone(),
            self.hash_words.clone(),
            self.mark_lines.clone(),
            self.other_widths.clone(),
            self.padded_labels.clone(),
            self.missing_labels.clone(),
        ]);
        let Some(Layout { text, label, .. }) = self.layout else { return notes };
        if self.counter.only_counts() {
            let elsewhere = Remedy::SetTo(Setting::TextColumn, "1".into()).so_as("if the words are there");
            let said = format!("column {text}, read as the words, only counts 1, 2, 3, …");
            notes.push(Note::once(said).with_remedy(elsewhere).important());
        }
        if label.is_none() && self.wanted != Wanted::Content {
            notes.push(Note::once(
                "there is one column, read as words without labels (columns are parted by a tab or spaces)",
            ));
        }
        if let Some(label) = label.filter(|_| self.tags.has_only("_") || self.tags.has_only("-")) {
            let elsewhere = Remedy::set(Setting::LabelColumn).so_as("if the labels are elsewhere");
            let said = format!("column {label}, read as the labels, is empty in every line");
            notes.push(Note::once(said).with_remedy(elsewhere).important());
        }
        notes
    }
}

#[cfg(test)]
mod tests;
