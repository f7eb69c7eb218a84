//! Tagging schemes as rule tables: tags ⇄ spans.
//!
//! A tag is a letter and a type (`B-PER`, or `PER-B` in the suffix style); a span is a type over a range of words. Two
//! readings turn tags into spans, and both are those of seqeval 1.2.2 ([`reading`](crate::labels::reading) chooses):
//! - **strict**: a [`Scheme`] says which pairs of neighbors begin, continue and end an entity. Words that do not begin
//!   and end by its rules are not an entity;
//! - **conlleval** ([`Conlleval`]): forgiving, the rules of the CoNLL-2000 script; every `I` that continues nothing
//!   opens an entity.

#[cfg(test)]
mod tests;

use std::fmt;

pub use crate::labels::conlleval::Conlleval;
pub use crate::labels::tag::{
    LabelKind, Span, Style, Tag, UNTYPED, first_not_iob_like, has_zero_for_outside, is_iob_like, is_stray,
};

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

/// What happens from one word to the next in a sequence of tags that follows its scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Both words are outside of entities.
    BackgroundStay,
    /// An entity begins after a word outside.
    BackgroundToStart,
    /// An entity goes on by a tag that does not say that it ends.
    InsideToContinue,
    /// An entity goes on by a tag that says that it ends (`E`, `L`).
    InsideToEnd,
    /// An entity ended, and a word outside follows.
    EndToBackground,
    /// An entity ended, and another begins.
    EndToStart,
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

    /// Returns whether a label is a tag of the scheme.
    pub fn has(self, label: &str, style: Style) -> bool {
        Tag::of_any_scheme(label, style).is_some_and(|tag| self.letters().contains(tag.letter))
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

    /// Returns what happens between two neighbors, by the strict rules; none if they may not stand side by side. Before and
    /// after a sentence stands an `O`.
    pub(crate) fn step<K: Copy + PartialEq>(self, previous: Tag<K>, tag: Tag<K>) -> Option<Step> {
        let rules = self.rules();
        let holds = |rules| holds(rules, previous, tag);
        match (previous.letter, tag.letter) {
            ('O', 'O') => Some(Step::BackgroundStay),
            ('O', _) => holds(rules.begins).then_some(Step::BackgroundToStart),
            (_, 'O') => holds(rules.ended).then_some(Step::EndToBackground),
            // What continues an entity also begins one by some rules: reading goes on as long as it can.
            (_, letter) if holds(rules.continues) => match letter {
                'E' | 'L' => Some(Step::InsideToEnd),
                _ => Some(Step::InsideToContinue),
            },
            _ => (holds(rules.begins) && holds(rules.ended)).then_some(Step::EndToStart),
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
