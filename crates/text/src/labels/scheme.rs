//! Tagging schemes as rule tables: tags ⇄ spans.
//!
//! A tag is a letter and a type (`B-PER`, or `PER-B` in the suffix style); a span is a type over a range of words. Two
//! readings turn tags into spans, and both are those of seqeval 1.2.2 ([`reading`](crate::labels::reading) chooses):
//! - **strict**: a [`Scheme`] says which pairs of neighbors begin, continue and end an entity. Words that do not begin
//!   and end by its rules are not an entity;
//! - **conlleval** ([`Conlleval`]): forgiving, the rules of the CoNLL-2000 script; every `I` that continues nothing
//!   opens an entity.

use std::fmt;

/// The type of a tag that names none, in seqeval's spelling.
pub const UNTYPED: &str = "_";

/// An error in tags or spans.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// The scheme has no rule for a tag.
    #[error("the tag `{tag}` does not belong to {scheme}, whose letters are {}", spaced(.scheme.letters()))]
    Letter {
        /// The tag as written.
        tag: String,
        /// The scheme that was asked for.
        scheme: Scheme,
    },
    /// A tag has no letter.
    #[error("a tag is empty")]
    Empty,
    /// No scheme, or more than one, would use these letters.
    #[error("the gold letters {} do not tell the scheme: name it ({})", spaced(.letters), scheme_names())]
    Undetectable {
        /// The first (or last) letters seen, once each.
        letters: String,
    },
    /// Two spans share a word, or one has none or reaches over the sentence's end.
    #[error(
        "the span {start}..{end} of type `{kind}` is empty, overlaps another or leaves the sentence of {length} words"
    )]
    Overlap {
        /// The type of the span.
        kind: String,
        /// The span's first word.
        start: usize,
        /// One past its last word.
        end: usize,
        /// The words of the sentence.
        length: usize,
    },
}

fn spaced(letters: &str) -> String {
    letters.chars().map(String::from).collect::<Vec<_>>().join(" ")
}

fn scheme_names() -> String {
    Scheme::ALL.map(Scheme::name).join(", ")
}

/// The end of a tag that holds its letter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// `B-PER`
    #[default]
    Prefix,
    /// `PER-B`
    Suffix,
}

/// A tag taken apart: its letter and its type, as text or as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag<K> {
    /// `B`, `I`, `O`, …: whatever the first (or last) character is.
    pub letter: char,
    /// The entity type; [`UNTYPED`] when the tag names none.
    pub kind: K,
}

impl<'a> Tag<&'a str> {
    /// Reads a tag by the conlleval rules. The type is what follows the first `-` after the letter (precedes the last
    /// `-` before it), so `NOUN` is letter `N`, type `OUN`. `None` for an empty text.
    pub fn conlleval(text: &'a str, style: Style) -> Option<Self> {
        let (letter, rest) = split_letter(text, style)?;
        let kind = match style {
            Style::Prefix => rest.split_once('-').map_or(rest, |(_, kind)| kind),
            Style::Suffix => rest.rsplit_once('-').map_or(rest, |(kind, _)| kind),
        };
        Some(Tag { letter, kind: typed(kind) })
    }

    /// Reads a tag by the strict rules: the type is the rest without the dashes around it. `None` for an empty text.
    pub fn strict(text: &'a str, style: Style) -> Option<Self> {
        let (letter, rest) = split_letter(text, style)?;
        Some(Tag { letter, kind: typed(rest.trim_matches('-')) })
    }

    /// Reads a label that is `O` or has a letter of some scheme (B, I, E, S, L, U, M). The letter stands alone or with
    /// a dash and a type. `None` for every other label, such as `PER` or `NOUN`.
    pub fn of_any_scheme(text: &'a str, style: Style) -> Option<Self> {
        if text == "O" {
            return Some(Tag { letter: 'O', kind: UNTYPED });
        }
        let (letter, rest) = split_letter(text, style).filter(|(letter, _)| "BIESLUM".contains(*letter))?;
        if rest.is_empty() {
            return Some(Tag { letter, kind: UNTYPED });
        }
        let kind = match style {
            Style::Prefix => rest.strip_prefix('-'),
            Style::Suffix => rest.strip_suffix('-'),
        };
        kind.filter(|kind| !kind.is_empty()).map(|kind| Tag { letter, kind })
    }
}

fn split_letter(text: &str, style: Style) -> Option<(char, &str)> {
    let mut chars = text.chars();
    let letter = match style {
        Style::Prefix => chars.next(),
        Style::Suffix => chars.next_back(),
    };
    letter.map(|letter| (letter, chars.as_str()))
}

fn typed(kind: &str) -> &str {
    if kind.is_empty() { UNTYPED } else { kind }
}

/// An entity: a type over the words `start..end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span<K> {
    /// The entity type.
    pub kind: K,
    /// The first word, from 0.
    pub start: usize,
    /// One past the last word.
    pub end: usize,
}

impl<K: fmt::Display> fmt::Display for Span<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}..{}", self.kind, self.start, self.end)
    }
}

/// A tagging scheme with strict rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `I` inside, `B` only where an entity follows another of its type.
    Iob1,
    /// `B` begins every entity.
    Iob2,
    /// `I` inside, `E` only where an entity precedes another of its type.
    Ioe1,
    /// `E` ends every entity.
    Ioe2,
    /// `B`egin, `I`nside, `E`nd, `S`ingle.
    Iobes,
    /// `B`egin, `M`iddle, `E`nd, `S`ingle: IOBES with another letter, usual for Chinese. seqeval does not know it.
    Bmes,
    /// `B`egin, `I`nside, `L`ast, `U`nit.
    Bilou,
}

/// The types that two neighboring tags must have for a rule to hold.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Types {
    Same,
    Other,
    Any,
}
use Types::{Any, Other, Same};

/// One row of a table: the letters of the tag before, the letters of this tag, and their types.
type Rule = (&'static str, &'static str, Types);

/// The rules by which a tag, given the one before it, begins an entity, continues it, or shows that it has ended.
struct Rules {
    letters: &'static str,
    begins: &'static [Rule],
    continues: &'static [Rule],
    ended: &'static [Rule],
}

const EVERY: &str = "IOBESULM";

const IOB1: Rules = Rules {
    letters: "IOB",
    begins: &[("O", "I", Any), ("I", "I", Other), ("B", "I", Any), ("I", "B", Same), ("B", "B", Same)],
    continues: &[("BI", "I", Same)],
    ended: &[("I", "I", Other), ("I", "OB", Any), ("B", "O", Any), ("B", "I", Other), ("B", "B", Same)],
};
const IOB2: Rules = Rules {
    letters: "IOB",
    begins: &[(EVERY, "B", Any)],
    continues: &[("BI", "I", Same)],
    ended: &[("BI", "OB", Any), ("BI", "I", Other)],
};
const IOE1: Rules = Rules {
    letters: "IOE",
    begins: &[("OE", "I", Any), ("I", "I", Other), ("E", "E", Same)],
    continues: &[("I", "IE", Same)],
    ended: &[("I", "IE", Other), ("I", "O", Any), ("E", "IE", Same)],
};
const IOE2: Rules = Rules {
    letters: "IOE",
    begins: &[("OE", "IE", Any), ("I", "IE", Other)],
    continues: &[("I", "IE", Same)],
    ended: &[("E", EVERY, Any)],
};
const IOBES: Rules = Rules {
    letters: "IOBES",
    begins: &[(EVERY, "BS", Any)],
    continues: &[("BI", "IE", Same)],
    ended: &[("ES", EVERY, Any)],
};
const BMES: Rules = Rules {
    letters: "OBMES",
    begins: &[(EVERY, "BS", Any)],
    continues: &[("BM", "ME", Same)],
    ended: &[("ES", EVERY, Any)],
};
const BILOU: Rules = Rules {
    letters: "BILOU",
    begins: &[(EVERY, "BU", Any)],
    continues: &[("BI", "IL", Same)],
    ended: &[("LU", EVERY, Any)],
};

/// The letters that a detectable scheme must show, and the letters that it may show besides. Other sets of letters do not
/// tell the scheme: several schemes could have written gold that is all `O`, or all `I` and `O`.
const DETECTABLE: [(&str, &str, Scheme); 7] = [
    ("B", "IO", Scheme::Iob2),
    ("E", "IO", Scheme::Ioe2),
    ("BE", "IOS", Scheme::Iobes),
    ("S", "", Scheme::Iobes),
    ("BME", "OS", Scheme::Bmes),
    ("BL", "IOU", Scheme::Bilou),
    ("U", "", Scheme::Bilou),
];

fn holds<K: PartialEq>(rules: &[Rule], previous: Tag<K>, tag: Tag<K>) -> bool {
    rules.iter().any(|(before, now, types)| {
        before.contains(previous.letter)
            && now.contains(tag.letter)
            && match types {
                Same => previous.kind == tag.kind,
                Other => previous.kind != tag.kind,
                Any => true,
            }
    })
}

impl Scheme {
    /// Every scheme.
    pub const ALL: [Scheme; 7] =
        [Scheme::Iob1, Scheme::Iob2, Scheme::Ioe1, Scheme::Ioe2, Scheme::Iobes, Scheme::Bmes, Scheme::Bilou];

    /// Returns the scheme's usual name.
    pub fn name(self) -> &'static str {
        match self {
            Scheme::Iob1 => "IOB1",
            Scheme::Iob2 => "IOB2",
            Scheme::Ioe1 => "IOE1",
            Scheme::Ioe2 => "IOE2",
            Scheme::Iobes => "IOBES",
            Scheme::Bmes => "BMES",
            Scheme::Bilou => "BILOU",
        }
    }

    /// Returns the scheme of that name, in either case.
    pub fn named(name: &str) -> Option<Scheme> {
        Scheme::ALL.into_iter().find(|scheme| scheme.name().eq_ignore_ascii_case(name))
    }

    /// Returns the letters that the scheme's tags may have.
    pub fn letters(self) -> &'static str {
        self.rules().letters
    }

    fn rules(self) -> &'static Rules {
        match self {
            Scheme::Iob1 => &IOB1,
            Scheme::Iob2 => &IOB2,
            Scheme::Ioe1 => &IOE1,
            Scheme::Ioe2 => &IOE2,
            Scheme::Iobes => &IOBES,
            Scheme::Bmes => &BMES,
            Scheme::Bilou => &BILOU,
        }
    }

    /// Tells the scheme from the letters that gold tags use; IOB1 and IOE1 are never guessed.
    ///
    /// # Errors
    /// An empty tag; letters that no scheme, or more than one, would use.
    ///
    /// # Source
    /// seqeval's `auto_detect`, which its strict report calls with the gold tags; BMES is added.
    pub fn detect<'a>(gold: impl IntoIterator<Item = &'a str>, style: Style) -> Result<Scheme, Error> {
        let mut letters = String::new();
        for text in gold {
            let letter = Tag::strict(text, style).ok_or(Error::Empty)?.letter;
            if !letters.contains(letter) {
                letters.push(letter);
            }
        }
        let fits = |must: &str, may: &str| {
            must.chars().all(|letter| letters.contains(letter))
                && letters.chars().all(|letter| must.contains(letter) || may.contains(letter))
        };
        let found = DETECTABLE.iter().find(|(must, may, _)| fits(must, may)).map(|(.., scheme)| *scheme);
        found.ok_or(Error::Undetectable { letters })
    }

    /// Returns the entities of one sentence by the strict rules.
    ///
    /// # Errors
    /// An empty tag; a letter that the scheme lacks.
    ///
    /// ```
    /// use tagsmith_text::labels::scheme::{Scheme, Style};
    ///
    /// let spans = Scheme::Iob2.spans(&["B-PER", "I-PER", "O", "B-LOC"], Style::Prefix)?;
    /// let found: Vec<_> = spans.iter().map(|span| (span.kind, span.start, span.end)).collect();
    /// assert_eq!(found, [("PER", 0, 2), ("LOC", 3, 4)]);
    /// # Ok::<(), tagsmith_text::labels::scheme::Error>(())
    /// ```
    pub fn spans<'a>(self, tags: &[&'a str], style: Style) -> Result<Vec<Span<&'a str>>, Error> {
        let mut spans = Vec::new();
        let parsed =
            tags.iter().map(|text| Tag::strict(text, style).ok_or(Error::Empty)).collect::<Result<Vec<_>, _>>()?;
        match self.find_spans(&parsed, UNTYPED, &mut spans) {
            Ok(()) => Ok(spans),
            Err(at) => Err(Error::Letter { tag: tags[at].into(), scheme: self }),
        }
    }

    /// Appends the entities of one sentence to `spans`, in order; `Err` is the index of a tag outside the scheme.
    /// `untyped` is the type of the `O` before and after the sentence.
    pub(crate) fn find_spans<K: Copy + PartialEq>(
        self,
        tags: &[Tag<K>],
        untyped: K,
        spans: &mut Vec<Span<K>>,
    ) -> Result<(), usize> {
        let rules = self.rules();
        if let Some(at) = tags.iter().position(|tag| !rules.letters.contains(tag.letter)) {
            return Err(at);
        }
        let outside = Tag { letter: 'O', kind: untyped };
        let at = |index: usize| tags.get(index).copied().unwrap_or(outside);
        let mut previous = outside;
        let mut start = 0;
        while start < tags.len() {
            let mut end = start + 1;
            if holds(rules.begins, previous, at(start)) {
                while holds(rules.continues, at(end - 1), at(end)) {
                    end += 1;
                }
                if holds(rules.ended, at(end - 1), at(end)) {
                    spans.push(Span { kind: at(start).kind, start, end });
                }
            }
            previous = at(end - 1);
            start = end;
        }
        Ok(())
    }

    /// Writes spans, given in any order, as the tags of a sentence of `length` words.
    ///
    /// Reading them back strictly gives the same spans, except in IOE1. The rules of IOE1 lose a one-word entity that
    /// another of its type follows at once (`E-PER I-PER` after `O`).
    ///
    /// # Errors
    /// Spans that overlap, are empty or leave the sentence.
    pub fn tags<K: AsRef<str>>(self, spans: &[Span<K>], length: usize, style: Style) -> Result<Vec<String>, Error> {
        let mut sorted: Vec<_> =
            spans.iter().map(|span| Span { kind: span.kind.as_ref(), start: span.start, end: span.end }).collect();
        sorted.sort_by_key(|span| (span.start, span.end));
        let mut tags = vec!["O".to_string(); length];
        let mut free_from = 0;
        for (index, span) in sorted.iter().enumerate() {
            if span.start < free_from || span.end <= span.start || span.end > length {
                return Err(Error::Overlap { kind: span.kind.into(), start: span.start, end: span.end, length });
            }
            free_from = span.end;
            let after_same =
                index.checked_sub(1).is_some_and(|i| sorted[i].end == span.start && sorted[i].kind == span.kind);
            let before_same =
                sorted.get(index + 1).is_some_and(|next| next.start == span.end && next.kind == span.kind);
            for (word, tag) in (span.start..span.end).zip(&mut tags[span.start..span.end]) {
                let place = (word == span.start, word + 1 == span.end);
                let letter = self.letter(place, after_same, before_same);
                *tag = match (span.kind, style) {
                    (UNTYPED, _) => letter.to_string(),
                    (kind, Style::Prefix) => format!("{letter}-{kind}"),
                    (kind, Style::Suffix) => format!("{kind}-{letter}"),
                };
            }
        }
        Ok(tags)
    }

    /// Returns the letter of an entity's word that is its (first, last). The entity may touch another of its type.
    fn letter(self, place: (bool, bool), after_same: bool, before_same: bool) -> char {
        match (self, place) {
            (Scheme::Iob1, (true, _)) if after_same => 'B',
            (Scheme::Ioe1, (_, true)) if before_same => 'E',
            (Scheme::Iobes | Scheme::Bmes, (true, true)) => 'S',
            (Scheme::Bilou, (true, true)) => 'U',
            (Scheme::Iob2 | Scheme::Iobes | Scheme::Bmes | Scheme::Bilou, (true, _)) => 'B',
            (Scheme::Ioe2 | Scheme::Iobes | Scheme::Bmes, (_, true)) => 'E',
            (Scheme::Bilou, (_, true)) => 'L',
            (Scheme::Bmes, _) => 'M',
            _ => 'I',
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A reader of sentence after sentence by the conlleval rules, with positions counted over the whole input.
///
/// Between sentences stands an `O`, so entities of tags with the letters B, I, E and S stay inside their sentence.
/// Other letters can end an entity that never began. For such an entity, seqeval reports the place where the last one
/// began, even in an earlier sentence. The reader is therefore a state and not a function.
#[derive(Clone, Debug)]
pub struct Conlleval<K> {
    untyped: K,
    /// `None` before the first word of all, whose type differs from every other.
    previous: Option<Tag<K>>,
    begin: usize,
    position: usize,
}

impl<K: Copy + PartialEq> Conlleval<K> {
    /// Returns a reader before its first sentence; `untyped` is the type that `O` has.
    pub fn new(untyped: K) -> Self {
        Conlleval { untyped, previous: None, begin: 0, position: 0 }
    }

    /// Appends the entities that end in this sentence to `spans`, in order.
    pub fn sentence(&mut self, tags: &[Tag<K>], spans: &mut Vec<Span<K>>) {
        let boundary = Tag { letter: 'O', kind: self.untyped };
        for tag in tags.iter().copied().chain([boundary]) {
            let (letter, kind) = self.previous.map_or(('O', None), |previous| (previous.letter, Some(previous.kind)));
            let type_changes = kind != Some(tag.kind);
            if let Some(kind) = kind
                && ends(letter, tag.letter, type_changes)
            {
                spans.push(Span { kind, start: self.begin, end: self.position });
            }
            if begins(letter, tag.letter, type_changes) {
                self.begin = self.position;
            }
            self.previous = Some(tag);
            self.position += 1;
        }
    }
}

fn ends(previous: char, letter: char, type_changes: bool) -> bool {
    matches!(previous, 'E' | 'S')
        || matches!((previous, letter), ('B' | 'I', 'B' | 'S' | 'O'))
        || (!matches!(previous, 'O' | '.') && type_changes)
}

fn begins(previous: char, letter: char, type_changes: bool) -> bool {
    matches!(letter, 'B' | 'S')
        || matches!((previous, letter), ('E' | 'S' | 'O', 'E' | 'I'))
        || (!matches!(letter, 'O' | '.') && type_changes)
}

/// Returns whether the labels are tags of some scheme. Each is `O`, or one of the letters B, I, E, S, L, U and M with a
/// dash and a type. Letters alone pass where `O` is a label too.
pub fn is_iob_like<S: AsRef<str>>(labels: &[S], style: Style) -> bool {
    first_not_iob_like(labels, style).is_none()
}

/// Returns the first label that makes [`is_iob_like`] false.
pub fn first_not_iob_like<S: AsRef<str>>(labels: &[S], style: Style) -> Option<&str> {
    let has_outside = labels.iter().any(|label| label.as_ref() == "O");
    labels
        .iter()
        .map(AsRef::as_ref)
        .find(|label| Tag::of_any_scheme(label, style).is_none() || (label.len() == 1 && !has_outside))
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    /// What seqeval 1.2.2 makes of tags, written by `oracle/score.py`.
    const TABLES: &str = include_str!("../../../../golden/score/tables.jsonl");
    const CASES: &str = include_str!("../../../../golden/score/cases.jsonl");

    fn lines(text: &str) -> impl Iterator<Item = Value> {
        text.lines().map(|line| serde_json::from_str(line).unwrap())
    }

    fn text(value: &Value) -> &str {
        value.as_str().unwrap()
    }

    fn style(case: &Value) -> Style {
        if case["style"] == "suffix" { Style::Suffix } else { Style::Prefix }
    }

    /// `None` for the conlleval rules.
    fn reading(case: &Value) -> Option<Scheme> {
        Scheme::named(text(&case["reading"]))
    }

    /// The entities of one sentence by the conlleval rules.
    fn conlleval_spans<'a>(tags: &[&'a str], style: Style) -> Result<Vec<Span<&'a str>>, Error> {
        let parsed =
            tags.iter().map(|text| Tag::conlleval(text, style).ok_or(Error::Empty)).collect::<Result<Vec<_>, _>>()?;
        let mut spans = Vec::new();
        Conlleval::new(UNTYPED).sentence(&parsed, &mut spans);
        Ok(spans)
    }

    type Reader = for<'a> fn(Option<Scheme>, &[&'a str], Style) -> Vec<Span<&'a str>>;

    fn read<'a>(scheme: Option<Scheme>, tags: &[&'a str], style: Style) -> Vec<Span<&'a str>> {
        match scheme {
            Some(scheme) => scheme.spans(tags, style).unwrap(),
            None => conlleval_spans(tags, style).unwrap(),
        }
    }

    /// The sequences of a table line in the oracle's order: by length, then by the alphabet.
    fn sequences(alphabet: &[String], longest: usize) -> Vec<Vec<&str>> {
        let mut all: Vec<Vec<&str>> = Vec::new();
        let mut last: Vec<Vec<&str>> = vec![Vec::new()];
        for _ in 0..longest {
            last =
                last.iter().flat_map(|head| alphabet.iter().map(|tag| [head, &[tag.as_str()][..]].concat())).collect();
            all.extend(last.iter().cloned());
        }
        all
    }

    /// How many sequences of all tables `reader` reads in another way than seqeval, and how many there are.
    fn table_differences(reader: Reader) -> (usize, usize) {
        let (mut different, mut all) = (0, 0);
        for case in lines(TABLES) {
            let alphabet: Vec<String> = serde_json::from_value(case["alphabet"].clone()).unwrap();
            let sequences = sequences(&alphabet, case["longest"].as_u64().unwrap() as usize);
            let expected: Vec<&str> = text(&case["spans"]).split(';').collect();
            assert_eq!(sequences.len(), expected.len());
            for (tags, expected) in sequences.iter().zip(expected) {
                let spans = reader(reading(&case), tags, style(&case));
                let found: String =
                    spans.iter().map(|span| format!("{}{}{}", span.kind, span.start, span.end)).collect();
                different += usize::from(found != expected);
                all += 1;
            }
        }
        (different, all)
    }

    #[test]
    fn every_short_sequence_is_read_as_seqeval_reads_it() {
        // Sums of powers: IOB and IOE at length 4 in both styles; nine tags at length 4 and, suffix style, 3; odd labels.
        let all =
            8 * (5 + 25 + 125 + 625) + 3 * (9 + 81 + 729 + 6561) + 3 * (9 + 81 + 729) + (16 + 256 + 4096) + (16 + 256);
        assert_eq!(table_differences(read), (0, all));
    }

    #[test]
    fn the_tables_reject_wrong_twins() {
        let twins: [(&str, Reader); 5] = [
            ("a span ends one late", |scheme, tags, style| {
                let late = |span: Span<_>| Span { end: span.end + 1, ..span };
                read(scheme, tags, style).into_iter().map(late).collect()
            }),
            ("the type is ignored", |scheme, tags, style| {
                read(scheme, tags, style).into_iter().map(|span| Span { kind: "A", ..span }).collect()
            }),
            ("an `I` after `O` opens nothing", |scheme, tags, style| {
                let opens =
                    |span: &Span<_>| scheme.is_some() || Tag::conlleval(tags[span.start], style).unwrap().letter != 'I';
                read(scheme, tags, style).into_iter().filter(opens).collect()
            }),
            ("strict falls back to conlleval", |_, tags, style| read(None, tags, style)),
            ("the style is ignored", |scheme, tags, _| match scheme {
                Some(scheme) => scheme.spans(tags, Style::Prefix).unwrap_or_default(),
                None => read(None, tags, Style::Prefix),
            }),
        ];
        for (twin, reader) in twins {
            let (different, all) = table_differences(reader);
            assert!(different * 100 > all, "{twin}: only {different} of {all} sequences tell");
        }
    }

    #[test]
    fn tags_come_apart_as_in_seqeval() {
        let pair = |tag: Option<Tag<&str>>| tag.map(|tag| serde_json::json!([tag.letter.to_string(), tag.kind]));
        let mut checked = 0;
        for case in lines(CASES).filter(|case| case["case"] == "parse") {
            assert_eq!(pair(Tag::conlleval(text(&case["text"]), style(&case))).unwrap(), case["conlleval"], "{case}");
            if !case["strict"].is_null() {
                assert_eq!(pair(Tag::strict(text(&case["text"]), style(&case))).unwrap(), case["strict"], "{case}");
            }
            checked += 1;
        }
        assert_eq!(checked, 62);
        assert_eq!(Tag::conlleval("", Style::Prefix), None);
    }

    #[test]
    fn neighbors_begin_continue_and_end_entities_as_in_seqeval() {
        let letter = |value: &Value| text(value).chars().next().unwrap();
        let mut checked = 0;
        for case in lines(CASES).filter(|case| case["case"] == "pair") {
            let same = case["same"] == true;
            let (before, now) = (letter(&case["before"]), letter(&case["now"]));
            let facts = match reading(&case) {
                Some(scheme) => {
                    let previous = Tag { letter: before, kind: 'A' };
                    let tag = Tag { letter: now, kind: if same { 'A' } else { 'C' } };
                    let rules = scheme.rules();
                    [rules.begins, rules.continues, rules.ended].map(|rules| holds(rules, previous, tag)).to_vec()
                }
                None => vec![begins(before, now, !same), ends(before, now, !same)],
            };
            assert_eq!(serde_json::json!(facts), case["facts"], "{case}");
            checked += 1;
        }
        assert_eq!(checked, 4 * 9 * 2 + 2 * 25 * 2 + 81 * 2);
    }

    #[test]
    fn schemes_are_told_from_letters_as_in_seqeval() {
        let mut told = 0;
        for case in lines(CASES).filter(|case| case["case"] == "detect") {
            let tags: Vec<String> = serde_json::from_value(case["tags"].clone()).unwrap();
            let found = Scheme::detect(tags.iter().map(String::as_str), style(&case));
            assert_eq!(found.as_ref().ok().map(|scheme| scheme.name()), case["scheme"].as_str(), "{case}");
            told += usize::from(found.is_ok());
        }
        assert_eq!(told, 2 * 26);
    }

    #[test]
    fn bare_letters_are_read_as_in_seqeval() {
        let mut checked = 0;
        for case in lines(CASES).filter(|case| case["case"] == "untyped") {
            let letters: Vec<String> = text(&case["tags"]).chars().map(String::from).collect();
            let tags: Vec<&str> = letters.iter().map(String::as_str).collect();
            let spans = read(reading(&case), &tags, Style::Prefix);
            assert!(spans.iter().all(|span| span.kind == UNTYPED));
            let found: Vec<_> = spans.iter().map(|span| [span.start, span.end]).collect();
            assert_eq!(serde_json::json!(found), case["spans"], "{case}");
            checked += 1;
        }
        assert_eq!(checked, 4 * (3 + 9 + 27) + 2 * (5 + 25 + 125));
    }

    fn check_error(found: Error, expected: Expect) {
        expected.assert_eq(&found.to_string());
    }

    #[test]
    fn errors_say_which_tag() {
        check_error(
            Scheme::Iob2.spans(&["O", "S-PER"], Style::Prefix).unwrap_err(),
            expect!["the tag `S-PER` does not belong to IOB2, whose letters are I O B"],
        );
        check_error(
            Scheme::detect(["O", "I-PER"], Style::Prefix).unwrap_err(),
            expect![
                "the gold letters O I do not tell the scheme: name it (IOB1, IOB2, IOE1, IOE2, IOBES, BMES, BILOU)"
            ],
        );
        check_error(
            Scheme::Iob2
                .tags(&[Span { kind: "A", start: 0, end: 2 }, Span { kind: "B", start: 1, end: 3 }], 3, Style::Prefix)
                .unwrap_err(),
            expect!["the span 1..3 of type `B` is empty, overlaps another or leaves the sentence of 3 words"],
        );
        assert_eq!(conlleval_spans(&["O", ""], Style::Prefix).unwrap_err(), Error::Empty);
    }

    #[test]
    fn schemes_write_the_letters_of_their_definition() {
        // Three neighbors, the first two of one type; written by hand from the schemes' definitions.
        let spans = [("A", 0, 2), ("A", 2, 3), ("C", 3, 5)].map(|(kind, start, end)| Span { kind, start, end });
        for (scheme, expected) in [
            (Scheme::Iob1, "I-A I-A B-A I-C I-C O"),
            (Scheme::Iob2, "B-A I-A B-A B-C I-C O"),
            (Scheme::Ioe1, "I-A E-A I-A I-C I-C O"),
            (Scheme::Ioe2, "I-A E-A E-A I-C E-C O"),
            (Scheme::Iobes, "B-A E-A S-A B-C E-C O"),
            (Scheme::Bmes, "B-A E-A S-A B-C E-C O"),
            (Scheme::Bilou, "B-A L-A U-A B-C L-C O"),
        ] {
            assert_eq!(scheme.tags(&spans, 6, Style::Prefix).unwrap().join(" "), expected);
        }
        let untyped = [Span { kind: UNTYPED, start: 0, end: 1 }];
        assert_eq!(Scheme::Iob2.tags(&untyped, 2, Style::Suffix).unwrap(), ["B", "O"]);
    }

    #[test]
    fn label_sets_are_told_apart() {
        for (labels, style, expected) in [
            ("O B-PER I-PER", Style::Prefix, None),
            ("O PER-B PER-I", Style::Suffix, None),
            ("O PER-B PER-I", Style::Prefix, Some("PER-B")),
            ("O U-A L-A B-A S-A", Style::Prefix, None),
            ("O B I", Style::Prefix, None),
            ("B I", Style::Prefix, Some("B")),
            ("I UC", Style::Prefix, Some("I")),
            ("O PER LOC", Style::Prefix, Some("PER")),
            ("O B-", Style::Prefix, Some("B-")),
            ("NOUN X O", Style::Prefix, Some("NOUN")),
            ("O OTHER", Style::Prefix, Some("OTHER")),
            ("O", Style::Prefix, None),
        ] {
            let labels: Vec<&str> = labels.split(' ').collect();
            assert_eq!(first_not_iob_like(&labels, style), expected, "{labels:?}");
            assert_eq!(is_iob_like(&labels, style), expected.is_none());
        }
    }

    /// Spans as (words skipped before, words, type).
    fn sentences() -> impl Strategy<Value = (Vec<Span<&'static str>>, usize)> {
        let span = (0usize..3, 1usize..4, prop::sample::select(vec!["PER", "LOC-X", "Ü"]));
        (prop::collection::vec(span, 0..6), 0usize..3).prop_map(|(parts, rest)| {
            let mut at = 0;
            let mut spans = Vec::new();
            for (gap, length, kind) in parts {
                spans.push(Span { kind, start: at + gap, end: at + gap + length });
                at += gap + length;
            }
            (spans, at + rest)
        })
    }

    proptest! {
        #[test]
        fn spans_survive_tags((spans, length) in sentences(), suffix in any::<bool>()) {
            let style = if suffix { Style::Suffix } else { Style::Prefix };
            for scheme in Scheme::ALL {
                let tags = scheme.tags(&spans, length, style).unwrap();
                let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
                let lost = |(index, span): &(usize, &Span<&str>)| {
                    let touches = |a: &Span<&str>, b: &Span<&str>| a.end == b.start && a.kind == b.kind;
                    scheme == Scheme::Ioe1 && span.end == span.start + 1
                        && spans.get(index + 1).is_some_and(|next| touches(span, next))
                        && !(*index > 0 && touches(&spans[index - 1], span))
                };
                let expected: Vec<_> = spans.iter().enumerate().filter(|s| !lost(s)).map(|(_, span)| *span).collect();
                prop_assert_eq!(scheme.spans(&tags, style).unwrap(), expected);
                if scheme != Scheme::Bilou {
                    prop_assert_eq!(conlleval_spans(&tags, style).unwrap(), spans.clone(), "{}", scheme);
                }
            }
        }
    }
}
