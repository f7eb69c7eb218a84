//! Tracked files, and Rust sources taken apart into code, comments and strings.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every tracked file, with its bytes. Without git (a source archive) there is nothing to check against.
pub fn tracked() -> Vec<(String, Vec<u8>)> {
    let listing = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output().expect("git runs");
    let names = String::from_utf8(listing.stdout).expect("file names are UTF-8");
    let files: Vec<_> = names
        .split_terminator('\0')
        .filter_map(|name| Some((name.to_owned(), std::fs::read(root().join(name)).ok()?)))
        .collect();
    assert!(files.len() > 50, "git lists {} files", files.len());
    files
}

/// Every tracked file with one of these name endings, as text.
pub fn texts(endings: &[&str]) -> Vec<(String, String)> {
    let text = |(name, bytes): (String, Vec<u8>)| (name, String::from_utf8(bytes).expect("sources are UTF-8"));
    tracked().into_iter().filter(|(name, _)| endings.iter().any(|ending| name.ends_with(ending))).map(text).collect()
}

/// A comment or a string, and the line it begins on.
pub struct Piece {
    pub line: usize,
    pub text: String,
}

/// A Rust file taken apart.
pub struct Source {
    pub path: String,
    /// The file's text with comments and the contents of strings replaced by spaces.
    pub code: String,
    /// Consecutive lines of documentation, without their slashes.
    pub docs: Vec<Piece>,
    /// Other comments; consecutive lines are one.
    pub comments: Vec<Piece>,
    /// Contents of string literals, escapes as they are written.
    pub strings: Vec<Piece>,
    /// The first line of the unit tests, or a line after the last.
    pub tests_from: usize,
}

impl Source {
    /// Takes a file apart.
    pub fn new(path: &str, text: &str) -> Source {
        let mut lexer = Lexer { rest: text.chars().collect(), at: 0, line: 1, code: String::new() };
        let (mut docs, mut comments, mut strings) = (Blocks::default(), Blocks::default(), Vec::new());
        while lexer.at < lexer.rest.len() {
            if lexer.sees("//") {
                let line = lexer.line;
                let text = lexer.hide_while(|c| c != '\n');
                let doc = text.strip_prefix("///").or_else(|| text.strip_prefix("//!"));
                match doc.filter(|doc| !doc.starts_with('/')) {
                    Some(doc) => docs.add(line, doc),
                    None => comments.add(line, text.trim_start_matches('/')),
                }
            } else if let Some(hashes) = lexer.raw_string() {
                let line = lexer.line;
                strings.push(Piece { line, text: lexer.hide_until(&format!("\"{}", "#".repeat(hashes))) });
            } else if lexer.sees("\"") {
                let line = lexer.line;
                lexer.keep(1);
                strings.push(Piece { line, text: lexer.hide_string() });
            } else if lexer.sees("'") {
                lexer.character();
            } else {
                lexer.keep(1);
            }
        }
        let tests = lexer.code.lines().position(|line| line.starts_with("#[cfg(test)]"));
        let tests_from = tests.map_or(text.lines().count(), |line| line) + 1;
        Source { path: path.to_owned(), code: lexer.code, docs: docs.0, comments: comments.0, strings, tests_from }
    }

    /// The crate's folder name.
    pub fn package(&self) -> &str {
        self.path.strip_prefix("crates/").and_then(|path| path.split('/').next()).unwrap_or("bench")
    }

    /// Whether the file is part of a library or a program, not of its tests.
    pub fn ships(&self) -> bool {
        self.path.contains("/src/") && self.package() != "testkit"
    }

    /// Lines of code before the unit tests, numbered.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.lines().enumerate().map(|(i, line)| (i + 1, line)).take_while(|(line, _)| *line < self.tests_from)
    }
}

/// Every tracked Rust source.
pub fn sources() -> Vec<Source> {
    texts(&[".rs"]).iter().map(|(path, text)| Source::new(path, text)).collect()
}

/// Comment lines, joined where they follow one another.
#[derive(Default)]
struct Blocks(Vec<Piece>);

impl Blocks {
    fn add(&mut self, line: usize, text: &str) {
        match self.0.last_mut() {
            Some(last) if last.line + last.text.matches('\n').count() + 1 == line => {
                last.text.push('\n');
                last.text.push_str(text.trim_end());
            }
            _ => self.0.push(Piece { line, text: text.trim_end().to_owned() }),
        }
    }
}

struct Lexer {
    rest: Vec<char>,
    at: usize,
    line: usize,
    code: String,
}

impl Lexer {
    fn sees(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(i, c)| self.rest.get(self.at + i) == Some(&c))
    }

    fn step(&mut self, shown: bool) -> char {
        let c = self.rest[self.at];
        self.at += 1;
        self.line += usize::from(c == '\n');
        self.code.push(if shown || c == '\n' { c } else { ' ' });
        c
    }

    fn keep(&mut self, count: usize) {
        (0..count).for_each(|_| _ = self.step(true));
    }

    fn hide_while(&mut self, goes_on: impl Fn(char) -> bool) -> String {
        let mut hidden = String::new();
        while self.at < self.rest.len() && goes_on(self.rest[self.at]) {
            hidden.push(self.step(false));
        }
        hidden
    }

    fn hide_until(&mut self, end: &str) -> String {
        let mut hidden = String::new();
        while self.at < self.rest.len() && !self.sees(end) {
            hidden.push(self.step(false));
        }
        self.keep(end.len().min(self.rest.len() - self.at));
        hidden
    }

    fn hide_string(&mut self) -> String {
        let mut hidden = String::new();
        while self.at < self.rest.len() && !self.sees("\"") {
            let escape = self.sees("\\");
            hidden.push(self.step(false));
            if escape && self.at < self.rest.len() {
                hidden.push(self.step(false));
            }
        }
        self.keep(usize::from(self.at < self.rest.len()));
        hidden
    }

    /// Steps over `r##"` and the like, and returns how many hashes there are.
    fn raw_string(&mut self) -> Option<usize> {
        let before = self.at.checked_sub(1).map(|before| self.rest[before]);
        if !self.sees("r") || before.is_some_and(|c| c != 'b' && (c.is_alphanumeric() || c == '_')) {
            return None;
        }
        let hashes = self.rest[self.at + 1..].iter().take_while(|&&c| c == '#').count();
        if self.rest.get(self.at + 1 + hashes) != Some(&'"') {
            return None;
        }
        self.keep(hashes + 2);
        Some(hashes)
    }

    /// Steps over a character, or over the quote of a lifetime.
    fn character(&mut self) {
        let closing = if self.rest.get(self.at + 1) == Some(&'\\') {
            self.rest.iter().skip(self.at + 3).position(|&c| c == '\'').map(|after| after + 3)
        } else {
            (self.rest.get(self.at + 2) == Some(&'\'')).then_some(2)
        };
        self.keep(1);
        if let Some(closing) = closing {
            (1..closing).for_each(|_| _ = self.step(false));
            self.keep(1);
        }
    }
}

#[test]
fn a_source_is_taken_apart() {
    let text = "//! Inner.\n/// One.\n/// Two.\nfn f<'a>(c: &'a str) -> char {\n    // Why.\n    let s = \"a \\\" // b\";\n    \
                let r = r#\"raw \" --x\"#; '\"'\n}\n#[cfg(test)]\nmod tests { // none\n}\n";
    let source = Source::new("crates/kernel/src/x.rs", text);
    let texts = |pieces: &[Piece]| pieces.iter().map(|piece| (piece.line, piece.text.clone())).collect::<Vec<_>>();
    assert_eq!(texts(&source.docs), [(1, " Inner.\n One.\n Two.".to_owned())]);
    assert_eq!(texts(&source.comments), [(5, " Why.".to_owned()), (10, " none".to_owned())]);
    assert_eq!(texts(&source.strings), [(6, "a \\\" // b".to_owned()), (7, "raw \" --x".to_owned())]);
    assert_eq!((source.tests_from, source.lines().count()), (9, 8));
    assert!(source.code.contains("fn f<'a>(c: &'a str) -> char {") && !source.code.contains("Why"));
    assert_eq!(source.code.lines().count(), text.lines().count());
    assert!(source.ships() && source.package() == "kernel");
}
