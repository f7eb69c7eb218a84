//! Links in documents.

use crate::none;
use crate::source::{root, texts};
use std::path::Path;

/// Links of a document, which lies in `folder`, to files that do not exist.
fn broken(folder: &Path, name: &str, text: &str) -> Vec<String> {
    let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let lost = |link: &&str| {
        let path = link.split('#').next().unwrap_or(link);
        !path.is_empty() && !path.contains("://") && !folder.join(path).exists()
    };
    links.filter(lost).map(|link| format!("{name}: {link}")).collect()
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
fn a_planted_link_is_refused() {
    assert_eq!(
        broken(&root(), "x.md", "[a](README.md#top) [b](https://x.org/y) [c](#here) [d](lost.md)"),
        ["x.md: lost.md"]
    );
}
