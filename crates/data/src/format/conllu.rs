//! CoNLL-U: ten columns of Universal Dependencies, of which the forms and one more are read.

use crate::choose_columns::unknown;
use crate::error::{Error, at_line};
use crate::lines::Lines;
use crate::split_builder::{ReadOptions, SplitBuilder};
use std::collections::BTreeSet;
use std::io::BufRead;
use tagsmith_message::Note;
use tagsmith_message::{counted, quote};
use tagsmith_text::sentence::{Columns, Split};

const COLUMNS: [&str; 10] = ["ID", "FORM", "LEMMA", "UPOS", "XPOS", "FEATS", "HEAD", "DEPREL", "DEPS", "MISC"];
const FORM: usize = 1;
const UPOS: usize = 3;
const FEATS: usize = 5;

/// Feature names remembered for the message about one that never occurs.
const FEATURES_MAX: usize = 200;

/// Reads CoNLL-U.
///
/// The words are the forms. The labels are `UPOS`, or the column named by the options (in any case), or the value of
/// a feature (`FEATS=Number`, or `Number` alone), `_` where a word has none. Words that are written as one (ranges
/// `1-2`) count apart, as the treebank has them; the range's row and empty nodes (`1.1`) are skipped and counted.
pub fn read(input: impl BufRead, source: &str, options: &ReadOptions) -> Result<Split, Error> {
    let mut lines = Lines::new(input, source);
    let mut reader = Reader::new(source, options)?;
    while let Some((number, line)) = lines.next()? {
        reader.line(number, line)?;
    }
    reader.finish()
}

/// What a word's label is.
enum Label {
    Column(usize),
    Feature(String),
}

struct Reader<'s> {
    source: &'s str,
    text: usize,
    label: Label,
    builder: SplitBuilder<'s>,
    /// The features met, and whether the wanted one was among them.
    features: BTreeSet<String>,
    feature_found: bool,
    ranges: Note,
    empty_nodes: Note,
}

impl<'s> Reader<'s> {
    fn new(source: &'s str, options: &ReadOptions) -> Result<Self, Error> {
        let text = match &options.text_column {
            None => FORM,
            Some(name) => column(name)
                .ok_or_else(|| Error::content(source, unknown(name, "--text_column_name", COLUMNS.iter().copied())))?,
        };
        let label = match &options.label_column {
            None => Label::Column(UPOS),
            Some(name) => match (column(name), feature_name(name)) {
                (Some(index), _) => Label::Column(index),
                (None, key) => Label::Feature(key.to_owned()),
            },
        };
        Ok(Reader {
            source,
            text,
            label,
            builder: SplitBuilder::new(source, at_line, None),
            features: BTreeSet::new(),
            feature_found: false,
            ranges: Note::new("rows of words written as one (ranges such as `1-2`) were skipped; their words are read"),
            empty_nodes: Note::new("empty nodes (such as `1.1`) were skipped"),
        })
    }

    fn line(&mut self, number: u64, line: &str) -> Result<(), Error> {
        if line.trim().is_empty() {
            self.builder.end_sentence();
            return Ok(());
        }
        if line.starts_with('#') {
            return self.comment(number, line);
        }
        let cells: Vec<&str> = line.split('\t').collect();
        if cells.len() != COLUMNS.len() {
            return Err(Error::content(
                at_line(self.source, number),
                format!(
                    "{} has {}, CoNLL-U has 10, parted by tabs: correct the line, or name the file `.conll` if it has columns of its own",
                    quote(line),
                    counted(cells.len(), "column")
                ),
            ));
        }
        match id_of(cells[0]) {
            Some(Id::Word) => self.word(number, &cells),
            Some(Id::Range) => {
                self.ranges.add(|| at_line(self.source, number));
                Ok(())
            }
            Some(Id::EmptyNode) => {
                self.empty_nodes.add(|| at_line(self.source, number));
                Ok(())
            }
            None => Err(Error::content(
                at_line(self.source, number),
                format!("the id {} is no number, range (`1-2`) or empty node (`1.1`): correct it", quote(cells[0])),
            )),
        }
    }

    /// Comments say nothing here, except that the columns might be others (CoNLL-U Plus).
    fn comment(&mut self, number: u64, line: &str) -> Result<(), Error> {
        match line.strip_prefix("# global.columns =") {
            Some(names) if !names.split_whitespace().eq(COLUMNS) => Err(Error::content(
                at_line(self.source, number),
                "the columns are not those of CoNLL-U: name the file `.conll` and the columns with `--text_column_name` and `--label_column_name`",
            )),
            _ => Ok(()),
        }
    }

    fn word(&mut self, number: u64, cells: &[&str]) -> Result<(), Error> {
        let label = match &self.label {
            Label::Column(index) => cells[*index],
            Label::Feature(wanted) => {
                let mut value = "_";
                for (key, found) in cells[FEATS].split('|').filter_map(|feature| feature.split_once('=')) {
                    if key == wanted {
                        value = found;
                        self.feature_found = true;
                    } else if self.features.len() < FEATURES_MAX && !self.features.contains(key) {
                        self.features.insert(key.to_owned());
                    }
                }
                value
            }
        };
        let tag = self.builder.tag_of_string(label, number)?;
        self.builder.word(cells[self.text], Some(tag), number);
        Ok(())
    }

    fn finish(self) -> Result<Split, Error> {
        let mut notes = vec![self.ranges, self.empty_nodes];
        let label = match self.label {
            Label::Column(index) => COLUMNS[index].to_owned(),
            Label::Feature(key) => format!("FEATS={key}"),
        };
        let unlabelled = self.builder.has_only_tag("_");
        if unlabelled && !label.contains('=') {
            notes.push(Note::once(format!("{} is `_` for every word: the treebank does not fill it", quote(&label))));
        }
        let columns = Columns {
            text: COLUMNS[self.text].to_owned(),
            label: Some(label.clone()),
            all: COLUMNS.map(str::to_owned).to_vec(),
        };
        let split = self.builder.finish(columns, notes)?;
        if let (Some(key), false) = (label.strip_prefix("FEATS="), self.feature_found) {
            let names = COLUMNS.iter().copied().chain(self.features.iter().map(String::as_str));
            return Err(Error::content(self.source, unknown(key, "--label_column_name", names)));
        }
        Ok(split)
    }
}

enum Id {
    Word,
    Range,
    EmptyNode,
}

fn id_of(cell: &str) -> Option<Id> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let both = |pair: Option<(&str, &str)>| pair.is_some_and(|(a, b)| is_number(a) && is_number(b));
    if is_number(cell) {
        Some(Id::Word)
    } else if both(cell.split_once('-')) {
        Some(Id::Range)
    } else if both(cell.split_once('.')) {
        Some(Id::EmptyNode)
    } else {
        None
    }
}

fn column(name: &str) -> Option<usize> {
    if let Some(index) = COLUMNS.iter().position(|column| column.eq_ignore_ascii_case(name)) {
        return Some(index);
    }
    let index: i64 = name.parse().ok()?;
    let index = if index < 0 { index + COLUMNS.len() as i64 } else { index };
    usize::try_from(index).ok().filter(|&index| index < COLUMNS.len())
}

fn feature_name(name: &str) -> &str {
    name.strip_prefix("FEATS=").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::split_builder::tests::show;
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    const TREE: &str = "\
# global.columns = ID FORM LEMMA UPOS XPOS FEATS HEAD DEPREL DEPS MISC
# sent_id = 1
# text = On va\tau 10 000e
1\tOn\til\tPRON\tPP\tNumber=Sing|Person=3\t2\tnsubj\t_\t_
2\tva\taller\tVERB\tVB\tNumber=Sing\t0\troot\t_\t_
3-4\tau\t_\t_\t_\t_\t_\t_\t_\t_
3\tà\tà\tADP\tIN\t_\t5\tcase\t_\t_
4\tle\tle\tDET\tDT\tNumber=Sing\t5\tdet\t_\t_
4.1\tville\tville\tNOUN\tNN\t_\t_\t_\t_\t_
5\t10 000e\t10000e\tADJ\tJJ\t_\t2\tobl\t_\t_

# sent_id = 2
1\t#\t#\tSYM\tSYM\t_\t0\troot\t_\t_
";

    fn check_columns(input: &str, text: Option<&str>, label: Option<&str>, want: Expect) {
        let options = ReadOptions {
            text_column: text.map(str::to_owned),
            label_column: label.map(str::to_owned),
            task: "pos".into(),
            ..ReadOptions::default()
        };
        want.assert_eq(&show(read(input.as_bytes(), "f", &options)));
    }

    #[test]
    fn words_and_their_labels() {
        check_columns(
            TREE,
            None,
            None,
            expect![[r#"
            4: On|PRON va|VERB à|ADP le|DET 10 000e|ADJ
            13: #|SYM
            Strings ["PRON", "VERB", "ADP", "DET", "ADJ", "SYM"]; FORM and UPOS of ID FORM LEMMA UPOS XPOS FEATS HEAD DEPREL DEPS MISC
            note: 1 rows of words written as one (ranges such as `1-2`) were skipped; their words are read (f:6)
            note: 1 empty nodes (such as `1.1`) were skipped (f:9)
        "#]],
        );
        check_columns(
            TREE,
            Some("LEMMA"),
            Some("xpos"),
            expect![[r#"
            4: il|PP aller|VB à|IN le|DT 10000e|JJ
            13: #|SYM
            Strings ["PP", "VB", "IN", "DT", "JJ", "SYM"]; LEMMA and XPOS of ID FORM LEMMA UPOS XPOS FEATS HEAD DEPREL DEPS MISC
            note: 1 rows of words written as one (ranges such as `1-2`) were skipped; their words are read (f:6)
            note: 1 empty nodes (such as `1.1`) were skipped (f:9)
        "#]],
        );
        check_columns(
            TREE,
            None,
            Some("FEATS=Number"),
            expect![[r#"
            4: On|Sing va|Sing à|_ le|Sing 10 000e|_
            13: #|_
            Strings ["Sing", "_"]; FORM and FEATS=Number of ID FORM LEMMA UPOS XPOS FEATS HEAD DEPREL DEPS MISC
            note: 1 rows of words written as one (ranges such as `1-2`) were skipped; their words are read (f:6)
            note: 1 empty nodes (such as `1.1`) were skipped (f:9)
        "#]],
        );
        check_columns(
            TREE,
            None,
            Some("Person"),
            expect![[r#"
            4: On|3 va|_ à|_ le|_ 10 000e|_
            13: #|_
            Strings ["3", "_"]; FORM and FEATS=Person of ID FORM LEMMA UPOS XPOS FEATS HEAD DEPREL DEPS MISC
            note: 1 rows of words written as one (ranges such as `1-2`) were skipped; their words are read (f:6)
            note: 1 empty nodes (such as `1.1`) were skipped (f:9)
        "#]],
        );
        check_columns(
            TREE,
            None,
            Some("7"),
            expect![[r#"
            4: On|nsubj va|root à|case le|det 10 000e|obl
            13: #|root
            Strings ["nsubj", "root", "case", "det", "obl"]; FORM and DEPREL of ID FORM LEMMA UPOS XPOS FEATS HEAD DEPREL DEPS MISC
            note: 1 rows of words written as one (ranges such as `1-2`) were skipped; their words are read (f:6)
            note: 1 empty nodes (such as `1.1`) were skipped (f:9)
        "#]],
        );
        check_columns(
            &TREE.replace('\n', "\r\n"),
            None,
            Some("DEPREL"),
            expect![[r#"
            4: On|nsubj va|root à|case le|det 10 000e|obl
            13: #|root
            Strings ["nsubj", "root", "case", "det", "obl"]; FORM and DEPREL of ID FORM LEMMA UPOS XPOS FEATS HEAD DEPREL DEPS MISC
            note: 1 rows of words written as one (ranges such as `1-2`) were skipped; their words are read (f:6)
            note: 1 empty nodes (such as `1.1`) were skipped (f:9)
        "#]],
        );
        check_columns(
            "1\ta\ta\tX\t_\t_\t0\troot\t_\t_",
            None,
            Some("XPOS"),
            expect![[r#"
            1: a|_
            Strings ["_"]; FORM and XPOS of ID FORM LEMMA UPOS XPOS FEATS HEAD DEPREL DEPS MISC
            note: `XPOS` is `_` for every word: the treebank does not fill it
        "#]],
        );
    }

    #[test]
    fn refusals() {
        check_columns(
            TREE,
            None,
            Some("Numbre"),
            expect![[r#"
            error: f: there is no column `Numbre`: give `--label_column_name` one of `ID`, `FORM`, `LEMMA`, `UPOS`, `XPOS`, `FEATS`, `HEAD`, `DEPREL`, `DEPS`, `MISC`, `Number`, `Person`. Did you mean `Number`?
        "#]],
        );
        check_columns(
            TREE,
            None,
            Some("UPOSS"),
            expect![[r#"
            error: f: there is no column `UPOSS`: give `--label_column_name` one of `ID`, `FORM`, `LEMMA`, `UPOS`, `XPOS`, `FEATS`, `HEAD`, `DEPREL`, `DEPS`, `MISC`, `Number`, `Person`. Did you mean `UPOS`?
        "#]],
        );
        check_columns(
            TREE,
            Some("WORD"),
            None,
            expect![[r#"
            error: f: there is no column `WORD`: give `--text_column_name` one of `ID`, `FORM`, `LEMMA`, `UPOS`, `XPOS`, `FEATS`, `HEAD`, `DEPREL`, `DEPS`, `MISC`
        "#]],
        );
        check_columns(
            "1\ta\tX\n",
            None,
            None,
            expect![[r#"
            error: f:1: `1\ta\tX` has 3 columns, CoNLL-U has 10, parted by tabs: correct the line, or name the file `.conll` if it has columns of its own
        "#]],
        );
        check_columns(
            "1 a a X _ _ 0 root _ _\n",
            None,
            None,
            expect![[r#"
                error: f:1: `1 a a X _ _ 0 root _ _` has 1 column, CoNLL-U has 10, parted by tabs: correct the line, or name the file `.conll` if it has columns of its own
            "#]],
        );
        check_columns(
            "x\ta\ta\tX\t_\t_\t0\troot\t_\t_\n",
            None,
            None,
            expect![[r#"
            error: f:1: the id `x` is no number, range (`1-2`) or empty node (`1.1`): correct it
        "#]],
        );
        check_columns(
            "1-\ta\ta\tX\t_\t_\t0\troot\t_\t_\n",
            None,
            None,
            expect![[r#"
            error: f:1: the id `1-` is no number, range (`1-2`) or empty node (`1.1`): correct it
        "#]],
        );
        check_columns(
            "1\ta\ta\t\t_\t_\t0\troot\t_\t_\n",
            None,
            None,
            expect![[r#"
            error: f:1: a label is an empty string: give every word a label
        "#]],
        );
        check_columns(
            "# global.columns = ID FORM NER\n1\ta\tO\n",
            None,
            None,
            expect![[r#"
            error: f:1: the columns are not those of CoNLL-U: name the file `.conll` and the columns with `--text_column_name` and `--label_column_name`
        "#]],
        );
        check_columns(
            "# nothing\n\n",
            None,
            None,
            expect![[r#"
            error: f: there is no sentence in it: check the path and how the file was made
        "#]],
        );
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(bytes.as_slice(), "f", &ReadOptions::default());
        }

        #[test]
        fn arbitrary_cells_never_panic(text in "(([0-9.\\-a#=|é]{0,4}\t){9}[a-z_]?\n){0,4}", label in "[A-Z]{0,4}") {
            let options = ReadOptions { label_column: Some(label), ..ReadOptions::default() };
            let _ = read(text.as_bytes(), "f", &options);
        }
    }
}
