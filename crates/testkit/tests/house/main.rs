//! Rules of the house that a machine can check. Each file holds rules of one kind, with planted offenders that show
//! that the rule refuses them.

mod circles;
mod dependencies;
mod documents;
mod english;
mod files;
mod layers;
mod source;

/// Asserts that a rule found nothing.
#[track_caller]
fn none(what: &str, found: Vec<String>) {
    assert!(found.is_empty(), "{what} ({} places):\n{}", found.len(), found.join("\n"));
}
