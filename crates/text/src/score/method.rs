//! What counts as one thing to find: entities by rules, or words.

use crate::labels::label_scheme::LabelScheme;
use crate::labels::reading::Rules;
use crate::labels::scheme::{self, LabelKind, Scheme, Style};
use std::fmt;
use tagsmith_message::Note;

/// The unit that is counted as one thing to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Entities by the forgiving rules of the CoNLL script, seqeval's default.
    Conlleval(Style),
    /// Entities by a scheme's strict rules.
    Strict(Scheme, Style),
    /// Words: a label is right or wrong by itself, as for parts of speech.
    Words,
}

impl Method {
    /// Returns the method that fits the labels, with a note where they are not tags.
    ///
    /// Tags are scored as entities, and so are types without a letter: a figure called F1 is then seqeval's. Classes of
    /// words, which have no `O`, are scored word by word.
    pub fn for_labels<S: AsRef<str>>(labels: &[S], style: Style) -> (Method, Option<Note>) {
        let first = || scheme::first_not_iob_like(labels, style).unwrap_or_default();
        let (method, note) = match LabelKind::of(labels, style) {
            LabelKind::Tags => return (Method::Conlleval(style), None),
            LabelKind::Types => {
                let what = "the labels are types without a letter";
                let said = format!("{what} (`{}`), and seqeval's F1 misreads them", first());
                (Method::Conlleval(style), Note::once(said).important())
            }
            LabelKind::Classes if scheme::has_zero_for_outside(labels) => {
                let said = "the labels are types without a letter, and the digit `0` stands where the letter `O` marks \
                            words outside: words are scored, not entities";
                (Method::Words, Note::once(said).important())
            }
            LabelKind::Classes => {
                let what = format!("the labels are not entity tags (`{}` has no letter of a scheme)", first());
                (Method::Words, Note::once(format!("{what}, so words are scored, not entities")))
            }
        };
        (method, Some(note))
    }

    /// Returns the method that is asked for, or else the one that fits the labels.
    pub fn of<S: AsRef<str>>(asked: LabelScheme, labels: &[S], style: Style) -> (Method, Option<Note>) {
        match asked {
            LabelScheme::Auto => Method::for_labels(labels, style),
            LabelScheme::Strict(scheme) => (Method::Strict(scheme, style), None),
            LabelScheme::Words => (Method::Words, None),
        }
    }

    /// Returns the strict method of the scheme that the gold tags show, which the note names.
    ///
    /// # Errors
    /// Tags that show no scheme, or more than one.
    pub fn strict_detected<'a>(
        gold: impl IntoIterator<Item = &'a str>,
        style: Style,
    ) -> Result<(Method, Note), scheme::Error> {
        let scheme = Scheme::detect(gold, style)?;
        Ok((Method::Strict(scheme, style), Note::once(format!("the gold tags show the scheme {scheme}"))))
    }

    /// Returns how this method reads tags. `None` is for words, whose labels are not read as tags.
    pub fn reading(self) -> Option<(Rules, Style)> {
        match self {
            Method::Conlleval(style) => Some((Rules::Conlleval, style)),
            Method::Strict(scheme, style) => Some((Rules::Strict(scheme), style)),
            Method::Words => None,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Method::Conlleval(_) => f.write_str("conlleval"),
            Method::Strict(scheme, _) => write!(f, "strict {scheme}"),
            Method::Words => f.write_str("words"),
        }
    }
}
