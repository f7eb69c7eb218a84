//! Where the hub is, who asks, and where its files are kept.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use tagsmith_message::Note;

/// What a person's environment says about the hub. Whoever has an environment fills this in; this crate reads none.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The hub's address, without a slash at its end: `https://huggingface.co`.
    pub endpoint: String,
    /// The folder of `models--org--name` and the like, shared with Python.
    pub cache: PathBuf,
    /// Sent to the endpoint's host, and to no other.
    pub token: Option<Token>,
    /// Why no connection may be opened, if none may.
    pub offline: Option<String>,
    /// Through which addresses that begin with `http:` are reached.
    pub http_proxy: Option<String>,
    /// Through which addresses that begin with `https:` are reached.
    pub https_proxy: Option<String>,
    /// Hosts, or the ends of their names, that no proxy stands before; `*` is all of them.
    pub no_proxy: Vec<String>,
    /// A PEM file of certificates that are trusted instead of the built-in ones.
    pub certificates: Option<PathBuf>,
    /// How long nothing may come from the other side.
    pub timeout: Duration,
    /// The pause before a request is repeated; each later one is twice as long.
    pub pause: Duration,
}

impl Settings {
    /// Nothing but what is in a cache; `why` says it where something is not.
    pub fn offline(cache: impl Into<PathBuf>, why: &str) -> Settings {
        Settings {
            endpoint: "https://huggingface.co".into(),
            cache: cache.into(),
            token: None,
            offline: Some(why.into()),
            http_proxy: None,
            https_proxy: None,
            no_proxy: Vec::new(),
            certificates: None,
            timeout: Duration::from_secs(10),
            pause: Duration::from_secs(1),
        }
    }
}

/// A secret that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// A token without the white space around it; none if nothing is left.
    pub fn new(text: &str) -> Option<Token> {
        let text: String = text.chars().filter(|char| !matches!(char, '\r' | '\n')).collect();
        (!text.trim().is_empty()).then(|| Token(text.trim().to_owned()))
    }

    pub(crate) fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// What happens while names are looked up and files come and go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// Something was decided that a person should know.
    Note(Note),
    /// A file begins to come or go.
    Began {
        /// Whether it goes to the hub.
        up: bool,
        /// The file's name in the repository.
        file: &'a str,
        /// Bytes in all.
        size: u64,
        /// Bytes that an earlier, interrupted download left.
        done: u64,
    },
    /// So many bytes of it are there.
    Moved(u64),
    /// It is whole, and it was verified.
    Finished,
}
