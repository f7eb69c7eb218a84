//! Label sets: tag ⇄ id, where the labels come from, and how they meet those of a checkpoint.

pub mod bare_tags;
pub mod reading;
pub mod scheme;
pub mod slips;

use crate::sentence::{Split, TagKind};
use std::collections::{BTreeMap, HashMap, HashSet};
use tagsmith_message::{Note, Remedy, Setting, counted};

/// The largest integer that can be a label without a name: a column of other numbers must not size a head.
const INTEGER_LABEL_MAX: u32 = 9_999;

/// The most names that an error or a note lists.
const NAMES_SHOWN: usize = 8;

/// An error in labels.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// No split has a tag.
    #[error("the data has no labels")]
    NoLabels,
    /// A label has an empty name.
    #[error("the label with id {id} has an empty name")]
    EmptyName {
        /// The label's id.
        id: usize,
    },
    /// Two labels have the same name.
    #[error("the label `{name}` is listed twice, as id {first} and as id {second}")]
    Duplicate {
        /// The name.
        name: String,
        /// The first id.
        first: usize,
        /// The second id.
        second: usize,
    },
    /// A tag cannot be a label of this data.
    #[error("{place}: the label `{label}` {problem}")]
    Label {
        /// The source and the line where the sentence begins.
        place: String,
        /// The label as written.
        label: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Two splits write their labels differently.
    #[error("`{first}` has {first_kind} as labels and `{second}` has {second_kind}")]
    Kinds {
        /// The source of one split.
        first: String,
        /// How this split writes labels.
        first_kind: &'static str,
        /// The source of another split.
        second: String,
        /// How that split writes labels.
        second_kind: &'static str,
    },
    /// A checkpoint's head is too small or too large.
    #[error(
        "the checkpoint's head has {} ({checkpoint_names}) but the data has {data} ({data_names})",
        counted(*.checkpoint, "label")
    )]
    HeadSize {
        /// The number of the checkpoint's labels.
        checkpoint: usize,
        /// The first of the checkpoint's labels.
        checkpoint_names: String,
        /// The number of the data's labels.
        data: usize,
        /// The first of the data's labels.
        data_names: String,
    },
    /// A checkpoint's head has the right size, but its rows mean other labels.
    #[error(
        "the checkpoint's labels are not the data's: only the checkpoint has {checkpoint_only}, only the data has \
         {data_only}"
    )]
    HeadNames {
        /// Labels that only the checkpoint has.
        checkpoint_only: String,
        /// Labels that only the data has.
        data_only: String,
    },
}

impl Error {
    /// Returns what the caller can do about the error.
    pub fn remedy(&self) -> Option<Remedy> {
        match self {
            Error::NoLabels => Some(Remedy::set(Setting::LabelColumn)),
            Error::Kinds { .. } => Some(Remedy::to_do("write both the same way")),
            Error::HeadSize { .. } => {
                Some(Remedy::set(Setting::IgnoreMismatchedSizes).so_as("to start with a new head"))
            }
            Error::HeadNames { .. } => {
                let purpose = "to give the head's rows the data's labels in order";
                Some(Remedy::set(Setting::IgnoreMismatchedLabels).so_as(purpose))
            }
            Error::EmptyName { .. } | Error::Duplicate { .. } | Error::Label { .. } => None,
        }
    }
}

/// The labels of a model: distinct, non-empty names with the ids 0, 1, ….
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelSet {
    names: Vec<String>,
    ids: HashMap<String, u32>,
}

impl LabelSet {
    /// Returns the labels of these names, whose ids are their places.
    ///
    /// # Errors
    /// No name, an empty or a repeated one.
    pub fn new(names: Vec<String>) -> Result<Self, Error> {
        if names.is_empty() {
            return Err(Error::NoLabels);
        }
        let mut ids = HashMap::with_capacity(names.len());
        for (id, name) in names.iter().enumerate() {
            if name.is_empty() {
                return Err(Error::EmptyName { id });
            }
            if let Some(first) = ids.insert(name.clone(), id as u32) {
                return Err(Error::Duplicate { name: name.clone(), first: first as usize, second: id });
            }
        }
        Ok(LabelSet { names, ids })
    }

    /// Returns the labels of all splits of a data set, those of `train` (where there is one) first.
    ///
    /// `ClassLabel` names keep their order; strings are sorted by code point, as Python sorts them. Integers without
    /// names are named by their decimals and keep their values as ids. Notes tell labels that `train` lacks, and
    /// integers.
    ///
    /// # Errors
    /// No label; splits that write their labels differently; a label that is empty or too large an integer.
    pub fn infer(train: Option<&Split>, others: &[&Split]) -> Result<(Self, Vec<Note>), Error> {
        let splits: Vec<&Split> =
            train.into_iter().chain(others.iter().copied()).filter(|split| split.tag_kind != TagKind::Absent).collect();
        let kind = one_kind(&splits)?;
        let used = Used::in_splits(train, &splits);
        let mut notes = Vec::new();
        let names = match kind {
            TagKind::Absent => return Err(Error::NoLabels),
            TagKind::Strings => used.first_places.keys().map(|name| (*name).into()).collect(),
            TagKind::ClassLabel => class_names(&splits, &used),
            TagKind::Integers => integer_names(&used, &mut notes)?,
        };
        notes.extend(train.filter(|train| train.tag_kind != TagKind::Absent).and_then(|_| used.lacking_in_train()));
        Ok((LabelSet::new(names)?, notes))
    }

    /// Returns the names in the order of their ids.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Returns the number of labels, which is at least one.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Returns the id of a name.
    pub fn id(&self, name: &str) -> Option<u32> {
        self.ids.get(name).copied()
    }

    /// Returns the id of each of the split's tag names; a tag that no word has may be unknown here and is then `None`.
    ///
    /// # Errors
    /// A tag that some word has and this set lacks.
    pub fn ids_of(&self, split: &Split) -> Result<Vec<Option<u32>>, Error> {
        self.ids_without(split, None)
    }

    /// Returns what [`LabelSet::ids_of`] returns, except that words tagged `uncounted` need no label: their id is `None`.
    ///
    /// # Errors
    /// A tag that some word has and this set lacks.
    pub fn ids_without(&self, split: &Split, uncounted: Option<&str>) -> Result<Vec<Option<u32>>, Error> {
        let ids: Vec<Option<u32>> = split.tag_names.iter().map(|name| self.id(name)).collect();
        let is_unknown = |tag: &&u32| {
            let tag = **tag as usize;
            ids[tag].is_none() && Some(split.tag_names[tag].as_str()) != uncounted
        };
        for sentence in &split.sentences {
            if let Some(tag) = sentence.tags.iter().find(is_unknown) {
                return Err(Error::Label {
                    place: place(split, sentence.line),
                    label: split.tag_names[*tag as usize].clone(),
                    problem: format!(
                        "is not among the model's {} ({})",
                        counted(self.len(), "label"),
                        shown(&self.names)
                    ),
                });
            }
        }
        Ok(ids)
    }

    /// Returns, for each label, the label of its word's further pieces under `label_all_tokens`. This is a `B-` label's
    /// `I-` twin (every `B-` in its name replaced) where there is one, else the label itself.
    pub fn continuations(&self) -> Vec<u32> {
        let twin =
            |name: &str| name.starts_with("B-").then(|| name.replace("B-", "I-")).and_then(|twin| self.id(&twin));
        (0..).zip(&self.names).map(|(id, name)| twin(name).unwrap_or(id)).collect()
    }

    /// Returns whether these are the placeholders `LABEL_0`, `LABEL_1`, … that a head without names gets.
    pub fn is_default(&self) -> bool {
        self.names.iter().enumerate().all(|(id, name)| *name == format!("LABEL_{id}"))
    }

    /// Returns these labels without the one of this name, if it is among them.
    ///
    /// # Errors
    /// No label is left.
    pub fn without_name(&self, name: &str) -> Result<LabelSet, Error> {
        LabelSet::new(self.names.iter().filter(|kept| *kept != name).cloned().collect())
    }

    fn without(&self, other: &LabelSet) -> Vec<String> {
        self.names.iter().filter(|name| other.id(name).is_none()).cloned().collect()
    }
}

/// The choices where a checkpoint's labels are not the data's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alignment {
    /// Whether the model will be trained, so that its labels are the data's. Otherwise the data may lack some of them.
    pub training: bool,
    /// Whether a head of another size is replaced by a new one.
    pub ignore_sizes: bool,
    /// Whether a head of the same size with other names keeps its rows.
    pub ignore_names: bool,
}

/// The labels of a run, and what becomes of the checkpoint's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aligned {
    /// The labels in the order of the head's rows.
    pub labels: LabelSet,
    /// Whether the head starts anew, its size being another.
    pub new_head: bool,
    /// Notes about what was decided, where it is not the plain case.
    pub notes: Vec<Note>,
}

/// Decides on the labels of a run from a checkpoint's labels and the data's.
///
/// | checkpoint | labels of the run |
/// |---|---|
/// | another number of labels | an error, or the data's and a new head |
/// | placeholders `LABEL_i` | the data's, in their order |
/// | the same names | the checkpoint's, in its order |
/// | other names | an error, or the data's in their order, and the head's rows mean something else |
/// | more names, not training | the checkpoint's |
///
/// # Errors
/// Another number of labels or other names, where `allow` does not permit them.
pub fn align(data: LabelSet, checkpoint: &LabelSet, allow: Alignment) -> Result<Aligned, Error> {
    let checkpoint_only = checkpoint.without(&data);
    let data_only = data.without(checkpoint);
    if data_only.is_empty() && (checkpoint_only.is_empty() || !allow.training) {
        let mut notes = Vec::new();
        if !checkpoint_only.is_empty() {
            notes
                .push(Note::once(format!("labels of the checkpoint that the data lacks: {}", shown(&checkpoint_only))));
        } else if data.names != checkpoint.names {
            notes.push(Note::once("the labels are taken in the checkpoint's order, not the data's"));
        }
        return Ok(Aligned { labels: checkpoint.clone(), new_head: false, notes });
    }
    if data.len() != checkpoint.len() {
        if !allow.ignore_sizes {
            return Err(Error::HeadSize {
                checkpoint: checkpoint.len(),
                checkpoint_names: shown(&checkpoint.names),
                data: data.len(),
                data_names: shown(&data.names),
            });
        }
        let labels = counted(checkpoint.len(), "label");
        let note = format!("the head starts anew: the checkpoint has {labels}, the data {}", data.len());
        return Ok(Aligned { labels: data, new_head: true, notes: vec![Note::once(note)] });
    }
    if checkpoint.is_default() {
        return Ok(Aligned { labels: data, new_head: false, notes: Vec::new() });
    }
    if !allow.ignore_names {
        return Err(Error::HeadNames { checkpoint_only: shown(&checkpoint_only), data_only: shown(&data_only) });
    }
    let note = format!(
        "the head's rows get other labels: {} instead of the checkpoint's {}",
        shown(&data_only),
        shown(&checkpoint_only)
    );
    Ok(Aligned { labels: data, new_head: false, notes: vec![Note::once(note)] })
}

/// The labels that the words of some splits have, each with its first place.
struct Used<'a> {
    /// The first place of each label, by name in code point order.
    first_places: BTreeMap<&'a str, Place<'a>>,
}

/// The place of the first word with a label: its split, its sentence's line, and whether the split is train.
struct Place<'a> {
    split: &'a Split,
    line: u64,
    in_train: bool,
}

impl<'a> Used<'a> {
    fn in_splits(train: Option<&'a Split>, splits: &[&'a Split]) -> Self {
        let mut first_places = BTreeMap::new();
        for split in splits {
            let in_train = train.is_some_and(|train| std::ptr::eq(train, *split));
            let mut seen = vec![false; split.tag_names.len()];
            for sentence in &split.sentences {
                for tag in &sentence.tags {
                    let tag = *tag as usize;
                    if !std::mem::replace(&mut seen[tag], true) {
                        let name = split.tag_names[tag].as_str();
                        first_places.entry(name).or_insert(Place { split, line: sentence.line, in_train });
                    }
                }
            }
        }
        Used { first_places }
    }

    fn error(&self, label: &str, problem: impl Into<String>) -> Error {
        let Place { split, line, .. } = self.first_places[label];
        Error::Label { place: place(split, line), label: label.into(), problem: problem.into() }
    }

    fn lacking_in_train(&self) -> Option<Note> {
        let lacking: Vec<_> = self.first_places.iter().filter(|(_, place)| !place.in_train).collect();
        let names: Vec<String> = lacking.iter().map(|(name, _)| (**name).into()).collect();
        let mut note =
            Note::new(format!("labels occur, but not in the training data, so none is learned: {}", shown(&names)));
        for (_, at) in &lacking {
            note.add(|| place(at.split, at.line));
        }
        (note.count > 0).then_some(note)
    }
}

fn place(split: &Split, line: u64) -> String {
    format!("{}:{line}", split.source)
}

/// Returns how all splits write their labels. An unnamed integer cannot be compared with a name.
fn one_kind(splits: &[&Split]) -> Result<TagKind, Error> {
    let Some(first) = splits.first() else { return Ok(TagKind::Absent) };
    let is_integer = |split: &Split| split.tag_kind == TagKind::Integers;
    if let Some(second) = splits.iter().find(|split| is_integer(split) != is_integer(first)) {
        return Err(Error::Kinds {
            first: first.source.clone(),
            first_kind: spelling(first.tag_kind),
            second: second.source.clone(),
            second_kind: spelling(second.tag_kind),
        });
    }
    let named = splits.iter().find(|split| split.tag_kind == TagKind::ClassLabel);
    Ok(named.unwrap_or(first).tag_kind)
}

fn spelling(kind: TagKind) -> &'static str {
    match kind {
        TagKind::Absent => "nothing",
        TagKind::Strings => "strings",
        TagKind::ClassLabel => "integers with names",
        TagKind::Integers => "integers without names",
    }
}

/// Returns the names of the first split that has them, then the names that only other splits use.
fn class_names(splits: &[&Split], used: &Used) -> Vec<String> {
    let named = splits.iter().find(|split| split.tag_kind == TagKind::ClassLabel);
    let mut names = named.map(|split| split.tag_names.clone()).unwrap_or_default();
    let known: HashSet<&str> = names.iter().map(String::as_str).collect();
    let more: Vec<String> =
        used.first_places.keys().filter(|name| !known.contains(*name)).map(|name| (*name).into()).collect();
    names.extend(more);
    names
}

/// Returns `0`, `1`, … up to the largest integer in use.
fn integer_names(used: &Used, notes: &mut Vec<Note>) -> Result<Vec<String>, Error> {
    let mut values = Vec::new();
    for name in used.first_places.keys() {
        let value = name.parse().ok().filter(|value| *value <= INTEGER_LABEL_MAX);
        let problem =
            || format!("is not a label id: without names, integers from 0 to {INTEGER_LABEL_MAX} are accepted");
        values.push(value.ok_or_else(|| used.error(name, problem()))?);
    }
    values.sort_unstable();
    let Some(max) = values.last().copied() else { return Err(Error::NoLabels) };
    let mut note = format!("the labels are integers without names, so their names are `0` to `{max}`");
    let missing: Vec<String> =
        (0..=max).filter(|value| values.binary_search(value).is_err()).map(|value| value.to_string()).collect();
    if !missing.is_empty() {
        note.push_str(&format!(", though no word has {}", shown(&missing)));
    }
    notes.push(Note::once(note));
    Ok((0..=max).map(|value| value.to_string()).collect())
}

/// Returns the first names for a message.
fn shown(names: &[String]) -> String {
    let mut text = names.iter().take(NAMES_SHOWN).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if names.len() > NAMES_SHOWN {
        text.push_str(&format!(" and {} more", names.len() - NAMES_SHOWN));
    }
    text
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::sentence::{Columns, Sentence};

    /// A split with one sentence a text, each a line further down.
    fn split(source: &str, kind: TagKind, names: &[&str], sentences: &[&str]) -> Split {
        let mut tag_names: Vec<String> = names.iter().map(|name| (*name).into()).collect();
        let mut read = Vec::new();
        for (line, text) in (1..).zip(sentences) {
            let mut tags = Vec::new();
            for tag in text.split_whitespace() {
                let known = tag_names.iter().position(|name| name == tag).unwrap_or_else(|| {
                    tag_names.push(tag.into());
                    tag_names.len() - 1
                });
                tags.push(known as u32);
            }
            read.push(Sentence { words: vec!["w".into(); tags.len()], tags, line });
        }
        let columns = Columns::default();
        Split { source: source.into(), sentences: read, tag_names, tag_kind: kind, columns, notes: Vec::new() }
    }

    fn strings(source: &str, sentences: &[&str]) -> Split {
        split(source, TagKind::Strings, &[], sentences)
    }

    fn integers(source: &str, sentences: &[&str]) -> Split {
        split(source, TagKind::Integers, &[], sentences)
    }

    fn check_infer(train: Option<&Split>, others: &[&Split], expected: Expect) {
        let text = match LabelSet::infer(train, others) {
            Ok((labels, notes)) => {
                let notes: String = notes.iter().map(|note| format!("\n{note}")).collect();
                format!("{}{notes}", labels.names().join(" "))
            }
            Err(error) => error.to_string(),
        };
        expected.assert_eq(&text);
    }

    #[test]
    fn string_labels_are_sorted_by_code_point_over_all_splits() {
        // Python's sorted() of the same names; U+FF21 sorts before U+1F600 by code point, after it in UTF-16.
        let train = strings("train.conll", &["O I-PER B-PER", "B-\u{1F600} B-\u{FF21} b-per"]);
        check_infer(Some(&train), &[], expect!["B-PER B-Ａ B-😀 I-PER O b-per"]);
        let dev = strings("dev.conll", &["O B-LOC", "I-LOC B-LOC"]);
        let test = strings("test.conll", &["", "B-LOC A"]);
        check_infer(
            Some(&train),
            &[&dev, &test],
            expect![[r#"
                A B-LOC B-PER B-Ａ B-😀 I-LOC I-PER O b-per
                3 labels occur, but not in the training data, so none is learned: `A`, `B-LOC`, `I-LOC` (test.conll:2, dev.conll:1, dev.conll:2)"#]],
        );
        check_infer(None, &[&dev], expect!["B-LOC I-LOC O"]);
    }

    #[test]
    fn class_labels_keep_their_order() {
        let train = split("train", TagKind::ClassLabel, &["O", "B-PER", "A"], &["A O", "B-PER"]);
        check_infer(Some(&train), &[], expect!["O B-PER A"]);
        let dev = split("dev", TagKind::ClassLabel, &["Z", "O", "C", "unused"], &["C O"]);
        check_infer(
            Some(&train),
            &[&dev],
            expect![[r#"
                O B-PER A C
                1 labels occur, but not in the training data, so none is learned: `C` (dev:1)"#]],
        );
    }

    #[test]
    fn integers_are_named_by_their_decimals() {
        let train = integers("train.json", &["10 2 0 1", "3 4 5 6 7 8 9"]);
        check_infer(
            Some(&train),
            &[],
            expect![[r#"
                0 1 2 3 4 5 6 7 8 9 10
                the labels are integers without names, so their names are `0` to `10`"#]],
        );
        let sparse = integers("train.json", &["0 4", "2"]);
        check_infer(
            Some(&sparse),
            &[],
            expect![[r#"
                0 1 2 3 4
                the labels are integers without names, so their names are `0` to `4`, though no word has `1`, `3`"#]],
        );
        for wild in ["-100", "10000", "99999999999999999999"] {
            let error = LabelSet::infer(Some(&integers("train.json", &["0", wild])), &[]).unwrap_err().to_string();
            assert_eq!(
                error,
                format!(
                    "train.json:2: the label `{wild}` is not a label id: without names, integers from 0 to 9999 are accepted"
                )
            );
        }
    }

    #[test]
    fn labels_that_cannot_be_are_refused() {
        let none = split("test.conll", TagKind::Absent, &[], &[]);
        check_infer(None, &[&none], expect!["the data has no labels"]);
        check_infer(
            Some(&integers("train.json", &["0"])),
            &[&none, &strings("dev.json", &["O"])],
            expect!["`train.json` has integers without names as labels and `dev.json` has strings"],
        );
        let new = |names: &[&str]| LabelSet::new(names.iter().map(|name| (*name).into()).collect());
        assert_eq!(new(&["O", "A", "O"]).unwrap_err(), Error::Duplicate { name: "O".into(), first: 0, second: 2 });
        assert_eq!(new(&["O", ""]).unwrap_err(), Error::EmptyName { id: 1 });
        assert_eq!(new(&[]).unwrap_err(), Error::NoLabels);
    }

    fn labels(names: &str) -> LabelSet {
        LabelSet::new(names.split(' ').map(String::from).collect()).unwrap()
    }

    #[test]
    fn tags_find_their_ids() {
        let set = labels("O B-PER");
        let split = split("dev.conll", TagKind::ClassLabel, &["B-PER", "unused", "O"], &["O B-PER"]);
        assert_eq!(set.ids_of(&split).unwrap(), [Some(1), None, Some(0)]);
        let error = set.ids_of(&strings("dev.conll", &["O", "O B-LOC"])).unwrap_err();
        expect!["dev.conll:2: the label `B-LOC` is not among the model's 2 labels (`O`, `B-PER`)"]
            .assert_eq(&error.to_string());
        let split = strings("dev.conll", &["O UNK", "O"]);
        assert_eq!(set.ids_without(&split, Some("UNK")).unwrap(), [Some(0), None]);
        assert!(set.ids_without(&split, Some("B-LOC")).is_err() && set.ids_of(&split).is_err());
    }

    #[test]
    fn continuations_replace_every_b_in_the_name() {
        // `B-TUB-X` becomes `I-TUI-X` in the original; a twin that replaced only the first would find `I-TUB-X`.
        let set = labels("B-PER I-PER B-LOC O B-TUB-X I-TUB-X I-TUI-X XB-A XI-A");
        assert_eq!(set.continuations(), [1, 1, 2, 3, 6, 5, 6, 7, 8]);
    }

    const STRICT: Alignment = Alignment { training: true, ignore_sizes: false, ignore_names: false };

    fn check_align(data: &str, checkpoint: &str, allow: Alignment, expected: Expect) {
        let text = match align(labels(data), &labels(checkpoint), allow) {
            Ok(aligned) => {
                let head = if aligned.new_head { " (new head)" } else { "" };
                let notes: String = aligned.notes.iter().map(|note| format!("\n{note}")).collect();
                format!("{}{head}{notes}", aligned.labels.names().join(" "))
            }
            Err(error) => error.to_string(),
        };
        expected.assert_eq(&text);
    }

    #[test]
    fn a_checkpoint_with_the_same_names_gives_the_order() {
        check_align("A B O", "A B O", STRICT, expect!["A B O"]);
        check_align(
            "A B O",
            "O A B",
            STRICT,
            expect![[r#"
                O A B
                the labels are taken in the checkpoint's order, not the data's"#]],
        );
    }

    #[test]
    fn placeholders_take_the_datas_names() {
        check_align("A O", "LABEL_0 LABEL_1", STRICT, expect!["A O"]);
        // Out of order they are names like any other.
        check_align(
            "A O",
            "LABEL_1 LABEL_0",
            STRICT,
            expect![
                "the checkpoint's labels are not the data's: only the checkpoint has `LABEL_1`, `LABEL_0`, only the data has `A`, `O`"
            ],
        );
    }

    #[test]
    fn other_names_are_refused_unless_allowed() {
        check_align(
            "A B O",
            "A C O",
            STRICT,
            expect!["the checkpoint's labels are not the data's: only the checkpoint has `C`, only the data has `B`"],
        );
        check_align(
            "A B O",
            "A C O",
            Alignment { ignore_names: true, ..STRICT },
            expect![[r#"
                A B O
                the head's rows get other labels: `B` instead of the checkpoint's `C`"#]],
        );
    }

    #[test]
    fn a_head_of_another_size_is_refused_unless_allowed() {
        check_align(
            "A O",
            "A B C D E F G H I J O",
            STRICT,
            expect![
                "the checkpoint's head has 11 labels (`A`, `B`, `C`, `D`, `E`, `F`, `G`, `H` and 3 more) but the data has 2 (`A`, `O`)"
            ],
        );
        check_align(
            "A O",
            "LABEL_0 LABEL_1 LABEL_2",
            Alignment { ignore_sizes: true, ..STRICT },
            expect![[r#"
                A O (new head)
                the head starts anew: the checkpoint has 3 labels, the data 2"#]],
        );
    }

    #[test]
    fn errors_carry_what_to_do() {
        let remedy = |data, checkpoint| align(labels(data), &labels(checkpoint), STRICT).unwrap_err().remedy().unwrap();
        let spelled = |remedy: Remedy| remedy.clause(&|setting, _| format!("{setting:?}"));
        assert_eq!(spelled(remedy("A O", "A B O")), "pass IgnoreMismatchedSizes to start with a new head");
        assert_eq!(
            spelled(remedy("A B O", "A C O")),
            "pass IgnoreMismatchedLabels to give the head's rows the data's labels in order"
        );
    }

    #[test]
    fn data_to_evaluate_may_lack_labels() {
        let evaluating = Alignment { training: false, ..STRICT };
        check_align(
            "O A",
            "A B O",
            evaluating,
            expect![[r#"
                A B O
                labels of the checkpoint that the data lacks: `B`"#]],
        );
        check_align(
            "A C O",
            "A O",
            evaluating,
            expect!["the checkpoint's head has 2 labels (`A`, `O`) but the data has 3 (`A`, `C`, `O`)"],
        );
    }
}
