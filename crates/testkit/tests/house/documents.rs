//! Links in documents, and files that documents name.

use crate::none;
use crate::source::{root, texts, tracked};
use std::collections::BTreeSet;
use std::path::Path;

/// Documents whose files, in backticks, are those of today's house.
const MAPS: [&str; 3] = ["ARCHITECTURE.md", "DESIGN.md", "NUMERICS.md"];

/// The crates that "each tagger" means.
const TAGGERS: [&str; 2] = ["tokens", "spans"];

/// Links of a document, which lies in `folder`, to files that do not exist.
fn broken(folder: &Path, name: &str, text: &str) -> Vec<String> {
    let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let lost = |link: &&str| {
        let path = link.split('#').next().unwrap_or(link);
        !path.is_empty() && !path.contains("://") && !folder.join(path).exists()
    };
    links.filter(lost).map(|link| format!("{name}: {link}")).collect()
}

/// Sources that a document names in backticks and that are not in the house. A path begins with its crate's name
/// and leaves out `src`. In a table's row it may leave out the crate that the row's first cell names.
fn lost(name: &str, text: &str, paths: &BTreeSet<String>) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let first_cell = line.strip_prefix('|').and_then(|row| row.split('|').next()).unwrap_or_default();
        let of_row: Vec<&str> = first_cell.split([',', ' ', '`']).filter(|word| !word.is_empty()).collect();
        let named = line.split('`').skip(1).step_by(2);
        for path in named.filter(|path| path.ends_with(".rs") || path.ends_with(".py")) {
            let is_there = |path: &str| match path.split_once('*') {
                Some((before, after)) => paths.iter().any(|it| it.starts_with(before) && it.ends_with(after)),
                None => paths.contains(path),
            };
            let in_crate = |krate: &str, rest: &str| {
                is_there(&format!("crates/{krate}/src/{rest}")) || is_there(&format!("crates/{krate}/{rest}"))
            };
            let own = path.split_once('/').is_some_and(|(krate, rest)| in_crate(krate, rest));
            let of_row = of_row.iter().any(|krate| in_crate(krate, path));
            let of_taggers = line.contains("each tagger's") && TAGGERS.iter().all(|krate| in_crate(krate, path));
            if !(own || of_row || of_taggers || is_there(path)) {
                found.push(format!("{name}:{}: {path}", number + 1));
            }
        }
    }
    found
}

#[test]
fn links_in_documents_lead_somewhere() {
    let found = texts(&[".md"]).into_iter().flat_map(|(name, text)| {
        let path = root().join(&name);
        broken(path.parent().expect("a file has a folder"), &name, &text)
    });
    none("broken links", found.collect());
}

#[test]
fn documents_name_files_that_are_there() {
    let paths: BTreeSet<String> = tracked().into_iter().map(|(path, _)| path).collect();
    let documents: Vec<_> = texts(&[".md"]).into_iter().filter(|(name, _)| MAPS.contains(&name.as_str())).collect();
    assert_eq!(documents.len(), MAPS.len());
    none("files that are not there", documents.iter().flat_map(|(name, text)| lost(name, text, &paths)).collect());
}

#[test]
fn a_planted_link_is_refused() {
    assert_eq!(
        broken(&root(), "x.md", "[a](README.md#top) [b](https://x.org/y) [c](#here) [d](lost.md)"),
        ["x.md: lost.md"]
    );
}

#[test]
fn a_planted_file_is_refused() {
    let paths = ["crates/app/src/predict/tagger.rs", "crates/tokens/src/feed.rs", "crates/spans/src/feed.rs"];
    let paths: BTreeSet<String> = paths.into_iter().chain(["crates/train/tests/run.rs"]).map(String::from).collect();
    let good = "`app/predict/tagger.rs`, `train/tests/run.rs`, each tagger's `feed.rs`, `app/predict/*.rs`, `x y`\n\
                | `app` | `predict/tagger.rs` |\n| 1 | `spans/feed.rs` |";
    assert_eq!(lost("x.md", good, &paths), [""; 0]);
    for bad in ["`app/tagger.rs`", "| `spans` | `predict/tagger.rs` |", "`feed.rs`", "`app/score/*.rs`"] {
        assert_eq!(lost("x.md", &format!("\n{bad}"), &paths).len(), 1, "{bad}");
    }
}
