//! The reading of labels that a user asks for.

use crate::labels::scheme::{Error, Scheme, Style};

/// The reading of labels that a user asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LabelScheme {
    /// The labels show it.
    #[default]
    Auto,
    /// Entities by a scheme's strict rules.
    Strict(Scheme),
    /// Each word by itself.
    Words,
}

impl LabelScheme {
    /// Names of all readings.
    pub const NAMES: [&str; 9] = ["auto", "iob1", "iob2", "ioe1", "ioe2", "iobes", "bilou", "bmes", "words"];

    /// Returns the reading of a name, in either case.
    pub fn named(name: &str) -> Option<LabelScheme> {
        match name.to_ascii_lowercase().as_str() {
            "auto" => Some(LabelScheme::Auto),
            "words" => Some(LabelScheme::Words),
            name => Scheme::named(name).map(LabelScheme::Strict),
        }
    }

    /// Returns the reading's name.
    pub fn name(self) -> &'static str {
        let is_own = |name: &&&str| LabelScheme::named(name) == Some(self);
        LabelScheme::NAMES.iter().find(is_own).expect("each reading has a name")
    }

    /// Refuses labels that the asked-for scheme does not have.
    ///
    /// # Errors
    /// The first label that is not a tag of the scheme.
    pub fn check<S: AsRef<str>>(self, labels: &[S], style: Style) -> Result<(), Error> {
        let LabelScheme::Strict(scheme) = self else { return Ok(()) };
        let foreign = labels.iter().map(AsRef::as_ref).find(|label| !scheme.has(label, style));
        foreign.map_or(Ok(()), |tag| Err(Error::Letter { tag: tag.to_owned(), scheme }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_have_names() {
        for name in LabelScheme::NAMES {
            assert_eq!(LabelScheme::named(name).unwrap().name(), name);
            assert_eq!(LabelScheme::named(&name.to_uppercase()), LabelScheme::named(name));
        }
        assert_eq!(LabelScheme::NAMES.len(), Scheme::ALL.len() + 2);
        assert_eq!(LabelScheme::named("iob"), None);
    }

    #[test]
    fn labels_of_another_scheme_are_refused() {
        let refused = |scheme: &str, labels: &[&str]| {
            LabelScheme::named(scheme).unwrap().check(labels, Style::Prefix).map_err(|error| error.to_string())
        };
        let bmes = ["O", "B-A", "M-A", "E-A", "S-A"];
        for scheme in ["auto", "words", "bmes"] {
            assert_eq!(refused(scheme, &bmes), Ok(()), "{scheme}");
        }
        let said = "the tag `M-A` does not belong to IOBES, whose letters are I O B E S";
        assert_eq!(refused("iobes", &bmes), Err(said.to_owned()));
        // `ORG` begins with a letter of the scheme, and is not a tag.
        assert!(refused("iob2", &["O", "B-A", "ORG"]).is_err() && refused("iob2", &["0", "B-A"]).is_err());
    }
}
