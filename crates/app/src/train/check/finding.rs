//! What is found in data: kinds of findings, and where each was met.

use serde_json::{Value, json};
use std::fmt;
use tagsmith_message::Wording;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The data say something that they cannot mean.
    Error,
    /// The data may mean it, and often do not.
    Warning,
}

impl Severity {
    /// Returns the word for it.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

/// Declares the kinds of findings: the key in JSON, the severity, and the title.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident: $key:literal, $severity:ident, $title:literal;)*) => {
        /// A kind of finding.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $($(#[$doc])* $kind,)*
        }

        impl Kind {
            /// All kinds, errors first.
            pub const ALL: &[Kind] = &[$(Kind::$kind),*];

            /// Returns the key in JSON.
            pub fn key(self) -> &'static str {
                match self { $(Kind::$kind => $key,)* }
            }

            /// Returns how bad it is.
            pub fn severity(self) -> Severity {
                match self { $(Kind::$kind => Severity::$severity,)* }
            }

            /// Returns what `count` of them are.
            pub fn title(self, count: usize) -> String {
                let wording = match self { $(Kind::$kind => Wording::new($title, &[]),)* };
                wording.of(count).to_owned()
            }
        }
    };
}

kinds! {
    /// A tag that cannot stand after the one before it.
    IllegalTag: "illegal_tag", Error, "{tag that does|tags that do} not follow the scheme of the others";
    /// A label that the list of labels, or the data to learn from, lacks.
    UnknownLabel: "unknown_label", Error, "{label|labels} that nobody learns";
    /// A word with letters that nobody sees.
    HiddenLetter: "hidden_letter", Error, "{word|words} with control characters or letters without width";
    /// A sentence of the data to learn from that is in the other data too.
    Leak: "leak", Warning, "{sentence|sentences} of the other data that {is|are} in the data to learn from";
    /// Such a sentence with a few other words.
    NearLeak: "near_leak", Warning, "{sentence|sentences} of the other data that {is|are} nearly in the data to learn from";
    /// A sentence that is there with other labels.
    OtherLabels: "other_labels", Warning, "{sentence that is|sentences that are} labeled in two ways";
    /// A sentence that is there again.
    Duplicate: "duplicate", Warning, "{sentence that stands|sentences that stand} there again";
    /// Nearly the same sentence again.
    NearDuplicate: "near_duplicate", Warning, "{sentence that nearly stands|sentences that nearly stand} there again";
    /// A mention whose words have another type elsewhere.
    OtherType: "other_type", Warning, "{mention|mentions} whose words mostly have another type";
    /// The words of an entity, without a label here.
    Unlabeled: "unlabeled", Warning, "{mention|mentions} without a label whose words are an entity elsewhere";
    /// An entity with a word at its edge that the same entity lacks elsewhere.
    Boundary: "boundary", Warning, "{entity|entities} with an edge that others leave out, or that is punctuation";
    /// An entity that is longer than nearly all others.
    LongEntity: "long_entity", Warning, "{entity|entities} longer than 99.9 % of all";
    /// An entity with the end of a sentence inside.
    OverSentenceEnd: "over_sentence_end", Warning, "{entity that goes|entities that go} on after the end of a sentence";
    /// White space at the edge of a word.
    EdgeSpace: "edge_space", Warning, "{word|words} with white space at an edge";
    /// Words that are one word in the other data, or the other way round.
    OtherWords: "other_words", Warning, "{word|words} that the data to learn from cut in another way";
    /// A sentence that is longer than the model reads.
    TooLong: "too_long", Warning, "{sentence|sentences} longer than the model reads at once";
    /// A word that the tokenizer does not know.
    UnknownPiece: "unknown_piece", Warning, "{word|words} that the tokenizer does not know";
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file and the line where the sentence begins.
    pub place: String,
    /// The words that it is about, with those around.
    pub words: Excerpt,
    /// What is the matter with them.
    pub what: String,
}

/// Some words of a sentence, with those around. Each part may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Excerpt {
    /// The words before.
    pub before: String,
    /// The words in question; empty where the whole sentence is.
    pub about: String,
    /// The words after.
    pub after: String,
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let about = if self.about.is_empty() { String::new() } else { format!("[{}]", self.about) };
        let parts = [&self.before, &about, &self.after].into_iter().filter(|part| !part.is_empty());
        f.write_str(&parts.map(String::as_str).collect::<Vec<_>>().join(" "))
    }
}

/// Findings of a kind that are kept; the others are counted.
pub const KEPT: usize = 1000;

/// Findings of one kind.
#[derive(Clone, Debug)]
pub struct Findings {
    /// The kind.
    pub kind: Kind,
    /// How many there are.
    pub count: usize,
    /// The first of them.
    pub kept: Vec<Finding>,
}

impl Findings {
    /// Returns findings of a kind, of which there are none yet.
    pub fn new(kind: Kind) -> Findings {
        Findings { kind, count: 0, kept: Vec::new() }
    }

    /// Counts a finding, and keeps it while there is room.
    pub fn add(&mut self, finding: impl FnOnce() -> Finding) {
        self.count += 1;
        if self.kept.len() < KEPT {
            self.kept.push(finding());
        }
    }

    /// Returns the findings as JSON.
    pub fn json(&self) -> Value {
        let findings = self
            .kept
            .iter()
            .map(|Finding { place, words, what }| json!({ "place": place, "words": words.to_string(), "what": what }));
        json!({
            "kind": self.kind.key(), "severity": self.kind.severity().name(), "title": self.kind.title(self.count),
            "count": self.count, "findings": findings.collect::<Vec<_>>(),
        })
    }
}
