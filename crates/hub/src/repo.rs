//! A repository on the hub, and how the hub and the cache spell it.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tagsmith_message::Setting;

/// Characters that Python's `quote` encodes, and the slash.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const PATH: &AsciiSet = &SEGMENT.remove(b'/');

/// What a repository holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A data set.
    Dataset,
    /// A model.
    Model,
}

impl Kind {
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Kind::Dataset => "data set",
            Kind::Model => "model",
        }
    }

    /// Returns the setting that names a revision.
    pub(crate) fn revision(self) -> Setting {
        match self {
            Kind::Dataset => Setting::DatasetRevision,
            Kind::Model => Setting::ModelRevision,
        }
    }

    fn plural(self) -> &'static str {
        match self {
            Kind::Dataset => "datasets",
            Kind::Model => "models",
        }
    }
}

/// A repository `org/name`, or an old one whose name has no organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repo {
    /// What it holds.
    pub kind: Kind,
    /// The name: `org/name`.
    pub id: String,
}

impl Repo {
    /// Returns its folder in the cache: `models--org--name`.
    pub(crate) fn folder(&self) -> String {
        format!("{}--{}", self.kind.plural(), self.id.replace('/', "--"))
    }

    /// Returns the command of huggingface_hub that downloads it.
    pub(crate) fn download(&self) -> String {
        match self.kind {
            Kind::Dataset => format!("hf download {} --repo-type dataset", self.id),
            Kind::Model => format!("hf download {}", self.id),
        }
    }

    /// Returns the address at which the hub describes it.
    pub(crate) fn api(&self) -> String {
        format!("/api/{}/{}", self.kind.plural(), self.id)
    }

    /// Returns its page, which also begins the addresses of its files.
    pub(crate) fn page(&self) -> String {
        match self.kind {
            Kind::Dataset => format!("/datasets/{}", self.id),
            Kind::Model => format!("/{}", self.id),
        }
    }

    /// Returns the address of one of its files.
    pub(crate) fn file(&self, revision: &str, path: &str) -> String {
        format!("{}/resolve/{}/{}", self.page(), segment(revision), utf8_percent_encode(path, PATH))
    }
}

/// Returns a text as one part of a path: its slashes are encoded.
pub(crate) fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// Returns whether a path of a repository stays inside the folder it is joined to.
pub fn is_inside(path: &str) -> bool {
    let is_plain = |part: &str| !part.is_empty() && part != "." && part != "..";
    // Windows takes the first for a slash, and what stands before the second for a disk.
    let leads_away: &[char] = if cfg!(windows) { &['\\', ':', '\0'] } else { &['\0'] };
    path.split('/').all(is_plain) && !path.contains(leads_away) && path.len() <= 1024
}

/// Returns whether this is a whole commit's name.
pub(crate) fn is_commit(text: &str) -> bool {
    text.len() == 40 && is_hex(text)
}

pub(crate) fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelled_as_the_hub_and_python_do() {
        let model = Repo { kind: Kind::Model, id: "google-bert/bert-base-cased".into() };
        assert_eq!(model.folder(), "models--google-bert--bert-base-cased");
        assert_eq!(model.file("main", "a b/c#.json"), "/google-bert/bert-base-cased/resolve/main/a%20b/c%23.json");
        let data = Repo { kind: Kind::Dataset, id: "conll2003".into() };
        assert_eq!(data.folder(), "datasets--conll2003");
        assert_eq!(
            data.file("refs/convert/parquet", "x/0.parquet"),
            "/datasets/conll2003/resolve/refs%2Fconvert%2Fparquet/x/0.parquet"
        );
        assert_eq!(data.api(), "/api/datasets/conll2003");
    }

    #[test]
    fn paths_that_leave_their_folder() {
        for path in ["", "/etc/passwd", "../x", "a/../../x", "a//b", ".", "a/.", "a\0b"] {
            assert!(!is_inside(path), "{path:?}");
        }
        for path in ["a", "a/b.json", "..a", "a..b/c", ".gitattributes"] {
            assert!(is_inside(path), "{path:?}");
        }
        for path in ["a\\..\\b", "C:x", "eval/2023-08-17T15:09:42.json"] {
            assert_eq!(is_inside(path), cfg!(not(windows)), "{path:?}");
        }
    }
}
