//! What libraries tell the user: notes about the input, remedies of errors, the name that a slip means, and values as
//! messages show them.
//!
//! # What this crate does not do
//! It does not print, and it does not spell options. A remedy names a [`Setting`], and the rim (command line, server,
//! Python) says what that setting is called there.

mod closest;
mod note;
mod remedy;
mod shown;
mod wording;

pub use closest::closest;
pub use note::Note;
pub use remedy::{Remedy, Setting};
pub use shown::{bounded, counted, quote, quote_all};
pub use wording::Wording;
