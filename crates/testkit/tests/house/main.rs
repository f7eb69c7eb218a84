//! Rules of the house that a machine can check. Each file holds rules of one kind, with planted offenders that show
//! that the rule refuses them.

mod circles;
mod dependencies;
mod documents;
mod english;
mod files;
mod layers;
mod source;

/// What the rules of [`english`] skip so far.
const ENGLISH_PENDING: &[&str] =
    &["app", "cli", "data", "encoder", "hub", "spans", "text", "tokens", "train", "weights"];

/// Whether the rules of [`english`] hold for a tracked file already.
fn settled(path: &str) -> bool {
    let folder = path.strip_prefix("crates/").unwrap_or(path).split('/').next();
    folder.is_none_or(|folder| !ENGLISH_PENDING.contains(&folder))
}

/// Asserts that a rule found nothing.
#[track_caller]
fn none(what: &str, found: Vec<String>) {
    assert!(found.is_empty(), "{what} ({} places):\n{}", found.len(), found.join("\n"));
}
