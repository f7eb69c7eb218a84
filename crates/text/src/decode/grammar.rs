//! Which labels may follow which: a scheme's strict rules over a model's labels.

use crate::labels::label_scheme::LabelScheme;
use crate::labels::scheme::{LabelKind, Scheme, Step, Style, Tag};
use std::collections::HashMap;

/// Why a model's labels have no legal sequences.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// Labels are not tags of entities.
    #[error("the labels are classes of words, of which any may follow any")]
    NoTags,
    /// The letters of the tags are those of no scheme, or of several.
    #[error("the letters {} of the labels do not tell the scheme", spaced(.letters))]
    Undetectable {
        /// The letters, once each.
        letters: String,
    },
}

fn spaced(letters: &str) -> String {
    letters.chars().map(String::from).collect::<Vec<_>>().join(" ")
}

/// The letter of a word outside of entities.
const OUTSIDE: char = 'O';

/// A model's labels (K) by the rules of a scheme.
///
/// A label that is not a tag of the scheme is outside of entities, as [`TagReader`](crate::labels::reading::TagReader)
/// reads it.
#[derive(Clone, Debug)]
pub struct Grammar {
    scheme: Scheme,
    /// Whether entities have no letter but `I`, or none at all.
    is_io: bool,
    /// The letters in use; tags name them by number.
    letters: Vec<char>,
    /// The letter's number and the type's number of each label. Labels outside have types of their own, so no two labels
    /// are the same here.
    tags: Vec<(usize, u32)>,
    /// The label with this letter and the type of a label (K × letters).
    of_same_type: Vec<Option<u32>>,
    /// What happens from letter to letter, between tags of one type and of two.
    steps: Vec<[Option<Step>; 2]>,
    first: Vec<bool>,
    last: Vec<bool>,
}

impl Grammar {
    /// Returns the rules of a model's labels. `asked` names the scheme; by [`LabelScheme::Auto`] the labels show it.
    ///
    /// Labels without a letter beside `O` are read as if each had an `I`. B-, I- and O alone are IOB2: IOB1 is never guessed.
    ///
    /// # Errors
    /// Labels that are not tags; letters that do not tell the scheme.
    pub fn new<S: AsRef<str>>(labels: &[S], asked: LabelScheme) -> Result<Grammar, Error> {
        const STYLE: Style = Style::Prefix;
        let kind = LabelKind::of(labels, STYLE);
        if asked == LabelScheme::Words || kind == LabelKind::Classes {
            return Err(Error::NoTags);
        }
        let read = |label: &'_ S| -> Option<(char, String)> {
            let label = label.as_ref();
            if kind == LabelKind::Types && asked == LabelScheme::Auto {
                return Some(if label == "O" { (OUTSIDE, String::new()) } else { ('I', label.to_owned()) });
            }
            // A letter alone has a type that no written one is.
            let kind = |tag: &Tag<&str>| if label.len() == 1 { String::new() } else { tag.kind.to_owned() };
            Tag::of_any_scheme(label, STYLE).map(|tag| (tag.letter, kind(&tag)))
        };
        let mut read: Vec<Option<(char, String)>> = labels.iter().map(read).collect();
        let mut used = String::new();
        for (letter, _) in read.iter().flatten() {
            if !used.contains(*letter) {
                used.push(*letter);
            }
        }
        let is_io = used.chars().all(|letter| "IO".contains(letter));
        let scheme = match asked {
            LabelScheme::Strict(scheme) => scheme,
            // Without a letter for it, two neighbors of one type are one entity: IOB1 says just that.
            _ if is_io => Scheme::Iob1,
            _ => {
                let found = Scheme::detect(
                    used.chars().map(String::from).collect::<Vec<_>>().iter().map(String::as_str),
                    STYLE,
                );
                found.map_err(|_| Error::Undetectable { letters: used.clone() })?
            }
        };
        let of_scheme = |tag: &(char, String)| scheme.letters().contains(tag.0);
        read.iter_mut().for_each(|tag| *tag = tag.take().filter(of_scheme));
        Ok(Grammar::of_tags(scheme, is_io, &read))
    }

    fn of_tags(scheme: Scheme, is_io: bool, read: &[Option<(char, String)>]) -> Grammar {
        let mut letters = vec![OUTSIDE];
        let mut kinds: HashMap<&str, u32> = HashMap::new();
        let mut tags = Vec::with_capacity(read.len());
        for (id, tag) in read.iter().enumerate() {
            tags.push(match tag {
                Some((letter, kind)) if *letter != OUTSIDE => {
                    let number = letters.iter().position(|known| known == letter).unwrap_or_else(|| {
                        letters.push(*letter);
                        letters.len() - 1
                    });
                    let next = kinds.len() as u32;
                    (number, *kinds.entry(kind).or_insert(next))
                }
                // Beyond all types that labels can have.
                _ => (0, (read.len() + 1 + id) as u32),
            });
        }
        let step = |(before, now): (char, char), is_same: bool| {
            let kinds = if is_same { (1, 1) } else { (1, 2) };
            let kind = |letter, kind| if letter == OUTSIDE { 0 } else { kind };
            let [before, now] =
                [(before, kinds.0), (now, kinds.1)].map(|(letter, number)| Tag { letter, kind: kind(letter, number) });
            scheme.step(before, now)
        };
        let pairs = letters.iter().flat_map(|&before| letters.iter().map(move |&now| (before, now)));
        let steps = pairs.map(|pair| [true, false].map(|is_same| step(pair, is_same))).collect();
        let edge = |of: &dyn Fn(char) -> (char, char)| {
            tags.iter().map(|&(letter, _)| step(of(letters[letter]), false).is_some()).collect()
        };
        let first = edge(&|letter| (OUTSIDE, letter));
        let last = edge(&|letter| (letter, OUTSIDE));
        let label_of: HashMap<(usize, u32), u32> = (0..).zip(&tags).map(|(label, tag)| (*tag, label)).collect();
        let of_letters = |&(_, kind): &(usize, u32)| (0..letters.len()).map(move |letter| (letter, kind));
        let of_same_type = tags.iter().flat_map(of_letters).map(|tag| label_of.get(&tag).copied()).collect();
        Grammar { scheme, is_io, letters, tags, of_same_type, steps, first, last }
    }

    /// Returns the name of the rules.
    pub fn name(&self) -> &'static str {
        if self.is_io { "IO" } else { self.scheme.name() }
    }

    /// Returns K, the number of labels.
    pub fn labels(&self) -> usize {
        self.tags.len()
    }

    /// Counts the letters in use.
    pub fn letters(&self) -> usize {
        self.letters.len()
    }

    /// Returns the letter's number and the type's number of a label.
    pub(crate) fn tag(&self, label: usize) -> (usize, u32) {
        self.tags[label]
    }

    /// Returns the label with a letter and the type of `label`.
    pub(crate) fn of_same_type(&self, label: usize, letter: usize) -> Option<u32> {
        self.of_same_type[label * self.letters.len() + letter]
    }

    /// Returns what happens between two letters, both of one type or of two.
    pub(crate) fn between(&self, before: usize, now: usize, is_same_type: bool) -> Option<Step> {
        self.steps[before * self.letters.len() + now][usize::from(!is_same_type)]
    }

    /// Returns whether a sentence may begin with a label.
    pub fn may_be_first(&self, label: usize) -> bool {
        self.first[label]
    }

    /// Returns whether a sentence may end with a label.
    pub fn may_be_last(&self, label: usize) -> bool {
        self.last[label]
    }

    /// Returns what happens between two labels; none if they may not stand side by side.
    pub fn step(&self, before: usize, now: usize) -> Option<Step> {
        let ((before, kind), (now, other)) = (self.tags[before], self.tags[now]);
        self.between(before, now, kind == other)
    }

    /// Returns whether a sentence may have these labels.
    pub fn is_legal(&self, labels: &[usize]) -> bool {
        labels.first().is_none_or(|&label| self.may_be_first(label))
            && labels.last().is_none_or(|&label| self.may_be_last(label))
            && labels.windows(2).all(|pair| self.step(pair[0], pair[1]).is_some())
    }
}
