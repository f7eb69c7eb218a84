//! Column files: one word a line, its labels in further columns, a line of white space after each sentence.

use crate::choose_columns::unknown;
use crate::error::{Error, at_line};
use crate::lines::Lines;
use crate::split_builder::{ReadOptions, SplitBuilder};
use std::io::BufRead;
use tagsmith_message::Note;
use tagsmith_message::{counted, quote};
use tagsmith_text::sentence::{Columns, Split};

/// Reads CoNLL columns.
///
/// The words are in the first column and the labels in the last, unless the options name others: by number, from 0
/// (-1 is the last), or by the names that a `# global.columns = …` line gives. A file of one column holds words without
/// labels. A line with a tab is split at tabs,
/// any other at spaces. `-DOCSTART-` lines end a sentence. A line that begins with `# ` is a comment when it has
/// another number of columns than the data or reads `# key = …`, and a word otherwise. A line that lacks the last
/// column, where that is the labels', takes the options' `missing_label`.
pub fn read(input: impl BufRead, source: &str, options: &ReadOptions) -> Result<Split, Error> {
    let mut lines = Lines::new(input, source);
    let mut reader = Reader::new(source, options);
    while let Some((number, line)) = lines.next()? {
        reader.line(number, line)?;
    }
    reader.finish()
}

struct Reader<'s> {
    source: &'s str,
    options: &'s ReadOptions,
    /// From `# global.columns = …`.
    names: Vec<String>,
    /// Known from the first line that is certainly data.
    layout: Option<Layout>,
    /// Lines before it, from the first that begins with `# `.
    waiting: Vec<(u64, String)>,
    builder: SplitBuilder<'s>,
    /// Whether each word so far was its own number in its sentence: ids, not words.
    counts: bool,
    comments: Note,
    hash_words: Note,
    document_starts: Note,
    mark_lines: Note,
    padded_labels: Note,
    missing_labels: Note,
}

struct Layout {
    width: usize,
    tabs: bool,
    text: usize,
    /// None in a file of one column.
    label: Option<usize>,
}

impl<'s> Reader<'s> {
    fn new(source: &'s str, options: &'s ReadOptions) -> Self {
        Reader {
            source,
            options,
            names: Vec::new(),
            layout: None,
            waiting: Vec::new(),
            builder: SplitBuilder::new(source, at_line, None),
            counts: true,
            comments: Note::new("comment lines were skipped"),
            hash_words: Note::new("lines begin with `# ` but have the data's columns, and were read as words"),
            document_starts: Note::new("`-DOCSTART-` lines were skipped"),
            mark_lines: Note::new("lines hold nothing but a byte-order mark; each ends a sentence"),
            padded_labels: Note::new("labels had white space around them, which was dropped"),
            missing_labels: Note::new(format!(
                "words have no label and got `{}`",
                options.missing_label.as_deref().unwrap_or_default()
            )),
        }
    }

    fn line(&mut self, number: u64, line: &str) -> Result<(), Error> {
        if line.chars().all(|char| char.is_whitespace() || char == '\u{FEFF}') {
            if line.contains('\u{FEFF}') {
                self.mark_lines.add(|| at_line(self.source, number));
            }
            if !self.waiting.is_empty() {
                self.waiting.push((number, String::new()));
            }
            self.builder.end_sentence();
            return Ok(());
        }
        if is_key_comment(line) {
            if let Some(names) = line.strip_prefix("# global.columns =") {
                self.names = names.split_whitespace().map(str::to_owned).collect();
            }
            self.comments.add(|| at_line(self.source, number));
            return Ok(());
        }
        let cells = split(line);
        if cells[0] == "-DOCSTART-" {
            self.document_starts.add(|| at_line(self.source, number));
            self.builder.end_sentence();
            return Ok(());
        }
        let hash = line.starts_with("# ") || line == "#";
        let Some(layout) = &self.layout else {
            // A line of one column may be a word without its label; the first of two columns tells.
            if hash || cells.len() == 1 && self.options.missing_label.is_some() {
                self.waiting.push((number, line.to_owned()));
                return Ok(());
            }
            self.begin(number, line)?;
            return self.line(number, line);
        };
        if self.options.missing_label.is_some() && layout.label == Some(layout.width - 1) && !hash {
            // In a file with tabs, a line without one is a word, whatever spaces it holds.
            let word =
                if layout.tabs && layout.width == 2 && !line.contains('\t') { vec![line] } else { cells.clone() };
            let is_empty = word.len() == layout.width && word[layout.width - 1].trim().is_empty();
            if is_empty || word.len() + 1 == layout.width {
                let word = word[layout.text];
                return self.word(number, word, None);
            }
        }
        if hash && (cells.len() != layout.width || layout.tabs && !line.contains('\t')) {
            self.comments.add(|| at_line(self.source, number));
            return Ok(());
        }
        if hash {
            self.hash_words.add(|| at_line(self.source, number));
        }
        if cells.len() != layout.width {
            return Err(Error::content(
                at_line(self.source, number),
                format!(
                    "{} has {}, the lines before have {}: give every line the same columns",
                    quote(line),
                    counted(cells.len(), "column"),
                    layout.width
                ),
            ));
        }
        let (word, label) = (cells[layout.text], layout.label.map(|label| cells[label]));
        self.word(number, word, label)
    }

    /// Settles the layout by the first line that tells it, and takes up those that waited for it.
    fn begin(&mut self, number: u64, line: &str) -> Result<(), Error> {
        self.layout = Some(self.layout_of(number, line)?);
        for (number, line) in std::mem::take(&mut self.waiting) {
            self.line(number, &line)?;
        }
        Ok(())
    }

    fn word(&mut self, number: u64, word: &str, label: Option<&str>) -> Result<(), Error> {
        let has_labels = self.layout.as_ref().is_some_and(|layout| layout.label.is_some());
        let tag = match label {
            None if has_labels => {
                self.missing_labels.add(|| at_line(self.source, number));
                let label = self.options.missing_label.as_deref().expect("only then may a label be missing");
                Some(self.builder.tag_of_string(label, number)?)
            }
            Some(padded) => {
                let label = padded.trim();
                if label.len() != padded.len() {
                    self.padded_labels.add(|| at_line(self.source, number));
                }
                Some(self.builder.tag_of_string(label, number)?)
            }
            None => None,
        };
        self.counts = self.counts && word.parse() == Ok(self.builder.open_words() + 1);
        self.builder.word(word, tag, number);
        Ok(())
    }

    /// Where the columns are, from the first line of data.
    fn layout_of(&self, number: u64, line: &str) -> Result<Layout, Error> {
        let width = split(line).len();
        let place = at_line(self.source, number);
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
        if width == 1 {
            return Ok(Layout { width, tabs: false, text: 0, label: None });
        }
        let position = |wanted: &Option<String>, flag: &str, named: &str, default: usize| match wanted {
            Some(wanted) => column(wanted, &self.names, width)
                .ok_or_else(|| Error::content(&place, self.no_column(wanted, flag, width))),
            None => Ok(column(named, &self.names, width).unwrap_or(default)),
        };
        let text = position(&self.options.text_column, "--text_column_name", "tokens", 0)?;
        let task_tags = format!("{}_tags", self.options.task);
        let label = position(&self.options.label_column, "--label_column_name", &task_tags, width - 1)?;
        if text == label {
            return Err(Error::content(
                place,
                format!(
                    "words and labels would both be column {text} of {width}: name the other with `--text_column_name` or `--label_column_name`"
                ),
            ));
        }
        Ok(Layout { width, tabs: line.contains('\t'), text, label: Some(label) })
    }

    fn no_column(&self, wanted: &str, flag: &str, width: usize) -> String {
        if !self.names.is_empty() {
            return unknown(wanted, flag, self.names.iter().map(String::as_str));
        }
        format!(
            "there is no column {}: the columns have no names, give `{flag}` a number from 0 to {} (or -1 for the last)",
            quote(wanted),
            width - 1
        )
    }

    fn finish(mut self) -> Result<Split, Error> {
        let is_word = |(_, line): &&(u64, String)| !line.is_empty() && !line.starts_with("# ") && line != "#";
        if let Some((number, line)) = self.waiting.iter().find(is_word).cloned() {
            self.begin(number, &line)?;
        }
        let Some(Layout { width, text, label, .. }) = self.layout else {
            return Err(crate::split_builder::no_sentence(self.source));
        };
        let mut notes = vec![
            self.document_starts,
            self.comments,
            self.hash_words,
            self.mark_lines,
            self.padded_labels,
            self.missing_labels,
        ];
        if self.counts {
            notes.push(Note::once(format!(
                "column {text}, read as the words, only counts 1, 2, 3, …: if the words are elsewhere, pass `--text_column_name 1`, say"
            )));
        }
        if label.is_none() {
            notes.push(Note::once(
                "there is one column, read as words without labels (columns are parted by a tab or spaces)",
            ));
        }
        if let Some(label) = label.filter(|_| self.builder.has_only_tag("_") || self.builder.has_only_tag("-")) {
            notes.push(Note::once(format!(
                "column {label}, read as the labels, is empty in every line: if the labels are elsewhere, pass `--label_column_name`"
            )));
        }
        let all: Vec<String> =
            if self.names.is_empty() { (0..width).map(|index| index.to_string()).collect() } else { self.names };
        let columns = Columns { text: all[text].clone(), label: label.map(|label| all[label].clone()), all };
        self.builder.finish(columns, notes)
    }
}

/// `# text = …`, whatever its columns: tabs inside a comment's text would make it look like data.
fn is_key_comment(line: &str) -> bool {
    let Some((key, _)) = line.strip_prefix("# ").and_then(|rest| rest.split_once(" =")) else { return false };
    // `newdoc id` is such a key.
    !key.is_empty() && key.chars().all(|char| char.is_alphanumeric() || matches!(char, '_' | '-' | ':' | '.' | ' '))
}

fn split(line: &str) -> Vec<&str> {
    if line.contains('\t') {
        line.split('\t').collect()
    } else {
        line.split(' ').filter(|cell| !cell.is_empty()).collect()
    }
}

/// The position of a column given by number or name.
fn column(wanted: &str, names: &[String], width: usize) -> Option<usize> {
    if let Some(index) = names.iter().position(|name| name == wanted) {
        return Some(index);
    }
    let index: i64 = wanted.parse().ok()?;
    let index = if index < 0 { index + width as i64 } else { index };
    usize::try_from(index).ok().filter(|&index| index < width)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::split_builder::tests::show;
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

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
            error: f:1: there is no column `words`: the columns have no names, give `--text_column_name` a number from 0 to 1 (or -1 for the last)
        "#]],
        );
        check_columns(
            "a O\n",
            "",
            "2",
            expect![[r#"
            error: f:1: there is no column `2`: the columns have no names, give `--label_column_name` a number from 0 to 1 (or -1 for the last)
        "#]],
        );
        check_columns(
            "a O\n",
            "",
            "-3",
            expect![[r#"
            error: f:1: there is no column `-3`: the columns have no names, give `--label_column_name` a number from 0 to 1 (or -1 for the last)
        "#]],
        );
        check_columns(
            "a O\n",
            "-1",
            "",
            expect![[r#"
            error: f:1: words and labels would both be column 1 of 2: name the other with `--text_column_name` or `--label_column_name`
        "#]],
        );
        check_columns(
            "# global.columns = ID FORM NER\n1 a B-X\n",
            "FROM",
            "",
            expect![[r#"
                error: f:2: there is no column `FROM`: give `--text_column_name` one of `ID`, `FORM`, `NER`. Did you mean `FORM`?
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
            note: column 0, read as the words, only counts 1, 2, 3, …: if the words are elsewhere, pass `--text_column_name 1`, say
            note: column 3, read as the labels, is empty in every line: if the labels are elsewhere, pass `--label_column_name`
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
            note: column 0, read as the words, only counts 1, 2, 3, …: if the words are elsewhere, pass `--text_column_name 1`, say
        "#]],
        );
        check(
            "# newdoc id = batch 1\n1\ta\tO\n",
            expect![[r#"
            2: 1|O
            Strings ["O"]; 0 and 2 of 0 1 2
            note: 1 comment lines were skipped (f:1)
            note: column 0, read as the words, only counts 1, 2, 3, …: if the words are elsewhere, pass `--text_column_name 1`, say
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
            let _ = read(bytes.as_slice(), "f", &ReadOptions::default());
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
