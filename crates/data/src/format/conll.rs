//! Column files: one word a line, its labels in further columns, a line of white space after each sentence.

use crate::bytes::input::Input;
use crate::bytes::lines::{Limit, Lines};
use crate::error::{Error, at_line};
use crate::read_options::{ReadOptions, Wanted};
use crate::rows::row::{Reader, Row};
use crate::rows::tag_names::TagNames;
use crate::rules::choose_columns::{self, TOKENS, by_name_or_number, not_a_number};
use crate::rules::comments::{LineKind, Shape, kind_of};
use crate::rules::headers;
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
/// The words are in the first column and the labels in the last, unless the options name others. They name a column by
/// number, from 0 (-1 is the last), or by the name that a `# global.columns = …` line or a header gives. A file of one column holds
/// words without labels. A line with a tab is split at tabs, any other at spaces. `-DOCSTART-` lines end a sentence. A
/// line that begins with `# ` is a comment when it has another number of columns than the data or reads `# key = …`,
/// and a word otherwise. A line that lacks the last column, where that is the labels', takes the options'
/// `missing_label`.
///
/// Where only words are wanted, lines may have any number of columns that reaches the words'.
pub(crate) struct ConllReader {
    lines: Lines,
    state: State,
}

impl ConllReader {
    pub(crate) fn new(input: Input, source: &str, options: &ReadOptions, wanted: Wanted, limit: Limit) -> Self {
        ConllReader { lines: Lines::new(input, source, limit), state: State::new(source, options, wanted, limit) }
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
        self.state.notes()
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
    /// The columns' names, from `# global.columns = …` or a header.
    names: Vec<String>,
    /// Where the columns are, known from the first line that is certainly data.
    layout: Option<Layout>,
    /// Lines before it, from the first that begins with `# `.
    waiting: Vec<(u64, String)>,
    /// The sentence whose end has not come.
    open: Sentence,
    /// The name that a comment gave to the sentence that is open or comes next.
    id: Option<String>,
    ready: VecDeque<Row>,
    tags: TagNames,
    /// Whether the words are counted, not spelled.
    counter: Counter,
    header: Option<Note>,
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

#[derive(Clone, Copy)]
struct Layout {
    shape: Shape,
    text: usize,
    /// The column of the labels; none in a file of one column, or where labels are not wanted.
    label: Option<usize>,
}

impl State {
    fn new(source: &str, options: &ReadOptions, wanted: Wanted, limit: Limit) -> Self {
        State {
            source: source.to_owned(),
            options: options.clone(),
            wanted,
            limit,
            names: Vec::new(),
            layout: None,
            waiting: Vec::new(),
            open: Sentence::default(),
            id: None,
            ready: VecDeque::new(),
            tags: TagNames::default(),
            counter: Counter::new(),
            header: None,
            comments: Note::new("comment lines were skipped"),
            hash_words: Note::new("lines begin with `# ` but have the data's columns, and were read as words"),
            document_starts: Note::new("`-DOCSTART-` lines were skipped"),
            mark_lines: Note::new("lines hold nothing but a byte-order mark; each ends a sentence"),
            other_widths: Note::new("lines have another number of columns than the first; their words are read"),
            padded_labels: Note::new("labels had white space around them, which was dropped"),
            missing_labels: Note::new(format!(
                "words have no label and got `{}`",
                options.missing_label.as_deref().unwrap_or_default()
            )),
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
        match kind_of(line, cells.len(), self.layout.map(|layout| layout.shape)) {
            LineKind::Comment => {
                self.comment(number, line);
                Ok(())
            }
            LineKind::CommentOrWord => {
                self.waiting.push((number, line.to_owned()));
                Ok(())
            }
            LineKind::WordWithHash => {
                self.hash_words.add(|| at_line(&self.source, number));
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
        self.comments.add(|| at_line(&self.source, number));
    }

    /// Takes a line of data; `hash` says that it looks like a comment.
    fn data(&mut self, number: u64, line: &str, cells: &[&str], hash: bool) -> Result<(), Error> {
        let Some(layout) = self.layout else {
            // A line of one column may be a word without its label; the first of two columns tells.
            if cells.len() == 1 && self.options.missing_label.is_some() && self.wanted != Wanted::Content {
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
        let Layout { shape: Shape { width, tabs }, text, label } = layout;
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
            return Err(Error::content(
                self.place(number),
                format!(
                    "{} has {}, the lines before have {width}: give every line the same columns",
                    quote(line),
                    counted(cells.len(), "column"),
                ),
            ));
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
        let Shape { width, tabs } = layout.shape;
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

    /// Settles the layout by the first line that tells it, and takes up the line and those that waited for it.
    fn begin(&mut self, number: u64, line: &str) -> Result<(), Error> {
        let first = split(line);
        let task_tags = self.options.task_tags();
        let header = headers::of_columns(&first, TOKENS, &task_tags).filter(|_| self.names.is_empty());
        let is_header = header.is_some();
        if let Some(names) = header {
            let said = format!("{} names the columns", self.place(number));
            self.header = Some(Note::once(said));
            self.names = names;
        }
        self.layout = Some(self.layout_of(number, line)?);
        for (number, line) in take(&mut self.waiting) {
            self.line(number, &line)?;
        }
        if is_header { Ok(()) } else { self.line(number, line) }
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
        let is_word = |line: &str| !line.is_empty() && kind_of(line, 0, None) == LineKind::Data;
        let first = self.waiting.iter().find(|(_, line)| is_word(line)).cloned();
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

    /// Returns where the columns are, as the first line of data shows it.
    fn layout_of(&self, number: u64, line: &str) -> Result<Layout, Error> {
        let width = split(line).len();
        let shape = Shape { width, tabs: line.contains('\t') };
        let place = self.place(number);
        if !self.names.is_empty() && self.names.len() != width {
            return Err(Error::content(
                place,
                format!(
                    "{} has {width} columns, `# global.columns` names {}: correct either",
                    quote(line),
                    self.names.len()
                ),
            ));
        }
        let position = |wanted: &Option<String>, setting, named: &str, default: usize| match wanted {
            Some(wanted) => by_name_or_number(wanted, &self.names, width)
                .ok_or_else(|| self.no_column(&place, wanted, setting, width)),
            None => Ok(self.names.iter().position(|name| name == named).unwrap_or(default)),
        };
        if width == 1 && self.wanted != Wanted::Content {
            return Ok(Layout { shape, text: 0, label: None });
        }
        let text = position(&self.options.text_column, Setting::TextColumn, TOKENS, 0)?;
        if self.wanted == Wanted::Content {
            return Ok(Layout { shape, text, label: None });
        }
        let task_tags = self.options.task_tags();
        let label = position(&self.options.label_column, Setting::LabelColumn, &task_tags, width - 1)?;
        if text == label {
            let problem = format!("words and labels would both be column {text} of {width}");
            let remedy = Remedy::Set(vec![Setting::TextColumn, Setting::LabelColumn]);
            return Err(Error::content(place, problem).with_remedy(remedy));
        }
        Ok(Layout { shape, text, label: Some(label) })
    }

    fn no_column(&self, place: &str, wanted: &str, setting: Setting, width: usize) -> Error {
        match self.names.is_empty() {
            true => not_a_number(place, wanted, width, setting),
            false => choose_columns::unknown(place, wanted, self.names.iter().map(String::as_str), setting),
        }
    }

    fn notes(&self) -> Vec<Note> {
        let mut notes: Vec<Note> = self.header.iter().cloned().collect();
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
            notes.push(Note::once(said).with_remedy(elsewhere));
        }
        if label.is_none() && self.wanted != Wanted::Content {
            notes.push(Note::once(
                "there is one column, read as words without labels (columns are parted by a tab or spaces)",
            ));
        }
        if let Some(label) = label.filter(|_| self.tags.has_only("_") || self.tags.has_only("-")) {
            let elsewhere = Remedy::set(Setting::LabelColumn).so_as("if the labels are elsewhere");
            let said = format!("column {label}, read as the labels, is empty in every line");
            notes.push(Note::once(said).with_remedy(elsewhere));
        }
        notes
    }
}

/// Returns the cells of a line: parted by tabs if it has one, else by spaces.
pub(crate) fn split(line: &str) -> Vec<&str> {
    if line.contains('\t') {
        line.split('\t').collect()
    } else {
        line.split(' ').filter(|cell| !cell.is_empty()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::split_builder::collect;
    use crate::rows::split_builder::tests::show;
    use expect_test::{Expect, expect};
    use proptest::prelude::*;
    use tagsmith_text::sentence::Split;

    fn read(input: &[u8], source: &str, options: &ReadOptions) -> Result<Split, Error> {
        let input = Input::from_bytes(input.to_vec());
        collect(Box::new(ConllReader::new(input, source, options, Wanted::Tagged, Limit::Item)), source)
    }

    fn options(text: &str, label: &str) -> ReadOptions {
        let named = |name: &str| (!name.is_empty()).then(|| name.to_owned());
        ReadOptions { text_column: named(text), label_column: named(label), ..ReadOptions::default() }
    }

    fn check_columns(input: &str, text: &str, label: &str, want: Expect) {
        want.assert_eq(&show(read(input.as_bytes(), "f", &options(text, label))));
    }

    fn check(input: &str, want: Expect) {
        check_columns(input, "", "", want);
    }

    #[test]
    fn sentences_end_at_white_space() {
        check(
            "EU NNP B-ORG\nrejects VBZ O\n\nPeter NNP B-PER\n",
            expect![[r#"
            1: EU|B-ORG rejects|O
            4: Peter|B-PER
            Strings ["B-ORG", "O", "B-PER"]; 0 and 2 of 0 1 2
        "#]],
        );
        check(
            "EU\tB-ORG\n\t\nno\tO\n \t \nend\tO",
            expect![[r#"
            1: EU|B-ORG
            3: no|O
            5: end|O
            Strings ["B-ORG", "O"]; 0 and 1 of 0 1
        "#]],
        );
        check(
            "EU O\r\n\r\nno O\r\n\t\r\n\r\nend O\r\n",
            expect![[r#"
            1: EU|O
            3: no|O
            6: end|O
            Strings ["O"]; 0 and 1 of 0 1
        "#]],
        );
        check(
            "\n\nEU O\n\n\n",
            expect![[r#"
            3: EU|O
            Strings ["O"]; 0 and 1 of 0 1
        "#]],
        );
        check(
            "EU O\n\u{A0}\u{3000}\nno O",
            expect![[r#"
            1: EU|O
            3: no|O
            Strings ["O"]; 0 and 1 of 0 1
        "#]],
        );
    }

    #[test]
    fn a_word_without_its_label_takes_the_missing_one() {
        let check = |input: &str, want: Expect| {
            let options = ReadOptions { missing_label: Some("UC".into()), ..ReadOptions::default() };
            want.assert_eq(&show(read(input.as_bytes(), "f", &options)));
        };
        check(
            "we\nar\tI\ngoing \n\t\nto go\t\n# 1\nhome\tUC\n",
            expect![[r#"
                1: we|UC ar|I going |UC
                5: to go|UC home|UC
                Strings ["UC", "I"]; 0 and 1 of 0 1
                note: 1 comment lines were skipped (f:6)
                note: 3 words have no label and got `UC` (f:1, f:3, f:5)
            "#]],
        );
        check(
            "we PRP\nar VBP I\n",
            expect![[r#"
                error: f:2: `ar VBP I` has 3 columns, the lines before have 2: give every line the same columns
            "#]],
        );
        // Without any label they are words to be tagged.
        check(
            "we\nare\n\nhome\n",
            expect![[r#"
                1: we are
                4: home
                Absent []; 0 and nothing of 0
                note: there is one column, read as words without labels (columns are parted by a tab or spaces)
            "#]],
        );
        // Nobody asked for it: the line is an error.
        assert!(show(read("ar\tI\nwe\n".as_bytes(), "f", &ReadOptions::default())).contains("give every line"));
    }

    #[test]
    fn byte_order_marks() {
        check(
            "\u{FEFF}EU O\nno O\n",
            expect![[r#"
            1: EU|O no|O
            Strings ["O"]; 0 and 1 of 0 1
        "#]],
        );
        check(
            "EU O\n\u{FEFF}\nno O\n",
            expect![[r#"
            1: EU|O
            3: no|O
            Strings ["O"]; 0 and 1 of 0 1
            note: 1 lines hold nothing but a byte-order mark; each ends a sentence (f:2)
        "#]],
        );
        check(
            "a O\n\u{FEFF}\u{FEFF}b O\n",
            expect![[r#"
            1: a|O \u{feff}\u{feff}b|O
            Strings ["O"]; 0 and 1 of 0 1
        "#]],
        );
    }

    #[test]
    fn tabs_or_spaces() {
        check(
            "ke s\tB-LOC\n\tO\n\u{200E}\tO\n \tO\n",
            expect![[r#"
            1: ke s|B-LOC |O \u{200e}|O  |O
            Strings ["B-LOC", "O"]; 0 and 1 of 0 1
            note: 2 words are empty or blank; they are kept (f:2, f:4)
        "#]],
        );
        check(
            "a  O \nb   B-X\n",
            expect![[r#"
            1: a|O b|B-X
            Strings ["O", "B-X"]; 0 and 1 of 0 1
        "#]],
        );
        check(
            "a\tO \nb\t B-X\n",
            expect![[r#"
            1: a|O b|B-X
            Strings ["O", "B-X"]; 0 and 1 of 0 1
            note: 2 labels had white space around them, which was dropped (f:1, f:2)
        "#]],
        );
        check(
            "New\u{A0}York O\n",
            expect![[r#"
            1: New\u{a0}York|O
            Strings ["O"]; 0 and 1 of 0 1
        "#]],
        );
        check(
            "a\u{2028}b O\u{85}c\n",
            expect![[r#"
            1: a\u{2028}b|Oc
            Strings ["O\u{85}c"]; 0 and 1 of 0 1
        "#]],
        );
    }

    #[test]
    fn document_starts() {
        check(
            "-DOCSTART- -X- O O\n\nEU NNP I-NP B-ORG\n",
            expect![[r#"
            3: EU|B-ORG
            Strings ["B-ORG"]; 0 and 3 of 0 1 2 3
            note: 1 `-DOCSTART-` lines were skipped (f:1)
        "#]],
        );
        check(
            "EU O\n-DOCSTART- O\nno O\n\n-DOCSTART-\n",
            expect![[r#"
            1: EU|O
            3: no|O
            Strings ["O"]; 0 and 1 of 0 1
            note: 2 `-DOCSTART-` lines were skipped (f:2, f:5)
        "#]],
        );
        check(
            "EU O\n",
            expect![[r#"
            1: EU|O
            Strings ["O"]; 0 and 1 of 0 1
        "#]],
        );
        check(
            "-DOCSTART- O\n\n",
            expect![[r#"
            error: f: there is no sentence in it: check the path and how the file was made
        "#]],
        );
    }

    #[test]
    fn columns_by_number_and_name() {
        check_columns(
            "a B-X 0\nb O 0\n",
            "",
            "1",
            expect![[r#"
            1: a|B-X b|O
            Strings ["B-X", "O"]; 0 and 1 of 0 1 2
        "#]],
        );
        check_columns(
            "1\ta\tB-X\t-\n2\tb\tO\t-\n",
            "1",
            "2",
            expect![[r#"
            1: a|B-X b|O
            Strings ["B-X", "O"]; 1 and 2 of 0 1 2 3
        "#]],
        );
        check_columns(
            "1\ta\tB-X\t-\n2\tb\tO\t-\n",
            "-3",
            "-2",
            expect![[r#"
            1: a|B-X b|O
            Strings ["B-X", "O"]; 1 and 2 of 0 1 2 3
        "#]],
        );
        check_columns(
            "# global.columns = ID FORM NER\n1 a B-X\n",
            "FORM",
            "NER",
            expect![[r#"
            2: a|B-X
            Strings ["B-X"]; FORM and NER of ID FORM NER
            note: 1 comment lines were skipped (f:1)
        "#]],
        );
        check_columns(
            "# global.columns = tokens ner_tags misc\na B-X _\n",
            "",
            "",
            expect![[r#"
            2: a|B-X
            Strings ["B-X"]; tokens and ner_tags of tokens ner_tags misc
            note: 1 comment lines were skipped (f:1)
        "#]],
        );
        check_columns(
            "a O\n",
            "words",
            "",
            expect![[r#"
                error: f:1: there is no column `words`: the columns have no names, only numbers from 0 to 1 (-1 is the last): pass <TextColumn> with a number
            "#]],
        );
        check_columns(
            "a O\n",
            "",
            "2",
            expect![[r#"
                error: f:1: there is no column `2`: the columns have no names, only numbers from 0 to 1 (-1 is the last): pass <LabelColumn> with a number
            "#]],
        );
        check_columns(
            "a O\n",
            "",
            "-3",
            expect![[r#"
                error: f:1: there is no column `-3`: the columns have no names, only numbers from 0 to 1 (-1 is the last): pass <LabelColumn> with a number
            "#]],
        );
        check_columns(
            "a O\n",
            "-1",
            "",
            expect![[r#"
                error: f:1: words and labels would both be column 1 of 2: pass <TextColumn> or <LabelColumn>
            "#]],
        );
        check_columns(
            "# global.columns = ID FORM NER\n1 a B-X\n",
            "FROM",
            "",
            expect![[r#"
                error: f:2: there is no column `FROM` among `ID`, `FORM`, `NER`: pass <TextColumn=FORM> if that is meant
            "#]],
        );
        check_columns(
            "# global.columns = ID FORM\n1 a B-X\n",
            "",
            "",
            expect![[r#"
            error: f:2: `1 a B-X` has 3 columns, `# global.columns` names 2: correct either
        "#]],
        );
    }

    #[test]
    fn numbers_and_empty_columns_are_pointed_out() {
        check(
            "1\ta\tB-X\t-\n2\tb\tO\t-\n\n1\tc\tO\t-\n",
            expect![[r#"
                1: 1|- 2|-
                4: 1|-
                Strings ["-"]; 0 and 3 of 0 1 2 3
                note: column 0, read as the words, only counts 1, 2, 3, …: pass <TextColumn=1> if the words are there
                note: column 3, read as the labels, is empty in every line: pass <LabelColumn> if the labels are elsewhere
            "#]],
        );
        check(
            "1\tO\n1\tO\n",
            expect![[r#"
            1: 1|O 1|O
            Strings ["O"]; 0 and 1 of 0 1
        "#]],
        );
    }

    #[test]
    fn hashes() {
        check(
            "# sent_id = 1\n# text = a b\n1\ta\tO\n# text = rabi 3al\t16 sena\n\n1\tb\tO\n",
            expect![[r#"
                3: 1|O
                6: 1|O
                Strings ["O"]; 0 and 2 of 0 1 2
                note: 3 comment lines were skipped (f:1, f:2, f:4)
                note: column 0, read as the words, only counts 1, 2, 3, …: pass <TextColumn=1> if the words are there
            "#]],
        );
        check(
            "# newdoc id = batch 1\n1\ta\tO\n",
            expect![[r#"
                2: 1|O
                Strings ["O"]; 0 and 2 of 0 1 2
                note: 1 comment lines were skipped (f:1)
                note: column 0, read as the words, only counts 1, 2, 3, …: pass <TextColumn=1> if the words are there
            "#]],
        );
        check(
            "# text = a\tb\na\tO\n",
            expect![[r#"
            2: a|O
            Strings ["O"]; 0 and 1 of 0 1
            note: 1 comment lines were skipped (f:1)
        "#]],
        );
        check(
            "# newdoc\n\n# a remark\na\tO\n",
            expect![[r#"
            4: a|O
            Strings ["O"]; 0 and 1 of 0 1
            note: 2 comment lines were skipped (f:1, f:3)
        "#]],
        );
        check(
            "# a longer remark\na b c O\n",
            expect![[r#"
                1: #|remark a|O
                Strings ["remark", "O"]; 0 and 3 of 0 1 2 3
                note: 1 lines begin with `# ` but have the data's columns, and were read as words (f:1)
            "#]],
        );
        check(
            "# one two three\na\tb\tc\tO\n",
            expect![[r#"
            2: a|O
            Strings ["O"]; 0 and 3 of 0 1 2 3
            note: 1 comment lines were skipped (f:1)
        "#]],
        );
        check(
            "# O\n\n# B-X\nEU O\n# O\n",
            expect![[r#"
                1: #|O
                3: #|B-X EU|O #|O
                Strings ["O", "B-X"]; 0 and 1 of 0 1
                note: 3 lines begin with `# ` but have the data's columns, and were read as words (f:1, f:3, f:5)
            "#]],
        );
        check(
            "#EU O\n# O\n#\tO\n",
            expect![[r#"
                1: #EU|O #|O #|O
                Strings ["O"]; 0 and 1 of 0 1
                note: 1 lines begin with `# ` but have the data's columns, and were read as words (f:2)
            "#]],
        );
        check(
            "a O\n#\nb O\n",
            expect![[r#"
            1: a|O b|O
            Strings ["O"]; 0 and 1 of 0 1
            note: 1 comment lines were skipped (f:2)
        "#]],
        );
        check(
            "# only\n# remarks\n",
            expect![[r#"
            error: f: there is no sentence in it: check the path and how the file was made
        "#]],
        );
    }

    #[test]
    fn refusals() {
        check(
            "",
            expect![[r#"
            error: f: there is no sentence in it: check the path and how the file was made
        "#]],
        );
        check(
            "\n \n",
            expect![[r#"
            error: f: there is no sentence in it: check the path and how the file was made
        "#]],
        );
        check(
            "EU NNP O\nno O\n",
            expect![[r#"
            error: f:2: `no O` has 2 columns, the lines before have 3: give every line the same columns
        "#]],
        );
        check(
            "word\nother\n",
            expect![[r#"
                1: word other
                Absent []; 0 and nothing of 0
                note: there is one column, read as words without labels (columns are parted by a tab or spaces)
            "#]],
        );
        check(
            "a\tO\nb\t\n",
            expect![[r#"
            error: f:2: a label is an empty string: give every word a label
        "#]],
        );
        check(
            "a O\nb\u{7}O\n",
            expect![[r#"
                error: f:2: `b\u{7}O` has 1 column, the lines before have 2: give every line the same columns
            "#]],
        );
    }

    #[test]
    fn bytes_that_are_not_utf8() {
        expect![[r#"
            error: f:2: byte 4 of the line (0xE9) is not UTF-8: convert the file, for example with `iconv -f LATIN1 -t UTF-8` (or `-f UTF-16`)
        "#]].assert_eq(&show(read(&b"a O\ncaf\xE9 O\n"[..], "f", &ReadOptions::default())));
        expect![[r#"
            error: f:1: byte 1 of the line (0xFF) is not UTF-8: convert the file, for example with `iconv -f LATIN1 -t UTF-8` (or `-f UTF-16`)
        "#]].assert_eq(&show(read(&b"\xFF\xFEa\0 \0"[..], "f", &ReadOptions::default())));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes, "f", &ReadOptions::default());
        }

        #[test]
        fn arbitrary_lines_never_panic(text in "([#\\-_a-z0-9 \t\r=é\u{FEFF}]{0,8}\n){0,12}", label in -3i64..3) {
            let _ = read(text.as_bytes(), "f", &options("", &label.to_string()));
        }

        /// What is written comes back.
        #[test]
        fn round_trip(sentences in prop::collection::vec(prop::collection::vec(("[^\\s#\u{FEFF}]{1,6}", "[BI]-[A-Z]{1,3}"), 1..6), 1..6)) {
            prop_assume!(sentences.iter().flatten().all(|(word, _)| word != "-DOCSTART-" && !word.contains(char::is_whitespace)));
            let text: String = sentences.iter().map(|sentence| {
                sentence.iter().map(|(word, tag)| format!("{word}\t{tag}\n")).collect::<String>() + "\n"
            }).collect();
            let split = read(text.as_bytes(), "f", &ReadOptions::default()).expect("well-formed");
            let got: Vec<Vec<(String, String)>> = split.sentences.iter().map(|sentence| {
                sentence.words.iter().zip(&sentence.tags)
                    .map(|(word, &tag)| (word.clone(), split.tag_names[tag as usize].clone())).collect()
            }).collect();
            prop_assert_eq!(got, sentences);
        }
    }
}
