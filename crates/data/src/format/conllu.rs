//! CoNLL-U: ten columns of Universal Dependencies, of which the forms and one more are read.

use crate::bytes::input::Input;
use crate::bytes::lines::{Limit, Lines};
use crate::error::{Error, at_line};
use crate::read_options::{ReadOptions, Wanted};
use crate::rows::row::{Reader, Row};
use crate::rows::tag_names::TagNames;
use crate::rules::choose_columns::{by_name_or_number, unknown};
use crate::rules::comments::is_conllu_comment;
use crate::rules::headers::{self, is_tag};
use crate::rules::ids;
use crate::rules::sentence_ends::is_blank;
use std::collections::BTreeSet;
use std::mem::take;
use tagsmith_message::Note;
use tagsmith_message::{Remedy, Setting};
use tagsmith_message::{counted, quote, quote_all};
use tagsmith_text::sentence::Columns;
use tagsmith_text::tagged::Content;

const COLUMNS: [&str; 10] = ["ID", "FORM", "LEMMA", "UPOS", "XPOS", "FEATS", "HEAD", "DEPREL", "DEPS", "MISC"];
const FORM: usize = 1;
const UPOS: usize = 3;
const FEATS: usize = 5;
const MISC: usize = 9;

/// The most keys that are remembered for messages about them.
const KEYS_MAX: usize = 200;

/// The sentences of CoNLL-U.
///
/// The words are the forms. The labels are `UPOS`, or the column named by the options (in any case), or the value of a
/// key. Keys are those of FEATS and MISC: `FEATS=Number`, `MISC=name`, or `Number` alone. The label is `_` where a word has
/// no such value. Words that are written as one (ranges `1-2`) count apart, as the treebank has them; the range's row and
/// empty nodes (`1.1`) are skipped and counted.
pub(crate) struct ConlluReader {
    lines: Lines,
    state: State,
}

impl ConlluReader {
    /// # Errors
    /// The options name a column of words that CoNLL-U does not have.
    pub(crate) fn new(
        input: Input,
        source: &str,
        options: &ReadOptions,
        wanted: Wanted,
        limit: Limit,
    ) -> Result<Self, Error> {
        let state = State::new(source, options, wanted, limit)?;
        Ok(ConlluReader { lines: Lines::new(input, source, limit), state })
    }
}

impl Reader for ConlluReader {
    fn next(&mut self) -> Result<Option<Row>, Error> {
        while let Some((number, line)) = self.lines.next()? {
            let row = self.state.line(number, line)?;
            if row.is_some() {
                return Ok(row);
            }
        }
        let last = self.state.end_sentence();
        if last.is_none() {
            self.state.check_feature()?;
        }
        Ok(last)
    }

    fn place(&self, number: u64) -> String {
        at_line(&self.state.source, number)
    }

    fn columns(&self) -> Columns {
        Columns {
            text: COLUMNS[self.state.text].to_owned(),
            label: self.state.label.as_ref().map(Label::name),
            all: COLUMNS.map(str::to_owned).to_vec(),
        }
    }

    fn take_tags(&mut self) -> TagNames {
        take(&mut self.state.tags)
    }

    fn notes(&self) -> Vec<Note> {
        let State { tags, ranges, empty_nodes, .. } = &self.state;
        let mut notes = vec![ranges.clone(), empty_nodes.clone()];
        notes.extend(self.lines.notes());
        notes.extend(self.state.tags_in_misc.clone().map(|key| {
            let learn = Remedy::SetTo(Setting::LabelColumn, key.clone()).so_as("to read those");
            let said = format!("`MISC` holds tags under {}, and the labels are read from another column", quote(&key));
            Note::once(said).with_remedy(learn)
        }));
        let keys = &self.state.found;
        if matches!(self.state.label, Some(Label::Column(MISC))) && keys.len() > 1 {
            let names = quote_all(keys.iter().map(String::as_str));
            let one = Remedy::set(Setting::LabelColumn).so_as("with one of them");
            notes.push(Note::once(format!("`MISC` is read whole, and holds several keys: {names}")).with_remedy(one));
        }
        if let Some(Label::Column(index)) = self.state.label.as_ref().filter(|_| tags.has_only("_")) {
            let said = format!("{} is `_` for every word: the treebank does not fill it", quote(COLUMNS[*index]));
            notes.push(Note::once(said).important());
        }
        notes
    }

    fn has_more_at_hand(&self) -> bool {
        self.lines.has_more_at_hand()
    }
}

/// What a word's label is.
enum Label {
    Column(usize),
    /// A key, and the column that it is in: FEATS or MISC, once it is known.
    Key(String, Option<usize>),
}

impl Label {
    fn name(&self) -> String {
        match self {
            Label::Column(index) => COLUMNS[*index].to_owned(),
            Label::Key(key, column) => format!("{}={key}", COLUMNS[column.unwrap_or(FEATS)]),
        }
    }
}

struct State {
    source: String,
    limit: Limit,
    text: usize,
    /// The source of the labels; none where only words are wanted.
    label: Option<Label>,
    tags: TagNames,
    /// The sentence whose end has not come.
    words: Vec<String>,
    word_tags: Vec<u32>,
    word_lines: Vec<u64>,
    bytes: usize,
    id: Option<String>,
    /// The keys met in FEATS and MISC.
    found: BTreeSet<String>,
    /// Whether the wanted key was among them.
    key_found: bool,
    /// The key of MISC whose values are tags, where the task is entities and the labels are of another column.
    tags_in_misc: Option<String>,
    looks_for_tags: bool,
    ranges: Note,
    empty_nodes: Note,
}

impl State {
    fn new(source: &str, options: &ReadOptions, wanted: Wanted, limit: Limit) -> Result<Self, Error> {
        let column = |name: &str| by_name_or_number(name, &COLUMNS, COLUMNS.len());
        let text = match &options.text_column {
            None => FORM,
            Some(name) => {
                column(name).ok_or_else(|| unknown(source, name, COLUMNS.iter().copied(), Setting::TextColumn))?
            }
        };
        let label = match &options.label_column {
            None => Label::Column(UPOS),
            Some(name) => match column(name) {
                Some(index) => Label::Column(index),
                None => {
                    let of = |column: usize| name.strip_prefix(COLUMNS[column])?.strip_prefix('=');
                    let column = [FEATS, MISC].into_iter().find(|column| of(*column).is_some());
                    Label::Key(column.and_then(of).unwrap_or(name).to_owned(), column)
                }
            },
        };
        Ok(State {
            source: source.to_owned(),
            limit,
            text,
            label: Some(label).filter(|_| wanted != Wanted::Content),
            tags: TagNames::default(),
            words: Vec::new(),
            word_tags: Vec::new(),
            word_lines: Vec::new(),
            bytes: 0,
            id: None,
            found: BTreeSet::new(),
            key_found: false,
            tags_in_misc: None,
            looks_for_tags: wanted == Wanted::Tagged && options.label_column.is_none() && options.task == "ner",
            ranges: Note::new(
                "{row|rows} of words written as one (ranges such as `1-2`) {was|were} skipped; {its|their} words are read",
            ),
            empty_nodes: Note::new("{empty node|empty nodes} (such as `1.1`) {was|were} skipped"),
        })
    }

    fn place(&self, number: u64) -> String {
        at_line(&self.source, number)
    }

    /// Takes a line. Returns the sentence that it ends, if it ends one.
    fn line(&mut self, number: u64, line: &str) -> Result<Option<Row>, Error> {
        if is_blank(line) {
            return Ok(self.end_sentence());
        }
        if is_conllu_comment(line) {
            self.comment(number, line)?;
            return Ok(None);
        }
        let cells: Vec<&str> = line.split('\t').collect();
        if cells.len() != COLUMNS.len() {
            return Err(Error::content(
                self.place(number),
                format!(
                    "{} has {}, CoNLL-U has 10, parted by tabs: correct the line, or name the file `.conll` if it has columns of its own",
                    quote(line),
                    counted(cells.len(), "column")
                ),
            ));
        }
        match id_of(cells[0]) {
            Some(Id::Word) => self.word(number, line, &cells)?,
            Some(Id::Range) => self.ranges.add(|| at_line(&self.source, number)),
            Some(Id::EmptyNode) => self.empty_nodes.add(|| at_line(&self.source, number)),
            None => {
                let problem = format!(
                    "the id {} is not a number, a range (`1-2`) or an empty node (`1.1`): correct it",
                    quote(cells[0])
                );
                return Err(Error::content(self.place(number), problem));
            }
        }
        Ok(None)
    }

    /// Comments give the name of a sentence, and may give other columns (CoNLL-U Plus), which are refused.
    fn comment(&mut self, number: u64, line: &str) -> Result<(), Error> {
        if let Some(id) = ids::named_by_comment(line) {
            self.id = Some(id.to_owned());
        }
        if headers::of_comment(line).is_some_and(|names| names != COLUMNS) {
            let problem = "the columns are not those of CoNLL-U";
            let by_name = Remedy::Set(vec![Setting::TextColumn, Setting::LabelColumn]).so_as("to read columns by name");
            let remedy = Remedy::AllOf(vec![Remedy::to_do("name the file `.conll`"), by_name]);
            return Err(Error::content(self.place(number), problem).with_remedy(remedy));
        }
        Ok(())
    }

    fn word(&mut self, number: u64, line: &str, cells: &[&str]) -> Result<(), Error> {
        let label = match &mut self.label {
            None => None,
            Some(Label::Column(MISC)) => {
                keys_of(cells[MISC]).for_each(|(key, _)| remember(&mut self.found, key));
                Some(cells[MISC])
            }
            Some(Label::Column(index)) => Some(cells[*index]),
            Some(Label::Key(wanted, column)) => {
                let mut value = "_";
                for of in [FEATS, MISC] {
                    let is_wanted = column.is_none_or(|column| column == of);
                    for (key, found) in keys_of(cells[of]).filter(|_| is_wanted) {
                        if key == wanted {
                            (value, *column, self.key_found) = (found, Some(of), true);
                        } else {
                            remember(&mut self.found, key);
                        }
                    }
                }
                Some(value)
            }
        };
        if self.looks_for_tags && self.tags_in_misc.is_none() {
            let tags = keys_of(cells[MISC]).find(|(_, value)| *value != "O" && is_tag(value));
            self.tags_in_misc = tags.map(|(key, _)| key.to_owned());
        }
        if let Some(label) = label {
            self.word_tags.push(self.tags.of_string(label, || at_line(&self.source, number))?);
        }
        self.words.push(cells[self.text].to_owned());
        self.word_lines.push(number);
        self.bytes += line.len() + 1;
        if self.limit == Limit::Document && self.bytes > self.limit.bytes() {
            return Err(self.limit.exceeded(self.place(self.word_lines[0]), "sentence that begins here"));
        }
        Ok(())
    }

    fn end_sentence(&mut self) -> Option<Row> {
        self.bytes = 0;
        let lines = take(&mut self.word_lines);
        let number = *lines.first()?;
        let (tags, id) = (take(&mut self.word_tags), self.id.take());
        let tags = self.label.is_some().then_some(tags);
        Some(Row { id, tags, lines, ..Row::of(number, Content::Words(take(&mut self.words))) })
    }

    /// Refuses a key that no word has.
    fn check_feature(&self) -> Result<(), Error> {
        match &self.label {
            Some(Label::Key(key, _)) if !self.key_found && !self.tags.is_empty() => {
                let names = COLUMNS.iter().copied().chain(self.found.iter().map(String::as_str));
                Err(unknown(&self.source, key, names, Setting::LabelColumn))
            }
            _ => Ok(()),
        }
    }
}

/// Returns the keys of a cell of FEATS or MISC with their values.
fn keys_of(cell: &str) -> impl Iterator<Item = (&str, &str)> {
    cell.split('|').filter_map(|pair| pair.split_once('='))
}

fn remember(found: &mut BTreeSet<String>, key: &str) {
    if found.len() < KEYS_MAX && !found.contains(key) {
        found.insert(key.to_owned());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::split_builder::collect;
    use crate::rows::split_builder::tests::show;
    use expect_test::{Expect, expect};
    use proptest::prelude::*;
    use tagsmith_text::sentence::Split;

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

    fn read(input: &[u8], source: &str, options: &ReadOptions) -> Result<Split, Error> {
        let input = Input::from_bytes(input.to_vec());
        collect(
            Box::new(ConlluReader::new(input, source, options, Wanted::Tagged, Limit::Item)?),
            source,
            &options.room,
        )
    }

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
            note: 1 row of words written as one (ranges such as `1-2`) was skipped; its words are read (f:6)
            note: 1 empty node (such as `1.1`) was skipped (f:9)
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
            note: 1 row of words written as one (ranges such as `1-2`) was skipped; its words are read (f:6)
            note: 1 empty node (such as `1.1`) was skipped (f:9)
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
            note: 1 row of words written as one (ranges such as `1-2`) was skipped; its words are read (f:6)
            note: 1 empty node (such as `1.1`) was skipped (f:9)
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
            note: 1 row of words written as one (ranges such as `1-2`) was skipped; its words are read (f:6)
            note: 1 empty node (such as `1.1`) was skipped (f:9)
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
            note: 1 row of words written as one (ranges such as `1-2`) was skipped; its words are read (f:6)
            note: 1 empty node (such as `1.1`) was skipped (f:9)
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
            note: 1 row of words written as one (ranges such as `1-2`) was skipped; its words are read (f:6)
            note: 1 empty node (such as `1.1`) was skipped (f:9)
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

    /// NorNE keeps its tags in MISC.
    #[test]
    fn keys_of_misc_are_labels() {
        let norne = "1\tAnna\tAnna\tPROPN\t_\tGender=Fem\t2\tnsubj\t_\tname=B-PER\n2\tbor\tbo\tVERB\t_\t_\t0\troot\t_\tSpaceAfter=No|name=O\n";
        let shown = |label: Option<&str>, task: &str| {
            let options =
                ReadOptions { label_column: label.map(str::to_owned), task: task.into(), ..ReadOptions::default() };
            show(read(norne.as_bytes(), "f", &options))
        };
        for name in ["name", "MISC=name"] {
            let said = shown(Some(name), "ner");
            assert!(said.starts_with("1: Anna|B-PER bor|O\n") && said.contains("FORM and MISC=name"), "{said}");
        }
        assert!(shown(Some("Gender"), "ner").contains("FORM and FEATS=Gender"));
        assert!(shown(Some("FEATS=name"), "ner").starts_with("error: f: there is no column `name`"));
        let hint =
            "`MISC` holds tags under `name`, and the labels are read from another column: pass <LabelColumn=name>";
        assert!(shown(None, "ner").contains(hint), "{}", shown(None, "ner"));
        assert!(!shown(None, "pos").contains("MISC` holds"));
        assert!(shown(Some("MISC"), "ner").contains("holds several keys: `SpaceAfter`, `name`"));
    }

    #[test]
    fn refusals() {
        check_columns(
            TREE,
            None,
            Some("Numbre"),
            expect![[r#"
                error: f: there is no column `Numbre` among `ID`, `FORM`, `LEMMA`, `UPOS`, `XPOS`, `FEATS`, `HEAD`, `DEPREL`, `DEPS`, `MISC`, `Number`, `Person`: pass <LabelColumn=Number> if that is meant
            "#]],
        );
        check_columns(
            TREE,
            None,
            Some("UPOSS"),
            expect![[r#"
                error: f: there is no column `UPOSS` among `ID`, `FORM`, `LEMMA`, `UPOS`, `XPOS`, `FEATS`, `HEAD`, `DEPREL`, `DEPS`, `MISC`, `Number`, `Person`: pass <LabelColumn=UPOS> if that is meant
            "#]],
        );
        check_columns(
            TREE,
            Some("WORD"),
            None,
            expect![[r#"
                error: f: there is no column `WORD` among `ID`, `FORM`, `LEMMA`, `UPOS`, `XPOS`, `FEATS`, `HEAD`, `DEPREL`, `DEPS`, `MISC`: pass <TextColumn=FORM> if that is meant
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
                error: f:1: the id `x` is not a number, a range (`1-2`) or an empty node (`1.1`): correct it
            "#]],
        );
        check_columns(
            "1-\ta\ta\tX\t_\t_\t0\troot\t_\t_\n",
            None,
            None,
            expect![[r#"
                error: f:1: the id `1-` is not a number, a range (`1-2`) or an empty node (`1.1`): correct it
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
                error: f:1: the columns are not those of CoNLL-U: name the file `.conll`, and pass <TextColumn> or <LabelColumn> to read columns by name
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
            let _ = read(&bytes, "f", &ReadOptions::default());
        }

        #[test]
        fn arbitrary_cells_never_panic(text in "(([0-9.\\-a#=|é]{0,4}\t){9}[a-z_]?\n){0,4}", label in "[A-Z]{0,4}") {
            let options = ReadOptions { label_column: Some(label), ..ReadOptions::default() };
            let _ = read(text.as_bytes(), "f", &options);
        }
    }
}
