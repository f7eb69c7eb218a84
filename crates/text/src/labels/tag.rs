//! A tag taken apart, an entity, and which labels are tags at all.

use std::fmt;

/// The type of a tag that names none, in seqeval's spelling.
pub const UNTYPED: &str = "_";

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

impl<K> Span<K> {
    /// Returns the number of words.
    pub fn words(&self) -> usize {
        self.end.saturating_sub(self.start)
    }
}

impl<K: fmt::Display> fmt::Display for Span<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}..{}", self.kind, self.start, self.end)
    }
}

/// What a set of labels is, as far as the labels show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelKind {
    /// Tags of entities: `B-PER`, `I-PER`, `O`. Some labels may be none: a slip in the data, such as `0` for `O`.
    Tags,
    /// Types of entities without a letter, beside `O`: `PER`, `LOC`.
    Types,
    /// Classes of words, as parts of speech are.
    Classes,
}

impl LabelKind {
    /// Tells what the labels are. One typed tag beside `O` makes them tags; without `O`, half of the labels must be tags.
    pub fn of<S: AsRef<str>>(labels: &[S], style: Style) -> LabelKind {
        let is_typed = |label: &str| Tag::of_any_scheme(label, style).is_some_and(|tag| tag.kind != UNTYPED);
        let names = || labels.iter().map(AsRef::as_ref);
        let (has_outside, typed) = (names().any(|name| name == "O"), names().filter(|name| is_typed(name)).count());
        match has_outside {
            _ if is_iob_like(labels, style) => LabelKind::Tags,
            true if typed > 0 => LabelKind::Tags,
            true => LabelKind::Types,
            false if 2 * typed >= labels.len() && typed > 0 => LabelKind::Tags,
            false => LabelKind::Classes,
        }
    }
}

/// Returns whether the digit `0` seems to stand for the letter `O`: it is a label beside names, and `O` is not.
pub fn has_zero_for_outside<S: AsRef<str>>(labels: &[S]) -> bool {
    let has = |name: &str| labels.iter().any(|label| label.as_ref() == name);
    let is_name = |label: &S| label.as_ref() == "0" || label.as_ref().contains(char::is_alphabetic);
    has("0") && !has("O") && labels.len() > 1 && labels.iter().all(is_name)
}

/// Returns whether a label is not a tag of any scheme, nor `O`. Among tags such a label is a slip.
pub fn is_stray(label: &str, style: Style) -> bool {
    Tag::of_any_scheme(label, style).is_none()
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
